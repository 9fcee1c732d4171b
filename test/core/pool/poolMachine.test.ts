import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import type { Time } from "../../../src/internal/core/clock.js"
import { type HeapNode, IndexedHeap } from "../../../src/internal/core/indexedHeap.js"
import { type Linked, LinkedList } from "../../../src/internal/core/linkedList.js"
import { LoadIndex } from "../../../src/internal/core/loadIndex.js"
import type { Command, Shell } from "../../../src/internal/core/pool/commands.js"
import {
  type Check,
  type CheckResult,
  isLive,
  type Item,
  LeakRecord,
  Permit,
  type Reason,
  type Refusal,
  Release,
  type Sharing,
  type Verdict,
  Waiter
} from "../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../src/internal/core/pool/policy.js"
import { PoolMachine } from "../../../src/internal/core/pool/poolMachine.js"
import { ValueIndex } from "../../../src/internal/core/pool/valueIndex.js"
import { type ModelCheck, type ModelGate, type ModelItem, type ModelWaiter, PoolModel } from "./poolModel.js"

/**
 * Every run has its own seed, and a failure prints it: `FC_SEED=… npx vitest run test/core/pool/poolMachine.test.ts` repeats
 * that run; with `FC_PATH=…` the first test runs only the shortest failing case. `FC_RUNS=…` runs longer.
 */
const { FC_PATH: path, FC_RUNS: runs = "5000", FC_SEED: seed } = process.env
const replay = seed === undefined ? {} : { seed: Number(seed) }

// chai costs microseconds even if the values are equal

const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

const same = <A>(actual: A, expected: A, what: string): void => {
  if (!Object.is(actual, expected)) assert.strictEqual(actual, expected, what)
}

const atMost = (actual: number, most: number, rule: string): void => {
  if (!(actual <= most)) assert.isAtMost(actual, most, rule)
}

/** Compares plain data. */
const alike = (actual: unknown, expected: unknown, what: string): void => {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) assert.fail(`${what}: ${is}, but by the model ${should}`)
}

// --- generated scenarios

/**
 * `at` chooses among the candidates; without candidates the step is skipped. An eager borrower acts at once, while it is
 * woken. The smaller size is never above the larger size.
 */
type Step =
  | {
    readonly op: "borrow"
    readonly eager: "no" | "releases" | "borrows"
    readonly sharing: Sharing
    /** The result of a check that may complete at once. */
    readonly check: "passes" | "fails" | "lasts" | "none"
    /** What the hook of that check does. */
    readonly meanwhile: "nothing" | "borrows" | "loses" | "proves" | "drains"
  }
  | {
    readonly op: "tryBorrow" | "clear" | "renew" | "drain" | "close" | "breakDown" | "tick" | "wantReady" | "prepare"
  }
  | { readonly op: "release"; readonly at: number; readonly verdict: Verdict; readonly decides: boolean }
  | { readonly op: "made"; readonly at: number; readonly concurrency: number; readonly twin: boolean }
  | { readonly op: "checked"; readonly at: number; readonly result: CheckResult }
  /** In a pool with a gate. */
  | { readonly op: "granted" | "evict" | "permitFailed" | "permitLost" | "permitExpired"; readonly at: number }
  | { readonly op: "wantUnused" }
  | { readonly op: "gate"; readonly isShort: boolean; readonly isGreedy: boolean; readonly hasSpare: boolean }
  | {
    readonly op: "abandon" | "unmade" | "ended" | "lost" | "retire" | "proven" | "heard" | "invalidate"
    readonly at: number
  }
  | {
    readonly op: "track" | "untrack"
    readonly at: number
  }
  | { readonly op: "decided"; readonly at: number; readonly verdict: Verdict }
  /** A hook decides after its time limit. */
  | { readonly op: "decidedLate" }
  /** The wall clock is put forward, or the computer was suspended. */
  | { readonly op: "leap"; readonly ms: number }
  | { readonly op: "prune"; readonly maxIdle: number }
  | { readonly op: "resize"; readonly minSize: number; readonly maxSize: number; readonly minIdle: number }
  | { readonly op: "advance"; readonly ms: number; readonly how: "exact" | "jump" | "late" }

type Borrow = Extract<Step, { readonly op: "borrow" }>

interface Scenario {
  readonly settings: ReadonlyArray<Partial<MachineOptions<string>>>
  readonly isGated: boolean
  readonly steps: ReadonlyArray<Step>
  /** Calm: everything under way ends well. Abrupt: nothing under way ends. */
  readonly ending: "calm" | "abrupt"
  /** Whether finalizers end as soon as they begin. */
  readonly instantly: boolean
}

const defaults: MachineOptions<string> = {
  minSize: 0,
  maxSize: 2,
  minIdle: 0,
  order: "lifo",
  expectedConcurrency: 1,
  acquireTimeout: Infinity,
  maxWaiters: Infinity,
  rideOut: () => 0,
  createConcurrency: 2,
  createTimeout: Infinity,
  checkTimeout: Infinity,
  closeTimeout: 20,
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
  backoff: { initial: 8, factor: 2, max: 64, jitter: 0 }
}

const at = FastCheck.nat({ max: 7 })
const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  ...([
    [
      14,
      FastCheck.record({
        op: among("borrow"),
        eager: among("no", "no", "no", "no", "releases", "borrows"),
        sharing: among("shared", "shared", "shared", "shared", "shared", "exclusive"),
        check: among("none", "none", "passes", "fails", "lasts"),
        meanwhile: FastCheck.oneof(
          { weight: 8, arbitrary: among("nothing") },
          { weight: 3, arbitrary: among("borrows", "loses", "proves") },
          { weight: 1, arbitrary: among("drains") }
        )
      })
    ],
    [2, FastCheck.record({ op: among("tryBorrow", "clear", "tick", "wantReady", "prepare") })],
    [1, FastCheck.record({ op: among("renew") })],
    [1, FastCheck.record({ op: among("leap"), ms: among(5, 30, 100) })],
    [
      12,
      FastCheck.record({
        op: among("release"),
        at,
        verdict: among("proven", "proven", "proven", "kept", "discarded"),
        decides: among(false, false, false, true)
      })
    ],
    [3, FastCheck.record({ op: among("decided"), at, verdict: among("proven", "kept", "discarded") })],
    [1, FastCheck.record({ op: among("decidedLate") })],
    [9, FastCheck.record({ op: among("made"), at, concurrency: among(1, 1, 2, 3, 4), twin: FastCheck.boolean() })],
    [2, FastCheck.record({ op: among("unmade"), at })],
    [5, FastCheck.record({ op: among("checked"), at, result: among("passed", "passed", "passed", "failed") })],
    [6, FastCheck.record({ op: among("ended"), at })],
    [3, FastCheck.record({ op: among("abandon"), at })],
    [9, FastCheck.record({ op: among("granted"), at })],
    [1, FastCheck.record({ op: among("evict"), at })],
    [1, FastCheck.record({ op: among("permitFailed", "permitLost", "permitExpired"), at })],
    [1, FastCheck.record({ op: among("wantUnused") })],
    [
      1,
      FastCheck.record({
        op: among("gate"),
        isShort: among(false, false, true),
        isGreedy: among(false, false, true),
        hasSpare: among(true, true, false)
      })
    ],
    [4, FastCheck.record({ op: among("lost", "retire", "proven", "invalidate"), at })],
    [2, FastCheck.record({ op: among("heard"), at })],
    [2, FastCheck.record({ op: among("track", "untrack"), at })],
    [1, FastCheck.record({ op: among("prune"), maxIdle: among(0, 10, 60) })],
    [
      1,
      FastCheck.record({
        op: among("resize"),
        minSize: among(0, 1, 2, 3),
        maxSize: among(1, 2, 3, 4, 5),
        minIdle: among(0, 0, 1, 2)
      })
    ],
    [8, FastCheck.record({ op: among("advance"), ms: among(1, 3, 10, 30, 100), how: among("exact", "jump", "late") })]
  ] as const).map(([weight, arbitrary]) => ({ weight: weight * 4, arbitrary: arbitrary as FastCheck.Arbitrary<Step> })),
  { weight: 1, arbitrary: FastCheck.record({ op: among("drain", "drain", "close", "close", "breakDown") }) }
)

