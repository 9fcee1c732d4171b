/** The core of a session: the native session, its state from connecting to closed, and the state that its handles share. */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type {
  CloseInfo,
  ConstructorService,
  Explanation,
  NativeBidirectionalStream,
  NativeReceiveStream,
  NativeWebTransport
} from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { isUsedUp } from "../core/streams/refusals.js"
import type { SessionState } from "../core/streams/sessionLane.js"
import type { ByteStream } from "./byteStream.js"
import { applicationInfo, closeInfoOf } from "./closeInfo.js"
import { freeNative, untilGone } from "./closing.js"
import { DatagramSender } from "./datagrams.js"
import { UnconfirmedEnds } from "./endings.js"
import { closedHere, connectFailure, endedBeforeReady, endedByPeer, explainCause, isSessionEnd } from "./failure.js"
import { IncomingQueue } from "./incoming.js"
import type { LastCall } from "./lastCall.js"
import type { Opening } from "./opening.js"

/** News for observers. `Leaving`: begin nothing new on the session. `Freed`: one of its streams has ended. */
export type News = "Leaving" | "Freed"

/** How many datagrams a session keeps for a fiber that was woken and has yet to run. */
const unreadDatagrams = 256

export class SessionCore {
  readonly native: NativeWebTransport
  readonly service: ConstructorService | undefined
  readonly retainsWrites: boolean
  /** Host and path; the rest of the URL may contain a token. */
  readonly where: string
  private readonly closeInfo: Partial<CloseInfo> | undefined

  state: SessionState = "Connecting"
  /** Whether the platform has reported the session as ready, also after the attempt was given up. */
  private wasReady = false
  /** Set when nothing can be opened any more. */
  gone: WebTransportError | undefined = undefined
  readonly readiness = makeDeferred<void, WebTransportError>()
  readonly closure = makeDeferred<CloseInfo, WebTransportError>()
  readonly drained = makeDeferred<void>()
  private closed: Deferred.Deferred<void> | undefined = undefined
  private ownInfo: CloseInfo | undefined = undefined
  /** Why the pool closes the session, if it does. */
  closedBecause: string | undefined = undefined

  /** Bytes received on all streams, and in datagrams of a pool: they tell whether the peer is alive. */
  bytesReceived = 0
  /** When the last of them came, by `clock`; kept once there is one. */
  heardAt = -Infinity
  clock: (() => number) | undefined = undefined
  /** Received bytes, without answers to pings. */
  bytesHeard = 0
  /** Called when `bytesHeard` grows: for each chunk that comes. */
  whenHeard: (() => void) | undefined = undefined

  /** Nothing new should begin on the session: it drains, has used up its streams, or its pool retires it. */
  isRetired = false
  /** Whether its stream pool retires it because borrowers got no answers. */
  isSuspect = false
  /** Called when a borrower of its pool has used the session with success. */
  whenUsed: (() => void) | undefined = undefined
  /** Called, in the same step, when the session is retired or gone, or one of its streams has ended. */
  readonly observers = new Set<(news: News) => void>()
  /** The number of streams that this side has opened on the session. */
  streamsOpened = 0
  private streamsAccepted = 0
  private maxStreams = Infinity
  /** Whether the session has left its pool, so that nothing waits for its end. */
  hasLeftPool = false
  /** The number of views that are out. */
  views = 0

  /** Of the server whose session it is. */
  lastCall: LastCall | undefined = undefined
  /** The open streams. */
  readonly streams = new Set<ByteStream>()
  readonly openings = new Set<Opening>()
  /** The streams whose end is not confirmed. */
  readonly ends: UnconfirmedEnds
  /** The open streams of its pool's pings. */
  readonly pings = new Set<ByteStream>()
  /** Whether the most recently granted stream was a ping's, which may explain a refusal. */
  isPingLatest = false

  readonly outgoingDatagrams: DatagramSender = new DatagramSender(this)
  private incomingBidirectional: IncomingQueue<NativeBidirectionalStream> | undefined = undefined
  private incomingUnidirectional: IncomingQueue<NativeReceiveStream> | undefined = undefined
  private incomingDatagrams: IncomingQueue<Uint8Array> | undefined = undefined

  constructor(
    native: NativeWebTransport,
    service: ConstructorService | undefined,
    where: string,
    closeInfo: Partial<CloseInfo> | undefined,
    closeTimeout: Duration.Duration
  ) {
    this.native = native
    this.service = service
    this.retainsWrites = service?.retainsWrites === true
    this.where = where
    this.closeInfo = closeInfo
    this.ends = new UnconfirmedEnds(closeTimeout, () => this.state === "Closing")
    // Each promise rejects on its own, perhaps without the others.
    native.ready.then(() => this.onReady(), (cause) => this.onConnectFailed(cause))
    native.closed.then(
      (info) => this.unlessReadySays(() => this.onClosed(info)),
      (cause) => this.unlessReadySays(() => this.onBroken(cause))
    )
    // Nothing else tells that a peer ends the connection before its settings (fails-components 1.6.8).
    service?.freed?.(native)?.then(() => this.onConnectFailed(new Error("the connection ended")), () => {})
    native.draining?.then(() => {
      complete(this.drained, Exit.void)
      this.retire()
    }, () => {})
  }

