/**
 * Many requests on few streams: messages of `Framing` that share WebTransport streams and find their answers by id.
 *
 * A stream of a `StreamPool` carries one request at a time. Here the requests that callers make in the same turn of the
 * event loop leave in one write, and answers come in any order. That saves most of the processor time of small requests.
 *
 * | use | for |
 * |---|---|
 * | `RequestPool` | many small requests and answers at once; the peer speaks `Framing` with ids |
 * | `StreamPool.request` | a peer that knows no ids and answers one request per stream, large messages |
 * | `StreamPool.use` | another protocol on a stream that is used again |
 * | a stream of a borrowed `Session` | one large transfer, or a protocol that ends its stream |
 * | a datagram | what may get lost |
 *
 * **The bytes.** Each message is a frame: its length, then its bytes (see `Framing`). A request's message begins with an
 * id, a variable-length integer too, and the peer begins each answer to it with the same id. The ids of a stream begin
 * at 0 and grow by one. `Framing.withId` and `splitId` write and read them. With `correlate: false` there are no ids,
 * and the peer answers in turn.
 *
 * @since 0.2.0
 */
import type { ConfigError, Wrap } from "#effect/config"
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import type { Inspectable } from "#effect/inspect"
import { scoped, unwrap } from "#effect/layer"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as internalOptions from "./internal/requests/requestOptions.js"
import * as internal from "./internal/requests/requestPool.js"
import type { PoolError } from "./PoolError.js"
import type { RequestPoolStats } from "./PoolStats.js"
import type { RequestError } from "./RequestError.js"
import * as SessionPool from "./SessionPool.js"
import type * as StreamPool from "./StreamPool.js"
import type * as WebTransport from "./WebTransport.js"

/**
 * Options of {@link Service.requestStream}.
 *
 * @since 0.2.0
 * @category options
 */
export type RequestStreamOptions =
  | {
    /** Whether the request shares a stream with others. Default: `false`: it takes a stream of its own. */
    readonly shared?: false | undefined
    /**
     * Whether an answer is the last. Default: the answers end when the peer finishes the stream. `Framing.serve` does so
     * only after its client, which never does: with such a peer give `isLast`.
     */
    readonly isLast?: ((message: Uint8Array) => boolean) | undefined
  }
  | {
    readonly shared: true
    /** Whether an answer is the last. Must not throw. The pool also calls it for answers that it drops. */
    readonly isLast: (message: Uint8Array) => boolean
  }

/**
 * Requests that share streams.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service extends Inspectable {
  readonly name: string
  /**
   * Sends one message and returns the answer, in its own buffer. It never sends the message twice: after a failure,
   * `sent` says whether the peer may have received it.
   *
   * The request joins the next write of a shared stream. A lone request is written at once. A message above `maxBatch`
   * takes a stream of its own.
   *
   * An interrupted request that has not left yet is never sent. Otherwise the answer is dropped when it comes, and the
   * stream stays in use.
   *
   * **Gotchas**
   *
   * - A hung peer never answers: set a timeout (`Effect.timeout`).
   * - The message is copied when it is written. Do not change its bytes until the request has ended; then you may, also if
   *   it failed or was interrupted.
   * - A large answer delays the other answers on its stream.
   */
  readonly request: (message: Uint8Array) => Effect.Effect<Uint8Array, RequestError>
  /**
   * The same for an answer of many messages, of which `isLast` tells the last. By default the request takes a stream of
   * its own.
   *
   * With `shared: true` it shares a stream. Its answers come whether the consumer is ready or not: at most
   * `maxBuffered` bytes of them wait. Beyond that, the request fails with `Overflow`, and the pool drops its other
   * answers. The limit is one of memory: an answer above it fails, however quick the consumer is.
   */
  readonly requestStream: (
    message: Uint8Array,
    options?: RequestStreamOptions | undefined
  ) => Stream.Stream<Uint8Array, RequestError>
  /**
   * From now on new requests fail with `PoolClosed`; requests that wait are served. Completes when no request is left.
   */
  readonly drain: Effect.Effect<void>
  /**
   * Requests that wait fail with `PoolClosed`. Those that have a stream have `shutdownGrace`; then they fail, too.
   * Completes when no request is left. Closing the scope of `make` does the same.
   */
  readonly close: Effect.Effect<void>
  /** The figures of the pool now. */
  readonly stats: Effect.Effect<RequestPoolStats>
  /** Waits until the figures satisfy the predicate, and returns them, as the `awaitStats` of a `ResourcePool` does. */
  readonly awaitStats: (predicate: (stats: RequestPoolStats) => boolean) => Effect.Effect<RequestPoolStats, PoolError>
}

