/**
 * The options of a pool of sessions. `SessionPool` has the same exports.
 *
 * @since 0.2.0
 */
import type { DurationInput } from "#effect/duration"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { PoolError } from "./PoolError.js"
import type { Options as ResourcePoolOptions } from "./ResourcePoolOptions.js"
import type { ConnectOptions } from "./WebTransportConstructor.js"
import type { WebTransportError } from "./WebTransportError.js"
import type { BidirectionalStream, ReceiveStream, Session } from "./WebTransportSession.js"

/**
 * Options that may come from a `Config`.
 *
 * @since 0.1.0
 * @category options
 */
export interface ConfigOptions extends
  Omit<
    ResourcePoolOptions<never, never, never>,
    "acquire" | "concurrency" | "createTimeout" | "lost" | "retire" | keyof Hooks
  >
{
  /** Where to connect; https only. Leave it out with `urls`. */
  readonly url?: string | URL | undefined
  /**
   * Where to connect, in place of `url`: several addresses, each once, as `endpoints` of `SessionPool.Options`.
   *
   * @since 0.2.0
   */
  readonly urls?: ReadonlyArray<string | URL> | undefined
  /**
   * As in `SessionPool.Options`. Default: `"even"`.
   *
   * @since 0.2.0
   */
  readonly balance?: "even" | "ordered" | undefined
  /** How many borrowers share a session. Default: 1. */
  readonly concurrency?: number | undefined
  /**
   * How long connects must keep failing before borrowers fail with them: see `ResourcePool.Options`. Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?: DurationInput | undefined
  /** How long connecting and `onOpen` may take together. Default: 10 s. */
  readonly connectTimeout?: DurationInput | undefined
  /**
   * Retires a session once this many streams were opened on it, by either side and by pings; `Infinity` for no limit.
   * Its borrowers keep the session for at most `retireGrace`. Default: 1,000 over HTTP/2 with `NodeWebTransport`, whose
   * client keeps 7.8 kB of each stream until the session closes (`@fails-components/webtransport` 1.6.8); no limit
   * elsewhere. A `StreamPool` has its own limit, 500; the smaller one counts.
   *
   * @since 0.2.0
   */
  readonly maxStreamsOpened?: number | undefined
  /** SHA-256 hashes of certificates to trust, besides those that the platform trusts. */
  readonly certificateHashes?: ReadonlyArray<Uint8Array> | undefined
}

/**
 * A server of a pool with several.
 *
 * @since 0.2.0
 * @category options
 */
export interface Endpoint {
  /** https only. */
  readonly url: string | URL
  /** Its share of the sessions, relative to the others of its priority; above 0. Default: 1. */
  readonly weight?: number | undefined
  /** 0 is best. Sessions are opened to the best priority that has an endpoint that is well. Default: 0. */
  readonly priority?: number | undefined
}

/**
 * How long borrowers wait for the end of such a failure: return `0` for a failure that waiting cannot cure.
 *
 * @since 0.2.0
 * @category options
 */
export type RideOut = (cause: Cause.Cause<WebTransportError | PoolError>) => DurationInput

/**
 * Callbacks and related settings, which cannot come from environment variables. Callbacks run on fibers of the pool,
 * with the context of `make`'s caller.
 *
 * @since 0.1.0
 * @category options
 */
