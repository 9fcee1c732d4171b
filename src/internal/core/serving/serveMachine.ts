/**
 * The server's end of a stream that carries many requests: which requests begin, which answers leave together, when the
 * server reads. Plain, synchronous state. What has to happen outside is a command, after the transition.
 */
import { FrameBatch } from "../bytes/frameBatch.js"
import { type FrameProblem, type Oversized, payloadSize, splitId } from "../bytes/frameCodec.js"
import { MessageQueue } from "../bytes/messageQueue.js"
import { type Linked, LinkedList } from "../linkedList.js"
import { Outbox } from "../outbox.js"

/** Sizes are in bytes. */
export interface ServeMachineOptions {
  /** How many requests may run at once. */
  readonly concurrency: number
  /** Whether each message begins with a correlation id. Without ids, answers leave in the order of the requests. */
  readonly correlate: boolean
  /** How many bytes of requests may wait until others have ended. */
  readonly maxBuffered: number
  readonly maxMessageSize: number
  /** Whether the transport holds the client back while the server does not read. */
  readonly holdsBack: boolean
}

/** Answers wait while so many bytes of earlier ones have not been accepted by the transport. */
export const maxBatch = 64 * 1024

/** A request whose handler has begun. */
export class ServedRequest implements Linked<ServedRequest> {
  readonly id: number | undefined
  /** An answer that waits for its turn, or for room. */
  waiting: Uint8Array | undefined = undefined
  /** Without ids: its answer never comes, and no later answer may take its place. */
  isUnanswerable = false
  previous: ServedRequest | undefined = undefined
  next: ServedRequest | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(id: number | undefined) {
    this.id = id
  }
}

/** More bytes wait than the server holds, and not to read holds nobody back. */
export interface Flooded {
  readonly _tag: "Flooded"
  readonly size: number
  readonly limit: number
}

/** `Waits`: the request gives no other answer before `Resume`. */
export type Given = { readonly _tag: "Taken" } | { readonly _tag: "Waits" } | Oversized

const taken: Given = { _tag: "Taken" }
const waits: Given = { _tag: "Waits" }

export type ServeCommand =
  /** Runs the handler. Answered by `ended`. */
  | { readonly _tag: "Begin"; readonly request: ServedRequest; readonly message: Uint8Array }
  /** The waiting answer was taken. */
  | { readonly _tag: "Resume"; readonly request: ServedRequest }
  /** Reads again. */
  | { readonly _tag: "Read" }
  /** Takes the batch at the end of this turn of the event loop, and writes it. Answered by `written`. */
  | { readonly _tag: "Write" }
  /** Every answer is written that will ever be. */
  | { readonly _tag: "Finish" }
  /** The client broke the rules. */
  | { readonly _tag: "Break"; readonly problem: FrameProblem | Flooded }

export class ServeMachine {
  private readonly options: ServeMachineOptions
  private readonly outbox: Outbox<ServeCommand>
  /** Requests that have not begun. */
  private readonly queue: MessageQueue
  /** Answers that the transport has not been given. */
  private readonly batch = new FrameBatch()
  /** The bytes that the transport has been given and not accepted. */
  private unaccepted = 0
  private isWriting = false
  /** With ids: the requests whose answers wait for room. Without: all that have begun, the oldest first. */
  private readonly turns = new LinkedList<ServedRequest>()
  /** The requests that have begun and not ended. */
  running = 0
  private isHeldBack = false
  /** Without ids, after a request that is not answered: nothing begins any more. */
  private isStopping = false
  /** The server takes no more requests. */
  private isLast = false
  private isOver = false

  constructor(options: ServeMachineOptions, perform: (command: ServeCommand) => void) {
    this.options = options
    this.outbox = new Outbox(perform)
    this.queue = new MessageQueue(options.maxMessageSize)
  }

  // ---------------------------------------------------------------------------
  // The client
  // ---------------------------------------------------------------------------

  /** Bytes came. They must not change any more. */
  received(chunk: Uint8Array): void {
    if (this.isOver || this.isStopping) return
    this.queue.push(chunk)
    this.beginRequests()
    this.checkFlood()
    this.isHeldBack = !this.mayRead
    this.outbox.flush()
  }

  /** The client has finished the stream. */
  finished(): void {
    this.queue.end()
    this.goOn()
  }

  /** The server takes no more requests: those of which bytes have come are answered, and the stream ends. */
  lastCall(): void {
    this.isLast = true
    this.queue.cut()
    this.goOn()
  }

  /** Whether to read. If not, `Read` says when. */
  get isReading(): boolean {
    return !this.isHeldBack
  }

