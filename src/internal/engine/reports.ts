/** Reports the state of the pool, to logs and to listeners of events. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type { LeakRecord, Refusal } from "../core/pool/item.js"
import type { PoolEvents } from "./events.js"
import type { LeaseRecord } from "./leases.js"
import type { PoolParts } from "./parts.js"
import type { Refusals } from "./refusals.js"

/** An outage: the failure, the start, and how many creations had failed before. */
interface Outage {
  readonly cause: Cause.Cause<unknown>
  readonly since: number
  readonly failuresBefore: number
  /** Whether a warning told of it. The pool below warns of an outage of its own. */
  readonly isTold: boolean
}

export class Reports<A, E, V> {
  private readonly parts: PoolParts<A, E, V>
  private readonly refusals: Refusals<A, E, V>
  private readonly events: PoolEvents
  private outage: Outage | undefined = undefined

  constructor(parts: PoolParts<A, E, V>, refusals: Refusals<A, E, V>, events: PoolEvents) {
    this.parts = parts
    this.refusals = refusals
    this.events = events
  }

  /** The failure of the last creation of this pool, during an outage. */
  get ownFailure(): Cause.Cause<unknown> | undefined {
    return this.outage?.cause
  }

  /** The failure of the last creation, in this pool or the pool below, during an outage. */
  get lastFailure(): Cause.Cause<unknown> | undefined {
    return this.ownFailure ?? this.parts.adapter.below?.lastFailure
  }

  backoff(refusal: Refusal<Cause.Cause<E>>, delay: number): void {
    const { adapter, log, machine } = this.parts
    const cause = this.refusals.causeOf(refusal)
    const failure = refusal._tag === "CreateTimeout" ? this.refusals.tookTooLong : Cause.squash(cause)
    const below = adapter.below?.lastFailure === undefined ? undefined : adapter.below.name
    const { failuresBefore, isTold, since } = this.outage ??
      { since: this.now, failuresBefore: machine.counters.failures - 1, isTold: false }
    if (!isTold && (this.outage === undefined || below === undefined)) log.backoff(failure, delay, below)
    this.outage = { cause, since, failuresBefore, isTold: isTold || below === undefined }
    this.events.announce({ _tag: "Backoff", delay: Duration.millis(delay), cause })
  }

  recovered(): void {
    const { log, machine } = this.parts
    if (this.outage !== undefined) {
      const { failuresBefore, isTold, since } = this.outage
      log.recovered(Math.round(this.now - since), machine.counters.failures - failuresBefore, isTold)
    }
    this.outage = undefined
    this.events.announce({ _tag: "Recovered" })
  }

  exhausted(waited: number): void {
    const { creating, inUse, live, sizes: { maxSize }, waiters: { length: waiters } } = this.parts.machine
    this.events.announce({ _tag: "Exhausted", waited: Duration.millis(waited), waiters })
    const { cause, detail } = this.refusals.wait()
    // the last of several items that are missing is no reason yet
    const why = cause === undefined && inUse > 0 && creating > 0 ? undefined : detail
    this.parts.log.exhausted(waited, { inUse, size: live, maxSize, waiters }, creating, why)
  }

  overdue(record: LeakRecord): void {
    this.parts.log.leak(Math.round(this.now - record.since), (record as LeaseRecord).borrower)
  }

  drainsSlowly(waited: number): void {
    const { log, machine } = this.parts
    const borrowers = Array.from(machine.out(), (record) => (record as LeaseRecord).borrower)
    log.drainsSlowly(waited, machine.leases, machine.waiters.length, borrowers)
  }

  private get now(): number {
    return this.parts.time.read().monotonic
  }
}