/** Options that are not set are as in `defaults`. */
const setting: FastCheck.Arbitrary<Partial<MachineOptions<string>>> = FastCheck.oneof(
  FastCheck.record({ minSize: among(0, 1, 2, 3) }),
  FastCheck.record({ minIdle: among(1, 2, 3) }),
  FastCheck.record({ rideOut: among(() => 20, () => 60, () => Infinity) }),
  FastCheck.record({ maxSize: among(1, 2, 3, 4, 5) }),
  FastCheck.record({ order: among("lifo", "fifo") }),
  FastCheck.record({ acquireTimeout: among(100, 30, 0) }),
  FastCheck.record({ maxWaiters: among(2, 1, 0) }),
  FastCheck.record({ createConcurrency: among(1, 2, 3, 8) }),
  FastCheck.record({ createTimeout: among(50, 10, 2) }),
  FastCheck.record({ checkTimeout: among(20, 5, 0) }),
  FastCheck.record({ closeTimeout: among(20, 5, 0) }),
  { weight: 3, arbitrary: FastCheck.record({ validateAfterIdle: among(20, 5, 0) }) },
  { weight: 2, arbitrary: FastCheck.record({ pingInterval: among(50, 20, 5) }) },
  // several items that are checked and pinged at the same time
  {
    weight: 2,
    arbitrary: FastCheck.record({ maxSize: among(3, 5), validateAfterIdle: among(20, 5), pingInterval: among(20, 5) })
  },
  FastCheck.record({ idleTimeToLive: among(60, 20, 0) }),
  FastCheck.record({ maxLifetime: among(100, 30, 5) }),
  FastCheck.record({ maxUses: among(3, 2, 1) }),
  FastCheck.record({ overlap: among(true) }),
  FastCheck.record({ retireGrace: among(40, 10, 0, Infinity) }),
  FastCheck.record({ shutdownGrace: among(50, 10, 0) }),
  FastCheck.record({ exhaustedThreshold: among(50, 10, 0) }),
  FastCheck.record({ leakThreshold: among(60, 20, 0) }),
  FastCheck.record({
    backoff: among(
      { initial: 16, factor: 2, max: 64, jitter: 0.5 },
      { initial: 8, factor: 1, max: 8, jitter: 0 },
      { initial: 0, factor: 2, max: 64, jitter: 0 }
    )
  })
)

const scenario: FastCheck.Arbitrary<Scenario> = FastCheck.record({
  settings: FastCheck.array(setting, { maxLength: 10, size: "max" }),
  isGated: among(false, false, true),
  steps: FastCheck.array(step, { maxLength: 130, size: "max" }),
  ending: among("calm", "abrupt"),
  instantly: among(false, false, true)
})

/** Valid options, as `make` accepts them. */
const optionsOf = (settings: Scenario["settings"]): MachineOptions<string> => {
  const all: MachineOptions<string> = Object.assign({}, defaults, ...settings)
  return { ...all, minSize: Math.min(all.minSize, all.maxSize), minIdle: Math.min(all.minIdle, all.maxSize) }
}

// --- the machine and the model, side by side

class TestWaiter extends Waiter<number, string> {
  readonly model: ModelWaiter
  readonly eager: "no" | "releases" | "borrows"
  answered = false

  constructor(id: number, eager: "no" | "releases" | "borrows", sharing: Sharing) {
    super()
    this.model = { id, sharing, asked: 0, since: 0, outcome: "queued" }
    this.sharing = sharing
    this.eager = eager
  }
}

/** A permit with a number, by the order in which the pool asks. */
class TestPermit extends Permit {
  readonly id: number
  /** What the pool last told. */
  stage: "new" | "idle" | "spent" | "busy" | "leaving" | "closing" = "new"

  constructor(id: number) {
    super()
    this.id = id
  }

  idle(): void {
    this.stage = "idle"
  }

  spent(): void {
    this.stage = "spent"
  }

  busy(): void {
    if (this.stage === "idle" || this.stage === "spent") this.stage = "busy"
  }

  leaving(): void {
    this.stage = "leaving"
  }

  closing(): void {
    this.stage = "closing"
  }
}

class TestLeakRecord extends LeakRecord {
  readonly id: number

  constructor(id: number) {
    super()
    this.id = id
  }
}

interface Pair {
  readonly item: Item<number>
  readonly model: ModelItem
}

class TestRelease extends Release<number> {
  readonly id: number
  readonly lease: Lease
  readonly settles: Verdict

  constructor(id: number, lease: Lease, settles: Verdict) {
    super(lease.item)
    this.id = id
    this.lease = lease
    this.settles = settles
  }
}

/** A check that was cancelled before it began. */
const ended: ModelCheck = {
  awaited: false,
  blocks: false,
  hook: "ping",
  asked: 0,
  startedAt: { monotonic: 0, wall: 0 },
  turn: 0,
  isSlow: false,
  deadline: 0
}

interface Lease extends Pair {
  /** Set if the borrower had to wait: it may still be interrupted before it knows its item. */
  readonly waiter: TestWaiter | undefined
}

const isCounted = ({ place }: Item<number>): boolean => place === "Held" || place === "Freeing"

/** The fields of a machine and of its parts. */
const partsOf = (machine: PoolMachine<number, string>): Array<[name: string, part: unknown]> =>
  [machine, ...Object.values(machine)].filter((part) => Object(part) === part).flatMap(Object.entries)

const permitOf = ({ permit }: { readonly permit: Permit }): TestPermit => permit as TestPermit

const canBeLent = ({ state }: Item<number>): boolean => state === "Idle" || state === "InUse" || state === "Checking"

const isOver = ({ state }: Item<number>): boolean => state === "Closing" || state === "Gone"

const describeRefusal = (refusal: Refusal<string>): string => {
  switch (refusal._tag) {
    case "CreateFailed":
      return `CreateFailed ${refusal.failure}`
    case "AcquireTimeout":
      return `AcquireTimeout ${refusal.awaited}`
    default:
      return refusal._tag
  }
}

/** The events of all runs: they show if a generator no longer reaches a case. */
const seen = new Set<string>()

class Run implements Shell<number, string> {
  executed = 0
  private readonly machine: PoolMachine<number, string>
  private readonly model: PoolModel
  private readonly instantly: boolean
  private now: Time = { monotonic: 0, wall: 1_000 }
  private armed = Infinity
  private rests = false
  /** The leap of the wall clock that the pool does not know yet. */
  private leapt = 0
  private log: Array<string> = []
  /** All commands so far, under the steps that led to them. */
  private readonly history: Array<string> = []
  private numbers = 0

  // work under way outside of the machine
  /** The gate, which the model reads, too. */
  private readonly gate: ModelGate | undefined
  /** The permits that the pool has. */
  private readonly permits = new Set<TestPermit>()
  private asked: Array<TestPermit> = []
  private lentItems = 0
  private creations: Array<Pair> = []
  private checks: Array<Pair & { readonly check: Check<number>; readonly modelCheck: ModelCheck }> = []
  private finalizers: Array<Pair> = []
  private leases: Array<Lease> = []
  private loans: Array<TestLeakRecord> = []
  private releases: Array<TestRelease> = []
  private lateReleases: Array<TestRelease> = []

