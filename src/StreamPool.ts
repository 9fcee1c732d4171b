/**
 * A pool of bidirectional WebTransport streams: of one session, or across the sessions of a `SessionPool`.
 *
 * @since 0.1.0
 */
import type * as Socket from "@effect/platform/Socket"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as internalOptions from "./internal/streams/streamOptions.js"
import * as internal from "./internal/streams/streamPool.js"
import type { RequestError } from "./RequestError.js"
import type * as ResourcePool from "./ResourcePool.js"
import * as SessionPool from "./SessionPool.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * What the pool knows of a session whose streams it lends.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionInfo {
  /**
   * The platform's session, which tells one from another: the `native` of the `Session` that `onOpen` got. Not enumerable,
   * so that the rest can be logged and turned into JSON.
   */
  readonly native: WebTransport.NativeWebTransport
  /** Streams of the pool on it, idle and lent. */
  readonly streams: number
  /** Those that somebody has. */
  readonly inUse: number
  /** Streams that were ever opened on it, by whomever here. */
  readonly opened: number
  /** How many streams it grants; `Infinity` as long as it has refused none. */
  readonly capacity: number
  /** Somebody waited in vain for an answer, and no byte has come since on any of its streams. */
  readonly isSuspect: boolean
  /** It gets no new streams and goes once those that are lent are back. */
  readonly isRetired: boolean
}

/**
 * Options of a request.
 *
 * @since 0.1.0
 * @category options
 */
export interface RequestOptions {
  /** The most bytes that a message may have, asked or answered. Default: 1 MiB. */
  readonly maxMessageSize?: number | undefined
  /**
   * Begins the message with a correlation id (a variable-length integer, see `Framing.withId`). The peer has to begin
   * its answer with the same one; answers with another are passed over. Default: `false`.
   */
  readonly correlate?: boolean | undefined
}

/**
 * The pool: a `ResourcePool` of streams.
 *
 * What it lends is a view of a stream, good for one lease. A stream comes back to the pool only if it is clean: the
 * borrower succeeded, every write is done, nothing that came in is unread, no read was given up, and both directions
 * and the session are open. Anything else ends it at once, in both directions, and frees its place: reset after a
 * failure or an interruption, FIN otherwise. An idle stream on which anything comes is never lent.
 *
 * What a borrower wrote in success is delivered, then the FIN, as long as the transport takes it. A stream of which it has
 * not taken all within a second is not lent again, and takes no place of `maxSize` any longer. It is reset only if the
 * transport takes nothing for the session's `closeTimeout`, or the time of the session is over: see `SessionPool`.
 *
 * **Gotchas**
 *
 * - An answer that nobody waited for looks like none: a borrower that writes a question and leaves before a byte of the
 *   answer came gives back a stream that is clean so far. The answer ends it if it comes while the stream is idle; later
 *   than that, the next borrower gets it. Read what you asked for, or fail.
 * - Until the first write nothing is read from the stream (see `clientSpeaksFirst`): a read waits for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends ResourcePool.ResourcePool<WebTransport.BidirectionalStream, WebTransportError> {
  /**
   * Sends one message of `Framing` on a stream of the pool and reads one back. It is sent once, never again: after a
   * failure `sent` tells whether the peer may have got it.
   *
   * **Gotchas**
   *
   * A hung peer never answers: give it a time limit (`Effect.timeout`). The stream of an interrupted request is reset.
   */
  readonly request: (
    message: Uint8Array,
    options?: RequestOptions | undefined
  ) => Effect.Effect<Uint8Array, RequestError>
  /**
   * The same for an answer of many messages: to the first one that `isLast` is true of, which is given too and after
   * which the stream goes back to the pool; without it until the peer finishes the stream.
   */
  readonly requestStream: (
    message: Uint8Array,
    options?: RequestOptions & { readonly isLast?: ((message: Uint8Array) => boolean) | undefined } | undefined
  ) => Stream.Stream<Uint8Array, RequestError>
  /**
   * Makes a `Socket` of `@effect/platform` for a protocol that owns its stream, such as RPC over `Ndjson` or `MsgPack`;
   * one for each user. Each run has a stream that nobody had before, under the limits of the pool; afterwards it is
   * ended, by FIN after success, otherwise by a reset. Opening, reading and writing fail with a `SocketError`, and so does
   * a second run beside the first. What came before the peer's FIN is handled to its end.
   *
   * Those who share it cannot harm each other by giving up: an interrupted write has handed over all of its bytes or none.
   * As soon as nothing can be written any more (a write failed, or bytes that were accepted are not sent), the run fails with
   * `Write`, so that its owner may begin another one.
   */
  readonly makeSocket: Effect.Effect<Socket.Socket>
  /** What it knows of each session. */
  readonly sessions: Effect.Effect<ReadonlyArray<SessionInfo>>
}

/**
 * The streams over the sessions of the one {@link SessionPool.SessionPool}. For a second pool declare a tag of your own
 * with the same `Service`, and give it `Layer.scoped(MyPool, StreamPool.make({ sessionPool, … }))`.
 *
 * @since 0.1.0
 * @category tags
 */
