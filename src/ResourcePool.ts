/**
 * A pool of few, expensive resources that borrowers wait for: connections, sessions, workers, licences.
 *
 * @since 0.1.0
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import type { PoolLike, UnifyIgnore } from "#effect/poolBase"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type * as Unify from "effect/Unify"
import * as internal from "./internal/engine/resourcePool.js"
import type { PoolError } from "./PoolError.js"
import type { PoolStats } from "./PoolStats.js"
import type { Options, PoolEvent } from "./ResourcePoolOptions.js"

/**
 * Options, and what the pool tells.
 *
 * @since 0.1.0
 * @category options
 */
export * from "./ResourcePoolOptions.js"

/**
 * Marks every `ResourcePool`.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A pool of items of type `A`, whose creation may fail with an `E`. It is an `effect/Pool`, so it works wherever one of
 * those does.
 *
 * **Rules**
 *
 * - *Fair.* The pool serves borrowers first come, first served. A newcomer never overtakes a waiter.
 * - *Whichever comes first.* A waiter takes a returned item, an item that passed its check, or a new item, whichever is
 *   ready first. A check that takes longer than 250 ms (or half of `checkTimeout`, if that is less) delays no waiter:
 *   the pool creates an item beside it or, without room, checks another one. So a `validate` that takes longer than 250
 *   ms grows the pool.
 * - *The pool creates.* Creation, checks, hooks and finalizers run on fibers of the pool, each with a time limit. A
 *   hook whose effect is done already (an `Exit`, as `Effect.succeed` is) runs in place. If the borrower who caused a
 *   creation is interrupted, it returns at once, and the item goes to the next borrower.
 * - *Never more than `maxSize`* items, including those being created, checked, lent or closed. A lost item stops
 *   counting at once. An invalidated or retired item stops counting when it comes back (with `overlap`, a retired one
 *   at once, too).
 * - *No more creations than waiters need*, assuming that a new item serves as many borrowers as the most recent one,
 *   and at most `createConcurrency` at a time.
 * - *Failure is not an item.* While a live item can serve the waiters, or another item is being created, a failed
 *   creation fails no borrower. Otherwise borrowers wait until creations have failed for `rideOut`; from then on each
 *   failed attempt fails all waiters, with its `Cause`. A pool that has never created an item fails at once. Until a
 *   creation succeeds, the pool makes one attempt at a time, after a backoff; then two, and one more for each success.
 * - *One deadline.* `acquireTimeout` covers waiting, creating and checking together.
 * - *Dead items are not lent.* When the `lost` of an item completes, the item leaves the pool at that moment, idle or
 *   lent. The pool lends an item that needs a check only after the check passes, even from one borrower to the next one
 *   in the queue. When a check fails, the pool checks the other items that need it at once, before a borrower waits for
 *   them.
 * - *Interruption anywhere leaks nothing.*
 * - *Closing ends*, after `shutdownGrace` and `closeTimeout` at the latest. Items close in parallel; a finalizer that
 *   fails or hangs does not keep other items open.
 * - *Items age.* The pool closes the longest idle items first, down to `minSize`, or to `minIdle` beside those in use.
 *   It refills both after every loss, after serving the waiters.
 * - *Two clocks.* Time limits use the monotonic clock, ages the wall clock. If the wall clock leaps, or the machine was
 *   suspended, no waiter fails and no item closes under its borrower.
 * - *Nothing is kept* of a closed item, and nothing polls: one fiber sleeps until something is due, and ends when
 *   nothing is.
 *
 * **Gotchas**
 *
 * - A borrow that outlives the pool's scope ends with the pool: after `shutdownGrace` the pool closes the item under
 *   its borrower.
 * - A pool is an effect that borrows, so `Effect.andThen(tag, (pool) => pool)` borrows. Use `Effect.map`.
 * - A borrower that holds an item and borrows another can deadlock with itself once the pool is full.
 * - With `concurrency` above 1, several borrowers use the same item at the same time: the item must support that. If
 *   one of them invalidates the item, the others keep it until they return it; if the item is lost, all of them lose
 *   it.
 * - A layer that is not bound to a constant is a new pool each time, and `Effect.provide(layer)` inside `acquire`
 *   builds that layer for every item.
 * - If a batched request (`Effect.request`) within a borrow is interrupted before its batch starts, Effect 3 skips the
 *   finalizers and the item is not returned, as with `Effect.acquireUseRelease`. If more fibers than there are items
 *   make batched requests within a borrow, they wait for one another.
 * - Interruption leaks nothing from the pool, but an interrupted borrower may leave something *in the item*: a pending
 *   answer, a running query. Discard such an item with `onRelease`: `Exit.isInterrupted(exit) ? "discard" : "keep"`.
 * - If a borrower comes, the pool interrupts a ping that the item does not need.
 * - Under `TestClock`, a timeout, a grace or a backoff passes only when you adjust the clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourcePool<in out A, out E = never> extends PoolLike<A, E | PoolError>, Inspectable {
  readonly [TypeId]: TypeId
  /** The name from the options, for logs, errors and stats. */
  readonly name: string
  /** Borrows an item until the scope closes. */
  readonly get: Effect.Effect<A, E | PoolError, Scope.Scope>
  /**
   * Borrows an item for one effect. The item goes back when the effect succeeds, fails or is interrupted. This is the
   * main and fastest way to borrow: it needs no scope.
   */
  readonly use: <B, E2, R>(f: (item: A) => Effect.Effect<B, E2, R>) => Effect.Effect<B, E | E2 | PoolError, R>
  /** Borrows an item for one function. An exception of the function is a defect. */
  readonly useSync: <B>(f: (item: A) => B) => Effect.Effect<B, E | PoolError>
  /** Borrows an idle item now, or returns none. Never waits, never creates. */
  readonly tryGet: Effect.Effect<Option.Option<A>, PoolError, Scope.Scope>
  /**
   * Borrows an item for a caller without a scope.
   *
   * **Gotchas** Once this returns, the caller must release the lease: call it inside `Effect.acquireRelease` or
   * `Effect.uninterruptibleMask`.
   */
  readonly acquire: Effect.Effect<Lease<A>, E | PoolError>
  /**
   * Never again lends any live item with this value. An idle item closes now, a lent one when it comes back. Unknown
   * values are a no-op. O(1).
   */
  readonly invalidate: (item: A) => Effect.Effect<void>
  /**
   * Closes the items that were idle for this long, oldest first, down to `minSize`. Returns how many were closed.
   * Defaults to `idleTimeToLive`; `0` closes all idle items, down to `minSize`.
   */
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  /** Closes every idle item, and creates `minSize` new ones. Returns how many were closed. */
  readonly clear: Effect.Effect<number>
  /**
   * Retires every existing item, for example after you rotate credentials or a database fails over. Returns how many.
   * The pool never lends these items again: a lent item closes when it comes back (with `overlap` its place is free at
   * once), an idle one when its replacement is ready or no borrower needs one, `createConcurrency` at a time. Items
   * that are being created close without being lent; their borrowers keep their place in the queue. A backoff ends: the
   * next attempt may come at once. Items that wait for their replacement count as `closing` in `stats`.
   *
   * @since 0.2.0
   */
  readonly renew: Effect.Effect<number>
  /**
   * Changes the size of the pool. Idle items beyond the new size close first, then each returned item until the pool
   * fits.
   */
  readonly resize: (size: {
    readonly minSize?: number | undefined
    readonly maxSize?: number | undefined
    readonly minIdle?: number | undefined
  }) => Effect.Effect<void>
  /** Completes when `minSize` items are live. Fails with the first failed attempt. */
  readonly ready: Effect.Effect<void, E | PoolError>
  /**
   * Refuses new borrows with `PoolClosed`, and serves the waiters. Ends when no borrower waits or has an item, or the
   * pool is closed. After `exhaustedThreshold` it logs a warning that says what is still lent. A borrower that drains
   * its own pool waits for itself.
   */
  readonly drain: Effect.Effect<void>
  /**
   * Closes the pool, as closing its scope does: waiters fail with `PoolClosed`, idle items close, and lent items have
   * `shutdownGrace` to come back. Ends after `shutdownGrace` and `closeTimeout` at the latest.
   */
  readonly close: Effect.Effect<void>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<PoolStats>
  /**
   * Waits until the figures of the pool satisfy the predicate, and returns them: for tests that go on once so many items
   * are lent or so many borrowers wait. The pool asks the predicate now, then after each of its changes, so a state that
   * lasts only for a moment counts, too. When the pool has closed, the effect fails with `PoolClosed`, unless the last
   * figures satisfy the predicate. If the predicate throws, the effect dies.
   *
   * **Gotchas**
   *
   * - Say all that matters: `inUse === 1 && waiters === 1`. A borrower whose item is being created is a waiter, too.
   * - It may wait as long as the pool is not closed.
   * - While a fiber waits, each borrow costs a snapshot of the figures. Otherwise it costs nothing.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import type { ResourcePool } from "effect-pools"
   *
   * export const untilFull = <A, E>(pool: ResourcePool.ResourcePool<A, E>) =>
   *   pool.awaitStats(({ inUse, max }) => inUse === max)
   * ```
   *
   * @since 0.2.0
   */
  readonly awaitStats: (predicate: (stats: PoolStats) => boolean) => Effect.Effect<PoolStats, PoolError>
  /**
   * What happens from now on; ends with the pool. Buffers 1,024 events; a slow listener loses the oldest. Costs nothing
   * without listeners.
   */
  readonly events: Stream.Stream<PoolEvent>

  readonly [Unify.typeSymbol]?: unknown
  readonly [Unify.unifySymbol]?: ResourcePoolUnify<this>
  readonly [Unify.ignoreSymbol]?: ResourcePoolUnifyIgnore
}

