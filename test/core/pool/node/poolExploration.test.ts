/**
 * Every order of events in a small pool: all events that can happen in a state are tried, breadth first. A state that was
 * seen before is not tried again. The number of states is fixed, so each run is the same; `EXPLORE_STATES=…` takes more or
 * fewer for each pool. A machine cannot be copied, so a state is reached by the events that led to it. From each new state
 * everything then goes well: the pool must serve all waiters, drain, and close.
 */
import { assert, describe, it } from "vitest"
import type { Time } from "../../../../src/internal/core/clock.js"
import type { Command, Shell } from "../../../../src/internal/core/pool/commands.js"
import {
  type Check,
  isLive,
  type Item,
  LeakRecord,
  Permit,
  Release,
  type Sharing,
  type Verdict,
  Waiter
} from "../../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../../src/internal/core/pool/policy.js"
import { PoolMachine } from "../../../../src/internal/core/pool/poolMachine.js"
import { ValueIndex } from "../../../../src/internal/core/pool/valueIndex.js"

const { EXPLORE_STATES } = process.env

const basic: MachineOptions<string> = {
  minSize: 0,
  maxSize: 2,
  minIdle: 0,
  order: "lifo",
  expectedConcurrency: 1,
  acquireTimeout: 100,
  maxWaiters: Infinity,
  rideOut: () => 0,
  createConcurrency: 2,
  createTimeout: 40,
  checkTimeout: 20,
  closeTimeout: 30,
  validateAfterIdle: Infinity,
  pingInterval: Infinity,
  idleTimeToLive: Infinity,
  maxLifetime: Infinity,
  maxUses: Infinity,
  overlap: false,
  retireGrace: 40,
  shutdownGrace: 50,
  exhaustedThreshold: Infinity,
  leakThreshold: Infinity,
  backoff: { initial: 8, factor: 2, max: 16, jitter: 0 }
}

/**
 * - `onRelease`: a hook decides on a returned item, in time, late, or never
 * - `checkNow`: a check may complete before its borrower queues, and its hook may call back
 * - `prune`, `breakDown`, `ready`: the pool's owner calls them
 * - `gate`: creations need permits; another pool may need the place of an item that is free
 */
type Feature = "onRelease" | "checkNow" | "prune" | "breakDown" | "ready" | "gate"

interface Pool {
  readonly name: string
  readonly options: Partial<MachineOptions<string>>
  /** How many borrowers share an item. */
  readonly concurrency: number
  /** How each borrower borrows, the first one first. */
  readonly sharing: ReadonlyArray<Sharing>
  readonly features?: ReadonlyArray<Feature>
  /** How many states are tried. */
  readonly states?: number
}

const shared: ReadonlyArray<Sharing> = ["shared", "shared", "shared"]

const pools: ReadonlyArray<Pool> = [
  { name: "a plain pool", options: {}, concurrency: 1, sharing: shared },
  { name: "a pool with validate", options: { validateAfterIdle: 5 }, concurrency: 1, sharing: shared },
  { name: "a pool with ping", options: { pingInterval: 25, minSize: 1 }, concurrency: 1, sharing: shared },
  { name: "a pool of shared items", options: { expectedConcurrency: 2 }, concurrency: 2, sharing: shared },
  { name: "a pool with overlap", options: { overlap: true, maxUses: 2 }, concurrency: 1, sharing: shared },
  {
    name: "a pool with exclusive borrowers",
    options: { expectedConcurrency: 2, pingInterval: 25 },
    concurrency: 2,
    sharing: ["shared", "exclusive", "shared"]
  },
  { name: "a pool that rides outages out", options: { rideOut: () => 60 }, concurrency: 1, sharing: shared },
  {
    name: "a pool that keeps items ready",
    options: { minIdle: 1, order: "fifo", idleTimeToLive: 60 },
    concurrency: 1,
    sharing: shared,
    features: ["prune"]
  },
  { name: "a pool with onRelease", options: {}, concurrency: 1, sharing: shared, features: ["onRelease"] },
  {
    name: "a pool of shared items with onRelease",
    options: { minSize: 1, maxSize: 1, expectedConcurrency: 2, validateAfterIdle: 5 },
    concurrency: 2,
    sharing: ["shared", "shared"],
    features: ["onRelease"],
    // a check and a decision at the same time need a longer path
    states: 9_000
  },
  {
    name: "a pool with checks that complete at once",
    options: { minSize: 1, validateAfterIdle: 5 },
    concurrency: 1,
    sharing: shared,
    features: ["checkNow"]
  },
  {
    name: "a pool of shared items with a check before each borrow",
    options: { minSize: 1, validateAfterIdle: 0, pingInterval: 25, expectedConcurrency: 2 },
    concurrency: 2,
    sharing: ["shared", "exclusive", "shared"],
    features: ["checkNow"]
  },
  {
    name: "a pool that breaks down",
    options: { minSize: 1, validateAfterIdle: 5, rideOut: () => 60 },
    concurrency: 1,
    sharing: shared,
    features: ["breakDown", "ready"]
  },
  {
    name: "a pool that reports leaks and exhaustion",
    options: { leakThreshold: 25, exhaustedThreshold: 15, maxSize: 1 },
    concurrency: 1,
    sharing: shared,
    features: ["onRelease"]
  },
  {
    name: "a pool with a gate",
    options: { minSize: 1, maxSize: 2 },
    concurrency: 1,
    sharing: ["shared", "shared"],
    features: ["gate"]
  },
  {
    name: "a pool of shared items with a gate",
    options: { expectedConcurrency: 2, validateAfterIdle: 5, createConcurrency: 1 },
    concurrency: 2,
    sharing: shared,
    features: ["gate"]
  }
]

