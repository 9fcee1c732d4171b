/** Single rules of the machine, where a reader should find them, and where the shell reads what the model does not. */
import { assert, describe, it } from "vitest"
import type { Command } from "../../../src/internal/core/pool/commands.js"
import { type Check, type Item, Loan, type Sharing, Waiter } from "../../../src/internal/core/pool/item.js"
import type { MachineOptions } from "../../../src/internal/core/pool/policy.js"
import { PoolMachine } from "../../../src/internal/core/pool/poolMachine.js"

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
class Pool {
  readonly commands: Array<Command<number, string>> = []
  readonly machine: PoolMachine<number, string>
  private millis = 1_000
  private made = 0

  constructor(options: Partial<MachineOptions<string>>) {
    this.machine = new PoolMachine({ ...defaults, ...options }, { perform: (command) => this.commands.push(command) })
    this.machine.start(this.now)
  }

  get now() {
    return { monotonic: this.millis, wall: this.millis }
  }

  /** Time passes, and the machine is told so. */
  pass(millis: number): void {
    this.millis += millis
    this.machine.tick(this.now, 0.5)
  }

  ofTag<T extends Command<number, string>["_tag"]>(tag: T): Array<Extract<Command<number, string>, { _tag: T }>> {
    return this.commands.filter((command) => command._tag === tag) as Array<never>
  }

  /** An item that is there and idle. */
  idle(concurrency = 1): Item<number> {
    assert.isTrue(this.machine.prepare(this.now))
    const { item } = this.ofTag("Create").at(-1)!
    this.machine.created(item, ++this.made, concurrency, this.now, 0.5)
    assert.strictEqual(item.state, "Idle")
    return item
  }

  lent(): Item<number> {
    const item = this.machine.checkout(this.now)
    assert.isDefined(item)
    return item!
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

describe("a ping", () => {
  const pinged = (options: Partial<MachineOptions<string>> = {}) => {
    const pool = new Pool({ pingInterval: 100, ...options })
    const item = pool.idle()
    pool.pass(100)
    assert.strictEqual(item.state, "Checking")
    return { pool, item }
  }

  it("gives way to a borrower who would get nothing else", () => {
    const { item, pool } = pinged()
    assert.strictEqual(pool.machine.checkout(pool.now), item)
    assert.strictEqual(pool.ofTag("CancelCheck").length, 1)
  })

  it("gives way also where another item is lent", () => {
    const pool = new Pool({ pingInterval: 100 })
    pool.idle()
    pool.idle()
    pool.lent()
    pool.pass(100)
    assert.isDefined(pool.machine.checkout(pool.now))
  })

  it("does not give way once it has gone unanswered for 250 ms", () => {
    const { pool } = pinged()
    pool.pass(249)
    assert.isDefined(pool.machine.checkout(pool.now))
    const other = pinged()
    other.pool.pass(250)
    assert.isUndefined(other.pool.machine.checkout(other.pool.now))
  })

  it("does not give way where the last borrower of the item failed", () => {
    const pool = new Pool({ pingInterval: 100 })
    const item = pool.idle()
    pool.machine.release(pool.lent(), pool.now, "kept")
    pool.pass(100)
    assert.strictEqual(item.state, "Checking")
    assert.isUndefined(pool.machine.checkout(pool.now))
    // one that succeeds takes the doubt away
    pool.machine.checked(pool.check, "passed", pool.now)
    pool.machine.release(pool.lent(), pool.now, "proven")
    pool.pass(100)
    assert.strictEqual(item.state, "Checking")
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })

  it("of an item that is heard of is over, and a waiter is served", () => {
    const { item, pool } = pinged({ maxSize: 1 })
    pool.pass(250)
    const waiter = pool.queue()
    assert.isUndefined(waiter.item)
    pool.machine.proven(item, pool.now)
    assert.strictEqual(waiter.item, item)
  })
})

describe("an item that is heard of", () => {
  it("serves a waiter where the check of another would have come first", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.pass(50)
    const waiter = pool.queue()
    assert.strictEqual(item.state, "Checking")
    pool.machine.proven(item, pool.now)
    assert.strictEqual(waiter.item, item)
    assert.strictEqual(pool.ofTag("CancelCheck").length, 1)
  })

  it("needs no check when a background check of it has passed", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100, maxSize: 1 })
    const item = pool.idle()
    pool.pass(100)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(item.state, "Idle")
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })

  it("shared out, is lent on without a check once it proved good", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100, maxSize: 1 })
    const item = pool.idle(3)
    assert.strictEqual(pool.lent(), item)
    pool.pass(100)
    assert.isUndefined(pool.machine.checkout(pool.now))
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })
})

