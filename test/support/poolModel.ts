/**
 * A pool of few, dear things, written for nothing but to be obviously right: plain arrays, every figure summed up anew,
 * every choice made by looking at everything. What it would ask of its shell it writes to a log.
 */
import type { Counters, ItemState, MachineOptions, Reason } from "../../src/internal/poolMachine.js"

export type ModelRefusal = "AcquireTimeout" | "CreateTimeout" | "PoolClosed" | `CreateFailed ${string}`

export interface ModelItem {
  readonly id: number
  phase: "creating" | "open" | "leaving" | "closing" | "gone"
  value: number
  capacity: number
  isWhole: boolean
  concurrency: number
  borrowers: number
  uses: number
  /** Whether it takes one of the `maxSize` places. */
  counted: boolean
  reason: Reason
  check: ModelCheck | undefined
  /** Its turn among those that are as much lent. */
  turn: number
  idleSince: number
  provenAt: number
  createdAt: number
  hasServed: boolean
  retiresAt: number
  /** When creating, closing or lending it after its time has taken too long. */
  deadline: number
}

export interface ModelCheck {
  /** Whether it is done for a borrower; it may have begun as a ping. */
  awaited: boolean
  /** Whether nobody gets the item meanwhile. */
  blocks: boolean
  readonly deadline: number
}

export interface ModelWaiter {
  readonly id: number
  readonly isForWhole: boolean
  since: number
  outcome: "queued" | "abandoned" | ModelItem | ModelRefusal
}

export interface ModelLoan {
  readonly id: number
  readonly since: number
}

export class PoolModel {
  readonly options: MachineOptions
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  /** Those that are not gone. */
  items: Array<ModelItem> = []
  /** Every one there ever was. */
  readonly everything: Array<ModelItem> = []
  waiters: Array<ModelWaiter> = []
  loans: Array<ModelLoan> = []
  leases = 0
  failing = false
  retryAt = 0
  stillborn = 0
  pausedUntil = 0
  closeAt = Infinity
  log: Array<string> = []
  readonly counters: Counters = {
    acquisitions: 0,
    reuses: 0,
    created: 0,
    failures: 0,
    timeouts: 0,
    rejections: 0,
    peak: 0,
    destroyed: { lost: 0, invalidated: 0, retired: 0, discarded: 0, idle: 0, excess: 0, closed: 0 }
  }
  private turns = 0
  private delay = 0
  private newestConcurrency = 1
  private broken: ModelRefusal | undefined = undefined
  private readyWanted = false
  private drained = false
  private exhausted = false

  constructor(options: MachineOptions) {
    this.options = { ...options }
  }

  // --- the figures

  in(...phases: ReadonlyArray<ModelItem["phase"]>): Array<ModelItem> {
    return this.items.filter((item) => phases.includes(item.phase))
  }

  get inUse(): number {
    return this.in("open", "leaving").filter((item) => item.borrowers > 0).length
  }

  get occupied(): number {
    return this.items.filter((item) => item.counted).length
  }

  get overlapping(): Array<ModelItem> {
    return this.options.overlap ? this.in("leaving").filter((item) => item.reason === "retired") : []
  }

  /** Those that a borrower can have, the first choice first; some may have to be checked before. */
  get lendable(): Array<ModelItem> {
    const free = this.in("open").filter((item) => item.check?.blocks !== true && item.borrowers < item.concurrency)
    free.sort((a, b) => a.borrowers - b.borrowers || a.turn - b.turn)
    return this.options.order === "lifo" ? free.reverse() : free
  }

  /** Nobody has them; some may be pinged. The oldest first. */
  get idle(): Array<ModelItem> {
    return this.in("open")
      .filter((item) => item.borrowers === 0 && item.check?.awaited !== true)
      .sort((a, b) => a.turn - b.turn)
  }

  private get overfull(): boolean {
    return this.items.filter((item) => item.counted && item.phase !== "closing").length > this.options.maxSize
  }

  private get overfullAfterLeaving(): boolean {
    const staying = this.items.filter((item) => item.counted && item.phase !== "closing" && item.phase !== "leaving")
    return staying.length > this.options.maxSize
  }

  /** Items that are checked for those who wait. */
  private get checking(): number {
    return this.in("open").filter((item) => item.check?.awaited === true).length
  }

  /** Items that those who wait need. */
  private get needed(): number {
    const sharing = this.waiters.filter((waiter) => !waiter.isForWhole).length
    return this.waiters.length - sharing + Math.ceil(sharing / this.newestConcurrency)
  }

