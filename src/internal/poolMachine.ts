/**
 * The state machine of a waiting pool: plain, synchronous, and without `effect`. Time and chance are arguments,
 * failures are opaque values. What has to happen outside is put in an outbox and runs only after the transition that
 * asked for it is complete, since it may call back.
 */
import { IndexedHeap } from "./indexedHeap.js"
import { type Linked, LinkedList } from "./linkedList.js"
import { LoadIndex } from "./loadIndex.js"

/** Why an item was closed. */
export type Reason = "lost" | "invalidated" | "retired" | "idle" | "excess" | "closed"

export const reasons: ReadonlyArray<Reason> = ["lost", "invalidated", "retired", "idle", "excess", "closed"]

/** Times are milliseconds; `Infinity` means never. */
export interface MachineOptions {
  minSize: number
  maxSize: number
  readonly order: "lifo" | "fifo"
  readonly acquireTimeout: number
  readonly maxWaiters: number
  readonly createConcurrency: number
  readonly createTimeout: number
  readonly closeTimeout: number
  readonly idleTimeToLive: number
  readonly maxLifetime: number
  readonly maxUses: number
  readonly overlap: boolean
  readonly retireGrace: number
  readonly shutdownGrace: number
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
 * - `Leaving`: lent, takes no new borrower, closes when the last one gives it back
 * - `Closing`: its finalizers run
 * - `Gone`
 */
export type ItemState = "Creating" | "Idle" | "InUse" | "Leaving" | "Closing" | "Gone"

export class Item<A> implements Linked<Item<A>> {
  state: ItemState = "Creating"
  value: A = undefined as A
  concurrency = 1
  borrowers = 0
  uses = 0
  idleSince = 0
  /** When it is too old (the key of the lifetime heap). */
  key = Infinity
  heapIndex = -1
  /** Whether it takes one of the `maxSize` places. */
  counted = true
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
  /** The shell's: wakes the borrower. */
  resume: (() => void) | undefined = undefined
  previous: Waiter<A, F> | undefined = undefined
  next: Waiter<A, F> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

/** What the machine asks of its shell. Each runs after the transition; `create` must not call back at once. */
export interface Commands<A, F> {
  create(item: Item<A>): void
  /** Give up a creation. In a pool that closes, `gone` ends it; else nobody waits for its end. */
  cancel(item: Item<A>): void
  destroy(item: Item<A>, reason: Reason): void
  /** Its finalizers have taken longer than `closeTimeout`; its place is free. */
  leaveBehind(item: Item<A>): void
  wake(waiter: Waiter<A, F>): void
  /** At that time call `tick`. An earlier call replaces a later one. */
  wakeAt(at: number): void
  /** `minSize` items are live, or an attempt to get there failed. */
  reached(refusal: Refusal<F> | undefined): void
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
  readonly destroyed: Record<Reason, number> = { lost: 0, invalidated: 0, retired: 0, idle: 0, excess: 0, closed: 0 }
}

export class PoolMachine<A, F> {
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  readonly counters = new Counters()
  readonly waiters = new LinkedList<Waiter<A, F>>()
  readonly idle = new LinkedList<Item<A>>()
  /** Every item that is not gone. */
  readonly items = new Set<Item<A>>()
  /** Items lent to somebody, whether or not they take further borrowers. */
  inUse = 0
  /** Leases out, on whatever item. */
  leases = 0
  /** Places of `maxSize` taken. */
  occupied = 0
  /** Whether the last attempt to create an item failed. */
  failing = false

  private readonly partial = new LoadIndex<Item<A>>()
  /** `invalidate` knows values only, and nothing forbids two items of the same value. */
  private readonly byValue = new Map<A, Item<A> | Set<Item<A>>>()
  private readonly lifetimes = new IndexedHeap<Item<A>>()
  // in the order of their deadlines, since each has one time limit for all
  private readonly creations = new LinkedList<Item<A>>()
  private readonly closings = new LinkedList<Item<A>>()
  private readonly overlapping = new LinkedList<Item<A>>()
  private leaving = 0
  private newestConcurrency = 1
  private backoffDelay = 0
  private retryAt = 0
  private closeAt = Infinity
  private armedAt = Infinity
  private readyWanted = false
  private drainAnnounced = false
  /** Places whose items are being closed. */
  private freeing = 0
  /** Something happened that `settle` has to look at, though nothing is in the outbox. */
  private unsettled = false
  private running = false
  private outbox: Array<() => void> = []

