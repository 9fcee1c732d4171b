/**
 * Sessions: the core that holds the native one, and the handles to it, one for its owner and one per lease of a pool.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Api from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { copyOf } from "../core/copyBytes.js"
import { isBytes, notBytes } from "../core/kinds.js"
import { describeFailure } from "../observe/describeFailure.js"
import { ByteStream } from "./byteStream.js"

export const SessionTypeId: Api.SessionTypeId = Symbol.for("effect-pools/WebTransport/Session") as Api.SessionTypeId

/** For streams that were reset, and for those whose bytes the platform has taken. */
const endingsWithin = Duration.seconds(1)
const closeWithin = Duration.millis(500)
/** Looks whether the platform takes bytes: so many in vain are the longest silence of a session. */
const longestSilence = 8
/** The same of a peer whose session is closed: less than an item of a pool may take to close. */
const longestPause = 6
/** The same of a stream, on a session that is not silent: many may share a slow one, and each has to wait for its turn. */
const longestTurn = 12 * longestSilence
/** Of what a peer is told when a session is closed; draft-ietf-webtrans-http3, section 6. */
const longestReason = 1024

/** Milliseconds between attempts to open a stream that a ping has, and for some 1.3 s after that. */
const firstPause = 10
const pingedPause = 80
const lastPause = 640

type Resume<A> = (effect: Effect.Effect<A, WebTransportError>) => void

// -----------------------------------------------------------------------------
// What comes in
// -----------------------------------------------------------------------------

/** A native readable that several fibers take from: one reader for life, reading only while somebody waits. */
class Inlet<A> {
  private readonly reader: ReadableStreamDefaultReader<A>
  private readPending = false
  private item: A | undefined = undefined
  private waiters: Array<Resume<void>> = []
  isEnded = false
  failure: unknown = undefined

  constructor(readable: ReadableStream<A>) {
    this.reader = readable.getReader()
  }

  take(): A | undefined {
    const item = this.item
    this.item = undefined
    if (item !== undefined && this.waiters.length > 0) this.pull()
    return item
  }

  /** Completes when there may be something to take. Takes nothing, so interrupting it loses nothing. */
  readonly arrival: Effect.Effect<void, WebTransportError> = Effect.async<void, WebTransportError>((resume) => {
    if (this.item !== undefined || this.isEnded) return resume(Effect.void)
    this.waiters.push(resume)
    this.pull()
    return Effect.sync(() => {
      this.waiters = this.waiters.filter((waiter) => waiter !== resume)
    })
  })

  end(failure: unknown): void {
    if (this.isEnded) return
    this.isEnded = true
    this.failure = failure
    this.wake()
  }

  private pull(): void {
    if (this.readPending || this.isEnded) return
    this.readPending = true
    this.reader.read().then(
      (next) => {
        this.readPending = false
        if (next.done) return this.end(undefined)
        this.item = next.value
        this.wake()
      },
      (cause) => {
        // A session says itself how it ended, and ends this with it (Chromium breaks it before).
        if (!isSessionEnd(cause)) this.end(cause)
      }
    )
  }

  /** All of them: whoever is interrupted meanwhile need not pass anything on. The others wait again. */
  private wake(): void {
    const waiters = this.waiters
    this.waiters = []
    for (const resume of waiters) resume(Effect.void)
  }
}

// -----------------------------------------------------------------------------
// Opening
// -----------------------------------------------------------------------------

type Kind = "Bidirectional" | "Unidirectional"

/** A stream that was asked for. What arrives after nobody wants it any more is destroyed at once. */
export class Opening {
  readonly handle: SessionHandle
  private readonly kind: Kind
  /** It came. */
  stream: ByteStream | undefined = undefined
  /** It did not come. */
  failure: WebTransportError | undefined = undefined
  private outcome: Effect.Effect<ByteStream, WebTransportError> | undefined = undefined
  private resume: Resume<ByteStream> | undefined = undefined
  private isAbandoned = false

  constructor(handle: SessionHandle, kind: Kind, options: Api.StreamOptions | undefined) {
    this.handle = handle
    this.kind = kind
    const { core } = handle
    core.openings.add(this)
    try {
      const native = nativeStreamOptions(options)
      const promise: Promise<unknown> = kind === "Bidirectional"
        ? core.native.createBidirectionalStream(native)
        : core.native.createUnidirectionalStream(native)
      promise.then(this.onStream, this.onFailure)
    } catch (cause) {
      this.onFailure(cause)
    }
  }

  readonly settled: Effect.Effect<ByteStream, WebTransportError> = Effect.async<ByteStream, WebTransportError>(
    (resume) => {
      if (this.outcome !== undefined) resume(this.outcome)
      else this.resume = resume
    }
  )

  /** Called in the step in which it settles, with a stream or without. In place of `settled`. */
  whenSettled(then: () => void): void {
    if (this.outcome === undefined) this.resume = then
    else then()
  }

  abandon(): void {
    this.isAbandoned = true
    this.handle.core.openings.delete(this)
    this.stream?.end(false)
  }

  fail(error: WebTransportError): void {
    if (this.outcome !== undefined) return
    this.abandon()
    this.failure = error
    this.settle(Effect.fail(error))
  }