/** What happens to the pool as a whole. */
type Whole = "gate" | "renew" | "drain" | "close" | "shrink" | "grow" | "clear" | "breakDown" | "prepare" | "wantReady"

/** `at` chooses among the candidates, in their order. */
type Event =
  | { readonly op: "borrow" | "tick" | "wait" | Whole | "admit" | "refute" | "defer" }
  | { readonly op: "prune"; readonly maxIdle: number }
  | { readonly op: "release" | "decided"; readonly at: number; readonly verdict: Verdict }
  | { readonly op: "decide" | "decidedLate"; readonly at: number }
  | { readonly op: "passed" | "failed" | "created" | "unmade" | "gone"; readonly at: number }
  | { readonly op: "lost" | "retire" | "invalidate" | "proven" | "heard"; readonly at: number }
  | { readonly op: "abandon" | "granted" | "evict"; readonly at: number }

const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

/** A lease that is out. */
interface Lease {
  readonly item: Item<number>
  /** Its record, in a pool that reports leaks. */
  readonly record: LeakRecord | undefined
}

/** A check that may complete before its borrower queues, while its hook runs. */
interface ImmediateCheck {
  readonly check: Check<number>
  readonly sharing: Sharing
  /** Whether the machine has ended the check, since the hook called back. */
  isCancelled: boolean
}

class TestPermit extends Permit {
  isIdle = false

  idle(): void {
    this.isIdle = true
  }

  spent(): void {
    this.isIdle = true
  }

  busy(): void {
    this.isIdle = false
  }

  leaving(): void {}

  closing(): void {}
}

class World implements Shell<number, string> {
  readonly machine: PoolMachine<number, string>
  private readonly pool: Pool
  now: Time = { monotonic: 0, wall: 0 }
  /** The commands of the machine. */
  readonly log: Array<string> = []
  private armed = Infinity
  private rests = false
  private closed = false
  private drained = false
  private drainsSlowly = false
  /** Whether `Exhausted` came, until the queue is empty. */
  private exhausted = false
  /** Whether a `Reached` is due. */
  private wantsReady = false
  private broken = false
  /** The number of borrowers that have come. */
  private borrowers = 0
  private values = 0
  private readonly maxSize: number
  private creations: Array<Item<number>> = []
  private checks: Array<Check<number>> = []
  private atOnce: ImmediateCheck | undefined = undefined
  private closings: Array<Item<number>> = []
  private leases: Array<Lease> = []
  /** The returned items that a hook decides on. */
  private decisions: Array<Release<number>> = []
  /** The hooks that took too long: the pool has discarded their items. */
  private lateDecisions: Array<Release<number>> = []
  private queue: Array<Waiter<number, string>> = []
  /** The items that the machine has closed. */
  private readonly destroyed = new Set<Item<number>>()
  private readonly overdue = new Set<LeakRecord>()
  private asked: Array<Permit> = []
  /** The permits that the pool has. */
  private permits: Array<Permit> = []
  private overs: Array<Permit> = []
  private isShort = false

  constructor(pool: Pool) {
    this.pool = pool
    const options = { ...basic, ...pool.options }
    this.maxSize = options.maxSize
    const nothing = () => undefined
    const gate = {
      makePermit: () => new TestPermit(),
      arrive: () => 0,
      waits: nothing,
      claims: () => this.isShort,
      lent: nothing,
      hasSpare: true
    }
    this.machine = new PoolMachine(options, this, this.has("gate") ? { gate, byValue: new ValueIndex() } : undefined)
    this.machine.start(this.now)
  }