  // records for the rules, from observation only
  private readonly pairs = new Map<Item<number>, Pair>()
  private readonly waiters: Array<TestWaiter> = []
  private queue: Array<TestWaiter> = []
  private readonly barred = new Set<Item<number>>()
  private readonly destroyed = new Set<Item<number>>()
  private attempts = 0
  /** Whether this step made an attempt that no borrower asked for. */
  private unasked = false
  private mostOccupied = 0
  private mostOverlapping = 0
  private earliestAttempt = 0
  /** The concurrency of the newest item. */
  private concurrency = 1
  private drains = 0
  private closes = 0
  private nested = 0

  constructor({ instantly, isGated, settings }: Scenario) {
    this.gate = isGated ? { isShort: false, isGreedy: false, hasSpare: true } : undefined
    this.machine = new PoolMachine(optionsOf(settings), this, this.gate && this.commonOf(this.gate))
    this.model = new PoolModel(optionsOf(settings), this.gate)
    this.instantly = instantly
    this.mostOccupied = this.machine.sizes.maxSize
    this.mostOverlapping = this.machine.sizes.maxSize
    this.both(() => this.model.start(this.now), () => this.machine.start(this.now))
    this.compare()
  }

  private commonOf(gate: ModelGate) {
    let permits = 0
    let arrivals = 0
    return {
      byValue: new ValueIndex<number>(),
      gate: {
        makePermit: () => new TestPermit(++permits),
        arrive: () => ++arrivals,
        waits: (arrival: number) => ensure(this.queue.some((waiter) => waiter.arrival === arrival), "who waits"),
        claims: (arrival: number | undefined) => arrival === undefined ? gate.isShort : gate.isGreedy,
        lent: (change: 1 | -1) => void (this.lentItems += change),
        get hasSpare() {
          return gate.hasSpare
        }
      }
    }
  }

  // --- commands

  perform(command: Command<number, string>): void {
    switch (command._tag) {
      case "Create":
        return this.create(command.item)
      case "CancelCreation":
        return this.say(`cancel ${this.idOf(command.item)}`)
      case "Check":
        return this.check(command.check)
      case "CancelCheck":
        return this.say(`cancelCheck ${this.idOf(command.check.item)}`)
      case "CheckTimedOut":
        return this.say(`checkTimedOut ${this.idOf(command.check.item)}`)
      case "Heard":
        return this.say(`heard ${this.idOf(command.item)}`)
      case "ReleaseTimedOut":
        return this.releaseTimedOut(command.release)
      case "Destroy":
        return this.destroy(command.item, command.reason)
      case "Leaving":
        return this.say(`leaving ${this.idOf(command.item)}`)
      case "LeaveBehind":
        return this.say(`leaveBehind ${this.idOf(command.item)}`)
      case "Wake":
        return this.wake(command.waiter)
      case "WakeAt":
        same(this.closes, 0, "a closed pool is armed")
        this.armed = command.at
        return
      case "Rest":
        this.rests = true
        return
      case "Reached":
        return this.say(`reached: ${command.refusal === undefined ? "minSize" : describeRefusal(command.refusal)}`)
      case "Backoff":
        this.earliestAttempt = this.now.monotonic + command.delay
        return this.say(`backoff ${command.delay} ${describeRefusal(command.refusal)}`)
      case "Recovered":
        return this.say("recovered")
      case "Paused":
        return this.say(`paused ${command.delay}`)
      case "Exhausted":
        return this.say(`exhausted ${command.waited}`)
      case "Overdue":
        ensure(command.record instanceof TestLeakRecord, "a record of its own")
        return this.say(`overdue ${command.record.id}`)
      case "DrainsSlowly":
        return this.say(`drainsSlowly ${command.waited}`)
      case "AskPermit":
        this.asked.push(permitOf(command))
        return this.say(`ask ${permitOf(command).id} ${command.purpose}`)
      case "WithdrawPermit":
        this.asked = this.asked.filter((permit) => permit !== command.permit)
        return this.say(`withdraw ${permitOf(command).id}`)
      case "ReturnPermit":
        ensure(this.permits.delete(permitOf(command)), "a permit returned that the pool does not have")
        return this.say(`return ${permitOf(command).id}`)
      case "CreationOver":
        return this.say(`over ${permitOf(command).id}`)
      case "Unused":
        return this.say("unused")
      case "Drained":
        this.drains++
        return this.say("drained")
      case "Closed":
        this.closes++
        this.armed = Infinity
        return this.say("closed")
    }
  }

  private create(item: Item<number>): void {
    const id = this.pairs.size + 1
    const pair = { item, model: this.model.everything[id - 1]! }
    this.pairs.set(item, pair)
    this.creations.push(pair)
    this.attempts++
    if (this.machine.failing && !this.unasked) {
      atMost(this.earliestAttempt, this.now.monotonic, "an attempt before the backoff has passed")
    }
    this.say(`create ${id}`)
  }

  private check(check: Check<number>): void {
    const pair = this.pairs.get(check.item)!
    const { heardAt, provenAt } = check.item
    const silence = this.now.wall - Math.max(heardAt, provenAt)
    if (check.hook === "ping") atMost(this.machine.policy.pingInterval, silence, "a ping of an item that is not silent")
    this.checks.push({ ...pair, check, modelCheck: pair.model.check ?? ended })
    this.say(`check ${this.idOf(check.item)} ${check.hook}`)
  }

  private releaseTimedOut(release: Release<number>): void {
    ensure(release instanceof TestRelease, "a release of its own")
    this.say(`releaseTimedOut ${release.id}`)
    this.releases = this.releases.filter((other) => other !== release)
    this.lateReleases.push(release)
    this.nest(() => this.release(release.lease, "discarded"))
  }

  private destroy(item: Item<number>, reason: Reason): void {
    this.say(`destroy ${this.idOf(item)} ${reason}`)
    ensure(!this.destroyed.has(item), "an item closed twice")
    this.destroyed.add(item)
    this.barred.add(item)
    const pair = this.pairs.get(item)!
    if (this.instantly) this.end(pair)
    else this.finalizers.push(pair)
  }

  private wake(waiter: Waiter<number, string>): void {
    ensure(waiter instanceof TestWaiter, "a waiter of its own")
    same(this.queue.shift(), waiter, "a waiter overtaken")
    ensure(!waiter.answered, "a waiter answered twice")
    waiter.answered = true
    if (waiter.item === undefined) {
      this.say(`wake ${waiter.model.id}: ${describeRefusal(waiter.refusal!)}`)
    } else {
      this.say(`wake ${waiter.model.id} with ${this.idOf(waiter.item)}`)
      ensure(waiter.refusal === undefined, "a waiter served and refused")
      const lease = this.lent(waiter.item, waiter)
      if (waiter.eager === "releases") this.nest(() => this.release(lease, "proven"))
    }
    if (waiter.eager === "borrows") this.nest(() => this.borrow("no", waiter.sharing, "none"))
  }

  private say(what: string): void {
    this.log.push(what)
    this.history.push(what)
  }

  /** The latest commands of the machine, for the report of a failing run. */
  get latest(): string {
    return this.history.slice(-20).join("\n")
  }

  private idOf(item: Item<number>): number {
    return this.pairs.get(item)!.model.id
  }

  // --- steps

  /** The model goes first, since the machine may call back. */
  private both<X>(model: () => X, machine: () => X): X {
    const expected = model()
    same(machine(), expected, "its answer")
    return expected
  }

  private nest(action: () => void): void {
    this.nested++
    action()
  }

  private leap(ms: number): void {
    this.now = { monotonic: this.now.monotonic, wall: this.now.wall + ms }
    this.leapt += ms
  }

