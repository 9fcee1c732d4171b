/**
 * What one process does with its permits of a fleet: which it asks for, holds and gives up, when it renews its lease, and
 * when its lease no longer counts. It tells the store its whole state, in one command: so a command that is lost, or is
 * carried out twice, does no harm.
 */
import type { Time } from "../clock.js"
import { Outbox } from "../outbox.js"
import type { PermitPurpose, Standing } from "../pool/item.js"
import type { Answer, Report } from "./exchange.js"

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
export class FleetPermit {
  readonly id: number
  readonly purpose: PermitPurpose
  readonly askedAt: number
  state: FleetPermitState = "Waiting"
  /** When the lease was last found to be valid, by what the wall clock showed. */
  validAt: number | undefined = undefined

  constructor(id: number, purpose: PermitPurpose, askedAt: number) {
    this.id = id
    this.purpose = purpose
    this.askedAt = askedAt
  }
}

/**
 * - `Send`: exactly one call of `answered` or `failed` has to follow
 * - `Granted`, `Lost`, `Expired`: what became of a permit
 * - `Failed`: the store does not answer; the ask is over
 * - `Wanted`: other processes still want so many permits; after 0, told again only when they want one. A permit that goes back
 *   counts as one of them, until the store answers
 * - `WakeAt`: call `tick` then, by the monotonic clock. A later command replaces an earlier one
 */
export type HolderCommand<F> =
  | { readonly _tag: "Send"; readonly report: Report }
  | { readonly _tag: "Granted" | "Lost" | "Expired"; readonly permit: FleetPermit }
  | { readonly _tag: "Failed"; readonly permit: FleetPermit; readonly failure: F }
  | { readonly _tag: "Wanted"; readonly count: number }
  | { readonly _tag: "WakeAt"; readonly at: number }

/** Others want permits: the processes ask the store within this time, one after the other, until it has enough. */
const spread = 1_000

/**
 * While the limit is reached, the store hears of an ask after this time, if the process has items: one may come back to its
 * borrower sooner.
 */
const moment = 50

/** So long after an ask was of no use the limit counts as reached. Then an ask goes at once again, and shows whether it is. */
const crowding = 1_000

export class PermitHolder<F> {
  /** In the order of their asks. */
  private readonly permits = new Set<FleetPermit>()
  private readonly policy: HolderPolicy
  private readonly outbox: Outbox<HolderCommand<F>>
  private ids = 0
  /** When the command was sent that the store answered last: the lease counts from here. */
  private renewedAt: Time
  /** When the command under way was sent. */
  private sentAt: Time | undefined = undefined
  /** The last ask that it told, and the last one that an answered command told. */
  private sentId = 0
  private answeredId = 0
  /** How many asks of borrowers it told. */
  private sentAsks = 0
  /** Permits that came back since the command was sent. */
  private returned = 0
  /** Until then the limit is probably reached, and an ask would only take a place in the queue. */
  private crowdedUntil = -Infinity
  /** Whether the store does not know the present state, other than asks that it has not heard of yet. */
  private isDirty = false
  /** When to send the next command, if not to renew the lease or to tell of an ask. */
  private dueAt = Infinity
  private isFailing = false
  private isEnded = false
  private wanted = 0
  /** Since when others have wanted permits. */
  private wantedSince = Infinity
  private share = Infinity
  private yields = 0
  /** When the holder last gave permits up for its share. */
  private yieldedAt = -Infinity
  private armedAt = Infinity