/**
 * The requests over the sessions of the one {@link SessionPool.SessionPool}. For a second pool, declare your own tag
 * with the same `Service`, and provide it with `Layer.scoped(MyPool, RequestPool.make({ sessionPool, … }))`.
 *
 * @since 0.2.0
 * @category tags
 */
export class RequestPool extends ContextTag("effect-pools/RequestPool")<RequestPool, Service>() {}

/**
 * Options that may come from a `Config`.
 *
 * @since 0.2.0
 * @category options
 */
export interface CommonOptions {
  /** The pool's name in logs, errors, stats and metrics. Default: `"RequestPool"`. */
  readonly name?: string | undefined
  /**
   * The maximum number of shared streams that take requests. A stream that its session retires takes no new requests,
   * and has a place beside them. The pool opens another stream only when the others have no room. Default: 4.
   */
  readonly maxStreams?: number | undefined
  /**
   * The maximum number of requests in flight on a stream. Requests that were interrupted after they were sent do not
   * count with `correlate`, so that a peer may see twice as many. Default: 64.
   */
  readonly maxInFlight?: number | undefined
  /**
   * Whether messages begin with an id. Without ids the peer must answer in turn; then an interrupted request keeps its
   * place until its answer has passed. Default: `true`.
   */
  readonly correlate?: boolean | undefined
  /** The maximum bytes of a message, with its id, which takes up to 4 bytes. Default: 1 MiB. */
  readonly maxMessageSize?: number | undefined
  /**
   * The maximum bytes of one write, and of the bytes of a stream that the transport has not taken yet. A message above
   * it takes a stream of its own. Default: 64 KiB.
   */
  readonly maxBatch?: number | undefined
  /** The maximum bytes of answers that wait for the consumer of a shared `requestStream`. Default: 256 KiB. */
  readonly maxBuffered?: number | undefined
  /**
   * How many requests may wait for a stream with room, or for a stream of their own; more fail with `QueueFull`. Default:
   * 1,024.
   */
  readonly maxWaiters?: number | undefined
  /** How long a request may wait for a stream with room. Default: 30 s. */
  readonly acquireTimeout?: DurationInput | undefined
  /** How long requests that have a stream may go on when the pool closes. Default: 5 s. */
  readonly shutdownGrace?: DurationInput | undefined
  /** Whether the pool shows its figures as metrics: see `PoolMetrics`. Default: `true`. */
  readonly metrics?: boolean | undefined
}

/**
 * The same as {@link CommonOptions}, as it comes from {@link config}.
 *
 * @since 0.2.0
 * @category options
 */
export interface ConfigOptions extends CommonOptions {}

/**
 * How the pool notices a hung peer.
 *
 * @since 0.2.0
 * @category options
 */
export interface Hooks<E = never, R = never> {
  /**
   * Asks the peer for a sign of life, on a fiber of the pool, with the context of `make`'s caller; for example
   * `SessionPool.pingStream()`. This ping is the pool's own: the `keepAlive` of a `SessionPool` pings every silent session,
   * this one only sessions that owe answers. The pool calls it when no byte came on a session for `silenceTimeout` while
   * requests on it were unanswered. If the ping fails, or takes longer than `checkTimeout`, and still no byte came, then the
   * requests on that session fail, and the session counts as suspect. By default there is no such limit: a peer may
   * think for as long as it likes. A request that its caller gives up says nothing about the session: `suspectAfter` of the
   * `StreamPool` does not count it.
   */
  readonly keepAlive?: {
    readonly ping: (session: WebTransport.Session) => Effect.Effect<unknown, E, R>
  } | undefined
  /** See `keepAlive`: how long after its last byte a session that owes answers is pinged; 1 ms or more. Default: 15 s. */
  readonly silenceTimeout?: DurationInput | undefined
  /** How long a ping may take. Default: 5 s. */
  readonly checkTimeout?: DurationInput | undefined
}

/**
 * Options of a pool of requests.
 *
 * @since 0.2.0
 * @category options
 */
export interface Options<E = never, R = never> extends CommonOptions, Hooks<E, R> {}

/**
 * Options of {@link make}: one of `streamPool` and `sessionPool`.
 *
 * @since 0.2.0
 * @category options
 */
export type MakeOptions<E = never, R = never> =
  & Options<E, R>
  & (
    | {
      /**
       * The pool that the streams are borrowed from. Its `maxSize` must be above `maxStreams`. Requests that take a stream
       * of their own leave one of its streams to the others.
       */
      readonly streamPool: StreamPool.Service
      readonly sessionPool?: undefined
    }
    | {
      /**
       * The pool of the sessions. The pool of requests has a pool of streams of its own: `maxStreams`, and 100 more for
       * requests that take a stream of their own. More such requests wait.
       */
      readonly sessionPool: SessionPool.Service
      readonly streamPool?: undefined
    }
  )

