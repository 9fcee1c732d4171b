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
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
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
import type { Destroyed, PoolStats } from "./PoolStats.js"

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
 *   creation succeeds, the pool makes one attempt at a time, after a backoff.
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
 * Options of {@link make}. Only `acquire` is required.
 *
 * If options make no sense (`minSize > maxSize`, a fraction, NaN, a negative time), `make` dies with a defect that
 * names the option and the value. It never clamps a value silently.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<A, E, R> {
  /** For logs, errors and stats. Default: `"ResourcePool"`. */
  readonly name?: string | undefined
  /**
   * Creates an item. Its finalizers run when the item closes. It runs on a fiber of the pool, with the context and the
   * FiberRefs of `make`'s caller, and with the item's own `Scope`.
   *
   * **Gotchas** Bind it to a constant (`const connection = Effect.acquireRelease(…)`) if hooks use the item: TypeScript
   * infers the type of an inline effect with a function inside too late for the hooks.
   */
  readonly acquire: Effect.Effect<A, E, R>
  /** How many items to keep live. The pool creates them at once, and again after every loss. Default: 0. */
  readonly minSize?: number | undefined
  /**
   * How many idle items to keep ready beside the lent ones, up to `maxSize`. `ready` does not wait for them. Default:
   * 0.
   *
   * @since 0.2.0
   */
  readonly minIdle?: number | undefined
  /** The maximum number of items at once, including those being created or closed; 1 or more. Default: 10. */
  readonly maxSize?: number | undefined
  /** How many borrowers share an item. The pool calls a function once, when the item is created. Default: 1. */
  readonly concurrency?: number | ((item: Types.NoInfer<A>) => number) | undefined
  /**
   * Which item the pool lends. `"lifo"`: the most recently used one; it packs shared items, so that surplus items stay
   * idle. `"fifo"`: the longest idle one and, of shared items, the least loaded. Default: `"lifo"`.
   */
  readonly order?: "lifo" | "fifo" | undefined
  /** How long a borrower waits, for a free item and for a creation together. Default: forever. */
  readonly acquireTimeout?: DurationInput | undefined
  /**
   * How long creations must keep failing before borrowers fail with them, counted from the beginning of the first
   * failed attempt. Until then borrowers wait, within their `acquireTimeout`. So a restart of the resource fails no
   * borrower, and a long outage does not fill the queue. The count restarts after a success, or when no borrower has
   * wanted an item for `createBackoff.max`. The pool calls a function with each cause: return `0` for a failure that
   * waiting cannot cure. Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?:
    | DurationInput
    | ((cause: Cause.Cause<Types.NoInfer<E> | PoolError>) => DurationInput)
    | undefined
  /**
   * How many borrowers may wait, not counting those for whom the pool has room to create an item. Default: no limit.
   */
  readonly maxWaiters?: number | undefined
  /**
   * Completes, by success or failure, when the item dies by itself. The pool then closes the item, idle or lent, and
   * frees its place.
   */
  readonly lost?: ((item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /** Completes when the item should take no new borrowers. The pool closes the item once no borrower has it. */
  readonly retire?: ((item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Tells whether the pool may lend an item that has not proved good for `validateAfterIdle`. An item proves good when
   * it is created, when it passes a check, and when a successful borrower returns it and the pool keeps it. A borrower
   * whose item needs a check waits in the queue like any other: when the check passes, the item goes to the longest
   * waiter. The item is lost if the check returns `false`, fails, dies, or takes longer than `checkTimeout`.
   */
  readonly validate?:
    | ((item: Types.NoInfer<A>, info: ItemInfo) => Effect.Effect<boolean, unknown, R>)
    | undefined
  /**
   * See `validate`. `0` checks before every borrow: a check that began after they asked serves all borrowers who share
   * the item. Default: 1 s.
   */
  readonly validateAfterIdle?: DurationInput | undefined
  /**
   * Pings the items that have not proved good for `interval`. So the pool finds a dead item before a borrower does, and
   * the network does not cut off a quiet one. An item on which borrowers only fail has not proved good. The pool pings
   * exclusive items while they are idle, at most half of the idle ones at a time, and shared items also while they are
   * lent. If a borrower finds no other item, the pool interrupts the ping and lends the item, unless the item needs a
   * check, its last borrower failed, or it has not answered for 250 ms. The item is lost if the ping fails, or takes
   * longer than `checkTimeout`.
   */
  readonly keepAlive?: {
    readonly interval: DurationInput
    readonly ping: (item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>
  } | undefined
  /**
   * Decides whether the pool keeps a returned item. It runs before the next borrower gets the item. The pool discards
   * the item if the hook fails, dies, or takes longer than `checkTimeout`. Without the hook the pool keeps every item,
   * whatever the exit: a borrower's failure says nothing about the item. A closed pool does not call it.
   */
  readonly onRelease?:
    | ((
      item: Types.NoInfer<A>,
      exit: Exit.Exit<unknown, unknown>,
      info: ItemInfo
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
  /** How long `validate`, `keepAlive.ping` and `onRelease` may take. Default: 5 s. */
  readonly checkTimeout?: DurationInput | undefined
  /** Closes items that were idle for this long, down to `minSize`. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
  /** Retires items at this age, ±10 % so that they do not all go at once. Default: never. */
  readonly maxLifetime?: DurationInput | undefined
  /** Retires an item after this many borrows. Default: never. */
  readonly maxUses?: number | undefined
  /**
   * How long to wait after a failed creation, and after an item that died young, before any borrower used it. `jitter` is
   * the share by which the wait varies. The wait is at least 1 ms.
   */
  readonly createBackoff?: {
    /** Default: 10 ms. */
    readonly initial?: DurationInput | undefined
    /** Default: 2. */
    readonly factor?: number | undefined
    /** Default: 5 s. */
    readonly max?: DurationInput | undefined
    /** From 0 to 1. Default: 0.1. */
    readonly jitter?: number | undefined
  } | undefined
  /** How many items the pool may create at the same time. Default: 8. */
  readonly createConcurrency?: number | undefined
  /** How long a creation may take. Default: 30 s. */
  readonly createTimeout?: DurationInput | undefined
  /** How long an item's finalizers may hold its place. Default: 5 s. */
  readonly closeTimeout?: DurationInput | undefined
  /**
   * Whether a retired item gives up its place while it is still lent, so that the pool can create another one at once.
   * At most `maxSize` such items exist beside the others. Default: `false`.
   */
  readonly overlap?: boolean | undefined
  /** With `overlap`: how long a borrower may keep a retired item before the pool closes it. Default: 30 s. */
  readonly retireGrace?: DurationInput | undefined
  /** How long borrowers may keep their items when the pool closes. Default: 5 s. */
  readonly shutdownGrace?: DurationInput | undefined
  /**
   * Logs one warning when a borrower has waited this long; not again until the queue is empty. The warning names the
   * usual causes: too few items, slow borrowers, a borrower that holds an item while it waits for another. Default: 10
   * s.
   */
  readonly exhaustedThreshold?: DurationInput | undefined
  /**
   * Logs a warning when an item is out for longer than this, with all that the pool knows of its borrower: the fiber,
   * the path of its spans, its log annotations, and for `use` the stack of the call. Logs again if the item comes back
   * after all. Costs some microseconds a borrow. Default: off; then the pool captures nothing.
   */
  readonly leakThreshold?: DurationInput | undefined
  /**
   * Keeps the histograms of `PoolMetrics`: how long borrowers waited, how long creations took, and how long borrowers
   * had an item. Costs about a microsecond a borrow, since the pool times each one. Default: `false`; then it times
   * none.
   */
  readonly histograms?: boolean | undefined
  /**
   * Whether the pool shows its figures in Effect's metric registry. The registry keeps about 25 KB for each name that
   * it ever saw, so use `false` for short-lived pools with names of their own, and leave out `histograms` then.
   * Default: `true`.
   *
   * @since 0.2.0
   */
  readonly metrics?: boolean | undefined
}

/**
 * What the pool tells a hook about the item.
 *
 * @since 0.1.0
 * @category models
 */
export interface ItemInfo {
  /** Since the item was created. */
  readonly age: Duration.Duration
  /** Since the item last proved good: was created, passed a check, or was kept after a borrower's success. */
  readonly idle: Duration.Duration
  /** How often the pool has lent the item. */
  readonly uses: number
}

/**
 * What happens in a pool.
 *
 * - `Created`: the pool created an item
 * - `Destroyed`: an item is closed, and why. `cause` is the failure of `lost`, a check or `onRelease`, if one failed
 * - `Backoff`: a creation failed; the next attempt comes after `delay` at the earliest
 * - `Recovered`: a creation succeeded again
 * - `Exhausted`: a borrower has waited for `exhaustedThreshold`
 *
 * @since 0.1.0
 * @category models
 */
export type PoolEvent =
  | { readonly _tag: "Created" }
  | {
    readonly _tag: "Destroyed"
    readonly reason: keyof Destroyed
    readonly cause: Cause.Cause<unknown> | undefined
  }
  | { readonly _tag: "Backoff"; readonly delay: Duration.Duration; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Recovered" }
  | { readonly _tag: "Exhausted"; readonly waited: Duration.Duration; readonly waiters: number }

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
export const make: <A, E, R>(
  options: Options<A, E, R>
) => Effect.Effect<ResourcePool<A, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> = internal.make

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.2.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, A, E> extends ContextTagClass<Self, Id, ResourcePool<A, E>> {
  /** The pool as a layer. Its default name is the tag's key. Bind it to a constant: each call is a new pool. */
  readonly layer: <R>(options: Options<A, E, R>) => Layer.Layer<Self, never, Exclude<R, Scope.Scope>>
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
    layer: <R>(options: Options<A, E, R>): Layer.Layer<Self, never, Exclude<R, Scope.Scope>> =>
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