  perform(command: Command<number, string>): void {
    ensure(!this.closed, "a closed pool does something")
    this.log.push(command._tag)
    switch (command._tag) {
      case "Create":
        ensure(!this.broken, "a creation in a pool that broke down")
        this.creations.push(command.item)
        return
      case "Check":
        this.checks.push(command.check)
        this.judgePing(command.check)
        return
      case "CancelCheck":
        return this.cancelCheck(command.check)
      case "CheckTimedOut":
        // a `CancelCheck` follows
        ensure(this.checks.includes(command.check), "a check that is over reaches its time limit")
        return
      case "ReleaseTimedOut": {
        const { release } = command
        ensure(this.decisions.includes(release), "a decision that is over reaches its time limit")
        this.decisions = this.decisions.filter((other) => other !== release)
        this.lateDecisions.push(release)
        this.machine.release(release.item, this.now, "discarded")
        return
      }
      case "Destroy": {
        const { item, reason } = command
        ensure(!this.destroyed.has(item), "an item closed twice")
        ensure((reason !== "idle" && reason !== "excess") || item.borrowers === 0, "a lent item closed as idle")
        this.destroyed.add(item)
        this.closings.push(item)
        return
      }
      case "LeaveBehind":
        this.closings = this.closings.filter((other) => other !== command.item)
        return
      case "CancelCreation":
        this.creations = this.creations.filter((other) => other !== command.item)
        this.closings.push(command.item)
        return
      case "Wake": {
        const { waiter } = command
        ensure(this.queue.shift() === waiter, "a waiter overtaken")
        ensure((waiter.item === undefined) !== (waiter.refusal === undefined), "a waiter neither served nor refused")
        if (waiter.item !== undefined) this.lent(waiter.item)
        return
      }
      case "WakeAt":
        this.armed = command.at
        return
      case "Rest":
        this.rests = true
        return
      case "Reached":
        ensure(this.wantsReady, "ready, though nobody asked")
        this.wantsReady = false
        return
      case "Exhausted":
        ensure(!this.exhausted, "exhausted twice")
        this.exhausted = true
        return
      case "Overdue": {
        const { record } = command
        ensure(this.leases.some((lease) => lease.record === record), "a leak without a lease")
        ensure(!this.overdue.has(record), "a leak told twice")
        ensure(this.now.monotonic - record.since >= this.machine.policy.leakThreshold, "a leak told too early")
        this.overdue.add(record)
        return
      }
      case "DrainsSlowly":
        ensure(!this.drainsSlowly && !this.drained, "a slow drain told twice")
        this.drainsSlowly = true
        return
      case "Drained":
        ensure(!this.drained, "drained twice")
        this.drained = true
        return
      case "AskPermit":
        this.asked.push(command.permit)
        return
      case "WithdrawPermit":
        ensure(this.asked.includes(command.permit), "a permit withdrawn that was not asked for")
        this.asked = this.asked.filter((other) => other !== command.permit)
        return
      case "ReturnPermit":
        ensure(this.permits.includes(command.permit), "a permit returned twice")
        this.permits = this.permits.filter((other) => other !== command.permit)
        return
      case "CreationOver":
        ensure(!this.overs.includes(command.permit), "a creation that is over twice")
        this.overs.push(command.permit)
        return
      case "Closed":
        ensure(!this.closed, "closed twice")
        this.closed = true
        return
    }
  }

  private judgePing({ hook, item: { heardAt, provenAt } }: Check<number>): void {
    const silence = this.now.wall - Math.max(heardAt, provenAt)
    ensure(hook !== "ping" || silence >= this.machine.policy.pingInterval, "a ping of an item that is not silent")
  }

  private cancelCheck(check: Check<number>): void {
    if (this.atOnce?.check === check) {
      ensure(!this.atOnce.isCancelled, "a check ended twice")
      this.atOnce.isCancelled = true
      return
    }
    ensure(this.checks.includes(check), "a check ended twice")
    this.checks = this.checks.filter((other) => other !== check)
  }

  private has(feature: Feature): boolean {
    return this.pool.features?.includes(feature) === true
  }