  readonly options: MachineOptions
  private readonly commands: Commands<A, F>

  constructor(options: MachineOptions, commands: Commands<A, F>) {
    this.options = options
    this.commands = commands
  }

  // --- borrowing

  /** An item that can be lent at once, or `undefined`: then the borrower has to queue. */
  checkout(now: number): Item<A> | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return undefined
    const item = this.pick()
    if (item === undefined) return undefined
    this.lend(item, now)
    if (this.unsettled) this.settle(now)
    return item
  }

  /** Nobody waits longer than `acquireTimeout`, so the queue is in the order of its deadlines. */
  enqueue(waiter: Waiter<A, F>, now: number): "Queued" | "Full" | "Closed" {
    if (this.state !== "Open") return "Closed"
    const makeable = (this.creating + Math.max(0, this.options.maxSize - this.occupied)) * this.newestConcurrency
    if (this.waiters.length - makeable >= this.options.maxWaiters) {
      this.counters.rejections++
      return "Full"
    }
    waiter.since = now
    waiter.deadline = now + this.options.acquireTimeout
    this.waiters.push(waiter)
    this.arm(waiter.deadline)
    this.settle(now)
    return "Queued"
  }

  /** The borrower does not want it any more: it leaves the queue, or what it was given goes back. Idempotent. */
  abandon(waiter: Waiter<A, F>, now: number): void {
    if (waiter.list !== undefined) {
      this.waiters.remove(waiter)
      this.settle(now)
    } else if (waiter.item !== undefined) {
      const item = waiter.item
      waiter.item = undefined
      this.release(item, now)
    }
  }

  /** To be called once for each time that the item was lent. */
  release(item: Item<A>, now: number): void {
    this.leases--
    const load = item.borrowers--
    if (item.state === "InUse") {
      if (load < item.concurrency) this.partial.remove(item, load)
      this.offer(item, now)
    } else if (item.state === "Leaving" && load === 1) {
      this.destroy(item, item.reason, now)
    }
    if (this.unsettled || this.outbox.length > 0 || this.state !== "Open") this.settle(now)
  }

  // --- what the items do

  /** `chance`, here and below, is a random number of [0, 1). */
  created(item: Item<A>, value: A, concurrency: number, now: number, chance: number): void {
    if (item.state !== "Creating") return
    this.creations.remove(item)
    this.failing = false
    this.backoffDelay = 0
    this.counters.created++
    this.newestConcurrency = concurrency
    item.value = value
    item.concurrency = concurrency
    this.remember(item)
    if (this.options.maxLifetime !== Infinity) {
      item.key = now + this.options.maxLifetime * (0.9 + 0.2 * chance)
      this.lifetimes.add(item)
      this.arm(item.key)
    }
    item.state = "InUse"
    this.inUse++
    this.offer(item, now)
    this.settle(now)
  }

  createFailed(item: Item<A>, failure: F, now: number, chance: number): void {
    if (item.state !== "Creating") return
    this.failed(item, { _tag: "CreateFailed", failure }, now, chance)
    this.settle(now)
  }

  /** It died by itself: its place is free at once, whoever has it. */
  lost(item: Item<A>, now: number): void {
    if (item.state !== "Idle" && item.state !== "InUse" && item.state !== "Leaving") return
    this.uncount(item)
    this.destroy(item, "lost", now)
    this.settle(now)
  }

  /** It should take no new borrowers. */
  retire(item: Item<A>, now: number, reason: Reason = "retired"): void {
    if (item.state === "Idle") this.destroy(item, reason, now)
    else if (item.state === "InUse") this.leave(item, reason, now)
    else return
    this.settle(now)
  }

