/**
 * The state machine of a waiting pool: plain, synchronous, and without `effect`. Time and chance are arguments,
 * failures are opaque values. What has to happen outside is put in an outbox and runs only after the transition that
 * asked for it is complete, since it may call back.
 */
import { type HeapNode, IndexedHeap } from "./indexedHeap.js"
import { type Linked, LinkedList } from "./linkedList.js"
import { LoadIndex } from "./loadIndex.js"

/** Why an item was closed. */
export type Reason = "lost" | "invalidated" | "retired" | "discarded" | "idle" | "excess" | "closed"

/** Times are milliseconds; `Infinity` means never. */
export interface MachineOptions {
  minSize: number
  maxSize: number
  readonly order: "lifo" | "fifo"
  /** What a new item is counted at before there is one. */
  readonly expectedConcurrency: number
  readonly acquireTimeout: number
  readonly maxWaiters: number
  readonly createConcurrency: number
  readonly createTimeout: number
  readonly checkTimeout: number
  readonly closeTimeout: number
  /** Not proven good for that long, an item is checked before it is lent. */
  readonly validateAfterIdle: number
  /** Not proven good for that long, an item is pinged. */
  readonly pingInterval: number
  readonly idleTimeToLive: number
  readonly maxLifetime: number
  readonly maxUses: number
  readonly overlap: boolean
  readonly retireGrace: number
  readonly shutdownGrace: number
  readonly exhaustedThreshold: number
  readonly leakThreshold: number
  readonly backoff: {
    readonly initial: number
    readonly factor: number
    readonly max: number
    readonly jitter: number
  }
}

/**
 * - `Creating`: no value yet
 * - `Idle`: nobody has it
 * - `InUse`: lent, and open to further borrowers up to its concurrency
 * - `Checking`: not lent to anybody new until it has proved good; an idle one that is pinged keeps its place
 * - `Leaving`: lent, takes no new borrower, closes when the last one gives it back
 * - `Closing`: its finalizers run
 * - `Gone`
 */
export type ItemState = "Creating" | "Idle" | "InUse" | "Checking" | "Leaving" | "Closing" | "Gone"

export class Item<A> implements Linked<Item<A>> {
  state: ItemState = "Creating"
  value: A = undefined as A
  /** How many borrowers may share it. */
  capacity = 1
  /** The same, but 1 while somebody has it whole. */
  concurrency = 1
  /** Whether somebody has it whole: a pool that shares it out, so it is pinged meanwhile as one that is shared. */
  isWhole = false
  borrowers = 0
  uses = 0
  createdAt = 0
  idleSince = 0
  /** Whether it has passed a check, or come back and been kept. */
  hasServed = false
  /** When it last proved good: made, passed a check, or came back from a borrower who succeeded, and was kept. */
  provenAt = 0
  check: Check<A> | undefined = undefined
  /** Its places in the heaps of what is due, where the options ask for them. */
  lifetime: Due<A> | undefined = undefined
  ping: Due<A> | undefined = undefined
  /** Whether it takes one of the `maxSize` places. */
  counted = true
  /** Whether it gave its place up because it is retired, though somebody still has it. */
  overlaps = false
  /** Why it is to be closed, once it is not open to borrowers. */
  reason: Reason = "closed"
  /** When creating or closing it has taken too long, or a replaced one is closed under its borrowers. */
  deadline = Infinity
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Item<A> | undefined = undefined
  next: Item<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

class Due<A> implements HeapNode {
  key: number
  heapIndex = -1
  readonly item: Item<A>

