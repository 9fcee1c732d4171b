/** The types of a pool by key. The public module documents them. */
import type { DurationInput } from "#effect/duration"
import type { Inspectable } from "#effect/inspect"
import type { KeyedPoolLike } from "#effect/keyedPoolBase"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import type { PoolError } from "../../PoolError.js"
import type { KeyedPoolStats } from "../../PoolStats.js"
import type { ItemInfo, PermitSource } from "../../ResourcePoolOptions.js"
import type { EngineOptions } from "../options/engineOptions.js"

export const TypeId: unique symbol = Symbol.for("effect-pools/KeyedPool")

export type TypeId = typeof TypeId

export interface KeyedPool<in K, in out A, out E> extends KeyedPoolLike<K, A, E | PoolError>, Inspectable {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly get: (key: K) => Effect.Effect<A, E | PoolError, Scope.Scope>
  readonly use: <B, E2, R>(
    key: K,
    f: (item: A) => Effect.Effect<B, E2, R>
  ) => Effect.Effect<B, E | E2 | PoolError, R>
  readonly invalidate: (item: A) => Effect.Effect<void>
  readonly renew: (...key: [] | [key: K]) => Effect.Effect<number>
  readonly close: Effect.Effect<void>
  readonly stats: Effect.Effect<KeyedPoolStats>
  readonly awaitStats: (predicate: (stats: KeyedPoolStats) => boolean) => Effect.Effect<KeyedPoolStats, PoolError>
}

/** Options that are values, or functions of the key. */
export type PerKey =
  | "minSize"
  | "maxSize"
  | "minIdle"
  | "order"
  | "acquireTimeout"
  | "maxWaiters"
  | "validateAfterIdle"
  | "checkTimeout"
  | "idleTimeToLive"
  | "maxLifetime"
  | "maxUses"
  | "createBackoff"
  | "createTimeout"
  | "closeTimeout"
  | "overlap"
  | "retireGrace"
  | "exhaustedThreshold"

/** Options of the pool as a whole. */
export type ForAll = "name" | "createConcurrency" | "shutdownGrace" | "leakThreshold" | "histograms" | "metrics"

type ByKey<K> = {
  readonly [P in PerKey]?: EngineOptions[P] | ((key: K) => Exclude<EngineOptions[P], undefined>) | undefined
}

/** Functions of an item, which also get the key. */
export interface KeyedHooks<K, A, E, R> {
  readonly acquire: (key: K) => Effect.Effect<A, E, R>
  readonly concurrency?: number | ((item: A, key: K) => number) | undefined
  readonly rideOut?: DurationInput | ((cause: Cause.Cause<E | PoolError>, key: K) => DurationInput) | undefined
  readonly lost?: ((item: A, key: K) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly retire?: ((item: A, key: K) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly validate?: ((item: A, info: ItemInfo, key: K) => Effect.Effect<boolean, unknown, R>) | undefined
  readonly keepAlive?: {
    readonly interval: DurationInput
    readonly ping: (item: A, key: K) => Effect.Effect<unknown, unknown, R>
  } | undefined
  readonly onRelease?:
    | ((
      item: A,
      exit: Exit.Exit<unknown, unknown>,
      info: ItemInfo,
      key: K
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
}

export interface KeyedOptions<K, A, E, R, E2 = never>
  extends
    ByKey<K>,
    Pick<EngineOptions, ForAll>,
    Omit<KeyedHooks<K, Types.NoInfer<A>, Types.NoInfer<E | E2>, R>, "acquire">
{
  readonly acquire: (key: K) => Effect.Effect<A, E, R>
  readonly permit?: PermitSource<E2, R> | undefined
  readonly maxTotal?: number | undefined
  readonly maxKeys?: number | undefined
  readonly keyTimeToLive?: DurationInput | undefined
}
