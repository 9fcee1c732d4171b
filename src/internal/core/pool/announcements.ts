import type { Outbox } from "../outbox.js"
import type { Command } from "./commands.js"
import type { Refusal } from "./item.js"

/** What the machine announces once: the pool is ready, is exhausted, drains slowly, has drained. */
export class Announcements<F> {
  private readyIsWanted = false
  /** Whether an `Unused` is wanted. */
  unusedIsWanted = false
  /** Whether `Exhausted` was announced since the queue was last empty. */
  private isExhausted = false
  private isDrained = false
  /** `Infinity` if the pool does not drain, or has announced `DrainsSlowly`. */
  private drainingSince = Infinity
  private readonly threshold: number
  private readonly outbox: Outbox<Command<any, F>>

  constructor(exhaustedThreshold: number, outbox: Outbox<Command<any, F>>) {
    this.threshold = exhaustedThreshold
    this.outbox = outbox
  }

  /** `waitingSince`: when the oldest waiter came; `Infinity` without waiters. By the monotonic clock. */
  nextDue(waitingSince: number): number {
    const exhausted = this.isExhausted ? Infinity : waitingSince + this.threshold
    const drainsSlowly = this.isDrained ? Infinity : this.drainingSince + this.threshold
    return Math.min(exhausted, drainsSlowly)
  }

  wantReady(): void {
    this.readyIsWanted = true
  }

  wantUnused(): void {
    this.unusedIsWanted = true
  }

  /** No borrower has or waits for an item. */
  unused(): void {
    if (!this.unusedIsWanted) return
    this.unusedIsWanted = false
    this.outbox.push({ _tag: "Unused" })
  }

  /** `refusal`: why the pool is not ready. */
  reached(refusal: Refusal<F> | undefined): void {
    if (!this.readyIsWanted) return
    this.readyIsWanted = false
    this.outbox.push({ _tag: "Reached", refusal })
  }

  /** `waited`: how long the oldest waiter has waited. */
  waited(waited: number): void {
    if (waited < this.threshold || this.isExhausted) return
    this.isExhausted = true
    this.outbox.push({ _tag: "Exhausted", waited })
  }

  queueEmptied(): void {
    this.isExhausted = false
  }

  /** The pool begins to drain. */
  beginDrain(now: number): void {
    this.drainingSince = now
  }

  drains(now: number): void {
    const waited = now - this.drainingSince
    if (waited < this.threshold || this.isDrained) return
    this.drainingSince = Infinity
    this.outbox.push({ _tag: "DrainsSlowly", waited })
  }

  /** The pool closes: its `shutdownGrace` ends the drain. */
  endDrain(): void {
    this.drainingSince = Infinity
  }

  drained(): void {
    if (this.isDrained) return
    this.isDrained = true
    this.outbox.push({ _tag: "Drained" })
  }
}
