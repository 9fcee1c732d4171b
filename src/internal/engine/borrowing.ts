/** The methods for borrowers. An item goes to its borrower in one step of the fiber, or in an uninterruptible region. */
import { attempt } from "#effect/effect"
import { type RunningFiber, withFiber } from "#effect/fiber"
import { isDone } from "#effect/fiberFrame"
import { addFinalizer, type Finalizer, openScopeOf } from "#effect/scope"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.js"
import { type Sharing, Waiter } from "../core/pool/item.js"
import { isAsTheyAre } from "./asTheyAre.js"
import type * as Contract from "./contract.js"
import { FramedUse } from "./framedUse.js"
import { Lease, type LeaseRecord, type LeaseWatch } from "./leases.js"
import type { PoolParts } from "./parts.js"
import { BorrowQueue, type QueueParts } from "./queue.js"
import type { PoolItem, QueuedBorrower, ScopeLoan } from "./records.js"
import type { Returns } from "./returns.js"
import type { PoolTimer } from "./timer.js"

/** Makes an effect interruptible again, within `Effect.uninterruptibleMask`. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface BorrowingParts<A, E, V> extends QueueParts<A, E, V> {
  readonly returns: Returns<A, E, V>
  readonly leases: LeaseWatch
  readonly timer: PoolTimer
  /** Whether a borrower's success proves the item good for the next borrower. */
  readonly needsSuccess: boolean
}

export class Borrowing<A, E, V> {
  private readonly parts: BorrowingParts<A, E, V>
  private readonly queue: BorrowQueue<A, E, V>
  private readonly returns: Returns<A, E, V>
  private readonly leases: LeaseWatch
  private readonly timer: PoolTimer
  private readonly machine: PoolParts<A, E, V>["machine"]
  private readonly time: PoolParts<A, E, V>["time"]
  private readonly adapter: PoolParts<A, E, V>["adapter"]

  /** The fast `use`, if the fibers have the frames for it and the pool keeps no records of leases. */
  readonly framed: FramedUse<A, E, V> | undefined = undefined
  private readonly lendsAsTheyAre: boolean
  /** Whether `getReady` works. */
  readonly lendsAtOnce: boolean

  constructor(parts: BorrowingParts<A, E, V>) {
    const { adapter, leases, machine, needsSuccess, returns, runtime, time, timer } = parts
    this.parts = parts
    this.queue = new BorrowQueue(parts)
    this.returns = returns
    this.leases = leases
    this.timer = timer
    this.machine = machine
    this.time = time
    this.adapter = adapter
    this.lendsAsTheyAre = isAsTheyAre(adapter)
    // a frame keeps no lease record
    if (!leases.isOn && runtime.hasFrames) this.framed = new FramedUse(this.queue, returns, adapter, needsSuccess)
    this.lendsAtOnce = !leases.isOn && runtime.hasFinalizers
  }

  // the methods of a pool, each made once for it: the pools of keys do without them

  use(): Contract.WaitingPool<V, E>["use"] {
    const { framed, leases } = this
    if (framed === undefined) return (f) => this.useRecorded(f, leases.callSite())
    return (f) => withFiber((fiber) => framed.use(fiber, f))
  }

  get(): Effect.Effect<V, E | PoolError, Scope.Scope> {
    const lend = (item: PoolItem<A>) => this.lendToScope(item)
    const masked = Effect.uninterruptibleMask((restore) => this.borrow(restore, lend))
    if (!this.lendsAtOnce) return masked
    // an item that is ready is lent within one step of the fiber
    return withFiber((fiber) => {
      const scope = openScopeOf(fiber)
      if (scope === undefined) return masked
      return this.getReady(scope) ??
        Effect.uninterruptibleMask((restore) => this.borrowQueued(restore, lend, "shared"))
    })
  }

  /** Lends an item that is ready. The caller's step of the fiber has the open scope. */
  getReady(scope: Scope.Scope): Exit.Exit<V> | undefined {
    const item = this.queue.checkout("shared")
    if (item === undefined) return undefined
    this.timer.lentAtOnce()
    const { exit, finalizer } = this.lendsAsTheyAre ? item.handle!.loan ??= this.loanOf(item) : this.loanOf(item)
    addFinalizer(scope, finalizer)
    return exit
  }

  private loanOf(item: PoolItem<A>): ScopeLoan {
    const view = this.adapter.view(item.value)
    const finalizer: Finalizer = (exit) => {
      this.returns.giveBack(item, view, exit)
      return Effect.void
    }
    return { exit: Exit.succeed(view), finalizer }
  }

  tryGet(): Effect.Effect<Option.Option<V>, PoolError, Scope.Scope> {
    return Effect.suspend(() => {
      if (this.machine.state !== "Open") return this.parts.refusals.poolClosed(0)
      const item = this.machine.tryCheckout(this.time.read())
      if (item === undefined) return Effect.succeedNone
      this.timer.lentAtOnce()
      return Effect.asSome(this.lendToScope(item))
    }).pipe(Effect.uninterruptible)
  }

  acquire(): Effect.Effect<Contract.Lease<V>, E | PoolError> {
    return Effect.uninterruptibleMask((restore) =>
      this.borrow(
        restore,
        (item) => this.leases.record(undefined, (record) => Effect.succeed(this.leaseOf(item, record)))
      )
    )
  }

  /** Lends an item and hands its lease over in the same step. */
  lend(
    receive: (lease: Contract.SyncLease<V>) => void,
    sharing: Sharing,
    watching: Contract.Watching
  ): Effect.Effect<void, E | PoolError> {
    const hand = (item: PoolItem<A>, record: LeaseRecord | undefined) => {
      receive(this.leaseOf(item, record))
      return Effect.void
    }
    const lend = (item: PoolItem<A>) =>
      watching === "unwatched"
        ? Effect.suspend(() => hand(item, undefined))
        : this.leases.record(undefined, (record) => hand(item, record))
    return Effect.uninterruptibleMask((restore) => this.borrow(restore, lend, sharing))
  }

