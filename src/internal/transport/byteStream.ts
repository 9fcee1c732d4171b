/**
 * One WebTransport stream, in one direction or both: a class with plain fields, since every byte passes here.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import type * as FiberStatus from "effect/FiberStatus"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { FramingError } from "../../FramingError.js"
import type * as Api from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { Assembly } from "../core/bytes/frameCodec.js"
import { copyOf } from "../core/copyBytes.js"
import { isBytes, notBytes } from "../core/kinds.js"
import { type Linked, LinkedList } from "../core/linkedList.js"
import { cleanliness } from "../core/streams/cleanliness.js"
import type { SessionCore, SessionHandle } from "./session.js"

export const StreamTypeId: Api.StreamTypeId = Symbol.for("effect-pools/WebTransport/Stream") as Api.StreamTypeId

/** `Absent`: this stream has no such direction. `Finished`: by a FIN. `Failed`: broken, lost, or ended here. */
export type Direction = "Absent" | "Open" | "Finished" | "Failed"

type Resume = (effect: Effect.Effect<any, any>) => void

/**
 * What a fiber waits for. It begins in the step that looks whether it may, and the fiber comes to wait in a later one:
 * in between it may pause, and much may happen.
 */
class Pending {
  private outcome: Effect.Effect<any, any> | undefined = undefined
  /** Undefined before its fiber waits, and once that was interrupted. */
  private resume: Resume | undefined = undefined

  get isDone(): boolean {
    return this.outcome !== undefined
  }

  done(outcome: Effect.Effect<any, any>): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.resume?.(outcome)
  }

  await(resume: Resume): void {
    if (this.outcome === undefined) this.resume = resume
    else resume(this.outcome)
  }

  forget(): void {
    this.resume = undefined
  }
}

/** What a read comes to; undefined while it has to wait. */
export type Outcome<A, E> = () => Effect.Effect<A, E> | undefined

/** A fiber that waits to read. */
class Waiter extends Pending {
  readonly ask: Outcome<any, any>
  /** Whom to ask whether it waits still, since nothing else would say that it was interrupted. */
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined

  constructor(ask: Outcome<any, any>, fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined) {
    super()
    this.ask = ask
    this.fiber = fiber
  }

  get wasInterrupted(): boolean {
    return this.fiber !== undefined && !Cause.isEmpty(this.fiber.getFiberRef(FiberRef.interruptedCause))
  }
}

const twoReads = () =>
  new Error("Two reads of one stream at the same time: bytes would go to either; read in one fiber, or take turns")

/** A write that waits for room, in a queue. */
class Writer implements Linked<Writer> {
  readonly bytes: Uint8Array
  readonly isOwned: boolean
  readonly resume: Resume
  previous: Writer | undefined = undefined
  next: Writer | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(bytes: Uint8Array, isOwned: boolean, resume: Resume) {
    this.bytes = bytes
    this.isOwned = isOwned
    this.resume = resume
  }
}

/**
 * In so many bytes at a time the platform says how far it is: one that takes none for long is silent. The last piece of a
 * write may be half as large again.
 */
const pieceSize = 64 * 1024
const largestPiece = 1.5 * pieceSize

const noBytes = Effect.succeed(Option.none<Uint8Array>())

/**
 * The reason of a `cancel` or `abort` that carries a code: browsers want their own error, fails-components (1.6.8) a
 * record with `code`.
 */
const reasonOf = (code: number): unknown => {
  const Native = (globalThis as { readonly WebTransportError?: new(...args: Array<any>) => any }).WebTransportError
  if (Native !== undefined) {
    for (const args of [["", { source: "stream", streamErrorCode: code }], [{ streamErrorCode: code }]]) {
      try {
        const error = new Native(...args)
        if (error.streamErrorCode === code) return error
      } catch {
        // An older or a newer signature than this one.
      }
    }
  }
  return { code, streamErrorCode: code }
}

/** Again and again, until there is none. */
export const untilNone = <A, E, R>(next: Effect.Effect<Option.Option<A>, E, R>): Stream.Stream<A, E, R> =>
  Stream.repeatEffectOption(
    Effect.matchEffect(next, {
      onFailure: (error) => Effect.fail(Option.some(error)),
      onSuccess: (value) => Option.isSome(value) ? Effect.succeed(value.value) : Effect.fail(Option.none())
    })
  )