  stateOf(item: ModelItem): ItemState {
    switch (item.phase) {
      case "creating":
        return "Creating"
      case "open":
        return item.check?.blocks === true ? "Checking" : item.borrowers > 0 ? "InUse" : "Idle"
      case "leaving":
        return "Leaving"
      case "closing":
        return "Closing"
      case "gone":
        return "Gone"
    }
  }

  needsCheck(item: ModelItem, now: number): boolean {
    return now - item.provenAt >= this.options.validateAfterIdle
  }

  private hasRoom(): boolean {
    return this.occupied < this.options.maxSize && this.in("creating").length < this.options.createConcurrency
  }

  private wantsItem(): boolean {
    if ((this.state !== "Open" && this.state !== "Draining") || !this.hasRoom() || this.broken !== undefined) {
      return false
    }
    const lacking = this.options.minSize - this.in("open").length - this.in("creating").length
    const expected = this.checking + this.in("creating").length
    return this.needed > expected || (this.state === "Open" && lacking > 0)
  }

  /** Only the backoff after a failure, or after items that died young, keeps another attempt from being made. */
  get retries(): boolean {
    return !(this.failing && this.in("creating").length > 0) && this.wantsItem()
  }

  get nextAttempt(): number {
    return Math.max(this.failing ? this.retryAt : 0, this.pausedUntil)
  }

  /** When something has to happen next. */
  nextDue(): number {
    const { exhaustedThreshold, idleTimeToLive, leakThreshold, minSize, pingInterval } = this.options
    const open = this.in("open")
    if (this.state === "Closed") return Infinity
    return Math.min(
      ...this.in("creating", "closing").map((item) => item.deadline),
      ...this.overlapping.map((item) => item.deadline),
      ...this.in("open", "leaving").map((item) => item.check?.deadline ?? Infinity),
      ...open.map((item) => item.retiresAt),
      ...open.filter((item) => this.isPingable(item)).map((item) => item.provenAt + pingInterval),
      ...(open.length > minSize ? this.idle.map((item) => item.idleSince + idleTimeToLive) : []),
      ...this.waiters.map((waiter) => waiter.since + this.options.acquireTimeout),
      ...(this.exhausted ? [] : this.waiters.map((waiter) => waiter.since + exhaustedThreshold)),
      ...this.loans.map((loan) => loan.since + leakThreshold),
      this.retries ? this.nextAttempt : Infinity,
      this.state === "Closing" && this.in("open", "leaving").length > 0 ? this.closeAt : Infinity
    )
  }

  // --- borrowing

  private lendableTo({ isForWhole }: Pick<ModelWaiter, "isForWhole">): Array<ModelItem> {
    return this.lendable.filter((item) => !isForWhole || item.borrowers === 0)
  }

  checkout(now: number, isForWhole: boolean): ModelItem | undefined {
    const item = this.lendableTo({ isForWhole })[0]
    if (this.state !== "Open" || this.waiters.length > 0 || item === undefined || this.needsCheck(item, now)) return
    this.lend(item, now, isForWhole)
    this.settle(now)
    return item
  }

  tryCheckout(now: number): ModelItem | undefined {
    const item = this.checkout(now, false)
    const unproven = this.lendable[0]
    if (item === undefined && unproven !== undefined && this.state === "Open" && this.waiters.length === 0) {
      this.beginCheck(unproven, "borrow", now)
      this.settle(now)
    }
    return item
  }

  enqueue(waiter: ModelWaiter, now: number): "Queued" | "Full" | "Closed" {
    if (this.state !== "Open") return "Closed"
    const room = Math.max(0, this.options.maxSize - this.occupied)
    const expected = this.in("creating").length + this.checking + room
    if (
      this.waiters.length - expected * this.newestConcurrency >= this.options.maxWaiters &&
      this.lendableTo(waiter).length === 0
    ) {
      this.counters.rejections++
      return "Full"
    }
    waiter.since = now
    this.waiters.push(waiter)
    this.settle(now)
    return "Queued"
  }

  abandon(waiter: ModelWaiter, now: number): void {
    const { outcome } = waiter
    if (outcome === "queued") this.waiters = this.waiters.filter((other) => other !== waiter)
    waiter.outcome = "abandoned"
    if (typeof outcome === "object") this.release(outcome, now, false, false)
    this.settle(now)
  }