  /** All events that can happen now. Of equal items, waiters and checks in the same order, one is enough. */
  get events(): ReadonlyArray<Event> {
    const { machine } = this
    if (this.closed) return []
    const each = <const O extends string>(op: O, count: number) =>
      Array.from({ length: count }, (_, at) => ({ op, at }))
    const live = this.live.length
    const decides = this.has("onRelease")
    // a hook keeps the item of a borrower that succeeded, or discards it
    const verdicts: ReadonlyArray<Verdict> = decides ? ["proven", "discarded"] : ["proven", "kept", "discarded"]
    // by borrowers and owners, who may run within a hook
    const calls: Array<Event> = [
      ...(this.borrowers < this.pool.sharing.length ? [{ op: "borrow" } as const] : []),
      ...this.leases.flatMap((_, at) => verdicts.map((verdict) => ({ op: "release", at, verdict }) as const)),
      ...(decides ? each("decide", this.leases.length) : []),
      ...each("abandon", this.queue.length),
      ...each("lost", live),
      ...each("retire", live),
      ...(live > 0 ? each("invalidate", 1) : []),
      ...each("granted", this.asked.length),
      ...each("evict", this.evictable.length),
      ...(machine.policy.pingInterval === Infinity ? [] : [...each("proven", live), ...each("heard", live)]),
      ...(this.has("prune") ? [0, 10].map((maxIdle) => ({ op: "prune", maxIdle }) as const) : []),
      ...this.whole.map((op) => ({ op }))
    ]
    // nothing else ends, and no time passes, while a hook runs
    if (this.atOnce !== undefined) return [{ op: "admit" }, { op: "refute" }, { op: "defer" }, ...calls]
    return [
      ...calls,
      ...each("created", this.creations.length),
      ...each("unmade", this.creations.length),
      ...each("passed", this.checks.length),
      ...each("failed", this.checks.length),
      ...this.decisions.flatMap((_, at) => verdicts.map((verdict) => ({ op: "decided", at, verdict }) as const)),
      ...each("decidedLate", Math.min(1, this.lateDecisions.length)),
      ...each("gone", this.closings.length),
      ...(this.armed === Infinity ? [] : [{ op: "tick" } as const]),
      ...(this.mayWait ? [{ op: "wait" } as const] : [])
    ]
  }

  /** Whether a wait, in which nothing is due, makes a live item need a check. */
  private get mayWait(): boolean {
    const { validateAfterIdle } = this.machine.policy
    if (validateAfterIdle === 0 || validateAfterIdle === Infinity) return false
    return this.now.monotonic + validateAfterIdle < this.armed &&
      this.live.some(({ provenAt }) => this.now.wall - provenAt < validateAfterIdle)
  }

  private get whole(): ReadonlyArray<Whole> {
    const { machine } = this
    const others: ReadonlyArray<Whole> = [
      ...(this.has("gate") ? ["gate"] as const : []),
      ...(this.has("breakDown") ? [this.broken ? "prepare" : "breakDown"] as const : []),
      ...(this.has("ready") && !this.wantsReady ? ["wantReady"] as const : [])
    ]
    switch (machine.state) {
      case "Open":
        return ["renew", "drain", "close", "clear", machine.sizes.maxSize === 1 ? "grow" : "shrink", ...others]
      case "Draining":
        return ["close", "renew", ...others]
      default:
        return others
    }
  }

  private get evictable(): Array<Item<number>> {
    return this.live.filter(({ permit }) => permit instanceof TestPermit && permit.isIdle)
  }

  private get live(): Array<Item<number>> {
    return [...this.machine.items].filter(isLive)
  }

  /** Takes an event, and checks the rules that hold in every state. */
  take(event: Event): void {
    this.follow(event)
    this.judge()
  }

