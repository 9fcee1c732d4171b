/**
 * Every order of events in a small pool: all events that can happen in a state are tried, breadth first. A state that was
 * seen before is not tried again. The number of states is fixed, so each run is the same; `EXPLORE_STATES=…` takes more or
 * fewer for each pool. A machine cannot be copied, so a state is reached by the events that led to it.
 */
import { assert, describe, it } from "vitest"
import type { Command, Shell } from "../../../../src/internal/core/pool/commands.js"
import {
  type Check,
  isLive,
  type Item,
  type Sharing,
  type Time,
  type Verdict,
  Waiter
} from "../../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../../src/internal/core/pool/policy.js"
import { PoolMachine } from "../../../../src/internal/core/pool/poolMachine.js"

const states = Number(process.env["EXPLORE_STATES"] ?? 10_000)

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

interface Pool {
  readonly name: string
  readonly options: Partial<MachineOptions<string>>
  /** How many borrowers share an item. */
  readonly concurrency: number
  /** How the first, the second and the third borrower borrow. */
  readonly sharing: ReadonlyArray<Sharing>
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
    sharing: shared
  }
]

/** `at` chooses among the candidates, in their order. */
type Event =
  | { readonly op: "borrow" | "tick" | "renew" | "drain" | "close" | "shrink" | "grow" | "clear" }
  | { readonly op: "release"; readonly at: number; readonly verdict: Verdict }
  | { readonly op: "passed" | "failed" | "created" | "unmade" | "gone"; readonly at: number }
  | { readonly op: "lost" | "retire" | "invalidate" | "proven" | "abandon"; readonly at: number }

const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

class World implements Shell<number, string> {
  readonly machine: PoolMachine<number, string>
  private readonly pool: Pool
  now: Time = { monotonic: 0, wall: 0 }
  private armed = Infinity
  private rests = false
  private closed = false
  private drained = false
  /** The number of borrowers that have come. */
  private borrowers = 0
  private values = 0
  private readonly maxSize: number
  private creations: Array<Item<number>> = []
  private checks: Array<Check<number>> = []
  private closings: Array<Item<number>> = []
  private leases: Array<Item<number>> = []
  private queue: Array<Waiter<number, string>> = []

  constructor(pool: Pool) {
    this.pool = pool
    const options = { ...basic, ...pool.options }
    this.maxSize = options.maxSize
    this.machine = new PoolMachine(options, this)
    this.machine.start(this.now)
    this.judge()
  }