  // ---------------------------------------------------------------------------
  // From connecting to closed
  // ---------------------------------------------------------------------------

  private onReady(): void {
    this.wasReady = true
    if (this.state !== "Connecting") return
    this.state = "Open"
    complete(this.readiness, Exit.void)
  }

  /** `ready` tells why an attempt failed; `closed` does not, but settles first on some platforms (Deno 2.9). */
  private unlessReadySays(onEnd: () => void): void {
    if (this.state === "Connecting") setTimeout(onEnd, 0)
    else onEnd()
  }

  private onConnectFailed(cause: unknown): void {
    if (this.state === "Connecting") this.recordEnd(this.connectFailure(cause))
  }

  private connectFailure(cause: unknown): WebTransportError {
    return connectFailure(this.where, this.explain() ?? explainCause(cause), cause)
  }

  /** Facts about an attempt to connect, beyond the platform's error. */
  explain(): Explanation | undefined {
    return this.service?.explain?.(this.native)
  }

  private onClosed(native: unknown): void {
    const info = applicationInfo(closeInfoOf(native as Partial<CloseInfo> | undefined))
    this.recordEnd(
      this.state === "Connecting"
        ? endedBeforeReady(this.where, info)
        : info
    )
  }

  private onBroken(cause: unknown): void {
    this.recordEnd(
      this.state === "Connecting"
        ? this.connectFailure(cause)
        : new WebTransportError({ reason: "SessionClosed", detail: "the session broke", cause })
    )
  }

  /** Records how the session ended, and tells all that waits for it or is open on it. */
  private recordEnd(how: CloseInfo | WebTransportError): void {
    if (this.state === "Closed") return
    const wasConnecting = this.state === "Connecting"
    this.state = "Closed"
    // This side closed it: the platform's own error is noise ("Stream closed with error code …", fails-components 1.6.8).
    const end = this.ownInfo ?? how
    const gone = this.gone = end instanceof WebTransportError
      ? end
      : this.ownInfo === undefined
      ? endedByPeer(end)
      : closedHere(this.closedBecause, end)
    if (wasConnecting) complete(this.readiness, Exit.fail(gone))
    complete(this.closure, end instanceof WebTransportError ? Exit.fail(end) : Exit.succeed(end))
    for (const opening of [...this.openings]) opening.fail(gone)
    for (const stream of [...this.streams]) stream.sessionLost(gone)
    this.outgoingDatagrams.end(gone)
    const failure = end instanceof WebTransportError ? end : undefined
    this.incomingBidirectional?.end(failure)
    this.incomingUnidirectional?.end(failure)
    this.incomingDatagrams?.end(failure)
    for (const stream of [...this.ends.unconfirmed]) stream.sessionLost(gone)
    this.ends.clear()
    this.tellObservers()
  }

  /**
   * A session is retired, once, when
   *
   * | …                                                          | by                                          |
   * | ---------------------------------------------------------- | ------------------------------------------- |
   * | the peer drains it                                         | the constructor, from `native.draining`     |
   * | its streams of both sides have reached `maxStreamsOpened`  | `limitStreams`                              |
   * | it refused a stream, has none, and nothing explains that   | `refused`, by `isUsedUp`                    |
   * | its stream pool has no more use for it: it refuses streams | the command `RetireSession` of the stream   |
   * | or is late with them, was silent to borrowers, confirmed   | machine                                     |
   * | no ends, or has opened the pool's `maxStreamsOpened`       |                                             |
   * | its session pool retires the item: too old, too often used | `leaving` of the pool's lease adapter       |
   */
  retire(): void {
    if (this.isRetired) return
    this.isRetired = true
    this.tellObservers()
  }

  private tellObservers(): void {
    for (const observer of [...this.observers]) observer("Leaving")
  }

  // ---------------------------------------------------------------------------
  // Closing
  // ---------------------------------------------------------------------------

  /** Frees the session at once, in any state. Waiting fibers fail with the error. */
  giveUp(error: WebTransportError): void {
    this.recordEnd(error)
    this.free()
  }

  private free(): void {
    freeNative(this.native, this.service, this.wasReady)
  }

