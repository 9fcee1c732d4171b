/**
 * A pool of bidirectional WebTransport streams: of one session, or across the sessions of a `SessionPool`.
 *
 * @since 0.1.0
 */
import type { ConfigError, Wrap } from "#effect/config"
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped, unwrap } from "#effect/layer"
import type { Socket } from "#effect/socket"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
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
 * The state of a session whose streams the pool lends.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionInfo {
  /**
   * The platform's session, which identifies the session: the `native` of the `Session` that `onOpen` got. It is not
   * enumerable, so that you can log the rest and turn it into JSON.
   */
  readonly native: WebTransport.NativeWebTransport
  /** The pool's streams on this session, idle and lent. */
  readonly streams: number
  /** The lent ones among `streams`. */
  readonly inUse: number
  /** All streams that this side ever opened on the session, through the pool or not. */
  readonly opened: number
  /** How many streams the session grants; `Infinity` while it has refused none. */
  readonly capacity: number
  /** A borrower gave up waiting for an answer, and no byte has arrived since on any stream of the session. */
  readonly isSuspect: boolean
  /** The session gets no new streams, and closes once its lent streams are back. */
  readonly isRetired: boolean
}

/**
 * Options of a request.
 *
 * @since 0.1.0
 * @category options
 */
export interface RequestOptions {
  /** The maximum bytes of a message, request or answer. Default: 1 MiB. */
  readonly maxMessageSize?: number | undefined
  /**
   * Begins the message with a correlation id (a variable-length integer, see `Framing.withId`). The peer must begin its
   * answer with the same id; the pool skips answers with another id. Default: `false`.
   */
  readonly correlate?: boolean | undefined
}

/**
 * A `ResourcePool` of streams.
 *
 * A borrower gets a view of a stream, valid for one lease. A stream goes back to the pool only if it is clean: the
 * borrower succeeded, every write is done, all incoming bytes were read, no read was given up, and both directions and
 * the session are open. Otherwise the pool ends the stream at once, in both directions, and frees its place: by a reset
 * after a failure or an interruption, by FIN otherwise. An idle stream on which anything arrives is never lent.
 *
 * The pool delivers what a successful borrower wrote, then the FIN, as long as the transport takes it. If the transport
 * has not taken all of it within a second, the pool does not lend the stream again, and the stream takes no place of
 * `maxSize` any longer. The pool resets the stream only if the transport takes nothing for the session's
 * `closeTimeout`, or the session's time is over: see `SessionPool`.
 *
 * **Gotchas**
 *
 * - The pool cannot see an answer that has not begun to arrive: a borrower that writes a request and leaves before a
 *   byte of the answer came returns a stream that is clean so far. If the answer arrives while the stream is idle, the
 *   pool ends the stream; if it arrives later, the next borrower gets it. Read every answer that you asked for, or
 *   fail.
 * - Until the first write the pool reads nothing from the stream (see `clientSpeaksFirst`): a read waits for the write.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends ResourcePool.ResourcePool<WebTransport.BidirectionalStream, WebTransportError> {
  /**
   * Sends one message of `Framing` on a stream of the pool and reads one back. It never sends the message twice: after
   * a failure, `sent` says whether the peer may have received it.
   *
   * **Gotchas**
   *
   * A hung peer never answers: set a timeout (`Effect.timeout`). The pool resets the stream of an interrupted request.
   */
  readonly request: (
    message: Uint8Array,
    options?: RequestOptions | undefined
  ) => Effect.Effect<Uint8Array, RequestError>
  /**
   * The same for an answer of many messages. It ends with the first message for which `isLast` returns true, emits that
   * message too, and then returns the stream to the pool. Without `isLast` it ends when the peer finishes the stream.
   */
  readonly requestStream: (
    message: Uint8Array,
    options?: RequestOptions & { readonly isLast?: ((message: Uint8Array) => boolean) | undefined } | undefined
  ) => Stream.Stream<Uint8Array, RequestError>
  /**
   * Makes a `Socket` of `@effect/platform` for a protocol that owns its stream, such as RPC over `Ndjson` or `MsgPack`;
   * make one for each user. Each run gets a new stream that no borrower had before, under the limits of the pool.
   * Afterwards the pool ends the stream, by FIN after success, otherwise by a reset. Opening, reading and writing fail
   * with a `SocketError`, and so does a second run beside the first. A run handles everything that came before the
   * peer's FIN.
   *
   * Fibers that share a socket cannot harm each other by giving up: an interrupted write has handed over all of its
   * bytes or none. As soon as nothing can be written any more (a write failed, or accepted bytes are not sent), the run
   * fails with `Write`, so that its owner can start another one.
   */
  readonly makeSocket: Effect.Effect<Socket>
  /** The state of each session. */
  readonly sessions: Effect.Effect<ReadonlyArray<SessionInfo>>
}