  private readonly onStream = (native: any): void => {
    const { core } = this.handle
    core.openings.delete(this)
    let stream: ByteStream
    try {
      stream = this.kind === "Bidirectional"
        ? new ByteStream(core, native, native.readable, native.writable, this.handle)
        : new ByteStream(core, native, undefined, native, this.handle)
    } catch (cause) {
      return this.onFailure(cause)
    }
    core.opened(this.handle)
    if (this.isAbandoned) return stream.end(false)
    this.stream = stream
    this.settle(Effect.succeed(stream))
  }

  private readonly onFailure = (cause: unknown): void => {
    // A session that dies refuses its streams before it says so itself, in the same task.
    queueMicrotask(() => this.fail(openFailure(this.handle, cause)))
  }

  private settle(outcome: Effect.Effect<ByteStream, WebTransportError>): void {
    this.outcome = outcome
    this.resume?.(outcome)
  }
}

const nativeStreamOptions = (options: Api.StreamOptions | undefined) => {
  if (options?.sendOrder === undefined && options?.waitUntilAvailable === undefined) return undefined
  return {
    ...(options.sendOrder === undefined ? undefined : { sendOrder: options.sendOrder }),
    ...(options.waitUntilAvailable === undefined ? undefined : { waitUntilAvailable: options.waitUntilAvailable })
  }
}

const openFailure = (handle: SessionHandle, cause: unknown): WebTransportError => {
  const refusal = handle.refusal
  if (refusal !== undefined) return refusal
  if (!isStreamLimit(cause)) return handle.core.failure("StreamOpen", undefined, cause)
  handle.core.refused()
  return new WebTransportError({ reason: "StreamLimit", cause })
}

/**
 * What platforms throw at somebody who asks for more streams than the session has; those that are not listed wait until
 * there is one (Firefox 153, @moq/web-transport 0.1.4). Messages count where a name is too common.
 */
const streamLimits: ReadonlyArray<readonly [name: string, message?: RegExp]> = [
  // the standard's, and fails-components 1.6.8
  ["QuotaExceededError"],
  // Chromium 156
  ["NetworkError"],
  // Deno 2.9: "Connection has reached the maximum number of concurrent outgoing bidirectional streams"
  ["RangeError", /maximum number of concurrent/]
]

const isStreamLimit = (cause: unknown): boolean => {
  const { message, name } = (cause ?? {}) as { readonly name?: unknown; readonly message?: unknown }
  return streamLimits.some(([one, words]) => one === name && (words === undefined || words.test(String(message))))
}

const endWith = (scope: Scope.Scope, stream: ByteStream): Effect.Effect<ByteStream> =>
  Effect.as(
    Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => stream.end(Exit.isSuccess(exit)))),
    stream
  )

const openStream = (
  handle: SessionHandle,
  kind: Kind,
  options: Api.StreamOptions | undefined
): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const attempt = (pause: number): Effect.Effect<ByteStream, WebTransportError> => {
        const refusal = handle.refusal
        if (refusal !== undefined) return Effect.fail(refusal)
        const opening = new Opening(handle, kind, options)
        return Effect.matchCauseEffect(restore(opening.settled), {
          onFailure: (cause) => {
            opening.abandon()
            const next = handle.nextPause(cause, pause)
            if (next === undefined) return Effect.failCause(cause)
            return Effect.zipRight(restore(Effect.sleep(pause)), Effect.suspend(() => attempt(next)))
          },
          onSuccess: (stream) => endWith(scope, stream)
        })
      }
      return attempt(firstPause)
    })
  )

const acceptStream = <A>(
  core: SessionCore,
  inlet: Inlet<A>,
  wrap: (native: A) => ByteStream
): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const attempt: Effect.Effect<ByteStream, WebTransportError> = Effect.suspend(() => {
        const native = inlet.take()
        if (native !== undefined) return endWith(scope, wrap(native))
        if (inlet.isEnded) return Effect.fail(core.goneOr(inlet.failure))
        return Effect.zipRight(restore(inlet.arrival), attempt)
      })
      return attempt
    })
  )

/** Ends where the inlet ended by itself, fails where it broke. */
const streamOf = <A, B, R>(
  inlet: () => Inlet<A>,
  next: Effect.Effect<B, WebTransportError, R>
): Stream.Stream<B, WebTransportError, R> =>
  Stream.repeatEffectOption(
    Effect.mapError(next, (error) =>
      inlet().isEnded && inlet().failure === undefined ? Option.none() : Option.some(error))
  )

// -----------------------------------------------------------------------------
// The core
// -----------------------------------------------------------------------------

/** What happens to a session that others want to know. */
export type News = "Leaving" | "Freed"

export type State = "Connecting" | "Open" | "Closing" | "Closed"

export class SessionCore {
  readonly native: Api.NativeWebTransport
  readonly service: Api.ConstructorService | undefined
  readonly retainsWrites: boolean
  /** Host and path: the rest of a URL may hold a token. */
  readonly where: string
  private readonly closeInfo: Partial<Api.CloseInfo> | undefined
  private readonly lookEvery: Duration.Duration

