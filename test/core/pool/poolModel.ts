/**
 * A waiting pool, written only to be obviously right: plain arrays, every figure counted anew, every choice made by looking
 * at all items. It writes its commands to a log.
 */
import type { Time } from "../../../src/internal/core/clock.js"
import type { Counters } from "../../../src/internal/core/pool/counters.js"
import type { CheckResult, ItemState, Reason, Sharing, Verdict } from "../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../src/internal/core/pool/policy.js"

export type ModelRefusal =
  | `AcquireTimeout ${"queue" | "creation" | "check" | "permit"}`
  | "CreateTimeout"
  | "PoolClosed"
  | `CreateFailed ${string}`

export interface ModelItem {
  readonly id: number
  phase: "creating" | "open" | "leaving" | "closing" | "gone"
  value: number
  capacity: number
  isExclusive: boolean
  concurrency: number
  borrowers: number
  uses: number
  /** Whether the item occupies one of the `maxSize` places. */
  counted: boolean
  reason: Reason
  check: ModelCheck | undefined
  /** The item's turn among items with as many borrowers. */
  turn: number
  idleSince: number
  provenAt: number
  /** When the item last showed a sign of life. */
  heardAt: number
  createdAt: number
  hasServed: boolean
  isDoubtful: boolean
  /** The item's turn among the proven items. */
  proof: number
  /** The number of the attempt that creates the item, and when it began. */
  readonly attempt: number
  readonly startedAt: number
  /** The pool was renewed before the item was created. */
  isOutdated: boolean
  /** The pool was renewed while the item was idle. */
  isRenewed: boolean
  retiresAt: number
  /** When the pool decides whether to ping the item. */
  pingAt: number
  pingTurn: number
  /** The deadline of its creation, its closing, or its borrow after its retirement. */
  deadline: number
  /** In a pool with a gate: until the item no longer counts. */
  permit: number | undefined
}

/** A gate before the creations. */
export interface ModelGate {
  /** Whether another pool needs the place of an item that is free. */
  isShort: boolean
  /** Whether another pool gets the place of a returned item, though borrowers of this pool wait. */
  isGreedy: boolean
  /** Whether the pool may ask for permits that no borrower waits for. */
  hasSpare: boolean
}

export interface ModelCheck {
  /** Whether a borrower waits for the check, which may have begun as a ping. */
  awaited: boolean
  /** Whether the item takes no borrower during the check. */
  blocks: boolean
  readonly hook: "validate" | "ping"
  /** How many borrowers had waited so far when the check began. */
  readonly asked: number
  readonly startedAt: Time
  readonly turn: number
  isSlow: boolean
  readonly deadline: number
}

export interface ModelWaiter {
  readonly id: number
  readonly sharing: Sharing
  asked: number
  since: number
  outcome: "queued" | "abandoned" | ModelItem | ModelRefusal
}

export interface ModelLeak {
  readonly id: number
  readonly since: number
}

export interface ModelRelease {
  readonly id: number
  readonly item: ModelItem
  readonly deadline: number
}

export class PoolModel {
  readonly options: { -readonly [K in keyof MachineOptions]: MachineOptions<string>[K] }
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  /** All items that are not gone. */
  items: Array<ModelItem> = []
  /** All items, also those that are gone. */
  readonly everything: Array<ModelItem> = []
  waiters: Array<ModelWaiter> = []
  watched: Array<ModelLeak> = []
  releases: Array<ModelRelease> = []
  leases = 0
  failing = false
  retryAt = 0
  earlyDeaths = 0
  pausedUntil = 0
  /** Permits that ended before they were of use, in a row. */
  wastes = 0
  closeAt = Infinity
  log: Array<string> = []
  readonly counters: Counters = {
    acquisitions: 0,
    reuses: 0,
    created: 0,
    failures: 0,
    timeouts: 0,
    rejections: 0,
    abandoned: 0,
    peak: 0,
    destroyed: { lost: 0, invalidated: 0, retired: 0, discarded: 0, idle: 0, excess: 0, closed: 0 }
  }
  private turns = 0
  private proofs = 0
  private asked = 0
  private delay = 0
  /** How many attempts had begun at the last failure, and the time of that failure. */
  private failedAttempts = 0
  private failedAt = 0
  private failingSince = Infinity
  /** How many attempts may be under way after an outage. */
  private allowance = Infinity
  /** A borrower or a size has wanted the next attempt without a break. */
  private awaitsRetry = false
  private doubtful: Array<ModelItem> = []
  private drainingSince = Infinity
  private newestConcurrency = 1
  private broken: ModelRefusal | undefined = undefined
  private readyWanted = false
  private drained = false
  private exhausted = false
  private readonly gate: ModelGate | undefined
  /** The permits that were asked for, the oldest first. */
  asks: Array<{ readonly id: number; readonly isSpare: boolean }> = []
  /** Permits whose creation has not begun. */
  private held: Array<number> = []
  private permits = 0
  private wantsUnused = false