  constructor(item: Item<A>, key: number) {
    this.item = item
    this.key = key
  }
}

/** An item that has to prove good: to be lent, or because nobody has heard of it for long. */
export class Check<A> implements Linked<Check<A>> {
  readonly item: Item<A>
  readonly why: "borrow" | "ping"
  readonly deadline: number
  /** Whether a borrower waits for it; it may have begun as a ping. */
  awaited: boolean
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Check<A> | undefined = undefined
  next: Check<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(item: Item<A>, why: "borrow" | "ping", deadline: number) {
    this.item = item
    this.why = why
    this.awaited = why === "borrow"
    this.deadline = deadline
  }
}

/** A lease that is watched, since it may never come back. */
export class Loan implements Linked<Loan> {
  since = 0
  /** Set once the machine has said that it is out for too long. */
  reported = false
  previous: Loan | undefined = undefined
  next: Loan | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export type Refusal<F> =
  | { readonly _tag: "CreateFailed"; readonly failure: F }
  | { readonly _tag: "CreateTimeout" }
  | { readonly _tag: "AcquireTimeout" }
  | { readonly _tag: "PoolClosed" }

export class Waiter<A, F> implements Linked<Waiter<A, F>> {
  /** What it was given; it has left the queue once one of these two is set. */
  item: Item<A> | undefined = undefined
  refusal: Refusal<F> | undefined = undefined
  since = 0
  deadline = Infinity
  /** Wants an item that nobody else has, and will have nobody else on it. */
  isForWhole = false
  /** The shell's: wakes the borrower, and says who it is. */
  resume: (() => void) | undefined = undefined
  note: unknown = undefined
  previous: Waiter<A, F> | undefined = undefined
  next: Waiter<A, F> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

/** What the machine asks of its shell. Each runs after the transition; `create` and `check` must not call back at once. */
export interface Commands<A, F> {
  create(item: Item<A>): void
  /** Give up a creation. In a pool that closes, `gone` ends it; else nobody waits for its end. */
  cancel(item: Item<A>): void
  check(check: Check<A>): void
  cancelCheck(check: Check<A>): void
  destroy(item: Item<A>, reason: Reason): void
  /** It takes no new borrower from now on, though somebody still has it. */
  leaving(item: Item<A>): void
  /** Its finalizers have taken longer than `closeTimeout`; its place is free. */
  leaveBehind(item: Item<A>): void
  wake(waiter: Waiter<A, F>): void
  /** At that time call `tick`. A later call replaces an earlier one. */
  wakeAt(at: number): void
  /** `minSize` items are live, or an attempt to get there failed. */
  reached(refusal: Refusal<F> | undefined): void
  /** A creation failed; the next attempt comes after so many milliseconds at the earliest. */
  backoff(refusal: Refusal<F>, delay: number): void
  /** A creation succeeded after some had failed. */
  recovered(): void
  /** The borrower that has waited longest has waited for `exhaustedThreshold`. Once, until nobody waits. */
  exhausted(waited: number): void
  /** It has been out for `leakThreshold`. */
  overdue(loan: Loan): void
  /** Nobody waits and nothing is out, in a pool that drains or closes. */
  drained(): void
  /** Everything is closed. */
  closed(): void
}

/** The figures of a pool, as plain counters. */
export class Counters {
  acquisitions = 0
  reuses = 0
  created = 0
  failures = 0
  timeouts = 0
  rejections = 0
  peak = 0
  readonly destroyed: Record<Reason, number> = {
    lost: 0,
    invalidated: 0,
    retired: 0,
    discarded: 0,
    idle: 0,
    excess: 0,
    closed: 0
  }
}

export class PoolMachine<A, F> {
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  readonly counters = new Counters()
  readonly waiters = new LinkedList<Waiter<A, F>>()
  /** Every item that is not gone. */
  readonly items = new Set<Item<A>>()
  /** Items with a value, until they are closed. */
  live = 0
  /** Live items that somebody has. */
  inUse = 0
  /** Leases out, on whatever item. */
  leases = 0
  /** Places of `maxSize` taken. */
  occupied = 0
  /** Whether the last attempt to create an item failed. */
  failing = false
  /** Why none will ever be created any more, if so. */
  private broken: Refusal<F> | undefined = undefined

  /** In the order in which they became idle. */
  private readonly idle = new LinkedList<Item<A>>()
  private readonly partial = new LoadIndex<Item<A>>()
  /** `invalidate` knows values only, and nothing forbids two items of the same value. */
  private readonly byValue = new Map<A, Item<A> | Set<Item<A>>>()
  private readonly lifetimes = new IndexedHeap<Due<A>>()
  private readonly pings = new IndexedHeap<Due<A>>()
  // in the order of their deadlines, since each has one time limit for all
  private readonly creations = new LinkedList<Item<A>>()
  private readonly checks = new LinkedList<Check<A>>()
  private readonly closings = new LinkedList<Item<A>>()
  private readonly overlapping = new LinkedList<Item<A>>()
  private readonly loans = new LinkedList<Loan>()
  private waitersForWhole = 0
  private borrowChecks = 0
  /** Retired items that gave their place up. */
  private overlaps = 0
  private leaving = 0
  /** Places whose items are being closed. */
  private freeing = 0
  private newestConcurrency: number
  private backoffDelay = 0
  private retryAt = 0
  /** Items in a row that died young and before they were of use; a pause after them keeps a storm away. */
  private stillborn = 0
  private pausedUntil = 0
  private closeAt = Infinity
  private armedAt = Infinity
  private readyWanted = false
  private drainAnnounced = false
  private exhaustionAnnounced = false
  /** Something happened that `settle` has to look at, though nothing is in the outbox. */
  private unsettled = false
  private running = false
  private outbox: Array<() => void> = []

