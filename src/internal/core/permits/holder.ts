/**
 * What one process does with its permits of a fleet: which it asks for, holds and gives up, when it renews its lease, and
 * when its lease no longer counts. Plain and synchronous: times are arguments, and the shell sends the one command that
 * tells the store the whole state of the process. So a command that is lost, or comes twice, does no harm.
 */
import type { Time } from "../clock.js"
import { Outbox } from "../outbox.js"

/** Times are milliseconds. */
export interface HolderPolicy {
  /** How long a lease lasts that is not renewed. */
  readonly timeToLive: number
  /** How long the item of a permit may take to close. */
  readonly closeTimeout: number
}

/**
 * - `Waiting`: the store has, or will have, its place in the queue
 * - `Held`: an item may have it
 * - `Lost`: its item takes no new borrower
 * - `Expired`: its item is being closed
 * - `Gone`
 */
export type FleetPermitState = "Waiting" | "Held" | "Lost" | "Expired" | "Gone"

/** A permit, from the moment it is asked for. */
export class HeldPermit {
  readonly id: number
  state: FleetPermitState = "Waiting"

  constructor(id: number) {
    this.id = id
  }
}

/** The whole state of the process, for the store. */
export interface Report {
  readonly held: number
  readonly asks: ReadonlyArray<number>
}

/** What the store answers. */
export interface Answer {
  /** The asks that have their permits now. */
  readonly granted: ReadonlyArray<number>
  /** Asks of other processes that wait. */
  readonly wanted: number
  /** How many permits this process may keep while others wait. */
  readonly share: number
  /** When to ask again, if asks wait: permits are reserved, or none are granted for now. `Infinity`: when told. */
  readonly again: number
}

export type HolderCommand<F> =
  | { readonly _tag: "Send"; readonly report: Report }
  | { readonly _tag: "Granted" | "Lost" | "Expired"; readonly permit: HeldPermit }
  /** The store does not answer: the ask fails. */
  | { readonly _tag: "Failed"; readonly permit: HeldPermit; readonly failure: F }
  | { readonly _tag: "Wanted"; readonly count: number }
  /** Call `tick` then, by the monotonic clock. A later command replaces an earlier one. */
  | { readonly _tag: "WakeAt"; readonly at: number }

/** The larger of both clocks: one stands still in a suspended machine, the other can be put back. */
const since = (then: Time, now: Time): number => Math.max(now.monotonic - then.monotonic, now.wall - then.wall)

export class PermitHolder<F> {
  /** Members in the order of their asks. */
  private readonly permits = new Set<HeldPermit>()
  private readonly policy: HolderPolicy
  private readonly outbox: Outbox<HolderCommand<F>>
  private ids = 0
  /** Before the command was sent that the store answered last: the lease counts from here. */
  private renewedAt: Time
  /** When the command under way was sent. */
  private sentAt: Time | undefined = undefined
  /** Whether the store does not know the state of now. */
  private isDirty = false
  /** The store is not to be asked before this, by the monotonic clock; or `Infinity`. */
  private againAt = Infinity
  private wanted = 0
  private share = Infinity
  private armedAt = Infinity

  constructor(policy: HolderPolicy, perform: (command: HolderCommand<F>) => void, now: Time) {
    this.policy = policy
    this.renewedAt = now
    this.outbox = new Outbox(perform)
  }

  get held(): number {
    let count = 0
    for (const { state } of this.permits) if (state !== "Waiting") count++
    return count
  }

  get waiting(): number {
    return this.permits.size - this.held
  }

  /** `prepare`: called before the command that asks. */
  ask(now: Time, prepare: (permit: HeldPermit) => void): HeldPermit {
    const permit = new HeldPermit(++this.ids)
    prepare(permit)
    this.permits.add(permit)
    this.isDirty = true
    this.settle(now)
    return permit
  }

  /** The ask is withdrawn, or the permit's item is closed. */
  giveBack(permit: HeldPermit, now: Time): void {
    if (!this.permits.delete(permit)) return
    permit.state = "Gone"
    this.isDirty = true
    this.settle(now)
  }