  perform(command: Command<number, string>): void {
    switch (command._tag) {
      case "Create":
        this.creations.push(command.item)
        return
      case "Check":
        this.checks.push(command.check)
        return
      case "CancelCheck":
      case "CheckTimedOut":
        this.checks = this.checks.filter((other) => other !== command.check)
        return
      case "Destroy":
        this.closings.push(command.item)
        return
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
        if (waiter.item !== undefined) this.leases.push(waiter.item)
        return
      }
      case "WakeAt":
        this.armed = command.at
        return
      case "Rest":
        this.rests = true
        return
      case "Drained":
        ensure(!this.drained, "drained twice")
        this.drained = true
        return
      case "Closed":
        ensure(!this.closed, "closed twice")
        this.closed = true
        return
    }
  }

  /** All events that can happen now. Of equal items, waiters and checks in the same order, one is enough. */
  get events(): ReadonlyArray<Event> {
    const { machine } = this
    if (this.closed) return []
    const each = <const O extends string>(op: O, count: number) =>
      Array.from({ length: count }, (_, at) => ({ op, at }))
    const live = this.live.length
    const events: Array<Event> = [
      ...(this.borrowers < 3 ? [{ op: "borrow" } as const] : []),
      ...this.leases.flatMap((_, at) =>
        (["proven", "kept", "discarded"] as const).map((verdict) => ({ op: "release", at, verdict }) as const)
      ),
      ...each("created", this.creations.length),
      ...each("unmade", this.creations.length),
      ...each("passed", this.checks.length),
      ...each("failed", this.checks.length),
      ...each("gone", this.closings.length),
      ...each("abandon", this.queue.length),
      ...each("lost", live),
      ...each("retire", live),
      ...(live > 0 ? each("invalidate", 1) : []),
      ...(live > 0 && machine.policy.pingInterval !== Infinity ? each("proven", live) : []),
      ...(this.armed === Infinity ? [] : [{ op: "tick" } as const])
    ]
    const whole: ReadonlyArray<"renew" | "drain" | "close" | "shrink" | "grow" | "clear"> = machine.state === "Open"
      ? ["renew", "drain", "close", "clear", machine.sizes.maxSize === 1 ? "grow" : "shrink"]
      : machine.state === "Draining"
      ? ["close", "renew"]
      : []
    return [...events, ...whole.map((op) => ({ op }))]
  }

  private get live(): Array<Item<number>> {
    return [...this.machine.items].filter(isLive)
  }

  take(event: Event): void {
    const { machine, now } = this
    switch (event.op) {
      case "borrow":
        this.borrow(this.pool.sharing[this.borrowers++]!)
        break
      case "release": {
        const [item] = this.leases.splice(event.at, 1)
        machine.release(item!, now, event.verdict)
        break
      }
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
        machine.proven(this.live[event.at]!, now)
        break
      case "invalidate":
        machine.invalidate(this.live[event.at]!.value, now)
        break
      case "tick":
        this.tick()
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
    this.judge()
  }

  private borrow(sharing: Sharing): void {
    const item = this.machine.checkout(this.now, sharing)
    if (item !== undefined) {
      this.leases.push(item)
      return
    }
    const waiter = new Waiter<number, string>()
    waiter.sharing = sharing
    this.queue.push(waiter)
    if (this.machine.enqueue(waiter, this.now) !== "Queued") this.queue.pop()
  }

  /** Time passes until the machine's next tick. */
  private tick(): void {
    const passed = Math.max(0, Math.ceil(this.armed - this.now.monotonic))
    this.now = { monotonic: this.now.monotonic + passed, wall: this.now.wall + passed }
    this.armed = Infinity
    this.machine.tick(this.now, 0.5)
  }

  /** Checks the rules that hold in every state. */
  private judge(): void {
    const { machine } = this
    const items = [...machine.items]
    const live = items.filter(isLive)
    const count = (holds: (item: Item<number>) => boolean) => items.filter(holds).length
    ensure(machine.live === live.length, "live")
    ensure(machine.leases === this.leases.length, "leases")
    ensure(machine.inUse === live.filter(({ borrowers }) => borrowers > 0).length, "inUse")
    ensure(machine.open === live.filter(({ state }) => state !== "Leaving").length, "open")
    ensure(machine.creating === count(({ state }) => state === "Creating" || state === "Outdated"), "creating")
    ensure(machine.closing === count(({ state }) => state === "Closing"), "closing")
    ensure(machine.occupied === count(({ place }) => place === "Held" || place === "Freeing"), "occupied")
    ensure(machine.occupied <= this.maxSize, "more than maxSize")
    for (const item of items) {
      const out = this.leases.filter((other) => other === item).length
      ensure(item.borrowers === out, "borrowers")
      ensure(out <= item.concurrency, "an item lent to too many borrowers")
      ensure(item.state !== "Idle" || out === 0, "an idle item is lent")
      ensure(item.state !== "InUse" || out > 0, "an item in use is not lent")
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
    for (const { check } of items) ensure(check === undefined || this.armed <= check.deadline, "a check is forgotten")
    const idle = live.filter(({ state }) => state === "Idle")
    const proven = idle.filter(({ provenAt }) => this.now.wall - provenAt < machine.policy.validateAfterIdle)
    ensure(waiting.length === 0 || proven.length === 0, "a waiter beside a proven idle item")
    ensure(!this.closed || items.length === 0, "a closed pool has items")
  }

  /** Identifies a state: times and turns count from now; items, checks and waiters are numbered by their order. */
  get key(): string {
    const names = new Map<object, string>()
    const { closings, creations, leases, machine, queue } = this
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
      closings,
      leases,
      queue,
      this.borrowers,
      this.armed - this.now.monotonic
    ], "")
  }

  /** Everything goes well, and borrowers return their items: each waiter gets an answer, and the pool ends. */
  finish(ending: "drain" | "close" | "serve"): void {
    if (ending !== "serve") this.take({ op: ending })
    // a drained pool continues until it is closed
    const isOver = () => {
      if (ending === "close") return this.closed
      return this.queue.length === 0 && (ending === "serve" || this.drained || this.closed)
    }
    for (let steps = 0; !isOver(); steps++) {
      ensure(steps < 200, `no end of ${ending}`)
      if (this.closings.length > 0) this.take({ op: "gone", at: 0 })
      else if (this.creations.length > 0) this.take({ op: "created", at: 0 })
      else if (this.checks.length > 0) this.take({ op: "passed", at: 0 })
      else if (this.leases.length > 0) this.take({ op: "release", at: 0, verdict: "proven" })
      else {
        ensure(this.armed !== Infinity, `nothing brings ${ending} to an end`)
        this.take({ op: "tick" })
      }
    }
  }
}

