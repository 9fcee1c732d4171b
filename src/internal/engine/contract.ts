/** The types of a waiting pool, for borrowers and for pools that are built on it. The public modules document them. */
import type { DurationInput } from "#effect/duration"
import type { RunningFiber } from "#effect/fiber"
import type { Inspectable } from "#effect/inspect"
import type { PoolLike } from "#effect/poolBase"
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { PoolError } from "../../PoolError.js"
import type { PoolStats } from "../../PoolStats.js"
import type { ItemInfo, PermitSource, PoolEvent } from "../../ResourcePoolOptions.js"
import type { GateCommand } from "../core/pool/commands.js"
import type { Reason, Sharing, StandingNow } from "../core/pool/item.js"
import type { Common } from "../core/pool/poolMachine.js"
import type { LogEvent } from "../observe/poolLog.js"
import type { Figures } from "../observe/poolMetrics.js"
import type { Wait } from "../observe/poolTexts.js"
import type { EngineOptions, Sizes } from "../options/engineOptions.js"

export const TypeId: unique symbol = Symbol.for("effect-pools/ResourcePool")

export type TypeId = typeof TypeId

export interface WaitingPool<in out A, out E> extends PoolLike<A, E | PoolError>, Inspectable {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly get: Effect.Effect<A, E | PoolError, Scope.Scope>
  readonly use: <B, E2, R>(f: (item: A) => Effect.Effect<B, E2, R>) => Effect.Effect<B, E | E2 | PoolError, R>
  readonly useSync: <B>(f: (item: A) => B) => Effect.Effect<B, E | PoolError>
  readonly tryGet: Effect.Effect<Option.Option<A>, PoolError, Scope.Scope>
  readonly acquire: Effect.Effect<Lease<A>, E | PoolError>
  readonly invalidate: (item: A) => Effect.Effect<void>
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  readonly clear: Effect.Effect<number>
  readonly renew: Effect.Effect<number>
  readonly resize: (size: Sizes) => Effect.Effect<void>
  readonly ready: Effect.Effect<void, E | PoolError>
  readonly drain: Effect.Effect<void>
  readonly close: Effect.Effect<void>
  readonly stats: Effect.Effect<PoolStats>
  readonly awaitStats: (predicate: (stats: PoolStats) => boolean) => Effect.Effect<PoolStats, PoolError>
  readonly events: Stream.Stream<PoolEvent>
}

