import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Api from "../../TestWebTransport.js"
import * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"

type Run = (effect: Effect.Effect<void>) => void

const ignore = () => {}

interface Settle<A> {
  readonly resolve: (value: A) => void
  readonly reject: (error: Error) => void
}

const nativeError = (name: string, message: string) => Object.assign(new Error(message), { name })

/** The directions that a stream has, as its client sees them. */
type Kind = "Bidirectional" | "Outgoing" | "Incoming"

/** How many streams of a kind the client may open. */
class Credit {
  private available: number
  private returned = 0
  private readonly batch: number
  private readonly waiting: Array<Settle<void>> = []

  constructor({ creditBatch = 1, streamLimit = Infinity }: Api.Behaviour) {
    this.available = streamLimit
    this.batch = creditBatch
  }

  take(): boolean {
    if (this.available === 0) return false
    this.available--
    return true
  }

  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  giveBack(): void {
    if (++this.returned < this.batch) return
    this.available += this.returned
    this.returned = 0
  }

  grantWaiting(): void {
    while (this.waiting.length > 0 && this.take()) this.waiting.shift()!.resolve()
  }

  /** They look for themselves. */
  end(): void {
    for (const { resolve } of this.waiting.splice(0)) resolve()
  }
}

class Stream implements Api.ServerStream {
  readonly native: WebTransport.NativeBidirectionalStream
  readonly kind: Kind
  /** What is given back when it has ended, if the client opened it. */
  readonly credit: Credit | undefined
  private readonly session: Session
  private toClient!: ReadableStreamDefaultController<Uint8Array>
  private fromClient!: WritableStreamDefaultController
  private readonly chunks: Array<Uint8Array> = []
  private wake: () => void = ignore
  private isReceiving: boolean
  isCancelled = false
  sending: Api.ServerStream["sending"]
  /** Of the write that is under way while the server takes none. */
  private stalled: Settle<void> | undefined
  private isStalled = false

  constructor(session: Session, kind: Kind, credit: Credit | undefined) {
    const { confirmEnds = true, writeRoom = 1 } = session.behaviour
    this.session = session
    this.kind = kind
    this.credit = credit
    this.isReceiving = kind !== "Outgoing"
    this.sending = kind === "Incoming" ? "Finished" : "Open"
    const confirmed = () => confirmEnds ? undefined : new Promise<void>(ignore)
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.toClient = controller
      },
      cancel: () => {
        this.isCancelled = true
        this.endReceiving()
        return confirmed()
      }
    })
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.fromClient = controller
      },
      write: (chunk) => {
        // a copy, as of a network: the client may use its buffer again
        this.chunks.push(new Uint8Array(chunk))
        this.notify()
        if (!this.isStalled) return undefined
        return new Promise<void>((resolve, reject) => {
          this.stalled = { resolve, reject }
        })
      },
      close: () => {
        this.endSending("Finished")
        return confirmed()
      },
      abort: () => {
        this.endSending("Reset")
        return confirmed()
      }
    }, { highWaterMark: writeRoom })
    this.native = { readable, writable }
  }

  private get isOpen(): boolean {
    return this.isReceiving || this.sending === "Open"
  }

  notify(): void {
    if (!this.session.isHung) this.wake()
  }

  private endReceiving(): void {
    const wasOpen = this.isOpen
    this.isReceiving = false
    if (wasOpen && !this.isOpen) this.session.ended(this)
  }

  private endSending(how: "Finished" | "Reset"): void {
    const wasOpen = this.isOpen
    this.sending = how
    this.notify()
    if (wasOpen && !this.isOpen) this.session.ended(this)
  }

  /** A write that the server has not taken fails, too. */
  private failSending(error: Error): void {
    this.stalled?.reject(error)
    this.fromClient.error(error)
  }

  /** The session is gone, and its streams with it. */
  lose(error: Error): void {
    if (this.isReceiving) this.toClient.error(error)
    this.isReceiving = false
    if (this.sending === "Open") {
      this.sending = "Reset"
      this.failSending(error)
    }
    this.wake()
  }

  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError> = Effect.async((resume) => {
    const take = () => {
      if (this.sending === "Reset") {
        resume(Effect.fail(new WebTransportError({ reason: "Read", detail: "the client reset the stream" })))
      } else if (this.chunks.length > 0) {
        resume(Effect.succeed(Option.some(this.chunks.shift()!)))
      } else if (this.sending === "Finished") {
        resume(Effect.succeed(Option.none()))
      } else {
        return
      }
      this.wake = ignore
    }
    this.wake = take
    this.notify()
    return Effect.sync(() => {
      this.wake = ignore
    })
  })

  /** Does it while the session hears the server and the client still receives. */
  private readonly whileReceiving = (f: () => void): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.isReceiving && !this.session.isHung) f()
    })

  readonly write = (bytes: Uint8Array): Effect.Effect<void> =>
    this.whileReceiving(() => {
      this.toClient.enqueue(new Uint8Array(bytes))
    })

  readonly finish = this.whileReceiving(() => {
    this.toClient.close()
    this.endReceiving()
  })

  readonly reset = this.whileReceiving(() => {
    this.toClient.error(nativeError("WebTransportError", "the peer reset the stream"))
    this.endReceiving()
  })

  readonly stopSending = Effect.sync(() => {
    if (this.sending !== "Open" || this.session.isHung) return
    this.failSending(nativeError("WebTransportError", "the peer stopped the stream"))
    this.endSending("Reset")
  })

  readonly stall = Effect.sync(() => {
    this.isStalled = true
  })

  readonly resume = Effect.sync(() => {
    this.isStalled = false
    this.stalled?.resolve()
    this.stalled = undefined
  })
}