  /** The bytes of requests that have not begun. */
  get buffered(): number {
    return this.queue.size
  }

  private get mayRead(): boolean {
    const { concurrency, holdsBack, maxBuffered } = this.options
    return !this.isStopping && (this.isLast || !holdsBack || this.running < concurrency || this.buffered < maxBuffered)
  }

  // ---------------------------------------------------------------------------
  // Handlers
  // ---------------------------------------------------------------------------

  /** The handler gives an answer. After `Waits` its bytes must not change before `Resume`. */
  answer(request: ServedRequest, message: Uint8Array): Given {
    const { correlate, maxMessageSize } = this.options
    const size = payloadSize(message, request.id)
    if (size > maxMessageSize) return { _tag: "Oversized", operation: "write", size, limit: maxMessageSize }
    if (this.hasRoom && this.turns.first === (correlate ? undefined : request)) {
      this.addToBatch(request, message)
      this.outbox.flush()
      return taken
    }
    request.waiting = message
    if (correlate) this.turns.push(request)
    return waits
  }

  /** The handler has ended. `Failed`: before its last answer. */
  ended(request: ServedRequest, how: "Answered" | "Failed"): void {
    this.running--
    request.waiting = undefined
    if (how === "Failed" && !this.options.correlate) {
      request.isUnanswerable = true
      this.isStopping = true
    } else {
      this.turns.remove(request)
    }
    this.goOn()
  }

  // ---------------------------------------------------------------------------
  // Writing
  // ---------------------------------------------------------------------------

  /** The answers to write, after `Write`. */
  takeBatch(): Uint8Array<ArrayBuffer> {
    this.unaccepted = this.batch.size
    return this.batch.take()
  }

  /** The transport has accepted the batch. */
  written(): void {
    this.unaccepted = 0
    this.isWriting = false
    if (this.batch.size > 0) this.write()
    this.goOn()
  }

  private get hasRoom(): boolean {
    return this.unaccepted + this.batch.size < maxBatch
  }

  private addToBatch(request: ServedRequest, message: Uint8Array): void {
    this.batch.add(message, request.id)
    if (!this.isWriting) this.write()
  }

  private write(): void {
    this.isWriting = true
    this.outbox.push({ _tag: "Write" })
  }

  // ---------------------------------------------------------------------------
  // Transitions
  // ---------------------------------------------------------------------------

  private goOn(): void {
    if (!this.isOver) {
      this.addWaiting()
      this.beginRequests()
      this.readOn()
      this.finishIfDone()
    }
    this.outbox.flush()
  }

  /** Takes the waiting answers, as far as there is room. */
  private addWaiting(): void {
    for (let first = this.turns.first; first?.waiting !== undefined && this.hasRoom; first = this.turns.first) {
      const { waiting } = first
      first.waiting = undefined
      if (this.options.correlate) this.turns.remove(first)
      this.addToBatch(first, waiting)
      this.outbox.push({ _tag: "Resume", request: first })
    }
  }

  private beginRequests(): void {
    const { concurrency, correlate } = this.options
    while (this.running < concurrency && !this.isStopping) {
      const next = this.queue.next()
      if (next._tag === "Missing") return
      if (next._tag !== "Message") return this.break(next)
      const split = correlate ? splitId(next.message) : undefined
      if (split?._tag === "Malformed") return this.break(split)
      const request = new ServedRequest(split?.id)
      this.running++
      if (!correlate) this.turns.push(request)
      this.outbox.push({ _tag: "Begin", request, message: split?.message ?? next.message })
    }
  }

  private checkFlood(): void {
    const { concurrency, holdsBack, maxBuffered } = this.options
    const size = this.buffered
    if (this.isOver || holdsBack || this.running < concurrency || size <= maxBuffered) return
    this.break({ _tag: "Flooded", size, limit: maxBuffered })
  }

  private readOn(): void {
    if (!this.isHeldBack || !this.mayRead) return
    this.isHeldBack = false
    this.outbox.push({ _tag: "Read" })
  }

  private finishIfDone(): void {
    if (this.isOver || this.isWriting) return
    const isDone = this.isStopping
      ? this.turns.first?.isUnanswerable === true
      : (this.isLast || this.queue.isEnded) && !this.queue.isAwaiting && this.running === 0
    if (!isDone) return
    this.isOver = true
    this.outbox.push({ _tag: "Finish" })
  }

  private break(problem: FrameProblem | Flooded): void {
    this.isOver = true
    this.outbox.push({ _tag: "Break", problem })
  }
}
