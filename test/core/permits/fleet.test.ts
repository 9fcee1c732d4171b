/** Holders of several processes and a naive store, over a network that is late and loses messages; processes stop. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { IndexedHeap } from "../../../src/internal/core/indexedHeap.js"
import type { Report } from "../../../src/internal/core/permits/exchange.js"
import { type FleetPermit, type HolderCommand, PermitHolder } from "../../../src/internal/core/permits/holder.js"
import { NaiveStore } from "./naiveStore.js"

const timeToLive = 30_000
const closeTimeout = 5_000

interface Conditions {
  readonly names: ReadonlyArray<string>
  readonly limit: number
  /** How many of all messages are lost, from 0 to 1. */
  readonly loss: number
  /** How long a message takes. */
  readonly latency: (chance: () => number) => number
  /** Whether the store's news arrive. */
  readonly hasNews: boolean
  /** Whether the timers of the holders ring. */
  readonly hasTimers: boolean
}

const calm: Conditions = {
  names: ["a", "b", "c", "d"],
  limit: 6,
  loss: 0,
  latency: (chance) => chance() * 2,
  hasNews: true,
  hasTimers: true
}

class Due {
  heapIndex = -1
  heapTurn = 0
  readonly key: number
  readonly run: () => void

  constructor(key: number, run: () => void) {
    this.key = key
    this.run = run
  }
}

/** Numbers in [0, 1) from a seed. */
const chances = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

class Fleet {
  now = 1_000_000
  private readonly due = new IndexedHeap<Due>()
  readonly chance: () => number
  readonly conditions: Conditions
  readonly store: NaiveStore
  readonly processes: ReadonlyArray<Process>
  most = 0

  constructor(seed: number, conditions: Conditions) {
    this.chance = chances(seed)
    this.conditions = conditions
    this.store = new NaiveStore(conditions.limit, timeToLive, (name) => {
      if (!conditions.hasNews) return
      for (const process of this.processes) {
        if (name !== undefined && process.name !== name) continue
        this.deliver(process, () => {
          if (name === undefined) process.holder.othersWait(process.time, this.chance())
          else process.holder.called(process.time)
        })
      }
    })
    this.processes = conditions.names.map((name) => new Process(name, this))
  }

  after(millis: number, run: () => void): void {
    this.due.add(new Due(this.now + millis, run))
  }

  get latency(): number {
    return this.conditions.latency(this.chance)
  }

  /** A message for a process: it may be lost, and waits while the process is stopped. */
  deliver(process: Process, run: () => void): void {
    if (this.chance() < this.conditions.loss || this.now < process.cutUntil) return
    this.after(this.latency, () => process.when(run))
  }

  run(millis: number): void {
    const end = this.now + millis
    for (let { first } = this.due; first !== undefined && first.key <= end; { first } = this.due) {
      this.due.remove(first)
      this.now = first.key
      first.run()
      const open = this.processes.reduce((sum, process) => sum + process.counted, 0)
      this.most = Math.max(this.most, open)
      assert.isAtMost(open, this.conditions.limit, `at ${this.now}`)
    }
    this.now = end
  }
}

class Process {
  readonly name: string
  private readonly fleet: Fleet
  readonly holder: PermitHolder<string>
  private isStopped = false
  private readonly missed: Array<() => void> = []
  /** The commands so far. */
  turn = 0
  private wakes = 0
  private isExcused = false
  /** Items that are open, or may be. */
  readonly open = new Set<FleetPermit>()
  load = 0
  /** How long an item is lent; then it closes. */
  lends = () => this.fleet.chance() * 40_000
  /** How long after that another borrower comes. */
  rests = () => this.fleet.chance() * 2_000
  /** How many items it closes at once of those that others want. */
  yields = (wanted: number) => Math.floor(wanted * this.fleet.chance())
  /** After how long the borrowers return an item whose permit is lost. */
  returnsLost = Infinity
  /** Whether an item is lent on, to the borrower who came last. It closes only when others want it. */
  reuses = false
  private readonly idle: Array<FleetPermit> = []
  private readonly waiters: Array<FleetPermit> = []
  /** Until when nothing passes between it and the store. */
  cutUntil = 0
  private asking = 0
  served = 0
  private readonly skew: number

  constructor(name: string, fleet: Fleet) {
    this.name = name
    this.fleet = fleet
    this.skew = fleet.chance() * 1e6
    this.holder = new PermitHolder({ timeToLive, closeTimeout }, (command) => this.perform(command), this.time)
  }

