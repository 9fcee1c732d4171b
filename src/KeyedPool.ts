/**
 * Pools by key (a tenant, a host, a shard) under common limits.
 *
 * @since 0.2.0
 */
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import type { KeyedPoolLike } from "#effect/keyedPoolBase"
import { scoped } from "#effect/layer"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import * as internal from "./internal/keyed/keyedPool.js"
import type { PoolError } from "./PoolError.js"
import type { KeyedPoolStats } from "./PoolStats.js"
import type * as ResourcePool from "./ResourcePoolOptions.js"

/**
 * Marks every `KeyedPool`.
 *
 * @since 0.2.0
 * @category type ids
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * The type of `TypeId`.
 *
 * @since 0.2.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A pool of items of type `A` for each key of type `K`. With Effect 3 it is an `effect/KeyedPool`, so it works wherever
 * one of those does. Keys compare by Effect's `Equal`.
 *
 * **Rules**
 *
 * - *The pool of a key is a `ResourcePool`* and keeps all rules of one. The pool makes it for the first borrower of the
 *   key.
 * - *Never more than `maxTotal`* items of all keys, including those being created, checked, lent or closed, and at most
 *   `createConcurrency` creations at a time.
 * - *No item stays idle while a borrower waits for a place.* The item that has been idle for longest, of whatever key,
 *   closes to make room. A place that comes free goes to the key that has waited longest of those below their share,
 *   or else of all.
 * - *Fair.* The share of a key is `maxTotal` divided by the keys that hold a place or wait for one, rounded down, at
 *   least 1. A returned item serves the first waiter of its own key while that key holds at most its share. Above it,
 *   the item closes for the longest waiting key below its share. If there are more keys than places, the item also
 *   closes for a key without items that has waited longer than the first waiter of its own key. So no key starves, and
 *   items are not closed and created in turns without need.
 * - *`minSize` and `minIdle` take free places only*, when no borrower waits for one, and close nothing. An item that
 *   they keep makes room for a borrower as any other idle item does.
 * - *A key that no borrower has used for `keyTimeToLive` goes*, with its idle items, whatever `minSize` says. Nothing is
 *   kept of it but its figures in the sum.
 * - *Never more than `maxKeys`* keys. For a new key, the one that has been unused for longest goes. If all are in use,
 *   the borrower fails with `TooManyKeys`.
 *
 * **Gotchas**
 *
 * - Keys that are mutable objects must not change. Effect 3 compares plain objects by reference, Effect 4 by their
 *   content; `Data.struct` and `Data.Class` compare by content with both.
 * - `createConcurrency` holds over all keys: while 8 creations of one key hang, other keys create nothing. Keep
 *   `createTimeout` short, or raise `createConcurrency`.
 * - A key may have more than its `maxSize` for a moment, if it goes and comes back before its old items are closed. They
 *   count against `maxTotal` all the time.
 * - With `concurrency` above 1, a shared item that is to make room takes no new borrower, and closes when the last one
 *   returns it.
 *
 * @since 0.2.0
 * @category models
 */
export interface KeyedPool<in K, in out A, out E = never> extends KeyedPoolLike<K, A, E | PoolError>, Inspectable {
  readonly [TypeId]: TypeId
  /** The name from the options, for logs, errors and stats. */
  readonly name: string
  /** Borrows an item of the key until the scope closes. */
  readonly get: (key: K) => Effect.Effect<A, E | PoolError, Scope.Scope>
  /** Borrows an item of the key for one effect. This is the main and fastest way to borrow: it needs no scope. */
  readonly use: <B, E2, R>(
    key: K,
    f: (item: A) => Effect.Effect<B, E2, R>
  ) => Effect.Effect<B, E | E2 | PoolError, R>
  /**
   * Never again lends any live item with this value, of whatever key. An idle item closes now, a lent one when it comes
   * back. Unknown values are a no-op. O(1).
   */
  readonly invalidate: (item: A) => Effect.Effect<void>
  /** Retires every existing item of the key, or of all keys, as the `renew` of a `ResourcePool` does. Returns how many. */
  readonly renew: (...key: [] | [key: K]) => Effect.Effect<number>
  /**
   * Closes the pools of all keys, as closing the scope does: waiters fail with `PoolClosed`, idle items close, and lent
   * items have `shutdownGrace`.
   */
  readonly close: Effect.Effect<void>
  /** A snapshot of the figures: of all keys together, and of the 100 busiest. Takes time for each key. */
  readonly stats: Effect.Effect<KeyedPoolStats>
  /**
   * Waits until the figures satisfy the predicate, and returns them, as the `awaitStats` of a `ResourcePool` does. While a
   * fiber waits, each borrow takes time for each key.
   */
  readonly awaitStats: (predicate: (stats: KeyedPoolStats) => boolean) => Effect.Effect<KeyedPoolStats, PoolError>
}

