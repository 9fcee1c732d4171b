/**
 * Every portable module under its name. `NodeWebTransport` is an entry of its own, since it loads what belongs to Node.
 *
 * @since 0.1.0
 */

/**
 * Messages on a byte stream.
 *
 * @since 0.1.0
 */
export * as Framing from "./Framing.js"

/**
 * What may be wrong with the messages on a byte stream.
 *
 * @since 0.1.0
 */
export * as FramingError from "./FramingError.js"

/**
 * What a borrower of a waiting pool may meet.
 *
 * @since 0.1.0
 */
export * as PoolError from "./PoolError.js"

/**
 * The figures of waiting pools as metrics.
 *
 * @since 0.1.0
 */
export * as PoolMetrics from "./PoolMetrics.js"

/**
 * A snapshot of a waiting pool's figures.
 *
 * @since 0.1.0
 */
export * as PoolStats from "./PoolStats.js"

/**
 * What a request over a pooled stream may meet.
 *
 * @since 0.1.0
 */
export * as RequestError from "./RequestError.js"

/**
 * A pool of few, dear things that borrowers wait for.
 *
 * @since 0.1.0
 */
export * as ResourcePool from "./ResourcePool.js"

/**
 * A pool of WebTransport sessions to one endpoint.
 *
 * @since 0.1.0
 */
export * as SessionPool from "./SessionPool.js"

/**
 * A pool of streams, of one session or across a pool of sessions.
 *
 * @since 0.1.0
 */
export * as StreamPool from "./StreamPool.js"

/**
 * WebTransport sessions and their streams as scoped, interruptible Effects.
 *
 * @since 0.1.0
 */
export * as WebTransport from "./WebTransport.js"

/**
 * The one error of the transport.
 *
 * @since 0.1.0
 */
export * as WebTransportError from "./WebTransportError.js"

export {
  /**
   * The pool of sessions that `SESSION_POOL_URL` and the other keys configure.
   *
   * @since 0.1.0
   */
  SessionPoolLive
} from "./SessionPool.js"