  readonly options: MachineOptions
  private readonly commands: Commands<A, F>

  constructor(options: MachineOptions, commands: Commands<A, F>) {
    this.options = options
    this.commands = commands
    this.newestConcurrency = options.expectedConcurrency
  }

  get creating(): number {
    return this.creations.length
  }

  get closing(): number {
    return this.closings.length
  }

  /** Live items that are, or may be again, open to borrowers. */
  get open(): number {
    return this.live - this.leaving
  }

  /** How many items there are beyond `maxSize`, but for those that go anyway. */
  get excess(): number {
    return Math.max(0, this.occupied - this.freeing - (this.leaving - this.overlaps) - this.options.maxSize)
  }

  // --- borrowing

  /**
   * An item that can be lent at once, or `undefined`: then the borrower has to queue. `isForWhole`: for a borrower who
   * shares it with nobody.
   */
  checkout(now: number, isForWhole = false): Item<A> | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return undefined
    const item = this.pick(isForWhole)
    if (item === undefined || this.needsCheck(item, now)) return undefined
    this.take(item)
    this.lend(item, now, isForWhole)
    if (this.unsettled) this.settle(now)
    return item
  }

  /** The same for a borrower who would not wait: what needs a check is checked for the next one. */
  tryCheckout(now: number): Item<A> | undefined {
    const item = this.checkout(now)
    if (item === undefined && this.state === "Open" && this.waiters.length === 0) {
      const unproven = this.pick()
      if (unproven !== undefined) {
        this.take(unproven)
        this.beginCheck(unproven, "borrow", now)
        this.settle(now)
      }
    }
    return item
  }

  /** Nobody waits longer than `acquireTimeout`, so the queue is in the order of its deadlines. */
  enqueue(waiter: Waiter<A, F>, now: number): "Queued" | "Full" | "Closed" {
    if (this.state !== "Open") return "Closed"
    const { acquireTimeout, exhaustedThreshold, maxSize, maxWaiters } = this.options
    // those for whom an item is on its way, or could be
    const served = (this.creating + this.borrowChecks + Math.max(0, maxSize - this.occupied)) * this.newestConcurrency
    if (this.waiters.length - served >= maxWaiters && this.pick(waiter.isForWhole) === undefined) {
      this.counters.rejections++
      return "Full"
    }
    waiter.since = now
    waiter.deadline = now + acquireTimeout
    this.waiters.push(waiter)
    if (waiter.isForWhole) this.waitersForWhole++
    this.arm(waiter.deadline)
    if (!this.exhaustionAnnounced) this.arm(now + exhaustedThreshold)
    this.settle(now)
    return "Queued"
  }

  /** The borrower does not want it any more: it leaves the queue, or what it was given goes back. Idempotent. */
  abandon(waiter: Waiter<A, F>, now: number): void {
    if (waiter.list !== undefined) {
      this.dequeue(waiter)
      this.settle(now)
    } else if (waiter.item !== undefined) {
      const item = waiter.item
      waiter.item = undefined
      this.release(item, now, false, false)
    }
  }

  /**
   * To be called once for each time that the item was lent. Discarded: it came back unfit. Succeeded: its borrower did,
   * which proves it good; a failure proves nothing.
   */
  release(item: Item<A>, now: number, discarded: boolean, succeeded: boolean): void {
    if (discarded && (item.state === "InUse" || item.state === "Checking")) this.leave(item, "discarded", now)
    this.leases--
    const load = item.borrowers--
    const { concurrency } = item
    if (item.isWhole) {
      item.concurrency = item.capacity
      item.isWhole = false
      // it comes back and proves good
      if (item.check !== undefined) this.cancelCheck(item.check)
    }
    switch (item.state) {
      case "InUse":
        if (load === 1) this.inUse--
        if (load < concurrency) this.partial.remove(item, load)
        if (succeeded) this.prove(item, now)
        else {
          this.served(item)
          this.pingOverdue(item)
        }
        if (load === 1 && this.overfull) this.destroy(item, "excess", now)
        else if (this.overfullAfterLeaving) this.leave(item, "excess", now)
        else this.offer(item, now)
        break
      case "Checking":
        if (load === 1) this.inUse--
        break
      case "Leaving":
        if (load === 1) {
          this.destroy(item, item.reason, now)
          this.inUse--
        }
        break
    }
    if (this.unsettled || this.outbox.length > 0 || this.state !== "Open") this.settle(now)
  }

  /** It was of use, though nobody has decided yet whether it may stay. */
  served(item: Item<A>): void {
    item.hasServed = true
    this.stillborn = 0
  }

