import { LinkedList } from "../linkedList.js"
import type { Item, Time } from "./item.js"
import type { Policy } from "./policy.js"

/** What is known while creations fail. All times are of the monotonic clock. */
interface Trouble {
  /** The backoff that was counted from, before its jitter. */
  delay: number
  retryAt: number
  /** How many attempts had begun when the last one failed, and when that was. */
  attempts: number
  failedAt: number
  /** When the first of the attempts began that have failed in a row. */
  since: number
}

/** The creations under way, and what holds the next one back: a backoff after failures, a pause after early deaths. */
export class Creations<A> {
  // in the order of their deadlines, since all have the same time limit
  private readonly underWay = new LinkedList<Item<A>>()
  /** How many of them are outdated. */
  private outdated = 0
  private attempts = 0
  private trouble: Trouble | undefined = undefined
  /** When the next attempt may come that a borrower or a size waits for. */
  private attemptAt = Infinity
  /** Whether an attempt waited for the backoff or the pause to pass when the supply was last looked at. */
  private retryIsWanted = false
  /** Items in a row that died young and unused; a pause after them prevents a storm. */
  private earlyDeaths = 0
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

  get nextDue(): number {
    return Math.min(this.attemptAt, this.underWay.first === undefined ? Infinity : this.underWay.first.deadline)
  }

  /** The creation that has met its time limit. */
  overdue(now: Time): Item<A> | undefined {
    const { first } = this.underWay
    return first !== undefined && first.deadline <= now.monotonic ? first : undefined
  }

  begin(item: Item<A>, now: Time): void {
    const { trouble } = this
    // no item was wanted for so long that these failures are of another time
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

  /** Whether the next attempt may begin now. If not, it is noted that one is waited for. */
  mayBegin(now: Time): boolean {
    const { trouble } = this
    // one attempt at a time while they fail
    if (trouble !== undefined && this.underWay.length > 0) return false
    const at = Math.max(trouble === undefined ? 0 : trouble.retryAt, this.pausedUntil)
    if (now.monotonic >= at) return true
    this.attemptAt = at
    return false
  }

  /** What is waited for is asked for anew, by `mayBegin`, until `endSupply`. */
  beginSupply(): void {
    this.attemptAt = Infinity
  }

  endSupply(): void {
    this.retryIsWanted = this.attemptAt !== Infinity
  }

  /** Whether this ends a time of failures. */
  succeeded(item: Item<A>): boolean {
    // an attempt that began before the last failure says nothing of the next ones
    if (this.trouble === undefined || item.attempt <= this.trouble.attempts) return false
    this.trouble = undefined
    return true
  }

  /** The delay until the next attempt, where this failure sets it. */
  failed(item: Item<A>, now: Time, chance: number): number | undefined {
    const { factor, initial, jitter, max } = this.policy.backoff
    const { monotonic } = now
    const last = this.trouble
    let delay: number | undefined = undefined
    // attempts that were under way together count as one
    if (last === undefined || monotonic >= last.retryAt) {
      const base = Math.min(max, last === undefined ? initial : last.delay * factor)
      delay = Math.max(1, base * (1 + jitter * (2 * chance - 1)))
      this.trouble = { delay: base, retryAt: monotonic + delay, attempts: 0, failedAt: 0, since: Infinity }
    }
    const trouble = this.trouble!
    trouble.attempts = this.attempts
    trouble.failedAt = monotonic
    trouble.since = Math.min(last === undefined ? Infinity : last.since, item.startedAt)
    return delay
  }

  /** For how long attempts have failed. */
  failingFor(now: Time): number {
    return this.trouble === undefined ? 0 : now.monotonic - this.trouble.since
  }

  /** An item was of use. */
  served(): void {
    this.earlyDeaths = 0
  }

  /** The pause that follows, where this is the first early death in a row. */
  died(item: Item<A>, now: Time): number | undefined {
    const { factor, initial, max } = this.policy.backoff
    if (item.trust !== "Untried" || now.wall - item.createdAt >= max || now.monotonic < this.pausedUntil) {
      return undefined
    }
    // the power of a long row is infinite, and nothing times that is no number
    const pause = Math.max(1, initial === 0 ? 0 : Math.min(max, initial * factor ** this.earlyDeaths))
    this.pausedUntil = now.monotonic + pause
    return this.earlyDeaths++ === 0 ? pause : undefined
  }

  /** The pool is renewed: what failed until now is of another time. */
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
