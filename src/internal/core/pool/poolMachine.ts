/**
 * The state machine of a waiting pool: plain and synchronous, without `effect`. Time and chance are arguments,
 * failures are opaque values. The machine puts its commands in an outbox. They run only after the transition is
 * complete, since a command may call back.
 */
import type { Time } from "../clock.js"
import { IndexedHeap } from "../indexedHeap.js"
import { LinkedList } from "../linkedList.js"
import { Outbox } from "../outbox.js"
import { Alarm } from "./alarm.js"
import { Announcements } from "./announcements.js"
import { Available } from "./available.js"
import { Checks } from "./checks.js"
import type { Command, Shell } from "./commands.js"
import { Counters } from "./counters.js"
import { Creations } from "./creations.js"
import {
  type Awaited,
  type Check,
  type CheckPurpose,
  type CheckResult,
  Due,
  type Gate,
  isLive,
  Item,
  type LeakRecord,
  type Permit,
  type Reason,
  type Refusal,
  type Release,
  type Sharing,
  type ShellData,
  type Verdict,
  type Waiter
} from "./item.js"
import { LeakWatch } from "./leakWatch.js"
import { Permits } from "./permits.js"
import { Pings } from "./pings.js"
import { Places } from "./places.js"
import type { MachineOptions, Policy, Sizes } from "./policy.js"
import { ValueIndex } from "./valueIndex.js"
import { WaiterQueue } from "./waiterQueue.js"

export type { MachineOptions } from "./policy.js"

/** What the pool shares with others that are parts of one pool. */
export interface Common<A> {
  readonly gate: Gate
  readonly byValue: ValueIndex<A>
}

export class PoolMachine<A, F, S extends ShellData = any> {
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  readonly policy: Policy<F>
  /** Replaced as a whole by `resize`. */
  sizes: Sizes
  readonly counters = new Counters()
  readonly waiters = new WaiterQueue<A, F, S>()
  /** Every item that is not gone. */
  readonly items = new Set<Item<A, S>>()
  /** Items with a value, until they are closed. */
  live = 0
  /** Live items that are lent. */
  inUse = 0
  /** Leases that are out, of all items together. */
  leases = 0
  /** When a borrower last came and had to wait, or last returned an item, by the wall clock. Only with a gate. */
  usedAt = 0
  /** Live items that take no new borrower. */
  private leaving = 0
  /** Set once the pool can create no item any more: what borrowers fail with. */
  private broken: Refusal<F> | undefined = undefined
  private newestConcurrency: number
  private proofs = 0

  private readonly available: Available<A>
  private readonly places = new Places()
  private readonly byValue: ValueIndex<A>
  private readonly gate: Gate | undefined
  private readonly permits: Permits | undefined
  private readonly creations: Creations<A>
  private readonly checks: Checks<A>
  private readonly pings: Pings<A>
  // what few pools need is made if they need it
  private leaks: LeakWatch | undefined = undefined
  private readonly lifetimes: IndexedHeap<Due<A>> | undefined
  // ordered by deadline: all members of a list have the same time limit
  private readonly closings = new LinkedList<Item<A, S>>()
  private readonly overlapping: LinkedList<Item<A, S>> | undefined
  private releases: LinkedList<Release<A, S>> | undefined = undefined
  /** Items that were retired while idle; each closes when its replacement is live or not needed. */
  private readonly renewed = new LinkedList<Item<A, S>>()

  private readonly outbox: Outbox<Command<A, F, S>>
  private readonly alarm: Alarm
  private readonly announcements: Announcements<F>
  /** A change that `settle` has to look at, though the outbox may be empty. */
  private unsettled = false
  /** Whether each transition ends with a `Changed` command. */
  private isObserved = false
  private closeAt = Infinity
  /** Whether items can become too old to be lent. */
  private readonly ages: boolean

  constructor(options: MachineOptions<F>, shell: Shell<A, F, S>, common?: Common<A>) {
    const { maxSize, minIdle, minSize } = options
    const { checkTimeout, idleTimeToLive, maxLifetime, order, pingInterval, validateAfterIdle } = options
    this.policy = options
    this.sizes = { minSize, maxSize, minIdle }
    this.newestConcurrency = options.expectedConcurrency
    // with 0, every borrower gets a check: no item counts as proven
    this.available = new Available(order, validateAfterIdle > 0 && validateAfterIdle !== Infinity)
    this.creations = new Creations(options)
    const pings = pingInterval !== Infinity
    this.checks = pings || validateAfterIdle !== Infinity ? new Checks(checkTimeout) : Checks.none
    this.pings = pings ? new Pings(pingInterval) : Pings.none
    this.lifetimes = maxLifetime === Infinity ? undefined : new IndexedHeap()
    this.overlapping = options.overlap ? new LinkedList() : undefined
    this.ages = idleTimeToLive !== Infinity || maxLifetime !== Infinity
    this.outbox = new Outbox((command) => {
      // a later command has replaced this time
      if (command._tag !== "WakeAt" || this.alarm.isSetTo(command.at)) shell.perform(command)
    })
    this.alarm = new Alarm(this.outbox)
    this.announcements = new Announcements(options.exhaustedThreshold, this.outbox)
    this.byValue = common?.byValue ?? new ValueIndex()
    this.gate = common?.gate
    this.permits = common && new Permits(common.gate, this.outbox)
  }

  get creating(): number {
    return this.creations.length
  }

  /** Whether the last attempt to create an item failed. */
  get failing(): boolean {
    return this.creations.failing
  }

  /** Occupied places, of `maxSize`. */
  get occupied(): number {
    return this.places.occupied
  }

  get closing(): number {
    return this.closings.length
  }

  /** Whether a borrower has or waits for an item. */
  get isUsed(): boolean {
    return this.leases > 0 || this.waiters.length > 0
  }

  /** Live idle items that will not be lent again; each closes when its replacement is live or not needed. */
  get renewing(): number {
    return this.renewed.length
  }

  /** Live items that borrowers can get, now or later. */
  get open(): number {
    return this.live - this.leaving
  }

