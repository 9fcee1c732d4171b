import type { Time } from "../clock.js"
import { LinkedList } from "../linkedList.js"
import { Check, type CheckPurpose, type Item } from "./item.js"

/** Milliseconds a borrower relies on a check before the pool offers another item; at most half of `checkTimeout`. */
const slowCheck = 250

/** The checks under way. */
export class Checks<A> {
  /** Of all pools that check nothing. */
  static readonly none = new Checks<any>(Infinity)

  // ordered by deadline: all have the same time limit
  private readonly prompt = new LinkedList<Check<A>>()
  private readonly slow = new LinkedList<Check<A>>()
  /** Checks that no borrower waits for. */
  readonly background = new Set<Check<A>>()
  /** Background checks that keep an idle item from borrowers, and how many of them are slow. */
  backgroundIdle = 0
  slowIdle = 0
  /** Checks that no borrower waits for, without the slow ones. */
  backgroundPrompt = 0
  /** Checks that a borrower waits for, without the slow ones. */
  awaitedPrompt = 0
  /** Idle items to check, because the check of another item failed. */
  private doubtful: Array<Item<A>> = []
  private readonly timeout: number
  private readonly slowAfter: number

  constructor(timeout: number) {
    this.timeout = timeout
    this.slowAfter = Math.min(slowCheck, timeout / 2)
  }

  /** Checks that a borrower waits for. */
  get awaited(): number {
    return this.prompt.length + this.slow.length - this.background.size
  }

  get nextDue(): number {
    const { first } = this.prompt
    const prompt = first === undefined ? Infinity : this.awaitedPrompt > 0 ? first.slowAt : first.deadline
    return this.slow.first === undefined ? prompt : Math.min(prompt, this.slow.first.deadline)
  }

  begin(item: Item<A>, hook: Check<A>["hook"], purpose: CheckPurpose, ticket: number, now: Time): Check<A> {
    const check = new Check(item, hook, purpose, ticket, now, this.slowAfter, this.timeout)
    item.check = check
    this.prompt.push(check)
    if (purpose === "borrower") {
      this.awaitedPrompt++
    } else {
      this.background.add(check)
      this.backgroundPrompt++
      if (item.state === "Checking") this.backgroundIdle++
    }
    return check
  }

  /** A borrower now waits for this background check. */
  promote(check: Check<A>): void {
    this.leaveBackground(check)
    check.purpose = "borrower"
    if (check.list === this.prompt) this.awaitedPrompt++
  }

  end(check: Check<A>): void {
    if (check.purpose === "background") this.leaveBackground(check)
    else if (check.list === this.prompt) this.awaitedPrompt--
    this.prompt.remove(check)
    this.slow.remove(check)
    check.item.check = undefined
  }

  /** Marks checks that take too long as slow: borrowers no longer rely on them. */
  markSlow(now: Time): void {
    for (let check = this.prompt.first; check !== undefined; check = this.prompt.first) {
      if (check.slowAt > now.monotonic) return
      if (check.purpose === "borrower") this.awaitedPrompt--
      else {
        this.backgroundPrompt--
        if (check.item.state === "Checking") this.slowIdle++
      }
      this.prompt.remove(check)
      this.slow.push(check)
    }
  }

  /** When the next check is slow. */
  get nextSlow(): number {
    return this.prompt.first?.slowAt ?? Infinity
  }

  /** A check that has reached its time limit. */
  overdue(now: Time): Check<A> | undefined {
    const { first } = this.slow
    return first !== undefined && first.deadline <= now.monotonic ? first : undefined
  }

  get hasDoubts(): boolean {
    return this.doubtful.length > 0
  }

  doubt(item: Item<A>): void {
    this.doubtful.push(item)
  }

  /** The next item to check. */
  nextDoubtful(): Item<A> | undefined {
    return this.doubtful.pop()
  }

  forgetDoubts(): void {
    this.doubtful = []
  }

  private leaveBackground(check: Check<A>): void {
    this.background.delete(check)
    const isSlow = check.list === this.slow
    if (!isSlow) this.backgroundPrompt--
    if (check.item.state === "Checking") {
      this.backgroundIdle--
      if (isSlow) this.slowIdle--
    }
  }
}
