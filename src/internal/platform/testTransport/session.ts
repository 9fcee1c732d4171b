/** A session of the link in memory: the client's native session and the server's side. */
import { hasDies } from "#effect/cause"
import { andThen, callback, catchCause } from "#effect/effect"
import * as Effect from "effect/Effect"
import type {
  CloseInfo,
  Explanation,
  NativeBidirectionalStream,
  NativeDatagrams,
  NativeReceiveStream,
  NativeSendStream,
  NativeWebTransport
} from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import type { StreamOptions } from "../../../WebTransportSession.js"
import type { Behaviour, ServerSession, StreamCounts } from "./contract.js"
import { Credit } from "./credit.js"
import { echo, readAll } from "./handlers.js"
import { ignore, nativeError, type Settle } from "./settle.js"
import { type Kind, TestStream } from "./stream.js"

type Run = (effect: Effect.Effect<void>) => void

/** A readable that the server fills. */
class Outlet<A> {
  private controller!: ReadableStreamDefaultController<A>

  readonly readable = new ReadableStream<A>({
    start: (controller) => {
      this.controller = controller
    }
  })

  push(value: A): void {
    this.controller.enqueue(value)
  }
}

export class TestSession implements NativeWebTransport, ServerSession {
  readonly url: string
  readonly ready: Promise<void>
  readonly closed: Promise<CloseInfo>
  readonly datagrams: NativeDatagrams
  readonly incomingBidirectionalStreams: ReadableStream<NativeBidirectionalStream>
  readonly incomingUnidirectionalStreams: ReadableStream<NativeReceiveStream>
  readonly open = new Set<TestStream>()
  isHung = false
  readonly behaviour: Behaviour
  private readonly run: Run
  private readonly bidirectional: Credit
  private readonly unidirectional: Credit
  private readonly incoming = new Outlet<NativeBidirectionalStream>()
  private readonly incomingHalves = new Outlet<NativeReceiveStream>()
  private readonly incomingDatagrams = new Outlet<Uint8Array>()
  /** Streams that were opened while the session hung. */
  private unannounced: Array<() => void> = []
  private readonly received: Array<Uint8Array> = []
  private receivers: Array<() => void> = []
  private areHeld = false
  private requested = 0
  private granted = 0
  private refused = 0
  private mostPending = 0
  private state: "connecting" | "open" | "closed" = "connecting"
  private settleReady!: Settle<void>
  private settleClosed!: Settle<CloseInfo>

  constructor(url: string, behaviour: Behaviour, run: Run) {
    this.url = url
    this.behaviour = behaviour
    this.run = run
    this.bidirectional = new Credit(behaviour)
    this.unidirectional = new Credit(behaviour)
    this.incomingBidirectionalStreams = this.incoming.readable
    this.incomingUnidirectionalStreams = this.incomingHalves.readable
    this.datagrams = {
      readable: this.incomingDatagrams.readable,
      writable: new WritableStream<Uint8Array>({ write: (datagram) => this.onDatagram(datagram) }),
      maxDatagramSize: behaviour.maxDatagramSize
    }
    this.ready = new Promise((resolve, reject) => {
      this.settleReady = { resolve, reject }
    })
    this.closed = new Promise((resolve, reject) => {
      this.settleClosed = { resolve, reject }
    })
    this.ready.catch(ignore)
    this.closed.catch(ignore)
    const { connect = "accept", connectDelay } = behaviour
    if (connect === "ignore") return
    const answer = Effect.sync(() => {
      if (this.state !== "connecting") return
      if (connect === "refuse") return this.fail("the server refused the session")
      this.state = "open"
      this.settleReady.resolve()
    })
    run(connectDelay === undefined ? answer : Effect.delay(answer, connectDelay))
  }

  get isOpen(): boolean {
    return this.state === "open"
  }

  get streams(): ReadonlyArray<TestStream> {
    return Array.from(this.open).filter(({ kind }) => kind === "Bidirectional")
  }

  async createBidirectionalStream(
    options?: StreamOptions
  ): Promise<NativeBidirectionalStream> {
    const stream = await this.create("Bidirectional", this.bidirectional, options)
    const { onStream = echo } = this.behaviour
    this.serve(stream, "onStream", () => onStream(stream, this))
    return stream.native
  }

  async createUnidirectionalStream(options?: StreamOptions): Promise<NativeSendStream> {
    const stream = await this.create("Outgoing", this.unidirectional, options)
    const { onUnidirectional = readAll } = this.behaviour
    this.serve(stream, "onUnidirectional", () => onUnidirectional(stream, this))
    return stream.native.writable
  }

  private async create(kind: Kind, credit: Credit, options: StreamOptions | undefined): Promise<TestStream> {
    this.requested++
    this.mostPending = Math.max(this.mostPending, this.streamCounts.pending)
    try {
      await this.ready
      this.demandOpen()
      await this.grant(credit, options?.waitUntilAvailable === true)
      this.demandOpen()
    } catch (error) {
      this.refused++
      throw error
    }
    this.granted++
    return this.add(kind, credit)
  }

  private add(kind: Kind, credit: Credit | undefined): TestStream {
    const stream = new TestStream(this, kind, credit)
    this.open.add(stream)
    return stream
  }

  private serve(stream: TestStream, what: string, handler: () => Effect.Effect<void, unknown>): void {
    this.run(catchCause(Effect.suspend(handler), (cause) =>
      // if a test fails because its handler died, the log shows it
      (hasDies(cause) ? Effect.logError(`${what} of TestWebTransport died`, cause) : Effect.void).pipe(
        andThen(stream.reset),
        andThen(stream.stopSending)
      )))
  }

