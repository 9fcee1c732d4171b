import { areSupported, FiberFrame, interruptionOf, isDone, OutcomeFrame, push, SuccessFrame } from "#effect/fiberFrame"
import { Sleeper } from "#effect/sleeper"
import { isTraced, withSpan } from "#effect/tracing"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { dual, identity } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Pool from "effect/Pool"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as StreamEmit from "effect/StreamEmit"
import * as Tracer from "effect/Tracer"
import { PoolError, type Reason as PoolErrorReason } from "../../PoolError.js"
import { PoolStats } from "../../PoolStats.js"
import type * as ResourcePool from "../../ResourcePool.js"
import { PoolClock } from "../core/clock.js"
import { kindOf } from "../core/kinds.js"
import type { Command, Shell } from "../core/pool/commands.js"
import {
  type Awaited,
  type Check,
  type CheckResult,
  type Item,
  Loan,
  type Reason,
  type Refusal,
  Release,
  type Sharing,
  type Time,
  type Verdict,
  Waiter
} from "../core/pool/item.js"
import { PoolMachine } from "../core/pool/poolMachine.js"
import { describeFailure } from "../observe/describeFailure.js"
import { register, type Times, timesOf, waitingPool } from "../observe/poolMetrics.js"
import { decode, failures, isConcurrency, Reader } from "../options/poolOptions.js"

export const TypeId: ResourcePool.TypeId = Symbol.for("effect-pools/ResourcePool") as ResourcePool.TypeId

/** What becomes of an item that comes back; `later`: its borrower is done, but the item is not. */
export type ReturnVerdict = "keep" | "discard" | "retire" | "later"

/** What a pool does to an item when the item itself says so, in the same step. */
export interface ItemControl {
  readonly isIdle: () => boolean
  /** `cause`: what the item died of. */
  readonly lost: (cause?: Cause.Cause<unknown>) => void
  readonly retire: () => void
  /** The item showed that it is alive, as by a ping. */
  readonly proven: () => void
}