  release(item: ModelItem, now: number, discarded: boolean, succeeded: boolean): void {
    if (discarded && item.phase === "open") this.leave(item, "discarded", now)
    this.leases--
    item.borrowers--
    if (item.isWhole) {
      item.concurrency = item.capacity
      item.isWhole = false
      if (item.check !== undefined) this.cancelCheck(item)
    }
    if (item.phase === "leaving" && item.borrowers === 0) this.destroy(item, item.reason, now)
    if (item.phase === "open" && item.check?.blocks !== true) {
      if (succeeded) item.provenAt = now
      this.serve(item)
      if (item.borrowers === 0 && this.overfull) this.destroy(item, "excess", now)
      else if (this.overfullAfterLeaving) this.leave(item, "excess", now)
      else this.offer(item, now)
    }
    this.settle(now)
  }

  track(loan: ModelLoan): void {
    this.loans.push(loan)
  }

  untrack(id: number): void {
    this.loans = this.loans.filter((loan) => loan.id !== id)
  }

  // --- what the items do

  created(item: ModelItem, value: number, concurrency: number, now: number, chance: number): void {
    if (item.phase !== "creating") return
    if (this.failing) this.log.push("recovered")
    this.failing = false
    this.newestConcurrency = concurrency
    this.counters.created++
    item.phase = "open"
    item.value = value
    item.capacity = concurrency
    item.concurrency = concurrency
    item.provenAt = now
    item.createdAt = now
    item.retiresAt = now + this.options.maxLifetime * (0.9 + 0.2 * chance)
    this.offer(item, now)
    this.settle(now)
  }

  createFailed(item: ModelItem, refusal: ModelRefusal, now: number, chance: number): void {
    if (item.phase !== "creating") return
    this.fail(item, refusal, now, chance)
    this.settle(now)
  }

  checked(item: ModelItem, check: ModelCheck, passed: boolean, now: number): void {
    if (item.check !== check) return
    item.check = undefined
    if (!passed) return this.lost(item, now)
    this.prove(item, now)
    if (item.phase === "open" && (check.awaited || this.waiters.length > 0)) this.offer(item, now)
    this.settle(now)
  }

  lost(item: ModelItem, now: number): void {
    if (item.phase !== "open" && item.phase !== "leaving") return
    this.lose(item, now)
    this.settle(now)
  }

  retire(item: ModelItem, now: number): void {
    this.withdraw(item, "retired", now)
    this.settle(now)
  }

  invalidate(value: number, now: number): void {
    for (const item of this.in("open")) if (item.value === value) this.withdraw(item, "invalidated", now)
    this.settle(now)
  }

  gone(item: ModelItem, now: number): void {
    if (item.phase !== "closing") return
    this.forget(item)
    this.settle(now)
  }

  // --- the pool as a whole

  prepare(now: number): boolean {
    const makes = this.state === "Open" && this.hasRoom() && this.broken === undefined
    if (makes) this.create(now)
    this.settle(now)
    return makes
  }

  breakDown(refusal: ModelRefusal, now: number): void {
    this.broken = refusal
    this.settle(now)
  }

  prune(maxIdle: number, now: number): number {
    const count = this.destroyIdle(maxIdle, now)
    this.settle(now)
    return count
  }

  clear(now: number): number {
    const { idle } = this
    for (const item of idle) this.destroy(item, "idle", now)
    this.settle(now)
    return idle.length
  }

  resize(minSize: number, maxSize: number, now: number): void {
    this.options.minSize = minSize
    this.options.maxSize = maxSize
    for (const item of this.idle) if (this.overfull) this.destroy(item, "excess", now)
    this.settle(now)
  }

  start(now: number): void {
    this.settle(now)
  }

  wantReady(now: number): void {
    this.readyWanted = true
    if (this.state !== "Open") this.tellReady("PoolClosed")
    this.settle(now)
  }

  drain(now: number): void {
    if (this.state === "Open") this.state = "Draining"
    this.tellReady("PoolClosed")
    this.settle(now)
  }

  close(now: number): void {
    if (this.state === "Closing" || this.state === "Closed") return
    this.state = "Closing"
    this.closeAt = now + this.options.shutdownGrace
    for (const waiter of [...this.waiters]) this.refuse(waiter, "PoolClosed")
    this.tellReady("PoolClosed")
    for (const item of this.in("creating")) {
      item.phase = "closing"
      item.deadline = now + this.options.closeTimeout
      this.log.push(`cancel ${item.id}`)
    }
    for (const item of this.in("open")) this.withdraw(item, "closed", now)
    this.settle(now)
  }

