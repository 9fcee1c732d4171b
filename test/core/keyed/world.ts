/** The pools of some keys under common limits, and what goes on outside of them. Each step is followed by a check of the rules. */
import type { Time } from "../../../src/internal/core/clock.js"
import { CommonLimit, type CommonPlace, KeyShare } from "../../../src/internal/core/keyed/commonLimit.js"
import type { Command } from "../../../src/internal/core/pool/commands.js"
import { isLive, type Item, Waiter } from "../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../src/internal/core/pool/policy.js"
import { PoolMachine } from "../../../src/internal/core/pool/poolMachine.js"
import { ValueIndex } from "../../../src/internal/core/pool/valueIndex.js"

export const basic: MachineOptions<string> = {
  minSize: 0,
  maxSize: 2,
  minIdle: 0,
  order: "lifo",
  expectedConcurrency: 1,
  acquireTimeout: Infinity,
  maxWaiters: Infinity,
  rideOut: () => 0,
  createConcurrency: 8,
  createTimeout: Infinity,
  checkTimeout: Infinity,
  closeTimeout: 1_000,
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

export interface Settings {
  readonly keys: number
  readonly maxTotal: number
  readonly createConcurrency: number
  readonly options: Partial<MachineOptions<string>>
  /** Whether finalizers end as soon as they begin. */
  readonly instantly: boolean
}

export interface Lease {
  readonly key: number
  readonly item: Item<number>
}

export interface Creation {
  readonly key: number
  readonly item: Item<number>
}

export interface Borrower {
  readonly key: number
  readonly waiter: Waiter<number, string>
  /** The order of arrival, of all keys. */
  readonly turn: number
}

export const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) throw new Error(rule)
}

type Place = CommonPlace<number>

export class World {
  now: Time = { monotonic: 0, wall: 0 }
  readonly limit: CommonLimit<number>
  readonly machines: ReadonlyArray<PoolMachine<number, string>>
  creations: Array<Creation> = []
  closings: Array<Creation> = []
  leases: Array<Lease> = []
  queue: Array<Borrower> = []
  /** The commands, for the report of a failing run. */
  readonly log: Array<string> = []
  private readonly settings: Settings
  private isSettling = false
  private values = 0
  private turns = 0
  closed = 0
  protected readonly alarms: Array<number>

  constructor(settings: Settings) {
    this.settings = settings
    this.limit = new CommonLimit(settings.maxTotal, settings.createConcurrency)
    const byValue = new ValueIndex<number>()
    const options = { ...basic, createConcurrency: settings.createConcurrency, ...settings.options }
    this.alarms = Array.from({ length: settings.keys }, () => Infinity)
    this.machines = this.alarms.map((_, key) =>
      new PoolMachine<number, string>(
        options,
        { perform: (command) => this.perform(key, command) },
        { gate: new KeyShare(this.limit, key), byValue }
      )
    )
    for (const machine of this.machines) machine.start(this.now)
    this.judge()
  }

  // --- the shell

  private perform(key: number, command: Command<number, string>): void {
    this.log.push(`${key}: ${command._tag}`)
    switch (command._tag) {
      case "AskPermit":
        this.limit.ask(command.permit as Place, command.purpose)
        return this.settle()
      case "WithdrawPermit":
        this.limit.withdraw(command.permit as Place)
        return this.settle()
      case "ReturnPermit":
        this.limit.giveBack(command.permit as Place)
        return this.settle()
      case "CreationOver":
        this.limit.creationOver(command.permit as Place)
        return this.settle()
      case "Create":
        this.creations.push({ key, item: command.item })
        return
      case "CancelCreation":
        this.creations = this.creations.filter(({ item }) => item !== command.item)
        this.close(key, command.item)
        return
      case "Destroy":
        return this.close(key, command.item)
      case "LeaveBehind":
        this.closings = this.closings.filter(({ item }) => item !== command.item)
        return
      case "Wake": {
        const { waiter } = command
        const served = this.queue.find((borrower) => borrower.waiter === waiter)
        const first = this.queue.find((borrower) => borrower.key === key)
        ensure(served !== undefined && served === first, "a borrower overtakes another of its key")
        this.queue = this.queue.filter((borrower) => borrower !== served)
        if (waiter.item !== undefined) this.leases.push({ key, item: waiter.item })
        return
      }
      case "WakeAt":
        this.alarms[key] = command.at
        return
      case "Closed":
        this.closed++
    }
  }

  private close(key: number, item: Item<number>): void {
    if (this.settings.instantly) this.machines[key]!.gone(item, this.now)
    else this.closings.push({ key, item })
  }

  private settle(): void {
    if (this.isSettling) return
    this.isSettling = true
    for (let command = this.limit.next(); command !== undefined; command = this.limit.next()) {
      const { _tag, place } = command
      const machine = this.machines[place.share.owner]!
      this.log.push(`${place.share.owner}: ${_tag}`)
      if (_tag === "Evict") ensure(machine.evict(place.item!, this.now), "an item that is not idle is evicted")
      else if (!machine.granted(place, this.now)) this.limit.giveBack(place)
    }
    this.isSettling = false
  }

  // --- what happens

  borrow(key: number): void {
    const machine = this.machines[key]!
    const item = machine.checkout(this.now)
    if (item !== undefined) {
      this.leases.push({ key, item })
      return
    }
    const waiter = new Waiter<number, string>()
    const borrower = { key, waiter, turn: ++this.turns }
    this.queue.push(borrower)
    if (machine.enqueue(waiter, this.now) !== "Queued") this.queue = this.queue.filter((other) => other !== borrower)
  }