describe("a check that a borrower comes to wait for", () => {
  it("counts as an item on its way only until it is slow", () => {
    const pool = new Pool({ validateAfterIdle: 50, pingInterval: 50, maxSize: 2 })
    const item = pool.idle()
    pool.pass(50)
    assert.strictEqual(item.state, "Checking")
    pool.pass(250)
    const creations = pool.ofTag("Create").length
    pool.queue()
    // the ping is slow already: the borrower does not rely on it
    assert.strictEqual(pool.ofTag("Create").length, creations + 1)
  })

  it("is relied on while it is prompt", () => {
    const pool = new Pool({ validateAfterIdle: 50, pingInterval: 50, maxSize: 2 })
    pool.idle()
    pool.pass(50)
    const creations = pool.ofTag("Create").length
    pool.queue()
    assert.strictEqual(pool.ofTag("Create").length, creations)
    pool.pass(250)
    assert.strictEqual(pool.ofTag("Create").length, creations + 1)
  })
})

describe("maxWaiters", () => {
  it("does not count a waiter for whom an item is being pinged", () => {
    const pool = new Pool({ pingInterval: 100, validateAfterIdle: 100, maxSize: 1, maxWaiters: 0 })
    pool.idle()
    pool.pass(100)
    pool.queue()
    assert.strictEqual(pool.machine.enqueue(new Waiter(), pool.now), "Full")
  })

  it("counts a shared place for no borrower who wants an item of its own", () => {
    const pool = new Pool({ maxSize: 1, maxWaiters: 0, expectedConcurrency: 2, validateAfterIdle: 50 })
    const item = pool.idle(2)
    assert.strictEqual(pool.lent(), item)
    pool.pass(50)
    const waiter = new Waiter<number, string>()
    waiter.sharing = "exclusive"
    assert.strictEqual(pool.machine.enqueue(waiter, pool.now), "Full")
    // the free place needs a check, and that serves a borrower who shares
    assert.strictEqual(pool.machine.enqueue(new Waiter(), pool.now), "Queued")
  })
})

describe("what the shell reads", () => {
  it("no item is wanted for minSize in a pool that drains", () => {
    const pool = new Pool({ minSize: 2, maxSize: 2, backoff: { initial: 1_000, factor: 2, max: 1_000, jitter: 0 } })
    for (const { item } of pool.ofTag("Create")) pool.machine.createFailed(item, "down", pool.now, 0.5)
    assert.strictEqual(pool.machine.wanted, 2)
    pool.machine.drain(pool.now)
    assert.strictEqual(pool.machine.wanted, 0)
  })

  it("a lease that is out for too long is marked as reported", () => {
    const pool = new Pool({ leakThreshold: 100 })
    const loan = new Loan()
    pool.idle()
    pool.lent()
    pool.machine.track(loan, pool.now)
    pool.pass(99)
    assert.isFalse(loan.reported)
    pool.pass(1)
    assert.isTrue(loan.reported)
    assert.strictEqual(pool.ofTag("Overdue").length, 1)
    assert.deepStrictEqual([...pool.machine.out()], [loan])
    pool.machine.untrack(loan, pool.now)
    assert.deepStrictEqual([...pool.machine.out()], [])
  })

  it("an item that is gone, or was never closed, cannot go", () => {
    const pool = new Pool({})
    const item = pool.idle()
    pool.machine.gone(item, pool.now)
    assert.strictEqual(item.state, "Idle")
    pool.machine.clear(pool.now)
    assert.strictEqual(item.state, "Closing")
    pool.machine.gone(item, pool.now)
    pool.machine.gone(item, pool.now)
    assert.strictEqual(item.state, "Gone")
    assert.strictEqual(pool.machine.occupied, 0)
  })
})

describe("what is due", () => {
  it("an idle item's end is due when it has idled, not before", () => {
    const pool = new Pool({ idleTimeToLive: 100 })
    pool.idle()
    const due = pool.ofTag("WakeAt").at(-1)!
    assert.strictEqual(due.at, pool.now.monotonic + 100)
    pool.machine.release(pool.lent(), pool.now, "proven")
    assert.strictEqual(pool.ofTag("WakeAt").at(-1)!.at, pool.now.monotonic + 100)
  })

  it("nothing, once the last watched lease is back", () => {
    const pool = new Pool({ leakThreshold: 100 })
    const loan = new Loan()
    pool.idle()
    pool.lent()
    pool.machine.track(loan, pool.now)
    pool.machine.untrack(loan, pool.now)
    assert.strictEqual(pool.commands.at(-1)!._tag, "Rest")
  })
})