/** What messages are read from and written to: a stream, or a borrower's view of one. */
export interface Framed {
  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError>
  /** For bytes that nobody will change any more. */
  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError>
}

export class ByteStream extends Inspectable.Class implements Framed, Omit<Api.BidirectionalStream, "native"> {
  readonly session: SessionCore
  readonly native: any
  /** The view that ends it, if any. */
  readonly owner: SessionHandle | undefined

  /** One for life each: `releaseLock` with a read pending would lose bytes to the next one. */
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly writer: WritableStreamDefaultWriter<Uint8Array> | undefined

  receiving: Direction
  /** The chunk that nobody has read yet. While it is there no native read is pending. */
  inbox: Uint8Array | undefined = undefined
  /** What an unfinished `readExactly` has gathered; comes before the inbox. */
  kept: Array<Uint8Array> = []
  keptSize = 0
  readPending = false
  bytesReceived = 0
  readFailure: WebTransportError | undefined = undefined
  private waiter: Waiter | undefined = undefined
  /** What an unfinished `readMessage` has taken; comes before what is kept. */
  private assembly: Assembly | undefined = undefined

  sending: Direction
  /** How many the platform is not done with, a FIN too. */
  private unsettledWrites = 0
  /** Those that wait for room. Nothing of them was handed over. */
  private readonly writers = new LinkedList<Writer>()
  private isAwaitingRoom = false
  /** Whoever waits for the FIN. */
  private finishing: Pending | undefined = undefined
  /** Why bytes that were accepted are not sent. */
  private cutBy: WebTransportError | undefined = undefined
  private cutListeners: Set<(error: Effect.Effect<WebTransportError>) => void> | undefined = undefined
  private flushers: Set<Resume> | undefined = undefined
  writeFailure: WebTransportError | undefined = undefined

  /** Set once it was ended here. */
  endedBecause: string | undefined = undefined
  isLost = false
  /** Told, in the same step, of bytes that came and of whatever makes it lost. */
  watcher: (() => void) | undefined = undefined
  /** Called once the platform is done with every write, or the stream is ended. */
  whenWritten: (() => void) | undefined = undefined
  /** Called once its ending has settled, or is waited for no longer. */
  onEnded: (() => void) | undefined = undefined
  /** Whether it was ended in success: what was accepted is sent, and the FIN after it. */
  private isDelivering = false
  /** Whether the platform took nothing for so long that it was reset after all. */
  wasSilent = false
  /** For whoever looks from time to time: how much was left at the last look, and how often that was so. */
  private leftAtLook = 0
  private looks = 0
  private isReadAbandoned = false
  private lostSignal: Deferred.Deferred<void> | undefined = undefined

  private readEffect: Effect.Effect<Option.Option<Uint8Array>, WebTransportError> | undefined = undefined
  private readOutcome: Outcome<Option.Option<Uint8Array>, WebTransportError> | undefined = undefined
  private takeEffect: Effect.Effect<Option.Option<Uint8Array>, WebTransportError> | undefined = undefined
  private exactOutcome: Outcome<Uint8Array, WebTransportError> | undefined = undefined
  private exactSize = 0
  private messageOutcome: Outcome<Option.Option<Uint8Array>, WebTransportError | FramingError> | undefined = undefined
  private messageMax = 0
  private takeMessageEffect: Effect.Effect<Option.Option<Uint8Array>> | undefined = undefined

  constructor(
    session: SessionCore,
    native: unknown,
    readable: Api.NativeReceiveStream | undefined,
    writable: Api.NativeSendStream | undefined,
    owner?: SessionHandle
  ) {
    super()
    this.session = session
    this.native = native
    this.owner = owner
    this.reader = readable?.getReader()
    this.writer = writable?.getWriter()
    this.receiving = this.reader === undefined ? "Absent" : "Open"
    this.sending = this.writer === undefined ? "Absent" : "Open"
    session.streams.add(this)
    owner?.streams?.add(this)
    if (this.reader !== undefined) {
      // With the inbox full no read is pending that would tell of a reset.
      this.reader.closed.then(undefined, this.onReadFailed)
      this.pull()
    }
    this.writer?.closed.then(this.onWriterClosed, this.onWriteFailed)
  }

  get [StreamTypeId](): Api.StreamTypeId {
    return StreamTypeId
  }