/** How the items of a pool are made, checked and given up. */
export interface ItemHooks<A, E, R> {
  readonly acquire: Effect.Effect<A, E, R>
  /** Asked once for each item; without it the option counts. */
  readonly concurrency?: ((item: A) => number) | undefined
  readonly lost?: ((item: A) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly retire?: ((item: A) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly validate?: ((item: A, info: ResourcePool.ItemInfo) => Effect.Effect<boolean, unknown, R>) | undefined
  readonly ping?: ((item: A) => Effect.Effect<unknown, unknown, R>) | undefined
  readonly onRelease?:
    | ((
      item: A,
      exit: Exit.Exit<unknown, unknown>,
      info: ResourcePool.ItemInfo
    ) => Effect.Effect<"keep" | "discard", unknown, R>)
    | undefined
}

/**
 * What a borrower gets instead of the bare item. A pool whose items must not be used after the lease lends views of
 * them, which it can end.
 */
export interface LeaseAdapter<A, V> {
  readonly view: (item: A) => V
  /** Ends the view, and decides whether the item may be lent again. */
  readonly end: (view: V, isSuccess: boolean) => ReturnVerdict
  /** Decides after `end` said `later`. Until then the item counts as lent. */
  readonly later?: (view: V, then: (verdict: ReturnVerdict) => void) => void
  /** The item of a view; `undefined` for a value that the pool never lent. */
  readonly core: (view: V) => A | undefined
  /** Called once, before the item is lent for the first time. */
  readonly watch?: (item: A, control: ItemControl) => void
  /** The pool retires an item that is lent. */
  readonly leaving?: (item: A) => void
  /** The last failure of the pool below, while that pool goes on failing. */
  readonly trouble?: () => Cause.Cause<unknown> | undefined
  /** The pool has closed: no item is left. */
  readonly closed?: () => void
}

/** What tells one kind of pool from another: how its items are made, checked and lent. */
export interface PoolAdapter<A, E, R, V> extends ItemHooks<A, E, R>, LeaseAdapter<A, V> {}

/** The options of a pool, where the hooks only tell that they are there: the adapter has them. */
export interface Settings extends Omit<ResourcePool.Options<any, any, any>, "acquire"> {
  readonly acquire?: unknown
}

/** What a pool that is built on another one may do with it. */
export interface PoolEngine<V, E> {
  /**
   * Borrows, and hands the lease over in the step in which the item is lent: no interruption comes in between.
   * `isForWhole`: an item that this borrower shares with no other.
   */
  lend(take: (lease: SyncLease<V>) => void, isForWhole?: boolean): Effect.Effect<void, E | PoolError>
  /** Called whenever a borrower begins to wait, and when the pool shrinks or begins to drain. */
  readonly demand: Set<() => void>
  /** Borrowers in the queue. */
  readonly waiting: number
  /** Items that the borrowers in the queue need. */
  readonly needed: number
  /** The same, and those that are missing from `minSize` and `minIdle`. */
  readonly wanted: number
  readonly isOpen: boolean
  /** How many items have to go when they come back, since there are more than `maxSize`. */
  readonly excess: number
  /** What the last creation failed with, while creations go on failing. */
  readonly lastFailure: Cause.Cause<unknown> | undefined
  /** Makes an item that no borrower asked for, though the last creation failed. False: there is no room. */
  prepare(): boolean
  /** No item can be made any more: borrowers that wait fail with the cause, now and later. */
  breakDown(cause: Cause.Cause<E>): void
  /** Logs a warning. */
  warn(message: string, event: LogEvent, details: Record<string, unknown>): void
  /** Runs on a fiber of the pool's own. */
  fork<X, E2>(effect: Effect.Effect<X, E2>): Fiber.RuntimeFiber<X, E2>
  /** Milliseconds of the monotonic clock. */
  now(): number
  readonly clock: Clock.Clock
}

export interface SyncLease<V> {
  readonly value: V
  giveBack(exit: Exit.Exit<unknown, unknown>): void
}

/** `undefined` for a pool that this package did not make. */
export const engineOf = <V, E>(pool: ResourcePool.ResourcePool<V, E>): PoolEngine<V, E> | undefined =>
  pool instanceof PoolImpl ? pool : undefined

/** What the shell keeps for an item. */
interface Handle {
  readonly scope: Scope.CloseableScope
  readonly watchers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>
  /** What its end is due to, where something failed. */
  cause: Cause.Cause<unknown> | undefined
}

/** What a log line tells of, for whoever filters or alerts. */
type LogEvent =
  | "Backoff"
  | "Recovered"
  | "Exhausted"
  | "Leak"
  | "LeakReturned"
  | "ForcedClose"
  | "FinalizerFailure"
  | "HookFailure"
  | "EarlyDeath"
  | "Draining"
  | "Suspect"

const show = (millis: number): string =>
  millis > 0 && millis < 1
    ? "less than 1ms"
    : millis === 0
    ? "0ms"
    : Duration.format(Duration.millis(Math.round(millis)))

const attempts = (count: number): string => count === 1 ? "1 failed attempt" : `${count} failed attempts`

/** A tick that comes so late, in milliseconds, was held up, and so were the answers that it is about to miss. */
const late = 100

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

class PoolImpl<A, E, V> extends Effectable.Class<V, E | PoolError, Scope.Scope>
  implements Shell<A, Cause.Cause<E>>, PoolEngine<V, E>
{
  readonly [TypeId]: ResourcePool.TypeId = TypeId
  readonly [Pool.PoolTypeId] = { _A: (value: any) => value, _E: (value: never) => value }
  readonly machine: PoolMachine<A, Cause.Cause<E>>
  readonly name: string
  /** Of the library, as the user knows it. */
  private readonly module: string
  private readonly options: Settings
  readonly adapter: PoolAdapter<A, E, Scope.Scope, V>
  readonly clock: Clock.Clock
  private readonly runtime: Runtime.Runtime<never>
  private readonly fibers = new Map<Item<A>, Fiber.RuntimeFiber<unknown, unknown>>()
  private readonly drainedDeferred = Deferred.unsafeMake<void>(FiberId.none)
  private readonly closedDeferred = Deferred.unsafeMake<void>(FiberId.none)
  private readyDeferred: Deferred.Deferred<void, E | PoolError> | undefined
  private readonly sleeper: Sleeper
  readonly demand = new Set<() => void>()
  private finalizerFailures = 0
  hideMetrics: () => void = () => undefined
  /** Items that were closed under their borrowers when the pool closed. */
  private forced = 0
  /** `onRelease` under way. */
  private readonly hooks = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  private readonly listeners = new Set<StreamEmit.EmitOpsPush<never, ResourcePool.PoolEvent>>()
  /** Why there is no item, while creations fail; since when, and how many had failed before. */
  private trouble: { readonly cause: Cause.Cause<unknown>; readonly since: number; readonly before: number } | undefined
  private readonly time: PoolClock
  /** When the machine wants its next tick. */
  private dueAt = Infinity
  /** Whether a check has met its time limit and none has passed since. */
  private checksTimeOut = false
  /** Whether it matters that a borrower succeeded: one frame more. */
  private readonly needsOutcome: boolean
  private readonly watchesLeaks: boolean
  /** Histograms, where they are asked for. */
  private readonly times: Times | undefined
  /** Whether something is kept of each lease while it is out. */
  private readonly watchesLeases: boolean
  /** Whether a frame on the borrower's fiber gives back: where nothing is timed. */
  private readonly usesFrames: boolean
  /** Whether an item may have to be checked before it is lent. */
  private readonly validates: boolean
  /** Milliseconds, where it is not asked for. */
  private readonly rideOut: number
  /** Whether anybody looks at the spans of the pool's own fibers. */
  private readonly isTraced: boolean

  constructor(
    options: Settings,
    build: (engine: PoolEngine<V, E>) => PoolAdapter<A, E, Scope.Scope, V>,
    module: string,
    decoded: ReturnType<typeof decode>,
    clock: Clock.Clock,
    runtime: Runtime.Runtime<never>,
    hasFrames: boolean,
    tracer: Tracer.Tracer,
    times: Times | undefined
  ) {
    super()
    this.options = options
    this.name = options.name ?? "ResourcePool"
    this.module = module
    this.clock = clock
    this.runtime = runtime
    this.isTraced = isTraced(tracer)
    this.time = new PoolClock(clock)
    this.rideOut = decoded.rideOut
    this.machine = new PoolMachine({ ...decoded.machine, rideOut: (refusal) => this.patience(refusal) }, this)
    const tick = Effect.map(Random.next, (chance) => this.machine.tick(this.readTime(), chance))
    this.sleeper = new Sleeper(
      clock,
      (effect) => this.fork(effect),
      // one turn of I/O: what is about to time out may have been answered
      Effect.suspend(() => this.now() - this.dueAt > late ? Effect.zipRight(clock.sleep(Duration.zero), tick) : tick)
    )
    this.validates = decoded.machine.validateAfterIdle !== Infinity
    this.watchesLeaks = decoded.machine.leakThreshold !== Infinity
    this.times = times
    this.watchesLeases = this.watchesLeaks || times !== undefined
    this.usesFrames = hasFrames && !this.watchesLeases
    this.adapter = build(this)
    this.needsOutcome = this.adapter.end !== bare.end || this.validates || decoded.machine.pingInterval !== Infinity
  }

  now(): number {
    return this.time.read().monotonic
  }

  readTime(): Time {
    return this.time.read()
  }

  // --- what borrowers call

  commit(): Effect.Effect<V, E | PoolError, Scope.Scope> {
    return this.get
  }

  readonly use = <B, E2, R>(f: (item: V) => Effect.Effect<B, E2, R>): Effect.Effect<B, E | E2 | PoolError, R> => {
    if (this.usesFrames) return Effect.withFiberRuntime((fiber) => this.useFramed(fiber, f))
    if (!this.watchesLeases) return this.useMasked(f)
    return this.useWatched(f, this.watchesLeaks ? new Error("borrowed here").stack : undefined)
  }

  readonly useSync = <B>(f: (item: V) => B): Effect.Effect<B, E | PoolError> => {
    const body = (item: V) => Exit.succeed(f(item))
    if (this.watchesLeases) return this.use(body)
    // borrowed and given back within one step of the fiber: nothing can come in between
    return Effect.suspend(() => {
      const item = this.machine.checkout(this.readTime())
      return item === undefined ? this.use(body) : this.run(identity, item, body, undefined)
    })
  }

  readonly get: Effect.Effect<V, E | PoolError, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
    this.borrow(restore, this.keep)
  )

  readonly tryGet: Effect.Effect<Option.Option<V>, PoolError, Scope.Scope> = Effect.suspend(() => {
    if (this.machine.state !== "Open") return this.refusePoolClosed(0)
    const item = this.machine.tryCheckout(this.readTime())
    if (item === undefined) return Effect.succeedNone
    this.times?.wait(0)
    return Effect.asSome(this.keep(item))
  }).pipe(Effect.uninterruptible)

  readonly acquire: Effect.Effect<ResourcePool.Lease<V>, E | PoolError> = Effect.uninterruptibleMask((restore) =>
    this.borrow(
      restore,
      (item) =>
        this.watched(
          undefined,
          (loan) => Effect.succeed(new LeaseImpl(this, item, this.adapter.view(item.value), loan))
        )
    )
  )

  readonly invalidate = (view: V): Effect.Effect<void> =>
    Effect.sync(() => this.machine.invalidate(this.adapter.core(view) as A, this.readTime()))

  readonly prune = (maxIdle?: Duration.DurationInput | undefined): Effect.Effect<number> =>
    Effect.suspend(() => {
      const { machine, problems } = decode(maxIdle === undefined ? this.options : { idleTimeToLive: maxIdle })
      if (problems.length > 0) return Effect.dieMessage(failures(problems).replace("idleTimeToLive", "maxIdle"))
      return Effect.sync(() => this.machine.prune(machine.idleTimeToLive, this.readTime()))
    })

  readonly clear: Effect.Effect<number> = Effect.sync(() => this.machine.clear(this.readTime()))

  readonly renew: Effect.Effect<number> = Effect.sync(() => this.machine.renew(this.readTime()))

  readonly resize = (size: {
    readonly minSize?: number | undefined
    readonly maxSize?: number | undefined
    readonly minIdle?: number | undefined
  }): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { sizes } = this.machine
      const { maxSize = sizes.maxSize, minIdle = sizes.minIdle, minSize = sizes.minSize } = size
      const { problems } = decode({ minSize, maxSize, minIdle })
      if (problems.length > 0) return Effect.dieMessage(`[${this.name}] ${failures(problems)}`)
      return Effect.sync(() => {
        this.machine.resize({ minSize, maxSize, minIdle }, this.readTime())
        this.announceDemand()
      })
    })

  readonly ready: Effect.Effect<void, E | PoolError> = Effect.suspend(() => {
    const deferred = this.readyDeferred ??= Deferred.unsafeMake<void, E | PoolError>(FiberId.none)
    this.machine.wantReady(this.readTime())
    return Deferred.await(deferred)
  })

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.machine.drain(this.readTime())
    this.announceDemand()
    return Deferred.await(this.drainedDeferred)
  })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.machine.close(this.readTime())
    this.announceDemand()
    return Deferred.await(this.closedDeferred)
  })

  readonly stats: Effect.Effect<PoolStats> = Effect.sync(() => this.snapshot())

  readonly events: Stream.Stream<ResourcePool.PoolEvent> = Stream.asyncPush<ResourcePool.PoolEvent>(
    (emit) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          if (this.machine.state === "Closed") emit.end()
          else this.listeners.add(emit)
        }),
        () => Effect.sync(() => this.listeners.delete(emit))
      ),
    { bufferSize: 1024, strategy: "sliding" }
  )

  // --- what a pool calls that is built on this one

  lend(take: (lease: SyncLease<V>) => void, isForWhole = false): Effect.Effect<void, E | PoolError> {
    const then = (item: Item<A>) =>
      this.watched(undefined, (loan) => {
        take(new LeaseImpl(this, item, this.adapter.view(item.value), loan))
        return Effect.void
      })
    return Effect.uninterruptibleMask((restore) => this.borrow(restore, then, isForWhole ? "exclusive" : "shared"))
  }

  get waiting(): number {
    return this.machine.waiters.length
  }

  get needed(): number {
    return this.machine.needed
  }

  get wanted(): number {
    return this.machine.wanted
  }

  get isOpen(): boolean {
    return this.machine.state === "Open"
  }

  get excess(): number {
    return this.machine.excess
  }

  get lastFailure(): Cause.Cause<unknown> | undefined {
    return this.trouble?.cause ?? this.adapter.trouble?.()
  }

  prepare(): boolean {
    return this.machine.prepare(this.readTime())
  }

  breakDown(cause: Cause.Cause<E>): void {
    this.machine.breakDown(cause, this.readTime())
  }

  private announceDemand(): void {
    for (const listener of this.demand) listener()
  }

  // --- the way of an item to its borrower and back: within one step of the fiber, or an uninterruptible region

  private checkout(sharing: Sharing): Item<A> | undefined {
    const item = this.machine.checkout(this.readTime(), sharing)
    return item === undefined && this.validates ? this.checkoutChecked(sharing) : item
  }

  /** An item whose check is over at once; where it is not, the borrower queues for its end. */
  private checkoutChecked(sharing: Sharing): Item<A> | undefined {
    for (;;) {
      const check = this.machine.claim(this.time, sharing)
      if (check === undefined) return undefined
      const effect = this.askCheck(check)
      if (!isDone(effect)) {
        // the hook may have ended the item itself
        if (check.item.check === check) this.runCheck(check, effect)
        return undefined
      }
      if (this.resultOf(check, effect) === "passed") return this.machine.admit(check, this.readTime(), sharing)
      this.machine.checked(check, "failed", this.readTime())
      const other = this.machine.checkout(this.time, sharing)
      if (other !== undefined) return other
    }
  }

  private useFramed<B, E2, R>(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    f: (item: V) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    const item = this.checkout("shared")
    if (item === undefined) return this.queueFramed(fiber, f)
    const view = this.adapter.view(item.value)
    const effect = begin(f, view)
    if (isDone(effect)) {
      this.give(item, view, effect, undefined)
      return effect
    }
    const borrow = new Borrow(this, fiber)
    borrow.item = item
    borrow.view = view
    push(fiber, borrow)
    this.pushOutcome(fiber, borrow)
    return effect
  }

  private pushOutcome(fiber: Fiber.RuntimeFiber<unknown, unknown>, borrow: Borrow<A, E, V>): void {
    if (this.adapter.onRelease !== undefined) push(fiber, new Outcome(borrow))
    else if (this.needsOutcome) push(fiber, new Success(borrow))
  }

  private queueFramed<B, E2, R>(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    f: (item: V) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    const waiter = new Waiter<A, Cause.Cause<E>>()
    const refusal = this.enqueue(waiter, fiber)
    if (refusal !== undefined) return refusal
    const borrow = new Borrow(this, fiber)
    borrow.waiter = waiter
    push(fiber, borrow)
    return Effect.flatMap(this.wait(waiter, fiber), (): Effect.Effect<B, E | E2 | PoolError, R> => {
      if (waiter.item === undefined) return this.refusal(waiter.refusal!, this.now() - waiter.since)
      borrow.item = waiter.item
      borrow.view = this.adapter.view(waiter.item.value)
      this.pushOutcome(fiber, borrow)
      return begin(f, borrow.view)
    })
  }

  /** The borrower's fiber has left the borrow. */
  passed({ exit, fiber, isSuccess, item, view, waiter }: Borrow<A, E, V>): void {
    if (item === undefined) this.machine.abandon(waiter!, this.readTime())
    else if (this.adapter.onRelease !== undefined) {
      this.give(item, view as V, exit ?? interruptionOf(fiber), undefined)
    } else this.settle(item, view as V, this.adapter.end(view as V, isSuccess), isSuccess, undefined)
  }

  private settle(
    item: Item<A>,
    view: V,
    fate: ReturnVerdict,
    isSuccess: boolean,
    exit: Exit.Exit<unknown, unknown> | undefined
  ): void {
    if (fate === "later") return this.adapter.later!(view, (late) => this.settle(item, view, late, isSuccess, exit))
    if (fate === "retire") this.machine.retire(item, this.readTime())
    // in a closed pool there is nothing to decide, and no tick to end a hook that hangs
    if (exit === undefined || fate === "discard" || this.machine.state === "Closed") {
      const verdict: Verdict = fate === "discard" ? "discarded" : isSuccess ? "proven" : "kept"
      this.machine.release(item, this.readTime(), verdict)
    } else this.askOnRelease(item, exit, this.adapter.onRelease!)
  }

  private useMasked<B, E2, R>(f: (item: V) => Effect.Effect<B, E2, R>): Effect.Effect<B, E | E2 | PoolError, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.borrow(restore, (item) => this.run(restore, item, f, undefined))
    )
  }

  private borrow<X, E2, R>(
    restore: Restore,
    then: (item: Item<A>) => Effect.Effect<X, E2, R>,
    sharing: Sharing = "shared"
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    const item = this.checkout(sharing)
    if (item === undefined) return this.queue(restore, then, sharing)
    this.times?.wait(0)
    return then(item)
  }

  private queue<X, E2, R>(
    restore: Restore,
    then: (item: Item<A>) => Effect.Effect<X, E2, R>,
    sharing: Sharing
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    return Effect.withFiberRuntime((fiber) => {
      const waiter = new Waiter<A, Cause.Cause<E>>()
      waiter.sharing = sharing
      const since = this.startTime()
      const refusal = this.enqueue(waiter, fiber)
      if (refusal !== undefined) return refusal
      return Effect.matchCauseEffect(restore(this.wait(waiter, fiber)), {
        onFailure: (cause) => {
          this.machine.abandon(waiter, this.readTime())
          return Effect.failCause(cause)
        },
        onSuccess: (): Effect.Effect<X, E | E2 | PoolError, R> => {
          if (waiter.item === undefined) return this.refusal(waiter.refusal!, this.now() - waiter.since)
          this.times?.wait(this.secondsSince(since))
          return then(waiter.item)
        }
      })
    })
  }

  /** A refusal fails it at once where there is a span, which is to show it; else whoever called looks for it. */
  private wait(
    waiter: Waiter<A, Cause.Cause<E>>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>
  ): Effect.Effect<void, E | PoolError> {
    if (waiter.item !== undefined || !isTraced(fiber.currentTracer)) return served(waiter)
    const item = Effect.flatMap(
      served(waiter),
      () => waiter.item === undefined ? this.refusal(waiter.refusal!, this.now() - waiter.since) : Effect.void
    )
    return withSpan(item, `${this.module}.wait`, this.spanOptions({}))
  }

  private spanOptions(attributes: Record<string, unknown>): Tracer.SpanOptions {
    return { attributes: { pool: this.name, ...attributes }, captureStackTrace: false }
  }

  private enqueue(
    waiter: Waiter<A, Cause.Cause<E>>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>
  ): Effect.Effect<never, PoolError> | undefined {
    waiter.note = fiber
    switch (this.machine.enqueue(waiter, this.readTime())) {
      case "Queued":
        this.announceDemand()
        return undefined
      case "Closed":
        return this.refusePoolClosed(0)
      case "Full":
        return this.refuse(
          "QueueFull",
          0,
          `maxWaiters ${this.machine.policy.maxWaiters}; borrowers for whom an item is on its way do not count`
        )
    }
  }

  private run<B, E2, R>(
    restore: Restore,
    item: Item<A>,
    f: (item: V) => Effect.Effect<B, E2, R>,
    loan: BorrowerLoan | undefined
  ): Effect.Effect<B, E2, R> {
    const view = this.adapter.view(item.value)
    const effect = begin(f, view)
    if (isDone(effect)) {
      this.give(item, view, effect, loan)
      return effect
    }
    return Effect.matchCauseEffect(restore(effect), {
      onFailure: (cause) => {
        const exit = Exit.failCause(cause)
        this.give(item, view, exit, loan)
        return exit
      },
      onSuccess: (value) => {
        const exit = Exit.succeed(value)
        this.give(item, view, exit, loan)
        return exit
      }
    })
  }

  private readonly keep = (item: Item<A>): Effect.Effect<V, never, Scope.Scope> =>
    this.watched(undefined, (loan) => {
      const view = this.adapter.view(item.value)
      return Effect.flatMap(Effect.scope, (scope) =>
        Effect.as(
          Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => this.give(item, view, exit, loan))),
          view
        ))
    })

  give(item: Item<A>, view: V, exit: Exit.Exit<unknown, unknown>, loan: BorrowerLoan | undefined): void {
    if (loan !== undefined) this.settleLoan(loan)
    const isSuccess = Exit.isSuccess(exit)
    const fate = this.adapter.end(view, isSuccess)
    this.settle(item, view, fate, isSuccess, this.adapter.onRelease === undefined ? undefined : exit)
  }

  /** The item counts as lent until the hook has decided. */
  private askOnRelease(
    item: Item<A>,
    exit: Exit.Exit<unknown, unknown>,
    onRelease: NonNullable<ItemHooks<A, E, Scope.Scope>["onRelease"]>
  ): void {
    if (Exit.isSuccess(exit)) this.machine.served(item)
    const effect = attempt(() => onRelease(item.value, exit, this.infoOf(item)))
    if (isDone(effect)) return this.decide(item, exit, effect)
    const release = new Release(item)
    this.machine.startRelease(release, this.readTime())
    const hook = this.forkHook(effect, (decision) => {
      if (!this.machine.endRelease(release)) return
      this.hooks.delete(hook)
      this.decide(item, exit, decision)
    })
    release.handle = hook
    this.hooks.add(hook)
  }

  private decide(
    item: Item<A>,
    exit: Exit.Exit<unknown, unknown>,
    decision: Exit.Exit<"keep" | "discard", unknown>
  ): void {
    this.explain("onRelease", item, decision)
    const isKept = Exit.isSuccess(decision) && decision.value === "keep"
    this.machine.release(item, this.readTime(), !isKept ? "discarded" : Exit.isSuccess(exit) ? "proven" : "kept")
  }

  private releaseTimedOut(release: Release<A>): void {
    const hook = release.handle as Fiber.RuntimeFiber<unknown, unknown>
    this.hooks.delete(hook)
    hook.unsafeInterruptAsFork(FiberId.none)
    this.warnOfSlowHook("onRelease")
    this.machine.release(release.item, this.readTime(), "discarded")
  }

  private infoOf(item: Item<A>): ResourcePool.ItemInfo {
    const { wall } = this.time
    return new ItemInfo(wall - item.createdAt, wall - item.provenAt, item.uses)
  }

  // --- leases that do not come back

  private useWatched<B, E2, R>(
    f: (item: V) => Effect.Effect<B, E2, R>,
    stack: string | undefined
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.borrow(restore, (item) => this.watched(stack, (loan) => this.run(restore, item, f, loan)))
    )
  }

  private watched<B, E2, R>(
    stack: string | undefined,
    lend: (loan: BorrowerLoan | undefined) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E2, R> {
    if (!this.watchesLeases) return lend(undefined)
    return Effect.withFiberRuntime((fiber) => {
      const loan = new BorrowerLoan(this.watchesLeaks ? describeBorrower(fiber, stack) : {}, this.startTime())
      if (this.watchesLeaks) this.machine.track(loan, this.readTime())
      return lend(loan)
    })
  }

  /** Nanoseconds; not asked for where nobody wants to know. */
  private startTime(): bigint {
    return this.times === undefined ? 0n : this.clock.unsafeCurrentTimeNanos()
  }

  private secondsSince(start: bigint): number {
    return Number(this.clock.unsafeCurrentTimeNanos() - start) / 1e9
  }

  private settleLoan(loan: BorrowerLoan): void {
    this.times?.use(this.secondsSince(loan.lentAt))
    if (this.watchesLeaks) this.machine.untrack(loan, this.readTime())
    if (loan.reported) {
      const out = Math.round(this.now() - loan.since)
      this.log(Effect.logInfo(`the item came back after all, after ${show(out)}`), "LeakReturned", {
        out,
        ...loan.borrower
      })
    }
  }

  private refusal(refusal: Refusal<Cause.Cause<E>>, waited: number): Effect.Effect<never, E | PoolError> {
    switch (refusal._tag) {
      case "CreateFailed":
        return Effect.failCause(refusal.failure)
      case "CreateTimeout":
        return this.refuse("CreateTimeout", waited, this.tooSlow)
      case "AcquireTimeout":
        return this.refuse("AcquireTimeout", waited, this.spentOn(refusal.awaited), this.lastFailure)
      case "PoolClosed":
        return this.refusePoolClosed(waited)
    }
  }

  private refusePoolClosed(waited: number): Effect.Effect<never, PoolError> {
    const isDrained = this.machine.state === "Draining"
    return this.refuse("PoolClosed", waited, isDrained ? "It was drained, and serves nobody new." : undefined)
  }

  /** What the time went into, where the figures of the pool do not tell. */
  private spentOn(awaited: Awaited): string | undefined {
    const cause = this.lastFailure
    if (cause !== undefined) return `The last attempt to make one failed: ${describeFailure(Cause.squash(cause))}`
    if (awaited === "check") {
      return `Items were being checked (checkTimeout is ${
        show(this.machine.policy.checkTimeout)
      }): does the resource ` +
        `answer ${this.hooksThatCheck}? Keep checkTimeout well below acquireTimeout.`
    }
    return awaited === "creation" ? createsForLong : undefined
  }

  private get hooksThatCheck(): string {
    return [this.adapter.validate && "validate", this.adapter.ping && "keepAlive.ping"].filter(Boolean).join(
      " and "
    )
  }

  private get tooSlow(): string {
    return `making one took longer than createTimeout (${show(this.machine.policy.createTimeout)})`
  }

  private causeOf(refusal: Refusal<Cause.Cause<E>>): Cause.Cause<unknown> {
    return refusal._tag === "CreateFailed"
      ? refusal.failure
      : Cause.fail(this.errorOf("CreateTimeout", 0, this.tooSlow))
  }

  /** How long borrowers wait for the end of such a failure, in milliseconds. */
  private patience(refusal: Refusal<Cause.Cause<E>>): number {
    const { rideOut } = this.options
    if (typeof rideOut !== "function") return this.rideOut
    const read = new Reader()
    const cause = this.causeOf(refusal) as Cause.Cause<E | PoolError>
    const answer = attempt(() => Exit.succeed(rideOut(cause))) as Exit.Exit<Duration.DurationInput>
    // what is left out is no answer
    const millis = Exit.isSuccess(answer) ? read.duration("rideOut", answer.value ?? NaN, 0) : 0
    const wrong = Exit.isFailure(answer) ? answer.cause : read.problems[0] && Cause.die(read.problems[0].message)
    if (wrong !== undefined) {
      this.log(Effect.logWarning("rideOut failed, which counts as 0", wrong), "HookFailure", { hook: "rideOut" })
    }
    return millis
  }

  private refuse(
    reason: PoolErrorReason,
    waited: number,
    detail?: string,
    cause?: Cause.Cause<unknown>
  ): Effect.Effect<never, PoolError> {
    return Effect.fail(this.errorOf(reason, waited, detail, cause))
  }

  private errorOf(
    reason: PoolErrorReason,
    waited: number,
    detail?: string,
    cause?: Cause.Cause<unknown>
  ): PoolError {
    const { creating, inUse, live, renewing, sizes, waiters } = this.machine
    return new PoolError({
      reason,
      pool: this.name,
      waited: Duration.millis(Math.round(waited)),
      size: live - renewing,
      maxSize: sizes.maxSize,
      inUse,
      creating,
      waiters: waiters.length,
      detail,
      ...(cause === undefined ? {} : { cause: Cause.squash(cause) })
    })
  }

  snapshot(): PoolStats {
    const { closing, counters, creating, inUse, leases, live, renewing, sizes, waiters } = this.machine
    return new PoolStats({
      pool: this.name,
      size: live - renewing,
      idle: live - renewing - inUse,
      inUse,
      leases,
      creating,
      closing: closing + renewing,
      waiters: waiters.length,
      min: sizes.minSize,
      max: sizes.maxSize,
      created: counters.created,
      destroyed: { ...counters.destroyed },
      acquisitions: counters.acquisitions,
      reuses: counters.reuses,
      timeouts: counters.timeouts,
      rejections: counters.rejections,
      abandoned: counters.abandoned,
      failures: counters.failures,
      finalizerFailures: this.finalizerFailures,
      peak: counters.peak
    })
  }

  // --- what the machine asks for

  perform(command: Command<A, Cause.Cause<E>>): void {
    switch (command._tag) {
      case "Create":
        return this.create(command.item)
      case "CancelCreation":
        return this.cancel(command.item)
      case "Check":
        return this.check(command.check)
      case "CancelCheck":
        return this.cancelCheck(command.check)
      case "CheckTimedOut":
        return this.checkTimedOut(command.check)
      case "ReleaseTimedOut":
        return this.releaseTimedOut(command.release)
      case "Destroy":
        return this.destroy(command.item, command.reason)
      case "Leaving":
        return this.leaving(command.item)
      case "LeaveBehind":
        return this.leaveBehind(command.item)
      case "Wake":
        return this.wake(command.waiter)
      case "Rest":
        return this.rest()
      case "Reached":
        return this.reached(command.refusal)
      case "Backoff":
        return this.backoff(command.refusal, command.delay)
      case "Recovered":
        return this.recovered()
      case "Paused":
        return this.paused(command.delay)
      case "Exhausted":
        return this.exhausted(command.waited)
      case "Overdue":
        return this.overdue(command.loan)
      case "DrainsSlowly":
        return this.drainsSlowly(command.waited)
      case "Drained":
        return this.drained()
      case "Closed":
        return this.closed()
      case "WakeAt":
        return this.wakeAt(command.at)
    }
  }

  /**
   * The pool's own fibers: they begin later, never inside the caller, and are interruptible only where they say so, since
   * one that is interrupted before it began would not tell the machine of its end.
   */
  fork<X, E2>(effect: Effect.Effect<X, E2>): Fiber.RuntimeFiber<X, E2> {
    return Runtime.runFork(this.runtime, effect, { immediate: false })
  }

  /** With a scope of its own, which costs half of what `Effect.scoped` does where the fiber has its context from the start. */
  private forkHook<X>(
    effect: Effect.Effect<X, unknown, Scope.Scope>,
    then: (exit: Exit.Exit<X, unknown>) => void
  ): Fiber.RuntimeFiber<void> {
    const { context, fiberRefs, runtimeFlags } = this.runtime
    const scope = Runtime.runSync(this.runtime, Scope.make())
    const runtime = Runtime.make({ context: Context.add(context, Scope.Scope, scope), fiberRefs, runtimeFlags })
    const program = Effect.flatMap(
      Effect.exit(Effect.interruptible(effect)),
      (exit) =>
        Effect.map(
          Effect.exit(Scope.close(scope, exit)),
          (closed) => then(Exit.isSuccess(exit) && Exit.isFailure(closed) ? Exit.failCause(closed.cause) : exit)
        )
    )
    return Runtime.runFork(runtime, program, { immediate: false })
  }

  private create(item: Item<A>): void {
    const acquire = this.traceCreation(this.adapter.acquire)
    const program = Effect.gen(this, function*() {
      const scope = yield* Scope.make()
      const start = this.startTime()
      const exit = yield* Effect.exit(Effect.interruptible(Scope.extend(acquire, scope)))
      const chance = yield* Random.next
      if (this.admit(item, scope, exit, chance)) return this.times?.create(this.secondsSince(start))
      yield* this.closeScope(scope, exit)
      this.machine.gone(item, this.readTime())
    })
    const fiber = this.fork(program)
    // a scheduler that runs at once is done with it
    if (item.state === "Creating" || item.state === "Outdated") this.fibers.set(item, fiber)
  }

  /** The borrower who caused it is a link: it may be gone before the item is made, which somebody else gets. */
  private traceCreation(acquire: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> {
    const borrower = this.machine.waiters.first?.note as Fiber.RuntimeFiber<unknown, unknown> | undefined
    const span = borrower === undefined ? Option.none() : spanOf(borrower)
    const linked = Option.isSome(span) ? Effect.linkSpans(span.value) : identity
    if (!this.isTraced) return linked(acquire)
    // the items' own fibers go on for long after this span
    return linked(withSpan(acquire, `${this.module}.create`, { ...this.spanOptions({}), root: true }))
  }

  /** In one step, so that nothing happens to the item in between. False: it failed, or nobody wants it any more. */
  private admit(
    item: Item<A>,
    scope: Scope.CloseableScope,
    exit: Exit.Exit<A, E>,
    chance: number
  ): boolean {
    this.fibers.delete(item)
    // asked first, since it may call back
    const concurrency = Exit.flatMap(exit, (value) => this.askConcurrency(value))
    if (item.state === "Outdated") {
      this.machine.endOutdated(item, this.readTime())
      return false
    }
    if (item.state !== "Creating") return false
    if (Exit.isFailure(concurrency)) {
      this.machine.createFailed(item, concurrency.cause, this.readTime(), chance)
      return false
    }
    const { value } = exit as Exit.Success<A, E>
    item.handle = { scope, watchers: this.watch(item, value, scope), cause: undefined } satisfies Handle
    this.machine.created(item, value, concurrency.value, this.readTime(), chance)
    this.emit({ _tag: "Created" })
    // after that: what happened to the item before may end it at once
    this.adapter.watch?.(value, {
      isIdle: () => item.state === "Idle",
      lost: (cause) => {
        if (cause !== undefined && item.handle !== undefined) this.explain("lost", item, Exit.failCause(cause))
        this.machine.lost(item, this.readTime())
      },
      retire: () => this.machine.retire(item, this.readTime()),
      proven: () => this.machine.proven(item, this.readTime())
    })
    return true
  }

  private cancel(item: Item<A>): void {
    this.fibers.get(item)?.unsafeInterruptAsFork(FiberId.none)
  }

  private check(check: Check<A>): void {
    const effect = this.askCheck(check)
    if (isDone(effect)) this.machine.checked(check, this.resultOf(check, effect), this.readTime())
    else this.runCheck(check, effect)
  }

  private askCheck({ hook, item }: Check<A>): Effect.Effect<unknown, unknown, Scope.Scope> {
    const { ping, validate } = this.adapter
    return attempt(() => hook === "ping" ? ping!(item.value) : validate!(item.value, this.infoOf(item)))
  }

  private runCheck(check: Check<A>, effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    check.handle = this.forkHook(
      effect,
      (exit) => this.machine.checked(check, this.resultOf(check, exit), this.readTime())
    )
  }

  private resultOf(check: Check<A>, exit: Exit.Exit<unknown, unknown>): CheckResult {
    this.explain(hookOf(check), check.item, exit)
    const passed = Exit.isSuccess(exit) && (check.hook === "ping" || exit.value === true)
    if (passed) this.checksTimeOut = false
    return passed ? "passed" : "failed"
  }

  private cancelCheck(check: Check<A>): void {
    ;(check.handle as Fiber.RuntimeFiber<unknown, unknown> | undefined)?.unsafeInterruptAsFork(FiberId.none)
  }

  private checkTimedOut(check: Check<A>): void {
    const hook = hookOf(check)
    this.blame(check.item, Cause.fail(new Cause.TimeoutException(`${hook} took longer than checkTimeout`)))
    // a dead peer has many items
    if (!this.checksTimeOut) this.warnOfSlowHook(hook)
    this.checksTimeOut = true
  }

  private warnOfSlowHook(hook: string): void {
    const { checkTimeout } = this.machine.policy
    this.warn(`${hook} took longer than checkTimeout (${show(checkTimeout)}), and the item goes`, "HookFailure", {
      hook,
      checkTimeout
    })
  }

  private destroy(item: Item<A>, reason: Reason): void {
    const { cause, scope, watchers } = item.handle as Handle
    item.handle = undefined
    for (const watcher of watchers) watcher.unsafeInterruptAsFork(FiberId.none)
    if (item.borrowers > 0) this.announceForced(reason)
    this.emit({ _tag: "Destroyed", reason, cause })
    const closing = this.closeScope(scope, Exit.void)
    const traced = this.isTraced
      ? withSpan(closing, `${this.module}.close`, { ...this.spanOptions({ reason }), root: true })
      : closing
    this.fork(Effect.zipRight(traced, Effect.sync(() => this.machine.gone(item, this.readTime()))))
  }

  private leaving(item: Item<A>): void {
    this.adapter.leaving?.(item.value)
  }

  /** Those that are lost went by themselves. */
  private announceForced(reason: Reason): void {
    // told of together, when the pool is closed
    if (reason === "closed") this.forced++
    if (reason !== "retired") return
    const { retireGrace } = this.machine.policy
    this.warn(
      `closed an item that was replaced and still out after retireGrace (${show(retireGrace)})`,
      "ForcedClose",
      {
        retireGrace
      }
    )
  }

  private leaveBehind(_item: Item<A>): void {
    this.finalizerFailures++
    const { closeTimeout } = this.machine.policy
    this.warn(
      `an item took longer than closeTimeout (${
        show(closeTimeout)
      }) to close; it was left to itself, and its place is free`,
      "FinalizerFailure",
      { closeTimeout }
    )
  }

  private wake(waiter: Waiter<A, Cause.Cause<E>>): void {
    waiter.resume?.()
  }

  private wakeAt(at: number): void {
    this.dueAt = at
    this.sleeper.sleep(at - this.now())
  }

  private rest(): void {
    this.fork(Effect.sync(() => {
      if (this.machine.disarm(this.readTime())) this.sleeper.cancel()
    }))
  }

  private reached(refusal: Refusal<Cause.Cause<E>> | undefined): void {
    const deferred = this.readyDeferred
    this.readyDeferred = undefined
    if (deferred === undefined) return
    Deferred.unsafeDone(deferred, refusal === undefined ? Effect.void : this.refusal(refusal, 0))
  }

  private drained(): void {
    Deferred.unsafeDone(this.drainedDeferred, Effect.void)
  }

  private closed(): void {
    this.sleeper.cancel()
    if (this.forced > 0) {
      this.warn(`closed while ${this.forced} item(s) were still out after shutdownGrace`, "ForcedClose", {
        items: this.forced
      })
    }
    for (const hook of this.hooks) hook.unsafeInterruptAsFork(FiberId.none)
    for (const listener of this.listeners) listener.end()
    this.hideMetrics()
    this.adapter.closed?.()
    Deferred.unsafeDone(this.closedDeferred, Effect.void)
  }

  private backoff(refusal: Refusal<Cause.Cause<E>>, delay: number): void {
    const cause = this.causeOf(refusal)
    const { failures } = this.machine.counters
    if (this.trouble === undefined) {
      const why = refusal._tag === "CreateTimeout" ? this.tooSlow : describeFailure(Cause.squash(cause))
      this.warn(`making an item failed; from now on one attempt at a time, after a backoff: ${why}`, "Backoff", {
        delay: Math.round(delay)
      })
    }
    const { before, since } = this.trouble ?? { since: this.now(), before: failures - 1 }
    this.trouble = { cause, since, before }
    this.emit({ _tag: "Backoff", delay: Duration.millis(delay), cause })
  }

  private recovered(): void {
    const { before, since } = this.trouble!
    const [lasted, failures] = [Math.round(this.now() - since), this.machine.counters.failures - before]
    this.log(
      Effect.logInfo(`an item could be made again after ${show(lasted)} and ${attempts(failures)}`),
      "Recovered",
      { lasted, failures }
    )
    this.trouble = undefined
    this.emit({ _tag: "Recovered" })
  }

  private paused(delay: number): void {
    this.warn(
      `an item died young, before it was of use; the next one is made after a pause of ${show(delay)}. ` +
        "Does the server close new connections, or does `lost` complete too early?",
      "EarlyDeath",
      { delay: Math.round(delay) }
    )
  }

  private drainsSlowly(waited: number): void {
    const { leases, waiters } = this.machine
    const borrowers = Array.from(this.machine.out(), (loan) => (loan as BorrowerLoan).borrower)
    this.warn(
      `drain has waited for ${show(waited)}: ${leases} borrow(s) still out, ${waiters.length} waiting. ` +
        `A borrower that waits for the drain itself waits for ever${
          borrowers.length === 0 ? "; leakThreshold tells who they are" : ""
        }`,
      "Draining",
      { waited: Math.round(waited), leases, waiters: waiters.length, ...(borrowers.length === 0 ? {} : { borrowers }) }
    )
  }

  private exhausted(waited: number): void {
    const { creating, inUse, live, sizes, waiters } = this.machine
    this.emit({ _tag: "Exhausted", waited: Duration.millis(waited), waiters: waiters.length })
    const cause = this.lastFailure
    const why = cause !== undefined
      ? `The last attempt to make one failed: ${describeFailure(Cause.squash(cause))}`
      : inUse === 0 && creating > 0
      ? createsForLong
      : "Too few items, borrowers that keep them for long (a peer that does not answer, and no time limit), or a borrower " +
        "that holds one while it waits for another"
    this.warn(
      `no item for ${show(waited)}: ${inUse} of ${live} in use, at most ${sizes.maxSize}, ${creating} being made, ` +
        `${waiters.length} waiting. ${why}`,
      "Exhausted",
      { waited: Math.round(waited), inUse, size: live, maxSize: sizes.maxSize, waiters: waiters.length }
    )
  }

  private overdue(loan: Loan): void {
    const out = Math.round(this.now() - loan.since)
    this.warn(`an item has been out for ${show(out)}; is it ever given back?`, "Leak", {
      out,
      ...(loan as BorrowerLoan).borrower
    })
  }

  private emit(event: ResourcePool.PoolEvent): void {
    for (const listener of this.listeners) listener.single(event)
  }

  private askConcurrency(item: A): Exit.Exit<number> {
    const ask = (): Exit.Exit<number> => {
      const concurrency = this.adapter.concurrency?.(item) ?? this.machine.policy.expectedConcurrency
      const rule = `[${this.name}] concurrency must be a whole number of 1 or more, but was ${concurrency}`
      return isConcurrency(concurrency) ? Exit.succeed(concurrency) : Exit.die(new RangeError(rule))
    }
    return attempt(ask) as Exit.Exit<number>
  }

  private watch(item: Item<A>, value: A, scope: Scope.Scope): Handle["watchers"] {
    const watchers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    const start = (
      hook: "lost" | "retire",
      then: (item: Item<A>, now: Time) => void
    ) => {
      const watch = this.adapter[hook]
      if (watch === undefined) return
      const effect = Effect.suspend(() => watch(value)).pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.interruptible,
        Effect.exit,
        Effect.tap((exit) => {
          if (Exit.isFailure(exit)) this.explain(hook, item, exit)
        }),
        // the machine ignores what comes after the item's end
        Effect.ensuring(Effect.sync(() => then(item, this.readTime())))
      )
      watchers.push(this.fork(effect))
    }
    start("lost", (item, now) => this.machine.lost(item, now))
    start("retire", (item, now) => this.machine.retire(item, now))
    return watchers
  }

  private closeScope(scope: Scope.CloseableScope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.matchCauseEffect(Scope.close(scope, exit), {
      onSuccess: () => Effect.void,
      onFailure: (cause) => {
        this.finalizerFailures++
        return this.annotate(Effect.logWarning("a finalizer of an item failed", cause), "FinalizerFailure")
      }
    })
  }

  /** What a hook failed with is seen by nobody else. A failure is what it is for; a defect is not. */
  private explain(hook: string, item: Item<A>, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return
    this.blame(item, exit.cause)
    const message = `${hook} ${Cause.isDie(exit.cause) ? "died" : "failed"}, and the item goes`
    this.log(
      Cause.isDie(exit.cause) ? Effect.logWarning(message, exit.cause) : Effect.logDebug(message, exit.cause),
      "HookFailure",
      { hook }
    )
  }

  /** The item goes because of this. */
  private blame(item: Item<A>, cause: Cause.Cause<unknown>): void {
    const handle = item.handle as Handle | undefined
    if (handle !== undefined) handle.cause = cause
  }

  warn(message: string, event: LogEvent, details: Record<string, unknown>): void {
    this.log(Effect.logWarning(message), event, details)
  }

  private log(message: Effect.Effect<void>, event: LogEvent, details: Record<string, unknown>): void {
    this.fork(this.annotate(Effect.annotateLogs(message, details), event))
  }

  private annotate<X, E2>(effect: Effect.Effect<X, E2>, event: LogEvent): Effect.Effect<X, E2> {
    return Effect.annotateLogs(effect, { package: "effect-pools", module: this.module, pool: this.name, event })
  }

  // --- Inspectable

  toJSON(): unknown {
    return { _id: "ResourcePool", name: this.name, state: this.machine.state, stats: this.snapshot().toJSON() }
  }

  override toString(): string {
    return Inspectable.format(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** What a throwing function does to an effect. */
const begin = <A, B, E2, R>(f: (item: A) => Effect.Effect<B, E2, R>, item: A): Effect.Effect<B, E2, R> => {
  try {
    return f(item)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** The same for a hook of the pool's maker. */
const attempt = <B, E2, R>(hook: () => Effect.Effect<B, E2, R>): Effect.Effect<B, E2, R> => begin(hook, undefined)

const hookOf = ({ hook }: Check<any>): "validate" | "keepAlive.ping" => hook === "ping" ? "keepAlive.ping" : hook

const createsForLong = "Making one has not come to an end: is the resource there, and does it answer?"

/** Hooks are asked often, and seldom look at it. */
class ItemInfo implements ResourcePool.ItemInfo {
  readonly uses: number
  private readonly ageMillis: number
  private readonly idleMillis: number

  constructor(age: number, idle: number, uses: number) {
    this.ageMillis = age
    this.idleMillis = idle
    this.uses = uses
  }

  get age(): Duration.Duration {
    return Duration.millis(this.ageMillis)
  }

  get idle(): Duration.Duration {
    return Duration.millis(this.idleMillis)
  }
}

/** Takes a borrower out of the queue, or gives back what it has, when its fiber comes by. */
class Borrow<A, E, V> extends FiberFrame {
  private readonly pool: PoolImpl<A, E, V>
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  waiter: Waiter<A, Cause.Cause<E>> | undefined = undefined
  item: Item<A> | undefined = undefined
  view: V | undefined = undefined
  isSuccess = false
  /** Of a pool that wants to know. */
  exit: Exit.Exit<unknown, unknown> | undefined = undefined

  constructor(pool: PoolImpl<A, E, V>, fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    super()
    this.pool = pool
    this.fiber = fiber
  }

  protected passed(): void {
    this.pool.passed(this)
  }
}

/** Views want to know whether their borrower succeeded, which a borrow is not told. */
class Success extends SuccessFrame {
  private readonly borrow: Borrow<any, any, any>

  constructor(borrow: Borrow<any, any, any>) {
    super()
    this.borrow = borrow
  }

  protected succeeded(): void {
    this.borrow.isSuccess = true
  }
}

/** Hooks want to know how it ended. */
class Outcome extends OutcomeFrame {
  private readonly borrow: Borrow<any, any, any>

  constructor(borrow: Borrow<any, any, any>) {
    super()
    this.borrow = borrow
  }

  protected ended(exit: Exit.Exit<unknown, unknown>): void {
    this.borrow.exit = exit
  }
}

const served = (waiter: Waiter<any, any>): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (waiter.item !== undefined || waiter.refusal !== undefined) resume(Effect.void)
    else waiter.resume = () => resume(Effect.void)
  })

/** What is known of whoever has an item. */
class BorrowerLoan extends Loan {
  readonly borrower: Record<string, unknown>
  readonly lentAt: bigint

  constructor(borrower: Record<string, unknown>, lentAt: bigint) {
    super()
    this.borrower = borrower
    this.lentAt = lentAt
  }
}

const spanOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Option.Option<Tracer.AnySpan> =>
  Context.getOption(fiber.getFiberRef(FiberRef.currentContext) as Context.Context<any>, Tracer.ParentSpan)

const describeBorrower = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  stack: string | undefined
): Record<string, unknown> => {
  const path: Array<string> = []
  let span = spanOf(fiber)
  while (Option.isSome(span)) {
    path.unshift(span.value._tag === "Span" ? span.value.name : span.value.spanId)
    span = span.value._tag === "Span" ? span.value.parent : Option.none()
  }
  const annotations = Object.fromEntries(fiber.getFiberRef(FiberRef.currentLogAnnotations))
  return {
    // not `fiber`: a logger says by that which fiber has logged
    borrower: FiberId.threadName(fiber.id()),
    ...(path.length === 0 ? {} : { spans: path.join(" > ") }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(stack === undefined ? {} : { stack })
  }
}

class LeaseImpl<A, E, V> implements ResourcePool.Lease<V>, SyncLease<V> {
  readonly value: V
  private readonly pool: PoolImpl<A, E, V>
  private readonly loan: BorrowerLoan | undefined
  private item: Item<A> | undefined

  constructor(pool: PoolImpl<A, E, V>, item: Item<A>, value: V, loan: BorrowerLoan | undefined) {
    this.pool = pool
    this.item = item
    this.value = value
    this.loan = loan
  }

  giveBack(exit: Exit.Exit<unknown, unknown>): void {
    const item = this.item
    if (item === undefined) return
    this.item = undefined
    this.pool.give(item, this.value, exit, this.loan)
  }

  release(exit: Exit.Exit<unknown, unknown> = Exit.void): Effect.Effect<void> {
    return Effect.sync(() => this.giveBack(exit))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.giveBack(Exit.void)
    return Promise.resolve()
  }

  toJSON(): unknown {
    return { _id: "Lease", pool: this.pool.name, released: this.item === undefined }
  }

  toString(): string {
    return Inspectable.format(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** A pool lends its items as they are. */
const bare: LeaseAdapter<any, any> = { view: (item) => item, end: () => "keep", core: (item) => item }

/** `X`: what else the builder returns with the adapter. */
export interface Built<A, E, R, V, X> {
  readonly pool: ResourcePool.ResourcePool<V, E>
  readonly engine: PoolEngine<V, E>
  readonly adapter: PoolAdapter<A, E, R, V> & X
}

/**
 * Makes a pool. `build` gets the engine before the first item is made, and may keep it: all of it works, but for `lend`,
 * which needs what `build` returns.
 */
export const makeWith = <A, E, R, V, X = unknown>(
  options: Settings,
  build: (engine: PoolEngine<V, E>) => PoolAdapter<A, E, R, V> & X,
  module = "ResourcePool"
): Effect.Effect<Built<A, E, R, V, X>, never, Scope.Scope | Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const decoded = decode(options)
    const problems = [...decoded.problems]
    if ("acquire" in options && !Effect.isEffect(options.acquire)) {
      problems.push({
        option: "acquire",
        message: `acquire must be an Effect, but was of type ${kindOf(options.acquire)}`
      })
    }
    if (problems.length > 0) {
      return yield* Effect.dieMessage(`[${options.name ?? "ResourcePool"}] ${failures(problems)}`)
    }
    const clock = yield* Effect.clock
    const maker = yield* Effect.runtime<never>()
    const hasFrames = yield* areSupported
    const tracer = yield* Effect.tracer
    // the items see what the pool's maker sees, but for its span and its scope
    const runtime = Runtime.make({
      context: Context.omit(Tracer.ParentSpan, Scope.Scope)(maker.context as Context.Context<any>),
      fiberRefs: maker.fiberRefs,
      runtimeFlags: RuntimeFlags.disable(maker.runtimeFlags, RuntimeFlags.Interruption)
    }) as Runtime.Runtime<never>
    const engine = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const tags = [["pool", options.name ?? "ResourcePool"]] as const
        const labels = FiberRefs.getOrDefault(maker.fiberRefs, FiberRef.currentMetricLabels)
        const pool = new PoolImpl<A, E, V>(
          options,
          build as (engine: PoolEngine<V, E>) => PoolAdapter<A, E, Scope.Scope, V>,
          module,
          decoded,
          clock,
          runtime,
          hasFrames,
          tracer,
          options.histograms === true ? timesOf(tags, labels) : undefined
        )
        if (options.metrics !== false) pool.hideMetrics = register(waitingPool, tags, labels, () => pool.snapshot())
        pool.machine.start(pool.readTime())
        return pool
      }),
      (pool) => pool.close
    )
    return {
      pool: engine as unknown as ResourcePool.ResourcePool<V, E>,
      engine,
      adapter: engine.adapter as PoolAdapter<any, any, any, any> as PoolAdapter<A, E, R, V> & X
    }
  })

export const make = <A, E, R>(
  options: ResourcePool.Options<A, E, R>
): Effect.Effect<ResourcePool.ResourcePool<A, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> => {
  const { acquire, concurrency, keepAlive, lost, onRelease, retire, validate } = options
  return Effect.map(
    makeWith<A, E, R, A>(options, () => ({
      ...bare as LeaseAdapter<A, A>,
      acquire,
      concurrency: typeof concurrency === "function" ? concurrency : undefined,
      lost,
      retire,
      validate,
      ping: keepAlive?.ping,
      onRelease
    })),
    ({ pool }) => pool
  )
}

export const isResourcePool = (u: unknown): u is ResourcePool.ResourcePool<unknown, unknown> =>
  Predicate.hasProperty(u, TypeId)

export const use = dual(2, (self: ResourcePool.ResourcePool<any, any>, f: (item: any) => any) => self.use(f))

export const useSync = dual(2, (self: ResourcePool.ResourcePool<any, any>, f: (item: any) => any) => self.useSync(f))

export const invalidate = dual(2, (self: ResourcePool.ResourcePool<any, any>, item: any) => self.invalidate(item))
