import { LinkedList } from "../linkedList.js"
import { Check, type CheckPurpose, type Item, type Time } from "./item.js"

/** How long a check may keep a borrower from another item. Half of `checkTimeout`, where that is less. */
const slowCheck = 250

/** The checks under way. */
export class Checks<A> {
  // in the order of their deadlines, since all have the same time limit
  private readonly prompt = new LinkedList<Check<A>>()
  private readonly slow = new LinkedList<Check<A>>()
  /** Checks that no borrower waits for. */
  readonly background = new Set<Check<A>>()
  /** Those of them that keep an idle item from borrowers. */
  backgroundIdle = 0
  /** Checks that a borrower waits for and that are not slow. */
  awaitedPrompt = 0
  /** Idle items to be checked, since the check of another one failed. */
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

  start(item: Item<A>, hook: Check<A>["hook"], purpose: CheckPurpose, ticket: number, now: Time): Check<A> {
    const check = new Check(item, hook, purpose, ticket, now, this.slowAfter, this.timeout)
    item.check = check
    this.prompt.push(check)
    if (purpose === "borrower") {
      this.awaitedPrompt++
    } else {
      this.background.add(check)
      if (item.state === "Checking") this.backgroundIdle++
    }
    return check
  }

  /** A borrower waits for a background check from now on. */
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

  /** Borrowers rely no longer on the checks that have taken too long by now. */
  slowDown(now: Time): void {
    for (let check = this.prompt.first; check !== undefined; check = this.prompt.first) {
      if (check.slowAt > now.monotonic) return
      if (check.purpose === "borrower") this.awaitedPrompt--
      this.prompt.remove(check)
      this.slow.push(check)
    }
  }

  /** The check that has met its time limit. */
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

  /** The next item that is to be checked. */
  nextDoubtful(): Item<A> | undefined {
    return this.doubtful.pop()
  }

  forgetDoubts(): void {
    this.doubtful = []
  }

  private leaveBackground(check: Check<A>): void {
    this.background.delete(check)
    if (check.item.state === "Checking") this.backgroundIdle--
  }
}