export class StreamPool extends Context.Tag("effect-pools/StreamPool")<StreamPool, Service>() {}

/**
 * Options that may come from a `Config`. Those of the engine are explained in `ResourcePool.Options`.
 *
 * @since 0.1.0
 * @category options
 */
export interface CommonOptions extends
  Pick<
    ResourcePool.Options<never, never, never>,
    | "name"
    | "minSize"
    | "maxSize"
    | "minIdle"
    | "order"
    | "acquireTimeout"
    | "maxWaiters"
    | "checkTimeout"
    | "idleTimeToLive"
    | "maxLifetime"
    | "maxUses"
    | "createConcurrency"
    | "createBackoff"
    | "shutdownGrace"
    | "exhaustedThreshold"
    | "leakThreshold"
    | "histograms"
    | "metrics"
  >
{
  /** The most streams on one session at once; `Infinity` for as many as it grants. Default: 100. */
  readonly maxStreamsPerSession?: number | undefined
  /**
   * After so many streams a session of a `SessionPool` is replaced: it keeps some memory for each, and some servers
   * grant only so many. What is lent stays as it is. The `SessionPool` has a limit of its own; the smaller one counts.
   * Default: 500.
   */
  readonly maxStreamsOpened?: number | undefined
  /**
   * After how long without a stream, or a refusal, a session counts as full. That is no error: borrowers wait. While one
   * does, the session is asked again, for one stream at a time: when one of its streams has ended, and after pauses
   * that grow from 10 ms to a second. Default: 1 s.
   */
  readonly openTimeout?: Duration.DurationInput | undefined
  /**
   * Whether the peer only answers. Then what it sends before the borrower has written is dirt, and the borrower gets
   * another stream instead, without noticing. Set it to `false` for peers that greet. Default: `true`.
   */
  readonly clientSpeaksFirst?: boolean | undefined
  /**
   * How long a stream that came back is watched before it is lent again: for peers that may say something more, later
   * than their answer. It counts as in use meanwhile. Below `checkTimeout`. Default: 0.
   */
  readonly quarantine?: Duration.DurationInput | undefined
  /**
   * A session of a `SessionPool` is replaced when so many streams, one after the other, were given up while a borrower
   * waited for bytes: over HTTP/2 nothing else tells of a hung peer. Streams that were lent at the same time count once.
   * One counts not at all when anything came on the session, on whatever stream, since it was lent. `Infinity` switches
   * this off. Default: 2.
   *
   * **Gotchas**
   *
   * A subscription that is cancelled before its first message, on a session where nothing else happens, looks like an
   * answer that never came. For quiet subscriptions and long polls use `Infinity`, and `keepAlive` on the `SessionPool`.
   */
  readonly suspectAfter?: number | undefined
  /** Streams with a higher one are sent first, where the platform can. */
  readonly sendOrder?: number | undefined
}

/**
 * The same as {@link CommonOptions}, as it comes from {@link config}.
 *
 * @since 0.1.0
 * @category options
 */
export interface ConfigOptions
  extends Omit<CommonOptions, "checkTimeout" | "createConcurrency" | "createBackoff" | "sendOrder">
{}

/**
 * What an application does with the streams of a pool, on fibers of the pool and with the context of its maker. A check
 * has to leave the stream as clean as a borrower does.
 *
 * @since 0.1.0
 * @category options
 */
export interface Hooks<E = never, R = never> extends
  Pick<
    ResourcePool.Options<WebTransport.BidirectionalStream, E, R>,
    "validate" | "validateAfterIdle" | "keepAlive" | "onRelease"
  >
{}

/**
 * How to make a pool of streams.
 *
 * The options of the engine have these defaults of their own: `name` `"StreamPool"`, `maxSize` 100, `acquireTimeout` 30 s,
 * `createBackoff` from 1 to 100 ms (a `SessionPool` has a pause of its own).
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<E = never, R = never> extends CommonOptions, Hooks<E, R> {}

/**
 * Options of {@link make}: one of `session` and `sessionPool`.
 *
 * @since 0.1.0
 * @category options
 */
export type MakeOptions<E = never, R = never> =
  & Options<E, R>
  & (
    | {
      /** The session that all streams are of. It stays its owner's: the pool neither closes nor replaces it. */
      readonly session: WebTransport.Session
      readonly sessionPool?: undefined
    }
    | {
      /** Where the sessions come from that the streams are spread over. */
      readonly sessionPool: SessionPool.Service
      readonly session?: undefined
    }
  )