/** A readable that the server puts into. */
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

class Session implements WebTransport.NativeWebTransport, Api.ServerSession {
  readonly url: string
  readonly ready: Promise<void>
  readonly closed: Promise<WebTransport.CloseInfo>
  readonly datagrams: WebTransport.NativeDatagrams
  readonly incomingBidirectionalStreams: ReadableStream<WebTransport.NativeBidirectionalStream>
  readonly incomingUnidirectionalStreams: ReadableStream<WebTransport.NativeReceiveStream>
  readonly open = new Set<Stream>()
  isHung = false
  readonly behaviour: Api.Behaviour
  private readonly run: Run
  private readonly bidirectional: Credit
  private readonly unidirectional: Credit
  private readonly incoming = new Outlet<WebTransport.NativeBidirectionalStream>()
  private readonly incomingHalves = new Outlet<WebTransport.NativeReceiveStream>()
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
  private settleClosed!: Settle<WebTransport.CloseInfo>

  constructor(url: string, behaviour: Api.Behaviour, run: Run) {
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

  get streams(): ReadonlyArray<Stream> {
    return Array.from(this.open).filter(({ kind }) => kind === "Bidirectional")
  }

  async createBidirectionalStream(
    options?: WebTransport.StreamOptions
  ): Promise<WebTransport.NativeBidirectionalStream> {
    const stream = await this.create("Bidirectional", this.bidirectional, options)
    const { onStream = echo } = this.behaviour
    this.serve(stream, "onStream", () => onStream(stream, this))
    return stream.native
  }

  async createUnidirectionalStream(options?: WebTransport.StreamOptions): Promise<WebTransport.NativeSendStream> {
    const stream = await this.create("Outgoing", this.unidirectional, options)
    const { onUnidirectional = readAll } = this.behaviour
    this.serve(stream, "onUnidirectional", () => onUnidirectional(stream, this))
    return stream.native.writable
  }

  private async create(kind: Kind, credit: Credit, options: WebTransport.StreamOptions | undefined): Promise<Stream> {
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

  private add(kind: Kind, credit: Credit | undefined): Stream {
    const stream = new Stream(this, kind, credit)
    this.open.add(stream)
    return stream
  }

  private serve(stream: Stream, what: string, handler: () => Effect.Effect<void, unknown>): void {
    this.run(Effect.catchAllCause(Effect.suspend(handler), (cause) =>
      // a test that fails because of it is to say so
      (Cause.isDie(cause) ? Effect.logError(`${what} of TestWebTransport died`, cause) : Effect.void).pipe(
        Effect.zipRight(stream.reset),
        Effect.zipRight(stream.stopSending)
      )))
  }

  /** Takes one of the streams that the server grants, or waits for it. */
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

  /** What the server opens reaches the client when the session hears it again. */
  private announce<A>(
    kind: Kind,
    outlet: Outlet<A>,
    native: (stream: Stream) => A
  ): Effect.Effect<Stream, WebTransportError> {
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
    const arrival = Effect.async<void>((resume) => {
      const wake = () => resume(Effect.void)
      this.receivers.push(wake)
      return Effect.sync(() => {
        this.receivers = this.receivers.filter((other) => other !== wake)
      })
    })
    return Effect.zipRight(arrival, this.receiveDatagram)
  })

  get streamCounts(): Api.StreamCounts {
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

  close(info: Partial<WebTransport.CloseInfo> = {}): void {
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

  private end(message: string, settle: (error: Error) => void): void {
    if (this.state === "closed") return
    this.state = "closed"
    const error = nativeError("WebTransportError", message)
    settle(error)
    for (const stream of this.open) stream.lose(error)
    this.open.clear()
    this.bidirectional.end()
    this.unidirectional.end()
    this.wakeReceivers()
  }

  private demandOpen(): void {
    if (this.state !== "open") throw nativeError("InvalidStateError", "the session is closed")
  }

  ended(stream: Stream): void {
    this.open.delete(stream)
    stream.credit?.giveBack()
    this.grantWaiting()
  }

  /** The client listened to `closed` before: it knows, when this completes. */
  private readonly told = Effect.promise(() => this.closed.then(ignore, ignore))

  readonly closeWith = (info: WebTransport.CloseInfo): Effect.Effect<void> =>
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

  /** What the client sent with its request. */
  headers: Readonly<Record<string, string>> = {}

  get responseHeaders(): ReadonlyArray<readonly [string, string]> {
    return Object.entries(this.behaviour.responseHeaders ?? {})
  }

  /** Why it was refused, as far as the server says. */
  get explanation(): WebTransport.Explanation | undefined {
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

const readAll = (stream: Api.ServerReceiveStream): Effect.Effect<void, WebTransportError> =>
  Effect.asVoid(Effect.repeat(stream.read, { while: Option.isSome }))

export const echo = (stream: Api.ServerStream): Effect.Effect<void, WebTransportError> =>
  Effect.flatMap(
    stream.read,
    Option.match({
      onNone: () => stream.finish,
      onSome: (bytes) => Effect.zipRight(stream.write(bytes), Effect.suspend(() => echo(stream)))
    })
  )

export const layer = <Self>(tag: Context.Tag<Self, Api.Service>, initial: Api.Behaviours) =>
  Layer.scopedContext(Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntime<never>()
    const sessions: Array<Session> = []
    let behaviour = initial
    let isClosed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosed = true
      })
    )
    const construct = (url: string, options: WebTransport.NativeOptions) => {
      if (isClosed) {
        throw nativeError("InvalidStateError", "the layer of this TestWebTransport is closed: provide it further out")
      }
      const each = typeof behaviour === "function" ? behaviour(sessions.length) : behaviour
      const session = new Session(url, each, run)
      session.headers = Object.fromEntries(options.headers ?? [])
      sessions.push(session)
      return session
    }
    const explain = (native: WebTransport.NativeWebTransport) =>
      native instanceof Session ? native.explanation : undefined
    return Context.make(WebTransport.WebTransportConstructor, { construct, explain }).pipe(
      Context.add(tag, {
        sessions: Effect.sync(() => sessions.slice()),
        behave: (next) =>
          Effect.sync(() => {
            behaviour = next
          })
      })
    )
  }))