  follow(event: Event): void {
    const { machine, now } = this
    switch (event.op) {
      case "gate":
        this.isShort = !this.isShort
        break
      case "granted": {
        const [permit] = this.asked.splice(event.at, 1)
        this.permits.push(permit!)
        ensure(machine.granted(permit!, now), "a permit is granted that the pool asked for")
        break
      }
      case "evict":
        ensure(machine.evict(this.evictable[event.at]!, now), "an idle item is not evicted")
        break
      case "borrow":
        this.borrow(this.pool.sharing[this.borrowers++]!)
        break
      case "release":
        machine.release(this.return(event.at), now, event.verdict)
        break
      case "decide": {
        const release = new Release(this.return(event.at))
        this.decisions.push(release)
        // its borrower succeeded
        machine.served(release.item)
        machine.beginRelease(release, now)
        break
      }
      case "decided": {
        const [release] = this.decisions.splice(event.at, 1)
        ensure(machine.endRelease(release!), "a decision in time counts as late")
        machine.release(release!.item, now, event.verdict)
        break
      }
      case "decidedLate": {
        const [release] = this.lateDecisions.splice(event.at, 1)
        ensure(!machine.endRelease(release!), "a late decision counts")
        break
      }
      case "admit":
      case "refute":
      case "defer":
        this.endImmediateCheck(event.op)
        break
      case "prune":
        this.prune(event.maxIdle)
        break
      case "breakDown":
        this.broken = true
        machine.breakDown("broken", now)
        break
      case "wantReady":
        this.wantsReady = true
        machine.wantReady(now)
        break
      case "abandon": {
        const [waiter] = this.queue.splice(event.at, 1)
        machine.abandon(waiter!, now)
        break
      }
      case "created": {
        const [item] = this.creations.splice(event.at, 1)
        if (item!.state === "Outdated") this.closings.push(item!)
        machine.created(item!, ++this.values, this.pool.concurrency, now, 0.5)
        break
      }
      case "unmade": {
        const [item] = this.creations.splice(event.at, 1)
        this.closings.push(item!)
        machine.createFailed(item!, "no", now, 0.5)
        break
      }
      case "passed":
      case "failed": {
        const [check] = this.checks.splice(event.at, 1)
        machine.checked(check!, event.op, now)
        break
      }
      case "gone": {
        const [item] = this.closings.splice(event.at, 1)
        machine.gone(item!, now)
        break
      }
      case "lost":
        machine.lost(this.live[event.at]!, now)
        break
      case "retire":
        machine.retire(this.live[event.at]!, now)
        break
      case "proven":
      case "heard":
        machine[event.op](this.live[event.at]!, now)
        break
      case "invalidate":
        machine.invalidate(this.live[event.at]!.value, now)
        break
      case "tick":
        this.tick()
        break
      case "wait":
        this.pass(machine.policy.validateAfterIdle)
        break
      case "shrink":
        machine.resize({ ...machine.sizes, minSize: 0, maxSize: 1 }, now)
        break
      case "grow":
        machine.resize({ ...machine.sizes, maxSize: this.maxSize }, now)
        break
      default:
        machine[event.op](now)
    }
    if (this.rests) {
      this.rests = false
      if (machine.disarm(this.now)) this.armed = Infinity
    }
    if (machine.waiters.length === 0) this.exhausted = false
  }

  private borrow(sharing: Sharing): void {
    const { machine, now } = this
    const item = machine.checkout(now, sharing)
    if (item !== undefined) return this.lent(item)
    // a hook that borrows within a check gets no check of its own
    const check = this.has("checkNow") && this.atOnce === undefined ? machine.checkNow(now, sharing) : undefined
    if (check === undefined) this.enqueue(sharing)
    else this.atOnce = { check, sharing, isCancelled: false }
  }

  private enqueue(sharing: Sharing): void {
    const waiter = new Waiter<number, string>()
    waiter.sharing = sharing
    this.queue.push(waiter)
    if (this.machine.enqueue(waiter, this.now) !== "Queued") this.queue.pop()
  }

  /** The hook passed or failed the item, or takes longer. */
  private endImmediateCheck(how: "admit" | "refute" | "defer"): void {
    const { machine, now } = this
    const { check, isCancelled, sharing } = this.atOnce!
    this.atOnce = undefined
    switch (how) {
      case "admit": {
        const item = machine.admit(check, now, sharing)
        ensure(check.item.check !== check, "a check goes on after its end")
        if (item === undefined) return this.enqueue(sharing)
        ensure(item === check.item && !isCancelled, "a borrower gets another item than the one that passed")
        return this.lent(item)
      }
      case "refute":
        machine.checked(check, "failed", now)
        ensure(check.item.check !== check, "a check goes on after its end")
        ensure(!isLive(check.item) || isCancelled, "an item that failed its check is live")
        // the borrower tries the next item
        return this.borrow(sharing)
      case "defer":
        if (!isCancelled) this.checks.push(check)
        return this.enqueue(sharing)
    }
  }

  private lent(item: Item<number>): void {
    const record = this.machine.policy.leakThreshold === Infinity ? undefined : new LeakRecord()
    this.leases.push({ item, record })
    if (record !== undefined) this.machine.track(record, this.now)
  }

  /** The borrower returns its item; the pool does not have it yet. */
  private return(at: number): Item<number> {
    const [lease] = this.leases.splice(at, 1)
    const { item, record } = lease!
    if (record !== undefined) this.machine.untrack(record, this.now)
    return item
  }

  private prune(maxIdle: number): void {
    const { machine, now } = this
    const { minIdle, minSize } = machine.sizes
    const lent = this.live.filter(({ borrowers, state }) => borrowers > 0 && state !== "Leaving").length
    const { open } = machine
    const closed = this.destroyed.size
    const count = machine.prune(maxIdle, now)
    ensure(this.destroyed.size - closed === count, "prune closes as many items as it says")
    ensure(open - count >= Math.min(open, Math.max(minSize, lent + minIdle)), "prune closes items that have to stay")
    const isOld = ({ idleSince, state }: Item<number>) => state === "Idle" && now.wall - idleSince >= maxIdle
    ensure(machine.open <= Math.max(minSize, lent + minIdle) || !this.live.some(isOld), "prune leaves old items")
  }

