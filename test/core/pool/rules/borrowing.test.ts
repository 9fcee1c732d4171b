import { assert, describe, it } from "vitest"
import { Waiter } from "../../../../src/internal/core/pool/item.js"
import { Pool } from "./support.js"

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

  it("counts no waiter for whom an item can be created, or is created or checked", () => {
    const empty = new Pool({ maxSize: 1, maxWaiters: 0, expectedConcurrency: 2 })
    empty.queue()
    empty.queue()
    assert.strictEqual(empty.machine.enqueue(new Waiter(), empty.now), "Full")
    const pool = new Pool({ maxSize: 2, maxWaiters: 0, validateAfterIdle: 50 })
    pool.idle()
    pool.pass(50)
    pool.queue()
    pool.queue()
    assert.strictEqual(pool.machine.enqueue(new Waiter(), pool.now), "Full")
    assert.strictEqual(pool.machine.counters.rejections, 1)
  })
})

describe("an exclusive borrower", () => {
  it("gets idle items in the pool's order", () => {
    for (const order of ["lifo", "fifo"] as const) {
      const pool = new Pool({ order })
      const [first, second] = [pool.idle(), pool.idle()]
      assert.strictEqual(pool.lent("exclusive"), order === "lifo" ? second : first)
    }
  })

  it("that waits gets an item when its last borrower returns it, and is overtaken by no other borrower", () => {
    const pool = new Pool({ maxSize: 1 })
    const item = pool.idle(3)
    pool.lent()
    pool.lent()
    const waiter = pool.queue("exclusive")
    assert.isUndefined(pool.machine.checkout(pool.now))
    pool.release(item)
    assert.isUndefined(waiter.item)
    pool.release(item)
    assert.strictEqual(waiter.item, item)
    assert.isUndefined(pool.machine.checkout(pool.now))
    pool.release(item)
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })

  it("needs an item of its own, however many borrowers share one", () => {
    const pool = new Pool({ maxSize: 1, expectedConcurrency: 2 })
    for (const sharing of ["exclusive", "shared", "shared"] as const) pool.queue(sharing)
    assert.strictEqual(pool.machine.needed, 2)
  })
})

describe("an acquireTimeout", () => {
  it("tells for what the borrower waited", () => {
    const awaited = (pool: Pool) => {
      const waiter = pool.queue()
      assert.strictEqual(pool.wakesIn, 50)
      pool.pass(49)
      assert.isTrue(waiter.refusal === undefined)
      pool.pass(1)
      const { refusal } = waiter
      return refusal?._tag === "AcquireTimeout" ? refusal.awaited : undefined
    }
    const options = { acquireTimeout: 50, maxSize: 1 }
    assert.strictEqual(awaited(new Pool(options)), "creation")
    const checked = new Pool({ ...options, validateAfterIdle: 0 })
    checked.idle()
    assert.strictEqual(awaited(checked), "check")
    const lent = new Pool(options)
    lent.idle()
    lent.lent()
    assert.strictEqual(awaited(lent), "queue")
  })

  it("tells of an outage also while no attempt is made", () => {
    const pool = new Pool({
      acquireTimeout: 50,
      rideOut: () => Infinity,
      backoff: { initial: 90, factor: 1, max: 90, jitter: 0 }
    })
    const item = pool.idle()
    pool.machine.clear(pool.now)
    pool.machine.gone(item, pool.now)
    const waiter = pool.queue()
    pool.fail()
    assert.isUndefined(waiter.refusal)
    pool.pass(50)
    assert.deepStrictEqual(waiter.refusal, { _tag: "AcquireTimeout", awaited: "creation" })
  })
})

describe("a pool without an item for a borrower", () => {
  it("is announced once, until no borrower waits", () => {
    const pool = new Pool({ maxSize: 1, exhaustedThreshold: 50 })
    const item = pool.idle()
    pool.lent()
    pool.pass(50)
    assert.isEmpty(pool.ofTag("Exhausted"))
    pool.queue()
    assert.strictEqual(pool.wakesIn, 50)
    pool.pass(49)
    assert.isEmpty(pool.ofTag("Exhausted"))
    pool.pass(1)
    pool.pass(50)
    assert.deepStrictEqual(pool.ofTag("Exhausted").map(({ waited }) => waited), [50])
    pool.release(item)
    pool.queue()
    pool.pass(50)
    assert.strictEqual(pool.count("Exhausted"), 2)
  })

  it("is not announced if no borrower waits", () => {
    const pool = new Pool({ exhaustedThreshold: 0 })
    pool.idle()
    pool.pass(1)
    assert.isEmpty(pool.ofTag("Exhausted"))
  })
})

describe("a pool that is observed", () => {
  it("tells each transition, last of all; otherwise none", () => {
    const pool = new Pool({ maxSize: 1, maxWaiters: 0 })
    const item = pool.idle()
    const told = (transition: () => unknown) => {
      pool.commands.length = 0
      transition()
      assert.strictEqual(pool.commands.at(-1)!._tag, "Changed")
      return pool.count("Changed")
    }
    const borrow = () => {
      pool.lent()
      pool.release(item)
    }
    pool.machine.observe(true)
    assert.strictEqual(told(() => pool.lent()), 1)
    assert.strictEqual(told(() => assert.strictEqual(pool.machine.enqueue(new Waiter(), pool.now), "Full")), 1)
    assert.strictEqual(told(() => pool.release(item)), 1)
    assert.strictEqual(told(borrow), 2)
    pool.machine.observe(false)
    pool.commands.length = 0
    borrow()
    pool.lent()
    assert.strictEqual(pool.machine.enqueue(new Waiter(), pool.now), "Full")
    pool.release(item)
    assert.strictEqual(pool.count("Changed"), 0)
  })
})

describe("a borrower that gives up", () => {
  it("returns the item that it just got, once", () => {
    const pool = new Pool({ maxSize: 1 })
    const waiter = pool.queue()
    const item = pool.create()
    assert.strictEqual(waiter.item, item)
    pool.machine.abandon(waiter, pool.now)
    assert.strictEqual(item.borrowers, 0)
    pool.machine.abandon(waiter, pool.now)
    assert.strictEqual(item.borrowers, 0)
    assert.strictEqual(pool.machine.counters.abandoned, 0)
  })
})