  giveBack(at: number, verdict: "proven" | "discarded" = "proven"): void {
    const [lease] = this.leases.splice(at, 1)
    this.machines[lease!.key]!.release(lease!.item, this.now, verdict)
  }

  abandon(at: number): void {
    const [borrower] = this.queue.splice(at, 1)
    this.machines[borrower!.key]!.abandon(borrower!.waiter, this.now)
  }

  created(at: number, concurrency = 1): void {
    const [creation] = this.creations.splice(at, 1)
    const { item, key } = creation!
    const isOutdated = item.state === "Outdated"
    this.machines[key]!.created(item, ++this.values, concurrency, this.now, 0.5)
    if (isOutdated) this.close(key, item)
  }

  unmade(at: number): void {
    const [creation] = this.creations.splice(at, 1)
    const { item, key } = creation!
    this.machines[key]!.createFailed(item, "down", this.now, 0.5)
    this.close(key, item)
  }

  gone(at: number): void {
    const [closing] = this.closings.splice(at, 1)
    this.machines[closing!.key]!.gone(closing!.item, this.now)
  }

  get live(): Array<Creation> {
    return this.machines.flatMap((machine, key) => [...machine.items].filter(isLive).map((item) => ({ key, item })))
  }

  lost(at: number): void {
    const { item, key } = this.live[at]!
    this.machines[key]!.lost(item, this.now)
  }

  retire(at: number): void {
    const { item, key } = this.live[at]!
    this.machines[key]!.retire(item, this.now)
  }

  renew(key: number): void {
    this.machines[key]!.renew(this.now)
  }

  closeKey(key: number): void {
    this.machines[key]!.close(this.now)
  }

  get nextAlarm(): number {
    return Math.min(...this.alarms)
  }

  /** Time passes until something is due. */
  tick(): void {
    const at = Math.max(this.now.monotonic, Math.ceil(this.nextAlarm))
    this.now = { monotonic: at, wall: at }
    for (const [key, due] of this.alarms.entries()) {
      if (due > at) continue
      this.alarms[key] = Infinity
      this.machines[key]!.tick(this.now, 0.5)
    }
  }

  pass(ms: number): void {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms }
    if (this.nextAlarm <= this.now.monotonic) this.tick()
  }

  // --- the rules

  judge(): void {
    const { createConcurrency, maxTotal } = this.settings
    const { limit, machines } = this
    const sum = (read: (machine: PoolMachine<number, string>) => number) =>
      machines.reduce((sum, machine) => sum + read(machine), 0)
    const items = machines.flatMap((machine) => [...machine.items])
    const counted = items.filter(({ permit }) => permit !== undefined).length
    ensure(limit.total === counted + sum((machine) => machine["permits"]!["held"].length), "the items that exist")
    ensure(limit.total <= maxTotal, "more than maxTotal")
    ensure(limit.creating <= createConcurrency, "more than createConcurrency")
    ensure(limit.inUse === sum((machine) => machine.inUse), "the items in use")
    const asks = sum((machine) => machine["permits"]!["forBorrowers"].length)
    ensure(limit.asked === asks, "the places that borrowers wait for")
    const closing = items.filter(({ permit, state }) => permit !== undefined && state === "Closing").length
    const idle = items.filter(({ state }) => state === "Idle").length
    const coming = maxTotal - limit.total + closing
    ensure(asks <= coming || idle === 0, "an item is idle while a borrower waits for a place")
    ensure(
      asks === 0 || limit.total === maxTotal || limit.creating === createConcurrency,
      "a place is free for nothing"
    )
    ensure(limit.idle.length === (limit.isFinite ? idle : 0), "the idle items")
    const spent = sum((machine) => machine["renewed"].length)
    ensure(limit.spent.length === (limit.isFinite ? spent : 0), "the items that were retired while idle")
    const holders = machines.filter((_, key) => this.sharesOf(key).counts).length
    ensure(limit.keys === holders, "the keys that hold or wait")
  }

  private sharesOf(key: number): KeyShare<number> {
    return this.machines[key]!["gate"] as KeyShare<number>
  }

  /** Everything goes well, and borrowers return their items: each waiter gets an item. */
  finish(): void {
    for (let steps = 0; this.queue.length > 0; steps++) {
      ensure(steps < 500, "a borrower is never served")
      this.step()
    }
    for (const key of this.machines.keys()) this.closeKey(key)
    for (let steps = 0; this.closed < this.machines.length; steps++) {
      ensure(steps < 500, "a pool does not close")
      this.step()
    }
    const { limit } = this
    ensure(limit.total + limit.creating + limit.asked + limit.keys === 0, "a place that never comes back")
    for (const key of this.machines.keys()) {
      const { forBorrowers, spare } = this.sharesOf(key)
      ensure(forBorrowers["asks"] === undefined && spare["asks"] === undefined, "asks of a key without any")
    }
    ensure(limit.idle.length + limit.spent.length + limit["queues"].size + limit["spares"].size === 0, "a leftover")
  }

  private step(): void {
    if (this.closings.length > 0) this.gone(0)
    else if (this.creations.length > 0) this.created(0)
    else if (this.leases.length > 0) this.giveBack(0)
    else {
      ensure(this.nextAlarm !== Infinity, "nothing wakes the pools, and borrowers wait")
      this.tick()
    }
    this.judge()
  }
}