  private pass(ms: number): void {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms }
  }

  /** Time passes until the machine's next tick. */
  private tick(): void {
    this.pass(Math.max(0, Math.ceil(this.armed - this.now.monotonic)))
    this.armed = Infinity
    this.machine.tick(this.now, 0.5)
  }

  /** Checks the rules that hold in every state. */
  judge(): void {
    const { machine } = this
    const items = [...machine.items]
    const live = items.filter(isLive)
    const count = (holds: (item: Item<number>) => boolean) => items.filter(holds).length
    ensure(machine.live === live.length, "live")
    const out = [...this.leases, ...this.decisions]
    ensure(machine.leases === out.length, "leases")
    ensure(machine.inUse === live.filter(({ borrowers }) => borrowers > 0).length, "inUse")
    ensure(machine.open === live.filter(({ state }) => state !== "Leaving").length, "open")
    ensure(machine.creating === count(({ state }) => state === "Creating" || state === "Outdated"), "creating")
    ensure(machine.closing === count(({ state }) => state === "Closing"), "closing")
    ensure(machine.occupied === count(({ place }) => place === "Held" || place === "Freeing"), "occupied")
    ensure(machine.occupied <= this.maxSize, "more than maxSize")
    for (const item of items) {
      const borrowers = out.filter((other) => other.item === item).length
      ensure(item.borrowers === borrowers, "borrowers")
      ensure(borrowers <= item.concurrency, "an item lent to too many borrowers")
      ensure(item.state !== "Idle" || borrowers === 0, "an idle item is lent")
      ensure(item.state !== "InUse" || borrowers > 0, "an item in use is not lent")
    }
    const waiting: Array<Waiter<number, string>> = []
    for (let waiter = machine.waiters.first; waiter !== undefined; waiter = waiter.next) waiting.push(waiter)
    ensure(
      waiting.length === this.queue.length && waiting.every((waiter, i) => waiter === this.queue[i]),
      "the order of arrival"
    )
    for (const waiter of waiting) ensure(this.armed <= waiter.deadline, "a waiter's deadline is forgotten")
    for (const { deadline, state } of items) {
      if (state === "Creating" || state === "Outdated" || state === "Closing") {
        ensure(this.armed <= deadline, "a time limit is forgotten")
      }
    }
    this.judgeChecks(items)
    this.judgeReturns()
    if (this.has("gate")) this.judgeGate(items)
    const idle = live.filter(({ state }) => state === "Idle")
    const proven = idle.filter(({ provenAt }) => this.now.wall - provenAt < machine.policy.validateAfterIdle)
    ensure(waiting.length === 0 || proven.length === 0, "a waiter beside a proven idle item")
    ensure(waiting.length === 0 || !this.broken, "a borrower waits in a pool that broke down")
    const { exhaustedThreshold } = machine.policy
    const [oldest] = waiting
    if (oldest !== undefined && !this.exhausted) {
      ensure(this.armed <= oldest.since + exhaustedThreshold, "an exhaustion is forgotten")
    }
    if (machine.state === "Draining" && !this.drained && !this.drainsSlowly) {
      ensure(this.armed <= machine["announcements"]["drainingSince"] + exhaustedThreshold, "a slow drain is forgotten")
    }
    ensure(!this.closed || items.length === 0, "a closed pool has items")
  }

  /** The machine and the hooks agree on the checks under way. */
  private judgeChecks(items: ReadonlyArray<Item<number>>): void {
    const { atOnce, machine, now } = this
    const checks = items.flatMap(({ check }) => check ?? [])
    const hooks = atOnce === undefined || atOnce.isCancelled ? this.checks : [...this.checks, atOnce.check]
    ensure(checks.length === hooks.length && checks.every((check) => hooks.includes(check)), "the checks under way")
    const { awaited, awaitedPrompt, background, backgroundIdle, backgroundPrompt, slowIdle } = machine["checks"]
    const awaitedChecks = checks.filter(({ purpose }) => purpose === "borrower")
    ensure(awaited === awaitedChecks.length, "awaited checks")
    ensure(awaitedPrompt === awaitedChecks.filter(({ slowAt }) => slowAt > now.monotonic).length, "prompt checks")
    ensure(background.size === checks.length - awaitedChecks.length, "background checks")
    const blocks = ({ item, purpose }: Check<number>) => purpose === "background" && item.state === "Checking"
    ensure(backgroundIdle === checks.filter(blocks).length, "background checks of idle items")
    const isSlow = (check: Check<number>) => check.list === machine["checks"]["slow"]
    ensure(slowIdle === checks.filter((check) => blocks(check) && isSlow(check)).length, "slow checks of idle items")
    ensure(backgroundPrompt === [...background].filter((check) => !isSlow(check)).length, "prompt background checks")
    for (const check of checks) {
      ensure(check === atOnce?.check || this.armed <= check.deadline, "a check is forgotten")
    }
  }

  /** Each item has its own permit while it counts, and the permits that are asked for are those that the pool could use. */
  private judgeGate(items: ReadonlyArray<Item<number>>): void {
    const { machine, permits } = this
    const held = machine["permits"]!["held"].length
    const used = items.flatMap(({ permit }) => permit ?? [])
    ensure(new Set(used).size === used.length && used.every((permit) => permits.includes(permit)), "an item's permit")
    ensure(permits.length === used.length + held, "a permit that is not used")
    for (const { permit, state } of items) {
      ensure(permit !== undefined || state === "Closing", "an item without a permit")
      const isIdle = permit instanceof TestPermit && permit.isIdle
      ensure(state !== "Idle" || isIdle, "a permit does not know that its item is idle")
      ensure(!isIdle || state === "Idle" || state === "Checking" || state === "Leaving", "a permit of an idle item")
    }
    const room = Math.max(0, this.maxSize - machine.occupied)
    const most = machine.failing || machine.state === "Closing" || this.closed ? Math.min(1, room) : room
    ensure(this.asked.length + held <= most, "more permits than items may be created")
    ensure(held === 0 || machine.creating === machine.policy.createConcurrency, "a permit is kept for nothing")
  }

  /** Each decision has a time limit, and each leak is told. */
  private judgeReturns(): void {
    const { armed, closed, machine, now } = this
    for (const { deadline, list } of this.decisions) {
      ensure(list !== undefined && (closed || armed <= deadline), "a decision is forgotten")
    }
    for (const { item: { state } } of this.lateDecisions) {
      ensure(state === "Leaving" || state === "Closing" || state === "Gone", "an item stays without a decision in time")
    }
    const records = new Set(this.leases.flatMap(({ record }) => record ?? []))
    const watched = [...machine.out()]
    ensure(watched.length === records.size && watched.every((record) => records.has(record)), "the watched leases")
    for (const record of records) {
      const due = record.since + machine.policy.leakThreshold
      ensure(record.reported === this.overdue.has(record), "a leak without a report")
      ensure(record.reported || closed || (due > now.monotonic && armed <= due), "a leak is forgotten")
    }
  }

  /** Identifies a state: times and turns count from now; items, checks and waiters are numbered by their order. */
  get key(): string {
    const names = new Map<object, string>()
    const { closings, creations, machine, queue } = this
    const limited = machine.policy.maxUses !== Infinity
    const { attempts } = machine["creations"] as unknown as { readonly attempts: number }
    const { tickets } = machine.waiters
    const number = (value: number, name: string): number | string => {
      if (clocks.has(name)) return value - this.now.monotonic
      if (walls.has(name)) return value - this.now.wall
      switch (name) {
        case "key":
          // a negative key orders proofs; any other key is a time
          return value < 0 ? "" : value - this.now.wall
        case "ticket":
          return tickets - value
        case "attempt":
        case "attempts":
          return attempts - value
        case "uses":
          return limited ? value : Math.min(value, 1)
        default:
          return value
      }
    }
    const write = (value: unknown, name: string): string => {
      if (typeof value === "number") return String(number(value, name))
      if (typeof value === "function") return ""
      if (typeof value !== "object" || value === null) return String(value)
      const known = names.get(value)
      if (known !== undefined) return known
      names.set(value, `#${names.size}`)
      const parts = value instanceof Map || value instanceof Set
        ? Array.from(value, (one) => write(one, ""))
        : Object.entries(value).filter(([name]) => !ignored.has(name)).map(([name, part]) => write(part, name))
      return `{${parts.join()}}`
    }
    const served = machine.counters.created > 0
    return write([
      machine,
      served,
      creations,
      this.checks,
      this.atOnce,
      closings,
      this.leases,
      this.decisions,
      this.lateDecisions,
      queue,
      this.asked,
      this.permits,
      this.isShort,
      this.borrowers,
      this.wantsReady,
      this.drainsSlowly,
      this.armed - this.now.monotonic
    ], "")
  }

  /**
   * Everything goes well, and borrowers return their items: each waiter gets an answer, and the pool ends. While it drains,
   * hooks that decide on items hang.
   */
  finish(ending: "drain" | "close" | "serve"): void {
    if (ending !== "serve") this.take({ op: ending })
    // a drained pool continues until it is closed
    const isOver = () => {
      if (ending === "close") return this.closed
      const isAnswered = this.queue.length === 0 && this.atOnce === undefined && !this.wantsReady
      return isAnswered && (ending === "serve" || this.drained || this.closed)
    }
    for (let steps = 0; !isOver(); steps++) {
      ensure(steps < 200, `no end of ${ending}`)
      if (this.atOnce !== undefined) this.take({ op: "admit" })
      else if (this.isShort) this.take({ op: "gate" })
      else if (this.asked.length > 0) this.take({ op: "granted", at: 0 })
      else if (this.closings.length > 0) this.take({ op: "gone", at: 0 })
      else if (this.creations.length > 0) this.take({ op: "created", at: 0 })
      else if (this.checks.length > 0) this.take({ op: "passed", at: 0 })
      else if (this.leases.length > 0) this.take({ op: "release", at: 0, verdict: "proven" })
      else if (this.decisions.length > 0 && ending !== "drain") this.take({ op: "decided", at: 0, verdict: "proven" })
      else {
        ensure(this.armed !== Infinity, `nothing brings ${ending} to an end`)
        this.take({ op: "tick" })
      }
    }
    if (ending === "close") this.returnTheRest()
  }

  /** The leases that are out when the pool has closed come back, and change nothing. */
  private returnTheRest(): void {
    const { machine } = this
    while (this.leases.length > 0) this.take({ op: "release", at: 0, verdict: "proven" })
    while (this.decisions.length > 0) this.take({ op: "decided", at: 0, verdict: "proven" })
    while (this.lateDecisions.length > 0) this.take({ op: "decidedLate", at: 0 })
    ensure(this.destroyed.size === machine.counters.created, "an item that was never closed")
    ensure(this.permits.length + this.asked.length === 0, "a permit that was never returned")
    ensure(!this.wantsReady, "nobody tells that the pool is ready, or closed")
  }
}

