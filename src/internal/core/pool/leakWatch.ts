import { LinkedList } from "../linkedList.js"
import type { Loan } from "./item.js"

/** The leases that are watched, since they may never come back. */
export class LeakWatch {
  private readonly out = new LinkedList<Loan>()
  private readonly overdue = new LinkedList<Loan>()
  private readonly threshold: number

  constructor(threshold: number) {
    this.threshold = threshold
  }

  /** Returns when the lease will have been out for too long. */
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

  /** A lease that has been out for too long, each of them once. */
  report(now: number): Loan | undefined {
    if (this.nextDue > now) return undefined
    const loan = this.out.first!
    this.out.remove(loan)
    this.overdue.push(loan)
    loan.reported = true
    return loan
  }

  /** Those that are out, the overdue ones first. */
  *[Symbol.iterator](): Iterator<Loan> {
    for (const list of [this.overdue, this.out]) {
      for (let loan = list.first; loan !== undefined; loan = loan.next) yield loan
    }
  }
}
