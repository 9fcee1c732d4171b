/**
 * A pool of WebTransport sessions to one endpoint.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { FramingError } from "./FramingError.js"
import * as ping from "./internal/sessions/pingStream.js"
import * as internalOptions from "./internal/sessions/sessionOptions.js"
import * as internal from "./internal/sessions/sessionPool.js"
import type { PoolError } from "./PoolError.js"
import type * as ResourcePool from "./ResourcePool.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * What came in on the sessions of a pool and was not wanted, since the start.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unwanted {
  /** Streams that the peer opened, and that were rejected for want of `onIncoming`. */
  readonly streams: number
  /** Datagrams dropped: for want of `onDatagram`, or because it was too slow. */
  readonly datagrams: number
}

/**
 * The pool: a `ResourcePool` of sessions.
 *
 * What it lends is a view of a session, good for one lease: streams opened through it end with the lease, in whatever
 * scope they were opened, so that the next borrower inherits none; FIN where the borrower succeeded, a reset otherwise.
 * Afterwards the view opens no more.
 *
 * What a borrower wrote in success is delivered: a session that has left the pool (too old, too used, too long idle) stays
 * open until the transport has taken it, for `retireGrace` at most, or the `shutdownGrace` of a pool that closes. It takes
 * no place of `maxSize` meanwhile, unless `overlap` is `false`. What the transport takes none of for `closeTimeout` is reset.
 *
 * What comes in belongs to the pool: accepting streams or receiving datagrams through a borrowed session fails with
 * `Unsupported`. See `onIncoming` and `onDatagram`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends ResourcePool.ResourcePool<WebTransport.Session, WebTransportError> {
  /** What came in and was not wanted. */
  readonly unwanted: Effect.Effect<Unwanted>
}

/**
 * The sessions to the one endpoint that an application talks to. For a second endpoint declare a tag of your own with
 * the same `Service`, and give it `Layer.scoped(MyPool, SessionPool.make(options))`.
 *
 * @since 0.1.0
 * @category tags
 */
export class SessionPool extends Context.Tag("effect-pools/SessionPool")<SessionPool, Service>() {}

/**
 * Options that may come from a `Config`.
 *
 * @since 0.1.0
 * @category options
 */
export interface ConfigOptions extends
  Pick<
    ResourcePool.Options<never, never, never>,
    | "name"
    | "minSize"
    | "maxSize"
    | "minIdle"
    | "order"
    | "acquireTimeout"
    | "maxWaiters"
    | "createConcurrency"
    | "idleTimeToLive"
    | "maxLifetime"
    | "maxUses"
    | "overlap"
    | "retireGrace"
    | "closeTimeout"
    | "shutdownGrace"
    | "histograms"
    | "metrics"
  >
{
  /** Where to connect; https only. */
  readonly url: string | URL
  /** How many borrowers share a session. Default: 1. */
  readonly concurrency?: number | undefined
  /**
   * For how long connects have to have gone on failing before borrowers fail with them: see `ResourcePool.Options`.
   * Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?: Duration.DurationInput | undefined
  /** How long connecting and `onOpen` may take together. Default: 10 s. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * A session is retired once so many streams were opened on it, by either side and by pings; `Infinity` for no limit.
   * Borrowers that have the session keep it for `retireGrace` at most. Default: 1,000 over HTTP/2 with `NodeWebTransport`,
   * whose client keeps 7.8 kB of each stream until the session closes (`@fails-components/webtransport` 1.6.8); no limit
   * elsewhere. A `StreamPool` has a limit of its own, 500; the smaller one counts.
   *
   * @since 0.2.0
   */
  readonly maxStreamsOpened?: number | undefined
  /** SHA-256 hashes of certificates that are trusted besides those that the platform trusts. */
  readonly certificateHashes?: ReadonlyArray<Uint8Array> | undefined
}

/**
 * How long borrowers wait for the end of such a failure: `0` for one that no patience cures.
 *
 * @since 0.2.0
 * @category options
 */
export type RideOut = (cause: Cause.Cause<WebTransportError | PoolError>) => Duration.DurationInput

/**
 * What an application does with the sessions of a pool, and what belongs to that; no variable of an environment carries
 * it. What runs, runs on fibers of the pool, with the context of the pool's maker.
 *
 * @since 0.1.0
 * @category options
 */
