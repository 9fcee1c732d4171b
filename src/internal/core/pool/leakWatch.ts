import { LinkedList } from "../linkedList.js"
import type { LeakRecord } from "./item.js"

/** The watched leases: a borrower may never return its item. */
export class LeakWatch {
  private readonly out = new LinkedList<LeakRecord>()
  private readonly overdue = new LinkedList<LeakRecord>()
  private readonly threshold: number

  constructor(threshold: number) {
    this.threshold = threshold
  }

  /** Returns when the lease becomes overdue. */
  track(record: LeakRecord, now: number): number {
    record.since = now
    this.out.push(record)
    return now + this.threshold
  }

  untrack(record: LeakRecord): void {
    this.out.remove(record)
    this.overdue.remove(record)
  }

  get nextDue(): number {
    return this.out.first === undefined ? Infinity : this.out.first.since + this.threshold
  }

  /** Returns an overdue lease, each of them once. */
  report(now: number): LeakRecord | undefined {
    if (this.nextDue > now) return undefined
    const record = this.out.first!
    this.out.remove(record)
    this.overdue.push(record)
    record.reported = true
    return record
  }

  /** The leases that are out, the overdue ones first. */
  *[Symbol.iterator](): Iterator<LeakRecord> {
    for (const list of [this.overdue, this.out]) {
      for (let record = list.first; record !== undefined; record = record.next) yield record
    }
  }
}