  take(step: Step): void {
    this.stir()
    this.history.push(`-- ${JSON.stringify(step)}`)
    if (this.carryOut(step) === false) return
    this.executed++
    seen.add(step.op)
    this.compare()
  }

  /** No two items prove good at exactly the same time: otherwise the order of their pings would be undefined. */
  private stir(): void {
    this.leap(1 / 1024)
    this.catchUp()
  }

  /** After a backoff the next attempt comes with the tick, or with an earlier event. This makes it the tick. */
  private catchUp(): void {
    if (this.model.isRetryDue(this.now)) this.tick(this.now)
  }

  private carryOut(step: Step): false | void {
    const { machine, model, now } = this
    switch (step.op) {
      case "borrow":
        return this.borrow(step.eager, step.sharing, step.check, step.meanwhile)
      case "tryBorrow": {
        this.lentAtOnce(model.tryCheckout(now), machine.tryCheckout(now))
        return
      }
      case "release": {
        const lease = this.pick(this.leases, step.at)
        if (lease === undefined) return false
        return step.decides ? this.decide(lease, step.verdict) : this.release(lease, step.verdict)
      }
      case "decided": {
        const release = this.pick(this.releases, step.at)
        return release !== undefined && this.decided(release)
      }
      case "decidedLate": {
        const release = this.lateReleases.shift()
        if (release === undefined) return false
        const isInTime = this.both(() => model.endRelease(release.id), () => machine.endRelease(release))
        return assert.isFalse(isInTime, "a late decision counts")
      }
      case "leap":
        return this.leap(step.ms)
      case "renew": {
        for (const { item } of this.alive) this.barred.add(item)
        for (const { item } of this.creations) this.barred.add(item)
        this.earliestAttempt = now.monotonic
        this.both(() => model.renew(now), () => machine.renew(now))
        return
      }
      case "granted": {
        const permit = this.pick(this.asked, step.at)
        if (permit === undefined) return false
        this.asked = this.asked.filter((other) => other !== permit)
        this.permits.add(permit)
        this.both(() => model.granted(permit.id, now), () => machine.granted(permit, now))
        return
      }
      case "permitFailed": {
        const permit = this.pick(this.asked, step.at)
        if (permit === undefined) return false
        this.asked = this.asked.filter((other) => other !== permit)
        const failure = `failure ${++this.numbers}`
        const chance = (this.numbers % 4) / 4
        this.both(
          () => model.permitFailed(permit.id, `CreateFailed ${failure}`, now, chance),
          () => machine.permitFailed(permit, failure, now, chance)
        )
        return
      }
      case "permitLost":
      case "permitExpired": {
        const permit = this.pick([...this.permits], step.at)
        if (permit === undefined) return false
        const { item } = permit
        if (item !== undefined) this.barred.add(item)
        if (step.op === "permitLost") {
          this.both(() => model.permitLost(permit.id, now), () => machine.permitLost(permit, now))
        } else this.both(() => model.permitExpired(permit.id, now), () => machine.permitExpired(permit, now))
        if (item !== undefined) ensure(!canBeLent(item), "an item of a lost permit is open to borrowers")
        if (step.op === "permitExpired") ensure(item === undefined || isOver(item), "an item outlives its permit")
        return
      }
      case "evict": {
        const pair = this.gate && this.pick(this.alive, step.at)
        if (pair === undefined) return false
        if (this.both(() => model.evict(pair.model, now), () => machine.evict(pair.item, now))) {
          this.barred.add(pair.item)
        }
        return
      }
      case "gate": {
        if (this.gate === undefined) return false
        this.gate.isShort = step.isShort
        this.gate.isGreedy = step.isGreedy
        this.gate.hasSpare = step.hasSpare
        return this.both(() => model.start(now), () => machine.start(now))
      }
      case "wantUnused":
        return this.gate !== undefined && this.both(() => model.wantUnused(now), () => machine.wantUnused(now))
      case "abandon": {
        const waiter = this.pick(this.waiters.slice(-8), step.at)
        return waiter !== undefined && this.abandon(waiter)
      }
      case "made": {
        const pair = this.pick(this.creations, step.at)
        return pair !== undefined && this.made(pair, step.concurrency, step.twin ? 0 : ++this.numbers)
      }
      case "unmade": {
        const pair = this.pick(this.creations, step.at)
        if (pair === undefined) return false
        const failure = `failure ${++this.numbers}`
        const chance = (this.numbers % 4) / 4
        const isMade = ({ item }: Pair) => item !== pair.item && item.state === "Creating"
        const couldServe = machine.open > 0 || this.creations.some(isMade)
        const oldest = pair.item.state === "Creating" && couldServe ? this.queue[0] : undefined
        this.creations = this.creations.filter((other) => other !== pair)
        this.both(
          () => model.createFailed(pair.model, `CreateFailed ${failure}`, now, chance),
          () => machine.createFailed(pair.item, failure, now, chance)
        )
        ensure(oldest?.refusal === undefined, "a failure fails a borrower who can still be served")
        if (this.instantly) return this.end(pair)
        this.finalizers.push(pair)
        return
      }
      case "checked": {
        const check = this.pick(this.checks, step.at)
        return check !== undefined && this.checked(check, step.result)
      }
      case "ended": {
        const pair = this.pick(this.finalizers, step.at)
        return pair !== undefined && this.end(pair)
      }
      case "proven": {
        const pair = this.pick(this.alive, step.at)
        return pair !== undefined &&
          this.both(() => model.proven(pair.model, now), () => machine.proven(pair.item, now))
      }
      case "heard": {
        const pair = this.pick(this.alive, step.at)
        return pair !== undefined && this.both(() => model.heard(pair.model, now), () => machine.heard(pair.item, now))
      }
      case "lost":
      case "retire": {
        const pair = this.pick(this.alive, step.at)
        if (pair === undefined) return false
        this.barred.add(pair.item)
        if (step.op === "lost") return this.both(() => model.lost(pair.model, now), () => machine.lost(pair.item, now))
        return this.both(() => model.retire(pair.model, now), () => machine.retire(pair.item, now))
      }
      case "invalidate": {
        const value = this.pick(this.alive, step.at)?.item.value ?? -1
        for (const { item } of this.alive) if (item.value === value) this.barred.add(item)
        return this.both(() => model.invalidate(value, now), () => machine.invalidate(value, now))
      }
      case "prune":
        this.both(() => model.prune(step.maxIdle, now), () => machine.prune(step.maxIdle, now))
        return
      case "prepare":
        this.unasked = true
        this.unasked = this.both(() => model.prepare(now), () => machine.prepare(now))
        return
      case "breakDown": {
        const failure = `failure ${++this.numbers}`
        this.both(() => model.breakDown(`CreateFailed ${failure}`, now), () => machine.breakDown(failure, now))
        same(this.queue.length, 0, "waiters of a pool that broke down")
        return
      }
      case "clear":
        this.both(() => model.clear(now), () => machine.clear(now))
        return
      case "resize": {
        const minSize = Math.min(step.minSize, step.maxSize)
        this.mostOccupied = Math.max(step.maxSize, machine.occupied)
        this.mostOverlapping = Math.max(step.maxSize, this.mostOverlapping)
        return this.both(
          () => model.resize(minSize, step.maxSize, Math.min(step.minIdle, step.maxSize), now),
          () => machine.resize({ minSize, maxSize: step.maxSize, minIdle: Math.min(step.minIdle, step.maxSize) }, now)
        )
      }
      case "drain":
        return this.both(() => model.drain(now), () => machine.drain(now))
      case "close":
        return this.close()
      case "tick":
        return machine.state !== "Closed" && this.tick(now)
      case "wantReady":
        return this.both(() => model.wantReady(now), () => machine.wantReady(now))
      case "track": {
        if (this.loans.length === 8) return false
        const record = new TestLeakRecord(++this.numbers)
        this.loans.push(record)
        return this.both(() => model.track({ id: record.id, since: now.monotonic }), () => machine.track(record, now))
      }
      case "untrack": {
        const record = this.pick(this.loans, step.at)
        return record !== undefined && this.untrack(record)
      }
      case "advance":
        return this.advance(now.monotonic + step.ms, step.how)
    }
  }