/**
 * An option for all keys, or a function that returns it for a key. The pool calls the function once for each new key. If
 * it throws, or its result makes no sense, the borrower dies with a defect that names the option.
 *
 * @since 0.2.0
 * @category options
 */
export type ByKey<K, A> = A | ((key: K) => Exclude<A, undefined>)

type EngineOptions = ResourcePool.Options<any, any, any>

/**
 * Options of {@link make}: those of a `ResourcePool`, and the limits over all keys. Only `acquire` is required. What a
 * member does is said in `ResourcePool.Options`.
 *
 * If options make no sense, `make` dies with a defect that names the option and the value.
 *
 * @since 0.2.0
 * @category options
 */
export interface Options<K, A, E, R, E2 = never> {
  /** For logs, errors, stats and metrics, which never show a key. Default: `"KeyedPool"`. */
  readonly name?: string | undefined
  /** Creates an item of the key. */
  readonly acquire: (key: K) => Effect.Effect<A, E, R>
  /**
   * The maximum number of items of all keys at once, including those being created or closed; 1 or more. Default: no
   * limit.
   */
  readonly maxTotal?: number | undefined
  /** The maximum number of keys; 1 or more. Default: no limit. */
  readonly maxKeys?: number | undefined
  /**
   * A permit for each item, of a limit that other pools or processes share: see `ResourcePool.Options`. A key asks for one
   * once it has a place of `maxTotal`, which it keeps meanwhile.
   */
  readonly permit?: ResourcePool.PermitSource<E2, R> | undefined
  /** How long to keep a key that no borrower uses. Default: 60 s. */
  readonly keyTimeToLive?: DurationInput | undefined
  /** How many items of all keys the pool may create at the same time. Default: 8. */
  readonly createConcurrency?: number | undefined
  readonly minSize?: ByKey<K, EngineOptions["minSize"]>
  readonly minIdle?: ByKey<K, EngineOptions["minIdle"]>
  /** The maximum number of items of a key. Default: 10. */
  readonly maxSize?: ByKey<K, EngineOptions["maxSize"]>
  readonly order?: ByKey<K, EngineOptions["order"]>
  readonly acquireTimeout?: ByKey<K, EngineOptions["acquireTimeout"]>
  /**
   * How many borrowers of a key may wait, not counting those for whom its `maxSize` has room.
   */
  readonly maxWaiters?: ByKey<K, EngineOptions["maxWaiters"]>
  readonly validateAfterIdle?: ByKey<K, EngineOptions["validateAfterIdle"]>
  readonly checkTimeout?: ByKey<K, EngineOptions["checkTimeout"]>
  readonly idleTimeToLive?: ByKey<K, EngineOptions["idleTimeToLive"]>
  readonly maxLifetime?: ByKey<K, EngineOptions["maxLifetime"]>
  readonly maxUses?: ByKey<K, EngineOptions["maxUses"]>
  readonly createBackoff?: ByKey<K, EngineOptions["createBackoff"]>
  readonly createTimeout?: ByKey<K, EngineOptions["createTimeout"]>
  readonly closeTimeout?: ByKey<K, EngineOptions["closeTimeout"]>
  readonly overlap?: ByKey<K, EngineOptions["overlap"]>
  readonly retireGrace?: ByKey<K, EngineOptions["retireGrace"]>
  readonly exhaustedThreshold?: ByKey<K, EngineOptions["exhaustedThreshold"]>
  readonly concurrency?: number | ((item: Types.NoInfer<A>, key: K) => number) | undefined
  readonly rideOut?:
    | DurationInput
    | ((cause: Cause.Cause<Types.NoInfer<E | E2> | PoolError>, key: K) => DurationInput)
    | undefined
  readonly lost?: ((item: Types.NoInfer<A>, key: K) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly retire?: ((item: Types.NoInfer<A>, key: K) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly validate?:
    | ((item: Types.NoInfer<A>, info: ResourcePool.ItemInfo, key: K) => Effect.Effect<boolean, unknown, R>)
    | undefined
  readonly keepAlive?: {
    readonly interval: DurationInput
    readonly ping: (item: Types.NoInfer<A>, key: K) => Effect.Effect<unknown, unknown, R>
  } | undefined
  readonly onRelease?:
    | ((
      item: Types.NoInfer<A>,
      exit: Exit.Exit<unknown, unknown>,
      info: ResourcePool.ItemInfo,
      key: K
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
  readonly shutdownGrace?: DurationInput | undefined
  readonly leakThreshold?: DurationInput | undefined
  readonly histograms?: boolean | undefined
  /** Whether the pool shows its figures, of all keys together, in Effect's metric registry. Default: `true`. */
  readonly metrics?: boolean | undefined
}

/**
 * Makes a pool that closes with the scope.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { KeyedPool } from "effect-pools"
 *
 * const connect = (tenant: string) =>
 *   Effect.acquireRelease(
 *     Effect.succeed({ query: (sql: string) => Effect.succeed(`${tenant}: ${sql}`) }),
 *     () => Effect.log("closed")
 *   )
 *
 * const program = Effect.gen(function*() {
 *   const tenants = yield* KeyedPool.make({ acquire: connect, maxSize: 5, maxTotal: 100, acquireTimeout: "5 seconds" })
 *   return yield* tenants.use("acme", (connection) => connection.query("select 1"))
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: <K, A, E, R, E2 = never>(
  options: Options<K, A, E, R, E2>
) => Effect.Effect<KeyedPool<K, A, E | E2>, never, Scope.Scope | Exclude<R, Scope.Scope>> = internal.make

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.2.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, K, A, E> extends ContextTagClass<Self, Id, KeyedPool<K, A, E>> {
  /** The pool as a layer. Its default name is the tag's key. Bind it to a constant: each call is a new pool. */
  readonly layer: <R>(options: Options<K, A, E, R, E>) => Layer.Layer<Self, never, Exclude<R, Scope.Scope>>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { KeyedPool } from "effect-pools"
 *
 * interface Connection {
 *   readonly query: (sql: string) => Effect.Effect<number>
 * }
 *
 * class Tenants extends KeyedPool.Tag("app/Tenants")<Tenants, string, Connection>() {}
 *
 * const TenantsLive = Tenants.layer({
 *   acquire: (tenant) => Effect.succeed({ query: (sql) => Effect.succeed(tenant.length + sql.length) }),
 *   maxTotal: 100
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const tenants = yield* Tenants
 *   return yield* tenants.use("acme", (connection) => connection.query("select 1"))
 * }).pipe(Effect.provide(TenantsLive))
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self, K, A, E = never>(): TagClass<Self, Id, K, A, E> => {
  const tag = ContextTag(id)<Self, KeyedPool<K, A, E>>()
  return Object.assign(tag, {
    layer: <R>(options: Options<K, A, E, R, E>): Layer.Layer<Self, never, Exclude<R, Scope.Scope>> =>
      scoped(tag, make({ ...options, name: options.name ?? id }))
  })
}

/**
 * Whether a value is a `KeyedPool`.
 *
 * @since 0.2.0
 * @category guards
 */
export const isKeyedPool: (u: unknown) => u is KeyedPool<any, unknown, unknown> = internal.isKeyedPool

/**
 * The same as `pool.get(key)`.
 *
 * @since 0.2.0
 * @category combinators
 */
export const get: {
  <K>(key: K): <A, E>(self: KeyedPool<K, A, E>) => Effect.Effect<A, E | PoolError, Scope.Scope>
  <K, A, E>(self: KeyedPool<K, A, E>, key: K): Effect.Effect<A, E | PoolError, Scope.Scope>
} = internal.get

/**
 * The same as `pool.use(key, f)`.
 *
 * @since 0.2.0
 * @category combinators
 */
export const use: {
  <K, A, B, E2, R>(
    key: K,
    f: (item: A) => Effect.Effect<B, E2, R>
  ): <E>(self: KeyedPool<K, A, E>) => Effect.Effect<B, E | E2 | PoolError, R>
  <K, A, E, B, E2, R>(
    self: KeyedPool<K, A, E>,
    key: K,
    f: (item: A) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R>
} = internal.use

/**
 * The same as `pool.invalidate(item)`.
 *
 * @since 0.2.0
 * @category combinators
 */
export const invalidate: {
  <A>(item: Types.NoInfer<A>): <K, E>(self: KeyedPool<K, A, E>) => Effect.Effect<void>
  <K, A, E>(self: KeyedPool<K, A, E>, item: Types.NoInfer<A>): Effect.Effect<void>
} = internal.invalidate