/**
 * The streams over the sessions of the one {@link SessionPool.SessionPool}. For a second pool, declare your own tag
 * with the same `Service`, and provide it with `Layer.scoped(MyPool, StreamPool.make({ sessionPool, … }))`.
 *
 * @since 0.1.0
 * @category tags
 */
export class StreamPool extends ContextTag("effect-pools/StreamPool")<StreamPool, Service>() {}

/**
 * Options that may come from a `Config`. `ResourcePool.Options` explains those of the engine.
 *
 * @since 0.1.0
 * @category options
 */
export interface CommonOptions extends
  Omit<
    ResourcePool.Options<never, never, never>,
    | "acquire"
    | "concurrency"
    | "rideOut"
    | "permit"
    | "lost"
    | "retire"
    | "createTimeout"
    | "closeTimeout"
    | "overlap"
    | "retireGrace"
    | keyof Hooks
  >
{
  /**
   * The maximum number of streams on one session at once; `Infinity` for as many as the session grants. Default: 100.
   */
  readonly maxStreamsPerSession?: number | undefined
  /**
   * Replaces a session of a `SessionPool` after this many streams: a session keeps some memory for each stream, and
   * some servers grant only a fixed number. Lent streams stay as they are. The `SessionPool` has its own limit; the
   * smaller one counts. Default: 500.
   */
  readonly maxStreamsOpened?: number | undefined
  /**
   * After how long without a stream a session counts as full; it also does after a refusal. That is not an error:
   * borrowers wait. While a borrower waits, the pool asks the session again, for one stream at a time: when one of its
   * streams has ended, and after pauses that grow from 10 ms to a second. 1 ms or more. Default: 1 s.
   */
  readonly openTimeout?: DurationInput | undefined
  /**
   * Whether the peer only answers. If so, bytes that it sends before the borrower has written make the stream dirty,
   * and the borrower silently gets another stream. Set it to `false` for peers that greet. Default: `true`.
   */
  readonly clientSpeaksFirst?: boolean | undefined
  /**
   * How long the pool watches a returned stream before it lends the stream again: for peers that may send more after
   * their answer. The stream counts as in use meanwhile. Must be below `checkTimeout`. Default: 0.
   */
  readonly quarantine?: DurationInput | undefined
  /**
   * Replaces a session of a `SessionPool` when this many streams in a row were given up while a borrower waited for
   * bytes: over HTTP/2 nothing else detects a hung peer. Streams that were lent at the same time count once. A stream
   * does not count if anything arrived on the session, on any stream, since it was lent. `Infinity` switches this off.
   * Default: 2.
   *
   * **Gotchas**
   *
   * If a subscription is cancelled before its first message, on an otherwise quiet session, it looks like an answer
   * that never came. For quiet subscriptions and long polls use `Infinity`, and `keepAlive` on the `SessionPool`.
   */
  readonly suspectAfter?: number | undefined
  /** The transport sends streams with a higher order first, if the platform can. */
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
 * Callbacks for the streams of a pool. They run on fibers of the pool, with the context of `make`'s caller. A check
 * must leave the stream as clean as a borrower does.
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
 * Options of a pool of streams.
 *
 * Some options of the engine have different defaults: `name` `"StreamPool"`, `maxSize` 100, `acquireTimeout` 30 s,
 * `createBackoff` from 1 to 100 ms (a `SessionPool` has its own pause).
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
      /** The session of all streams. The pool does not own it: it neither closes nor replaces the session. */
      readonly session: WebTransport.Session
      readonly sessionPool?: undefined
    }
    | {
      /** The pool of the sessions that the streams are spread over. */
      readonly sessionPool: SessionPool.Service
      readonly session?: undefined
    }
  )

