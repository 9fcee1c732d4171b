/**
 * Every order of events in a few small pools under common limits: all events that can happen in a state are tried, breadth
 * first. A state that was seen before is not tried again. The number of states is fixed, so each run is the same;
 * `EXPLORE_STATES=…` takes more or fewer. The rules hold in every state. From each new state everything then goes well: each
 * waiter gets an item, also while the borrowers of another key come again and again; and all pools close.
 */
import { assert, describe, it } from "vitest"
import { type CommonPlace, KeyShare } from "../../../../src/internal/core/keyed/commonLimit.js"
import { Due, type Item, Waiter } from "../../../../src/internal/core/pool/item.js"
import { PoolMachine } from "../../../../src/internal/core/pool/poolMachine.js"
import { type Settings, World } from "../world.js"

const { EXPLORE_STATES } = process.env

interface Pools extends Settings {
  readonly name: string
  /** The keys of the borrowers, in the order in which they come. */
  readonly borrowers: ReadonlyArray<number>
}

const basic = { createConcurrency: 8, options: {}, instantly: false }

const configurations: ReadonlyArray<Pools> = [
  { ...basic, name: "two keys with two places", keys: 2, maxTotal: 2, borrowers: [0, 0, 1, 0] },
  { ...basic, name: "more keys than places", keys: 3, maxTotal: 1, borrowers: [0, 1, 0, 2] },
  { ...basic, name: "one creation at a time", keys: 2, maxTotal: 2, createConcurrency: 1, borrowers: [0, 1, 1] },
  { ...basic, name: "keys that keep an item", keys: 2, maxTotal: 2, options: { minSize: 1 }, borrowers: [0, 0, 1] },
  {
    ...basic,
    name: "retired items that are replaced at once",
    keys: 2,
    maxTotal: 2,
    options: { overlap: true, maxUses: 2 },
    borrowers: [0, 1, 0, 1]
  },
  { ...basic, name: "items that close at once", instantly: true, keys: 3, maxTotal: 2, borrowers: [0, 1, 2, 0] }
]

type Op =
  | "borrow"
  | "proven"
  | "discarded"
  | "abandon"
  | "created"
  | "unmade"
  | "gone"
  | "lost"
  | "retire"
  | "renew"
  | "closeKey"
  | "tick"

/** `at` chooses among the candidates, in their order. */
interface Event {
  readonly op: Op
  readonly at: number
}

class Explored extends World {
  private readonly pools: Pools
  private came = 0

  constructor(pools: Pools) {
    super(pools)
    this.pools = pools
  }

  get events(): ReadonlyArray<Event> {
    const each = (op: Op, count: number) => Array.from({ length: count }, (_, at) => ({ op, at }))
    const open = this.machines.flatMap(({ state }, key) => state === "Open" ? [key] : [])
    const live = this.live.length
    return [
      ...each("borrow", this.came < this.pools.borrowers.length ? 1 : 0),
      ...each("proven", this.leases.length),
      ...each("discarded", this.leases.length),
      ...each("abandon", this.queue.length),
      ...each("created", this.creations.length),
      ...each("unmade", this.creations.length),
      ...each("gone", this.closings.length),
      ...each("lost", live),
      ...each("retire", live),
      ...open.flatMap((at) => [{ op: "renew", at }, { op: "closeKey", at }] as const),
      ...each("tick", this.nextAlarm === Infinity ? 0 : 1)
    ]
  }

  follow({ at, op }: Event): void {
    switch (op) {
      case "borrow":
        return this.borrow(this.pools.borrowers[this.came++]!)
      case "proven":
      case "discarded":
        return this.giveBack(at, op)
      case "tick":
        return this.tick()
      default:
        return this[op](at)
    }
  }