  /** Items that the waiters need. */
  get needed(): number {
    return this.waiters.itemsNeeded(this.newestConcurrency)
  }

  /** Items that the waiters need, or that are missing from `minSize` and `minIdle`, whichever is more. */
  get wanted(): number {
    return Math.max(this.needed, this.state === "Open" ? this.lacking : 0)
  }

  /** Items beyond `maxSize`, leaving items apart. */
  get excess(): number {
    return Math.max(0, this.places.held - (this.leaving - this.places.overlapping) - this.sizes.maxSize)
  }

  /** Whether a borrower waits for a permit. */
  get isPermitAwaited(): boolean {
    return this.permits !== undefined && this.permits.isAwaited
  }

  /** The watched leases that are out. */
  out(): Iterable<LeakRecord> {
    return this.leaks ?? []
  }

  // --- borrowing

  /**
   * Lends an item that is ready. Without one it returns `undefined`, and the borrower has to queue.
   */
  checkout(now: Time, sharing: Sharing = "shared"): Item<A, S> | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return undefined
    const item = this.lendable(sharing, now)
    if (item !== undefined) {
      this.withhold(item)
      this.lend(item, now, sharing)
    }
    if (this.unsettled || !this.outbox.isEmpty) this.settle(now)
    return item
  }

  /** `checkout` for a borrower that does not wait. An item that needs a check is checked for the next borrower. */
  tryCheckout(now: Time): Item<A, S> | undefined {
    const item = this.checkout(now)
    if (item === undefined && this.state === "Open" && this.waiters.length === 0) {
      const unproven = this.available.first("shared")
      if (unproven !== undefined) {
        this.beginCheck(unproven, "validate", "borrower", now)
        this.settle(now)
      }
    }
    return item
  }

  /**
   * Starts a check that may complete at once, after `checkout` found no item and before the borrower queues. The caller
   * ends the check with `admit` or `checked`; a check that takes longer stays under way.
   */
  checkNow(now: Time, sharing: Sharing): Check<A, S> | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return undefined
    const item = this.available.first(sharing)
    if (item === undefined || item.check !== undefined) return undefined
    this.withhold(item)
    item.state = "Checking"
    // the ticket of the borrower that asks now
    return this.checks.begin(item, "validate", "borrower", this.waiters.tickets + 1, now)
  }

  /** Lends an item that passed the check begun by `checkNow`. */
  admit(check: Check<A, S>, now: Time, sharing: Sharing): Item<A, S> | undefined {
    const { item } = check
    if (this.state !== "Open" || this.waiters.length > 0 || item.check !== check) {
      this.checked(check, "passed", now)
      return undefined
    }
    this.checks.end(check)
    this.prove(item, now)
    item.state = "InUse"
    const isPermitted = this.isPermitted(item, now)
    if (isPermitted) this.lend(item, now, sharing)
    if (this.unsettled || !this.outbox.isEmpty) this.settle(now)
    return isPermitted ? item : undefined
  }

  enqueue(waiter: Waiter<A, F, S>, now: Time): "Queued" | "Full" | "Closed" {
    if (this.state !== "Open") return "Closed"
    const { acquireTimeout, maxWaiters } = this.policy
    // waiters whose item is being created or checked, or could be created
    const room = Math.max(0, this.sizes.maxSize - this.occupied)
    const served = (this.creations.awaited + this.checks.awaitedPrompt + room) * this.newestConcurrency
    // no borrower overtakes a waiter that wants an exclusive item
    const sharing = waiter.sharing === "exclusive" ? "exclusive" : this.waiters.sharing
    if (this.waiters.length - served >= maxWaiters && this.candidate(sharing) === undefined) {
      this.counters.rejections++
      if (this.isObserved) this.settle(now)
      return "Full"
    }
    this.waiters.enqueue(waiter, now, acquireTimeout)
    if (this.gate !== undefined) {
      this.usedAt = now.wall
      waiter.arrival = this.gate.arrive()
    }
    this.settle(now)
    return "Queued"
  }

  /** The borrower gives up: it leaves the queue, or returns the item that it just got. Idempotent. */
  abandon(waiter: Waiter<A, F, S>, now: Time): void {
    if (waiter.list !== undefined) {
      this.counters.abandoned++
      this.waiters.dequeue(waiter)
      this.settle(now)
    } else if (waiter.item !== undefined) {
      const item = waiter.item
      waiter.item = undefined
      this.release(item, now, "kept")
    }
  }

  /** Returns a lent item: one call for each time it was lent. */
  release(item: Item<A, S>, now: Time, verdict: Verdict): void {
    if (verdict === "discarded" && (item.state === "InUse" || item.state === "Checking")) {
      this.leave(item, "discarded", now)
    }
    this.leases--
    const load = item.borrowers--
    const { concurrency } = item
    if (load === 1 && this.sizes.minIdle > 0) this.unsettled = true
    if (item.sharing === "exclusive") {
      item.sharing = "shared"
      // the success of its exclusive borrower replaces the check
      if (item.check !== undefined && verdict === "proven") this.cancelCheck(item.check)
    }
    if (item.state === "Checking" && verdict === "proven") {
      this.prove(item, now)
      // the success of its borrower replaces the check
      if (!this.needsCheck(item, now)) {
        this.cancelCheck(item.check!)
        item.state = "InUse"
      }
    }
    switch (item.state) {
      case "InUse":
        if (load === 1) this.endUse()
        if (load < concurrency) this.available.remove(item, load)
        if (verdict === "proven") this.prove(item, now)
        else {
          this.served(item)
          item.trust = "Doubtful"
          if (this.pings.catchUp(item)) this.unsettled = true
        }
        if (load === 1 && (this.overfull || this.isClaimed)) this.destroy(item, "excess", now)
        else if (this.excess > 0 || this.isClaimed) this.leave(item, "excess", now)
        else this.offer(item, now, 0)
        break
      case "Checking":
        if (load === 1) this.endUse()
        break
      case "Leaving":
        if (load === 1) {
          this.destroy(item, item.reason, now)
          this.endUse()
        }
    }
    if (this.gate !== undefined) {
      this.usedAt = now.wall
      if (this.announcements.unusedIsWanted) this.unsettled = true
    }
    if (this.unsettled || !this.outbox.isEmpty || this.waiters.length > 0 || this.state !== "Open") this.settle(now)
  }

  /** A borrower has used the item; whether the pool keeps it is decided later. */
  served(item: Item<A, S>): void {
    if (item.trust === "Untried") item.trust = "Trusted"
    this.creations.served()
  }

  /** A hook begins to decide on a returned item, within `checkTimeout`. The item counts as lent until then. */
  beginRelease(release: Release<A, S>, now: Time): void {
    release.deadline = now.monotonic + this.policy.checkTimeout
    this.releases ??= new LinkedList()
    this.releases.push(release)
    this.arm(release.deadline)
    this.outbox.flush()
  }

  /** Returns whether the hook ended in time. If so, call `release`. */
  endRelease(release: Release<A, S>): boolean {
    const isInTime = release.list !== undefined
    this.releases?.remove(release)
    // the alarm may not be needed any more
    this.unsettled = true
    return isInTime
  }

  /** Watches a lease until `untrack`. */
  track(record: LeakRecord, now: Time): void {
    this.leaks ??= new LeakWatch(this.policy.leakThreshold)
    this.arm(this.leaks.track(record, now.monotonic))
    this.outbox.flush()
  }

  untrack(record: LeakRecord, now: Time): void {
    this.leaks?.untrack(record)
    if (this.leaks?.nextDue === Infinity) this.armWhatIsDue(now)
    this.outbox.flush()
  }

  // --- what the items do

  /** `chance`, here and below, is a random number in [0, 1). */
  created(item: Item<A, S>, value: A, concurrency: number, now: Time, chance: number): void {
    if (item.state === "Outdated") return this.endOutdated(item, now)
    if (item.state !== "Creating") return
    const { maxLifetime } = this.policy
    this.creations.end(item)
    if (item.permit !== undefined) this.permits!.creationOver(item.permit)
    if (this.creations.succeeded(item)) this.outbox.push({ _tag: "Recovered" })
    this.counters.created++
    this.newestConcurrency = concurrency
    item.value = value
    item.capacity = concurrency
    item.createdAt = now.wall
    item.provenAt = now.wall
    item.provenTurn = ++this.proofs
    item.heardAt = now.wall
    this.byValue.add(item)
    if (maxLifetime !== Infinity) {
      item.lifetime = new Due(item, now.wall + maxLifetime * (0.9 + 0.2 * chance))
      this.lifetimes!.add(item.lifetime)
    }
    this.pings.add(item, now)
    this.live++
    item.state = "InUse"
    this.offer(item, now, Infinity)
    this.settle(now)
  }

  createFailed(item: Item<A, S>, failure: F, now: Time, chance: number): void {
    if (item.state !== "Creating" && item.state !== "Outdated") return
    this.failed(item, { _tag: "CreateFailed", failure }, now, chance)
    this.settle(now)
  }

  /** The pool was renewed during the creation: its item closes unlent; `gone` ends the closing. */
  endOutdated(item: Item<A, S>, now: Time): void {
    this.endCreation(item, now)
    this.settle(now)
  }

  checked(check: Check<A, S>, result: CheckResult, now: Time): void {
    const { item } = check
    if (item.check !== check) return
    if (result === "failed") {
      this.doubt(check, now)
      this.checks.end(check)
      return this.lost(item, now)
    }
    this.checks.end(check)
    this.prove(item, now)
    if (item.state === "Checking" && check.purpose === "background" && this.waiters.length === 0) {
      item.state = "Idle"
      this.available.note(item)
    } else if (item.state === "Checking" || (item.state !== "Leaving" && this.waiters.length > 0)) {
      // a waiter can have this item, also if its own is still being created or checked
      this.available.remove(item, item.borrowers)
      item.state = "InUse"
      this.offer(item, now, check.ticket)
    } else {
      this.available.note(item)
    }
    this.settle(now)
  }

  /** The item died by itself. Its place is free at once, also while the item is lent. */
  lost(item: Item<A, S>, now: Time): void {
    if (!isLive(item)) return
    this.lose(item, now)
    this.settle(now)
  }

  /** The item has shown that it is alive. A ping under way passes. */
  proven(item: Item<A, S>, now: Time): void {
    if (!isLive(item) || item.state === "Leaving") return
    if (item.check?.hook === "ping") return this.passCheck(item.check, now)
    this.prove(item, now)
    if (item.state === "Checking" && !this.needsCheck(item, now)) return this.passCheck(item.check!, now)
    this.available.note(item)
    if (this.waiters.length > 0) this.settle(now)
  }

  /** The item has shown a sign of life: its next ping comes an interval later. On the path of every sign. */
  heard(item: Item<A, S>, now: Time): void {
    item.heardAt = now.wall
  }

  /** Retires the item: it takes no new borrower, and closes when it is idle. */
  retire(item: Item<A, S>, now: Time, reason: Reason = "retired"): void {
    this.withdraw(item, reason, now)
    this.settle(now)
  }

  invalidate(value: A, now: Time): void {
    const items = this.byValue.get(value)
    for (const item of items) this.withdraw(item, "invalidated", now)
    if (items.length > 0) this.settle(now)
  }

  /** The item's finalizers ended, or the pool abandoned them. */
  gone(item: Item<A, S>, now: Time): void {
    if (item.state !== "Closing") return
    this.forget(item)
    this.settle(now)
  }

  // --- the gate

  /** The pool gets a permit that it asked for. Returns whether it still wants the permit. */
  granted(permit: Permit, now: Time): boolean {
    if (this.permits?.granted(permit) !== true) return false
    this.settle(now)
    return true
  }

  /** The permit cannot be had. That counts as a failed attempt, which began and ended now. */
  permitFailed(permit: Permit, failure: F, now: Time, chance: number): void {
    if (this.permits?.failed(permit) !== true) return
    this.countFailure({ _tag: "CreateFailed", failure }, now.monotonic, now, chance)
    this.settle(now)
  }

  /** The permit is lost: its item takes no new borrower. An item that is being created closes unlent. */
  permitLost(permit: Permit, now: Time): void {
    const { item } = permit
    this.permitEnds(permit, now)
    if (item === undefined) this.permits?.drop(permit)
    else if (item.state === "Creating") this.creations.outdate(item)
    else this.withdraw(item, "retired", now)
    this.settle(now)
  }

  /** Counts a permit that ended before it was of use: its source may have no better ones. */
  private permitEnds(permit: Permit, now: Time): void {
    const { item } = permit
    const wasOfNoUse = item === undefined
      ? this.permits?.holds(permit) === true
      : item.state === "Creating" || (isLive(item) && item.state !== "Leaving" && this.creations.isYoung(item, now))
    if (wasOfNoUse) this.creations.wasted(now)
  }

  /** The permit has run out: its item closes now, also under its borrowers. */
  permitExpired(permit: Permit, now: Time): void {
    const { item } = permit
    this.permitEnds(permit, now)
    if (item === undefined) this.permits?.drop(permit)
    else if (item.state === "Creating" || item.state === "Outdated") {
      permit.hasExpired = true
      this.endCreation(item, now)
      this.outbox.push({ _tag: "CancelCreation", item })
    } else this.expire(item, now)
    this.settle(now)
  }

  private expire(item: Item<A, S>, now: Time): void {
    if (item.permit !== undefined) item.permit.hasExpired = true
    if (isLive(item)) this.destroy(item, "retired", now)
  }

  /** Another pool gets the place of an idle item. Returns whether the item was idle. */
  evict(item: Item<A, S>, now: Time): boolean {
    const isRenewed = item.list === this.renewed
    if (!isRenewed && item.list !== this.available.idle) return false
    this.destroy(item, isRenewed ? "retired" : "excess", now)
    this.settle(now)
    return true
  }

  /** The source of the permits wants more of them back, or fewer. */
  demandChanged(now: Time): void {
    this.settle(now)
  }

  /** Asks for one `Unused` command, when no borrower has or waits for an item. Only with a gate. */
  wantUnused(now: Time): void {
    this.announcements.wantUnused()
    this.settle(now)
  }

  // --- the pool as a whole

  prune(maxIdle: number, now: Time): number {
    const count = this.destroyIdle(maxIdle, now)
    this.settle(now)
    return count
  }

  clear(now: Time): number {
    const { idle } = this.available
    const count = idle.length
    while (idle.first !== undefined) this.destroy(idle.first, "idle", now)
    while (this.renewed.first !== undefined) this.destroy(this.renewed.first, "retired", now)
    this.settle(now)
    return count
  }

  /**
   * Retires every item. A lent item closes when it comes back, an idle item when its replacement is live or not
   * needed. An item that is being created closes unlent. Returns how many items were retired.
   */
  renew(now: Time): number {
    let count = 0
    this.creations.forgive(now)
    for (const item of this.items) {
      if (item.state === "Creating") {
        this.creations.outdate(item)
      } else if (isLive(item) && item.state !== "Leaving") {
        count++
        this.leave(item, "retired", now)
      }
    }
    this.settle(now)
    return count
  }

  resize(sizes: Sizes, now: Time): void {
    this.sizes = sizes
    const { idle } = this.available
    while (this.overfull && idle.first !== undefined) this.destroy(idle.first, "excess", now)
    this.settle(now)
  }

  /** From now on each transition ends with a `Changed` command, or no longer. Borrows settle then, which costs time. */
  observe(isObserved: boolean): void {
    this.isObserved = isObserved
    this.unsettled ||= isObserved
  }

  /** Creates the first `minSize` and `minIdle` items. */
  start(now: Time): void {
    this.settle(now)
  }

  /** Creates an item that no borrower asked for, if there is room and no gate; the backoff does not matter. Returns whether it does. */
  prepare(now: Time): boolean {
    const isMade = this.state === "Open" && this.broken === undefined && this.hasRoom && this.gate === undefined
    if (isMade) this.beginCreating(now, undefined)
    this.settle(now)
    return isMade
  }

  /** No item can be created any more. The pool refuses all waiters at once, now and later. */
  breakDown(failure: F, now: Time): void {
    this.broken = { _tag: "CreateFailed", failure }
    this.checks.forgetDoubts()
    this.settle(now)
  }

  /** Asks for one `Reached` command, when `minSize` items are live or the next creation fails. */
  wantReady(now: Time): void {
    this.announcements.wantReady()
    if (this.state !== "Open") this.announcements.reached({ _tag: "PoolClosed" })
    this.settle(now)
  }

  drain(now: Time): void {
    if (this.state === "Open") {
      this.state = "Draining"
      this.announcements.beginDrain(now.monotonic)
    }
    this.checks.forgetDoubts()
    this.announcements.reached({ _tag: "PoolClosed" })
    this.settle(now)
  }

  close(now: Time): void {
    if (this.state === "Closing" || this.state === "Closed") return
    this.state = "Closing"
    this.refuseAll({ _tag: "PoolClosed" })
    this.announcements.endDrain()
    this.announcements.reached({ _tag: "PoolClosed" })
    this.closeAt = now.monotonic + this.policy.shutdownGrace
    this.creations.stop()
    this.permits?.seek(0, 0)
    this.checks.forgetDoubts()
    for (const item of [...this.items]) {
      if (item.state === "Creating" || item.state === "Outdated") {
        this.endCreation(item, now)
        this.outbox.push({ _tag: "CancelCreation", item })
      } else if (item.list === this.renewed) {
        this.destroy(item, "retired", now)
      } else {
        this.withdraw(item, "closed", now)
      }
    }
    this.settle(now)
  }

  /** Handles everything that is due by now. */
  tick(now: Time, chance: number): void {
    const { monotonic } = now
    this.alarm.clear()
    for (let item = this.creations.overdue(now); item !== undefined; item = this.creations.overdue(now)) {
      this.failed(item, { _tag: "CreateTimeout" }, now, chance)
      this.outbox.push({ _tag: "CancelCreation", item })
    }
    this.checks.markSlow(now)
    for (let check = this.checks.overdue(now); check !== undefined; check = this.checks.overdue(now)) {
      this.doubt(check, now)
      this.outbox.push({ _tag: "CheckTimedOut", check })
      this.lose(check.item, now)
    }
    const { leaks, overlapping, releases } = this
    while (releases?.first !== undefined && releases.first.deadline <= monotonic) {
      const release = releases.first
      const { item } = release
      releases.remove(release)
      // no waiter of this step gets an item that is given up
      if (item.state === "InUse" || item.state === "Checking") this.leave(item, "discarded", now)
      this.outbox.push({ _tag: "ReleaseTimedOut", release })
    }
    while (this.closings.first !== undefined && this.closings.first.deadline <= monotonic) {
      const item = this.closings.first
      this.forget(item)
      this.outbox.push({ _tag: "LeaveBehind", item })
    }
    while (this.waiters.first !== undefined && this.waiters.first.deadline <= monotonic) {
      this.counters.timeouts++
      this.refuseFirst({ _tag: "AcquireTimeout", awaited: this.awaited })
    }
    this.age(now)
    this.pingThoseDue(now)
    while (overlapping?.first !== undefined && overlapping.first.deadline <= monotonic) {
      this.destroy(overlapping.first, "retired", now)
    }
    for (let record = leaks?.report(monotonic); record !== undefined; record = leaks?.report(monotonic)) {
      this.outbox.push({ _tag: "Overdue", record })
    }
    if (this.waiters.first !== undefined) this.announcements.waited(monotonic - this.waiters.first.since)
    this.announcements.drains(monotonic)
    if (this.state === "Closing" && monotonic >= this.closeAt) {
      for (const item of [...this.items]) if (item.state === "Leaving") this.destroy(item, "closed", now)
    }
    this.settle(now)
  }

  /** Answers `Rest`. Returns whether nothing has become due since; if so, the shell need not call `tick`. */
  disarm(now: Time): boolean {
    this.alarm.rested()
    const rests = this.nextDue(now) === Infinity
    if (rests) this.alarm.clear()
    return rests
  }

  // --- private: lending

  /** The first item that can be lent now, without a check. */
  private lendable(sharing: Sharing, now: Time): Item<A, S> | undefined {
    if (this.ages) this.age(now)
    let item = this.ready(sharing, now)
    while (item !== undefined && !this.isPermitted(item, now)) item = this.ready(sharing, now)
    return item
  }

  /** Whether the item may be lent. If its permit has ended, it may not, and leaves: the permit's signals may be late. */
  private isPermitted(item: Item<A, S>, now: Time): boolean {
    if (item.standing === undefined) return true
    const standing = item.standing(now.instant)
    if (standing === "Expired") this.expire(item, now)
    else if (standing === "Lost") this.withdraw(item, "retired", now)
    return standing === "Valid"
  }

  private ready(sharing: Sharing, now: Time): Item<A, S> | undefined {
    const first = this.available.first(sharing)
    if (first !== undefined && !this.needsCheck(first, now)) return first
    const proven = this.available.proven(sharing)
    if (proven !== undefined && !this.needsCheck(proven, now)) return proven
    if (this.checks.backgroundIdle === 0) return undefined
    // a borrower gets a pinged item, unless the answer is slow or the item's last borrower failed
    for (const check of this.checks.background) {
      const { item } = check
      if (item.state !== "Checking" || item.trust === "Doubtful") continue
      if (check.slowAt <= now.monotonic || this.needsCheck(item, now)) continue
      this.cancelCheck(check)
      return item
    }
    return undefined
  }

  /** If no item can be lent now: an item that can be lent after a check. */
  private candidate(sharing: Sharing): Item<A, S> | undefined {
    const first = this.available.first(sharing)
    if (first !== undefined || this.checks.backgroundIdle === 0) return first
    for (const { item } of this.checks.background) if (item.state === "Checking") return item
    return undefined
  }

  private needsCheck(item: Item<A, S>, now: Time): boolean {
    return this.policy.validateAfterIdle !== Infinity && now.wall - item.provenAt >= this.policy.validateAfterIdle
  }

  /** Takes the item out of the available ones. */
  private withhold(item: Item<A, S>): void {
    this.available.remove(item, item.borrowers)
    item.state = "InUse"
  }

  private lend(item: Item<A, S>, now: Time, sharing: Sharing): void {
    if (sharing === "exclusive") item.sharing = sharing
    if (item.borrowers++ === 0) {
      this.inUse++
      if (this.inUse > this.counters.peak) this.counters.peak = this.inUse
      if (this.gate !== undefined) this.gate.lent(1)
      if (this.sizes.minIdle > 0) this.unsettled = true
    }
    this.leases++
    this.counters.acquisitions++
    if (item.uses++ > 0) this.counters.reuses++
    if (item.uses >= this.policy.maxUses) this.leave(item, "retired", now)
    else if (item.borrowers < item.concurrency) this.available.add(item)
  }

  private endUse(): void {
    this.inUse--
    if (this.gate !== undefined) this.gate.lent(-1)
  }

  /**
   * Lends an item that is `InUse` and in no list to the waiters, or makes it available. Waiters with a ticket up to
   * `proves` need no check of it.
   */
  private offer(item: Item<A, S>, now: Time, proves: number): void {
    const needsCheck = this.needsCheck(item, now)
    while (this.waiters.first !== undefined && item.state === "InUse" && item.borrowers < item.concurrency) {
      if (!this.isPermitted(item, now)) break
      const waiter = this.waiters.first
      if (needsCheck && waiter.ticket > proves) {
        this.unsettled = true
        break
      }
      // no borrower overtakes a waiter that wants an exclusive item
      if (waiter.sharing === "exclusive" && item.borrowers > 0) break
      this.waiters.dequeue(waiter)
      waiter.item = item
      this.available.remove(item, item.borrowers)
      this.lend(item, now, waiter.sharing)
      this.outbox.push({ _tag: "Wake", waiter })
    }
    if (item.state !== "InUse" || item.list !== undefined || item.borrowers === item.concurrency) return
    if (item.borrowers > 0) {
      this.available.add(item)
    } else if (this.overfull || (this.gate !== undefined && this.gate.claims(undefined))) {
      this.destroy(item, "excess", now)
    } else {
      item.state = "Idle"
      item.idleSince = now.wall
      this.available.add(item)
      if (this.policy.idleTimeToLive !== Infinity) this.armIdle(now)
    }
  }

  /** Removes items that are too old, also after a suspend, in which the monotonic clock may stand still. */
  private age(now: Time): void {
    const { lifetimes } = this
    while (lifetimes?.first !== undefined && lifetimes.first.key <= now.wall) {
      this.withdraw(lifetimes.first.item, "retired", now)
    }
    if (this.policy.idleTimeToLive !== Infinity) this.destroyIdle(this.policy.idleTimeToLive, now)
  }

  private destroyIdle(maxIdle: number, now: Time): number {
    const { idle } = this.available
    let count = 0
    while (this.open > this.floor && idle.first !== undefined) {
      if (now.wall - idle.first.idleSince < maxIdle) break
      this.destroy(idle.first, "idle", now)
      count++
    }
    return count
  }

  /** Items that stay, however long they are idle. */
  private get floor(): number {
    return Math.max(this.sizes.minSize, this.lent + this.sizes.minIdle)
  }

  /** Lent items that will be lent again. */
  private get lent(): number {
    return this.inUse - (this.leaving - this.renewed.length)
  }

  private prove(item: Item<A, S>, now: Time): void {
    item.provenAt = now.wall
    item.provenTurn = ++this.proofs
    item.trust = "Trusted"
    this.creations.served()
  }

  private lose(item: Item<A, S>, now: Time): void {
    const delay = this.creations.died(item, now)
    if (delay !== undefined) this.outbox.push({ _tag: "Paused", delay })
    this.places.leave(item)
    this.destroy(item, "lost", now)
    this.givePermitBack(item)
  }

  /** Closes an idle item now, a lent item when it comes back. */
  private withdraw(item: Item<A, S>, reason: Reason, now: Time): void {
    if (!isLive(item) || item.state === "Leaving") return
    if (item.borrowers === 0) this.destroy(item, reason, now)
    else this.leave(item, reason, now)
  }

  /** The item takes no new borrower. An idle item closes when its replacement is live or not needed. */
  private leave(item: Item<A, S>, reason: Reason, now: Time): void {
    const isIdle = item.borrowers === 0
    if (item.check !== undefined && (isIdle || item.check.purpose === "borrower")) this.cancelCheck(item.check)
    this.available.remove(item, item.borrowers)
    item.state = "Leaving"
    item.reason = reason
    this.leaving++
    item.permit?.leaving()
    this.unschedule(item)
    if (reason === "retired" && this.policy.overlap) {
      if (this.places.overlapping < this.sizes.maxSize) this.places.overlap(item)
      item.deadline = now.monotonic + this.policy.retireGrace
      if (!isIdle) this.overlapping!.push(item)
    }
    if (isIdle) {
      this.renewed.push(item)
      item.permit?.spent()
    }
    this.outbox.push({ _tag: "Leaving", item })
  }

  private destroy(item: Item<A, S>, reason: Reason, now: Time): void {
    if (item.check !== undefined) this.cancelCheck(item.check)
    if (item.state === "Leaving") this.leaving--
    if (this.overlapping !== undefined && item.list === this.overlapping) this.overlapping.remove(item)
    else if (item.list === this.renewed) {
      this.renewed.remove(item)
      item.permit?.busy()
    } else this.available.remove(item, item.borrowers)
    if (item.borrowers > 0) this.endUse()
    this.live--
    this.unschedule(item)
    this.byValue.remove(item)
    this.beginClosing(item, now)
    this.counters.destroyed[reason]++
    this.outbox.push({ _tag: "Destroy", item, reason })
  }

  /** The item is neither pinged nor retired for its age any more. */
  private unschedule(item: Item<A, S>): void {
    if (item.lifetime !== undefined) this.lifetimes!.remove(item.lifetime)
    this.pings.remove(item)
  }

  private beginClosing(item: Item<A, S>, now: Time): void {
    item.state = "Closing"
    item.deadline = now.monotonic + this.policy.closeTimeout
    this.places.beginFreeing(item)
    item.permit?.closing()
    this.closings.push(item)
  }

  private forget(item: Item<A, S>): void {
    this.closings.remove(item)
    this.places.leave(item)
    this.givePermitBack(item)
    item.state = "Gone"
    this.items.delete(item)
  }

  private givePermitBack(item: Item<A, S>): void {
    if (item.permit === undefined) return
    this.permits!.giveBack(item.permit)
    item.permit = undefined
  }

  /** Whether another pool gets the place of an item that has come back. */
  private get isClaimed(): boolean {
    return this.gate !== undefined && this.gate.claims(this.waiters.first?.arrival)
  }

  private get overfull(): boolean {
    return this.places.held > this.sizes.maxSize
  }

  // --- private: checks

  /** During a check the item takes no new borrower, unless it is pinged while it is lent. */
  private beginCheck(item: Item<A, S>, hook: Check<A, S>["hook"], purpose: CheckPurpose, now: Time): void {
    const underWay = item.check
    // a check under way serves the borrower, too
    if (underWay !== undefined) this.checks.promote(underWay)
    if (purpose === "borrower") {
      this.withhold(item)
      item.state = "Checking"
    } else if (item.state === "Idle") {
      item.state = "Checking"
      this.available.hide(item)
    }
    if (underWay !== undefined) return
    const check = this.checks.begin(item, hook, purpose, this.waiters.tickets, now)
    this.outbox.push({ _tag: "Check", check })
  }

  private cancelCheck(check: Check<A, S>): void {
    this.checks.end(check)
    this.outbox.push({ _tag: "CancelCheck", check })
  }

  /** Ends a check early: the item has proved good already. */
  private passCheck(check: Check<A, S>, now: Time): void {
    this.outbox.push({ _tag: "CancelCheck", check })
    this.checked(check, "passed", now)
  }

  /** A check failed. Items that have been idle for as long are checked, too, before a borrower needs them. */
  private doubt(check: Check<A, S>, now: Time): void {
    if (this.policy.validateAfterIdle === Infinity || this.checks.hasDoubts) return
    if (this.state !== "Open" || this.broken !== undefined) return
    const { idle } = this.available
    for (let item = idle.last; item !== undefined; item = item.previous) {
      if (item.provenAt < check.startedAt && this.needsCheck(item, now)) this.checks.doubt(item)
    }
  }

  private checkDoubtful(now: Time): void {
    while (this.checks.background.size < this.policy.createConcurrency) {
      const item = this.checks.nextDoubtful()
      if (item === undefined) return
      if (item.state === "Idle" && item.check === undefined && this.needsCheck(item, now)) {
        this.beginCheck(item, "validate", "background", now)
      }
    }
  }

  /**
   * Whether the next ping has to wait: too many are under way, or too many of idle items. A slow ping may never be answered,
   * so it keeps no other waiting.
   */
  private get pingsEnough(): boolean {
    const { backgroundIdle, backgroundPrompt, slowIdle } = this.checks
    return backgroundPrompt >= this.policy.createConcurrency ||
      (this.pings.next!.item.state === "Idle" &&
        backgroundIdle - slowIdle >= Math.max(1, (this.available.idle.length - slowIdle) >> 1))
  }

  private pingThoseDue(now: Time): void {
    for (let due = this.pings.next; due !== undefined && due.key <= now.wall; due = this.pings.next) {
      const { item } = due
      const isSilent = this.pings.isSilent(item, now)
      const isPingable = item.check === undefined &&
        (item.state === "Idle" || (item.state === "InUse" && (item.capacity > 1 || item.sharing === "exclusive")))
      if (isSilent && isPingable) {
        if (this.pingsEnough) return
        this.beginCheck(item, "ping", "background", now)
      }
      if (!isSilent && item.heardAt > item.provenAt) {
        this.served(item)
        this.outbox.push({ _tag: "Heard", item })
      }
      this.pings.postpone(due, isSilent ? now.wall : item.aliveAt)
    }
  }

  // --- private: creations

  private endCreation(item: Item<A, S>, now: Time): void {
    this.creations.end(item)
    if (item.permit !== undefined) this.permits!.creationOver(item.permit)
    // the creation may have acquired something before it failed
    this.beginClosing(item, now)
  }

  private failed(item: Item<A, S>, refusal: Refusal<F>, now: Time, chance: number): void {
    const isOutdated = item.state === "Outdated"
    this.endCreation(item, now)
    if (!isOutdated) this.countFailure(refusal, item.startedAt, now, chance)
  }

  private countFailure(refusal: Refusal<F>, startedAt: number, now: Time, chance: number): void {
    this.counters.failures++
    const delay = this.creations.failed(startedAt, now, chance)
    if (delay !== undefined) this.outbox.push({ _tag: "Backoff", refusal, delay })
    const patience = this.policy.rideOut(refusal)
    // a live item, or another creation, can still serve the waiters
    if (this.open === 0 && this.creations.awaited === 0) {
      // a pool that never had an item may have a wrong address: its borrowers fail at once
      if (this.counters.created === 0 || this.creations.failingFor(now) >= patience) this.refuseAll(refusal)
    }
    this.announcements.reached(refusal)
  }

  private refuseAll(refusal: Refusal<F>): void {
    while (this.waiters.length > 0) this.refuseFirst(refusal)
  }

  private refuseFirst(refusal: Refusal<F>): void {
    const waiter = this.waiters.first!
    this.waiters.dequeue(waiter)
    waiter.refusal = refusal
    this.outbox.push({ _tag: "Wake", waiter })
  }

  /** What borrowers wait for now. An outage matters only where another creation would help. */
  get awaited(): Awaited {
    if (this.creating > 0) return "creation"
    if (this.isPermitAwaited) return "permit"
    if (this.failing && this.hasRoom) return "creation"
    return this.checks.awaited > 0 ? "check" : "queue"
  }

  private get hasRoom(): boolean {
    return this.occupied < this.sizes.maxSize && !this.creations.isFull
  }

  private create(now: Time): boolean {
    if (!this.hasRoom || !this.creations.mayBegin(now)) return false
    const permit = this.permits?.take(() => this.creations.wasted(now))
    if (this.permits !== undefined && permit === undefined) return false
    this.beginCreating(now, permit)
    return true
  }

  private beginCreating(now: Time, permit: Permit | undefined): void {
    const item = new Item<A, S>()
    if (permit !== undefined) {
      permit.item = item
      item.permit = permit
      item.standing = permit.standing
    }
    this.creations.begin(item, now)
    this.items.add(item)
    this.places.occupy(item)
    this.outbox.push({ _tag: "Create", item })
  }

  // --- private: after each transition

  /** Starts the checks and creations that are needed, makes the announcements, and runs the outbox. */
  private settle(now: Time): void {
    this.unsettled = false
    if (this.state === "Open" || this.state === "Draining") {
      this.supply(now)
      this.closeRenewed(now)
    }
    if (this.waiters.length === 0) this.announcements.queueEmptied()
    if (!this.isUsed) this.announcements.unused()
    if (this.open >= this.sizes.minSize) this.announcements.reached(undefined)
    if (this.state !== "Open") {
      const isClosed = this.state === "Closing" && this.items.size === 0
      // leases may still be out then; their items are closed
      if (this.waiters.length === 0 && (this.leases === 0 || isClosed)) this.announcements.drained()
      if (isClosed) {
        this.state = "Closed"
        this.outbox.push({ _tag: "Closed" })
      }
    }
    this.armWhatIsDue(now)
    if (this.isObserved) {
      this.unsettled = true
      this.outbox.push({ _tag: "Changed" })
    }
    this.outbox.flush()
  }

  /**
   * Creates and checks as many items as the waiters need, and no more. A new item is assumed to serve as many borrowers
   * as the most recent one.
   */
  private supply(now: Time): void {
    this.creations.beginSupply()
    for (;;) {
      if (this.waiters.first === undefined) break
      const item = this.lendable(this.waiters.first.sharing, now)
      if (item === undefined) break
      this.withhold(item)
      this.offer(item, now, 0)
    }
    // a live item is checked also while another is created: the creation may take longer, or fail
    while (this.needed > this.checks.awaited && this.checkCandidate(now)) {
      // `checkCandidate` counts
    }
    if (this.broken !== undefined) {
      this.refuseAll(this.broken)
      if (this.open < this.sizes.minSize) this.announcements.reached(this.broken)
      this.permits?.seek(0, 0)
      return
    }
    while (this.needed > this.creations.awaited + this.checks.awaitedPrompt && this.create(now)) {
      // `create` counts
    }
    // if no item can be created, no borrower depends on a single slow check
    while (this.needed > this.creations.awaited + this.checks.awaitedPrompt && this.checkCandidate(now)) {
      // `checkCandidate` counts
    }
    if (this.state === "Open") {
      while (this.lacking > this.creations.awaited && this.create(now)) {
        // `create` counts
      }
      this.checkDoubtful(now)
    }
    if (this.permits !== undefined) this.seekPermits(this.permits, now)
    this.creations.endSupply()
  }

  /**
   * Asks for the permits of the creations that could begin now, however many others are under way, and gives back those
   * that the pool does not need. While creations fail, that is one, after the backoff.
   */
  private seekPermits(permits: Permits, now: Time): void {
    const { awaited } = this.creations
    const room = Math.max(0, this.sizes.maxSize - this.occupied)
    const forBorrowers = Math.min(room, this.needed - awaited - this.checks.awaitedPrompt)
    const mayFill = this.state === "Open" && permits.gate.hasSpare
    const all = Math.max(forBorrowers, mayFill ? Math.min(room, this.lacking - awaited) : 0)
    const limit = all <= 0 || !this.creations.mayBegin(now) ? 0 : this.failing ? 1 : Infinity
    permits.seek(Math.min(forBorrowers, limit), Math.min(all, limit))
    if (!permits.isAwaited) return
    // the others wait for items that are on their way
    permits.gate.waits(this.waiters.after(awaited + this.checks.awaitedPrompt)!.arrival)
  }

  private checkCandidate(now: Time): boolean {
    const item = this.candidate(this.waiters.sharing)
    if (item === undefined) return false
    this.beginCheck(item, "validate", "borrower", now)
    return true
  }

  /** Items that are missing from `minSize` and `minIdle`; an item that is being created is still missing. */
  private get lacking(): number {
    const { maxSize, minIdle, minSize } = this.sizes
    const idle = minIdle === 0 ? 0 : Math.min(maxSize, this.lent + this.needed + minIdle)
    return Math.max(minSize, idle) - this.open
  }

  /** A retired idle item stays until its replacement is live, unless it occupies the place of the replacement. */
  private closeRenewed(now: Time): void {
    const { createConcurrency } = this.policy
    const { maxSize } = this.sizes
    const isOpen = this.state === "Open"
    while (this.renewed.first !== undefined && this.closings.length < createConcurrency) {
      const wanted = Math.max(this.needed - this.checks.awaitedPrompt, isOpen ? this.lacking : 0)
      const replaceable = Math.max(0, maxSize - this.occupied) + this.creations.awaited
      if (this.renewed.length <= Math.min(wanted, replaceable)) return
      this.destroy(this.renewed.first, "retired", now)
    }
  }

  // --- private: time

  private arm(at: number): void {
    if (this.state !== "Closed") this.alarm.set(at)
  }

  private armWhatIsDue(now: Time): void {
    const due = this.nextDue(now)
    if (due !== Infinity) this.arm(due)
    else if (this.state !== "Closed") this.alarm.rest()
  }

  private armIdle(now: Time): void {
    if (this.open <= this.floor) return
    const { idleSince } = this.available.idle.first!
    this.arm(now.monotonic + idleSince + this.policy.idleTimeToLive - now.wall)
  }

  /** By the monotonic clock. */
  private nextDue(now: Time): number {
    const { idleTimeToLive } = this.policy
    if (this.state === "Closed") return Infinity
    const { leaks, lifetimes, overlapping, releases } = this
    let due = Math.min(this.creations.nextDue, this.checks.nextDue)
    let aged = Infinity
    const waiter = this.waiters.first
    if (waiter !== undefined) due = Math.min(due, waiter.deadline)
    due = Math.min(due, this.announcements.nextDue(waiter === undefined ? Infinity : waiter.since))
    if (leaks !== undefined) due = Math.min(due, leaks.nextDue)
    if (releases?.first !== undefined) due = Math.min(due, releases.first.deadline)
    if (this.closings.first !== undefined) due = Math.min(due, this.closings.first.deadline)
    if (overlapping?.first !== undefined) due = Math.min(due, overlapping.first.deadline)
    if (this.state === "Closing" && this.live > 0) due = Math.min(due, this.closeAt)
    if (lifetimes?.first !== undefined) aged = lifetimes.first.key
    // if too many pings are under way, the next one starts when one of them ends or is slow
    const ping = this.pings.next
    if (ping !== undefined && !this.pingsEnough) aged = Math.min(aged, ping.key)
    else if (ping !== undefined) {
      due = Math.min(due, Math.max(this.checks.nextSlow, now.monotonic + ping.key - now.wall))
    }
    const idle = this.available.idle.first
    if (idle !== undefined && idleTimeToLive !== Infinity && this.open > this.floor) {
      aged = Math.min(aged, idle.idleSince + idleTimeToLive)
    }
    return aged === Infinity ? due : Math.min(due, now.monotonic + aged - now.wall)
  }
}