  /** Watches a lease until `untrack`. */
  track(loan: Loan, now: number): void {
    loan.since = now
    this.loans.push(loan)
    this.arm(now + this.options.leakThreshold)
    this.flush()
  }

  untrack(loan: Loan): void {
    this.loans.remove(loan)
  }

  // --- what the items do

  /** `chance`, here and below, is a random number of [0, 1). */
  created(item: Item<A>, value: A, concurrency: number, now: number, chance: number): void {
    if (item.state !== "Creating") return
    const { maxLifetime, pingInterval } = this.options
    this.creations.remove(item)
    if (this.failing) this.outbox.push(() => this.commands.recovered())
    this.failing = false
    this.counters.created++
    this.newestConcurrency = concurrency
    item.value = value
    item.capacity = concurrency
    item.concurrency = concurrency
    item.createdAt = now
    item.provenAt = now
    this.remember(item)
    if (maxLifetime !== Infinity) {
      item.lifetime = new Due(item, now + maxLifetime * (0.9 + 0.2 * chance))
      this.lifetimes.add(item.lifetime)
      this.arm(item.lifetime.key)
    }
    if (pingInterval !== Infinity) {
      item.ping = new Due(item, now + pingInterval)
      this.pings.add(item.ping)
      this.arm(item.ping.key)
    }
    this.live++
    item.state = "InUse"
    this.offer(item, now)
    // those that were kept for minSize may go now
    if (this.idle.first !== undefined && this.open > this.options.minSize) this.armIdle()
    this.settle(now)
  }

  createFailed(item: Item<A>, failure: F, now: number, chance: number): void {
    if (item.state !== "Creating") return
    this.failed(item, { _tag: "CreateFailed", failure }, now, chance)
    this.settle(now)
  }

  checked(check: Check<A>, passed: boolean, now: number): void {
    const { item } = check
    if (item.check !== check) return
    this.endCheck(check)
    if (!passed) return this.lost(item, now)
    this.prove(item, now)
    if (item.state === "Checking" && item.list === this.idle && this.waiters.length === 0) {
      item.state = "Idle"
    } else if (item.state === "Checking" || (item.state !== "Leaving" && this.waiters.length > 0)) {
      // whoever waits for another one to be made or checked need not wait for longer
      this.idle.remove(item)
      this.partial.remove(item, item.borrowers)
      item.state = "InUse"
      this.offer(item, now)
    }
    this.settle(now)
  }

  /** It died by itself: its place is free at once, whoever has it. */
  lost(item: Item<A>, now: number): void {
    if (!isLive(item)) return
    this.lose(item, now)
    this.settle(now)
  }

  /** It should take no new borrowers. */
  retire(item: Item<A>, now: number, reason: Reason = "retired"): void {
    this.withdraw(item, reason, now)
    this.settle(now)
  }

  invalidate(value: A, now: number): void {
    const known = this.byValue.get(value)
    if (known === undefined) return
    for (const item of known instanceof Item ? [known] : [...known]) this.withdraw(item, "invalidated", now)
    this.settle(now)
  }

  /** Its finalizers ended, or were left behind. */
  gone(item: Item<A>, now: number): void {
    if (item.state !== "Closing") return
    this.forget(item)
    this.settle(now)
  }

  // --- the pool as a whole

  prune(maxIdle: number, now: number): number {
    const count = this.destroyIdle(maxIdle, now)
    this.settle(now)
    return count
  }

  clear(now: number): number {
    const count = this.idle.length
    while (this.idle.first !== undefined) this.destroy(this.idle.first, "idle", now)
    this.settle(now)
    return count
  }

  resize(minSize: number, maxSize: number, now: number): void {
    this.options.minSize = minSize
    this.options.maxSize = maxSize
    while (this.overfull && this.idle.first !== undefined) this.destroy(this.idle.first, "excess", now)
    if (this.idle.first !== undefined && this.open > minSize) this.armIdle()
    this.settle(now)
  }

  /** Makes the first `minSize` items. */
  start(now: number): void {
    this.settle(now)
  }

  /** Makes one that nobody asked for, and that will not fail, if there is room. */
  prepare(now: number): boolean {
    const isMade = this.state === "Open" && this.broken === undefined && this.hasRoom
    if (isMade) this.beginCreating(now)
    this.settle(now)
    return isMade
  }

  /** No item can be created any more: whoever waits is refused at once, now and later. */
  breakDown(failure: F, now: number): void {
    this.broken = { _tag: "CreateFailed", failure }
    this.settle(now)
  }

  /** Asks for one `reached` command: when `minSize` items are live, or at the first attempt that fails. */
  wantReady(now: number): void {
    this.readyWanted = true
    if (this.state !== "Open") this.announceReady({ _tag: "PoolClosed" })
    this.settle(now)
  }

