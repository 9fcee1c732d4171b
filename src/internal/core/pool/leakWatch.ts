import { LinkedList } from "../linkedList.js"
import type { Loan } from "./item.js"

/** The watched leases: a borrower may never return its item. */
export class LeakWatch {
  private readonly out = new LinkedList<Loan>()
  private readonly overdue = new LinkedList<Loan>()
  private readonly threshold: number

  constructor(threshold: number) {
    this.threshold = threshold
  }

  /** Returns when the lease becomes overdue. */
  track(loan: Loan, now: number): number {
    loan.since = now
    this.out.push(loan)
    return now + this.threshold
  }

  untrack(loan: Loan): void {
    this.out.remove(loan)
    this.overdue.remove(loan)
  }

  get nextDue(): number {
    return this.out.first === undefined ? Infinity : this.out.first.since + this.threshold
  }

  /** Returns an overdue lease, each of them once. */
  report(now: number): Loan | undefined {
    if (this.nextDue > now) return undefined
    const loan = this.out.first!
    this.out.remove(loan)
    this.overdue.push(loan)
    loan.reported = true
    return loan
  }

  /** The leases that are out, the overdue ones first. */
  *[Symbol.iterator](): Iterator<Loan> {
    for (const list of [this.overdue, this.out]) {
      for (let loan = list.first; loan !== undefined; loan = loan.next) yield loan
    }
  }
}