  state: State = "Connecting"
  /** Whether the platform has called it ready, also after it was given up. */
  private wasReady = false
  /** Set as soon as nothing can be opened any more. */
  gone: WebTransportError | undefined = undefined
  /** Bytes received on all its streams, and in datagrams of a pool: whoever awaits some can see whether the peer lives. */
  bytesReceived = 0
  /** Those of them that answer no ping. */
  bytesHeard = 0
  /** Told of these as they come, while somebody wants to know. */
  whenHeard: (() => void) | undefined = undefined
  readonly readiness = Deferred.unsafeMake<void, WebTransportError>(FiberId.none)
  readonly closure = Deferred.unsafeMake<Api.CloseInfo, WebTransportError>(FiberId.none)
  readonly drained = Deferred.unsafeMake<void>(FiberId.none)

  /** Completes when nobody should begin anything new on it: drained, spent, or retired by its pool. */
  readonly retirement = Deferred.unsafeMake<void>(FiberId.none)
  isRetired = false
  /** Told, in the same step, that it is retired or gone, or that one of its streams has ended. */
  readonly observers = new Set<(news: News) => void>()
  /** Streams that were opened here, in its whole life. */
  streamsOpened = 0
  private streamsAccepted = 0
  private maxStreams = Infinity
  /** Streams of its pool's pings that were not ended. */
  readonly pings = new Set<ByteStream>()
  /** Whether the latest stream that was granted was a ping's: then that may be the one which is missing. */
  isPingLatest = false
  /** Who closes it, and why, where that is its pool. */
  closedBecause: string | undefined = undefined

  /** Those that were not ended. */
  readonly streams = new Set<ByteStream>()
  /** Those that were ended, and whose ending the platform has not confirmed. */
  readonly endings = new Set<ByteStream>()
  /** Those of them that were ended in success: what was written on them is to be sent, and the FIN. */
  private readonly delivering = new Set<ByteStream>()
  /** Whether something was to be delivered not long ago: it may not have come to the peer yet. */
  private hasDelivered = false
  private readonly isGuarded = Effect.unsafeMakeLatch(false)
  private allAreDelivered: Deferred.Deferred<void> | undefined = undefined
  /** How often the platform has taken a piece of what was written on its streams. */
  taken = 0
  /** As of a stream. */
  private takenAtLook = 0
  private looks = 0
  /** Whether it has left its pool, in which nobody waits for its end. */
  isLeaving = false
  /** Views that were not given back. */
  views = 0
  readonly openings = new Set<Opening>()
  private endingsSettled: Deferred.Deferred<void> | undefined = undefined
  private closed: Deferred.Deferred<void> | undefined = undefined
  private ownInfo: Api.CloseInfo | undefined = undefined

  private incomingBidirectional: Inlet<Api.NativeBidirectionalStream> | undefined = undefined
  private incomingUnidirectional: Inlet<Api.NativeReceiveStream> | undefined = undefined
  private incomingDatagrams: Inlet<Uint8Array> | undefined = undefined
  private datagramWriter: WritableStreamDefaultWriter<Uint8Array> | undefined = undefined
  private readonly sends = new Set<Resume<void>>()

  constructor(
    native: Api.NativeWebTransport,
    service: Api.ConstructorService | undefined,
    where: string,
    closeInfo: Partial<Api.CloseInfo> | undefined,
    closeTimeout: Duration.Duration
  ) {
    this.lookEvery = Duration.times(closeTimeout, 1 / longestSilence)
    this.native = native
    this.service = service
    this.retainsWrites = service?.retainsWrites === true
    this.where = where
    this.closeInfo = closeInfo
    // Each of them rejects on its own, perhaps without the others.
    native.ready.then(() => this.onReady(), (cause) => this.onConnectFailed(cause))
    native.closed.then(
      (info) => this.unlessReadySays(() => this.onClosed(info)),
      (cause) => this.unlessReadySays(() => this.onBroken(cause))
    )
    // A peer that ends the connection before its settings is noticed by nothing else (fails-components 1.6.8).
    service?.freed?.(native)?.then(() => this.onConnectFailed(new Error("the connection ended")), () => {})
    native.draining?.then(() => {
      Deferred.unsafeDone(this.drained, Exit.void)
      this.retire()
    }, () => {})
  }

  // -- its life

  private onReady(): void {
    this.wasReady = true
    if (this.state !== "Connecting") return
    this.state = "Open"
    Deferred.unsafeDone(this.readiness, Exit.void)
  }

  /** `ready` says why; some platforms settle `closed` a moment before, which does not (Deno 2.9). */
  private unlessReadySays(onEnd: () => void): void {
    if (this.state === "Connecting") setTimeout(onEnd, 0)
    else onEnd()
  }

  private onConnectFailed(cause: unknown): void {
    if (this.state === "Connecting") this.settle(this.connectFailure(cause))
  }

  private connectFailure(cause: unknown): WebTransportError {
    const why = this.explain() ?? explainCause(cause)
    const detail = `no session with ${this.where}: ${why.detail}`
    const { advice, status } = why
    return new WebTransportError({ reason: "Connect", detail, advice, status, cause: why.cause ?? cause })
  }

  /** What is known of an attempt to connect beside what the platform says. */
  explain(): Api.Explanation | undefined {
    return this.service?.explain?.(this.native)
  }