  drain(now: number): void {
    if (this.state === "Open") this.state = "Draining"
    this.announceReady({ _tag: "PoolClosed" })
    this.settle(now)
  }

  close(now: number): void {
    if (this.state === "Closing" || this.state === "Closed") return
    this.state = "Closing"
    while (this.waiters.length > 0) this.refuseFirst({ _tag: "PoolClosed" })
    this.announceReady({ _tag: "PoolClosed" })
    this.closeAt = now + this.options.shutdownGrace
    for (const item of [...this.items]) {
      if (item.state === "Creating") {
        this.creations.remove(item)
        this.beginClosing(item, now)
        this.outbox.push(() => this.commands.cancel(item))
      } else {
        this.withdraw(item, "closed", now)
      }
    }
    if (this.live > 0) this.arm(this.closeAt)
    this.settle(now)
  }

  /** Does what was due by now. */
  tick(now: number, chance: number): void {
    this.armedAt = Infinity
    while (this.creations.first !== undefined && this.creations.first.deadline <= now) {
      const item = this.creations.first
      this.failed(item, { _tag: "CreateTimeout" }, now, chance)
      this.outbox.push(() => this.commands.cancel(item))
    }
    while (this.checks.first !== undefined && this.checks.first.deadline <= now) this.lose(this.checks.first.item, now)
    while (this.closings.first !== undefined && this.closings.first.deadline <= now) {
      const item = this.closings.first
      this.forget(item)
      this.outbox.push(() => this.commands.leaveBehind(item))
    }
    while (this.waiters.first !== undefined && this.waiters.first.deadline <= now) {
      this.counters.timeouts++
      this.refuseFirst({ _tag: "AcquireTimeout" })
    }
    while (this.lifetimes.first !== undefined && this.lifetimes.first.key <= now) {
      const { item } = this.lifetimes.first
      this.lifetimes.remove(this.lifetimes.first)
      this.withdraw(item, "retired", now)
    }
    if (this.options.idleTimeToLive !== Infinity) this.destroyIdle(this.options.idleTimeToLive, now)
    this.pingThoseDue(now)
    while (this.overlapping.first !== undefined && this.overlapping.first.deadline <= now) {
      this.destroy(this.overlapping.first, "retired", now)
    }
    while (this.loans.first !== undefined && this.loans.first.since + this.options.leakThreshold <= now) {
      const loan = this.loans.first
      this.loans.remove(loan)
      loan.reported = true
      this.outbox.push(() => this.commands.overdue(loan))
    }
    const waited = this.waiters.first === undefined ? -1 : now - this.waiters.first.since
    if (waited >= this.options.exhaustedThreshold && !this.exhaustionAnnounced) {
      this.exhaustionAnnounced = true
      this.outbox.push(() => this.commands.exhausted(waited))
    }
    if (this.state === "Closing" && now >= this.closeAt) {
      for (const item of [...this.items]) if (item.state === "Leaving") this.destroy(item, "closed", now)
    }
    this.rearm()
    this.settle(now)
  }

  // --- within: an item on its way from borrower to borrower

  private pick(isForWhole = false): Item<A> | undefined {
    if (isForWhole) return this.options.order === "lifo" ? this.newestIdle() : this.oldestIdle()
    return this.options.order === "lifo"
      ? this.partial.most() ?? this.newestIdle()
      : this.oldestIdle() ?? this.partial.least()
  }

  // those that are pinged keep their place; they are few, since not many are pinged at a time

  private newestIdle(): Item<A> | undefined {
    let item = this.idle.last
    while (item !== undefined && item.state === "Checking") item = item.previous
    return item
  }

  private oldestIdle(): Item<A> | undefined {
    let item = this.idle.first
    while (item !== undefined && item.state === "Checking") item = item.next
    return item
  }

  private needsCheck(item: Item<A>, now: number): boolean {
    return this.options.validateAfterIdle !== Infinity && now - item.provenAt >= this.options.validateAfterIdle
  }

  /** Out of the list where borrowers find it. */
  private take(item: Item<A>): void {
    if (item.state === "Idle") this.idle.remove(item)
    else this.partial.remove(item, item.borrowers)
    item.state = "InUse"
  }

  private lend(item: Item<A>, now: number, isForWhole: boolean): void {
    if (isForWhole) {
      item.concurrency = 1
      item.isWhole = true
    }
    if (item.borrowers++ === 0) {
      this.inUse++
      if (this.inUse > this.counters.peak) this.counters.peak = this.inUse
    }
    this.leases++
    this.counters.acquisitions++
    if (item.uses++ > 0) this.counters.reuses++
    if (item.uses >= this.options.maxUses) this.leave(item, "retired", now)
    else if (item.borrowers < item.concurrency) this.partial.add(item, item.borrowers)
  }