/**
 * Makes a pool that closes with the scope: over one session, or across the sessions of a `SessionPool`.
 *
 * **When it pays.** An echo of 100 bytes on an open stream takes a fifth of the time of one on its own stream: use the
 * pool for many small requests and answers. It does not pay for streams that carry one large message and end, nor for
 * protocols that finish a stream to mark the end of a message: such a stream cannot be used again. Open those on a
 * session of a `SessionPool`.
 *
 * **Over one session.** When the session ends, every borrower fails with `SessionClosed` at once, and so does every
 * later one. When the session has no stream left and has granted none for `openTimeout`, borrowers fail with
 * `StreamLimit`. They keep waiting while the transport still sends earlier bytes of streams that ended without an
 * answer: a stream may become free after that.
 *
 * **Across a `SessionPool`.** The pool holds one lease of each session, for all its streams there, and shares the
 * session with no other borrower, whatever the `concurrency` of the `SessionPool`. It returns the session when no
 * stream is left. The `keepAlive` of the `SessionPool` pings the session meanwhile. A new stream goes to the least
 * loaded session with room; the pool opens another session only when none has room. While other borrowers wait for a
 * session, the pool returns one whose streams are all idle. It replaces a session that has opened `maxStreamsOpened`
 * streams, is suspect, grants nothing though nothing is open, or does not confirm the ends of streams. A session that
 * its own pool retires takes no new streams.
 *
 * **Gotchas**
 *
 * - The pool cannot tell an answer from bytes that a misbehaving peer sends after the next borrower has written: see
 *   `quarantine`, and the correlation ids of `request`.
 * - `@moq/web-transport` (0.1.4) takes some 10 MB, does not tell whether it has sent them, and drops the rest when their
 *   session closes: because of its age, its use, or with its pool. A session that is replaced because it grants no more
 *   streams stays open for `retireGrace`. If every message counts, read an answer before the borrow ends.
 * - A lease counts as one use of the session, however many streams it carries. So `maxUses` of the `SessionPool` means
 *   little here; use `maxStreamsOpened`.
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
 *     Effect.andThen(stream.write(new TextEncoder().encode("hello")), stream.readExactly(5))
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
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
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
  scoped(
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
 * | `MAX_SIZE` | 100 | the maximum number of streams at once |
 * | `MIN_IDLE` | 0 | idle streams to keep ready beside the lent ones |
 * | `MAX_STREAMS_PER_SESSION` | 100 | the maximum number of concurrent streams per session |
 * | `MAX_STREAMS_OPENED` | 500 | after how many streams the pool replaces a session |
 * | `ORDER` | `lifo` | `lifo` or `fifo` |
 * | `ACQUIRE_TIMEOUT` | 30 seconds | how long a borrower waits |
 * | `MAX_WAITERS` | no limit | how many borrowers may wait |
 * | `OPEN_TIMEOUT` | 1 second | after how long without a stream a session counts as full |
 * | `CLIENT_SPEAKS_FIRST` | true | whether the peer only answers |
 * | `QUARANTINE` | 0 | how long the pool watches a returned stream |
 * | `SUSPECT_AFTER` | 2 | after how many missing answers the pool replaces a session |
 * | `IDLE_TIME_TO_LIVE` | infinity | when the pool ends an idle stream |
 * | `MAX_LIFETIME` | infinity | when the pool replaces a stream |
 * | `MAX_USES` | no limit | after how many borrows the pool replaces a stream |
 * | `SHUTDOWN_GRACE` | 5 seconds | how long borrowers have when the pool closes |
 * | `HISTOGRAMS` | false | whether the pool times waiting, creating and use, for `PoolMetrics` |
 * | `METRICS` | true | whether the pool shows its figures as metrics |
 *
 * A value that makes no sense is a `ConfigError` that names the key.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<ConfigOptions> = internalOptions.config

/**
 * The pool as a layer whose options come from a `Config`, or from a record of them. Pass hooks beside it.
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
  config: Wrap<ConfigOptions>,
  hooks?: Hooks<E, R> | undefined
): Layer.Layer<StreamPool, ConfigError, SessionPool.SessionPool | Exclude<R, Scope.Scope>> =>
  unwrap(
    Effect.map(internalOptions.checked(Config.unwrap(config)), (options) => layer({ ...options, ...hooks }))
  )