  get time() {
    const { now } = this.fleet
    return { monotonic: now - this.skew, wall: now + this.skew }
  }

  /** What others may rely on: a process that is stopped cannot close its items, nor in the first turn after. */
  get counted(): number {
    return this.isStopped || this.isExcused ? 0 : this.open.size
  }

  when(run: () => void): void {
    if (this.isStopped) this.missed.push(run)
    else run()
  }

  stop(millis: number): void {
    if (this.isStopped) return
    this.isStopped = true
    this.fleet.after(millis, () => {
      this.isStopped = false
      this.isExcused = true
      for (const run of this.missed.splice(0)) run()
      // what it closes takes its time
      this.fleet.after(closeTimeout, () => this.isExcused = false)
    })
  }

  borrow(): void {
    if (this.asking >= this.load) return
    this.asking++
    const item = this.idle.pop()
    if (item !== undefined) return this.lend(item)
    this.holder.ask("borrower", this.time, (permit) => this.waiters.push(permit))
  }

  private lend(permit: FleetPermit): void {
    this.served++
    this.fleet.after(this.lends(), () => this.when(() => this.takeBack(permit)))
  }

  private takeBack(permit: FleetPermit): void {
    if (!this.reuses) return this.close(permit)
    this.asking--
    this.fleet.after(this.rests(), () => this.when(() => this.borrow()))
    if (permit.state !== "Held") return this.end(permit)
    const waiter = this.waiters.pop()
    if (waiter === undefined) return void this.idle.push(permit)
    this.holder.giveBack(waiter, this.time)
    this.lend(permit)
  }

  private leaves(permit: FleetPermit): void {
    this.waiters.splice(this.waiters.indexOf(permit), 1)
  }

  private perform(command: HolderCommand<string>): void {
    const { fleet } = this
    switch (command._tag) {
      case "Send":
        return this.send(command.report)
      case "WakeAt": {
        const wake = ++this.wakes
        if (command.at === Infinity || !fleet.conditions.hasTimers) return
        fleet.after(
          Math.max(0, Math.ceil(command.at - this.time.monotonic)),
          () => this.when(() => wake === this.wakes && this.holder.tick(this.time))
        )
        return
      }
      case "Granted": {
        this.leaves(command.permit)
        this.open.add(command.permit)
        return this.lend(command.permit)
      }
      case "Failed":
        this.leaves(command.permit)
        this.asking--
        return fleet.after(500, () => this.when(() => this.borrow()))
      case "Lost":
        if (this.reuses) return this.endIdle(command.permit)
        return fleet.after(this.returnsLost, () => this.when(() => this.close(command.permit)))
      case "Expired":
        return fleet.after(fleet.chance() * closeTimeout, () => this.when(() => this.close(command.permit)))
      case "Wanted":
        if (this.reuses) return this.idle.slice(0, command.count).forEach((permit) => this.endIdle(permit))
        for (const permit of [...this.open].slice(0, this.yields(command.count))) this.close(permit)
    }
  }

  private endIdle(permit: FleetPermit): void {
    const at = this.idle.indexOf(permit)
    if (at < 0) return
    this.idle.splice(at, 1)
    this.end(permit)
  }

  private end(permit: FleetPermit): void {
    if (this.open.delete(permit)) this.holder.giveBack(permit, this.time)
  }

  private close(permit: FleetPermit): void {
    if (!this.open.delete(permit)) return
    this.asking--
    this.holder.giveBack(permit, this.time)
    this.fleet.after(this.rests(), () => this.when(() => this.borrow()))
  }

  private send(report: Report): void {
    const { fleet } = this
    const turn = ++this.turn
    let isOver = false
    const end = (then: () => void) => {
      if (isOver) return
      isOver = true
      then()
    }
    fleet.after(timeToLive / 9, () => this.when(() => end(() => this.holder.failed("late", this.time))))
    if (fleet.chance() < fleet.conditions.loss || fleet.now < this.cutUntil) return
    fleet.after(fleet.latency, () => {
      const answer = fleet.store.sync(this.name, turn, report, fleet.now)
      if (answer !== undefined) {
        fleet.deliver(this, () => end(() => this.holder.answered(answer, this.time)))
      }
    })
  }
}