/**
 * Keeps a union of pools a pool: see Effect's `Unify`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourcePoolUnify<A extends { [Unify.typeSymbol]?: any }> extends Effect.EffectUnify<A> {
  ResourcePool?: () => A[Unify.typeSymbol] extends ResourcePool<infer A0, infer E0> | infer _ ? ResourcePool<A0, E0>
    : never
}

/**
 * Keeps a union of pools from becoming a union of plain effects: see Effect's `Unify`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourcePoolUnifyIgnore extends UnifyIgnore {
  Effect?: true
  Pool?: true
}

/**
 * A borrowed item. Its borrower must release it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease<out A> extends Inspectable {
  /** The item. */
  readonly value: A
  /**
   * Returns the item to the pool. A second call does nothing. The exit, success by default, is the borrower's outcome.
   */
  readonly release: (exit?: Exit.Exit<unknown, unknown> | undefined) => Effect.Effect<void>
  /** Returns the item to the pool: `await using lease = …` in an async function. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Makes a pool that closes with the scope. It returns at once; `ready` waits for `minSize` items.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ResourcePool } from "effect-pools"
 *
 * const connection = Effect.acquireRelease(
 *   Effect.succeed({ query: (sql: string) => Effect.succeed(sql.length) }),
 *   () => Effect.log("closed")
 * )
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* ResourcePool.make({ acquire: connection, maxSize: 10, acquireTimeout: "5 seconds" })
 *   return yield* pool.use((connection) => connection.query("select 1"))
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <A, E, R, E2 = never>(
  options: Options<A, E, R, E2>
) => Effect.Effect<ResourcePool<A, E | E2>, never, Scope.Scope | Exclude<R, Scope.Scope>> = internal.make

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.2.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, A, E> extends ContextTagClass<Self, Id, ResourcePool<A, E>> {
  /** The pool as a layer. Its default name is the tag's key. Bind it to a constant: each call is a new pool. */
  readonly layer: <R>(options: Options<A, E, R, E>) => Layer.Layer<Self, never, Exclude<R, Scope.Scope>>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ResourcePool } from "effect-pools"
 *
 * interface Connection {
 *   readonly query: (sql: string) => Effect.Effect<number>
 * }
 *
 * class Db extends ResourcePool.Tag("app/Db")<Db, Connection>() {}
 *
 * const DbLive = Db.layer({
 *   acquire: Effect.succeed({ query: (sql: string) => Effect.succeed(sql.length) }),
 *   maxSize: 10
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const db = yield* Db
 *   return yield* db.use((connection) => connection.query("select 1"))
 * }).pipe(Effect.provide(DbLive))
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self, A, E = never>(): TagClass<Self, Id, A, E> => {
  const tag = ContextTag(id)<Self, ResourcePool<A, E>>()
  return Object.assign(tag, {
    layer: <R>(options: Options<A, E, R, E>): Layer.Layer<Self, never, Exclude<R, Scope.Scope>> =>
      scoped(tag, make({ ...options, name: options.name ?? id }))
  })
}

/**
 * Whether a value is a `ResourcePool`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isResourcePool: (u: unknown) => u is ResourcePool<unknown, unknown> = internal.isResourcePool

/**
 * The same as `pool.use(f)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const use: {
  <A, B, E2, R>(
    f: (item: A) => Effect.Effect<B, E2, R>
  ): <E>(self: ResourcePool<A, E>) => Effect.Effect<B, E | E2 | PoolError, R>
  <A, E, B, E2, R>(
    self: ResourcePool<A, E>,
    f: (item: A) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R>
} = internal.use

/**
 * The same as `pool.useSync(f)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const useSync: {
  <A, B>(f: (item: A) => B): <E>(self: ResourcePool<A, E>) => Effect.Effect<B, E | PoolError>
  <A, E, B>(self: ResourcePool<A, E>, f: (item: A) => B): Effect.Effect<B, E | PoolError>
} = internal.useSync

/**
 * The same as `pool.invalidate(item)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const invalidate: {
  <A>(item: Types.NoInfer<A>): <E>(self: ResourcePool<A, E>) => Effect.Effect<void>
  <A, E>(self: ResourcePool<A, E>, item: Types.NoInfer<A>): Effect.Effect<void>
} = internal.invalidate