const clocks = new Set([
  ...["deadline", "slowAt", "since", "at", "retryAt", "failedAt", "pausedUntil", "attemptAt", "closeAt"],
  ...["drainingSince", "startedAt"]
])
const walls = new Set(["usedAt", "createdAt", "idleSince", "provenAt", "heardAt"])
/** Fields that never change, or that only grow and decide an order, which the lists show. */
const ignored = new Set([
  ...["policy", "counters", "outbox", "value", "byValue", "tickets", "proofs", "provenTurn", "heapTurn", "turns"]
])

/**
 * Takes the events in a new world, then calls `then`. The rules were checked when each shorter path was new. A failure names
 * the events and the commands.
 */
const reach = <A>(pool: Pool, path: ReadonlyArray<Event>, then: (world: World) => A): A => {
  const world = new World(pool)
  const last = path.length - 1
  try {
    for (const [i, event] of path.entries()) {
      if (i === last) world.take(event)
      else world.follow(event)
    }
    return then(world)
  } catch (error) {
    if (error instanceof Error) {
      const events = path.map((event) => JSON.stringify(event)).join(" ")
      error.message += `\nin ${pool.name}, after ${events}; commands: ${world.log.join(" ")}`
    }
    throw error
  }
}

/** Returns how many states there were, and whether these are all. */
const explore = async (
  pool: Pool,
  states: number
): Promise<{ readonly count: number; readonly depth: number; readonly isComplete: boolean }> => {
  const first = new World(pool)
  first.judge()
  const seen = new Set([first.key])
  let frontier = [{ path: [] as ReadonlyArray<Event>, events: first.events }]
  let depth = 0
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { events, path } of frontier) {
      // the test runner's own messages must not wait until the end
      await new Promise<void>((resolve) => setImmediate(resolve))
      for (const event of events) {
        if (seen.size >= states) return { count: seen.size, depth, isComplete: false }
        const longer = [...path, event]
        const isNew = reach(pool, longer, (world) => {
          const { key } = world
          if (seen.has(key)) return false
          seen.add(key)
          next.push({ path: longer, events: world.events })
          world.finish("serve")
          return true
        })
        if (!isNew) continue
        for (const ending of ["drain", "close"] as const) reach(pool, longer, (world) => world.finish(ending))
      }
    }
    frontier = next
    depth++
  }
  return { count: seen.size, depth, isComplete: true }
}

describe("PoolMachine, explored", () => {
  for (const pool of pools) {
    it(`${pool.name} keeps the rules in every order of events, and comes to an end`, async () => {
      const states = Number(EXPLORE_STATES ?? pool.states ?? 5_500)
      const { count, depth, isComplete } = await explore(pool, states)
      console.log(`${pool.name}: ${count} states, ${isComplete ? "all there are" : `up to depth ${depth}`}`)
      assert.isTrue(isComplete || count === states)
    })
  }
})