  /** Takes a stream that the server grants, or waits for one. */
  private grant(credit: Credit, mayWait: boolean): Promise<void> | undefined {
    const { beyondLimit = "refuse" } = this.behaviour
    if (!this.areHeld && credit.take()) return undefined
    if (this.areHeld || mayWait || beyondLimit === "wait") return credit.wait()
    throw nativeError("QuotaExceededError", "the server grants no more streams")
  }

  private grantWaiting(): void {
    if (this.areHeld) return
    this.bidirectional.grantWaiting()
    this.unidirectional.grantWaiting()
  }

  /** Opens a stream. A hung session sees it after `resume`. */
  private announce<A>(
    kind: Kind,
    outlet: Outlet<A>,
    native: (stream: TestStream) => A
  ): Effect.Effect<TestStream, WebTransportError> {
    return Effect.suspend(() => {
      if (this.state !== "open") return Effect.fail(new WebTransportError({ reason: "SessionClosed" }))
      const stream = this.add(kind, undefined)
      const announce = () => outlet.push(native(stream))
      if (this.isHung) this.unannounced.push(announce)
      else announce()
      return Effect.succeed(stream)
    })
  }

  readonly openBidirectional = this.announce("Bidirectional", this.incoming, ({ native }) => native)

  readonly openUnidirectional = this.announce("Incoming", this.incomingHalves, ({ native }) => native.readable)

  readonly sendDatagram = (bytes: Uint8Array): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.state === "open" && !this.isHung) this.incomingDatagrams.push(new Uint8Array(bytes))
    })

  private onDatagram(bytes: Uint8Array): void {
    if (this.state !== "open" || this.isHung) return
    this.received.push(new Uint8Array(bytes))
    this.wakeReceivers()
  }

  private wakeReceivers(): void {
    for (const wake of this.receivers.splice(0)) wake()
  }

  readonly receiveDatagram: Effect.Effect<Uint8Array, WebTransportError> = Effect.suspend(() => {
    const datagram = this.received.shift()
    if (datagram !== undefined) return Effect.succeed(datagram)
    if (this.state === "closed") return Effect.fail(new WebTransportError({ reason: "SessionClosed" }))
    const arrival = callback<void>((resume) => {
      const wake = () => resume(Effect.void)
      this.receivers.push(wake)
      return Effect.sync(() => {
        this.receivers = this.receivers.filter((other) => other !== wake)
      })
    })
    return andThen(arrival, this.receiveDatagram)
  })

  get streamCounts(): StreamCounts {
    const { granted, mostPending, refused, requested } = this
    return { requested, granted, refused, pending: requested - granted - refused, mostPending }
  }

  readonly holdStreams = Effect.sync(() => {
    this.areHeld = true
  })

  readonly grantStreams = Effect.sync(() => {
    this.areHeld = false
    this.grantWaiting()
  })

  close(info: Partial<CloseInfo> = {}): void {
    if (this.state === "connecting") return this.fail("the session was closed before it was ready")
    const { closeCode = 0, reason = "" } = info
    this.end("the session is closed", () => this.settleClosed.resolve({ closeCode, reason }))
  }

  private fail(message: string): void {
    this.end(message, (error) => {
      this.settleReady.reject(error)
      this.settleClosed.reject(error)
    })
  }

  private end(message: string, tell: (error: Error) => void): void {
    if (this.state === "closed") return
    this.state = "closed"
    const error = nativeError("WebTransportError", message)
    tell(error)
    for (const stream of this.open) stream.lose(error)
    this.open.clear()
    this.bidirectional.end()
    this.unidirectional.end()
    this.wakeReceivers()
  }

  private demandOpen(): void {
    if (this.state !== "open") throw nativeError("InvalidStateError", "the session is closed")
  }

  ended(stream: TestStream): void {
    this.open.delete(stream)
    stream.credit?.giveBack()
    this.grantWaiting()
  }

  /** Completes when the client knows of the end, since the client listened to `closed` first. */
  private readonly told = Effect.promise(() => this.closed.then(ignore, ignore))

  readonly closeWith = (info: CloseInfo): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.state !== "open" || this.isHung) return Effect.void
      this.close(info)
      return this.told
    })

  readonly die = Effect.suspend(() => {
    this.fail("the connection is lost")
    return this.told
  })

  private settleDraining!: () => void
  readonly draining = new Promise<void>((resolve) => {
    this.settleDraining = resolve
  })

  readonly drain = Effect.suspend(() => {
    if (this.state !== "open" || this.isHung) return Effect.void
    this.settleDraining()
    return Effect.promise(() => this.draining)
  })

  /** The headers of the client's request. */
  headers: Readonly<Record<string, string>> = {}

  get responseHeaders(): ReadonlyArray<readonly [string, string]> {
    return Object.entries(this.behaviour.responseHeaders ?? {})
  }

  /** Why the server refused the session, if it tells. */
  get explanation(): Explanation | undefined {
    const { connect, status } = this.behaviour
    return connect === "refuse" && status !== undefined && this.state === "closed"
      ? { detail: `the server answered ${status}`, status }
      : undefined
  }

  readonly hang = Effect.sync(() => {
    this.isHung = true
  })

  readonly resume = Effect.sync(() => {
    this.isHung = false
    for (const announce of this.unannounced.splice(0)) announce()
    for (const stream of this.open) stream.notify()
  })
}