  /** Ends the session, in an orderly way if the peer cooperates. Completes when the session is gone. */
  close(info: Partial<CloseInfo> | undefined): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      switch (this.state) {
        case "Connecting":
          this.giveUp(new WebTransportError({ reason: "Connect", detail: "its scope was closed before it was ready" }))
          return Effect.void
        case "Open":
          return this.closeOpen(closeInfoOf(info ?? this.closeInfo))
        case "Closing":
          return Deferred.await(this.closed!)
        case "Closed":
          if (this.closed !== undefined) return Deferred.await(this.closed)
          this.free()
          return Effect.void
      }
    }))
  }

  private closeOpen(info: CloseInfo): Effect.Effect<void> {
    const closed = this.closed = makeDeferred<void>()
    this.state = "Closing"
    this.gone = closedHere(this.closedBecause)
    this.tellObservers()
    const closing = Effect.suspend(() => {
      // If the peer ended the session during the wait for endings, its code and reason count.
      if (this.state === "Closing") {
        this.ownInfo = info
        try {
          this.native.close({ ...info })
        } catch {
          // The session was closed already.
        }
      }
      return untilGone(this, Effect.exit(Deferred.await(this.closure)), this.ends)
    })
    return this.ends.deliver.pipe(
      andThen(this.ends.untilConfirmed),
      andThen(closing),
      andThen(Effect.sync(() => {
        // Also if the peer hangs: otherwise the socket of a closed session stays open (fails-components 1.6.8).
        this.free()
        this.recordEnd(info)
      })),
      // other callers of `close` wait for this
      Effect.ensuring(Effect.sync(() => complete(closed, Exit.void)))
    )
  }

  // ---------------------------------------------------------------------------
  // Streams
  // ---------------------------------------------------------------------------

  ending(stream: ByteStream, isDelivering: boolean): void {
    this.streams.delete(stream)
    this.ends.add(stream, isDelivering)
  }

  confirmed(stream: ByteStream): void {
    this.ends.confirmed(stream)
    stream.onEnded?.()
    for (const observer of this.observers) observer("Freed")
    this.ends.releaseIfEmpty()
  }

  /** How often the platform has taken written bytes, on all streams. */
  get taken(): number {
    return this.ends.taken
  }

  get mayBeOwedCredit(): boolean {
    return this.ends.mayBeUnread
  }

  /** Retires a session that grants no streams. */
  retireUngranted(): void {
    this.ends.giveUpGranting()
    this.retire()
  }

  /** Whether streams are open, or their ends not confirmed. */
  get hasOpen(): boolean {
    return this.streams.size > 0 || this.ends.unconfirmed.size > 0
  }

  opened(): void {
    this.streamsOpened++
    this.limitStreams(this.maxStreams)
  }

  accepted(): void {
    this.streamsAccepted++
    this.limitStreams(this.maxStreams)
  }

  /** Retires the session after `max` streams, opened by either side. */
  limitStreams(max: number): void {
    this.maxStreams = max
    if (this.streamsOpened + this.streamsAccepted >= max) this.retire()
  }

  /** Whether the platform retains memory of each stream until the session closes. */
  get retainsStreams(): boolean {
    return this.service?.retainsStreams?.(this.native) === true
  }

  refused(): void {
    const facts = { open: this.streams.size, ending: this.ends.unconfirmed.size, mayBeOwed: false }
    if (isUsedUp(facts, () => this.isPingLatest)) this.retire()
  }

  received(bytes: number): void {
    this.receivedPong(bytes)
    this.bytesHeard += bytes
    this.whenHeard?.()
  }

  /** `received`, for an answer to a ping. */
  receivedPong(bytes: number): void {
    this.bytesReceived += bytes
    if (this.clock !== undefined) this.heardAt = this.clock()
  }

  /** The error of a failed operation: the session's own end, if it has ended or is ending; otherwise `reason`. */
  failure(reason: "StreamOpen" | "Read" | "Write", detail: string | undefined, cause: unknown): WebTransportError {
    if (this.gone !== undefined) return this.gone
    return isSessionEnd(cause)
      ? new WebTransportError({ reason: "SessionClosed", cause })
      : new WebTransportError({ reason, detail, cause })
  }

  /** Why nothing more arrives. */
  readonly goneOr = (cause: unknown): WebTransportError =>
    this.gone ?? new WebTransportError({ reason: "SessionClosed", cause })

  // ---------------------------------------------------------------------------
  // Incoming streams and datagrams
  // ---------------------------------------------------------------------------

  get bidirectional(): IncomingQueue<NativeBidirectionalStream> {
    return this.incomingBidirectional ??= this.queueOf(this.native.incomingBidirectionalStreams)
  }

  get unidirectional(): IncomingQueue<NativeReceiveStream> {
    return this.incomingUnidirectional ??= this.queueOf(this.native.incomingUnidirectionalStreams)
  }

  get datagrams(): IncomingQueue<Uint8Array> {
    return this.incomingDatagrams ??= this.queueOf(this.native.datagrams.readable, unreadDatagrams)
  }

  private queueOf<A>(readable: ReadableStream<A>, maxUnread = 1): IncomingQueue<A> {
    const queue = new IncomingQueue(readable, maxUnread)
    if (this.state === "Closed") queue.end(undefined)
    return queue
  }
}