/**
 * Makes a pool that closes with the scope.
 *
 * **Streams.** The pool borrows shared streams when requests need them, fills one before it takes the next, and returns
 * each after a second without requests; at once when other borrowers wait for a stream or a session. A stream that
 * still owes answers to interrupted requests is reset. While a stream is lent to the pool, it counts as in use in the
 * `StreamPool`, and its lease is never reported as a leak.
 *
 * **Failures.** A stream that breaks fails the requests that were sent on it, with `sent: "maybe"`. Requests that were
 * not sent yet go to another stream. An answer to an id that no request had, or one that is malformed or too large, ends
 * the stream, not the pool. When a session retires, its streams take no new requests.
 *
 * **Memory.** At most `maxStreams` × (`maxBatch` + `maxMessageSize` + `maxInFlight` × `maxBuffered`), and `maxWaiters` ×
 * `maxBatch` for the messages that wait. Waiting answers of a few bytes may take three times `maxBuffered`. Beside that, a
 * request that takes a stream of its own, or waits for one, has its message and its answer, each up to `maxMessageSize`.
 * While sessions retire, their streams come beside the others, at most `maxStreams` again: without them, a request that
 * hangs on an old session would keep the new one from its place.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RequestPool, SessionPool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const sessionPool = yield* SessionPool.SessionPool
 *   const pool = yield* RequestPool.make({ sessionPool, maxStreams: 2 })
 *   const questions = ["one", "two", "three"].map((text) => new TextEncoder().encode(text))
 *   // all three leave in one write
 *   return yield* Effect.forEach(questions, pool.request, { concurrency: "unbounded" })
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: <E = never, R = never>(
  options: MakeOptions<E, R>
) => Effect.Effect<Service, never, Scope.Scope | Exclude<R, Scope.Scope>> = internal.make

/**
 * The pool as a layer, over the sessions of the {@link SessionPool.SessionPool}.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { RequestPool, SessionPoolLive } from "effect-pools"
 * import * as NodeWebTransport from "effect-pools/NodeWebTransport"
 *
 * const RequestPoolLive = RequestPool.layer().pipe(
 *   Layer.provide(SessionPoolLive),
 *   Layer.provide(NodeWebTransport.layer)
 * )
 *
 * export const main = Effect.gen(function*() {
 *   const pool = yield* RequestPool.RequestPool
 *   return yield* pool.request(new TextEncoder().encode("hello")).pipe(Effect.timeout("5 seconds"))
 * }).pipe(Effect.provide(RequestPoolLive))
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R> = {}
): Layer.Layer<RequestPool, never, SessionPool.SessionPool | Exclude<R, Scope.Scope>> =>
  scoped(
    RequestPool,
    Effect.flatMap(SessionPool.SessionPool, (sessionPool) => make({ ...options, sessionPool }))
  )

/**
 * The options of a pool from a `Config`; all have defaults:
 *
 * | key | default | |
 * |---|---|---|
 * | `NAME` | `RequestPool` | for logs, errors and stats |
 * | `MAX_STREAMS` | 4 | the maximum number of shared streams |
 * | `MAX_IN_FLIGHT` | 64 | the maximum number of requests in flight on a stream |
 * | `CORRELATE` | true | whether messages begin with an id |
 * | `MAX_MESSAGE_SIZE` | 1048576 | the maximum bytes of a message |
 * | `MAX_BATCH` | 65536 | the maximum bytes of a write |
 * | `MAX_BUFFERED` | 262144 | the maximum bytes of answers that wait for a consumer |
 * | `MAX_WAITERS` | 1024 | how many requests may wait for a stream |
 * | `ACQUIRE_TIMEOUT` | 30 seconds | how long a request waits for a stream |
 * | `SHUTDOWN_GRACE` | 5 seconds | how long requests have when the pool closes |
 * | `METRICS` | true | whether the pool shows its figures as metrics |
 *
 * A value that makes no sense is a `ConfigError` that names the key.
 *
 * @since 0.2.0
 * @category config
 */
export const config: Config.Config<ConfigOptions> = internalOptions.config

/**
 * The pool as a layer whose options come from a `Config`, or from a record of them. Pass hooks beside it.
 *
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { RequestPool } from "effect-pools"
 *
 * export const RequestPoolLive = RequestPool.layerConfig(Config.nested(RequestPool.config, "REQUEST_POOL"))
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = <E = never, R = never>(
  config: Wrap<ConfigOptions>,
  hooks?: Hooks<E, R> | undefined
): Layer.Layer<RequestPool, ConfigError, SessionPool.SessionPool | Exclude<R, Scope.Scope>> =>
  unwrap(
    Effect.map(internalOptions.checked(Config.unwrap(config)), (options) => layer({ ...options, ...hooks }))
  )
