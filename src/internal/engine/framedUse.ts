/** The fast `use`: a frame on the borrower's fiber returns the item when the fiber leaves the borrow. */
import { attempt } from "#effect/effect"
import type { RunningFiber } from "#effect/fiber"
import { FiberFrame, interruptionOf, isDone, OutcomeFrame, push, SuccessFrame } from "#effect/fiberFrame"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { PoolError } from "../../PoolError.js"
import { Waiter } from "../core/pool/item.js"
import type { PoolParts } from "./parts.js"
import type { BorrowQueue } from "./queue.js"
import type { PoolItem, QueuedBorrower } from "./records.js"
import type { Returns } from "./returns.js"

type Borrower = RunningFiber<unknown, unknown>

/** Returns the borrower's item, or removes the borrower from the queue, when the fiber leaves the frame. */
class ReturnFrame<A, E, V> extends FiberFrame {
  private readonly uses: FramedUse<A, E, V>
  readonly borrower: Borrower
  readonly waiter: QueuedBorrower<A, E> | undefined
  item: PoolItem<A> | undefined
  view: V | undefined
  isSuccess = false
  /** Set only if the pool needs the outcome. */
  exit: Exit.Exit<unknown, unknown> | undefined = undefined

  constructor(
    uses: FramedUse<A, E, V>,
    borrower: Borrower,
    waiter: QueuedBorrower<A, E> | undefined,
    item: PoolItem<A> | undefined,
    view: V | undefined
  ) {
    super()
    this.uses = uses
    this.borrower = borrower
    this.waiter = waiter
    this.item = item
    this.view = view
  }

  protected passed(): void {
    this.uses.passed(this)
  }
}

/** Tells a `ReturnFrame` that its borrower succeeded; the frame cannot see it. */
class Success extends SuccessFrame {
  private readonly frame: ReturnFrame<any, any, any>

  constructor(frame: ReturnFrame<any, any, any>) {
    super()
    this.frame = frame
  }

  protected succeeded(): void {
    this.frame.isSuccess = true
  }
}

/** Tells a `ReturnFrame` how its borrower ended. */
class Outcome extends OutcomeFrame {
  private readonly frame: ReturnFrame<any, any, any>

  constructor(frame: ReturnFrame<any, any, any>) {
    super()
    this.frame = frame
  }

  protected ended(exit: Exit.Exit<unknown, unknown>): void {
    this.frame.exit = exit
  }
}

export class FramedUse<A, E, V> {
  private readonly queue: BorrowQueue<A, E, V>
  private readonly returns: Returns<A, E, V>
  private readonly adapter: PoolParts<A, E, V>["adapter"]
  /** What the pool needs to know about the borrower's end. Anything but `nothing` costs another frame. */
  private readonly needs: "nothing" | "success" | "outcome"

  /** `needsSuccess`: a borrower's success proves the item good for the next borrower. */
  constructor(
    queue: BorrowQueue<A, E, V>,
    returns: Returns<A, E, V>,
    adapter: PoolParts<A, E, V>["adapter"],
    needsSuccess: boolean
  ) {
    this.queue = queue
    this.returns = returns
    this.adapter = adapter
    this.needs = adapter.onRelease !== undefined ? "outcome" : needsSuccess ? "success" : "nothing"
  }

  use<B, E2, R>(
    borrower: Borrower,
    f: (item: V) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    const item = this.queue.checkout("shared")
    if (item === undefined) return this.useQueued(borrower, f)
    const view = this.adapter.view(item.value)
    const effect = attempt(f, view)
    if (isDone(effect)) {
      this.returns.giveBack(item, view, effect)
      return effect
    }
    const frame = new ReturnFrame(this, borrower, undefined, item, view)
    push(borrower, frame)
    if (this.needs !== "nothing") this.pushObserver(frame)
    return effect
  }

  private useQueued<B, E2, R>(
    borrower: Borrower,
    f: (item: V) => Effect.Effect<B, E2, R>
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    const waiter: QueuedBorrower<A, E> = new Waiter()
    const refusal = this.queue.enter(waiter, borrower)
    if (refusal !== undefined) return refusal
    const frame = new ReturnFrame<A, E, V>(this, borrower, waiter, undefined, undefined)
    push(borrower, frame)
    return Effect.flatMap(this.queue.wait(waiter, borrower), (): Effect.Effect<B, E | E2 | PoolError, R> => {
      if (waiter.item === undefined) return this.queue.refusalOf(waiter)
      const view = this.adapter.view(waiter.item.value)
      frame.item = waiter.item
      frame.view = view
      if (this.needs !== "nothing") this.pushObserver(frame)
      return attempt(f, view)
    })
  }

  private pushObserver(frame: ReturnFrame<A, E, V>): void {
    push(frame.borrower, this.needs === "outcome" ? new Outcome(frame) : new Success(frame))
  }

  /** Called when the borrower's fiber has left the borrow. */
  passed({ borrower, exit, isSuccess, item, view, waiter }: ReturnFrame<A, E, V>): void {
    if (item === undefined) this.queue.abandon(waiter!)
    else if (this.needs === "outcome") this.returns.giveBack(item, view as V, exit ?? interruptionOf(borrower))
    else this.returns.giveBackUnasked(item, view as V, isSuccess)
  }
}
