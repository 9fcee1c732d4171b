/** A pool's machine for tests of single rules. */
import { assert } from "vitest"
import type { Command } from "../../../../src/internal/core/pool/commands.js"
import { type Check, type Item, type Sharing, type Verdict, Waiter } from "../../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../../src/internal/core/pool/policy.js"
import { type Common, PoolMachine } from "../../../../src/internal/core/pool/poolMachine.js"

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
  checkTimeout: 1_000,
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

/** A machine under a clock of its own, and all that it has asked for. */
export class Pool {
  readonly commands: Array<Command<number, string>> = []
  readonly machine: PoolMachine<number, string>
  private millis = 1_000
  private made = 0

  constructor(options: Partial<MachineOptions<string>>, common?: Common<number>) {
    const shell = { perform: (command: Command<number, string>) => this.commands.push(command) }
    this.machine = new PoolMachine({ ...defaults, ...options }, shell, common)
    this.machine.start(this.now)
  }

  get now() {
    return { monotonic: this.millis, wall: this.millis }
  }

  /** Time passes, and the machine is told so. */
  pass(millis: number): void {
    this.late(millis)
    this.machine.tick(this.now, 0.5)
  }

  /** Time passes, and the machine is not told yet. */
  late(millis: number): void {
    this.millis += millis
  }

  ofTag<T extends Command<number, string>["_tag"]>(tag: T): Array<Extract<Command<number, string>, { _tag: T }>> {
    return this.commands.filter((command) => command._tag === tag) as Array<never>
  }

  count(tag: Command<number, string>["_tag"]): number {
    return this.ofTag(tag).length
  }

  /** The item that is being created, the latest. */
  get attempt(): Item<number> {
    return this.ofTag("Create").at(-1)!.item
  }

  /** The creation succeeds. */
  create(item = this.attempt, concurrency = 1, chance = 0.5): Item<number> {
    this.machine.created(item, ++this.made, concurrency, this.now, chance)
    return item
  }

  /** The creation fails, and its finalizers end. */
  fail(item = this.attempt, chance = 0.5): void {
    this.machine.createFailed(item, "down", this.now, chance)
    this.machine.gone(item, this.now)
  }

  /** An item that is there and idle. */
  idle(concurrency = 1, chance = 0.5): Item<number> {
    assert.isTrue(this.machine.prepare(this.now))
    const item = this.create(this.attempt, concurrency, chance)
    assert.strictEqual(item.state, "Idle")
    return item
  }

  release(item: Item<number>, verdict: Verdict = "proven"): void {
    this.machine.release(item, this.now, verdict)
  }

  lent(sharing: Sharing = "shared"): Item<number> {
    const item = this.machine.checkout(this.now, sharing)
    assert.isDefined(item)
    return item!
  }

  /** In how many milliseconds the machine wants to be woken, by its latest command. */
  get wakesIn(): number {
    return this.ofTag("WakeAt").at(-1)!.at - this.millis
  }

  queue(sharing: Sharing = "shared"): Waiter<number, string> {
    const waiter = new Waiter<number, string>()
    waiter.sharing = sharing
    assert.strictEqual(this.machine.enqueue(waiter, this.now), "Queued")
    return waiter
  }

  /** The ping or check under way that was asked for last. */
  get check(): Check<number> {
    return this.ofTag("Check").at(-1)!.check
  }
}