  tick(now: number, chance: number): void {
    for (const item of this.in("creating").filter((item) => item.deadline <= now)) {
      this.log.push(`cancel ${item.id}`)
      this.fail(item, "CreateTimeout", now, chance)
    }
    for (const item of this.in("open", "leaving")) {
      if (item.check !== undefined && item.check.deadline <= now) this.lose(item, now)
    }
    for (const item of this.in("closing").filter((item) => item.deadline <= now)) {
      this.log.push(`leaveBehind ${item.id}`)
      this.forget(item)
    }
    for (const waiter of [...this.waiters].filter((waiter) => waiter.since + this.options.acquireTimeout <= now)) {
      this.counters.timeouts++
      this.refuse(waiter, "AcquireTimeout")
    }
    const old = this.in("open").filter((item) => item.retiresAt <= now).sort((a, b) => a.retiresAt - b.retiresAt)
    for (const item of old) this.withdraw(item, "retired", now)
    this.destroyIdle(this.options.idleTimeToLive, now)
    for (const item of this.in("open")) {
      if (this.isPingable(item) && item.provenAt + this.options.pingInterval <= now) this.beginCheck(item, "ping", now)
    }
    for (const item of this.overlapping.filter((item) => item.deadline <= now)) this.destroy(item, "retired", now)
    for (const loan of this.loans.filter((loan) => loan.since + this.options.leakThreshold <= now)) {
      this.log.push(`overdue ${loan.id}`)
      this.untrack(loan.id)
    }
    const waited = now - (this.waiters[0]?.since ?? Infinity)
    if (waited >= this.options.exhaustedThreshold && !this.exhausted) {
      this.exhausted = true
      this.log.push(`exhausted ${waited}`)
    }
    if (now >= this.closeAt) { for (const item of this.in("leaving")) this.destroy(item, "closed", now) }
    this.settle(now)
  }

  // --- within

  private isPingable(item: ModelItem): boolean {
    return item.check === undefined && (item.borrowers === 0 || item.capacity > 1 || item.isWhole)
  }

  private lend(item: ModelItem, now: number, isForWhole: boolean): void {
    if (isForWhole) {
      item.concurrency = 1
      item.isWhole = true
    }
    item.turn = ++this.turns
    item.borrowers++
    item.uses++
    this.leases++
    this.counters.acquisitions++
    if (item.uses > 1) this.counters.reuses++
    this.counters.peak = Math.max(this.counters.peak, this.inUse)
    if (item.uses >= this.options.maxUses) this.leave(item, "retired", now)
  }

  /** To those who have waited longest, or it stays for the next one, unless there are too many. */
  private offer(item: ModelItem, now: number): void {
    item.turn = ++this.turns
    while (this.waiters.length > 0 && this.lendableTo(this.waiters[0]!).includes(item)) {
      const waiter = this.waiters.shift()!
      waiter.outcome = item
      this.log.push(`wake ${waiter.id} with ${item.id}`)
      this.lend(item, now, waiter.isForWhole)
    }
    if (item.borrowers > 0) return
    item.idleSince = now
    if (this.overfull) this.destroy(item, "excess", now)
  }

  private refuse(waiter: ModelWaiter | undefined, refusal: ModelRefusal): void {
    if (waiter === undefined) return
    this.waiters = this.waiters.filter((other) => other !== waiter)
    waiter.outcome = refusal
    this.log.push(`wake ${waiter.id}: ${refusal}`)
  }

  private withdraw(item: ModelItem, reason: Reason, now: number): void {
    if (item.phase !== "open") return
    if (item.borrowers === 0) this.destroy(item, reason, now)
    else this.leave(item, reason, now)
  }

  private leave(item: ModelItem, reason: Reason, now: number): void {
    if (item.check?.awaited === true) this.cancelCheck(item)
    const given = this.overlapping.filter((item) => !item.counted).length
    item.phase = "leaving"
    item.reason = reason
    this.log.push(`leaving ${item.id}`)
    if (!this.overlapping.includes(item)) return
    if (given < this.options.maxSize) item.counted = false
    item.deadline = now + this.options.retireGrace
  }

  private destroy(item: ModelItem, reason: Reason, now: number): void {
    this.cancelCheck(item)
    item.phase = "closing"
    item.deadline = now + this.options.closeTimeout
    this.counters.destroyed[reason]++
    this.log.push(`destroy ${item.id} ${reason}`)
  }

  private forget(item: ModelItem): void {
    item.phase = "gone"
    item.counted = false
    this.items = this.items.filter((other) => other !== item)
  }

  private destroyIdle(maxIdle: number, now: number): number {
    const { idle } = this
    const old = idle.filter((item) => now - item.idleSince >= maxIdle)
    const going = old.slice(0, Math.max(0, this.in("open").length - this.options.minSize))
    for (const item of going) this.destroy(item, "idle", now)
    return going.length
  }

  private prove(item: ModelItem, now: number): void {
    item.provenAt = now
    this.serve(item)
  }