export interface Hooks<E = never, R = never> extends
  Pick<
    ResourcePool.Options<WebTransport.Session, E, R>,
    | "validate"
    | "validateAfterIdle"
    | "keepAlive"
    | "checkTimeout"
    | "onRelease"
    | "createBackoff"
    | "exhaustedThreshold"
    | "leakThreshold"
  >
{
  /**
   * In place of a duration, `rideOut` may depend on what the connect failed with.
   *
   * @since 0.2.0
   */
  readonly rideOut?: RideOut | undefined
  /**
   * Runs on each new session before it is lent for the first time: a hello, a login, a resume. It has the session to
   * itself, what comes in included, and counts against the connect timeout. Its failure closes the session and is a
   * failed creation.
   */
  readonly onOpen?: ((session: WebTransport.Session) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * Handles a stream that the peer opened. The stream ends when the handler does. Each runs on a fiber of its own; a
   * failure is logged. Without a handler such streams are rejected at once.
   */
  readonly onIncoming?:
    | ((
      stream: WebTransport.BidirectionalStream | WebTransport.ReceiveStream,
      session: WebTransport.Session
    ) => Effect.Effect<unknown, E, R>)
    | undefined
  /**
   * Handles a datagram, one at a time for each session. While it is busy, 64 of them wait; then the oldest is dropped.
   * A failure is logged. Without a handler datagrams are dropped.
   */
  readonly onDatagram?:
    | ((datagram: Uint8Array, session: WebTransport.Session) => Effect.Effect<unknown, E, R>)
    | undefined
}

/**
 * How to make a session pool. Only `url` is required. The options of the engine are those of
 * `ResourcePool.Options`, with these defaults of its own: `name` `"SessionPool"`, `acquireTimeout` 30 s, `createTimeout` 5 s
 * more than the connect timeout, `overlap` on.
 *
 * A session is *lost*, and its place free, as soon as it is closed by anybody in any way. A server that hangs closes
 * nothing: `keepAlive` with `pingStream` finds it. A session is *retired* when the peer
 * drains it (DRAIN, or GOAWAY in Node over HTTP/2: borrowers keep theirs, the next ones get another session) or refuses a
 * stream although none is open, and when it is too old or too used.
 *
 * **`keepAlive`.** Bytes and datagrams that come on a session prove it good as the answer to a ping does: a session on
 * which anything came since the last ping was due is not pinged, and a ping passes as soon as anything comes beside its
 * answer (it is interrupted then). A session that falls silent is so found within two intervals and `checkTimeout`. An
 * application that has to be asked how it is needs `validate` instead.
 *
 * **Gotchas**
 *
 * Over HTTP/2 a server may grant a session only so many streams in its whole life (100 by default with
 * `@fails-components/webtransport`); the borrower who meets the limit gets `StreamLimit`. Set `maxStreamsOpened` below it.
 *
 * Failures of `url`, `connect.serverCertificateHashes`, `connect.headers` and `onOpen` reach the borrower as a `WebTransportError` with
 * reason `Connect` and the failure as its `cause`, or as themselves where they are a `WebTransportError`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<E = never, R = never>
  extends
    Omit<ResourcePool.Options<WebTransport.Session, E, R>, "acquire" | "lost" | "retire" | "rideOut">,
    Omit<Hooks<E, R>, "rideOut">
{
  /**
   * For how long connects have to have gone on failing before borrowers fail with them, or a function of what one failed
   * with: see `ResourcePool.Options`. Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?: Duration.DurationInput | RideOut | undefined
  /** As in {@link ConfigOptions}. */
  readonly maxStreamsOpened?: number | undefined
  /** Where to connect, https only; an Effect is run on every connect, for addresses with a token that expires. */
  readonly url: string | URL | Effect.Effect<string | URL, E, R>
  /** How to connect. Its `connectTimeout`, 10 s by default, covers `onOpen` too. */
  readonly connect?: WebTransport.ConnectOptions<E, R> | undefined
}

