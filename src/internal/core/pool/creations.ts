import { jittered, nextDelay } from "../backoff.js"
import type { Time } from "../clock.js"
import { LinkedList } from "../linkedList.js"
import type { Item } from "./item.js"
import type { Policy } from "./policy.js"

/** The state of an outage: creations fail. All times are of the monotonic clock. */
interface Trouble {
  /** The last backoff, without jitter. */
  delay: number
  retryAt: number
  /** How many attempts had begun at the last failure, and the time of that failure. */
  attempts: number
  failedAt: number
  /** When the first attempt of the current row of failures began. */
  since: number
}

/** The creations under way, and the delay of the next: a backoff after failures, a pause after early deaths. */
export class Creations<A> {
  // ordered by deadline: all have the same time limit
  private readonly underWay = new LinkedList<Item<A>>()
  /** How many creations are outdated. */
  private outdated = 0
  /** How many attempts may be under way after an outage: one more with each success, until `createConcurrency` is reached. */
  private allowance = Infinity
  private attempts = 0
  private trouble: Trouble | undefined = undefined
  /** The earliest time of the next wanted attempt. */
  private attemptAt = Infinity
  /** Whether the last `beginSupply` … `endSupply` wanted an attempt that had to wait for the backoff or the pause. */
  private retryIsWanted = false
  /** Items that died young and unused, in a row. The pause after them prevents a storm of creations. */
  private earlyDeaths = 0
  /** Permits that ended before they were of use, in a row. */
  private wastes = 0
  private pausedUntil = 0
  private readonly policy: Policy<never>

  constructor(policy: Policy<never>) {
    this.policy = policy
  }

  get length(): number {
    return this.underWay.length
  }

  /** Creations whose items will be lent. */
  get awaited(): number {
    return this.underWay.length - this.outdated
  }

  /** Whether the last attempt failed. */
  get failing(): boolean {
    return this.trouble !== undefined
  }

  /** Whether so many attempts are under way that the next has to wait for one of them. */
  get isFull(): boolean {
    return this.underWay.length >= Math.min(this.policy.createConcurrency, this.allowance)
  }

  get nextDue(): number {
    return Math.min(this.attemptAt, this.underWay.first === undefined ? Infinity : this.underWay.first.deadline)
  }

  /** A creation that has reached its time limit. */
  overdue(now: Time): Item<A> | undefined {
    const { first } = this.underWay
    return first !== undefined && first.deadline <= now.monotonic ? first : undefined
  }

  begin(item: Item<A>, now: Time): void {
    const { trouble } = this
    // nothing was wanted for a long time: the earlier failures no longer count for rideOut
    if (
      trouble !== undefined && !this.retryIsWanted && now.monotonic - trouble.failedAt >= this.policy.backoff.max
    ) trouble.since = Infinity
    item.attempt = ++this.attempts
    item.startedAt = now.monotonic
    item.deadline = now.monotonic + this.policy.createTimeout
    this.underWay.push(item)
  }

  end(item: Item<A>): void {
    this.underWay.remove(item)
    if (item.state === "Outdated") this.outdated--
  }

  outdate(item: Item<A>): void {
    item.state = "Outdated"
    this.outdated++
  }

  /** Whether the next attempt may begin now. If not, the machine wakes when it may. */
  mayBegin(now: Time): boolean {
    const { trouble } = this
    // during an outage: one attempt at a time
    if (trouble !== undefined && this.underWay.length > 0) return false
    const at = Math.max(trouble === undefined ? 0 : trouble.retryAt, this.pausedUntil)
    if (now.monotonic >= at) return true
    this.attemptAt = at
    return false
  }

  /** Forgets the wanted attempt; `mayBegin` notes it again, until `endSupply`. */
  beginSupply(): void {
    this.attemptAt = Infinity
  }

  endSupply(): void {
    this.retryIsWanted = this.attemptAt !== Infinity
  }

  /** Returns whether this success ends an outage. */
  succeeded(item: Item<A>): boolean {
    if (this.trouble === undefined) {
      if (++this.allowance >= this.policy.createConcurrency) this.allowance = Infinity
      return false
    }
    // an attempt that began before the last failure proves nothing about the next
    if (item.attempt <= this.trouble.attempts) return false
    this.trouble = undefined
    // many pools may have waited for the same backend: it gets their attempts as it copes with them
    this.allowance = 2
    return true
  }

  /** `startedAt`: when the attempt began. Returns the delay until the next attempt, if this failure sets it. */
  failed(startedAt: number, now: Time, chance: number): number | undefined {
    const { backoff } = this.policy
    const { monotonic } = now
    const last = this.trouble
    let delay: number | undefined = undefined
    // concurrent attempts count as one
    if (last === undefined || monotonic >= last.retryAt) {
      const base = nextDelay(backoff, last?.delay)
      delay = jittered(base, backoff, chance)
      this.trouble = { delay: base, retryAt: monotonic + delay, attempts: 0, failedAt: 0, since: Infinity }
    }
    const trouble = this.trouble!
    trouble.attempts = this.attempts
    trouble.failedAt = monotonic
    trouble.since = Math.min(last === undefined ? Infinity : last.since, startedAt)
    return delay
  }

  /** How long attempts have failed, in milliseconds. */
  failingFor(now: Time): number {
    return this.trouble === undefined ? 0 : now.monotonic - this.trouble.since
  }

  /** A borrower has used an item. */
  served(): void {
    this.earlyDeaths = 0
    this.wastes = 0
  }

  /** Returns the pause before the next creation, for the first early death in a row only. */
  died(item: Item<A>, now: Time): number | undefined {
    if (!this.isYoung(item, now) || now.monotonic < this.pausedUntil) return undefined
    const pause = this.pause(this.earlyDeaths, now)
    return this.earlyDeaths++ === 0 ? pause : undefined
  }

  /** Whether the item is young, and no borrower has used it. */
  isYoung(item: Item<A>, now: Time): boolean {
    return item.trust === "Untried" && now.wall - item.createdAt < this.policy.backoff.max
  }

  /** A permit ended before it was of use. One may have ended on its way; after the second in a row there is a pause. */
  wasted(now: Time): void {
    if (now.monotonic < this.pausedUntil) return
    if (this.wastes > 0) this.pause(this.wastes - 1, now)
    this.wastes++
  }

  private pause(count: number, now: Time): number {
    const { factor, initial, max } = this.policy.backoff
    // the power of a long row is Infinity, and 0 * Infinity is NaN
    const pause = Math.max(1, initial === 0 ? 0 : Math.min(max, initial * factor ** count))
    this.pausedUntil = now.monotonic + pause
    return pause
  }

  /** The pool is renewed: earlier failures no longer count. */
  forgive(now: Time): void {
    this.pausedUntil = Math.min(this.pausedUntil, now.monotonic)
    if (this.trouble === undefined) return
    this.trouble.retryAt = Math.min(this.trouble.retryAt, now.monotonic)
    this.trouble.since = Infinity
  }

  /** The pool closes. */
  stop(): void {
    this.attemptAt = Infinity
  }
}
