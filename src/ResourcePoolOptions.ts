/**
 * The options of a waiting pool, what it tells its hooks, and its events. `ResourcePool` has the same exports.
 *
 * @since 0.2.0
 */
import type { DurationInput } from "#effect/duration"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { PoolError } from "./PoolError.js"
import type { Destroyed } from "./PoolStats.js"

/**
 * Options of `ResourcePool.make`. Only `acquire` is required.
 *
 * If options make no sense (`minSize > maxSize`, a fraction, NaN, a negative time), `make` dies with a defect that
 * names the option and the value. It never clamps a value silently.
 *
 * `E2` is the error of `permit`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<A, E, R, E2 = never> {
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
    | ((cause: Cause.Cause<Types.NoInfer<E | E2> | PoolError>) => DurationInput)
    | undefined
  /**
   * How many borrowers may wait, not counting those for whom the pool has room to create an item. Default: no limit.
   */
  readonly maxWaiters?: number | undefined
  /**
   * A permit for each item, of a limit that other pools or processes share: a scoped effect. The pool runs it before it
   * creates an item, and closes its scope when the item is closed, or as soon as the item is lost. It waits within the
   * borrower's `acquireTimeout` only: outside `createTimeout` and `createConcurrency`, and it is no attempt. An ask
   * serves whichever borrower is next: it survives the borrower for whom it began while others wait, and ends with
   * the last one. If the effect fails, that is a failed attempt: borrowers get its error as they get that of `acquire`.
   *
   * **Gotchas** A permit that succeeds with nothing (`Effect.asVoid`) is held until its item closes. An item that `renew`
   * retired while it was idle closes before its replacement has a permit.
   *
   * @since 0.2.0
   */
  readonly permit?: PermitSource<E2, R> | undefined
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
   * exclusive items while they are idle, at most half of the idle ones at a time (pings without an answer after 250 ms
   * left out), and shared items also while they are lent. If a borrower finds no other item, the pool interrupts the
   * ping and lends the item, unless the item needs a check, its last borrower failed, or it has not answered for 250 ms.
   * The item is lost if the ping fails, or takes longer than `checkTimeout`.
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
  /** How long `validate`, `keepAlive.ping` and `onRelease` may take; 1 ms or more. Default: 5 s. */
  readonly checkTimeout?: DurationInput | undefined
  /** Closes items that were idle for this long, down to `minSize`. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
  /** Retires items at this age, 1 ms or more, ±10 % so that they do not all go at once. Default: never. */
  readonly maxLifetime?: DurationInput | undefined
  /** Retires an item after this many borrows. Default: never. */
  readonly maxUses?: number | undefined
  /**
   * How long to wait after a failed creation, and after an item that died young, before a borrower succeeded with it. `jitter` is
   * the share by which the wait varies. The wait is at least 1 ms.
   */
  readonly createBackoff?: {
    /** Default: 10 ms. */
    readonly initial?: DurationInput | undefined
    /** Default: 2. */
    readonly factor?: number | undefined
    /** Default: 5 s. */
    readonly max?: DurationInput | undefined
    /** From 0 to 1. Default: 0.3. */
    readonly jitter?: number | undefined
  } | undefined
  /**
   * How many items the pool may create at the same time. After an outage it begins with two, and one more for each item
   * that was created: the backend may have to bear the pools of other processes, too. Default: 8.
   */
  readonly createConcurrency?: number | undefined
  /** How long a creation may take; 1 ms or more. Default: 30 s. */
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
 * The effect that waits for a permit, or a function that returns it. `"borrower"`: a borrower waits for it. `"spare"`: it
 * is for `minSize` or `minIdle`, and may come after all others; when a borrower comes, the pool interrupts it and asks
 * anew. `pool` is the same object in each ask of a pool, and another one for another pool: a source that serves several
 * pools can divide what others want among them.
 *
 * @since 0.2.0
 * @category models
 */
export type PermitSource<E, R> =
  | Effect.Effect<Permit | void, E, R>
  | ((purpose: "borrower" | "spare", pool: object) => Effect.Effect<Permit | void, E, R>)

/**
 * What a pool is told about a permit that it has.
 *
 * @since 0.2.0
 * @category models
 */
export interface Permit {
  /**
   * Completes, by success or failure, when the permit is about to end: the pool retires its item, which takes no new
   * borrower and closes when the last one returns it. An item that is being created closes unlent.
   */
  readonly lost?: Effect.Effect<unknown, unknown> | undefined
  /** Completes, by success or failure, when the permit has ended: the pool closes its item, also under its borrowers. */
  readonly expired?: Effect.Effect<unknown, unknown> | undefined
  /**
   * Whether the pool may lend the item now: `"Valid"`, `"Lost"` or `"Expired"`, as the signals tell. The pool asks in the
   * step that lends the item. It is for permits that end by time: when a process goes on after a stop, its timers are
   * late, and no borrower gets an item whose permit has ended meanwhile. It must be quick. If it throws, the
   * pool logs that once, and relies on `lost` and `expired`.
   *
   * `instant` is what the wall clock of the pool shows in this step, in milliseconds, steps back included; `undefined`
   * where the pool asks outside of a step. A source whose permits end by time may give the same answer while `instant`
   * stays the same, and so need not look at its own clock for every borrow.
   */
  readonly standing?: ((instant?: number) => "Valid" | "Lost" | "Expired") | undefined
  /**
   * How many permits of this pool others want: the number of now, then each new one. The pool follows the stream of one
   * of its permits. It gives back at once the permits of idle items, whatever `minSize` and `minIdle`; then those of
   * items that come back, unless a borrower of its own waits. A `StreamPool` gives back sessions that have only idle
   * streams. Above 0, the pool asks for no permits for `minSize` and `minIdle`.
   * If the stream fails, the pool logs that once and follows that of another permit; without one, others want none.
   */
  readonly wanted?: Stream.Stream<number, unknown> | undefined
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
 * - `PermitLost`, of a pool with `permit` (since 0.2.0): a permit was lost or expired
 * - `EndpointEjected`, of a `SessionPool` with `endpoints` (since 0.2.0): sessions of the endpoint failed in a row, so the
 *   pool opens no more to it until it has proved good; it is not even tried for `duration`
 * - `EndpointBack` (since 0.2.0): an ejected endpoint has proved good
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
  | { readonly _tag: "PermitLost" }
  | { readonly _tag: "EndpointEjected"; readonly endpoint: string; readonly duration: Duration.Duration }
  | { readonly _tag: "EndpointBack"; readonly endpoint: string }