describe("a fleet", () => {
  it("never has more items open than its limit, but for those of stopped processes; and serves everybody", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.integer(), FastCheck.constantFrom(0, 0.02, 0.3), (seed, loss) => {
        const fleet = new Fleet(seed, {
          ...calm,
          loss,
          latency: (chance) => chance() < 0.05 ? chance() * 8_000 : chance() * 20
        })
        for (let round = 0; round < 12; round++) {
          const process = fleet.processes[Math.floor(fleet.chance() * fleet.processes.length)]!
          if (fleet.chance() < 0.3) process.stop(fleet.chance() * 2 * timeToLive)
          if (fleet.chance() < 0.3) process.cutUntil = fleet.now + fleet.chance() * 2 * timeToLive
          if (fleet.chance() < 0.1) fleet.store.forget(fleet.now)
          for (const one of fleet.processes) {
            one.load = Math.floor(fleet.chance() * 6)
            for (let i = 0; i < one.load; i++) one.when(() => one.borrow())
          }
          fleet.run(20_000)
        }
        // all go on, and everybody wants something
        for (const one of fleet.processes) {
          one.load = 4
          for (let i = 0; i < 4; i++) one.when(() => one.borrow())
        }
        const before = fleet.processes.map(({ served }) => served)
        fleet.run(6 * timeToLive)
        if (loss < 0.1) fleet.processes.forEach(({ name, served }, at) => assert.isAbove(served, before[at]!, name))
        assert.isAbove(fleet.most, 0)
      }),
      { numRuns: 15, endOnFailure: true }
    )
  })

  const seeds = [1, 2, 3, 4]
  const borrow = (process: Process, count: number) => {
    process.load = count
    for (let i = 0; i < count; i++) process.borrow()
  }

  it.each([
    ["idle", (wanted: number) => wanted, Infinity],
    ["busy", () => 0, 4_000]
  ])(
    "gives a process that starves its share within two renewal intervals, though no news arrives: the others are %s",
    (_, yields, returnsLost) => {
      for (const seed of seeds) {
        const fleet = new Fleet(seed, { ...calm, names: [..."abcdef"], limit: 60, hasNews: false })
        const starving = fleet.processes[5]!
        for (const [at, process] of fleet.processes.slice(0, 5).entries()) {
          Object.assign(process, { lends: () => Infinity, yields, returnsLost })
          borrow(process, at === 0 ? 40 : 5)
          // they renew at different moments
          fleet.run(fleet.chance() * 10_000)
        }
        fleet.run(30_000)
        Object.assign(starving, { lends: () => Infinity, yields: () => 0 })
        borrow(starving, 10)
        fleet.run(2 * timeToLive / 3)
        assert.lengthOf([...starving.open], 10, `seed ${seed}`)
      }
    }
  )

  it("passes a permit on without any timer: no borrower waits for a poll or a renewal", () => {
    for (const seed of seeds) {
      const fleet = new Fleet(seed, { ...calm, hasTimers: false })
      for (const process of fleet.processes) {
        Object.assign(process, { lends: () => 1, rests: () => 0 })
        borrow(process, 3)
      }
      fleet.run(1_000)
      // with a poll each 500 ms it would be 12 for all
      for (const { name, served } of fleet.processes) assert.isAbove(served, 60, `${name}, seed ${seed}`)
    }
  })

  it("whose borrowers wait a moment for items of their own process asks the store a few times a second, and loses none", () => {
    for (const seed of [1, 2]) {
      const fleet = new Fleet(seed, { ...calm, limit: 8 })
      for (const process of fleet.processes) {
        Object.assign(process, { reuses: true, lends: () => 5 + fleet.chance() * 5, rests: () => 3 })
        borrow(process, 3)
      }
      fleet.run(2_000)
      const before = fleet.processes.map(({ served, turn }) => ({ served, turn }))
      fleet.run(5_000)
      for (const [at, { name, served, turn }] of fleet.processes.entries()) {
        assert.isAtMost((turn - before[at]!.turn) / 5, 12, `${name}, seed ${seed}`)
        // two items of 7.5 ms, of which little is idle
        assert.isAbove((served - before[at]!.served) / 5, 100, `${name}, seed ${seed}`)
      }
    }
  })

  it("gives a process its share though its borrowers wait only a moment for the one item that it has", () => {
    for (const seed of seeds) {
      const fleet = new Fleet(seed, { ...calm, names: ["a", "b"], limit: 4 })
      const [rich, poor] = fleet.processes as [Process, Process]
      for (const process of [rich, poor]) {
        Object.assign(process, {
          reuses: true,
          lends: () => 3 + fleet.chance() * 4,
          rests: () => 2 + fleet.chance() * 2
        })
      }
      borrow(rich, 3)
      fleet.run(500)
      borrow(poor, 3)
      fleet.run(2 * timeToLive / 3)
      assert.strictEqual(poor.open.size, 2, `seed ${seed}`)
    }
  })
})