  private onClosed(native: unknown): void {
    const info = applicationInfo(closeInfoOf(native as Partial<Api.CloseInfo> | undefined))
    this.settle(
      this.state === "Connecting"
        ? new WebTransportError({
          reason: "Connect",
          detail: `the session with ${this.where} ended before it was ready (${say(info)})`
        })
        : info
    )
  }

  private onBroken(cause: unknown): void {
    this.settle(
      this.state === "Connecting"
        ? this.connectFailure(cause)
        : new WebTransportError({ reason: "SessionClosed", detail: "the session broke", cause })
    )
  }

  private settle(how: Api.CloseInfo | WebTransportError): void {
    if (this.state === "Closed") return
    const wasConnecting = this.state === "Connecting"
    this.state = "Closed"
    // Closed here: the platform's own words are noise ("Stream closed with error code …", fails-components 1.6.8).
    const end = this.ownInfo ?? how
    const gone = this.gone = end instanceof WebTransportError
      ? end
      : new WebTransportError({
        reason: "SessionClosed",
        detail: this.ownInfo === undefined
          ? `the session was ended by its peer, or by the network (${say(end)})`
          : this.closedBecause ?? `the session was closed here (${say(end)})`
      })
    if (wasConnecting) Deferred.unsafeDone(this.readiness, Exit.fail(gone))
    Deferred.unsafeDone(this.closure, end instanceof WebTransportError ? Exit.fail(end) : Exit.succeed(end))
    for (const opening of [...this.openings]) opening.fail(gone)
    for (const stream of [...this.streams]) stream.sessionLost(gone)
    for (const resume of [...this.sends]) resume(Effect.fail(gone))
    const failure = end instanceof WebTransportError ? end : undefined
    this.incomingBidirectional?.end(failure)
    this.incomingUnidirectional?.end(failure)
    this.incomingDatagrams?.end(failure)
    for (const stream of [...this.endings]) stream.sessionLost(gone)
    this.endings.clear()
    this.delivering.clear()
    this.allEndingsSettled()
    this.allDelivered()
    this.tellObservers()
  }

  retire(): void {
    if (this.isRetired) return
    this.isRetired = true
    Deferred.unsafeDone(this.retirement, Exit.void)
    this.tellObservers()
  }

  private tellObservers(): void {
    for (const observer of [...this.observers]) observer("Leaving")
  }

  /** Frees it at once, whatever its state; whoever waits for it fails with `error`. */
  giveUp(error: WebTransportError): void {
    this.settle(error)
    this.free()
  }

  private free(): void {
    if (this.service?.abandon !== undefined) return this.service.abandon(this.native)
    if (!this.wasReady) {
      // It may come about all the same, and would live on without anybody (Deno 2.9, where `close()` throws until then).
      this.native.ready.then(() => this.closeNative(), () => {})
      if (keepsClosedAttempts()) return
    }
    this.closeNative()
  }

  private closeNative(): void {
    try {
      this.native.close()
    } catch {
      // Not one that can be closed before it is ready, or after it broke.
    }
  }

  /** Ends it, in an orderly way as far as the peer plays along; done when it is gone. */
  close(info: Partial<Api.CloseInfo> | undefined): Effect.Effect<void> {
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

  private closeOpen(info: Api.CloseInfo): Effect.Effect<void> {
    const closed = this.closed = Deferred.unsafeMake<void>(FiberId.none)
    this.state = "Closing"
    this.gone = new WebTransportError({
      reason: "SessionClosed",
      detail: this.closedBecause ?? "the session was closed here"
    })
    this.tellObservers()
    const closing = Effect.suspend(() => {
      // The peer may have ended it while endings were awaited: its word counts then.
      if (this.state === "Closing") {
        this.ownInfo = info
        try {
          this.native.close({ ...info })
        } catch {
          // It was closed already.
        }
      }
      return this.untilGone
    })
    return this.deliver.pipe(
      Effect.zipRight(
        Effect.suspend(() => this.endings.size > 0 ? atMost(this.awaitEndings, endingsWithin) : Effect.void)
      ),
      Effect.zipRight(closing),
      Effect.zipRight(Effect.sync(() => {
        // Also after a peer that hangs: the socket under a closed session stays otherwise (fails-components 1.6.8).
        this.free()
        this.settle(info)
      })),
      // whoever closes it again waits for this
      Effect.ensuring(Effect.sync(() => Deferred.unsafeDone(closed, Exit.void)))
    )
  }

  /** A slow peer is waited for as long as it says something, where what was written may still be on its way to it. */
  private get untilGone(): Effect.Effect<unknown> {
    const gone = Effect.zipRight(Effect.exit(Deferred.await(this.closure)), this.freed)
    const silence = Duration.times(this.lookEvery, longestPause)
    let received = this.service?.received?.(this.native)
    if (!this.hasDelivered || received === undefined || Duration.lessThan(silence, closeWithin)) {
      return atMost(gone, closeWithin)
    }
    let pause = 0
    let looks = 0
    const wait: Effect.Effect<unknown> = Effect.flatMap(atMost(gone, this.lookEvery), (outcome) => {
      const now = this.service?.received?.(this.native)
      pause = now === received ? pause + 1 : 0
      received = now
      const longest = this.isLeaving ? longestSilence : longestPause
      return Option.isSome(outcome) || pause >= longest || ++looks >= longestTurn ? Effect.void : wait
    })
    return wait
  }

  private get awaitEndings(): Effect.Effect<void> {
    return Deferred.await(this.endingsSettled ??= Deferred.unsafeMake<void>(FiberId.none))
  }

  private get freed(): Effect.Effect<void> {
    const promise = this.service?.freed?.(this.native)
    if (promise === undefined) return Effect.void
    return Effect.async<void>((resume) => {
      const done = () => resume(Effect.void)
      promise.then(done, done)
    })
  }

  /** `isDelivering`: what was written on it is to be sent, however long that takes. */
  ending(stream: ByteStream, isDelivering: boolean): void {
    this.endings.add(stream)
    if (!isDelivering) return
    this.delivering.add(stream)
    if (this.delivering.size > 1) return
    this.looks = 0
    this.takenAtLook = this.taken
    if (this.hasDelivered) return
    this.hasDelivered = true
    this.isGuarded.unsafeOpen()
  }

  /** Its FIN is sent, or it broke. */
  delivered(stream: ByteStream): void {
    if (this.delivering.delete(stream) && this.delivering.size === 0) this.allDelivered()
  }

  ended(stream: ByteStream): void {
    this.delivered(stream)
    this.endings.delete(stream)
    stream.onEnded?.()
    for (const observer of this.observers) observer("Freed")
    if (this.endings.size === 0) this.allEndingsSettled()
  }

  /** Whether something is on its way that was written in success. */
  get hasToDeliver(): boolean {
    return this.delivering.size > 0
  }

  /** Completes once nothing is, which takes as long as the platform goes on taking bytes; for one at a time. */
  get untilDelivered(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.delivering.size === 0
        ? Effect.void
        : Deferred.await(this.allAreDelivered ??= Deferred.unsafeMake<void>(FiberId.none))
    )
  }