  answered(answer: Answer, now: Time): void {
    if (this.sentAt === undefined) return
    const sentAt = this.sentAt
    this.sentAt = undefined
    this.renewedAt = sentAt
    this.wanted = answer.wanted
    this.share = answer.share
    this.againAt = now.monotonic + answer.again
    const granted = new Set(answer.granted)
    for (const permit of this.permits) {
      if (permit.state === "Waiting" && granted.delete(permit.id)) {
        permit.state = "Held"
        this.outbox.push({ _tag: "Granted", permit })
      }
    }
    // the store counts permits of asks that were withdrawn meanwhile
    if (granted.size > 0) this.isDirty = true
    this.outbox.push({ _tag: "Wanted", count: this.wanted })
    this.yieldShare()
    this.expire(now)
    this.settle(now)
  }

  /** The command failed, or the store did not answer. Asks fail: the pool asks again, after its backoff. */
  failed(failure: F, now: Time): void {
    if (this.sentAt === undefined) return
    this.sentAt = undefined
    this.isDirty = true
    this.againAt = now.monotonic + this.policy.timeToLive / 9
    for (const permit of this.permits) {
      if (permit.state !== "Waiting") continue
      this.permits.delete(permit)
      permit.state = "Gone"
      this.outbox.push({ _tag: "Failed", permit, failure })
    }
    this.settle(now, "later")
  }

  /** The store has something to tell: a permit is reserved for this process, or others want one. */
  told(now: Time): void {
    if (this.permits.size === 0) return
    this.isDirty = true
    this.settle(now)
  }

  tick(now: Time): void {
    this.armedAt = Infinity
    this.expire(now)
    this.settle(now)
  }

  /** Above its share, while others wait: one permit goes with the next return of its item. */
  private yieldShare(): void {
    if (this.wanted === 0) return
    let kept = 0
    let newest: HeldPermit | undefined = undefined
    for (const permit of this.permits) {
      if (permit.state === "Held") {
        kept++
        newest = permit
      } else if (permit.state === "Lost") return
    }
    if (kept > this.share && newest !== undefined) this.lose(newest)
  }

  private lose(permit: HeldPermit): void {
    permit.state = "Lost"
    this.outbox.push({ _tag: "Lost", permit })
  }

  /** Gives up what the lease no longer covers, before the store may grant it to another process. */
  private expire(now: Time): void {
    const { closeTimeout, timeToLive } = this.policy
    const age = since(this.renewedAt, now)
    for (const permit of this.permits) {
      if (permit.state === "Waiting" || permit.state === "Expired") continue
      if (age >= timeToLive - closeTimeout) {
        permit.state = "Expired"
        this.outbox.push({ _tag: "Expired", permit })
      } else if (age >= timeToLive * 2 / 3 && permit.state === "Held") this.lose(permit)
    }
  }

  private settle(now: Time, when: "now" | "later" = "now"): void {
    const { timeToLive } = this.policy
    const isDue = now.monotonic >= this.againAt || since(this.renewedAt, now) >= timeToLive / 3
    if (this.sentAt === undefined && when === "now" && (this.isDirty || (isDue && this.permits.size > 0))) this.send(now)
    this.arm(now)
    this.outbox.flush()
  }

  private send(now: Time): void {
    this.sentAt = now
    this.isDirty = false
    this.againAt = Infinity
    const asks = [...this.permits].flatMap(({ id, state }) => state === "Waiting" ? [id] : [])
    this.outbox.push({ _tag: "Send", report: { held: this.permits.size - asks.length, asks } })
  }

  private arm(now: Time): void {
    const at = this.permits.size === 0 && !this.isDirty ? Infinity : this.nextDue(now)
    if (at === this.armedAt) return
    this.armedAt = at
    this.outbox.push({ _tag: "WakeAt", at })
  }

  private nextDue(now: Time): number {
    const { closeTimeout, timeToLive } = this.policy
    const age = since(this.renewedAt, now)
    let due = Infinity
    if (this.sentAt === undefined) due = Math.min(this.againAt, this.isDirty ? Infinity : now.monotonic + timeToLive / 3 - age)
    for (const { state } of this.permits) {
      if (state === "Held") due = Math.min(due, now.monotonic + timeToLive * 2 / 3 - age)
      if (state === "Held" || state === "Lost") due = Math.min(due, now.monotonic + timeToLive - closeTimeout - age)
    }
    return due
  }
}
