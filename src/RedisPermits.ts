/**
 * A limit for a fleet of processes, over Redis: at most `limit` permits of all processes together, for the option `permit`
 * of their pools.
 *
 * Each process has a lease in Redis, for all its permits, and renews it with one command each third of `timeToLive`. Those
 * who wait stand in one queue. While others wait, a process gives back what is idle, and what it has beyond its share:
 * `limit` divided by the processes that hold permits or wait.
 *
 * It has its own protocol, since none of the packages for it can hold these promises. `redis-semaphore` 5.8 and
 * `effect-distributed-lock` score a lease by the `Date.now()` of its holder, so that a clock that is wrong ends the leases
 * of others, or none; who waits polls, in no order; and a holder never learns that others wait. Here all times in Redis are
 * those of Redis, and a holder counts from before it sent its renewal: it gives up before Redis grants its permit again.
 *
 * This is a separate entry point, for Node, and needs the package `ioredis`, 5.8 or newer, and Redis 6 or newer. A process
 * has two connections: for its commands, and for the news.
 *
 * @since 0.2.0
 */
import type { ConfigError, Wrap } from "#effect/config"
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internalOptions from "./internal/permits/permitsOptions.js"
import * as internal from "./internal/permits/redisPermits.js"
import type { RedisPermitsError } from "./RedisPermitsError.js"
import type { Permit } from "./ResourcePoolOptions.js"

/**
 * The error.
 *
 * @since 0.2.0
 * @category errors
 */
export * from "./RedisPermitsError.js"

/**
 * Options. All processes that share a limit give the same.
 *
 * @since 0.2.0
 * @category options
 */
export interface Options {
  /** For logs. Default: `"RedisPermits"`. */
  readonly name?: string | undefined
  /** Where Redis is: `redis://user:password@host:6379/0`, or `rediss:` for TLS. It must not evict keys (`noeviction`). */
  readonly url: string
  /** The name of the limit, without braces: all processes with the same key share it. */
  readonly key: string
  /** The maximum number of permits of all processes together. Where processes differ, the lowest counts. */
  readonly limit: number
  /**
   * How long the permits of a process last that Redis does not hear of: at most 24 days, and more than three times
   * `closeTimeout`.
   * After two thirds without a renewal, their items take no new borrower; `closeTimeout` before the end they are closed.
   * Default: 30 seconds.
   */
  readonly timeToLive?: DurationInput | undefined
  /** How long the item of a permit may take to close: the longest `closeTimeout` of the pools. Default: 5 seconds. */
  readonly closeTimeout?: DurationInput | undefined
}

/**
 * The options that a `Config` may hold.
 *
 * @since 0.2.0
 * @category options
 */
export interface ConfigOptions {
  readonly name: string
  readonly url: string
  readonly key: string
  readonly limit: number
  readonly timeToLive: Duration.Duration
  readonly closeTimeout: Duration.Duration
}

/**
 * The figures of this process.
 *
 * @since 0.2.0
 * @category models
 */
export interface Stats {
  /** Permits that it has. */
  readonly held: number
  /** Permits that it waits for. */
  readonly waiting: number
  /** How many permits other processes want of this one, when Redis was last asked. */
  readonly wanted: number
  /** The lowest limit of all processes, when Redis was last asked. */
  readonly limit: number
  /** Commands that were sent to Redis. */
  readonly commands: number
  /** Commands that failed, or that Redis did not answer in time. */
  readonly failures: number
}

/**
 * The permits of a fleet.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service {
  /**
   * For the option `permit`: waits for a permit, and holds it until its scope closes. A spare one comes when nobody waits
   * for a borrower, and is looked for each third of `timeToLive`. It fails when Redis cannot be reached or refuses; the
   * pool then asks again, after its backoff. Pools pass themselves: what other processes want is divided among the pools
   * that use one `Service`, in proportion to the permits that they have. Without `pool` all of them count as one.
   */
  readonly permit: (
    purpose: "borrower" | "spare",
    pool?: object
  ) => Effect.Effect<Permit, RedisPermitsError, Scope.Scope>
  readonly stats: Effect.Effect<Stats>
}

/**
 * The one limit of an application. For a second one, declare your own tag with the same `Service`.
 *
 * @since 0.2.0
 * @category tags
 */
export class RedisPermits extends ContextTag("effect-pools/RedisPermits")<RedisPermits, Service>() {}

/**
 * Makes the permits of this process. It returns at once, and connects in the background. When its scope closes, nothing
 * renews its lease: it has to outlive the pools that use it.
 *
 * Fails with `Unsupported` if the package `ioredis` is missing. Options that make no sense are a defect that names the
 * option.
 *
 * **Gotchas**
 *
 * - _Stopped or killed processes._ Their permits are granted again after `timeToLive`. Their sessions end at the server by
 *   the server's own idle timeout, or, of a process that goes on, in its first turn.
 * - _Redis' clock and memory._ A clock of Redis that leaps forward ends leases too early. So may eviction, `FLUSHALL`, and a
 *   failover to a replica that lags behind.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SessionPool } from "effect-pools"
 * import * as RedisPermits from "effect-pools/RedisPermits"
 *
 * export const program = Effect.gen(function*() {
 *   const { permit } = yield* RedisPermits.make({ url: "redis://localhost:6379", key: "backend", limit: 1_000 })
 *   return yield* SessionPool.make({ url: "https://example.com/echo", maxSize: 100, permit })
 * })
 * ```
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (options: Options) => Effect.Effect<Service, RedisPermitsError, Scope.Scope> = internal.make

/**
 * The permits as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a process of its own for Redis.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<RedisPermits, RedisPermitsError> =>
  scoped(RedisPermits, make(options))

/**
 * The options from a `Config`. `URL`, `KEY` and `LIMIT` are required; the others have defaults:
 *
 * | key | default | |
 * |---|---|---|
 * | `NAME` | `RedisPermits` | for logs |
 * | `URL` | none | where Redis is |
 * | `KEY` | none | the name of the limit: all processes with the same key share it |
 * | `LIMIT` | none | the maximum number of permits of all processes together |
 * | `TIME_TO_LIVE` | 30 seconds | how long the permits of a process last that Redis does not hear of |
 * | `CLOSE_TIMEOUT` | 5 seconds | how long the item of a permit may take to close |
 *
 * A value that makes no sense is a `ConfigError` that names the key.
 *
 * @since 0.2.0
 * @category config
 */
export const config: Config.Config<ConfigOptions> = internalOptions.config

/**
 * The permits as a layer whose options come from a `Config`, or from a record of them.
 *
 * @example
 * ```ts
 * import { Config } from "effect"
 * import * as RedisPermits from "effect-pools/RedisPermits"
 *
 * export const BackendPermits = RedisPermits.layerConfig(Config.nested(RedisPermits.config, "BACKEND_PERMITS"))
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  config: Wrap<ConfigOptions>
): Layer.Layer<RedisPermits, RedisPermitsError | ConfigError> =>
  scoped(RedisPermits, Effect.flatMap(internalOptions.checked(Config.unwrap(config)), make))