  /** Identifies a state: times count from now, turns and arrivals by their order. */
  get key(): string {
    const machineOf = new Map<Item<number>, PoolMachine<number, string>>()
    const arrivals: Array<number> = []
    const turns: Array<number> = []
    for (const machine of this.machines) {
      for (const item of machine.items) machineOf.set(item, machine)
      for (let waiter = machine.waiters.first; waiter !== undefined; waiter = waiter.next) arrivals.push(waiter.arrival)
      for (const list of ["forBorrowers", "spare"] as const) {
        let permit = machine["permits"]![list].first
        for (; permit !== undefined; permit = permit.next) turns.push((permit as CommonPlace<number>).turn)
      }
    }
    arrivals.sort((a, b) => a - b)
    turns.sort((a, b) => a - b)
    const number = (value: number, name: string, owner: object): number | string => {
      if (times.has(name)) return value - this.now.monotonic
      switch (name) {
        case "key":
          if (owner instanceof KeyShare) return owner.heapIndex < 0 ? "" : arrivals.indexOf(value)
          return owner instanceof Due ? value - this.now.monotonic : turns.indexOf(value)
        case "arrival":
          return arrivals.indexOf(value)
        case "turn":
          return turns.indexOf(value)
        case "attempt": {
          const machine = machineOf.get(owner as Item<number>)
          return machine === undefined || !machine.failing ? "" : machine["creations"]["attempts"] - value
        }
        case "uses":
          return this.pools.options.maxUses === undefined ? Math.min(value, 1) : value
        default:
          return value
      }
    }
    const names = new Map<object, string>()
    const write = (value: unknown, name: string, owner: object): string => {
      if (typeof value === "number") return String(number(value, name, owner))
      if (typeof value === "function") return ""
      if (typeof value !== "object" || value === null) return String(value)
      const known = names.get(value)
      if (known !== undefined) return known
      names.set(value, `#${names.size}`)
      const parts = value instanceof Map || value instanceof Set
        ? Array.from(value, (one) => write(one, "", value))
        : Object.entries(value).filter(([name]) => !ignored.has(name)).map(([name, part]) => write(part, name, value))
      return `{${parts.join()}}`
    }
    const { alarms, closings, creations, leases, limit, machines, queue } = this
    const served = machines.map(({ counters }) => counters.created > 0)
    const due = alarms.map((at) => at - this.now.monotonic)
    const waiting = queue.map(({ waiter }) => waiter)
    return write([machines, limit, served, creations, closings, leases, waiting, due, this.came], "", this)
  }

  /** The waiters of now get an item, though a new borrower of a key comes whenever another borrower of it has left. */
  serveBeside(greedy: number): void {
    const waiters = this.queue.map(({ waiter }) => waiter)
    const isAnswered = (waiter: Waiter<number, string>) => this.queue.every((other) => other.waiter !== waiter)
    for (let steps = 0; !waiters.every(isAnswered); steps++) {
      assert.isBelow(steps, 200, `a borrower starves beside those of key ${greedy}`)
      const [oldest] = this.leases
      if (this.closings.length > 0) this.gone(0)
      else if (this.creations.length > 0) this.created(0)
      else if (oldest === undefined) this.tick()
      else {
        // a key whose creation failed waits for its backoff
        this.pass(1)
        if (oldest.key === greedy) this.borrow(greedy)
        this.giveBack(0)
      }
      this.judge()
    }
  }
}

const times = new Set([
  ...["deadline", "since", "at", "retryAt", "failedAt", "pausedUntil", "attemptAt", "closeAt", "drainingSince"],
  ...["startedAt", "usedAt", "createdAt", "idleSince", "provenAt"]
])
/** Fields that never change, or that only grow and decide an order, which the lists show. */
const ignored = new Set([
  ...["policy", "counters", "outbox", "value", "byValue", "ticket", "tickets", "proofs", "provenTurn"],
  ...["heapTurn", "turns", "arrivals", "attempts", "peak"]
])

/**
 * Takes the events in a new world, then calls `then`. The rules were checked when each shorter path was new. A failure names
 * the events and the commands.
 */
const reach = <A>(pools: Pools, path: ReadonlyArray<Event>, then: (world: Explored) => A): A => {
  const world = new Explored(pools)
  try {
    for (const event of path) world.follow(event)
    world.judge()
    return then(world)
  } catch (error) {
    if (error instanceof Error) {
      const events = path.map(({ at, op }) => `${op} ${at}`).join(", ")
      error.message += `\nin ${pools.name}, after ${events}; commands: ${world.log.join("; ")}`
    }
    throw error
  }
}

/** Returns how many states there were, and whether these are all. */
const explore = async (
  pools: Pools,
  states: number
): Promise<{ readonly count: number; readonly isComplete: boolean }> => {
  const first = new Explored(pools)
  const seen = new Set([first.key])
  let frontier = [{ path: [] as ReadonlyArray<Event>, events: first.events }]
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { events, path } of frontier) {
      // the test runner's own messages must not wait until the end
      await new Promise<void>((resolve) => setImmediate(resolve))
      for (const event of events) {
        if (seen.size >= states) return { count: seen.size, isComplete: false }
        const longer = [...path, event]
        const waits = reach(pools, longer, (world) => {
          const { key } = world
          if (seen.has(key)) return undefined
          seen.add(key)
          next.push({ path: longer, events: world.events })
          const waiting = world.queue.length > 0
          world.finish()
          return waiting
        })
        if (waits !== true) continue
        for (let key = 0; key < pools.keys; key++) reach(pools, longer, (world) => world.serveBeside(key))
      }
    }
    frontier = next
  }
  return { count: seen.size, isComplete: true }
}

describe("pools under common limits, explored", () => {
  for (const pools of configurations) {
    it(`${pools.name}: the rules hold in every order of events, and nobody starves`, async () => {
      const states = Number(EXPLORE_STATES ?? 2_000)
      const { count, isComplete } = await explore(pools, states)
      console.log(`${pools.name}: ${count} states${isComplete ? ", all there are" : ""}`)
      assert.isTrue(isComplete || count === states)
    })
  }
})