  /** Whether the next borrower finds the stream as if it were new. */
  get isClean(): boolean {
    return cleanliness(this) === "Clean"
  }

  get isInboxEmpty(): boolean {
    return this.inbox === undefined && this.keptSize === 0 && this.assembly?.isEmpty !== false
  }

  /** A native read is pending, and no fiber waits for it. */
  get isReadPending(): boolean {
    return this.readPending && !this.isAwaited
  }

  get areWritesSettled(): boolean {
    return this.unsettledWrites === 0
  }

  get isSessionAlive(): boolean {
    return this.session.state === "Open"
  }

  get isEnded(): boolean {
    return this.endedBecause !== undefined
  }

  /** Completes when the platform is done with every write, or the stream is ended. One at a time may wait. */
  get written(): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (this.unsettledWrites === 0 || this.endedBecause !== undefined) return resume(Effect.void)
      this.whenWritten = () => resume(Effect.void)
      return Effect.sync(() => this.whenWritten = undefined)
    })
  }

  // ---------------------------------------------------------------------------
  // Reading
  // ---------------------------------------------------------------------------

  get read(): Effect.Effect<Option.Option<Uint8Array>, WebTransportError> {
    return this.readEffect ??= this.reading(this.bytes)
  }

  readExactly(size: number): Effect.Effect<Uint8Array, WebTransportError> {
    return this.reading(this.exactly(size))
  }

  /** What `read` comes to. */
  get bytes(): Outcome<Option.Option<Uint8Array>, WebTransportError> {
    return this.readOutcome ??= () => {
      this.spill()
      if (this.inbox !== undefined || this.keptSize > 0) {
        return this.takeEffect ??= Effect.sync(() => Option.some(this.take()))
      }
      if (this.receiving === "Open") return undefined
      return this.receiving === "Failed" ? Effect.fail(this.readRefusal()) : noBytes
    }
  }

  /** What `readExactly` comes to. */
  exactly(size: number): Outcome<Uint8Array, WebTransportError> {
    if (this.exactOutcome !== undefined && this.exactSize === size) return this.exactOutcome
    if (!Number.isSafeInteger(size) || size < 0) {
      return () => Effect.die(new RangeError(`readExactly: size must be a whole number of bytes, not ${size}`))
    }
    const take = Effect.sync(() => this.cut(size))
    this.exactSize = size
    return this.exactOutcome = () => {
      this.spill()
      if (this.inbox !== undefined && this.keptSize + this.inbox.byteLength < size) {
        this.kept.push(this.inbox)
        this.keptSize += this.inbox.byteLength
        this.emptyInbox()
      }
      if (this.held >= size) return take
      if (this.receiving === "Open") return undefined
      if (this.receiving === "Failed") return Effect.fail(this.readRefusal())
      return Effect.fail(
        new WebTransportError({
          reason: "Read",
          detail: `the peer finished the stream after ${this.keptSize} of ${size} bytes`,
          advice: "read what there is with read, or ask again"
        })
      )
    }
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return untilNone(this.read)
  }

  /**
   * Waits for an outcome, which is asked for again whenever something comes.
   *
   * The fiber that waits is resumed with the one step that takes the bytes: whatever is interrupted, they are there
   * still or were handed over. That is why the wait has no finalizer (which would also cost more than all the rest), and
   * why it is the fiber itself that tells whether it was interrupted.
   */
  private reading<A, E>(outcome: Outcome<A, E>): Effect.Effect<A, E> {
    return Effect.withFiberRuntime((fiber, status) => this.begin(outcome, fiber, status))
  }

  /** The same, from now on: for whoever has a fiber at hand. */
  begin<A, E>(
    outcome: Outcome<A, E>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    status: FiberStatus.Running
  ): Effect.Effect<A, E> {
    if (this.isAwaited) return Effect.die(twoReads())
    const now = outcome()
    if (now !== undefined) return now
    const isInterruptible = RuntimeFlags.interruptible(status.runtimeFlags)
    const waiter = this.waiter = new Waiter(outcome, isInterruptible ? fiber : undefined)
    return Effect.async<A, E>((resume) => waiter.await(resume))
  }

  /** Whether a fiber waits to read. */
  private get isAwaited(): boolean {
    if (this.waiter?.wasInterrupted === true) this.dropWaiter()
    return this.waiter !== undefined
  }

  private dropWaiter(): void {
    this.waiter = undefined
    this.isReadAbandoned = true
  }

  /** Whether a read was interrupted and no byte has come since. */
  get isOverdue(): boolean {
    return !this.isAwaited && this.isReadAbandoned
  }

  /**
   * One message with its length before it; none when the peer finished between two.
   *
   * What has arrived of it is put together in `assembly`, whence `spill` gives it back to whoever reads bytes.
   */
  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    return this.reading(this.messages(max))
  }

  /** What `readMessage` comes to. */
  messages(max: number): Outcome<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    if (this.messageOutcome !== undefined && this.messageMax === max) return this.messageOutcome
    this.messageMax = max
    return this.messageOutcome = () => this.message(max)
  }

  /** What a reader of messages gets; undefined while it has to wait. Takes in no more than one message. */
  private message(
    max: number
  ): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> | undefined {
    const assembly = this.assembly ??= new Assembly()
    if (this.keptSize > 0) this.assembleKept(assembly, max)
    // Not a loop: the next chunk comes later.
    if (this.inbox !== undefined && !assembly.isDecided(max)) {
      const used = assembly.feed(this.inbox, max)
      if (used === this.inbox.byteLength) this.emptyInbox()
      else this.inbox = this.inbox.subarray(used)
    }
    if (assembly.isRefused(max)) return Effect.fail(assembly.oversized(max))
    if (assembly.isWhole) {
      return this.takeMessageEffect ??= Effect.sync(() => {
        if (!assembly.isWhole) throw twoReads()
        return Option.some(assembly.take())
      })
    }
    if (this.receiving === "Open") return undefined
    if (this.receiving === "Failed") return Effect.fail(this.readRefusal())
    return assembly.isEmpty ? noBytes : Effect.fail(assembly.truncated())
  }

  private assembleKept(assembly: Assembly, max: number): void {
    let whole = 0
    for (const chunk of this.kept) {
      if (assembly.isDecided(max)) break
      const used = assembly.feed(chunk, max)
      this.keptSize -= used
      if (used < chunk.byteLength) this.kept[whole] = chunk.subarray(used)
      else whole++
    }
    this.kept.splice(0, whole)
  }

  private spill(): void {
    if (this.assembly === undefined || this.assembly.isEmpty) return
    for (const bytes of this.assembly.spill().reverse()) {
      this.kept.unshift(bytes)
      this.keptSize += bytes.byteLength
    }
  }

  private take(): Uint8Array {
    const kept = this.kept.shift()
    if (kept !== undefined) {
      this.keptSize -= kept.byteLength
      return kept
    }
    const chunk = this.inbox
    if (chunk === undefined) throw twoReads()
    this.emptyInbox()
    return chunk
  }

  /** Bytes that came and that nobody has taken. */
  private get held(): number {
    return this.keptSize + (this.inbox?.byteLength ?? 0)
  }

  private cut(size: number): Uint8Array {
    if (this.held < size) throw twoReads()
    if (this.keptSize === 0 && this.inbox?.byteLength === size) return this.take()
    const bytes = new Uint8Array(size)
    let at = 0
    let used = 0
    // not chunk by chunk off the front, which would be quadratic
    for (const chunk of this.kept) {
      if (chunk.byteLength > size - at) break
      bytes.set(chunk, at)
      at += chunk.byteLength
      used++
    }
    this.kept.splice(0, used)
    this.keptSize -= at
    if (at === size) return bytes
    const last = this.kept[0] ?? this.inbox!
    const part = size - at
    bytes.set(last.subarray(0, part), at)
    if (this.kept.length > 0) {
      this.kept[0] = last.subarray(part)
      this.keptSize -= part
    } else if (part === last.byteLength) this.emptyInbox()
    else this.inbox = last.subarray(part)
    return bytes
  }

  private emptyInbox(): void {
    this.inbox = undefined
    if (this.receiving === "Open") this.pull()
  }

  private pull(): void {
    this.readPending = true
    this.reader!.read().then(this.onRead, this.onReadFailed)
  }

  private readonly onRead = (next: ReadableStreamReadResult<Uint8Array>): void => {
    this.readPending = false
    if (this.receiving !== "Open") return
    if (next.done) {
      this.receiving = "Finished"
      this.signalLost()
    } else if (next.value.byteLength === 0) {
      return this.pull()
    } else {
      // Interrupted before they came, though nobody has asked since: the read is not overdue any more.
      if (this.waiter?.wasInterrupted === true) this.waiter = undefined
      this.inbox = next.value
      this.bytesReceived += next.value.byteLength
      this.session.received(next.value.byteLength, this.owner)
      this.watcher?.()
    }
    this.wake()
    this.isReadAbandoned = false
  }

  private readonly onReadFailed = (cause: unknown): void => {
    // A session that dies errors its streams before it says so itself, in the same task.
    queueMicrotask(() => {
      this.readPending = false
      this.failRead(() => this.session.failure("Read", "the stream was reset, or broke", cause))
    })
  }

  /** The error is made only if it is one: an Error costs its stack, and every stream ends. */
  private failRead(error: () => WebTransportError): void {
    if (this.receiving !== "Open") return
    this.receiving = "Failed"
    this.readFailure = error()
    this.signalLost()
    this.wake()
  }

  private readRefusal(): WebTransportError {
    return this.readFailure ??= new WebTransportError({ reason: "Read", detail: this.endedBecause })
  }

  private wake(): void {
    if (!this.isAwaited) return
    const waiter = this.waiter!
    const outcome = waiter.ask()
    if (outcome === undefined) return
    this.waiter = undefined
    waiter.done(outcome)
  }

  // ---------------------------------------------------------------------------
  // Writing
  // ---------------------------------------------------------------------------

  write(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.send(bytes, false))
  }

  /** For bytes that nobody will change any more: never copied. */
  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.send(bytes, true))
  }

  /**
   * Hands the bytes over now where there is room; else what it returns waits for it.
   *
   * All of them or none: an interrupted wait has handed nothing over, and a write that is done cannot be interrupted. The
   * platform may not have looked at them yet, so nobody else may be able to change them.
   */
  send(bytes: Uint8Array, isOwned: boolean): Effect.Effect<void, WebTransportError> {
    if (!isBytes(bytes)) return Effect.die(notBytes("what is written", bytes))
    if (this.sending !== "Open") return Effect.fail(this.writeRefusal())
    if (bytes.byteLength === 0) return Effect.void
    if (this.writers.first !== undefined || !(this.writer!.desiredSize! > 0)) return this.waitForRoom(bytes, isOwned)
    this.handOver(bytes, isOwned)
    return Effect.void
  }

  private handOver(bytes: Uint8Array, isOwned: boolean): void {
    const owned = isOwned ? bytes : this.session.retainsWrites ? copyOf(bytes) : new Uint8Array(bytes)
    let at = 0
    // all at once: what is queued is sent whole
    while (owned.byteLength - at > largestPiece) {
      this.queue(owned.subarray(at, at += pieceSize))
    }
    this.queue(at === 0 ? owned : owned.subarray(at))
  }

  private queue(piece: Uint8Array): void {
    this.unsettledWrites++
    this.writer!.write(piece).then(this.onWritten, this.onWriteRejected)
  }

  /** In turn. */
  private waitForRoom(bytes: Uint8Array, isOwned: boolean): Effect.Effect<void, WebTransportError> {
    return Effect.async<void, WebTransportError>((resume) => {
      if (this.sending !== "Open") return resume(Effect.fail(this.writeRefusal()))
      const writer = new Writer(bytes, isOwned, resume)
      this.writers.push(writer)
      this.awaitRoom()
      return Effect.sync(() => this.writers.remove(writer))
    })
  }

  private awaitRoom(): void {
    if (this.isAwaitingRoom || this.writers.first === undefined || this.sending !== "Open") return
    this.isAwaitingRoom = true
    // it breaks only with the stream, which says so itself
    this.writer!.ready.then(this.onRoom, () => {})
  }

  private readonly onRoom = (): void => {
    this.isAwaitingRoom = false
    while (this.sending === "Open" && this.writer!.desiredSize! > 0 && this.letFirstWrite()) {
      // it has written
    }
    this.awaitRoom()
  }

  private letFirstWrite(): boolean {
    const writer = this.writers.first
    if (writer === undefined) return false
    this.writers.remove(writer)
    this.handOver(writer.bytes, writer.isOwned)
    writer.resume(Effect.void)
    return true
  }

  private failWriters(): void {
    for (let writer = this.writers.first; writer !== undefined; writer = this.writers.first) {
      this.writers.remove(writer)
      writer.resume(Effect.fail(this.writeRefusal()))
    }
  }

  private readonly onWritten = (): void => {
    this.session.taken++
    if (--this.unsettledWrites > 0) return
    if (this.whenWritten !== undefined) this.allWritten()
    if (this.flushers !== undefined) this.allFlushed(Effect.void)
  }

  private readonly onWriteRejected = (cause: unknown): void => {
    this.onWriteFailed(cause)
    queueMicrotask(() => this.onCut(cause))
    // after that
    queueMicrotask(this.onWritten)
  }

  /** Or there is no waiting for it any longer. */
  allWritten(): void {
    const { whenWritten } = this
    this.whenWritten = undefined
    whenWritten?.()
  }

  /** Bytes that were accepted, or the FIN, are not sent. */
  private onCut(cause: unknown): void {
    if (this.cutBy !== undefined) return
    const detail = this.endedBecause ?? "the stream broke before all was sent"
    const error = this.cutBy = this.writeFailure ?? this.session.failure("Write", detail, cause)
    this.allFlushed(Effect.fail(error))
    const listeners = this.cutListeners
    this.cutListeners = undefined
    listeners?.forEach((resume) => resume(Effect.succeed(error)))
  }

  private allFlushed(outcome: Effect.Effect<void, WebTransportError>): void {
    const { flushers } = this
    this.flushers = undefined
    flushers?.forEach((resume) => resume(outcome))
  }

  get flushed(): Effect.Effect<void, WebTransportError> {
    return Effect.async<void, WebTransportError>((resume) => {
      if (this.cutBy !== undefined) return resume(Effect.fail(this.cutBy))
      if (this.sending === "Failed" && !this.isDelivering) return resume(Effect.fail(this.writeRefusal()))
      if (this.unsettledWrites === 0) return resume(Effect.void)
      const flushers = this.flushers ??= new Set()
      flushers.add(resume)
      return Effect.sync(() => flushers.delete(resume))
    })
  }

  /** Completes, with the reason, when bytes that were accepted are not sent: nothing after them makes sense. */
  get whenCut(): Effect.Effect<WebTransportError> {
    return Effect.async<WebTransportError>((resume) => {
      if (this.cutBy !== undefined) return resume(Effect.succeed(this.cutBy))
      const listeners = this.cutListeners ??= new Set()
      listeners.add(resume)
      return Effect.sync(() => listeners.delete(resume))
    })
  }

  get sink(): Sink.Sink<void, Uint8Array, never, WebTransportError> {
    return Sink.forEach((bytes: Uint8Array) => this.write(bytes))
  }

  get closeWrite(): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.finish())
  }

  /** Begins the FIN now; what it returns waits for the platform. */
  finish(): Effect.Effect<void, WebTransportError> {
    if (this.sending === "Finished") return Effect.void
    if (this.sending !== "Open") return Effect.fail(this.writeRefusal())
    // what waits for room comes before it
    while (this.letFirstWrite()) {
      // it has written
    }
    this.sending = "Finished"
    const pending = this.finishing = new Pending()
    this.unsettledWrites++
    this.writer!.close().then(
      () => {
        this.onWritten()
        pending.done(Effect.void)
      },
      (cause) => {
        this.onWriteRejected(cause)
        queueMicrotask(() => pending.done(Effect.fail(this.writeRefusal(cause))))
      }
    )
    return Effect.async<void, WebTransportError>((resume) => {
      pending.await(resume)
      // It cannot be taken back, and does no harm.
      return Effect.sync(() => pending.forget())
    })
  }

  private writeRefusal(cause?: unknown): WebTransportError {
    const finished = this.sending === "Finished"
      ? "this direction of the stream was finished already"
      : "the stream broke"
    if (this.writeFailure !== undefined) return this.writeFailure
    return this.endedBecause === undefined
      ? this.session.failure("Write", finished, cause)
      : new WebTransportError({ reason: "Write", detail: this.endedBecause, cause })
  }

  private readonly onWriterClosed = (): void => {
    this.failWrite(() => new WebTransportError({ reason: "Write", detail: "the stream was closed under us" }))
  }

  private readonly onWriteFailed = (cause: unknown): void => {
    queueMicrotask(() => {
      this.failWrite(() => this.session.failure("Write", "the peer stopped the stream, or it broke", cause))
    })
  }

  private failWrite(error: () => WebTransportError): void {
    if (this.sending !== "Open") return
    this.sending = "Failed"
    const failure = this.writeFailure = error()
    this.failWriters()
    this.allFlushed(Effect.fail(failure))
    this.signalLost()
  }

  // ---------------------------------------------------------------------------
  // Ending
  // ---------------------------------------------------------------------------

  get lost(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isLost ? Effect.void : Deferred.await(this.lostSignal ??= Deferred.unsafeMake(FiberId.none))
    )
  }

  reset(code: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!Number.isInteger(code) || code < 0 || code > 255) {
        return Effect.die(new RangeError(`reset: code must be a whole number from 0 to 255, not ${code}`))
      }
      this.end(false, code, "the stream was reset here")
      return Effect.void
    })
  }

  /**
   * Starts the ending and returns at once; what has not settled yet is remembered in the session's `endings`.
   *
   * `cancel` comes first, in the same task: over HTTP/2 a stream's credit returns only so (fails-components 1.6.8).
   */
  end(success: boolean, code = 0, why = "the scope of the stream is closed"): void {
    if (this.endedBecause !== undefined) return
    this.endedBecause = why
    const { session, writer } = this
    const spoiled = this.sending === "Failed"
    const finished = this.sending === "Finished"
    session.streams.delete(this)
    this.owner?.streams?.delete(this)
    if (this.receiving === "Open") this.receiving = "Failed"
    if (this.sending === "Open") this.sending = "Failed"
    this.isDelivering = writer !== undefined && success && !spoiled
    this.failWriters()
    this.signalLost()
    this.wake()

    let unsettled = 1
    const settle = () => {
      if (--unsettled === 0) session.ended(this)
    }
    const settles = (start: () => Promise<unknown>) => {
      unsettled++
      try {
        start().then(settle, settle)
      } catch {
        settle()
      }
    }
    session.ending(this, this.isDelivering)
    this.leftAtLook = this.unsettledWrites
    const reason = success && !spoiled ? undefined : reasonOf(code)
    if (this.reader !== undefined) settles(() => this.reader!.cancel(reason))
    if (writer !== undefined) {
      if (reason !== undefined) settles(() => writer.abort(reason))
      else {
        const closed = finished ? writer.closed : writer.close()
        const delivered = () => session.delivered(this)
        closed.then(delivered, delivered)
        settles(() => closed)
      }
    }
    settle()
    this.releaseFinish()
    this.allWritten()
    if (reason !== undefined) this.allFlushed(Effect.fail(this.writeRefusal()))
  }

  /** Of one that was ended in success: whether the platform has not taken all of its bytes. */
  get isSending(): boolean {
    return this.isDelivering && this.unsettledWrites > 0
  }

  /** Whether the platform is not done with a write, though the stream may have been reset since. */
  get isWriting(): boolean {
    return this.unsettledWrites > 0
  }

  /** To be called from time to time: how often that was since the platform took something. */
  look(): number {
    if (this.leftAtLook === this.unsettledWrites) return ++this.looks
    this.leftAtLook = this.unsettledWrites
    return this.looks = 0
  }

  /** Waits no longer for the platform; what it has not taken of the bytes is not sent. */
  giveUp(why: string): void {
    if (this.isSending) {
      this.isDelivering = false
      this.wasSilent = true
      this.endedBecause = why
      this.writer!.abort(reasonOf(0)).then(undefined, () => {})
      this.allFlushed(Effect.fail(this.writeRefusal()))
    }
    this.session.ended(this)
  }

  /** The session is gone: whoever waits is told, also where the platform says nothing. */
  sessionLost(error: WebTransportError): void {
    this.failRead(() => error)
    this.failWrite(() => error)
    this.allFlushed(Effect.fail(error))
    this.signalLost()
    this.releaseFinish()
  }

  /** What was under way when a session died settles never (fails-components 1.6.8). */
  private releaseFinish(): void {
    this.finishing?.done(Effect.fail(this.writeRefusal()))
  }

  private signalLost(): void {
    if (this.isLost) return
    this.isLost = true
    this.watcher?.()
    if (this.lostSignal !== undefined) Deferred.unsafeDone(this.lostSignal, Exit.void)
  }

  /** Nothing of what is on it. */
  toJSON(): object {
    return { _id: "Stream", receiving: this.receiving, sending: this.sending, bytesReceived: this.bytesReceived }
  }
}