  /** An item that is `InUse` and stands in no list goes to whoever waits, or where the next borrower finds it. */
  private offer(item: Item<A>, now: number): void {
    while (this.waiters.first !== undefined && item.state === "InUse" && item.borrowers < item.concurrency) {
      const waiter = this.waiters.first
      // nobody overtakes one who has to wait for it to be free
      if (waiter.isForWhole && item.borrowers > 0) break
      this.dequeue(waiter)
      waiter.item = item
      this.partial.remove(item, item.borrowers)
      this.lend(item, now, waiter.isForWhole)
      this.outbox.push(() => this.commands.wake(waiter))
    }
    if (item.state !== "InUse" || item.list !== undefined || item.borrowers === item.concurrency) return
    if (item.borrowers > 0) {
      this.partial.add(item, item.borrowers)
    } else if (this.overfull) {
      this.destroy(item, "excess", now)
    } else {
      item.state = "Idle"
      item.idleSince = now
      this.idle.push(item)
      if (this.options.idleTimeToLive !== Infinity && this.open > this.options.minSize) this.armIdle()
    }
  }

  private dequeue(waiter: Waiter<A, F>): void {
    this.waiters.remove(waiter)
    if (waiter.isForWhole) this.waitersForWhole--
  }

  private destroyIdle(maxIdle: number, now: number): number {
    let count = 0
    while (this.open > this.options.minSize && this.idle.first !== undefined) {
      if (now - this.idle.first.idleSince < maxIdle) break
      this.destroy(this.idle.first, "idle", now)
      count++
    }
    return count
  }

  private prove(item: Item<A>, now: number): void {
    item.provenAt = now
    this.served(item)
  }

  private lose(item: Item<A>, now: number): void {
    const { factor, initial, max } = this.options.backoff
    if (!item.hasServed && now - item.createdAt < max && now >= this.pausedUntil) {
      this.pausedUntil = now + Math.max(1, Math.min(max, initial * factor ** this.stillborn))
      this.stillborn++
    }
    this.uncount(item)
    this.destroy(item, "lost", now)
  }

  /** Closes it now, or when it comes back. */
  private withdraw(item: Item<A>, reason: Reason, now: number): void {
    if (!isLive(item) || item.state === "Leaving") return
    if (item.borrowers === 0) this.destroy(item, reason, now)
    else this.leave(item, reason, now)
  }

  /** Lent, and from now on open to nobody else. */
  private leave(item: Item<A>, reason: Reason, now: number): void {
    if (item.check?.awaited === true) this.cancelCheck(item.check)
    this.partial.remove(item, item.borrowers)
    item.state = "Leaving"
    item.reason = reason
    this.leaving++
    if (reason === "retired" && this.options.overlap) {
      if (this.overlaps < this.options.maxSize) {
        this.overlaps++
        item.overlaps = true
        this.uncount(item)
      }
      item.deadline = now + this.options.retireGrace
      this.overlapping.push(item)
      this.arm(item.deadline)
    }
    this.outbox.push(() => this.commands.leaving(item))
    this.unsettled = true
  }

  private destroy(item: Item<A>, reason: Reason, now: number): void {
    if (item.check !== undefined) this.cancelCheck(item.check)
    if (item.state === "Leaving") this.leaving--
    if (item.overlaps) this.overlaps--
    if (item.list === this.idle) this.idle.remove(item)
    else if (item.list === this.overlapping) this.overlapping.remove(item)
    else this.partial.remove(item, item.borrowers)
    if (item.borrowers > 0) this.inUse--
    this.live--
    if (item.lifetime !== undefined) this.lifetimes.remove(item.lifetime)
    if (item.ping !== undefined) this.pings.remove(item.ping)
    this.forgetValue(item)
    this.beginClosing(item, now)
    this.counters.destroyed[reason]++
    this.outbox.push(() => this.commands.destroy(item, reason))
  }

  private beginClosing(item: Item<A>, now: number): void {
    item.state = "Closing"
    item.deadline = now + this.options.closeTimeout
    if (item.counted) this.freeing++
    this.closings.push(item)
    this.arm(item.deadline)
  }

  private forget(item: Item<A>): void {
    if (item.state === "Closing") {
      this.closings.remove(item)
      if (item.counted) this.freeing--
    } else {
      this.creations.remove(item)
    }
    this.uncount(item)
    item.state = "Gone"
    this.items.delete(item)
  }

  private uncount(item: Item<A>): void {
    if (!item.counted) return
    item.counted = false
    this.occupied--
  }