  private pick<X>(choices: ReadonlyArray<X>, at: number): X | undefined {
    return choices[at % choices.length]
  }

  private get alive(): Array<Pair> {
    return [...this.pairs.values()].filter(({ item }) => isLive(item) || item.state === "Closing")
  }

  private borrow(
    eager: TestWaiter["eager"],
    sharing: Sharing,
    outcome: Borrow["check"],
    meanwhile: Borrow["meanwhile"] = "nothing"
  ): void {
    const { machine, model, now } = this
    if (this.lentAtOnce(model.checkout(now, sharing), machine.checkout(now, sharing))) return
    if (outcome !== "none" && this.nested === 0 && this.borrowChecked(sharing, outcome, meanwhile)) return
    const waiter = new TestWaiter(this.waiters.length + 1, eager, sharing)
    this.waiters.push(waiter)
    this.queue.push(waiter)
    const verdict = this.both(() => model.enqueue(waiter.model, now), () => machine.enqueue(waiter, now))
    seen.add(verdict)
    if (verdict !== "Queued") this.queue = this.queue.filter((other) => other !== waiter)
  }

  /** A check that may complete before the borrower has to queue. Returns whether an item was lent. */
  private borrowChecked(
    sharing: Sharing,
    outcome: Exclude<Borrow["check"], "none">,
    meanwhile: Borrow["meanwhile"]
  ): boolean {
    const { machine, model, now } = this
    const foretold = model.checkNow(now, sharing)
    const check = machine.checkNow(now, sharing)
    same(check && this.idOf(check.item), foretold?.id, "what is checked at once")
    if (check === undefined || foretold === undefined) return false
    seen.add(`checkNow ${outcome}`)
    const checked = { ...this.pairs.get(check.item)!, check, modelCheck: foretold.check! }
    // what was created before the pool drained was needed then
    if (meanwhile === "drains") this.nest(() => this.callBack(checked, meanwhile))
    else this.callBack(checked, meanwhile)
    if (outcome === "passes") {
      const isLent = model.admit(foretold, checked.modelCheck, now, sharing)
      seen.add(`admit ${isLent}`)
      same(machine.admit(check, now, sharing), isLent ? check.item : undefined, "what is lent that was checked")
      if (isLent) this.lent(check.item, undefined)
      return isLent
    }
    this.checks.push(checked)
    if (outcome === "fails") this.checked(checked, "failed")
    return false
  }

  /** What the hook of a check does before the check ends. */
  private callBack({ item, model: foretold }: Pair, meanwhile: Borrow["meanwhile"]): void {
    const { machine, model, now } = this
    switch (meanwhile) {
      case "nothing":
        return
      case "borrows":
        return this.nest(() => this.borrow("no", "shared", "none"))
      case "loses":
        this.barred.add(item)
        return this.both(() => model.lost(foretold, now), () => machine.lost(item, now))
      case "proves":
        return this.both(() => model.proven(foretold, now), () => machine.proven(item, now))
      case "drains":
        return this.both(() => model.drain(now), () => machine.drain(now))
    }
  }

  private lentAtOnce(foretold: ModelItem | undefined, item: Item<number> | undefined): boolean {
    same(item && this.idOf(item), foretold?.id, "what is lent")
    if (item !== undefined) this.lent(item, undefined)
    return item !== undefined
  }

  private lent(item: Item<number>, waiter: TestWaiter | undefined): Lease {
    const { machine, nested } = this
    ensure(!this.barred.has(item), "an item lent after its end")
    atMost(item.uses, machine.policy.maxUses, "an item lent too often")
    atMost(item.borrowers, item.concurrency, "an item lent to too many")
    if (nested === 0) {
      const check = this.checks.find((other) => other.check === item.check)
      const blocks = check?.modelCheck.blocks === true
      ensure(!blocks, "an item lent while it is checked")
    }
    const lease = { ...this.pairs.get(item)!, waiter }
    this.leases.push(lease)
    return lease
  }

  private release(lease: Lease, verdict: Verdict): void {
    const { machine, model, now } = this
    this.leases = this.leases.filter((other) => other !== lease)
    if (verdict === "discarded") this.barred.add(lease.item)
    return this.both(
      () => model.release(lease.model, now, verdict),
      () => machine.release(lease.item, now, verdict)
    )
  }

  /** A hook takes its time to decide on the item. */
  private decide(lease: Lease, verdict: Verdict): void {
    const { machine, model, now } = this
    const release = new TestRelease(++this.numbers, lease, verdict)
    this.releases.push(release)
    this.leases = this.leases.filter((other) => other !== lease)
    // the borrower has used the item
    if (verdict !== "kept") this.both(() => model.serve(lease.model), () => machine.served(lease.item))
    return this.both(() => model.beginRelease(release.id, lease.model, now), () => machine.beginRelease(release, now))
  }

  private decided(release: TestRelease): void {
    const { machine, model } = this
    this.releases = this.releases.filter((other) => other !== release)
    this.both(() => model.endRelease(release.id), () => machine.endRelease(release))
    this.release(release.lease, release.settles)
  }

  /** The waiter may be queued, served, refused or abandoned before; but it must not know its item yet. */
  private abandon(waiter: TestWaiter): false | void {
    const { machine, model, now } = this
    const lease = this.leases.find((lease) => lease.waiter === waiter)
    if (lease === undefined && waiter.item !== undefined) return false
    this.leases = this.leases.filter((other) => other !== lease)
    this.queue = this.queue.filter((other) => other !== waiter)
    return this.both(() => model.abandon(waiter.model, now), () => machine.abandon(waiter, now))
  }

  private made(pair: Pair, concurrency: number, value: number): void {
    const { machine, model, now } = this
    this.creations = this.creations.filter((other) => other !== pair)
    const isOutdated = pair.item.state === "Outdated"
    const late = !isOutdated && pair.item.state !== "Creating"
    if (!late && !isOutdated) this.concurrency = concurrency
    const chance = (++this.numbers * 0.618_033_988_7) % 1
    this.both(
      () => model.created(pair.model, value, concurrency, now, chance),
      () => machine.created(pair.item, value, concurrency, now, chance)
    )
    if (late || (isOutdated && this.instantly)) this.end(pair)
    else if (isOutdated) this.finalizers.push(pair)
  }

  private checked(check: (typeof this.checks)[number], result: CheckResult): void {
    const { machine, model, now } = this
    this.checks = this.checks.filter((other) => other !== check)
    if (result === "failed" && check.item.check === check.check) this.barred.add(check.item)
    return this.both(
      () => model.checked(check.model, check.modelCheck, result, now),
      () => machine.checked(check.check, result, now)
    )
  }

  private end(pair: Pair): void {
    const { machine, model, now } = this
    this.finalizers = this.finalizers.filter((other) => other !== pair)
    return this.both(() => model.gone(pair.model, now), () => machine.gone(pair.item, now))
  }

  private untrack(record: TestLeakRecord): void {
    this.loans = this.loans.filter((other) => other !== record)
    return this.both(() => this.model.untrack(record.id), () => this.machine.untrack(record, this.now))
  }