export interface Lease<out A> extends Inspectable {
  readonly value: A
  readonly release: (exit?: Exit.Exit<unknown, unknown> | undefined) => Effect.Effect<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

type Ping<A, R> = (item: A) => Effect.Effect<unknown, unknown, R>

/** The options of the table; those with functions get the types of the items. */
export interface PoolOptions<A, E, R, E2 = never>
  extends Omit<EngineOptions, TypedOptions>, Omit<ItemHooks<Types.NoInfer<A>, E, R>, Own>
{
  readonly acquire: Effect.Effect<A, E, R>
  readonly permit?: PermitSource<E2, R> | undefined
  readonly rideOut?:
    | DurationInput
    | ((cause: Cause.Cause<Types.NoInfer<E | E2> | PoolError>) => DurationInput)
    | undefined
  readonly concurrency?: number | ((item: Types.NoInfer<A>) => number) | undefined
  readonly keepAlive?: {
    readonly interval: DurationInput
    readonly ping: Ping<Types.NoInfer<A>, R>
  } | undefined
}

type Own = "acquire" | "concurrency" | "ping"

type TypedOptions = keyof ItemHooks<unknown, unknown, unknown> | "rideOut" | "keepAlive" | "permit"

/** How the items of a pool are created, checked and ended. */
export interface ItemHooks<A, E, R> {
  readonly acquire: Effect.Effect<A, E, R>
  /** Called once for each item. Without it the setting `concurrency` applies. */
  readonly concurrency?: ((item: A) => number) | undefined
  readonly lost?: ((item: A) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly retire?: ((item: A) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly validate?: ((item: A, info: ItemInfo) => Effect.Effect<boolean, unknown, R>) | undefined
  readonly ping?: Ping<A, R> | undefined
  readonly onRelease?:
    | ((
      item: A,
      exit: Exit.Exit<unknown, unknown>,
      info: ItemInfo
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
}

/** The decision on a returned item. `later`: the borrow is over, but the item needs time until the decision. */
export type ReturnVerdict = "keep" | "discard" | "retire" | "later"

/** Lets an item tell its pool about changes. The pool acts in the same step. */
export interface ItemControl {
  readonly isIdle: () => boolean
  /** `cause`: why the item died. */
  readonly lost: (cause?: Cause.Cause<unknown>) => void
  readonly retire: () => void
  /** The item has shown that it is alive, as a ping does. */
  readonly proven: () => void
  /** A sign of life, such as a received byte: it puts off the next ping, and costs no more than a look at the clock. */
  readonly heard: () => void
}

/**
 * The view that a borrower gets instead of the bare item. A pool whose items must not be used after the lease lends
 * views, which it can end.
 */
export interface LeaseAdapter<A, V> {
  readonly view: (item: A) => V
  /** Ends the view, and decides whether the pool may lend the item again. */
  readonly end: (view: V, isSuccess: boolean) => ReturnVerdict
  /** Decides after `end` returned `later`. The item counts as lent until then. */
  readonly later?: (view: V, then: (verdict: ReturnVerdict) => void) => void
  /** The item of a view; `undefined` for a value that the pool never lent. */
  readonly core: (view: V) => A | undefined
  /** Called once, before the item is lent for the first time. */
  readonly watch?: (item: A, control: ItemControl) => void
  /** A ping of the item was due, and not needed: the item was `heard` since it last proved good. */
  readonly alive?: (item: A) => void
  /** The pool closes the item. Called before its finalizers run. */
  readonly destroyed?: (item: A, reason: Reason) => void
  /** The pool has retired a lent item. */
  readonly leaving?: (item: A) => void
  /** Tells whether the item may be lent, in the step that lends it; `undefined` if it always may. Called once. */
  readonly standing?: (item: A) => StandingNow | undefined
  /** Says that an item is being created, and asks what may be wrong. */
  readonly stillCreating?: string
  /** The pool whose items this pool creates its own from. */
  readonly below?: Below | undefined
  /** The pool has closed and has no items left. */
  readonly closed?: () => void
}

/** The pool that a pool is part of: what its parts share, and what they tell it. */
export interface Whole<A> extends Common<A> {
  perform(command: GateCommand): void
  /** No borrower has or waits for an item of the part. */
  unused(): void
  /** The part has closed. */
  closed(): void
  /** Figures of the part may have changed. Called only while the part's machine is observed. */
  changed?(): void
  /** What a borrower waits for, that waits for the gate. */
  readonly gateWait: GateWait
}

/** `isTold`: the gate knows what keeps it; else it may be as it was at the last failure. */
export interface GateWait {
  readonly wait: Wait
  readonly isTold: boolean
}

/** The differences between kinds of pools: how items are created, checked and lent. */
export interface PoolAdapter<A, E, R, V> extends ItemHooks<A, E, R>, LeaseAdapter<A, V> {}

/** A lease for plain code. */
export interface SyncLease<V> {
  readonly value: V
  /** Whether the item may still be lent on; `undefined` if it always may. */
  readonly standing: StandingNow | undefined
  giveBack(exit: Exit.Exit<unknown, unknown>): void
}

/** Whether a lease counts for leak reports and the histogram. */
export type Watching = "watched" | "unwatched"

/** What a pool tells of the pool below it. */
export interface Below {
  readonly name: string
  /** The failure of the last creation, during an outage. */
  readonly lastFailure: Cause.Cause<unknown> | undefined
  /** The number of borrowers in the queue. */
  readonly waiting: number
  /** What they wait for now, with the state of the pool. */
  readonly described: Wait
}

/** The interface of a pool for pools that are built on it. */
export interface PoolEngine<V, E> extends Below {
  /**
   * Borrows an item and hands its lease over in the same step, so that no interruption comes in between. An exclusive
   * item has no other borrower. A lease for the life of another pool is unwatched.
   */
  lend(
    receive: (lease: SyncLease<V>) => void,
    sharing?: Sharing,
    watching?: Watching
  ): Effect.Effect<void, E | PoolError>
  /** Lends an item that is ready, if there is one, with an unwatched lease. */
  lendReady(): SyncLease<V> | undefined
  /** Called when a borrower begins to wait, and when the pool shrinks or begins to drain. */
  readonly demandListeners: Set<() => void>
  /** What the borrowers in the queue wait for now. */
  readonly wait: Wait
  /** The number of items that the queue needs. */
  readonly needed: number
  /** `needed`, or the number of items missing from `minSize` and `minIdle`, whichever is more. */
  readonly wanted: number
  readonly isOpen: boolean
  readonly maxSize: number
  /** The number of items above `maxSize`, which close when they come back. */
  readonly excess: number
  /** Creates an item that no borrower asked for, also during an outage. False: there is no room. */
  prepare(): boolean
  /** Call it when no item can be created any more: waiters fail with the cause, now and later. */
  breakDown(cause: Cause.Cause<E>): void
  warn(message: string, event: LogEvent, details: Readonly<Record<string, unknown>>): void
  inform(message: string, event: LogEvent, details: Readonly<Record<string, unknown>>): void
  /** Tells the listeners of `events`. */
  announce(event: PoolEvent): void
  /** Shows further metrics of the pool, unless it has none, until the returned function is called. */
  showMetrics<S>(figures: Figures<S>, tags: ReadonlyArray<readonly [string, string]>, stats: () => S): () => void
  /** Runs an effect on a fiber of the pool. */
  fork<X, E2>(effect: Effect.Effect<X, E2>): RunningFiber<X, E2>
  /** The monotonic clock, in milliseconds. */
  now(): number
  readonly clock: Clock.Clock
}