  /** Resets what has been silent for too long. Has to run as long as the session is open. */
  readonly guard: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() =>
      this.isGuarded.await.pipe(
        Effect.zipRight(Effect.sleep(this.lookEvery)),
        Effect.tap(() => this.state === "Closing" ? undefined : this.look())
      )
    )
  )

  /** The same while it closes. */
  private get deliver(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.delivering.size === 0 ? Effect.void : Effect.zipRight(
        atMost(this.untilDelivered, this.lookEvery),
        Effect.suspend(() => {
          this.look()
          return this.deliver
        })
      )
    )
  }

  private look(): void {
    this.looks = this.taken === this.takenAtLook ? this.looks + 1 : 0
    this.takenAtLook = this.taken
    if (this.delivering.size === 0 && this.looks > longestSilence) {
      this.hasDelivered = false
      this.isGuarded.unsafeClose()
    }
    for (const stream of [...this.delivering]) {
      const looks = stream.look()
      if (looks > longestTurn || (looks > longestSilence && this.looks > longestSilence)) {
        stream.giveUp("the transport took none of its bytes for closeTimeout")
      }
    }
  }

  /** There is no more time: what was not taken is not sent. */
  cutShort(): void {
    for (const stream of [...this.delivering]) {
      stream.giveUp("its session had no more time for what was left to be sent")
    }
  }

  private allDelivered(): void {
    if (this.allAreDelivered === undefined) return
    Deferred.unsafeDone(this.allAreDelivered, Exit.void)
    this.allAreDelivered = undefined
  }

  private allEndingsSettled(): void {
    if (this.endingsSettled === undefined) return
    Deferred.unsafeDone(this.endingsSettled, Exit.void)
    this.endingsSettled = undefined
  }

  opened(by: SessionHandle): void {
    this.isPingLatest = by instanceof PingHandle
    this.streamsOpened++
    this.limitStreams(this.maxStreams)
  }

  accepted(stream: ByteStream): ByteStream {
    this.streamsAccepted++
    this.limitStreams(this.maxStreams)
    return stream
  }

  /** After so many, opened by either side, it is retired. */
  limitStreams(most: number): void {
    this.maxStreams = most
    if (this.streamsOpened + this.streamsAccepted >= most) this.retire()
  }

  /** Whether it keeps some memory of each stream until it closes. */
  get retainsStreams(): boolean {
    return this.service?.retainsStreams?.(this.native) === true
  }

  refused(): void {
    // a session that grants none although none is open is spent; the credit of one that is ending may be on its way
    if (!this.hasOpen && !this.isPingLatest) this.retire()
  }

  /** Streams are open, or their ends are not confirmed. */
  get hasOpen(): boolean {
    return this.streams.size > 0 || this.endings.size > 0
  }

  received(bytes: number, by?: SessionHandle): void {
    this.bytesReceived += bytes
    if (by instanceof PingHandle) return
    this.bytesHeard += bytes
    this.whenHeard?.()
  }

  /** Why something of it failed: since it has ended, where that is known, or the platform says so a moment before. */
  failure(reason: "StreamOpen" | "Read" | "Write", detail: string | undefined, cause: unknown): WebTransportError {
    if (this.gone !== undefined) return this.gone
    return isSessionEnd(cause)
      ? new WebTransportError({ reason: "SessionClosed", cause })
      : new WebTransportError({ reason, detail, cause })
  }

  goneOr(cause: unknown): WebTransportError {
    return this.gone ?? new WebTransportError({ reason: "SessionClosed", cause })
  }

  // -- what comes in

  get bidirectional(): Inlet<Api.NativeBidirectionalStream> {
    return this.incomingBidirectional ??= this.inlet(this.native.incomingBidirectionalStreams)
  }

  get unidirectional(): Inlet<Api.NativeReceiveStream> {
    return this.incomingUnidirectional ??= this.inlet(this.native.incomingUnidirectionalStreams)
  }

  get datagrams(): Inlet<Uint8Array> {
    return this.incomingDatagrams ??= this.inlet(this.native.datagrams.readable)
  }

  private inlet<A>(readable: ReadableStream<A>): Inlet<A> {
    const inlet = new Inlet(readable)
    if (this.state === "Closed") inlet.end(undefined)
    return inlet
  }

  // -- datagrams

  get maxDatagramSize(): number {
    return this.native.datagrams.maxDatagramSize ?? Number.POSITIVE_INFINITY
  }

  sendDatagram(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.async<void, WebTransportError>((resume) => {
      if (this.gone !== undefined) return resume(Effect.fail(this.gone))
      if (!isBytes(bytes)) {
        return resume(Effect.die(notBytes("a datagram", bytes)))
      }
      const limit = this.maxDatagramSize
      const size = bytes.byteLength
      if (size > limit) {
        const detail = `${size} bytes where a datagram holds ${limit}`
        return resume(Effect.fail(new WebTransportError({ reason: "DatagramTooLarge", detail, size, limit })))
      }
      const done = (effect: Effect.Effect<void, WebTransportError>) => {
        this.sends.delete(done)
        resume(effect)
      }
      this.sends.add(done)
      try {
        // whoever is interrupted may use the bytes again, though they wait still
        this.outgoingDatagrams().write(this.retainsWrites ? copyOf(bytes) : new Uint8Array(bytes)).then(
          () => done(Effect.void),
          (cause) => queueMicrotask(() => done(Effect.fail(this.datagramFailure(cause))))
        )
      } catch (cause) {
        done(Effect.fail(this.datagramFailure(cause)))
      }
      return Effect.sync(() => this.sends.delete(done))
    })
  }

  private datagramFailure(cause: unknown): WebTransportError {
    return this.failure("Write", "the datagram could not be sent", cause)
  }

  private outgoingDatagrams(): WritableStreamDefaultWriter<Uint8Array> {
    if (this.datagramWriter !== undefined) return this.datagramWriter
    const { datagrams } = this.native
    // `writable` is the older name, and warns where there is a newer one (fails-components 1.6.8).
    const writable = datagrams.createWritable === undefined ? datagrams.writable : datagrams.createWritable()
    if (writable === undefined) {
      throw new Error("the platform has neither datagrams.createWritable nor datagrams.writable")
    }
    const writer: WritableStreamDefaultWriter<Uint8Array> = writable.getWriter()
    writer.closed.then(undefined, () => {})
    return this.datagramWriter = writer
  }

  // -- counts

  get stats(): Effect.Effect<Option.Option<Api.SessionStats>, WebTransportError> {
    return Effect.async<Option.Option<Api.SessionStats>, WebTransportError>((resume) => {
      if (this.gone !== undefined) return resume(Effect.fail(this.gone))
      const failed = (cause: unknown) =>
        resume(
          Effect.fail(
            this.gone ?? new WebTransportError({ reason: "Unsupported", detail: "the platform gives no stats", cause })
          )
        )
      try {
        const promise = this.native.getStats?.()
        if (promise === undefined) return resume(Effect.succeedNone)
        promise.then((stats) => resume(Effect.succeedSome(stats)), (cause) => queueMicrotask(() => failed(cause)))
      } catch (cause) {
        failed(cause)
      }
    })
  }
}