  private close(): void {
    const { machine, model, now } = this
    for (const item of this.pairs.keys()) this.barred.add(item)
    return this.both(() => model.close(now), () => machine.close(now))
  }

  private tick(now: Time): void {
    const { machine, model } = this
    const { acquireTimeout } = machine.policy
    this.now = now
    this.leapt = 0
    this.armed = Infinity
    const chance = (++this.numbers % 4) / 4
    this.both(() => model.tick(now, chance), () => machine.tick(now, chance))
    for (let waiter = machine.waiters.first; waiter !== undefined; waiter = waiter.next) {
      ensure(
        waiter.since + acquireTimeout > now.monotonic || waiter.since === now.monotonic,
        "a waiter outlives its deadline"
      )
    }
    this.compare()
  }

  private at(monotonic: number): Time {
    const to = Math.max(this.now.monotonic, monotonic)
    return { monotonic: to, wall: this.now.wall + to - this.now.monotonic }
  }

  private advance(to: number, how: "exact" | "jump" | "late"): void {
    if (how === "exact") {
      for (let ticks = 0; this.armed <= to; ticks++) {
        ensure(ticks < 1_000, "ticks without end")
        this.tick(this.at(Math.ceil(this.armed)))
      }
    }
    this.now = this.at(to)
    if (how === "jump" && this.armed <= to) this.tick(this.now)
  }

  // --- after each step

  private compare(): void {
    const { log, model } = this
    this.log = []
    const foretold = model.log
    model.log = []
    for (const entry of log) seen.add(entry.replaceAll(/\d[\d.]*/g, "n"))
    const isWake = (entry: string) => entry.startsWith("wake")
    alike(log.filter(isWake), foretold.filter(isWake), "who is woken, in this order")
    alike(log.toSorted(), foretold.toSorted(), "what is asked for")
    alike(this.snapshot(), model.snapshot(), "what can be seen")
    if (this.rests) {
      this.rests = false
      if (this.machine.disarm(this.now)) this.armed = Infinity
    }
    const due = model.nextDue(this.now)
    // in whole microseconds: the sum of two clocks is not a round number
    atMost(Math.floor(this.armed * 1e3), Math.ceil((due + this.leapt) * 1e3), "nothing wakes it when something is due")
    ensure(due !== Infinity || !model.isAtRest || this.armed === Infinity, "a timer of a pool at rest")
    this.judge()
    this.attempts = 0
    this.unasked = false
    this.nested = 0
  }

  private snapshot(): ReturnType<PoolModel["snapshot"]> {
    const { closing, counters, creating, failing, inUse, items, leases, live, occupied, open, state } = this.machine
    return {
      state,
      live,
      open,
      inUse,
      leases,
      creating,
      closing,
      occupied,
      failing,
      waiters: this.queued().map((waiter) => waiter.model.id),
      items: [...items].map((item) => ({
        id: this.idOf(item),
        state: item.state,
        value: item.value ?? NaN,
        borrowers: item.borrowers,
        uses: item.uses,
        counted: isCounted(item)
      })),
      counters
    }
  }

  private queued(): Array<TestWaiter> {
    const waiters: Array<TestWaiter> = []
    for (let waiter = this.machine.waiters.first; waiter !== undefined; waiter = waiter.next) {
      waiters.push(waiter as TestWaiter)
    }
    return waiters
  }

  /** Checks the rules, by the visible state of the machine. */
  private judge(): void {
    const { machine } = this
    const { createConcurrency, validateAfterIdle } = machine.policy
    const { maxSize, minIdle, minSize } = machine.sizes
    const items = [...machine.items]
    const open = items.filter(({ state }) => state === "Idle" || state === "InUse" || state === "Checking")
    const leaving = items.filter(({ state }) => state === "Leaving")
    const isLent = ({ borrowers }: Item<number>) => borrowers > 0
    // counts add up
    same(machine.live, open.length + leaving.length, "live")
    same(machine.open, open.length, "open")
    same(machine.inUse, [...open, ...leaving].filter(isLent).length, "inUse")
    const out = [...this.leases, ...this.releases.map(({ lease }) => lease)]
    same(machine.leases, out.length, "leases")
    same(machine.occupied, items.filter(isCounted).length, "occupied")
    for (const item of items) {
      same(item.borrowers, out.filter((lease) => lease.item === item).length, "borrowers")
    }
    // never more than maxSize; after a resize never more than before, until the pool fits
    atMost(machine.occupied, this.mostOccupied, "more than maxSize")
    this.mostOccupied = Math.max(maxSize, Math.min(this.mostOccupied, machine.occupied))
    const overlapping = leaving.filter((item) => !isCounted(item)).length
    atMost(overlapping, this.mostOverlapping, "more than maxSize beside the others")
    this.mostOverlapping = Math.max(maxSize, Math.min(this.mostOverlapping, overlapping))
    // no waiter waits beside a free item, and no item is created without a need
    const waiters = this.queued()
    alike(waiters.map(({ model }) => model.id), this.queue.map(({ model }) => model.id), "the order of arrival")
    const sharing = waiters.filter(({ sharing }) => sharing === "shared").length
    const needed = waiters.length - sharing + Math.ceil(sharing / this.concurrency)
    const checks = open.flatMap((item) => this.pairs.get(item)!.model.check ?? [])
    const checking = checks.filter(({ awaited }) => awaited).length
    const mayBeShared = waiters[0]?.sharing !== "exclusive"
    const free = open.filter((item) =>
      item.state !== "Checking" && (mayBeShared ? item.borrowers < item.concurrency : item.borrowers === 0)
    )
    if (waiters.length > 0 && free.length > 0) {
      atMost(needed, checking, "a waiter beside an item that is free")
      const proven = free.find(({ provenAt }) => this.now.wall - provenAt < validateAfterIdle)
      ensure(proven === undefined, "a waiter beside an item that is free and needs no check")
    }
    if (this.attempts > 0) {
      atMost(machine.creating, createConcurrency, "more than createConcurrency attempts at a time")
      if (machine.failing && !this.unasked) same(machine.creating, 1, "two attempts at a time while they fail")
      const prompt = checks.filter(({ awaited, isSlow }) => awaited && !isSlow).length
      const ready = minIdle > 0 ? Math.min(maxSize, open.filter(isLent).length + needed + minIdle) : 0
      const lacking = machine.state === "Open" ? Math.max(minSize, ready) - open.length : 0
      const outdated = items.filter((item) => item.state === "Outdated").length
      if (this.nested === 0 && !this.unasked) {
        atMost(machine.creating - outdated, Math.max(needed - prompt, lacking), "more attempts than needed")
      }
    }
    if (this.gate !== undefined) {
      same(this.lentItems, machine.inUse, "what the gate knows to be lent")
      const stages = { Idle: ["idle"], Closing: ["closing"], Leaving: ["leaving", "spent"] } as const
      for (const { permit, state } of items) {
        const stage = (permit as TestPermit | undefined)?.stage
        if (state === "Idle" || state === "Leaving" || (state === "Closing" && stage !== undefined)) {
          ensure((stages[state] as ReadonlyArray<unknown>).includes(stage), "what a permit is told")
        }
        if (state === "InUse") ensure(stage === "new" || stage === "busy", "what a permit of a lent item is told")
        if (state === "Creating") ensure(permit !== undefined, "a creation without a permit")
      }
      alike(this.asked.map(({ id }) => id), this.model.asks.map(({ id }) => id), "the permits that are asked for")
    }
    const closes = machine.state === "Closing" || machine.state === "Closed"
    ensure(!closes || open.length + waiters.length === 0, "a pool that closes is open to borrowers")
    atMost(this.closes, 1, "closed twice")
    atMost(this.drains, 1, "drained twice")
  }

