/** Gets an item for a borrower: at once, or through the queue. */
import { type AnyFiber, resumeFiber, type RunningFiber, untilResumed } from "#effect/fiber"
import { isDone } from "#effect/fiberFrame"
import * as Effect from "effect/Effect"
import type { PoolError } from "../../PoolError.js"
import type { Time } from "../core/clock.js"
import type { Sharing } from "../core/pool/item.js"
import type { CheckRunner } from "./checkRunner.js"
import type { PoolParts } from "./parts.js"
import type { PoolItem, QueuedBorrower } from "./records.js"
import type { Refusals } from "./refusals.js"
import type { PoolSpans } from "./spans.js"

export interface QueueParts<A, E, V> extends PoolParts<A, E, V> {
  readonly checks: CheckRunner<A, E, V>
  readonly refusals: Refusals<A, E, V>
  readonly spans: PoolSpans
  /** Called when a borrower begins to wait. */
  readonly announceDemand: () => void
}

/** Completes when the machine has served or refused the waiter. */
const served = (waiter: QueuedBorrower<any, any>): Effect.Effect<void> =>
  untilResumed((resume) => {
    if (waiter.item !== undefined || waiter.refusal !== undefined) resume(Effect.void)
    else waiter.resume = resume
  })

/** Lets the borrower go on that the machine has served or refused. */
export const wake = ({ borrower, resume }: QueuedBorrower<any, any>): void => {
  if (resume !== undefined) resumeFiber(borrower!, resume)
}

export class BorrowQueue<A, E, V> {
  private readonly parts: QueueParts<A, E, V>
  private readonly machine: PoolParts<A, E, V>["machine"]
  private readonly time: PoolParts<A, E, V>["time"]
  /** Whether an item may need a check before it is lent. */
  private readonly validates: boolean

  constructor(parts: QueueParts<A, E, V>) {
    this.parts = parts
    this.machine = parts.machine
    this.time = parts.time
    this.validates = parts.machine.policy.validateAfterIdle !== Infinity
  }

  /** Lends an item that is ready. Without one it returns `undefined`, and the borrower has to enter the queue. */
  checkout(sharing: Sharing): PoolItem<A> | undefined {
    const now = this.time.read()
    const item = this.machine.checkout(now, sharing)
    return item === undefined && this.validates ? this.checkoutChecked(now, sharing) : item
  }

  /** Lends an item whose check completes at once, without a fiber. Otherwise the borrower waits in the queue for the check. */
  private checkoutChecked(asked: Time, sharing: Sharing): PoolItem<A> | undefined {
    const { machine, parts: { checks }, time } = this
    let now = asked
    for (;;) {
      const check = machine.checkNow(now, sharing)
      if (check === undefined) return undefined
      const effect = checks.ask(check)
      if (!isDone(effect)) {
        // the hook may have closed the item itself
        if (check.item.check === check) checks.run(check, effect)
        return undefined
      }
      now = time.read()
      if (checks.resultOf(check, effect) === "passed") return machine.admit(check, now, sharing)
      machine.checked(check, "failed", now)
      const other = machine.checkout(now, sharing)
      if (other !== undefined) return other
    }
  }

  /** Puts the borrower into the queue, or returns its failure if it may not wait. */
  enter(waiter: QueuedBorrower<A, E>, borrower: AnyFiber): Effect.Effect<never, PoolError> | undefined {
    waiter.borrower = borrower
    switch (this.machine.enqueue(waiter, this.time.read())) {
      case "Queued":
        this.parts.announceDemand()
        return undefined
      case "Closed":
        return this.parts.refusals.poolClosed(0)
      case "Full":
        return this.parts.refusals.queueFull()
    }
  }

  /** Completes with an item or a refusal. In a span it fails with the refusal, so that the span shows the failure. */
  wait(waiter: QueuedBorrower<A, E>, borrower: RunningFiber<unknown, unknown>): Effect.Effect<void, E | PoolError> {
    const { spans } = this.parts
    if (waiter.item !== undefined || !spans.seesWait(borrower)) return served(waiter)
    return spans.wait(
      Effect.flatMap(served(waiter), () => waiter.item === undefined ? this.refusalOf(waiter) : Effect.void)
    )
  }

  /** The failure of a refused waiter. */
  refusalOf(waiter: QueuedBorrower<A, E>): Effect.Effect<never, E | PoolError> {
    return this.parts.refusals.refused(waiter.refusal!, this.time.read().monotonic - waiter.since)
  }

  /** The borrower no longer wants an item, or has not taken its item. */
  abandon(waiter: QueuedBorrower<A, E>): void {
    this.machine.abandon(waiter, this.time.read())
  }
}