  private get overfull(): boolean {
    return this.occupied - this.freeing > this.options.maxSize
  }

  /** The same once those that will not be lent again have come back. */
  private get overfullAfterLeaving(): boolean {
    return this.excess > 0
  }

  private remember(item: Item<A>): void {
    const known = this.byValue.get(item.value)
    if (known === undefined) this.byValue.set(item.value, item)
    else if (known instanceof Item) this.byValue.set(item.value, new Set([known, item]))
    else known.add(item)
  }

  private forgetValue(item: Item<A>): void {
    const known = this.byValue.get(item.value)
    if (known === item) this.byValue.delete(item.value)
    else if (known instanceof Set && known.delete(item) && known.size === 0) this.byValue.delete(item.value)
  }

  // --- within: checks

  private beginCheck(item: Item<A>, why: "borrow" | "ping", now: number): void {
    if (item.check !== undefined) {
      // it is being pinged while it is lent; that will tell the borrower too
      item.check.awaited = true
      this.borrowChecks++
      item.state = "Checking"
      this.armPings()
      return
    }
    const check = new Check(item, why, now + this.options.checkTimeout)
    item.check = check
    if (why === "borrow") this.borrowChecks++
    // one that is pinged while it is lent goes on being lent
    if (why === "borrow" || item.state === "Idle") item.state = "Checking"
    this.checks.push(check)
    this.arm(check.deadline)
    this.outbox.push(() => this.commands.check(check))
  }

  private endCheck(check: Check<A>): void {
    check.item.check = undefined
    this.checks.remove(check)
    if (check.awaited) this.borrowChecks--
    else this.armPings()
  }

  private cancelCheck(check: Check<A>): void {
    this.endCheck(check)
    this.outbox.push(() => this.commands.cancelCheck(check))
  }

  /** One that was due while it could not be pinged was put off, as one that would prove good. */
  private pingOverdue({ ping, provenAt }: Item<A>): void {
    if (ping === undefined || ping.key <= provenAt + this.options.pingInterval) return
    this.pings.remove(ping)
    ping.key = provenAt + this.options.pingInterval
    this.pings.add(ping)
    this.armPings()
  }

  private pingThoseDue(now: number): void {
    const { createConcurrency, pingInterval } = this.options
    while (this.pings.first !== undefined && this.pings.first.key <= now) {
      const due = this.pings.first
      const { item } = due
      const isSilent = item.provenAt + pingInterval <= now
      const isPingable = item.check === undefined &&
        (item.state === "Idle" || (item.state === "InUse" && (item.capacity > 1 || item.isWhole)))
      if (isSilent && isPingable) {
        if (this.checks.length - this.borrowChecks >= createConcurrency) return
        this.beginCheck(item, "ping", now)
      }
      this.pings.remove(due)
      due.key = (isSilent ? now : item.provenAt) + pingInterval
      this.pings.add(due)
    }
  }

  // --- within: creations

  private failed(item: Item<A>, refusal: Refusal<F>, now: number, chance: number): void {
    this.counters.failures++
    // what it acquired before it failed has to be closed
    this.creations.remove(item)
    this.beginClosing(item, now)
    const { factor, initial, jitter, max } = this.options.backoff
    // attempts that were under way together count as one
    if (!this.failing || now >= this.retryAt) {
      this.backoffDelay = this.failing ? Math.min(max, this.backoffDelay * factor) : Math.min(max, initial)
      const delay = Math.max(1, this.backoffDelay * (1 + jitter * (2 * chance - 1)))
      this.retryAt = now + delay
      this.outbox.push(() => this.commands.backoff(refusal, delay))
    }
    this.failing = true
    this.refuseFirst(refusal)
    if (this.open === 0 && this.creating === 0) {
      while (this.waiters.length > 0) this.refuseFirst(refusal)
    }
    this.announceReady(refusal)
  }

  private refuseFirst(refusal: Refusal<F>): void {
    const waiter = this.waiters.first
    if (waiter === undefined) return
    this.dequeue(waiter)
    waiter.refusal = refusal
    this.outbox.push(() => this.commands.wake(waiter))
  }

  private get hasRoom(): boolean {
    return this.occupied < this.options.maxSize && this.creating < this.options.createConcurrency
  }

  private create(now: number): boolean {
    if (!this.hasRoom) return false
    if (this.failing) {
      if (this.creating > 0) return false
      if (now < this.retryAt) {
        this.arm(this.retryAt)
        return false
      }
    }
    if (now < this.pausedUntil) {
      this.arm(this.pausedUntil)
      return false
    }
    this.beginCreating(now)
    return true
  }

