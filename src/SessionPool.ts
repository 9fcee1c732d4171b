/**
 * A pool of WebTransport sessions to one server, or to several that serve alike.
 *
 * @since 0.1.0
 */
import type { ConfigError, Wrap } from "#effect/config"
import { ContextTag } from "#effect/context"
import { scoped } from "#effect/layer"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { FramingError } from "./FramingError.js"
import * as ping from "./internal/sessions/pingStream.js"
import * as internalOptions from "./internal/sessions/sessionOptions.js"
import * as internal from "./internal/sessions/sessionPool.js"
import type * as ResourcePool from "./ResourcePool.js"
import type { ConfigOptions, Hooks, Options, PingStreamOptions } from "./SessionPoolOptions.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * Options and hooks.
 *
 * @since 0.1.0
 * @category options
 */
export * from "./SessionPoolOptions.js"

/**
 * Counts of what arrived on the sessions of a pool and had no handler, since the start.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unwanted {
  /** Streams that the peer opened and the pool rejected, because there is no `onIncoming`. */
  readonly streams: number
  /** Datagrams that the pool dropped, because there is no `onDatagram` or it was too slow. */
  readonly datagrams: number
}

/**
 * A `ResourcePool` of sessions.
 *
 * A borrower gets a view of a session, valid for one lease. Streams opened through the view end with the lease,
 * whatever scope they were opened in, so the next borrower inherits none: by FIN if the borrower succeeded, otherwise
 * by a reset. After that the view opens no more streams.
 *
 * The pool delivers what a successful borrower wrote. A session that has left the pool (too old, too used, idle for too
 * long) stays open until the transport has taken it, for at most `retireGrace`, or the `shutdownGrace` of a closing
 * pool. Meanwhile the session takes no place of `maxSize`, unless `overlap` is `false`. If the transport takes nothing
 * of a stream for `closeTimeout`, the pool resets the stream. Bytes that the transport has taken may still be in its
 * buffers: some transports drop them when the session closes (see `flushed` of a stream).
 *
 * Incoming streams and datagrams belong to the pool: accepting or receiving them through a borrowed session fails with
 * `Unsupported`. See `onIncoming` and `onDatagram`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends ResourcePool.ResourcePool<WebTransport.Session, WebTransportError> {
  /** What arrived and had no handler. */
  readonly unwanted: Effect.Effect<Unwanted>
  /**
   * The figures of each endpoint, in the order in which they are preferred; none for a pool with a `url`.
   *
   * @since 0.2.0
   */
  readonly endpoints: Effect.Effect<ReadonlyArray<EndpointStats>>
}

/**
 * The figures of an endpoint.
 *
 * @since 0.2.0
 * @category models
 */
export interface EndpointStats {
  /** Host and port. */
  readonly endpoint: string
  readonly priority: number
  readonly weight: number
  /**
   * - `Well`: the pool opens sessions to it.
   * - `Failing`: the last connect failed or was slow, or a session died young. The pool probes it after a backoff.
   * - `Ejected`: too many of its sessions failed in a row. The pool probes it when the ejection is over.
   * - `Removed`: it left the list and still has sessions, or attempts to connect.
   */
  readonly state: "Well" | "Failing" | "Ejected" | "Removed"
  /** Sessions that the pool lends. */
  readonly sessions: number
  /** Attempts to connect under way. */
  readonly opening: number
  /**
   * How many attempts to connect may be under way (slow start): 1 for an endpoint that is new, back or not well; from the
   * first session that proved good on, 2, and twice as many each second; after 10 seconds `Infinity`.
   */
  readonly maxOpening: number
  /** Sessions that opened, since it was listed. */
  readonly opened: number
  /** Attempts to connect that failed, since it was listed. */
  readonly failures: number
  /** How often it was ejected, since it was listed. */
  readonly ejections: number
}

/**
 * The sessions to the one service that an application uses. For a second service, declare your own tag with the same
 * `Service`, and provide it with `Layer.scoped(MyPool, SessionPool.make(options))`.
 *
 * @since 0.1.0
 * @category tags
 */
export class SessionPool extends ContextTag("effect-pools/SessionPool")<SessionPool, Service>() {}

/**
 * Makes a pool that closes with the scope. It returns at once; `ready` waits for `minSize` sessions.
 *
 * If options make no sense (also a URL that is not https), it dies with a defect that names the option.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SessionPool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* SessionPool.make({ url: "https://example.com/echo", maxSize: 4 })
 *   return yield* pool.use((session) =>
 *     Effect.gen(function*() {
 *       const stream = yield* session.createBidirectionalStream()
 *       yield* stream.write(new TextEncoder().encode("hello"))
 *       yield* stream.closeWrite
 *       return yield* stream.read
 *     }).pipe(Effect.scoped)
 *   )
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <E = never, R = never>(
  options: Options<E, R>
) => Effect.Effect<
  Service,
  never,
  WebTransport.WebTransportConstructor | Scope.Scope | Exclude<R, Scope.Scope>
> = internal.make

/**
 * A ping for `keepAlive`: opens a stream, sends one message of `Framing`, waits for any one message in return, and ends
 * the stream. The server must answer messages on a new stream: a server that echoes bytes does.
 *
 * Over HTTP/2 nothing else detects a server that hangs: its sessions stay open, and writes and new streams succeed. The
 * pool's `checkTimeout` limits how long an answer may take.
 *
 * It fails as opening, writing and reading do, and with `Read` if the peer finishes the stream without an answer.
 *
 * **Gotchas**
 *
 * - It needs a stream. If the session refuses one, or grants none for a second, while other streams are open, the ping
 *   passes: the session is busy, which proves neither life nor death. Keep one stream free below the server's limit: a
 *   borrower who is refused a stream while the ping has one waits for the ping to end, and asks again for 1.3 seconds
 *   after that.
 * - Let the server finish the stream once the client has: the ping then reads it to its end, and its credit comes back.
 *   The ping cancels a stream that stays open after 5 seconds, and some servers return its credit that much later. Over
 *   HTTP/2 it cancels the stream at once.
 *
 * @example
 * ```ts
 * import { SessionPool } from "effect-pools"
 *
 * export const EchoPool = SessionPool.layer({
 *   url: "https://example.com/echo",
 *   keepAlive: { interval: "15 seconds", ping: SessionPool.pingStream() },
 *   checkTimeout: "2 seconds"
 * })
 * ```
 *
 * @since 0.1.0
 * @category keep-alive
 */