  invalidate(value: A, now: number): void {
    const known = this.byValue.get(value)
    if (known === undefined) return
    for (const item of known instanceof Item ? [known] : [...known]) this.retire(item, now, "invalidated")
  }

  /** Its finalizers ended, or were left behind. */
  gone(item: Item<A>, now: number): void {
    if (item.state !== "Closing") return
    this.forget(item)
    this.settle(now)
  }

  // --- the pool as a whole

  prune(maxIdle: number, now: number): number {
    let count = 0
    while (this.open > this.options.minSize && this.idle.first !== undefined) {
      if (now - this.idle.first.idleSince < maxIdle) break
      this.destroy(this.idle.first, "idle", now)
      count++
    }
    if (count > 0) this.settle(now)
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
    this.settle(now)
  }

  /** Makes the first `minSize` items. */
  start(now: number): void {
    this.settle(now)
  }

  /** Asks for one `reached` command: when `minSize` items are live, or at the first attempt that fails. */
  wantReady(now: number): void {
    this.readyWanted = true
    if (this.state === "Closing" || this.state === "Closed") this.announceReady({ _tag: "PoolClosed" })
    this.settle(now)
  }

  drain(now: number): void {
    if (this.state === "Open") this.state = "Draining"
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
      } else if (item.state === "Idle") {
        this.destroy(item, "closed", now)
      } else if (item.state === "InUse") {
        this.leave(item, "closed", now)
      }
    }
    if (this.inUse > 0) this.arm(this.closeAt)
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
      const item = this.lifetimes.first
      this.lifetimes.remove(item)
      this.retire(item, now)
    }
    this.prune(this.options.idleTimeToLive, now)
    while (this.overlapping.first !== undefined && this.overlapping.first.deadline <= now) {
      this.destroy(this.overlapping.first, "retired", now)
    }
    if (this.state === "Closing" && now >= this.closeAt) {
      for (const item of [...this.items]) if (item.state === "Leaving") this.destroy(item, "closed", now)
    }
    this.rearm()
    this.settle(now)
  }

  get creating(): number {
    return this.creations.length
  }

  get closing(): number {
    return this.closings.length
  }

  /** Items that are open to borrowers. */
  get open(): number {
    return this.idle.length + this.inUse - this.leaving
  }

  // --- within

  private pick(): Item<A> | undefined {
    if (this.options.order === "lifo") return this.partial.most() ?? this.idle.last
    return this.idle.first ?? this.partial.least()
  }

  private lend(item: Item<A>, now: number): void {
    const load = ++item.borrowers
    this.leases++
    this.counters.acquisitions++
    if (item.uses++ > 0) this.counters.reuses++
    if (item.state === "Idle") {
      this.idle.remove(item)
      item.state = "InUse"
      this.inUse++
    } else {
      this.partial.remove(item, load - 1)
    }
    if (this.inUse > this.counters.peak) this.counters.peak = this.inUse
    if (item.uses >= this.options.maxUses) this.leave(item, "retired", now)
    else if (load < item.concurrency) this.partial.add(item, load)
  }

  /** An item that is `InUse` and stands in no list goes to whoever waits, or where the next borrower finds it. */
  private offer(item: Item<A>, now: number): void {
    while (this.waiters.first !== undefined && item.state === "InUse" && item.borrowers < item.concurrency) {
      const waiter = this.waiters.first
      this.waiters.remove(waiter)
      waiter.item = item
      this.lend(item, now)
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
      this.inUse--
      this.idle.push(item)
      if (this.options.idleTimeToLive !== Infinity && this.open > this.options.minSize) {
        this.arm(now + this.options.idleTimeToLive)
      }
    }
  }

  /** Lent, and from now on open to nobody else. */
  private leave(item: Item<A>, reason: Reason, now: number): void {
    this.partial.remove(item, item.borrowers)
    item.state = "Leaving"
    item.reason = reason
    this.leaving++
    if (reason === "retired" && this.options.overlap && this.overlapping.length < this.options.maxSize) {
      this.uncount(item)
      item.deadline = now + this.options.retireGrace
      this.overlapping.push(item)
      this.arm(item.deadline)
    }
    this.unsettled = true
  }

  private destroy(item: Item<A>, reason: Reason, now: number): void {
    if (item.state === "Idle") this.idle.remove(item)
    else {
      this.inUse--
      if (item.state === "Leaving") {
        this.leaving--
        this.overlapping.remove(item)
      } else this.partial.remove(item, item.borrowers)
    }
    this.lifetimes.remove(item)
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

  private failed(item: Item<A>, refusal: Refusal<F>, now: number, chance: number): void {
    this.counters.failures++
    this.forget(item)
    const { factor, initial, jitter, max } = this.options.backoff
    // attempts that were under way together count as one
    if (!this.failing || now >= this.retryAt) {
      this.backoffDelay = this.failing ? Math.min(max, this.backoffDelay * factor) : Math.min(max, initial)
      this.retryAt = now + this.backoffDelay * (1 + jitter * (2 * chance - 1))
    }
    this.failing = true
    this.refuseFirst(refusal)
    if (this.open === 0 && this.creating === 0) {
      while (this.waiters.length > 0) this.refuseFirst(refusal)
    }
    this.announceReady(refusal)
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

  private uncount(item: Item<A>): void {
    if (!item.counted) return
    item.counted = false
    this.occupied--
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

  private refuseFirst(refusal: Refusal<F>): void {
    const waiter = this.waiters.first
    if (waiter === undefined) return
    this.waiters.remove(waiter)
    waiter.refusal = refusal
    this.outbox.push(() => this.commands.wake(waiter))
  }

  private get overfull(): boolean {
    return this.occupied - this.freeing > this.options.maxSize
  }

  /** How many creations those who wait, and `minSize`, call for in all. */
  private get wanted(): number {
    if (this.state !== "Open" && this.state !== "Draining") return 0
    const forWaiters = Math.ceil(this.waiters.length / this.newestConcurrency)
    const forMinSize = this.state === "Open" ? this.options.minSize - this.open : 0
    return Math.max(forWaiters, forMinSize)
  }

  /** After each transition: start the creations that are called for, say what was reached, and run the outbox. */
  private settle(now: number): void {
    this.unsettled = false
    while (this.creating < this.wanted && this.occupied < this.options.maxSize) {
      if (this.failing) {
        if (this.creating > 0) break
        if (now < this.retryAt) {
          this.arm(this.retryAt)
          break
        }
      }
      if (this.creating >= this.options.createConcurrency) break
      const item = new Item<A>()
      item.deadline = now + this.options.createTimeout
      this.items.add(item)
      this.creations.push(item)
      this.occupied++
      this.arm(item.deadline)
      this.outbox.push(() => this.commands.create(item))
    }
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

  private announceReady(refusal: Refusal<F> | undefined): void {
    if (!this.readyWanted) return
    this.readyWanted = false
    this.outbox.push(() => this.commands.reached(refusal))
  }

  private flush(): void {
    if (this.running) return
    this.running = true
    try {
      while (this.outbox.length > 0) {
        const outbox = this.outbox
        this.outbox = []
        for (const command of outbox) command()
      }
    } finally {
      this.running = false
    }
  }

  private arm(at: number): void {
    if (at >= this.armedAt || at === Infinity) return
    this.armedAt = at
    this.outbox.push(() => {
      if (this.armedAt === at) this.commands.wakeAt(at)
    })
  }

  /** What is due next, but for the next attempt after a failure, which `settle` sees to. */
  private rearm(): void {
    const { idleTimeToLive, minSize } = this.options
    this.arm(this.waiters.first?.deadline ?? Infinity)
    this.arm(this.lifetimes.first?.key ?? Infinity)
    this.arm(this.overlapping.first?.deadline ?? Infinity)
    this.arm(this.creations.first?.deadline ?? Infinity)
    this.arm(this.closings.first?.deadline ?? Infinity)
    if (this.idle.first !== undefined && this.open > minSize) this.arm(this.idle.first.idleSince + idleTimeToLive)
    if (this.state === "Closing" && this.inUse > 0) this.arm(this.closeAt)
  }
}