/**
 * Makes a pool that closes with the scope. It returns at once; `ready` waits for `minSize` sessions.
 *
 * Options that make no sense, a URL that is not https among them, are a defect that names the option.
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
 * Options of {@link pingStream}.
 *
 * @since 0.1.0
 * @category options
 */
export interface PingStreamOptions {
  /** What is sent, at most 1 MiB (a defect otherwise); `ping` if absent. */
  readonly message?: Uint8Array | undefined
}

/**
 * A ping for `keepAlive`: opens a stream, sends one message of `Framing`, awaits one in return, whatever it says, and
 * ends the stream. The server has to answer messages on a fresh stream: one that echoes bytes does.
 *
 * Over HTTP/2 nothing else notices a server that hangs: its sessions stay open, and writes and new streams succeed. How
 * long an answer may take is the pool's `checkTimeout`.
 *
 * Fails as opening, writing and reading do, and with `Read` when the peer finishes the stream without an answer.
 *
 * **Gotchas**
 *
 * - It needs a stream. Refused one, or granted none for a second, while others of the session are open, it passes: the
 *   session is busy, and says neither that it lives nor that it is dead. Leave room for one below the server's limit: a
 *   borrower who is refused a stream while the ping has one waits for its end, and asks again for 1.3 seconds after that.
 * - Let the server finish the stream once the client has: it is read to its end then, and its credit comes back. One that
 *   stays open is cancelled after 5 seconds, and some servers give back the credit for that much later. Over HTTP/2 it is
 *   cancelled at once.
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
 * Bind it to a constant: each call of `layer(…)` is a pool of its own, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<SessionPool, never, WebTransport.WebTransportConstructor | Exclude<R, Scope.Scope>> =>
  Layer.scoped(SessionPool, make(options))

/**
 * The options of a pool from a `Config`. `URL` is required; the others have defaults:
 *
 * | key | default | |
 * |---|---|---|
 * | `NAME` | `SessionPool` | for logs, errors and stats |
 * | `MIN_SIZE` | 0 | sessions to keep open |
 * | `MAX_SIZE` | 10 | the most sessions at once |
 * | `CONCURRENCY` | 1 | borrowers per session |
 * | `ORDER` | `lifo` | `lifo` or `fifo` |
 * | `ACQUIRE_TIMEOUT` | 30 seconds | how long a borrower waits |
 * | `MAX_WAITERS` | no limit | how many borrowers may wait |
 * | `CONNECT_TIMEOUT` | 10 seconds | how long connecting may take |
 * | `CREATE_CONCURRENCY` | 8 | how many connect at the same time |
 * | `CERTIFICATE_HASHES` | none | SHA-256, hex, comma-separated |
 * | `IDLE_TIME_TO_LIVE` | infinity | when an unused session is closed |
 * | `MAX_LIFETIME` | infinity | when a session is replaced |
 * | `MAX_USES` | no limit | after how many borrows a session is replaced |
 * | `MAX_STREAMS_OPENED` | 1,000 over Node's HTTP/2 client, no limit elsewhere | after how many streams a session is replaced |
 * | `OVERLAP` | true | whether a replaced session that is still lent gives up its place |
 * | `RETIRE_GRACE` | 30 seconds | how long a borrower may keep a replaced session |
 * | `CLOSE_TIMEOUT` | 5 seconds | how long a closing session may hold its place |
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
 * The pool as a layer whose options come from a `Config`, or from a record of them; an application's hooks come beside
 * it. A second pool nests `config` under another prefix.
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
  config: Config.Config.Wrap<ConfigOptions>,
  hooks?: Hooks<E, R> | undefined
): Layer.Layer<
  SessionPool,
  ConfigError.ConfigError,
  WebTransport.WebTransportConstructor | Exclude<R, Scope.Scope>
> =>
  Layer.scoped(
    SessionPool,
    Effect.flatMap(
      internalOptions.checked(Config.unwrap(config)),
      (options) => make(internal.fromConfig(options, hooks))
    )
  )

/**
 * The pool configured by `SESSION_POOL_URL`, `SESSION_POOL_MAX_SIZE` and so on: see `config`. The whole wiring
 * beside a `WebTransportConstructor`.
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
  ConfigError.ConfigError,
  WebTransport.WebTransportConstructor
> = layerConfig(Config.nested(config, "SESSION_POOL"))