  private beginCreating(now: number): void {
    const item = new Item<A>()
    item.deadline = now + this.options.createTimeout
    this.items.add(item)
    this.creations.push(item)
    this.occupied++
    this.arm(item.deadline)
    this.outbox.push(() => this.commands.create(item))
  }

  // --- within: after each transition

  /** Starts the checks and creations that are called for, says what was reached, and runs the outbox. */
  private settle(now: number): void {
    this.unsettled = false
    if (this.state === "Open" || this.state === "Draining") this.supply(now)
    if (this.waiters.length === 0) this.exhaustionAnnounced = false
    if (this.open >= this.options.minSize) this.announceReady(undefined)
    if (this.state !== "Open") {
      if (!this.drainAnnounced && this.waiters.length === 0 && this.leases === 0) {
        this.drainAnnounced = true
        this.outbox.push(() => this.commands.drained())
      }
      if (this.state === "Closing" && this.items.size === 0) {
        this.state = "Closed"
        this.outbox.push(() => this.commands.closed())
      }
    }
    this.flush()
  }

  /** No more items on their way than those who wait need, a new one counted at the concurrency of the newest. */
  private supply(now: number): void {
    // an item that is there is checked also while another is made: that may take longer, or fail
    while (this.needed > this.borrowChecks) {
      const item = this.pick(this.waiters.first?.isForWhole)
      if (item === undefined) break
      this.take(item)
      if (this.needsCheck(item, now)) this.beginCheck(item, "borrow", now)
      else this.offer(item, now)
    }
    if (this.broken !== undefined) {
      while (this.waiters.length > 0) this.refuseFirst(this.broken)
      if (this.open < this.options.minSize) this.announceReady(this.broken)
      return
    }
    while (this.needed > this.creating + this.borrowChecks && this.create(now)) {
      // `create` counts
    }
    while (this.state === "Open" && this.options.minSize - this.open > this.creating && this.create(now)) {
      // `create` counts
    }
  }

  /** Items for those who wait. */
  private get needed(): number {
    const sharing = this.waiters.length - this.waitersForWhole
    return this.waitersForWhole + Math.ceil(sharing / this.newestConcurrency)
  }

  private announceReady(refusal: Refusal<F> | undefined): void {
    if (!this.readyWanted) return
    this.readyWanted = false
    this.outbox.push(() => this.commands.reached(refusal))
  }

  private flush(): void {
    if (this.running) return
    this.running = true
    const defects: Array<unknown> = []
    while (this.outbox.length > 0) {
      const outbox = this.outbox
      this.outbox = []
      for (const command of outbox) {
        // one that throws must not keep the others from a borrower who waits
        try {
          command()
        } catch (defect) {
          defects.push(defect)
        }
      }
    }
    this.running = false
    if (defects.length > 0) throw defects[0]
  }

  private arm(at: number): void {
    if (at >= this.armedAt || at === Infinity || this.state === "Closed") return
    this.armedAt = at
    this.outbox.push(() => {
      if (this.armedAt === at) this.commands.wakeAt(at)
    })
  }

  /** One that was due may have waited for the end of another. */
  private armPings(): void {
    this.arm(this.pings.first?.key ?? Infinity)
  }

  private armIdle(): void {
    this.arm(this.idle.first!.idleSince + this.options.idleTimeToLive)
  }

  /** What is due next, but for the next attempt after a failure, which `create` sees to. */
  private rearm(): void {
    const { createConcurrency, exhaustedThreshold, leakThreshold, minSize } = this.options
    this.arm(this.waiters.first?.deadline ?? Infinity)
    if (this.waiters.first !== undefined && !this.exhaustionAnnounced) {
      this.arm(this.waiters.first.since + exhaustedThreshold)
    }
    this.arm(this.creations.first?.deadline ?? Infinity)
    this.arm(this.checks.first?.deadline ?? Infinity)
    this.arm(this.closings.first?.deadline ?? Infinity)
    this.arm(this.overlapping.first?.deadline ?? Infinity)
    this.arm(this.lifetimes.first?.key ?? Infinity)
    // when too many are pinged already, the end of one goes on with the others
    if (this.checks.length - this.borrowChecks < createConcurrency) this.arm(this.pings.first?.key ?? Infinity)
    if (this.loans.first !== undefined) this.arm(this.loans.first.since + leakThreshold)
    if (this.idle.first !== undefined && this.open > minSize) this.armIdle()
    if (this.state === "Closing" && this.live > 0) this.arm(this.closeAt)
  }
}

const isLive = (item: Item<unknown>): boolean =>
  item.state === "Idle" || item.state === "InUse" || item.state === "Checking" || item.state === "Leaving"