/**
 * Makes a pool that closes with the scope: over one session, or across the sessions of a `SessionPool`.
 *
 * **When it pays.** An echo of 100 bytes on an open stream takes a fifth of the time of one on a stream of its own: use
 * it for many small questions and answers. It does not pay for streams that carry one large message and end, nor for
 * protocols that finish a stream to mark the end of a message: such a stream cannot be used again. Open those on a
 * session of a `SessionPool`.
 *
 * **Over one session.** When the session ends every borrower, and whoever comes later, fails with `SessionClosed` at
 * once. When it has no stream left and has granted none for `openTimeout`, borrowers fail with `StreamLimit`.
 *
 * **Across a `SessionPool`.** It holds one lease of each session, whatever its streams, shares the session with no other
 * borrower, whatever the `concurrency` of the `SessionPool`, and gives it back when no stream is left. The `keepAlive` of
 * the `SessionPool` pings it meanwhile. A new stream goes to the least loaded session with room; another session is
 * opened only when none has room. While others wait for a session, one whose streams are all idle is given back. A
 * session is replaced when it has opened `maxStreamsOpened` streams, is suspect, grants nothing though nothing is open,
 * or confirms no ends of streams; and it takes no new streams once its own pool retires it.
 *
 * **Gotchas**
 *
 * - What a misbehaving peer sends after the next borrower has written cannot be told from an answer: see `quarantine`,
 *   and the correlation ids of `request`.
 * - A lease counts as one use of the session, however many streams it carries: `maxUses` of the `SessionPool` says
 *   little here. Use `maxStreamsOpened`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { StreamPool, WebTransport } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const session = yield* WebTransport.connect("https://example.com/echo")
 *   const pool = yield* StreamPool.make({ session, maxSize: 16 })
 *   return yield* pool.use((stream) =>
 *     Effect.zipRight(stream.write(new TextEncoder().encode("hello")), stream.readExactly(5))
 *   )
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <E = never, R = never>(
  options: MakeOptions<E, R>
) => Effect.Effect<Service, never, Scope.Scope | Exclude<R, Scope.Scope>> = internal.make

/**
 * The pool as a layer, across the sessions of the {@link SessionPool.SessionPool}.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a pool of its own, and so is each `Effect.provide` of it.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { SessionPoolLive, StreamPool } from "effect-pools"
 * import * as NodeWebTransport from "effect-pools/NodeWebTransport"
 *
 * const StreamPoolLive = StreamPool.layer({ maxSize: 64 }).pipe(
 *   Layer.provide(SessionPoolLive),
 *   Layer.provide(NodeWebTransport.layer)
 * )
 *
 * export const main = Effect.gen(function*() {
 *   const pool = yield* StreamPool.StreamPool
 *   return yield* pool.request(new TextEncoder().encode("hello")).pipe(Effect.timeout("5 seconds"))
 * }).pipe(Effect.provide(StreamPoolLive))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R> = {}
): Layer.Layer<StreamPool, never, SessionPool.SessionPool | Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    StreamPool,
    Effect.flatMap(SessionPool.SessionPool, (sessionPool) => make({ ...options, sessionPool }))
  )

/**
 * The options of a pool from a `Config`; all have defaults:
 *
 * | key | default | |
 * |---|---|---|
 * | `NAME` | `StreamPool` | for logs, errors and stats |
 * | `MIN_SIZE` | 0 | streams to keep open |
 * | `MAX_SIZE` | 100 | the most streams at once |
 * | `MAX_STREAMS_PER_SESSION` | 100 | the most streams of one session at once |
 * | `MAX_STREAMS_OPENED` | 500 | after how many streams a session is replaced |
 * | `ORDER` | `lifo` | `lifo` or `fifo` |
 * | `ACQUIRE_TIMEOUT` | 30 seconds | how long a borrower waits |
 * | `MAX_WAITERS` | no limit | how many borrowers may wait |
 * | `OPEN_TIMEOUT` | 1 second | after how long without a stream a session counts as full |
 * | `CLIENT_SPEAKS_FIRST` | true | whether the peer only answers |
 * | `QUARANTINE` | 0 | how long a stream that came back is watched |
 * | `SUSPECT_AFTER` | 2 | after how many answers that never came a session is replaced |
 * | `IDLE_TIME_TO_LIVE` | infinity | when an unused stream is ended |
 * | `MAX_LIFETIME` | infinity | when a stream is replaced |
 * | `MAX_USES` | no limit | after how many borrows a stream is replaced |
 * | `SHUTDOWN_GRACE` | 5 seconds | how long borrowers have when the pool closes |
 * | `HISTOGRAMS` | false | whether waiting, creating and use are timed, for `PoolMetrics` |
 *
 * A value that makes no sense is a `ConfigError` that names the key.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<ConfigOptions> = internalOptions.config

/**
 * The pool as a layer whose options come from a `Config`, or from a record of them; hooks come beside it.
 *
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { StreamPool } from "effect-pools"
 *
 * export const StreamPoolLive = StreamPool.layerConfig(Config.nested(StreamPool.config, "STREAM_POOL"))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = <E = never, R = never>(
  config: Config.Config.Wrap<ConfigOptions>,
  hooks?: Hooks<E, R> | undefined
): Layer.Layer<StreamPool, ConfigError.ConfigError, SessionPool.SessionPool | Exclude<R, Scope.Scope>> =>
  Layer.unwrapEffect(
    Effect.map(internalOptions.checked(Config.unwrap(config)), (options) => layer({ ...options, ...hooks }))
  )