  constructor(policy: HolderPolicy, perform: (command: HolderCommand<F>) => void, now: Time) {
    this.policy = policy
    this.renewedAt = momentOf(now)
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

  /** The asks of borrowers that the store knows and did not grant: the limit is reached. */
  get unmet(): ReadonlyArray<FleetPermit> {
    return [...this.permits].filter(({ id, purpose, state }) =>
      state === "Waiting" && purpose !== "spare" && id <= this.answeredId
    )
  }

  /** Call it before `end`. `prepare` is called before the command that asks. */
  ask(purpose: PermitPurpose, now: Time, prepare: (permit: FleetPermit) => void): FleetPermit {
    const permit = new FleetPermit(++this.ids, purpose, now.monotonic)
    prepare(permit)
    this.permits.add(permit)
    this.settle(now)
    return permit
  }

  /** The ask is withdrawn, or the permit's item is closed. Idempotent. */
  giveBack(permit: FleetPermit, now: Time): void {
    if (!this.permits.delete(permit)) return
    const isKnown = permit.state !== "Waiting" || permit.id <= this.sentId
    if (permit.state !== "Waiting") {
      this.returned++
      this.crowdedUntil = -Infinity
      this.want(Math.max(0, this.wanted - 1))
    } else if (isKnown && permit.purpose !== "spare") this.crowdedUntil = now.monotonic + crowding
    permit.state = "Gone"
    if (isKnown) {
      this.isDirty = true
      this.dueAt = now.monotonic
    }
    this.settle(now)
  }

  /**
   * Whether the item of a permit may be lent, by the time of now: timers may be late. `instant` is what the wall clock of
   * the permit's pool shows now, steps back included. While it shows the same millisecond, no clock is read: a process that
   * stood still sees another one, unless its clock was put back by just as long. Then it sees another one in a millisecond.
   */
  standing(permit: FleetPermit, now: Time, instant = now.instant): Standing {
    const { state } = permit
    if (state === "Expired" || state === "Gone") return "Expired"
    if (state === "Held" && instant !== undefined && instant === permit.validAt) return "Valid"
    const lease = this.leaseAt(now)
    permit.validAt = lease === "Valid" ? instant : undefined
    return state === "Lost" && lease === "Valid" ? "Lost" : lease
  }

  answered(answer: Answer, now: Time): void {
    if (this.sentAt === undefined || this.isEnded) return
    this.renewedAt = this.sentAt
    this.sentAt = undefined
    this.answeredId = this.sentId
    this.isFailing = false
    if (this.sentAsks > 0 && answer.granted.length >= this.sentAsks) this.crowdedUntil = -Infinity
    this.share = answer.share
    this.yields = Math.max(0, answer.yields - this.returned)
    this.dueAt = Math.min(this.dueAt, now.monotonic + answer.again)
    const granted = new Set(answer.granted)
    for (const permit of this.permits) {
      if (permit.state !== "Waiting" || !granted.delete(permit.id)) continue
      permit.state = "Held"
      this.outbox.push({ _tag: "Granted", permit })
    }
    // the store counted without what came back meanwhile
    this.want(Math.max(0, answer.wanted - this.returned))
    this.expire(now)
    this.yieldShare(now)
    this.settle(now)
  }

  /** The command failed, or its answer did not come. Asks fail: the pool asks again, after its backoff. */
  failed(failure: F, now: Time): void {
    if (this.sentAt === undefined || this.isEnded) return
    this.sentAt = undefined
    this.isFailing = true
    this.isDirty = true
    this.crowdedUntil = -Infinity
    this.dueAt = now.monotonic + this.policy.timeToLive / 9
    this.failAsks(failure)
    this.expire(now)
    this.settle(now)
  }

  /** The store has a permit for this process, or can be reached again. */
  called(now: Time): void {
    if (this.permits.size === 0 && !this.isDirty) return
    this.dueAt = now.monotonic
    this.settle(now)
  }

  /** Other processes want permits. `chance`: a random number in [0, 1). */
  othersWait(now: Time, chance: number): void {
    if (this.held === 0) return
    this.dueAt = Math.min(this.dueAt, now.monotonic + chance * spread)
    this.settle(now)
  }

  tick(now: Time): void {
    this.armedAt = Infinity
    this.expire(now)
    this.settle(now)
  }

  /** Nothing renews the lease any more: asks fail, and all items have to close. */
  end(failure: F, now: Time): void {
    if (this.isEnded) return
    const isKnown = this.permits.size > 0 || this.isDirty
    this.failAsks(failure)
    for (const permit of this.permits) this.close(permit)
    if (isKnown) this.send(now)
    this.isEnded = true
    this.settle(now)
  }

  // --- private

  private failAsks(failure: F): void {
    for (const permit of this.permits) {
      if (permit.state !== "Waiting") continue
      this.permits.delete(permit)
      permit.state = "Gone"
      this.outbox.push({ _tag: "Failed", permit, failure })
    }
  }

  private want(count: number): void {
    if (count === 0 && this.wanted === 0) return
    this.wanted = count
    this.outbox.push({ _tag: "Wanted", count })
  }

  /**
   * Above its share, while others wait, the process gives up what they need, also of items that are lent: each goes back
   * when its borrowers return it. It gives back first what is idle.
   */
  private yieldShare(now: Time): void {
    if (this.wanted === 0) this.wantedSince = Infinity
    else this.wantedSince = Math.min(this.wantedSince, now.monotonic)
    const kept: Array<FleetPermit> = []
    let leaving = 0
    for (const permit of this.permits) {
      if (permit.state === "Held") kept.push(permit)
      else if (permit.state !== "Waiting") leaving++
    }
    if (this.wanted === 0 || kept.length + leaving === 0) return
    // the demand soon changes
    this.dueAt = Math.min(this.dueAt, now.monotonic + spread)
    if (kept.length <= this.share) return
    if (now.monotonic - this.wantedSince < spread) return
    let count = this.yields - leaving
    if (count <= 0) {
      // the borrowers of those that are leaving may keep them for long
      if (now.monotonic - this.yieldedAt < this.policy.timeToLive / 3) return
      count = 1
    }
    this.yieldedAt = now.monotonic
    // the newest first
    for (const permit of kept.reverse().slice(0, Math.min(count, kept.length - this.share))) this.lose(permit)
  }

  private lose(permit: FleetPermit): void {
    permit.state = "Lost"
    this.outbox.push({ _tag: "Lost", permit })
  }

  private close(permit: FleetPermit): void {
    if (permit.state === "Waiting" || permit.state === "Expired") return
    permit.state = "Expired"
    this.outbox.push({ _tag: "Expired", permit })
  }

  /** What the lease still covers: at its end the store may grant the permit to another process. */
  private leaseAt(now: Time): Standing {
    const { closeTimeout, timeToLive } = this.policy
    const age = this.ageAt(now)
    return age >= timeToLive - closeTimeout ? "Expired" : age >= timeToLive * 2 / 3 ? "Lost" : "Valid"
  }

  /** The larger of both clocks: one stands still in a suspended machine, the other can be put back. */
  private ageAt(now: Time): number {
    const { monotonic, wall } = this.renewedAt
    return Math.max(now.monotonic - monotonic, now.wall - wall)
  }

  private expire(now: Time): void {
    const lease = this.leaseAt(now)
    if (lease === "Valid") return
    for (const permit of this.permits) {
      if (lease === "Expired") this.close(permit)
      else if (permit.state === "Held") this.lose(permit)
    }
    // the store knows nothing of the process any more
    if (this.permits.size === 0 && this.ageAt(now) >= this.policy.timeToLive) this.isDirty = false
  }

  private settle(now: Time): void {
    if (this.sentAt === undefined && !this.isEnded && this.isDue(now)) this.send(now)
    this.arm(now)
    this.outbox.flush()
  }

  private isDue(now: Time): boolean {
    if (this.permits.size === 0 && !this.isDirty) return false
    return now.monotonic >= this.changeAt || (!this.isFailing && this.ageAt(now) >= this.policy.timeToLive / 3)
  }

  /** When to send the next command, if not to renew the lease. */
  private get changeAt(): number {
    return Math.min(this.dueAt, this.tellsAt())
  }

  /** When to tell the store of an ask that it has not heard of. */
  private tellsAt(): number {
    for (const permit of this.permits) if (this.isUntold(permit)) return this.tellAt(permit)
    return Infinity
  }

  private isUntold({ id, state }: FleetPermit): boolean {
    return state === "Waiting" && id > this.sentId
  }

  /** Until then an item of the process may come back to the borrower of the ask, and its place in the queue be of no use. */
  private tellAt({ askedAt }: FleetPermit): number {
    for (const { state } of this.permits) {
      if (state === "Held") return Math.min(askedAt + moment, Math.max(askedAt, this.crowdedUntil))
    }
    return askedAt
  }

  private send(now: Time): void {
    this.sentAt = momentOf(now)
    this.returned = 0
    this.isDirty = false
    this.dueAt = Infinity
    const report = { held: 0, asks: [] as Array<number>, spare: [] as Array<number> }
    for (const permit of this.permits) {
      const { id, purpose, state } = permit
      if (this.isUntold(permit)) {
        if (this.tellAt(permit) > now.monotonic) continue
        this.sentId = id
      }
      if (state !== "Waiting") report.held++
      else if (purpose === "spare") report.spare.push(id)
      else report.asks.push(id)
    }
    this.sentAsks = report.asks.length
    this.outbox.push({ _tag: "Send", report })
  }

  private arm(now: Time): void {
    const at = this.nextDue(now)
    // waking too early does no harm
    if (at < this.armedAt || (at === Infinity && this.armedAt !== Infinity)) {
      this.armedAt = at
      this.outbox.push({ _tag: "WakeAt", at })
    }
  }

  private nextDue(now: Time): number {
    if (this.isEnded) return Infinity
    const { closeTimeout, timeToLive } = this.policy
    const leaseBegan = now.monotonic - this.ageAt(now)
    let due = Infinity
    if (this.sentAt === undefined && (this.permits.size > 0 || this.isDirty)) {
      due = this.isFailing ? this.changeAt : Math.min(this.changeAt, leaseBegan + timeToLive / 3)
    }
    for (const { state } of this.permits) {
      if (state === "Held") due = Math.min(due, leaseBegan + timeToLive * 2 / 3)
      else if (state === "Lost") due = Math.min(due, leaseBegan + timeToLive - closeTimeout)
    }
    return due
  }
}

const momentOf = ({ monotonic, wall }: Time): Time => ({ monotonic, wall })
