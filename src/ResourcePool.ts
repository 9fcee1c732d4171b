/**
 * A pool of few, dear things that borrowers wait for: connections, sessions, workers, licences.
 *
 * @since 0.1.0
 */
/// <reference lib="esnext.disposable" preserve="true" />
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Inspectable } from "effect/Inspectable"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Pool from "effect/Pool"
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
export const TypeId: unique symbol = internal.TypeId

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A pool of items of type `A`, whose creation may fail with an `E`. It is an `effect/Pool`: whatever takes one of
 * those takes this.
 *
 * **Rules**
 *
 * - *Fair.* Borrowers are served first come, first served; a newcomer never overtakes one who waits.
 * - *Whichever comes first.* A waiter takes a returned item, one that passed its check, or a new one, whichever is there
 *   first. A check that has not ended after 250 ms (or half of `checkTimeout`, if that is less) keeps nobody waiting: an
 *   item is made beside it, or, where there is no room, another one is checked. So a `validate` that takes longer than
 *   250 ms grows the pool.
 * - *The pool creates.* Creation, checks, hooks and finalizers run on fibers of the pool, each with a time limit; a hook
 *   whose effect is done already (an `Exit`, as `Effect.succeed` is) runs in place.
 *   Interrupting the borrower who caused a creation returns at once, and the item goes to the next one.
 * - *Never more than `maxSize`*, items that are being made, checked, lent and closed included. An item that is lost
 *   stops counting at once, one that is invalidated or retired when it comes back (with `overlap` a retired one at
 *   once, too).
 * - *No more creations than waiters need*, a new item counted at the concurrency of the newest one, and at most
 *   `createConcurrency` at a time.
 * - *Failure is not an item.* While an item is live that can serve those who wait, or another one is being made, a failed
 *   creation fails nobody. Else borrowers wait until creations have gone on failing for `rideOut`; from then on each
 *   failed attempt fails everybody who waits, with its `Cause`. A pool that has never made an item fails at once. Until a
 *   creation succeeds there is one attempt at a time, after a backoff.
 * - *One deadline.* `acquireTimeout` covers waiting, creating and checking together.
 * - *Dead items are not lent.* An item whose `lost` completes leaves the pool at that moment, idle or lent; one that
 *   needs a check is lent when it has passed, from one borrower to the next one in the queue, too. Once a check failed,
 *   the other items that need one are checked before anybody waits for them.
 * - *Interruption anywhere leaks nothing.*
 * - *Closing ends*, after `shutdownGrace` and `closeTimeout` at latest. Items close side by side; a finalizer that
 *   fails or hangs keeps no other from closing.
 * - *Items age*, those that are idle for longest first, down to `minSize`, or to `minIdle` beside those in use. Both are
 *   refilled after every loss, after the waiters.
 * - *Two clocks.* Time limits go by the monotonic clock, ages by the wall clock: a wall clock that leaps, or a machine
 *   that was suspended, fails no waiter and closes nothing under its borrower.
 * - *Nothing is kept* of an item that is closed, and nothing polls: a fiber sleeps until something is due, and there is
 *   none while nothing is.
 *
 * **Gotchas**
 *
 * - A borrow that outlives the pool's scope ends with the pool: after `shutdownGrace` its item is closed under it.
 * - A pool is an effect that borrows, so `Effect.andThen(tag, (pool) => pool)` borrows. Use `Effect.map`.
 * - A borrower that holds an item and borrows another can wait for itself once the pool is full.
 * - With `concurrency` above 1 several borrowers have the same item at the same time: it has to bear that. What one of
 *   them invalidates, or finds lost, the others keep until they give it back, or lose with it.
 * - A layer bound to no constant is a pool of its own each time, and `Effect.provide(layer)` inside `acquire` builds that
 *   layer for every item.
 * - Of requests that are batched within a borrow (`Effect.request`), Effect 3 forgets what is to be undone when the batch
 *   is interrupted before it begins: the item is not given back, as with `Effect.acquireUseRelease`. And requests that
 *   wait for a batch, in more fibers than there are items, wait for one another.
 * - Interruption leaks nothing of the pool's, but a borrower that is interrupted may leave something *in the item*: an
 *   answer under way, a query that runs on. Discard such an item: `onRelease` with
 *   `Exit.isInterrupted(exit) ? "discard" : "keep"`.
 * - A ping that nobody needs is interrupted when a borrower comes.
 * - Under `TestClock` a timeout, a grace or a backoff passes only when the clock is adjusted.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourcePool<in out A, out E = never> extends Pool.Pool<A, E | PoolError>, Inspectable {
  readonly [TypeId]: TypeId
  /** The name given to it, for logs, errors and stats. */
  readonly name: string
  /** Borrows an item until the scope closes. */
  readonly get: Effect.Effect<A, E | PoolError, Scope.Scope>
  /**
   * Borrows an item for one effect. It goes back when the effect succeeds, fails or is interrupted. The main verb, and
   * the fast one: it needs no scope.
   */
  readonly use: <B, E2, R>(f: (item: A) => Effect.Effect<B, E2, R>) => Effect.Effect<B, E | E2 | PoolError, R>
  /** Borrows an item for one function. What it throws is a defect. */
  readonly useSync: <B>(f: (item: A) => B) => Effect.Effect<B, E | PoolError>
  /** Borrows an idle item now, or none. Never waits, never creates. */
  readonly tryGet: Effect.Effect<Option.Option<A>, PoolError, Scope.Scope>
  /**
   * Borrows an item for a caller without a scope.
   *
   * **Gotchas** From its return on the lease is the caller's to release: take it inside `Effect.acquireRelease` or
   * `Effect.uninterruptibleMask`.
   */
  readonly acquire: Effect.Effect<Lease<A>, E | PoolError>
  /**
   * Never lends again any live item whose value is this one. An idle item closes now, a lent one when it comes back.
   * Unknown values are a no-op. O(1).
   */
  readonly invalidate: (item: A) => Effect.Effect<void>
  /**
   * Closes the idle items that nobody has used for that long, oldest first, down to `minSize`; how many. Without an
   * argument, `idleTimeToLive` counts; `0` means all.
   */
  readonly prune: (maxIdle?: Duration.DurationInput | undefined) => Effect.Effect<number>
  /** Closes every idle item, and makes `minSize` of them anew; how many were closed. */
  readonly clear: Effect.Effect<number>
  /**
   * Retires every item that exists now, as after a rotation of credentials or the failover of a database. Returns how
   * many. None of them is lent again: a lent item closes when it comes back (with `overlap` its place is free at once), an
   * idle one when its replacement is made or nobody needs one, `createConcurrency` at a time. Items that are being made
   * are closed unlent; borrowers keep their place in the queue. A backoff ends: the next attempt may come at once. Items
   * that wait for their replacement count as `closing` in `stats`.
   *
   * @since 0.2.0
   */
  readonly renew: Effect.Effect<number>
  /** Changes the size of the pool. Idle items beyond it go first, then each returned one until the pool fits. */
  readonly resize: (size: {
    readonly minSize?: number | undefined
    readonly maxSize?: number | undefined
    readonly minIdle?: number | undefined
  }) => Effect.Effect<void>
  /** Completes when `minSize` items are live. Fails with the first attempt that fails. */
  readonly ready: Effect.Effect<void, E | PoolError>
  /**
   * New borrows fail with `PoolClosed`, those already waiting are served. Ends when nobody waits and nothing is out, or
   * the pool is closed; a warning after `exhaustedThreshold` tells what is still out. A borrower that drains its own pool waits for itself.
   */
  readonly drain: Effect.Effect<void>
  /**
   * Closes the pool, as the closing of its scope does: waiters fail with `PoolClosed`, idle items close, and what is
   * out has `shutdownGrace` to come back. Ends at latest after `shutdownGrace` and `closeTimeout`.
   */
  readonly close: Effect.Effect<void>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<PoolStats>
  /**
   * What happens from here on; ends with the pool. Of a listener who is slow the oldest of 1,024 events are dropped.
   * Costs nothing while nobody listens.
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
 * Keeps a union of pools from being taken for a union of plain effects: see Effect's `Unify`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourcePoolUnifyIgnore extends Effect.EffectUnifyIgnore {
  Effect?: true
  Pool?: true
}

/**
 * A borrowed item and the duty to give it back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease<out A> extends Inspectable {
  /** The item. */
  readonly value: A
  /** Gives the item back. A second call does nothing. The exit, success by default, is the borrower's outcome. */
  readonly release: (exit?: Exit.Exit<unknown, unknown> | undefined) => Effect.Effect<void>
  /** Gives the item back: `await using lease = …` in an async function. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * How to make a pool. Only `acquire` is required.
 *
 * Options that make no sense (`minSize > maxSize`, a fraction, NaN, a negative time) are refused when the pool is made,
 * with a defect that names the option and the value. Nothing is clamped in silence.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<A, E, R> {
  /** For logs, errors and stats. Default: `"ResourcePool"`. */
  readonly name?: string | undefined
  /**
   * Makes an item. Its finalizers run when the item is closed. It runs on a fiber of the pool, with the context and
   * the FiberRefs of the pool's maker, and a `Scope` of the item's own.
   *
   * **Gotchas** Give it a name (`const connection = Effect.acquireRelease(…)`) where hooks use the item: of an effect
   * that is written in place, with a function inside, TypeScript learns the type too late for them.
   */
  readonly acquire: Effect.Effect<A, E, R>
  /** How many items to keep live. They are made when the pool is, and again after every loss. Default: 0. */
  readonly minSize?: number | undefined
  /**
   * How many items that are lent to nobody to keep ready beside the others, up to `maxSize`; `ready` does not wait for
   * them. Default: 0.
   *
   * @since 0.2.0
   */
  readonly minIdle?: number | undefined
  /** The most items to have at once, being made and being closed included; 1 or more. Default: 10. */
  readonly maxSize?: number | undefined
  /** How many borrowers share an item; a function is asked once, when the item is made. Default: 1. */
  readonly concurrency?: number | ((item: Types.NoInfer<A>) => number) | undefined
  /**
   * Which item is lent. `"lifo"`: the one used last, and shared items packed, so that the surplus grows old. `"fifo"`:
   * the one idle for longest, and of shared items the least loaded. Default: `"lifo"`.
   */
  readonly order?: "lifo" | "fifo" | undefined
  /** How long a borrower waits, for a free item and for the making of one together. Default: for ever. */
  readonly acquireTimeout?: Duration.DurationInput | undefined
  /**
   * For how long creations have to have gone on failing, from the beginning of the first attempt that failed, before
   * borrowers fail with them; until then they wait, within their `acquireTimeout`. So a restart of the resource fails
   * nobody, and a long outage does not fill the queue. The count begins anew after a success, or when nobody has wanted
   * an item for `createBackoff.max`. A function is asked with each cause: return `0` for a failure that no patience cures.
   * Default: 2 s.
   *
   * @since 0.2.0
   */
  readonly rideOut?:
    | Duration.DurationInput
    | ((cause: Cause.Cause<Types.NoInfer<E> | PoolError>) => Duration.DurationInput)
    | undefined
  /** How many borrowers may wait beyond those for whom there is room to make an item. Default: no limit. */
  readonly maxWaiters?: number | undefined
  /**
   * Completes, in whatever way, when the item dies by itself. The item is closed then, idle or lent, and its place is
   * free.
   */
  readonly lost?: ((item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /** Completes when the item should take no new borrowers. It is closed once nobody has it. */
  readonly retire?: ((item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Tells whether an item that has not proved good for `validateAfterIdle` may be lent. It proves good when it is made,
   * when it passes a check, and when it comes back from a borrower who succeeded, and is kept. A borrower whose item
   * needs a check waits in the queue like any other: passed, the item goes to whoever has waited longest; `false`, a
   * failure, a defect, or more than `checkTimeout` mean that the item is lost.
   */
  readonly validate?:
    | ((item: Types.NoInfer<A>, info: ItemInfo) => Effect.Effect<boolean, unknown, R>)
    | undefined
  /**
   * See `validate`. `0` checks before every borrow: one check that began after they asked serves all who share the item.
   * Default: 1 s.
   */
  readonly validateAfterIdle?: Duration.DurationInput | undefined
  /**
   * Pings the items that have not proved good for `interval`, so that a dead one is found before a borrower does and a
   * quiet one is not cut off on the way. One that borrowers only fail on has not proved good. Exclusive items are pinged
   * while idle, at most half of the idle ones at a time, shared ones also while lent. A ping gives way to a borrower who
   * finds nothing else, unless the item needs a check, its last borrower failed, or it has not answered for 250 ms. A
   * failure, or more than `checkTimeout`, means that the item is lost.
   */
  readonly keepAlive?: {
    readonly interval: Duration.DurationInput
    readonly ping: (item: Types.NoInfer<A>) => Effect.Effect<unknown, unknown, R>
  } | undefined
  /**
   * Decides, when an item comes back, whether it stays. It runs before anybody else gets the item; a failure, a
   * defect, or more than `checkTimeout` discard it. Without it everything is kept, whatever the exit: a borrower's
   * failure says nothing about the item. A closed pool does not ask.
   */
  readonly onRelease?:
    | ((
      item: Types.NoInfer<A>,
      exit: Exit.Exit<unknown, unknown>,
      info: ItemInfo
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
  /** How long `validate`, `keepAlive.ping` and `onRelease` may take. Default: 5 s. */
  readonly checkTimeout?: Duration.DurationInput | undefined
  /** Items unused for that long are closed, down to `minSize`. Default: never. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /** Items are retired at that age, ±10 % so that they do not all go at once. Default: never. */
  readonly maxLifetime?: Duration.DurationInput | undefined
  /** Items are retired after that many borrows. Default: never. */
  readonly maxUses?: number | undefined
  /**
   * How long to wait after a failed creation, and after an item that died young and before it was of use;
   * `jitter` is the share by which the wait varies. 1 ms at least.
   */
  readonly createBackoff?: {
    /** Default: 10 ms. */
    readonly initial?: Duration.DurationInput | undefined
    /** Default: 2. */
    readonly factor?: number | undefined
    /** Default: 5 s. */
    readonly max?: Duration.DurationInput | undefined
    /** From 0 to 1. Default: 0.1. */
    readonly jitter?: number | undefined
  } | undefined
  /** How many items may be made at the same time. Default: 8. */
  readonly createConcurrency?: number | undefined
  /** How long making an item may take. Default: 30 s. */
  readonly createTimeout?: Duration.DurationInput | undefined
  /** How long an item's finalizers may hold its place. Default: 5 s. */
  readonly closeTimeout?: Duration.DurationInput | undefined
  /**
   * Whether a retired item that is still lent gives up its place, so that another can be made at once. At most
   * `maxSize` such items exist beside the others. Default: `false`.
   */
  readonly overlap?: boolean | undefined
  /** With `overlap`: how long a borrower may keep a retired item before it is closed. Default: 30 s. */
  readonly retireGrace?: Duration.DurationInput | undefined
  /** How long the items that are out have to come back when the pool closes. Default: 5 s. */
  readonly shutdownGrace?: Duration.DurationInput | undefined
  /**
   * Warns, once until nobody waits any more, when a borrower has waited for that long. The warning names the usual
   * causes: too few items, slow borrowers, a borrower that holds an item while it waits for another. Default: 10 s.
   */
  readonly exhaustedThreshold?: Duration.DurationInput | undefined
  /**
   * Warns of an item that is out for longer, with what is known of its borrower: the fiber, the path of its spans, its
   * log annotations, and for `use` the stack of the call; and tells when the item comes back after all. Costs some
   * microseconds a borrow. Default: off, and then nothing is captured.
   */
  readonly leakThreshold?: Duration.DurationInput | undefined
  /**
   * Keeps the histograms of `PoolMetrics`: how long borrowers waited, how long making an item took, and how long each
   * borrower had one. Costs about a microsecond a borrow, since each is timed. Default: `false`, and then nothing is.
   */
  readonly histograms?: boolean | undefined
  /**
   * Whether the pool shows its figures in Effect's metric registry, which keeps what it once saw of each name (about 25 KB):
   * `false` for pools that come and go under names of their own; `histograms` has to be left out then. Default: `true`.
   *
   * @since 0.2.0
   */
  readonly metrics?: boolean | undefined
}

/**
 * What the pool knows of an item when it asks about it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ItemInfo {
  /** Since it was made. */
  readonly age: Duration.Duration
  /** Since it last proved good: made, passed a check, or kept after a borrower's success. */
  readonly idle: Duration.Duration
  /** How often it has been lent. */
  readonly uses: number
}

/**
 * What happens in a pool, for those who listen.
 *
 * - `Created`: an item was made
 * - `Destroyed`: an item is closed, and why; `cause` is what `lost`, a check or `onRelease` failed with, where one did
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
 * A tag of your own, and the layer that goes with it.
 *
 * @since 0.2.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, A, E> extends Context.TagClass<Self, Id, ResourcePool<A, E>> {
  /** The pool as a layer, under the tag's name unless it is given another. Bind it to a constant: each call is a pool. */
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
  const tag = Context.Tag(id)<Self, ResourcePool<A, E>>()
  return Object.assign(tag, {
    layer: <R>(options: Options<A, E, R>): Layer.Layer<Self, never, Exclude<R, Scope.Scope>> =>
      Layer.scoped(tag, make({ ...options, name: options.name ?? id }))
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
