/**
 * Every portable module under its name. `NodeWebTransport` is a separate entry, since it loads Node code.
 *
 * @since 0.1.0
 */

/**
 * A list that keeps its memory when it is emptied.
 *
 * @since 0.1.0
 */
export * as ArrayList from "./ArrayList.js"

/**
 * Byte buffers of one size.
 *
 * @since 0.1.0
 */
export * as BufferPool from "./BufferPool.js"

/**
 * Arrays, lists, maps, sets and records that are emptied and lent again.
 *
 * @since 0.1.0
 */
export * as CollectionPool from "./CollectionPool.js"

/**
 * Messages on a byte stream.
 *
 * @since 0.1.0
 */
export * as Framing from "./Framing.js"

/**
 * The error of messages on a byte stream.
 *
 * @since 0.1.0
 */
export * as FramingError from "./FramingError.js"

/**
 * Pools by key under common limits.
 *
 * @since 0.2.0
 */
export * as KeyedPool from "./KeyedPool.js"

/**
 * Pools of many, cheap objects that only cost garbage.
 *
 * @since 0.1.0
 */
export * as ObjectPool from "./ObjectPool.js"

/**
 * The error of a waiting pool that cannot lend an item.
 *
 * @since 0.1.0
 */
export * as PoolError from "./PoolError.js"

/**
 * The figures of pools as metrics.
 *
 * @since 0.1.0
 */
export * as PoolMetrics from "./PoolMetrics.js"

/**
 * Snapshots of a pool's figures.
 *
 * @since 0.1.0
 */
export * as PoolStats from "./PoolStats.js"

/**
 * The error of a request over a pooled stream.
 *
 * @since 0.1.0
 */
export * as RequestError from "./RequestError.js"

/**
 * Many requests on few streams.
 *
 * @since 0.2.0
 */
export * as RequestPool from "./RequestPool.js"

/**
 * Objects that can reset themselves, and ready-made resets.
 *
 * @since 0.1.0
 */
export * as Resettable from "./Resettable.js"

/**
 * A pool of few, expensive resources that borrowers wait for.
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
 * Byte buffers of several sizes.
 *
 * @since 0.1.0
 */
export * as TieredBufferPool from "./TieredBufferPool.js"

/**
 * WebTransport sessions and their streams as scoped, interruptible Effects.
 *
 * @since 0.1.0
 */
export * as WebTransport from "./WebTransport.js"

/**
 * The error of the transport.
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