  constructor(options: MachineOptions<string>, gate?: ModelGate) {
    this.options = { ...options }
    this.gate = gate
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

  /** The items that a borrower can get, the first choice first; some may need a check before. */
  get lendable(): Array<ModelItem> {
    const free = this.in("open").filter((item) => item.check?.blocks !== true && item.borrowers < item.concurrency)
    free.sort((a, b) => a.borrowers - b.borrowers || a.turn - b.turn)
    return this.options.order === "lifo" ? free.reverse() : free
  }

  /** The items without a borrower, also in a background check. The oldest first. */
  get idle(): Array<ModelItem> {
    return this.in("open")
      .filter((item) => item.borrowers === 0 && item.check?.awaited !== true)
      .sort((a, b) => a.turn - b.turn)
  }

  /** The items in background checks, in the order in which the checks began. */
  private get background(): Array<ModelItem> {
    return this.in("open", "leaving")
      .filter((item) => item.check?.awaited === false)
      .sort((a, b) => a.check!.turn - b.check!.turn)
  }

  private get overfull(): boolean {
    return this.items.filter((item) => item.counted && item.phase !== "closing").length > this.options.maxSize
  }

  private get overfullAfterLeaving(): boolean {
    const staying = this.items.filter((item) => item.counted && item.phase !== "closing" && item.phase !== "leaving")
    return staying.length > this.options.maxSize
  }

  /** The number of items that are checked for waiters. */
  private get awaitedChecks(): number {
    return this.in("open").filter((item) => item.check?.awaited === true).length
  }

  private get promptChecks(): number {
    return this.in("open").filter((item) => item.check?.awaited === true && !item.check.isSlow).length
  }

  private get awaitedCreations(): number {
    return this.in("creating").filter((item) => !item.isOutdated).length
  }

  /** The number of items that the waiters need. */
  get needed(): number {
    const sharing = this.waiters.filter((waiter) => waiter.sharing === "shared").length
    return this.waiters.length - sharing + Math.ceil(sharing / this.newestConcurrency)
  }

  private get lent(): number {
    return this.in("open").filter((item) => item.borrowers > 0).length
  }

  private get lacking(): number {
    const { maxSize, minIdle, minSize } = this.options
    const forIdle = minIdle > 0 ? Math.min(maxSize, this.lent + this.needed + minIdle) : 0
    return Math.max(minSize, forIdle) - this.in("open").length
  }

  private get floor(): number {
    return Math.max(this.options.minSize, this.lent + this.options.minIdle)
  }

  get isAtRest(): boolean {
    return this.leases === 0 && this.items.every((item) => item.check === undefined)
  }

  stateOf(item: ModelItem): ItemState {
    switch (item.phase) {
      case "creating":
        return item.isOutdated ? "Outdated" : "Creating"
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

  needsCheck(item: ModelItem, now: Time): boolean {
    return now.wall - item.provenAt >= this.options.validateAfterIdle
  }

  private hasRoom(): boolean {
    const most = Math.min(this.options.createConcurrency, this.allowance)
    return this.occupied < this.options.maxSize && this.in("creating").length < most
  }

  private wantsItem(): boolean {
    // a pool asks for permits, however many creations are under way
    const hasRoom = this.gate === undefined ? this.hasRoom() : this.occupied < this.options.maxSize
    if ((this.state !== "Open" && this.state !== "Draining") || !hasRoom || this.broken !== undefined) {
      return false
    }
    return this.needed > this.promptChecks + this.awaitedCreations ||
      (this.state === "Open" && this.lacking > this.awaitedCreations)
  }

  /** Whether only the backoff, or the pause after items that died young, holds back the next attempt. */
  get retries(): boolean {
    return !(this.failing && this.in("creating").length > 0) && this.wantsItem()
  }

  get nextAttempt(): number {
    return Math.max(this.failing ? this.retryAt : 0, this.pausedUntil)
  }

  /** Whether the backoff or the pause is over, and the next attempt has not begun. */
  isRetryDue(now: Time): boolean {
    return this.awaitsAttempt && now.monotonic >= this.nextAttempt
  }

  private get awaitsAttempt(): boolean {
    if (!this.retries || this.gate === undefined) return this.retries
    // while no creation may begin, permits are asked for: for borrowers, and for spare items if the gate has any
    const isSought = this.needed > this.promptChecks + this.awaitedCreations || this.gate.hasSpare
    return this.awaitsRetry && (isSought || this.hasRoom())
  }

  /** The next time when something is due, by the monotonic clock. */
  nextDue(now: Time): number {
    const { exhaustedThreshold, idleTimeToLive, leakThreshold } = this.options
    const open = this.in("open")
    if (this.state === "Closed") return Infinity
    const waited = Math.min(
      ...this.in("creating", "closing").map((item) => item.deadline),
      ...this.overlapping.filter((item) => !item.isRenewed).map((item) => item.deadline),
      ...this.in("open", "leaving").map((item) => item.check?.deadline ?? Infinity),
      ...open.map((item) => item.check?.awaited === true && !item.check.isSlow ? this.slowAt(item.check) : Infinity),
      ...this.waiters.map((waiter) => waiter.since + this.options.acquireTimeout),
      ...(this.exhausted ? [] : this.waiters.map((waiter) => waiter.since + exhaustedThreshold)),
      ...this.watched.map((record) => record.since + leakThreshold),
      ...this.releases.map((release) => release.deadline),
      this.awaitsAttempt ? this.nextAttempt : Infinity,
      this.state === "Draining" && !this.drained ? this.drainingSince + exhaustedThreshold : Infinity,
      this.state === "Closing" && this.in("open", "leaving").length > 0 ? this.closeAt : Infinity,
      this.nextPing !== undefined && this.isEnough(this.nextPing)
        ? Math.max(
          Math.min(...this.promptPings.map((item) => this.slowAt(item.check!))),
          now.monotonic + Math.max(this.nextPing.pingAt, this.silentAt(this.nextPing)) - now.wall
        )
        : Infinity
    )
    const ping = this.nextPing
    const aged = Math.min(
      ...open.map((item) => item.retiresAt),
      // the end of another check starts this ping
      ping === undefined || this.background.length > 0 ? Infinity : Math.max(ping.pingAt, this.silentAt(ping)),
      ...(open.length > this.floor ? this.idle.map((item) => item.idleSince + idleTimeToLive) : [])
    )
    return Math.min(waited, now.monotonic + aged - now.wall)
  }

  private slowAt(check: ModelCheck): number {
    return check.startedAt.monotonic + Math.min(250, this.options.checkTimeout / 2)
  }

  // --- borrowing

  private lendableTo({ sharing }: Pick<ModelWaiter, "sharing">): Array<ModelItem> {
    return this.lendable.filter((item) => sharing === "shared" || item.borrowers === 0)
  }

  /** The first choice that needs no check, by place or else by proof; or an item in a background check. */
  private ready(borrower: Pick<ModelWaiter, "sharing">, now: Time): ModelItem | undefined {
    this.age(now)
    const free = this.lendableTo(borrower)
    if (free[0] !== undefined && !this.needsCheck(free[0], now)) return free[0]
    const proven = free.filter((item) => !this.needsCheck(item, now)).sort((a, b) => b.proof - a.proof)[0]
    if (proven !== undefined) return proven
    const pinged = this.background.find((item) =>
      item.check!.blocks && !item.isDoubtful && this.slowAt(item.check!) > now.monotonic && !this.needsCheck(item, now)
    )
    if (pinged !== undefined) this.cancelCheck(pinged)
    return pinged
  }

  private candidate(borrower: Pick<ModelWaiter, "sharing">): ModelItem | undefined {
    return this.lendableTo(borrower)[0] ?? this.background.find((item) => item.check!.blocks)
  }

  checkout(now: Time, sharing: Sharing): ModelItem | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return
    const item = this.ready({ sharing }, now)
    if (item !== undefined) this.lend(item, now, sharing)
    this.settle(now)
    return item
  }

  tryCheckout(now: Time): ModelItem | undefined {
    const item = this.checkout(now, "shared")
    const unproven = this.lendable[0]
    if (item === undefined && unproven !== undefined && this.state === "Open" && this.waiters.length === 0) {
      this.beginCheck(unproven, "validate", true, now)
      this.settle(now)
    }
    return item
  }

  /** An item that is checked for a borrower that has not queued yet. */
  checkNow(now: Time, sharing: Sharing): ModelItem | undefined {
    if (this.state !== "Open" || this.waiters.length > 0) return
    const item = this.lendableTo({ sharing })[0]
    if (item === undefined || item.check !== undefined) return
    this.beginCheck(item, "validate", true, now, this.asked + 1)
    this.log.pop()
    return item
  }

  /** Returns whether the item is lent. Its check may be over, and others may wait, if the hook called back. */
  admit(item: ModelItem, check: ModelCheck, now: Time, sharing: Sharing): boolean {
    if (this.state !== "Open" || this.waiters.length > 0 || item.check !== check) {
      this.checked(item, check, "passed", now)
      return false
    }
    item.check = undefined
    this.prove(item, now)
    this.lend(item, now, sharing)
    this.settle(now)
    return true
  }

  enqueue(waiter: ModelWaiter, now: Time): "Queued" | "Full" | "Closed" {
    if (this.state !== "Open") return "Closed"
    const room = Math.max(0, this.options.maxSize - this.occupied)
    const expected = this.awaitedCreations + this.promptChecks + room
    const sharing = waiter.sharing === "exclusive" ? "exclusive" : this.waiters[0]?.sharing ?? "shared"
    if (
      this.waiters.length - expected * this.newestConcurrency >= this.options.maxWaiters &&
      this.candidate({ sharing }) === undefined
    ) {
      this.counters.rejections++
      return "Full"
    }
    waiter.since = now.monotonic
    waiter.asked = ++this.asked
    this.waiters.push(waiter)
    this.settle(now)
    return "Queued"
  }

  abandon(waiter: ModelWaiter, now: Time): void {
    const { outcome } = waiter
    const isQueued = this.waiters.includes(waiter)
    if (isQueued) {
      this.waiters = this.waiters.filter((other) => other !== waiter)
      this.counters.abandoned++
    }
    waiter.outcome = "abandoned"
    if (typeof outcome === "object") this.release(outcome, now, "kept")
    else if (isQueued) this.settle(now)
  }

  release(item: ModelItem, now: Time, verdict: Verdict): void {
    if (verdict === "discarded" && item.phase === "open") this.leave(item, "discarded", now)
    this.leases--
    item.borrowers--
    if (item.isExclusive) {
      item.concurrency = item.capacity
      item.isExclusive = false
      if (verdict === "proven") this.cancelCheck(item)
    }
    if (item.phase === "leaving" && item.borrowers === 0) this.destroy(item, item.reason, now)
    if (item.phase === "open" && verdict === "proven") {
      this.prove(item, now)
      if (item.check?.blocks === true && !this.needsCheck(item, now)) this.cancelCheck(item)
    }
    if (item.phase === "open" && item.check?.blocks !== true) {
      // the ping was put off, since a success of the borrower would have proved the item
      if (verdict !== "proven" && item.pingAt > this.silentAt(item)) this.pingNext(item, this.silentAt(item))
      item.isDoubtful = verdict !== "proven"
      this.serve(item)
      const isClaimed = this.waiters.length > 0 ? this.gate?.isGreedy === true : this.gate?.isShort === true
      if (item.borrowers === 0 && (this.overfull || isClaimed)) this.destroy(item, "excess", now)
      else if (this.overfullAfterLeaving || isClaimed) this.leave(item, "excess", now)
      else this.offer(item, now, 0)
    }
    this.settle(now)
  }

  beginRelease(id: number, item: ModelItem, now: Time): void {
    this.releases.push({ id, item, deadline: now.monotonic + this.options.checkTimeout })
  }

  endRelease(id: number): boolean {
    const isInTime = this.releases.some((release) => release.id === id)
    this.releases = this.releases.filter((release) => release.id !== id)
    return isInTime
  }

  track(record: ModelLeak): void {
    this.watched.push(record)
  }

  untrack(id: number): void {
    this.watched = this.watched.filter((record) => record.id !== id)
  }

  // --- what the items do

  created(item: ModelItem, value: number, concurrency: number, now: Time, chance: number): void {
    if (item.phase !== "creating") return
    if (item.isOutdated) {
      this.endCreation(item, now)
      return this.settle(now)
    }
    this.creationOver(item)
    if (!this.failing) this.allowance++
    else if (item.attempt > this.failedAttempts) {
      this.log.push("recovered")
      this.failing = false
      this.failingSince = Infinity
      this.allowance = 2
    }
    this.newestConcurrency = concurrency
    this.counters.created++
    item.phase = "open"
    item.value = value
    item.capacity = concurrency
    item.concurrency = concurrency
    item.provenAt = now.wall
    item.heardAt = now.wall
    item.proof = ++this.proofs
    item.createdAt = now.wall
    item.retiresAt = now.wall + this.options.maxLifetime * (0.9 + 0.2 * chance)
    this.pingNext(item, now.wall + this.options.pingInterval)
    this.offer(item, now, Infinity)
    this.settle(now)
  }

  createFailed(item: ModelItem, refusal: ModelRefusal, now: Time, chance: number): void {
    if (item.phase !== "creating") return
    this.fail(item, refusal, now, chance)
    this.settle(now)
  }

  checked(item: ModelItem, check: ModelCheck, result: CheckResult, now: Time): void {
    if (item.check !== check) return
    if (result === "failed") {
      this.doubt(check, now)
      item.check = undefined
      return this.lost(item, now)
    }
    item.check = undefined
    this.prove(item, now)
    if (item.phase === "open" && (check.awaited || this.waiters.length > 0)) this.offer(item, now, check.asked)
    this.settle(now)
  }

  lost(item: ModelItem, now: Time): void {
    if (item.phase !== "open" && item.phase !== "leaving") return
    this.lose(item, now)
    this.settle(now)
  }

  proven(item: ModelItem, now: Time): void {
    if (item.phase !== "open") return
    if (item.check?.hook !== "ping") this.prove(item, now)
    if (item.check?.hook === "ping" || (item.check?.blocks === true && !this.needsCheck(item, now))) {
      this.log.push(`cancelCheck ${item.id}`)
      this.checked(item, item.check, "passed", now)
    } else if (this.waiters.length > 0) this.settle(now)
  }

  heard(item: ModelItem, now: Time): void {
    item.heardAt = now.wall
  }

  retire(item: ModelItem, now: Time): void {
    this.withdraw(item, "retired", now)
    this.settle(now)
  }

  invalidate(value: number, now: Time): void {
    const known = this.in("open", "leaving").filter((item) => item.value === value)
    for (const item of known) this.withdraw(item, "invalidated", now)
    if (known.length > 0) this.settle(now)
  }

  gone(item: ModelItem, now: Time): void {
    if (item.phase !== "closing") return
    this.forget(item)
    this.settle(now)
  }

  // --- the gate

  granted(id: number, now: Time): boolean {
    if (!this.asks.some((ask) => ask.id === id)) return false
    this.asks = this.asks.filter((ask) => ask.id !== id)
    this.held.push(id)
    this.settle(now)
    return true
  }

  permitFailed(id: number, refusal: ModelRefusal, now: Time, chance: number): void {
    this.asks = this.asks.filter((ask) => ask.id !== id)
    this.countFailure(refusal, now.monotonic, now, chance)
    this.settle(now)
  }

  permitLost(id: number, now: Time): void {
    const item = this.items.find(({ permit }) => permit === id)
    this.permitEnds(id, item, now)
    if (item === undefined) this.drop(id)
    else if (item.phase === "creating") item.isOutdated = true
    else this.withdraw(item, "retired", now)
    this.settle(now)
  }

  permitExpired(id: number, now: Time): void {
    const item = this.items.find(({ permit }) => permit === id)
    this.permitEnds(id, item, now)
    if (item === undefined) this.drop(id)
    else if (item.phase === "creating") {
      this.endCreation(item, now)
      this.log.push(`cancel ${item.id}`)
    } else if (item.phase !== "closing") this.destroy(item, "retired", now)
    this.settle(now)
  }

  /** After the second permit in a row that ended before it was of use there is a pause. */
  private permitEnds(id: number, item: ModelItem | undefined, now: Time): void {
    const wasOfUse = item === undefined
      ? !this.held.includes(id)
      : item.phase === "creating"
      ? item.isOutdated
      : item.phase !== "open" || !this.isYoung(item, now)
    if (wasOfUse || now.monotonic < this.pausedUntil) return
    if (this.wastes > 0) this.pause(this.wastes - 1, now)
    this.wastes++
  }

  private drop(id: number): void {
    if (!this.held.includes(id)) return
    this.held = this.held.filter((held) => held !== id)
    this.log.push(`return ${id}`)
  }

  evict(item: ModelItem, now: Time): boolean {
    const isIdle = this.idle.includes(item)
    if (!isIdle && !this.renewed.includes(item)) return false
    this.destroy(item, isIdle ? "excess" : "retired", now)
    this.settle(now)
    return true
  }

  wantUnused(now: Time): void {
    this.wantsUnused = true
    this.settle(now)
  }

  private givePermitBack(item: ModelItem): void {
    if (item.permit !== undefined) this.log.push(`return ${item.permit}`)
    item.permit = undefined
  }

  private creationOver({ permit }: ModelItem): void {
    if (permit !== undefined) this.log.push(`over ${permit}`)
  }

  /** Asks for as many permits as there could be creations now; withdraws and returns the newest of those that are too many. */
  private seek(now: Time): void {
    if (this.gate === undefined) return
    const serves = (this.state === "Open" || this.state === "Draining") && this.broken === undefined
    const room = Math.max(0, this.options.maxSize - this.occupied)
    const mayBegin = now.monotonic >= this.nextAttempt && !(this.failing && this.in("creating").length > 0)
    const most = !serves || !mayBegin ? 0 : this.failing ? Math.min(1, room) : room
    const forBorrowers = Math.min(most, this.needed - this.awaitedCreations - this.promptChecks)
    const forSize = this.state === "Open" && this.gate.hasSpare
      ? Math.min(most, this.lacking - this.awaitedCreations)
      : 0
    const all = Math.max(0, forBorrowers, forSize)
    const borrowers = Math.max(0, forBorrowers - this.held.length)
    this.askFor(true, Math.max(0, all - this.held.length - borrowers))
    this.askFor(false, borrowers)
    while (this.held.length > all) this.log.push(`return ${this.held.pop()}`)
  }

  private askFor(isSpare: boolean, count: number): void {
    const asked = this.asks.filter((ask) => ask.isSpare === isSpare)
    for (const { id } of asked.slice(count)) {
      this.asks = this.asks.filter((ask) => ask.id !== id)
      this.log.push(`withdraw ${id}`)
    }
    for (let i = asked.length; i < count; i++) {
      const id = ++this.permits
      this.asks.push({ id, isSpare })
      this.log.push(`ask ${id} ${isSpare ? "spare" : "borrower"}`)
    }
  }

  // --- the pool as a whole

  prepare(now: Time): boolean {
    const makes = this.state === "Open" && this.hasRoom() && this.broken === undefined && this.gate === undefined
    if (makes) this.create(now)
    this.settle(now)
    return makes
  }

  breakDown(refusal: ModelRefusal, now: Time): void {
    this.broken = refusal
    this.doubtful = []
    this.settle(now)
  }

  prune(maxIdle: number, now: Time): number {
    const count = this.destroyIdle(maxIdle, now)
    this.settle(now)
    return count
  }

  clear(now: Time): number {
    const { idle } = this
    for (const item of idle) this.destroy(item, "idle", now)
    for (const item of this.renewed) this.destroy(item, "retired", now)
    this.settle(now)
    return idle.length
  }

  renew(now: Time): number {
    const open = this.in("open")
    this.retryAt = Math.min(this.retryAt, now.monotonic)
    this.pausedUntil = Math.min(this.pausedUntil, now.monotonic)
    this.failingSince = Infinity
    for (const item of this.in("creating")) item.isOutdated = true
    for (const item of open) this.leave(item, "retired", now)
    this.settle(now)
    return open.length
  }

  resize(minSize: number, maxSize: number, minIdle: number, now: Time): void {
    this.options.minSize = minSize
    this.options.maxSize = maxSize
    this.options.minIdle = minIdle
    for (const item of this.idle) if (this.overfull) this.destroy(item, "excess", now)
    this.settle(now)
  }

  start(now: Time): void {
    this.settle(now)
  }

  wantReady(now: Time): void {
    this.readyWanted = true
    if (this.state !== "Open") this.tellReady("PoolClosed")
    this.settle(now)
  }

  drain(now: Time): void {
    if (this.state === "Open") {
      this.state = "Draining"
      this.drainingSince = now.monotonic
    }
    this.doubtful = []
    this.tellReady("PoolClosed")
    this.settle(now)
  }

  close(now: Time): void {
    if (this.state === "Closing" || this.state === "Closed") return
    this.state = "Closing"
    this.drainingSince = Infinity
    this.doubtful = []
    this.closeAt = now.monotonic + this.options.shutdownGrace
    this.refuseAll("PoolClosed")
    this.tellReady("PoolClosed")
    for (const item of this.in("creating")) {
      this.endCreation(item, now)
      this.log.push(`cancel ${item.id}`)
    }
    for (const item of this.renewed) this.destroy(item, "retired", now)
    for (const item of this.in("open")) this.withdraw(item, "closed", now)
    this.settle(now)
  }

  tick(now: Time, chance: number): void {
    const { monotonic } = now
    for (const item of this.in("creating").filter((item) => item.deadline <= monotonic)) {
      this.log.push(`cancel ${item.id}`)
      this.fail(item, "CreateTimeout", now, chance)
    }
    for (const { check } of this.in("open", "leaving")) {
      if (check !== undefined && this.slowAt(check) <= monotonic) check.isSlow = true
    }
    const timedOut = this.in("open", "leaving").filter((item) => (item.check?.deadline ?? Infinity) <= monotonic)
    timedOut.sort((a, b) => a.check!.turn - b.check!.turn)
    for (const item of timedOut) {
      this.doubt(item.check!, now)
      this.log.push(`checkTimedOut ${item.id}`)
      this.lose(item, now)
    }
    for (const { id, item } of this.releases.filter((release) => release.deadline <= monotonic)) {
      if (item.phase === "open") this.leave(item, "discarded", now)
      this.log.push(`releaseTimedOut ${id}`)
      this.endRelease(id)
    }
    for (const item of this.in("closing").filter((item) => item.deadline <= monotonic)) {
      this.log.push(`leaveBehind ${item.id}`)
      this.forget(item)
    }
    for (
      const waiter of [...this.waiters].filter((waiter) => waiter.since + this.options.acquireTimeout <= monotonic)
    ) {
      this.counters.timeouts++
      const awaits = this.in("creating").length > 0
        ? "creation"
        : this.asks.some(({ isSpare }) => !isSpare)
        ? "permit"
        : this.failing && this.hasRoom()
        ? "creation"
        : this.awaitedChecks > 0
        ? "check"
        : "queue"
      this.refuse(waiter, `AcquireTimeout ${awaits}`)
    }
    this.age(now)
    while ((this.nextPing?.pingAt ?? Infinity) <= now.wall) {
      const item = this.nextPing!
      const isSilent = this.silentAt(item) <= now.wall
      if (isSilent && this.isPingable(item)) {
        if (this.isEnough(item)) break
        this.beginCheck(item, "ping", false, now)
      }
      if (!isSilent && item.heardAt > item.provenAt) {
        this.serve(item)
        this.log.push(`heard ${item.id}`)
      }
      this.pingNext(item, isSilent ? now.wall + this.options.pingInterval : this.silentAt(item))
    }
    for (const item of this.overlapping.filter((item) => !item.isRenewed && item.deadline <= monotonic)) {
      this.destroy(item, "retired", now)
    }
    for (const record of this.watched.filter((record) => record.since + this.options.leakThreshold <= monotonic)) {
      this.log.push(`overdue ${record.id}`)
      this.untrack(record.id)
    }
    const waited = monotonic - (this.waiters[0]?.since ?? Infinity)
    if (waited >= this.options.exhaustedThreshold && !this.exhausted) {
      this.exhausted = true
      this.log.push(`exhausted ${waited}`)
    }
    const drains = monotonic - this.drainingSince
    if (drains >= this.options.exhaustedThreshold && !this.drained) {
      this.drainingSince = Infinity
      this.log.push(`drainsSlowly ${drains}`)
    }
    if (monotonic >= this.closeAt) { for (const item of this.in("leaving")) this.destroy(item, "closed", now) }
    this.settle(now)
  }

  // --- within

  private get nextPing(): ModelItem | undefined {
    return this.in("open").sort((a, b) => a.pingAt - b.pingAt || a.pingTurn - b.pingTurn)[0]
  }

  /** When the item has been silent for the interval, unless it proves good or shows a sign of life before. */
  private silentAt({ heardAt, provenAt }: ModelItem): number {
    return Math.max(heardAt, provenAt) + this.options.pingInterval
  }

  private pingTurns = 0

  private pingNext(item: ModelItem, at: number): void {
    item.pingAt = at
    item.pingTurn = ++this.pingTurns
  }

  private isPingable(item: ModelItem): boolean {
    return item.phase === "open" && item.check === undefined &&
      (item.borrowers === 0 || item.capacity > 1 || item.isExclusive)
  }

  /** A slow ping keeps no other waiting. */
  private get promptPings(): Array<ModelItem> {
    return this.background.filter((item) => !item.check!.isSlow)
  }

  /** At most half of the idle items are in background checks that are not slow yet, but at least one. */
  private isEnough(item: ModelItem): boolean {
    const idle = this.background.filter((item) => item.check!.blocks)
    const slow = idle.filter((item) => item.check!.isSlow).length
    return this.promptPings.length >= this.options.createConcurrency ||
      (item.phase === "open" && item.borrowers === 0 && item.check?.blocks !== true &&
        idle.length - slow >= Math.max(1, Math.floor((this.idle.length - slow) / 2)))
  }

  private get renewed(): Array<ModelItem> {
    return this.in("leaving").filter((item) => item.isRenewed)
  }

  /** Removes items that have become too old, also if no borrower came since. */
  private age(now: Time): void {
    const old = this.in("open").filter((item) => item.retiresAt <= now.wall).sort((a, b) => a.retiresAt - b.retiresAt)
    for (const item of old) this.withdraw(item, "retired", now)
    this.destroyIdle(this.options.idleTimeToLive, now)
  }

  private lend(item: ModelItem, now: Time, sharing: Sharing): void {
    if (sharing === "exclusive") {
      item.concurrency = 1
      item.isExclusive = true
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

  /**
   * Lends the item to the waiters, the oldest first, or keeps it for the next borrower, unless there are too many items.
   * Waiters up to the number `proves` need no check of it.
   */
  private offer(item: ModelItem, now: Time, proves: number): void {
    item.turn = ++this.turns
    const needsCheck = this.needsCheck(item, now)
    const isFor = (waiter: ModelWaiter) =>
      this.lendableTo(waiter).includes(item) && (!needsCheck || waiter.asked <= proves)
    while (this.waiters.length > 0 && isFor(this.waiters[0]!)) {
      const waiter = this.waiters.shift()!
      waiter.outcome = item
      this.log.push(`wake ${waiter.id} with ${item.id}`)
      this.lend(item, now, waiter.sharing)
    }
    if (item.borrowers > 0) return
    item.idleSince = now.wall
    if (this.overfull || this.gate?.isShort === true) this.destroy(item, "excess", now)
  }

  private refuse(waiter: ModelWaiter | undefined, refusal: ModelRefusal): void {
    if (waiter === undefined) return
    this.waiters = this.waiters.filter((other) => other !== waiter)
    waiter.outcome = refusal
    this.log.push(`wake ${waiter.id}: ${refusal}`)
  }

  private refuseAll(refusal: ModelRefusal): void {
    for (const waiter of [...this.waiters]) this.refuse(waiter, refusal)
  }

  private withdraw(item: ModelItem, reason: Reason, now: Time): void {
    if (item.phase !== "open") return
    if (item.borrowers === 0) this.destroy(item, reason, now)
    else this.leave(item, reason, now)
  }

  private leave(item: ModelItem, reason: Reason, now: Time): void {
    item.isRenewed = item.borrowers === 0
    if (item.check?.awaited === true || item.isRenewed) this.cancelCheck(item)
    const given = this.overlapping.filter((item) => !item.counted).length
    item.phase = "leaving"
    item.reason = reason
    this.log.push(`leaving ${item.id}`)
    if (!this.overlapping.includes(item)) return
    if (given < this.options.maxSize) item.counted = false
    item.deadline = now.monotonic + this.options.retireGrace
  }

  private destroy(item: ModelItem, reason: Reason, now: Time): void {
    this.cancelCheck(item)
    item.phase = "closing"
    item.deadline = now.monotonic + this.options.closeTimeout
    this.counters.destroyed[reason]++
    this.log.push(`destroy ${item.id} ${reason}`)
  }

  private forget(item: ModelItem): void {
    this.givePermitBack(item)
    item.phase = "gone"
    item.counted = false
    this.items = this.items.filter((other) => other !== item)
  }

  private destroyIdle(maxIdle: number, now: Time): number {
    const { idle } = this
    const old = idle.filter((item) => now.wall - item.idleSince >= maxIdle)
    const going = old.slice(0, Math.max(0, this.in("open").length - this.floor))
    for (const item of going) this.destroy(item, "idle", now)
    return going.length
  }

  private prove(item: ModelItem, now: Time): void {
    item.provenAt = now.wall
    item.proof = ++this.proofs
    item.isDoubtful = false
    this.serve(item)
  }

  serve(item: ModelItem): void {
    item.hasServed = true
    this.earlyDeaths = 0
    this.wastes = 0
  }

  private isYoung(item: ModelItem, now: Time): boolean {
    return !item.hasServed && now.wall - item.createdAt < this.options.backoff.max
  }

  private pause(count: number, now: Time): number {
    const { factor, initial, max } = this.options.backoff
    const pause = Math.max(1, Math.min(max, initial * Math.min(factor ** count, Number.MAX_VALUE)))
    this.pausedUntil = now.monotonic + pause
    return pause
  }

  private lose(item: ModelItem, now: Time): void {
    if (this.isYoung(item, now) && now.monotonic >= this.pausedUntil) {
      const pause = this.pause(this.earlyDeaths, now)
      if (this.earlyDeaths++ === 0) this.log.push(`paused ${pause}`)
    }
    item.counted = false
    this.destroy(item, "lost", now)
    this.givePermitBack(item)
  }

  private endCreation(item: ModelItem, now: Time): void {
    this.creationOver(item)
    item.phase = "closing"
    item.deadline = now.monotonic + this.options.closeTimeout
  }

  private fail(item: ModelItem, refusal: ModelRefusal, now: Time, chance: number): void {
    this.endCreation(item, now)
    if (!item.isOutdated) this.countFailure(refusal, item.startedAt, now, chance)
  }

  private countFailure(refusal: ModelRefusal, startedAt: number, now: Time, chance: number): void {
    const { factor, initial, jitter, max } = this.options.backoff
    this.counters.failures++
    if (!this.failing || now.monotonic >= this.retryAt) {
      this.delay = Math.min(max, this.failing ? this.delay * factor : initial)
      const delay = Math.max(1, this.delay * (1 + jitter * (2 * chance - 1)))
      this.retryAt = now.monotonic + delay
      this.log.push(`backoff ${delay} ${refusal}`)
    }
    this.failing = true
    this.failedAttempts = this.attempts
    this.failedAt = now.monotonic
    this.failingSince = Math.min(this.failingSince, startedAt)
    const isOver = this.counters.created === 0 ||
      now.monotonic - this.failingSince >= this.options.rideOut({ _tag: "CreateTimeout" })
    if (isOver && this.in("open").length === 0 && this.awaitedCreations === 0) this.refuseAll(refusal)
    this.tellReady(refusal)
  }

  private doubt(check: ModelCheck, now: Time): void {
    if (this.options.validateAfterIdle === Infinity || this.doubtful.length > 0) return
    if (this.state !== "Open" || this.broken !== undefined) return
    this.doubtful = this.idle.filter((item) => item.provenAt < check.startedAt.wall && this.needsCheck(item, now))
  }

  private beginCheck(
    item: ModelItem,
    hook: "validate" | "ping",
    awaited: boolean,
    now: Time,
    asked = this.asked
  ): void {
    if (item.check !== undefined) {
      // a check under way serves the borrower, too
      item.check.awaited = true
      item.check.blocks = true
      return
    }
    item.check = {
      awaited,
      blocks: awaited || item.borrowers === 0,
      hook,
      asked,
      startedAt: { ...now },
      turn: ++this.turns,
      isSlow: false,
      deadline: now.monotonic + this.options.checkTimeout
    }
    this.log.push(`check ${item.id} ${hook}`)
  }

  private cancelCheck(item: ModelItem): void {
    if (item.check === undefined) return
    item.check = undefined
    this.log.push(`cancelCheck ${item.id}`)
  }

  private attempts = 0

  private create(now: Time): void {
    if (this.failing && !this.awaitsRetry && now.monotonic - this.failedAt >= this.options.backoff.max) {
      this.failingSince = Infinity
    }
    const item: ModelItem = {
      id: this.everything.length + 1,
      phase: "creating",
      value: NaN,
      capacity: 1,
      isExclusive: false,
      concurrency: 1,
      borrowers: 0,
      uses: 0,
      counted: true,
      reason: "closed",
      check: undefined,
      turn: 0,
      idleSince: 0,
      provenAt: 0,
      heardAt: 0,
      createdAt: 0,
      hasServed: false,
      isDoubtful: false,
      proof: 0,
      attempt: ++this.attempts,
      startedAt: now.monotonic,
      isOutdated: false,
      isRenewed: false,
      retiresAt: Infinity,
      pingAt: Infinity,
      pingTurn: 0,
      deadline: now.monotonic + this.options.createTimeout,
      permit: this.held.pop()
    }
    this.items.push(item)
    this.everything.push(item)
    this.log.push(`create ${item.id}`)
  }

  private tellReady(refusal: ModelRefusal | undefined): void {
    if (this.readyWanted) this.log.push(`reached: ${refusal ?? "minSize"}`)
    this.readyWanted = false
  }

  private checkCandidate(now: Time): boolean {
    const item = this.candidate(this.waiters[0] ?? { sharing: "shared" as const })
    if (item !== undefined) this.beginCheck(item, "validate", true, now)
    return item !== undefined
  }

  private settle(now: Time): void {
    const serves = this.state === "Open" || this.state === "Draining"
    if (serves) {
      while (this.waiters.length > 0) {
        const item = this.ready(this.waiters[0]!, now)
        if (item === undefined) break
        this.offer(item, now, 0)
      }
      while (this.needed > this.awaitedChecks && this.checkCandidate(now));
    }
    const mayCreate = () => this.gate === undefined || (this.held.length > 0 && this.hasRoom())
    while (this.retries && now.monotonic >= this.nextAttempt && mayCreate()) this.create(now)
    this.awaitsRetry = this.retries && (this.gate === undefined || now.monotonic < this.nextAttempt)
    if (serves && this.broken === undefined) {
      while (this.needed > this.awaitedCreations + this.promptChecks && this.checkCandidate(now));
    }
    // a refused borrower wants no replacement
    if (this.broken !== undefined && serves) {
      this.refuseAll(this.broken)
      if (this.in("open").length < this.options.minSize) this.tellReady(this.broken)
    }
    while (
      this.state === "Open" && this.broken === undefined && this.doubtful.length > 0 &&
      this.background.length < this.options.createConcurrency
    ) {
      const item = this.doubtful.shift()!
      if (item.phase === "open" && item.borrowers === 0 && item.check === undefined && this.needsCheck(item, now)) {
        this.beginCheck(item, "validate", false, now)
      }
    }
    for (const item of serves ? this.renewed : []) {
      const wanted = Math.max(this.needed - this.promptChecks, this.state === "Open" ? this.lacking : 0)
      const replaceable = Math.max(0, this.options.maxSize - this.occupied) + this.awaitedCreations
      const closings = this.in("closing").length
      if (this.renewed.length > Math.min(wanted, replaceable) && closings < this.options.createConcurrency) {
        this.destroy(item, "retired", now)
      }
    }
    this.seek(now)
    if (this.wantsUnused && this.waiters.length === 0 && this.leases === 0) {
      this.wantsUnused = false
      this.log.push("unused")
    }
    if (this.waiters.length === 0) this.exhausted = false
    if (this.in("open").length >= this.options.minSize) this.tellReady(undefined)
    const closes = this.state === "Closing" && this.items.length === 0
    if (!this.drained && this.state !== "Open" && this.waiters.length === 0 && (this.leases === 0 || closes)) {
      this.drained = true
      this.log.push("drained")
    }
    if (closes) {
      this.state = "Closed"
      this.log.push("closed")
    }
  }

  /** The state that is visible from outside. */
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