  /** Every waiter is served or refused, and a closed pool has nothing left. */
  finish(ending: Scenario["ending"]): void {
    const { machine } = this
    const wasOpen = machine.state === "Open" || machine.state === "Draining"
    if (ending === "calm") {
      for (let rounds = 0; this.endAllWell() || machine.waiters.length > 0; rounds++) {
        ensure(rounds < 200, "a waiter is neither served nor refused")
      }
    }
    this.catchUp()
    this.close()
    this.compare()
    const latest = this.now.monotonic + machine.policy.shutdownGrace + machine.policy.closeTimeout
    while (this.machine.state !== "Closed") {
      ensure(this.armed !== Infinity, "a pool does not close")
      this.advance(Math.max(this.now.monotonic, Math.ceil(this.armed)), "exact")
    }
    // whole milliseconds
    if (wasOpen) atMost(this.now.monotonic, Math.ceil(latest), "a pool closes too late")
    // abandoned finalizers end, too late
    while (this.endAllWell());
    for (const record of this.loans) this.untrack(record)
    this.compare()
    same(this.closes, 1, "closed")
    same(this.drains, 1, "drained")
    same(this.destroyed.size, machine.counters.created, "items closed")
    same(machine.occupied, 0, "occupied")
    same(this.queue.length, 0, "waiters without an answer")
    for (const [name, part] of partsOf(machine)) {
      if (part instanceof LinkedList) same(part.length, 0, name)
      if (part instanceof LoadIndex) same(part.minLoaded(), undefined, name)
      if (part instanceof IndexedHeap) same(part.first, undefined, name)
      if (part instanceof Map || part instanceof Set) same(part.size, 0, name)
    }
  }

  /** Everything under way ends well; without anything under way, time passes. Returns whether anything was under way. */
  private endAllWell(): boolean {
    const { checks, creations, finalizers, leases, releases } = this
    const count = checks.length + creations.length + finalizers.length + leases.length + releases.length
    const each = <X>(under: ReadonlyArray<X>, end: (one: X) => void) => {
      for (const one of under) {
        this.stir()
        end(one)
        this.compare()
      }
    }
    each(finalizers, (pair) => this.end(pair))
    each(checks, (check) => this.checked(check, "passed"))
    each(creations, (pair) => this.made(pair, 1, ++this.numbers))
    each(leases, (lease) => this.leases.includes(lease) && this.release(lease, "proven"))
    each(releases, (release) => this.releases.includes(release) && this.decided(release))
    const [permit] = this.asked
    if (count === 0 && this.machine.waiters.length > 0 && permit !== undefined) {
      this.take({ op: "granted", at: 0 })
      return true
    }
    if (count === 0 && this.machine.waiters.length > 0) {
      ensure(this.armed !== Infinity, "a waiter is stuck")
      this.advance(Math.max(this.now.monotonic, Math.ceil(this.armed)), "exact")
    }
    return count > 0
  }
}

const follow = (scenario: Scenario): number => {
  const run = new Run(scenario)
  try {
    for (const step of scenario.steps) run.take(step)
    run.finish(scenario.ending)
  } catch (error) {
    if (error instanceof Error) error.message += `\nThe last steps, and what the machine asked for:\n${run.latest}`
    throw error
  }
  return run.executed
}

/** The events that must occur in this many steps. */
const everythingThatHappens = [
  ...[
    "borrow",
    "tryBorrow",
    "release",
    "abandon",
    "made",
    "unmade",
    "checked",
    "ended",
    "lost",
    "retire",
    "invalidate"
  ],
  ...[
    "prune",
    "clear",
    "prepare",
    "resize",
    "drain",
    "close",
    "breakDown",
    "advance",
    "tick",
    "wantReady",
    "track",
    "untrack"
  ],
  ...[
    "renew",
    "proven",
    "heard",
    "heard n",
    "leap",
    "decided",
    "decidedLate",
    "checkNow passes",
    "checkNow fails",
    "checkNow lasts"
  ],
  ...["admit true", "admit false"],
  ...["Queued", "Full", "Closed", "wake n with n", "wake n: CreateFailed failure n", "wake n: AcquireTimeout queue"],
  ...["wake n: AcquireTimeout creation", "wake n: AcquireTimeout check", "checkTimedOut n", "releaseTimedOut n"],
  ...["paused n", "drainsSlowly n"],
  ...["wake n: CreateTimeout", "wake n: PoolClosed", "create n", "cancel n", "check n validate", "check n ping"],
  ...["cancelCheck n", "destroy n lost", "destroy n invalidated", "destroy n retired", "destroy n discarded"],
  ...[
    "destroy n idle",
    "destroy n excess",
    "destroy n closed",
    "leaving n",
    "leaveBehind n",
    "backoff n CreateTimeout"
  ],
  ...["backoff n CreateFailed failure n", "recovered", "reached: minSize", "reached: CreateFailed failure n"],
  ...["granted", "evict", "gate", "wantUnused", "ask n borrower", "ask n spare", "withdraw n", "return n", "over n"],
  ...["unused", "wake n: AcquireTimeout permit", "permitFailed", "permitLost", "permitExpired"],
  ...["reached: CreateTimeout", "reached: PoolClosed", "exhausted n", "overdue n", "drained", "closed"]
]

/** For tests of a single rule: performs the commands that have a handler. */
const shell = (
  perform: {
    readonly [Tag in Command<number, string>["_tag"]]?: (
      command: Extract<Command<number, string>, { readonly _tag: Tag }>
    ) => void
  }
): Shell<number, string> => ({
  perform: (command) => (perform[command._tag] as ((command: Command<number, string>) => void) | undefined)?.(command)
})

const now = (ms: number): Time => ({ monotonic: ms, wall: ms })