export const pingStream: (
  options?: PingStreamOptions
) => (session: WebTransport.Session) => Effect.Effect<void, WebTransportError | FramingError> = ping.pingStream

/**
 * The pool as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<SessionPool, never, WebTransport.WebTransportConstructor | Exclude<R, Scope.Scope>> =>
  scoped(SessionPool, make(options))

/**
 * The options of a pool from a `Config`. `URL` is required, or `URLS` in its place; the others have defaults:
 *
 * | key | default | |
 * |---|---|---|
 * | `URLS` | none | several addresses, comma-separated, in place of `URL`: see `endpoints` |
 * | `BALANCE` | `even` | `even` or `ordered`: how sessions spread over `URLS` |
 * | `NAME` | `SessionPool` | for logs, errors and stats |
 * | `MIN_SIZE` | 0 | sessions to keep open |
 * | `MAX_SIZE` | 10 | the maximum number of sessions at once |
 * | `MIN_IDLE` | 0 | idle sessions to keep ready beside the lent ones |
 * | `CONCURRENCY` | 1 | borrowers per session |
 * | `ORDER` | `lifo` | `lifo` or `fifo` |
 * | `ACQUIRE_TIMEOUT` | 30 seconds | how long a borrower waits |
 * | `MAX_WAITERS` | no limit | how many borrowers may wait |
 * | `RIDE_OUT` | 2 seconds | how long connects must keep failing before borrowers fail |
 * | `CONNECT_TIMEOUT` | 10 seconds | how long connecting may take |
 * | `CREATE_CONCURRENCY` | 8 | how many sessions connect at the same time |
 * | `CERTIFICATE_HASHES` | none | SHA-256, hex, comma-separated |
 * | `IDLE_TIME_TO_LIVE` | infinity | when the pool closes an idle session |
 * | `MAX_LIFETIME` | infinity | when the pool replaces a session |
 * | `MAX_USES` | no limit | after how many borrows the pool replaces a session |
 * | `MAX_STREAMS_OPENED` | 1,000 over Node's HTTP/2 client, no limit elsewhere | after how many streams the pool replaces a session |
 * | `OVERLAP` | true | whether a replaced session that is still lent gives up its place |
 * | `RETIRE_GRACE` | 30 seconds | how long a borrower may keep a replaced session |
 * | `CLOSE_TIMEOUT` | 5 seconds | how long a closing session may hold its place |
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

const fromConfig = <E, R>(
  { certificateHashes, connectTimeout, url, urls = [], ...others }: ConfigOptions,
  hooks: Hooks<E, R> | undefined
): Options<E, R> => {
  const options = {
    ...others,
    ...hooks,
    connect: {
      connectTimeout,
      serverCertificateHashes: certificateHashes?.map((value) => ({ value }))
    }
  }
  return url === undefined ? { ...options, endpoints: urls.map((url) => ({ url })) } : { ...options, url }
}

/**
 * The pool as a layer whose options come from a `Config`, or from a record of them. Pass an application's hooks beside
 * it. For a second pool, nest `config` under another prefix.
 *
 * @example
 * ```ts
 * import { Config, Effect } from "effect"
 * import { SessionPool } from "effect-pools"
 *
 * export const TelemetryPool = SessionPool.layerConfig(Config.nested(SessionPool.config, "TELEMETRY"), {
 *   onOpen: (session) => Effect.log(`connected, protocol ${session.protocol}`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = <E = never, R = never>(
  config: Wrap<ConfigOptions>,
  hooks?: Hooks<E, R> | undefined
): Layer.Layer<
  SessionPool,
  ConfigError,
  WebTransport.WebTransportConstructor | Exclude<R, Scope.Scope>
> =>
  scoped(
    SessionPool,
    Effect.flatMap(
      internalOptions.checked(Config.unwrap(config)),
      (options) => make(fromConfig(options, hooks))
    )
  )

/**
 * The pool configured by `SESSION_POOL_URL`, `SESSION_POOL_MAX_SIZE` and so on: see `config`. It only needs a
 * `WebTransportConstructor`.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { SessionPool, SessionPoolLive } from "effect-pools"
 * import * as NodeWebTransport from "effect-pools/NodeWebTransport"
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* SessionPool.SessionPool
 *   return yield* pool.use((session) => Effect.scoped(session.createBidirectionalStream()))
 * })
 *
 * export const main = program.pipe(Effect.provide(SessionPoolLive.pipe(Layer.provide(NodeWebTransport.layer))))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const SessionPoolLive: Layer.Layer<
  SessionPool,
  ConfigError,
  WebTransport.WebTransportConstructor
> = layerConfig(Config.nested(config, "SESSION_POOL"))
