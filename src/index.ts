/**
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export * as PoolError from "./PoolError.js"

/**
 * @since 0.1.0
 */
export * as PoolStats from "./PoolStats.js"

/**
 * @since 0.1.0
 */
export * as ResourcePool from "./ResourcePool.js"

/**
 * @since 0.1.0
 */
export * as SessionPool from "./SessionPool.js"

/**
 * @since 0.1.0
 */
export * as WebTransport from "./WebTransport.js"

/**
 * @since 0.1.0
 */
export * as WebTransportError from "./WebTransportError.js"

export {
  /**
   * @since 0.1.0
   */
  SessionPoolLive
} from "./SessionPool.js"