  private serve(item: ModelItem): void {
    item.hasServed = true
    this.stillborn = 0
  }

  private lose(item: ModelItem, now: number): void {
    const { factor, initial, max } = this.options.backoff
    if (!item.hasServed && now - item.createdAt < max && now >= this.pausedUntil) {
      this.pausedUntil = now + Math.max(1, Math.min(max, initial * factor ** this.stillborn++))
    }
    item.counted = false
    this.destroy(item, "lost", now)
  }

  private fail(item: ModelItem, refusal: ModelRefusal, now: number, chance: number): void {
    const { factor, initial, jitter, max } = this.options.backoff
    this.counters.failures++
    item.phase = "closing"
    item.deadline = now + this.options.closeTimeout
    if (!this.failing || now >= this.retryAt) {
      this.delay = Math.min(max, this.failing ? this.delay * factor : initial)
      const delay = Math.max(1, this.delay * (1 + jitter * (2 * chance - 1)))
      this.retryAt = now + delay
      this.log.push(`backoff ${delay} ${refusal}`)
    }
    this.failing = true
    this.refuse(this.waiters[0], refusal)
    if (this.in("open", "creating").length === 0) {
      for (const waiter of [...this.waiters]) this.refuse(waiter, refusal)
    }
    this.tellReady(refusal)
  }

  private beginCheck(item: ModelItem, why: "borrow" | "ping", now: number): void {
    if (item.check !== undefined) {
      // pinged while it was lent: the ping answers for the borrower too
      item.check.awaited = true
      item.check.blocks = true
      return
    }
    const awaited = why === "borrow"
    item.check = { awaited, blocks: awaited || item.borrowers === 0, deadline: now + this.options.checkTimeout }
    this.log.push(`check ${item.id} ${why}`)
  }

  private cancelCheck(item: ModelItem): void {
    if (item.check === undefined) return
    item.check = undefined
    this.log.push(`cancelCheck ${item.id}`)
  }

  private create(now: number): void {
    const item: ModelItem = {
      id: this.everything.length + 1,
      phase: "creating",
      value: NaN,
      capacity: 1,
      isWhole: false,
      concurrency: 1,
      borrowers: 0,
      uses: 0,
      counted: true,
      reason: "closed",
      check: undefined,
      turn: 0,
      idleSince: 0,
      provenAt: 0,
      createdAt: 0,
      hasServed: false,
      retiresAt: Infinity,
      deadline: now + this.options.createTimeout
    }
    this.items.push(item)
    this.everything.push(item)
    this.log.push(`create ${item.id}`)
  }

  private tellReady(refusal: ModelRefusal | undefined): void {
    if (this.readyWanted) this.log.push(`reached: ${refusal ?? "minSize"}`)
    this.readyWanted = false
  }

  private settle(now: number): void {
    while (this.needed > this.checking) {
      const item = this.lendableTo(this.waiters[0]!)[0]
      if (item === undefined) break
      if (this.needsCheck(item, now)) this.beginCheck(item, "borrow", now)
      else this.offer(item, now)
    }
    while (this.retries && now >= this.nextAttempt) this.create(now)
    if (this.broken !== undefined && (this.state === "Open" || this.state === "Draining")) {
      for (const waiter of [...this.waiters]) this.refuse(waiter, this.broken)
      if (this.in("open").length < this.options.minSize) this.tellReady(this.broken)
    }
    if (this.waiters.length === 0) this.exhausted = false
    if (this.in("open").length >= this.options.minSize) this.tellReady(undefined)
    if (!this.drained && this.state !== "Open" && this.waiters.length === 0 && this.leases === 0) {
      this.drained = true
      this.log.push("drained")
    }
    if (this.state === "Closing" && this.items.length === 0) {
      this.state = "Closed"
      this.log.push("closed")
    }
  }

  /** What can be seen of it from outside. */
  snapshot() {
    return {
      state: this.state,
      live: this.in("open", "leaving").length,
      open: this.in("open").length,
      inUse: this.inUse,
      leases: this.leases,
      creating: this.in("creating").length,
      closing: this.in("closing").length,
      occupied: this.occupied,
      failing: this.failing,
      waiters: this.waiters.map((waiter) => waiter.id),
      items: this.items.map((item) => ({
        id: item.id,
        state: this.stateOf(item),
        value: item.phase === "creating" ? NaN : item.value,
        borrowers: item.borrowers,
        uses: item.uses,
        counted: item.counted
      })),
      counters: { ...this.counters, destroyed: { ...this.counters.destroyed } }
    }
  }
}