export interface Hooks<E = never, R = never> extends
  Pick<
    ResourcePoolOptions<Session, E, R>,
    | "validate"
    | "validateAfterIdle"
    | "keepAlive"
    | "checkTimeout"
    | "permit"
    | "onRelease"
    | "createBackoff"
    | "exhaustedThreshold"
    | "leakThreshold"
  >
{
  /**
   * Instead of a duration, `rideOut` may be a function of the connect's failure.
   *
   * @since 0.2.0
   */
  readonly rideOut?: RideOut | undefined
  /**
   * Runs on each new session before the pool lends it for the first time: a hello, a login, a resume. It has exclusive
   * use of the session, including incoming streams and datagrams, and counts against the connect timeout. If it fails,
   * the pool closes the session and counts a failed creation.
   */
  readonly onOpen?: ((session: Session) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * Handles a stream that the peer opened. The stream ends when the handler does. Each handler runs on its own fiber;
   * the pool logs its failure. Without a handler the pool rejects such streams at once.
   */
  readonly onIncoming?:
    | ((
      stream: BidirectionalStream | ReceiveStream,
      session: Session
    ) => Effect.Effect<unknown, E, R>)
    | undefined
  /**
   * Handles a datagram, one at a time for each session. While the handler is busy, up to 64 datagrams wait; then the
   * pool drops the oldest. The pool logs a failure. Without a handler it drops all datagrams.
   */
  readonly onDatagram?:
    | ((datagram: Uint8Array, session: Session) => Effect.Effect<unknown, E, R>)
    | undefined
}

/**
 * The options that {@link UrlOptions} and {@link EndpointsOptions} share.
 *
 * @since 0.2.0
 * @category options
 */
export interface CommonOptions<E = never, R = never>
  extends
    Omit<ResourcePoolOptions<Session, E, R>, "acquire" | "lost" | "retire" | "rideOut">,
    Omit<Hooks<E, R>, "rideOut">
{
  /**
   * How long connects must keep failing before borrowers fail with them, or a function of the connect's failure: see
   * `ResourcePool.Options`. Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?: DurationInput | RideOut | undefined
  /** As in {@link ConfigOptions}. */
  readonly maxStreamsOpened?: number | undefined
  /**
   * Which endpoint the next session is opened to, of those that are well and have the best `priority`. `"even"`: the one
   * with the fewest sessions for its weight. `"ordered"`: the first one of the list. Default: `"even"`.
   *
   * @since 0.2.0
   */
  readonly balance?: "even" | "ordered" | undefined
  /**
   * When a connect has taken this long, another endpoint is tried beside it, and the first session wins (RFC 8305). From
   * 100 ms to 2 s. An endpoint whose usual connect takes longer is given twice that. Default: 250 ms.
   *
   * @since 0.2.0
   */
  readonly attemptDelay?: DurationInput | undefined
  /**
   * After how many failed sessions in a row an endpoint is ejected: sessions that died within 5 s and before they were of
   * use, that gave borrowers of a `StreamPool` no answers, or that failed their checks. `Infinity`: never. At most half of
   * the endpoints are ejected at a time, and never the only one. Default: 5.
   *
   * @since 0.2.0
   */
  readonly consecutiveFailures?: number | undefined
  /**
   * How long an ejected endpoint is left alone, times how often it was ejected lately: each 10 s without ejection count
   * one ejection less. Default: 30 s.
   *
   * @since 0.2.0
   */
  readonly baseEjectionTime?: DurationInput | undefined
  /**
   * The maximum time that an ejected endpoint is left alone, or `baseEjectionTime` if that is more. Default: 300 s.
   *
   * @since 0.2.0
   */
  readonly maxEjectionTime?: DurationInput | undefined
  /**
   * How long an endpoint of a better priority must have been well, or an endpoint must have had too few sessions, before
   * sessions move to it: one is retired each tenth of this time, as an old session is. Sessions to removed endpoints are
   * retired at the same pace, at once. Default: 30 s.
   *
   * @since 0.2.0
   */
  readonly failbackAfter?: DurationInput | undefined
  /** How to connect. Its `connectTimeout`, 10 s by default, covers `onOpen` too. */
  readonly connect?: ConnectOptions<E, R> | undefined
}

/**
 * A pool of sessions to one server.
 *
 * @since 0.2.0
 * @category options
 */
export interface UrlOptions<E = never, R = never> extends CommonOptions<E, R> {
  /** https only. An Effect runs on every connect, for addresses with a token that expires. */
  readonly url: string | URL | Effect.Effect<string | URL, E, R>
  readonly endpoints?: undefined
}

/**
 * A pool of sessions to several servers that serve alike.
 *
 * @since 0.2.0
 * @category options
 */
export interface EndpointsOptions<E = never, R = never> extends CommonOptions<E, R> {
  /**
   * An array, each endpoint once; or a `Stream` of arrays, for a list that changes (DNS, a config service).
   *
   * - *Failover.* A connect that fails is followed at once by another endpoint, within the same creation; a slow one is
   *   raced (`attemptDelay`). A borrower sees a failure only if every endpoint failed; the error names each.
   * - *Health.* An endpoint that fails gets no sessions until it is well again; the pool probes it after a backoff
   *   (`createBackoff`, for each endpoint), beside its borrowers. `consecutiveFailures` eject an endpoint for longer.
   *   While no endpoint is well, creations try them all, ejected ones too.
   * - *Slow start.* An endpoint that is new or back has one opening at a time until a session of it proved good: it passed
   *   a check, came back from a borrower that succeeded, or was open for 5 s. Then it may have twice as many each second.
   * - *Return.* Sessions move to a better or emptier endpoint, and away from removed ones, one at a time: see
   *   `failbackAfter`.
   * - A `Stream` that fails is run again, after a backoff. If it ends, or emits no valid endpoint, the pool keeps its last
   *   list and warns. Until the first list creations wait, for at most the connect timeout. Duplicates in a list of a
   *   `Stream` count once.
   *
   * **Gotchas**
   *
   * - Requests on sessions to an endpoint that died are lost. A death that nothing tells (a server that hangs) is found by
   *   `keepAlive` and by `suspectAfter` of a `StreamPool`; until then borrowers may get such a session.
   * - A probe is one session beside those of `maxSize`, for at most 5 s.
   */
  readonly endpoints: ReadonlyArray<Endpoint> | Stream.Stream<ReadonlyArray<Endpoint>, unknown, R>
  readonly url?: undefined
}

/**
 * Options of {@link make}: only where to connect is required, `url` of {@link UrlOptions} or `endpoints` of
 * {@link EndpointsOptions}.
 *
 * The engine's options are those of `ResourcePool.Options`, with different defaults for some: `name` `"SessionPool"`,
 * `acquireTimeout` 30 s, `createTimeout` 5 s more than the connect timeout, `overlap` on.
 *
 * A session is *lost*, and its place free, as soon as either side closes it in any way. A server that hangs closes
 * nothing: `keepAlive` with `pingStream` finds it. A session is *retired* when the peer drains it (DRAIN, or GOAWAY in
 * Node over HTTP/2: its borrowers keep it, the next ones get another session) or refuses a stream although none is
 * open, and when it is too old or too used.
 *
 * **`keepAlive`.** Bytes and datagrams that arrive on a session show that it is alive, as the answer to a ping does: the
 * pool pings a session `interval` after its last byte, and loses it `checkTimeout` later. If anything arrives beside the
 * answer to a ping, the ping passes at once (the pool interrupts it). If you must ask the application itself whether it
 * is well, use `validate` instead.
 *
 * **Gotchas**
 *
 * Over HTTP/2 a server may grant a session only a fixed number of streams in its whole life (100 by default with
 * `@fails-components/webtransport`); the borrower who reaches the limit gets `StreamLimit`. Set `maxStreamsOpened`
 * below it.
 *
 * Failures of `url`, `connect.serverCertificateHashes`, `connect.headers` and `onOpen` reach the borrower as a
 * `WebTransportError` with reason `Connect` and the failure as its `cause`. A failure that is a `WebTransportError`
 * already reaches the borrower unchanged.
 *
 * @since 0.1.0
 * @category options
 */
export type Options<E = never, R = never> = UrlOptions<E, R> | EndpointsOptions<E, R>

/**
 * Options of `SessionPool.pingStream`.
 *
 * @since 0.1.0
 * @category options
 */
export interface PingStreamOptions {
  /** The message to send, at most 1 MiB (a defect otherwise). Default: `ping`. */
  readonly message?: Uint8Array | undefined
}