describe("PoolMachine", () => {
  it(
    "does what a naive model does and keeps the rules, in 100,000 generated steps and more",
    { timeout: 80 * Number(runs) },
    async () => {
      let executed = 0
      await FastCheck.assert(
        FastCheck.asyncProperty(scenario, async (scenario) => {
          executed += follow(scenario)
          // the test runner's own messages must not wait until the end
          await new Promise<void>((resolve) => setImmediate(resolve))
        }),
        { numRuns: Number(runs), ...replay, ...(path === undefined ? {} : { path }) }
      )
      if (path !== undefined || Number(runs) < 5000) return
      assert.isAtLeast(executed, 100_000)
      assert.deepStrictEqual(everythingThatHappens.filter((what) => !seen.has(what)), [], "what no run came upon")
    }
  )

  it("pings every silent item in its turn, at most createConcurrency and half of the idle ones at a time", () => {
    const property = FastCheck.property(
      FastCheck.integer({ min: 1, max: 4 }),
      FastCheck.array(FastCheck.record({ at, how: among("passes", "fails", "dies", "is invalidated") })),
      (createConcurrency, ends) => {
        const creations: Array<Item<number>> = []
        const pings = new Set<Check<number>>()
        let armed = Infinity
        const machine = new PoolMachine<number, string>(
          {
            ...defaults,
            maxSize: 8,
            createConcurrency,
            pingInterval: 50
          },
          shell({
            Create: ({ item }) => creations.push(item),
            Check: ({ check }) => pings.add(check),
            CancelCheck: ({ check }) => pings.delete(check),
            WakeAt: ({ at }) => armed = at
          })
        )
        machine.resize({ minSize: 8, maxSize: 8, minIdle: 0 }, now(0))
        for (const item of creations) machine.created(item, creations.indexOf(item), 1, now(0), 0.5)
        machine.resize({ minSize: 0, maxSize: 8, minIdle: 0 }, now(0))
        machine.tick(now(50), 0.5)
        const silent = new Set(creations)
        const live = new Set(creations)
        for (const { at, how } of ends) {
          assert.strictEqual(pings.size, Math.min(createConcurrency, silent.size, Math.max(1, live.size >> 1)))
          const ping = [...pings][at % pings.size]
          if (ping === undefined) break
          silent.delete(ping.item)
          if (how !== "passes") live.delete(ping.item)
          pings.delete(ping)
          if (how === "passes" || how === "fails") {
            machine.checked(ping, how === "passes" ? "passed" : "failed", now(60))
          }
          if (how === "dies") machine.lost(ping.item, now(60))
          if (how === "is invalidated") machine.invalidate(ping.item.value, now(60))
          if (armed <= 60) machine.tick(now(60), 0.5)
        }
      }
    )
    FastCheck.assert(property, { numRuns: 300, ...replay })
  })

  it("pauses after every item that dies young, however many did and without an initial backoff", () => {
    const creations: Array<Item<number>> = []
    const machine = new PoolMachine<number, string>(
      { ...defaults, minSize: 1, maxSize: 1, backoff: { ...defaults.backoff, initial: 0 } },
      shell({ Create: ({ item }) => creations.push(item) })
    )
    machine.start(now(0))
    for (let ms = 0; ms < 1_100; ms++) {
      machine.tick(now(ms), 0.5)
      const item = creations[ms]!
      machine.created(item, ms, 1, now(ms), 0.5)
      machine.lost(item, now(ms))
      machine.gone(item, now(ms))
      assert.strictEqual(creations.length, ms + 1, "the next one is made 1 ms later")
    }
  })

  it("relies on a check for half of its time limit, and for 250 ms at most, before it makes another item", () => {
    for (const [checkTimeout, slowAfter] of [[20, 10], [2_000, 250]] as const) {
      const creations: Array<Item<number>> = []
      const checks: Array<Check<number>> = []
      const machine = new PoolMachine<number, string>(
        { ...defaults, minSize: 1, maxSize: 2, checkTimeout, validateAfterIdle: 5 },
        shell({ Create: ({ item }) => creations.push(item), Check: ({ check }) => checks.push(check) })
      )
      machine.start(now(0))
      machine.created(creations[0]!, 0, 1, now(0), 0.5)
      assert.strictEqual(machine.enqueue(new Waiter(), now(100)), "Queued")
      assert.strictEqual(checks.length, 1)
      machine.tick(now(99 + slowAfter), 0.5)
      assert.strictEqual(creations.length, 1)
      machine.tick(now(100 + slowAfter), 0.5)
      assert.strictEqual(creations.length, 2)
    }
  })

  it("keeps no list of items to check once it broke down", () => {
    const creations: Array<Item<number>> = []
    const checks: Array<Check<number>> = []
    const machine = new PoolMachine<number, string>(
      { ...defaults, minSize: 4, maxSize: 4, createConcurrency: 1, validateAfterIdle: 0 },
      shell({ Create: ({ item }) => creations.push(item), Check: ({ check }) => checks.push(check) })
    )
    machine.start(now(0))
    for (let i = 0; i < 4; i++) machine.created(creations[i]!, i, 1, now(0), 0.5)
    const kept = () => partsOf(machine).flatMap(([, part]) => Array.isArray(part) ? part : [])
    machine.tryCheckout(now(1))
    machine.tryCheckout(now(1))
    machine.checked(checks[0]!, "failed", now(1))
    assert.isNotEmpty(kept())
    machine.breakDown("gone for good", now(1))
    assert.deepStrictEqual(kept(), [])
    machine.checked(checks[1]!, "failed", now(1))
    assert.deepStrictEqual(kept(), [])
  })
})

// --- the parts

interface Node extends Linked<Node>, HeapNode {
  readonly id: number
  key: number
}

const makeNodes = (count: number): Array<Node> =>
  Array.from({ length: count }, (_, id) => ({
    id,
    key: 0,
    heapIndex: -1,
    heapTurn: 0,
    previous: undefined,
    next: undefined,
    list: undefined
  }))

const moves = FastCheck.array(FastCheck.record({ at, key: FastCheck.nat({ max: 70 }) }), { maxLength: 60, size: "max" })

describe("LinkedList", () => {
  it("holds its members in their order, whichever member leaves", () => {
    const property = FastCheck.property(moves, (moves) => {
      const nodes = makeNodes(8)
      const list = new LinkedList<Node>()
      const other = new LinkedList<Node>()
      let model: Array<Node> = []
      for (const { at } of moves) {
        const node = nodes[at]!
        other.remove(node)
        if (model.includes(node)) {
          list.remove(node)
          list.remove(node)
          model = model.filter((member) => member !== node)
        } else {
          list.push(node)
          model.push(node)
        }
        const forth: Array<Node> = []
        for (let member = list.first; member !== undefined; member = member.next) forth.push(member)
        const back: Array<Node> = []
        for (let member = list.last; member !== undefined; member = member.previous) back.unshift(member)
        const ids = model.map(({ id }) => id)
        assert.deepStrictEqual(forth.map(({ id }) => id), ids)
        assert.deepStrictEqual(back.map(({ id }) => id), ids)
        assert.strictEqual(list.length, model.length)
        assert.deepStrictEqual(nodes.filter((member) => member.list === list).length, model.length)
      }
    })
    FastCheck.assert(property, { numRuns: 200, ...replay })
  })
})

describe("LoadIndex", () => {
  it("finds the first of the least loaded and the last of the most loaded", () => {
    const property = FastCheck.property(moves, (moves) => {
      const nodes = makeNodes(8)
      const index = new LoadIndex<Node>()
      let model: Array<Node> = []
      for (const { at, key } of moves) {
        const node = nodes[at]!
        if (model.includes(node)) {
          // the node is not filed there
          index.remove(node, node.key + 1)
          index.remove(node, node.key)
          model = model.filter((member) => member !== node)
        } else {
          node.key = key
          index.add(node, key)
          model.push(node)
        }
        const least = Math.min(...model.map(({ key }) => key))
        const most = Math.max(...model.map(({ key }) => key))
        assert.strictEqual(index.minLoaded()?.id, model.find(({ key }) => key === least)?.id)
        assert.strictEqual(index.maxLoaded()?.id, model.findLast(({ key }) => key === most)?.id)
      }
    })
    FastCheck.assert(property, { numRuns: 300, ...replay })
  })
})

describe("IndexedHeap", () => {
  it("has the smallest key first, whichever member leaves", () => {
    const moves = FastCheck.array(
      FastCheck.record({ at: FastCheck.nat({ max: 31 }), key: FastCheck.nat({ max: 20 }) }),
      {
        maxLength: 120,
        size: "max"
      }
    )
    const property = FastCheck.property(moves, (moves) => {
      const nodes = makeNodes(32)
      const heap = new IndexedHeap<Node>()
      let model: Array<Node> = []
      const leave = (node: Node) => {
        heap.remove(node)
        heap.remove(node)
        model = model.filter((member) => member !== node)
      }
      for (const { at, key } of moves) {
        const node = nodes[at]!
        if (model.includes(node)) {
          leave(node)
        } else {
          node.key = key
          heap.add(node)
          model.push(node)
        }
        assert.strictEqual(heap.first?.key ?? Infinity, Math.min(...model.map(({ key }) => key)))
        assert.strictEqual(nodes.filter(({ heapIndex }) => heapIndex >= 0).length, model.length)
      }
      const keys: Array<number> = []
      const sorted = model.map(({ key }) => key).sort((a, b) => a - b)
      while (heap.first !== undefined) {
        keys.push(heap.first.key)
        leave(heap.first)
      }
      assert.deepStrictEqual(keys, sorted)
    })
    FastCheck.assert(property, { numRuns: 300, ...replay })
  })
})