  /** Lends an item that is ready, if there is one. Nothing watches its lease. */
  lendReady(): Contract.SyncLease<V> | undefined {
    const item = this.queue.checkout("shared")
    if (item === undefined) return undefined
    this.timer.lentAtOnce()
    return this.leaseOf(item, undefined)
  }

  private leaseOf(item: PoolItem<A>, record: LeaseRecord | undefined): Lease<V> {
    return new Lease(this.parts.name, item, this.adapter.view(item.value), record, this)
  }

  giveBack(
    item: PoolItem<A>,
    view: V,
    exit: Exit.Exit<unknown, unknown>,
    record: LeaseRecord | undefined
  ): void {
    this.leases.returned(record)
    this.returns.giveBack(item, view, exit)
  }

  lendToScope(item: PoolItem<A>): Effect.Effect<V, never, Scope.Scope> {
    return this.leases.record(undefined, (record) => {
      const view = this.adapter.view(item.value)
      const add = (scope: Scope.Scope) =>
        Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => this.giveBack(item, view, exit, record)))
      return Effect.flatMap(Effect.scope, (scope) => Effect.as(add(scope), view))
    })
  }

  useSync(use: Contract.WaitingPool<V, E>["use"]): Contract.WaitingPool<V, E>["useSync"] {
    if (this.leases.isOn) return (f) => use((item) => Exit.succeed(f(item)))
    // an item that is ready is borrowed and returned within one step of the fiber
    return <B>(f: (item: V) => B) =>
      Effect.suspend((): Effect.Effect<B, E | PoolError> => {
        const item = this.machine.checkout(this.time.read(), "shared")
        if (item === undefined) return use((view) => Exit.succeed(f(view)))
        const view = this.adapter.view(item.value)
        let exit: Exit.Exit<B>
        try {
          exit = Exit.succeed(f(view))
        } catch (defect) {
          exit = Exit.die(defect)
        }
        this.returns.giveBack(item, view, exit)
        return exit
      })
  }

  private useRecorded<B, E2, R>(
    f: (item: V) => Effect.Effect<B, E2, R>,
    stack: string | undefined
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    return Effect.uninterruptibleMask((restore) => this.borrow(restore, this.lendTo(restore, f, stack)))
  }

  /** Lends an item to a function, with a record of the lease. */
  lendTo<B, E2, R>(
    restore: Restore,
    f: (item: V) => Effect.Effect<B, E2, R>,
    stack: string | undefined
  ): (item: PoolItem<A>) => Effect.Effect<B, E2, R> {
    return (item) => this.leases.record(stack, (record) => this.run(restore, item, f, record))
  }

  private run<B, E2, R>(
    restore: Restore,
    item: PoolItem<A>,
    f: (item: V) => Effect.Effect<B, E2, R>,
    record: LeaseRecord | undefined
  ): Effect.Effect<B, E2, R> {
    const view = this.adapter.view(item.value)
    const effect = attempt(f, view)
    const endBorrow = (exit: Exit.Exit<B, E2>): Exit.Exit<B, E2> => {
      this.giveBack(item, view, exit, record)
      return exit
    }
    if (isDone(effect)) return endBorrow(effect)
    return Effect.matchCauseEffect(restore(effect), {
      onFailure: (cause) => endBorrow(Exit.failCause(cause)),
      onSuccess: (value) => endBorrow(Exit.succeed(value))
    })
  }

  /** Runs in an uninterruptible region, except for the wait. */
  private borrow<X, E2, R>(
    restore: Restore,
    lend: (item: PoolItem<A>) => Effect.Effect<X, E2, R>,
    sharing: Sharing = "shared"
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    const item = this.queue.checkout(sharing)
    if (item === undefined) return this.borrowQueued(restore, lend, sharing)
    this.timer.lentAtOnce()
    return lend(item)
  }

  private borrowQueued<X, E2, R>(
    restore: Restore,
    lend: (item: PoolItem<A>) => Effect.Effect<X, E2, R>,
    sharing: Sharing
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    return withFiber((fiber) => this.enter(fiber, restore, lend, sharing))
  }

  /** Borrows within the caller's step of the fiber, in an uninterruptible region, or queues the borrower. */
  borrowNow<X, E2, R>(
    fiber: RunningFiber<unknown, unknown>,
    restore: Restore,
    lend: (item: PoolItem<A>) => Effect.Effect<X, E2, R>
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    const item = this.queue.checkout("shared")
    if (item === undefined) return this.enter(fiber, restore, lend, "shared")
    this.timer.lentAtOnce()
    return lend(item)
  }

  private enter<X, E2, R>(
    fiber: RunningFiber<unknown, unknown>,
    restore: Restore,
    lend: (item: PoolItem<A>) => Effect.Effect<X, E2, R>,
    sharing: Sharing
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    const waiter: QueuedBorrower<A, E> = new Waiter()
    waiter.sharing = sharing
    const since = this.timer.start()
    const refusal = this.queue.enter(waiter, fiber)
    if (refusal !== undefined) return refusal
    return Effect.matchCauseEffect(restore(this.queue.wait(waiter, fiber)), {
      onFailure: (cause) => {
        this.queue.abandon(waiter)
        return Effect.failCause(cause)
      },
      onSuccess: (): Effect.Effect<X, E | E2 | PoolError, R> => {
        if (waiter.item === undefined) return this.queue.refusalOf(waiter)
        this.timer.waited(since)
        return lend(waiter.item)
      }
    })
  }
}