const clocks = new Set([
  ...["deadline", "slowAt", "since", "at", "retryAt", "failedAt", "pausedUntil", "attemptAt", "closeAt"],
  ...["drainingSince", "startedAt"]
])
const walls = new Set(["createdAt", "idleSince", "provenAt"])
/** Fields that never change, or that only grow and decide an order, which the lists show. */
const ignored = new Set([
  ...["policy", "counters", "outbox", "value", "byValue", "tickets", "proofs", "provenTurn", "heapTurn", "turns"]
])

const reach = (pool: Pool, path: ReadonlyArray<Event>): World => {
  const world = new World(pool)
  for (const event of path) world.take(event)
  return world
}

const explain = <A>(pool: Pool, path: ReadonlyArray<Event>, f: () => A): A => {
  try {
    return f()
  } catch (error) {
    if (error instanceof Error) {
      error.message += `\nin ${pool.name}, after ${path.map((e) => JSON.stringify(e)).join(" ")}`
    }
    throw error
  }
}

/** Returns how many states there were, and whether these are all. */
const explore = (pool: Pool): { readonly count: number; readonly depth: number; readonly isComplete: boolean } => {
  const first = new World(pool)
  const seen = new Set([first.key])
  let frontier: Array<ReadonlyArray<Event>> = [[]]
  let depth = 0
  while (frontier.length > 0) {
    const next: Array<ReadonlyArray<Event>> = []
    for (const path of frontier) {
      const { events } = reach(pool, path)
      for (const event of events) {
        if (seen.size >= states) return { count: seen.size, depth, isComplete: false }
        const longer = [...path, event]
        const key = explain(pool, longer, () => reach(pool, longer).key)
        if (seen.has(key)) continue
        seen.add(key)
        next.push(longer)
        for (const ending of ["serve", "drain", "close"] as const) {
          explain(pool, [...longer], () => reach(pool, longer).finish(ending))
        }
      }
    }
    frontier = next
    depth++
  }
  return { count: seen.size, depth, isComplete: true }
}

describe("PoolMachine, explored", () => {
  for (const pool of pools) {
    it(`${pool.name} keeps the rules in every order of events, and comes to an end`, () => {
      const { count, depth, isComplete } = explore(pool)
      console.log(`${pool.name}: ${count} states, ${isComplete ? "all there are" : `up to depth ${depth}`}`)
      assert.isTrue(isComplete || count === states)
    })
  }
})