/**
 * Whether an attempt that was closed before it was ready is beyond reach, and becomes a session with nobody all the same
 * (Firefox 153): it is closed when it is ready, and not before. By its name, since nothing else tells.
 */
const keepsClosedAttempts = (): boolean => /\bFirefox\//.test(globalThis.navigator?.userAgent ?? "")

/** Whether a failure of a stream is its session's. Names or words, where the platform has no `source`. */
const isSessionEnd = (cause: unknown): boolean => {
  if (!(cause instanceof Error)) return false
  // Chromium says InvalidStateError to whoever opens a stream
  return (cause as { readonly source?: unknown }).source === "session" || cause.name === "InvalidStateError" ||
    // Deno 2.9 to whoever reads
    cause.name === "NotConnected" ||
    // @moq/web-transport 0.1.4
    /^(session|webtransport|connection) error: /.test(cause.message)
}

const closeInfoOf = (info: Partial<Api.CloseInfo> | undefined): Api.CloseInfo => ({
  closeCode: info?.closeCode ?? 0,
  reason: info?.reason ?? ""
})

/** The first of HTTP/3's codes that stand for those of applications (draft-ietf-webtrans-http3, "Resetting Data Streams"). */
const firstCode = 0x52e4_a40f_a8db

/** As the application gave it: Deno (2.9) tells HTTP/3's own, of which every 31st is reserved. */
const applicationInfo = (info: Api.CloseInfo): Api.CloseInfo => {
  const index = info.closeCode - firstCode
  return index < 0 ? info : { ...info, closeCode: index - Math.floor(index / 31) }
}

