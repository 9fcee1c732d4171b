import type { Time } from "../clock.js"
import { LinkedList } from "../linkedList.js"
import type { Sharing, ShellData, Waiter } from "./item.js"

/** The waiters, the oldest first. All have the same time limit, so the oldest has the earliest deadline. */
export class WaiterQueue<A, F, S extends ShellData = any> extends LinkedList<Waiter<A, F, S>> {
  /** How many waiters want an exclusive item. */
  private exclusive = 0
  /** How many borrowers have waited so far. */
  tickets = 0

  enqueue(waiter: Waiter<A, F, S>, now: Time, timeout: number): void {
    waiter.ticket = ++this.tickets
    waiter.since = now.monotonic
    waiter.deadline = now.monotonic + timeout
    this.push(waiter)
    if (waiter.sharing === "exclusive") this.exclusive++
  }

  dequeue(waiter: Waiter<A, F, S>): void {
    this.remove(waiter)
    if (waiter.sharing === "exclusive") this.exclusive--
  }

  /** The waiter with so many others before it, or else the last one. */
  after(count: number): Waiter<A, F, S> | undefined {
    let waiter = this.first
    for (let i = 0; i < count && waiter?.next !== undefined; i++) waiter = waiter.next
    return waiter
  }

  /** What the first waiter wants. No later borrower overtakes it. */
  get sharing(): Sharing {
    return this.first === undefined ? "shared" : this.first.sharing
  }

  /** How many items the waiters need, with `concurrency` borrowers for each item. */
  itemsNeeded(concurrency: number): number {
    return this.exclusive + Math.ceil((this.length - this.exclusive) / concurrency)
  }
}