export const checkCloseInfo = (info: Partial<Api.CloseInfo> | undefined): Effect.Effect<void> => {
  const { closeCode, reason } = closeInfoOf(info)
  if (!Number.isInteger(closeCode) || closeCode < 0 || closeCode > 0xffff_ffff) {
    return Effect.die(new RangeError(`closeCode must be a whole number from 0 to 4294967295, not ${String(closeCode)}`))
  }
  if (typeof reason !== "string") return Effect.die(new TypeError(`reason must be a string, not ${String(reason)}`))
  const size = new TextEncoder().encode(reason).byteLength
  if (size <= longestReason) return Effect.void
  return Effect.die(new RangeError(`reason must have ${longestReason} bytes of UTF-8 at most, not ${size}`))
}

/** As far as the platform's words tell, from which the query is left out: tokens travel there. */
export const explainCause = (cause: unknown): Api.Explanation => {
  const detail = describeFailure(cause).replaceAll(/\?[^\s"')]*/g, "")
  return /certificate/i.test(detail)
    ? {
      detail,
      advice: "pin the certificate that the server has now with serverCertificateHashes, or have the platform trust it"
    }
    : { detail }
}

const say = (info: Api.CloseInfo) =>
  `code ${info.closeCode}${info.reason === "" ? "" : `, ${JSON.stringify(info.reason)}`}`

/** RFC 9110, section 5.3: fields of one name are one list. */
const fieldsOf = (pairs: Iterable<readonly [string, string]>): Readonly<Record<string, string>> => {
  const fields = new Map<string, string>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const before = fields.get(key)
    fields.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return Object.fromEntries(fields)
}

/** In an uninterruptible region, what is waited for has to be interruptible by the time limit all the same. */
const atMost = <A, E>(
  effect: Effect.Effect<A, E>,
  limit: Duration.Duration
): Effect.Effect<Option.Option<A>, E> => Effect.timeoutOption(Effect.interruptible(effect), limit)

// -----------------------------------------------------------------------------
// Handles
// -----------------------------------------------------------------------------

/** The owner's handle: all of it. */
export class SessionHandle extends Inspectable.Class implements Api.Session {
  readonly core: SessionCore
  /** Its streams, where it ends before the session does. */
  readonly streams: Set<ByteStream> | undefined = undefined
  private ownDatagrams: DatagramsHandle | undefined = undefined

  constructor(core: SessionCore) {
    super()
    this.core = core
  }

  get [SessionTypeId](): Api.SessionTypeId {
    return SessionTypeId
  }

  /** Why nothing can be done through it, if so. */
  get refusal(): WebTransportError | undefined {
    return this.core.gone
  }

  /** Refused a stream that a ping of the session's pool may have had, it asks again: a ping is to cost nobody one. */
  nextPause(cause: Cause.Cause<WebTransportError>, pause: number): number | undefined {
    const { core } = this
    if (!core.isPingLatest || !Cause.isFailType(cause) || cause.error.reason !== "StreamLimit") return undefined
    if (core.pings.size > 0) return Math.min(pause * 2, pingedPause)
    if (pause <= lastPause) return pause * 2
    core.isPingLatest = false
    return undefined
  }

  createBidirectionalStream(
    options?: Api.StreamOptions
  ): Effect.Effect<Api.BidirectionalStream, WebTransportError, Scope.Scope> {
    return openStream(this, "Bidirectional", options)
  }

  createUnidirectionalStream(
    options?: Api.StreamOptions
  ): Effect.Effect<Api.SendStream, WebTransportError, Scope.Scope> {
    return openStream(this, "Unidirectional", options)
  }

  get acceptBidirectionalStream(): Effect.Effect<Api.BidirectionalStream, WebTransportError, Scope.Scope> {
    return Effect.suspend(() =>
      acceptStream(
        this.core,
        this.core.bidirectional,
        (native) => this.core.accepted(new ByteStream(this.core, native, native.readable, native.writable))
      )
    )
  }

  get acceptUnidirectionalStream(): Effect.Effect<Api.ReceiveStream, WebTransportError, Scope.Scope> {
    return Effect.suspend(() =>
      acceptStream(
        this.core,
        this.core.unidirectional,
        (native) => this.core.accepted(new ByteStream(this.core, native, native, undefined))
      )
    )
  }

  get incomingBidirectionalStreams(): Stream.Stream<Api.BidirectionalStream, WebTransportError, Scope.Scope> {
    return streamOf(() => this.core.bidirectional, this.acceptBidirectionalStream)
  }

  get incomingUnidirectionalStreams(): Stream.Stream<Api.ReceiveStream, WebTransportError, Scope.Scope> {
    return streamOf(() => this.core.unidirectional, this.acceptUnidirectionalStream)
  }

  get datagrams(): Api.Datagrams {
    return this.ownDatagrams ??= new DatagramsHandle(this)
  }

  get receiveDatagram(): Effect.Effect<Uint8Array, WebTransportError> {
    const { core } = this
    const attempt: Effect.Effect<Uint8Array, WebTransportError> = Effect.suspend(() => {
      const bytes = core.datagrams.take()
      if (bytes !== undefined) return Effect.succeed(bytes)
      if (core.datagrams.isEnded) return Effect.fail(core.goneOr(core.datagrams.failure))
      return Effect.zipRight(core.datagrams.arrival, attempt)
    })
    return attempt
  }

  get closed(): Effect.Effect<Api.CloseInfo, WebTransportError> {
    return Deferred.await(this.core.closure)
  }

  get draining(): Effect.Effect<void> {
    return Deferred.await(this.core.drained)
  }

  get isOpen(): Effect.Effect<boolean> {
    return Effect.sync(() => this.refusal === undefined && this.core.state === "Open")
  }

  get stats(): Effect.Effect<Option.Option<Api.SessionStats>, WebTransportError> {
    return this.core.stats
  }

  close(info?: Partial<Api.CloseInfo>): Effect.Effect<void> {
    return Effect.zipRight(checkCloseInfo(info), this.core.close(info))
  }

  get reliability(): string | undefined {
    return this.native.reliability
  }

  get protocol(): string | undefined {
    const protocol = this.native.protocol
    return protocol === "" ? undefined : protocol
  }

  get responseHeaders(): Readonly<Record<string, string>> | undefined {
    const { responseHeaders } = this.native
    return responseHeaders === undefined ? undefined : fieldsOf(responseHeaders)
  }

  get native(): Api.NativeWebTransport {
    return this.core.native
  }

  toJSON(): object {
    const { state, streams, where } = this.core
    return { _id: "Session", with: where, state, streams: streams.size }
  }
}

/** What a ping of its pool has. */
export class PingHandle extends SessionHandle {
  override readonly streams = this.core.pings

  override nextPause(): undefined {
    return undefined
  }
}

class DatagramsHandle extends Inspectable.Class implements Api.Datagrams {
  private readonly handle: SessionHandle

  constructor(handle: SessionHandle) {
    super()
    this.handle = handle
  }

  send(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => {
      const { refusal } = this.handle
      return refusal === undefined ? this.handle.core.sendDatagram(bytes) : Effect.fail(refusal)
    })
  }

  get receive(): Effect.Effect<Uint8Array, WebTransportError> {
    return this.handle.receiveDatagram
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return streamOf(() => this.handle.core.datagrams, this.receive)
  }

  get maxSize(): number {
    return this.handle.core.maxDatagramSize
  }

  toJSON(): object {
    return { _id: "Datagrams", session: this.handle.toJSON() }
  }
}

// -----------------------------------------------------------------------------
// Views
// -----------------------------------------------------------------------------

const ownedByPool = (what: string) =>
  Effect.fail(
    new WebTransportError({
      reason: "Unsupported",
      detail: `a borrowed session cannot ${what}: its pool owns what comes in`,
      advice: "give SessionPool the option onIncoming or onDatagram"
    })
  )

/** A borrower's handle, one per lease: what was opened through it ends with it. */
export class SessionView extends SessionHandle {
  override readonly streams = new Set<ByteStream>()
  private isGivenBack = false

  constructor(core: SessionCore) {
    super(core)
    core.views++
  }

  override get refusal(): WebTransportError | undefined {
    return this.isGivenBack
      ? new WebTransportError({
        reason: "SessionClosed",
        detail: "this session was given back to its pool",
        advice: "use it within the effect or scope that borrowed it"
      })
      : this.core.gone
  }

  override get acceptBidirectionalStream(): Effect.Effect<Api.BidirectionalStream, WebTransportError, Scope.Scope> {
    return ownedByPool("accept streams")
  }

  override get acceptUnidirectionalStream(): Effect.Effect<Api.ReceiveStream, WebTransportError, Scope.Scope> {
    return ownedByPool("accept streams")
  }

  override get incomingBidirectionalStreams(): Stream.Stream<Api.BidirectionalStream, WebTransportError, Scope.Scope> {
    return Stream.fromEffect(this.acceptBidirectionalStream)
  }

  override get incomingUnidirectionalStreams(): Stream.Stream<Api.ReceiveStream, WebTransportError, Scope.Scope> {
    return Stream.fromEffect(this.acceptUnidirectionalStream)
  }

  override get receiveDatagram(): Effect.Effect<Uint8Array, WebTransportError> {
    return ownedByPool("receive datagrams")
  }

  override close(info?: Partial<Api.CloseInfo>): Effect.Effect<void> {
    return Effect.suspend(() => this.isGivenBack ? Effect.void : super.close(info))
  }

  end(success: boolean): void {
    if (this.isGivenBack) return
    this.isGivenBack = true
    this.core.views--
    for (const opening of [...this.core.openings]) {
      if (opening.handle === this) opening.fail(this.refusal!)
    }
    for (const stream of [...this.streams]) stream.end(success, 0, "its session was given back to the pool")
  }
}

/** A handle for one lease. */
export const makeView = (session: Api.Session): SessionView => new SessionView(viewCore(session))

/** Ends everything that was opened through a view, as its scope would; synchronously, waiting for nothing. */
export const endView = (view: Api.Session, isSuccess: boolean): void => {
  if (view instanceof SessionView) view.end(isSuccess)
}

/** What stands behind a session, borrowed or not. */
export const viewCore = (session: Api.Session): SessionCore => {
  if (session instanceof SessionHandle) return session.core
  throw new TypeError("this Session was not made by WebTransport.connect or WebTransport.fromNative")
}
