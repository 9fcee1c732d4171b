import { assert, describe, it } from "vitest"
import { Pool } from "./support.js"

describe("a check that a borrower comes to wait for", () => {
  it("counts as an item on its way only until it is slow", () => {
    const pool = new Pool({ validateAfterIdle: 50, pingInterval: 50, maxSize: 3 })
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

  it("is not begun for an item in a ping while another item is free", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(100)
    assert.strictEqual(pool.check.item, first)
    pool.queue()
    assert.strictEqual(pool.check.item, second)
  })

  it("is that of an idle item, not the ping of a lent item", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100 })
    const shared = pool.idle(2)
    pool.lent()
    pool.lent()
    const idle = pool.idle()
    pool.pass(100)
    assert.strictEqual(pool.count("Check"), 2)
    const waiter = pool.queue()
    assert.strictEqual(shared.state, "InUse")
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(waiter.item, idle)
  })

  it("is over when another borrower of the item succeeds", () => {
    for (const [validateAfterIdle, isOver] of [[50, true], [0, false]] as const) {
      const pool = new Pool({ validateAfterIdle, maxSize: 1 })
      const item = pool.idle(2)
      pool.machine.admit(pool.machine.checkNow(pool.now, "shared")!, pool.now, "shared")
      pool.pass(50)
      const waiter = pool.queue()
      pool.release(item)
      // with 0, each borrower gets a check of its own
      assert.strictEqual(waiter.item === item, isOver)
      assert.strictEqual(pool.count("CancelCheck"), isOver ? 1 : 0)
    }
  })

  it("leaves its item in use until the last borrower has returned it", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle(3)
    pool.lent()
    pool.lent()
    pool.pass(50)
    pool.queue()
    assert.strictEqual(item.state, "Checking")
    for (const inUse of [1, 0]) {
      pool.release(item, "kept")
      assert.strictEqual(pool.machine.inUse, inUse)
    }
  })

  it("is over when its item is retired, and the borrower gets another item", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    const item = pool.idle(2)
    pool.lent()
    pool.pass(50)
    const waiter = pool.queue()
    pool.machine.retire(item, pool.now)
    assert.strictEqual(pool.count("CancelCheck"), 1)
    assert.strictEqual(pool.create(), waiter.item)
  })

  it("is not the only one if it is slow and no item can be created", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(50)
    const waiter = pool.queue()
    assert.strictEqual(pool.check.item, second)
    assert.strictEqual(pool.wakesIn, 250)
    pool.pass(249)
    assert.strictEqual(pool.count("Check"), 1)
    pool.pass(1)
    assert.strictEqual(pool.check.item, first)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(waiter.item, first)
  })

  it("is one of several if several borrowers wait", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    pool.idle()
    pool.idle()
    pool.pass(50)
    pool.queue()
    pool.queue()
    assert.strictEqual(pool.count("Check"), 2)
  })

  it("ends in time, however slow: its item is not lost later", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.pass(50)
    const waiter = pool.queue()
    pool.pass(250)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(waiter.item, item)
    pool.pass(1_000)
    assert.strictEqual(item.state, "InUse")
  })

  it("that does not end in time closes the item", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.pass(50)
    pool.queue()
    pool.pass(250)
    assert.strictEqual(pool.wakesIn, 750)
    pool.pass(749)
    assert.strictEqual(item.state, "Checking")
    pool.pass(1)
    assert.strictEqual(item.state, "Closing")
    assert.strictEqual(pool.count("CheckTimedOut"), 1)
  })

  it("proves the item for the borrowers who came before it began, not for a later one", () => {
    const pool = new Pool({ validateAfterIdle: 0, maxSize: 1, expectedConcurrency: 2 })
    const item = pool.idle(2)
    const check = pool.machine.checkNow(pool.now, "shared")!
    const [first, second] = [pool.queue(), pool.queue()]
    pool.machine.checked(check, "passed", pool.now)
    assert.strictEqual(first.item, item)
    assert.isUndefined(second.item)
    assert.strictEqual(pool.check.item, item)
  })
})

describe("a check that ends before its borrower queues", () => {
  const claimed = () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.pass(50)
    return { check: pool.machine.checkNow(pool.now, "shared")!, item, pool }
  }

  it("serves a waiter who came meanwhile first", () => {
    const { check, item, pool } = claimed()
    const waiter = pool.queue()
    assert.isUndefined(pool.machine.admit(check, pool.now, "shared"))
    assert.strictEqual(waiter.item, item)
  })

  it("lends the item, which has room for another borrower", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle(2)
    pool.pass(50)
    assert.strictEqual(pool.machine.admit(pool.machine.checkNow(pool.now, "shared")!, pool.now, "shared"), item)
    assert.strictEqual(item.state, "InUse")
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })

  it("retires the item if it is lent for the last time", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxUses: 1 })
    pool.idle()
    pool.pass(50)
    pool.machine.admit(pool.machine.checkNow(pool.now, "shared")!, pool.now, "shared")
    assert.strictEqual(pool.count("Leaving"), 1)
  })

  it("leaves one idle item less", () => {
    const pool = new Pool({ validateAfterIdle: 50, minIdle: 1 })
    pool.create()
    pool.pass(50)
    pool.machine.admit(pool.machine.checkNow(pool.now, "shared")!, pool.now, "shared")
    assert.strictEqual(pool.count("Create"), 2)
  })

  it("does not begin while another borrower waits", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    pool.idle(2)
    pool.lent()
    pool.queue("exclusive")
    pool.pass(50)
    assert.isUndefined(pool.machine.checkNow(pool.now, "shared"))
    assert.isUndefined(pool.machine.tryCheckout(pool.now))
    assert.isEmpty(pool.ofTag("Check"))
  })

  it("gives the borrower nothing in a pool that drains meanwhile", () => {
    const { check, item, pool } = claimed()
    pool.machine.drain(pool.now)
    assert.isUndefined(pool.machine.admit(check, pool.now, "shared"))
    assert.strictEqual(item.state, "Idle")
  })

  it("gives the borrower nothing if the item was invalidated meanwhile", () => {
    const { check, item, pool } = claimed()
    pool.machine.invalidate(item.value, pool.now)
    assert.isUndefined(pool.machine.admit(check, pool.now, "shared"))
    assert.strictEqual(item.state, "Closing")
  })
})

describe("a borrower that does not wait", () => {
  it("gets an item that needs no check, and no other item is checked", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    pool.idle()
    pool.pass(50)
    const item = pool.idle()
    assert.strictEqual(pool.machine.tryCheckout(pool.now), item)
    assert.isEmpty(pool.ofTag("Check"))
  })

  it("has no item checked in a pool that drains", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    pool.idle()
    pool.pass(50)
    pool.machine.drain(pool.now)
    assert.isUndefined(pool.machine.tryCheckout(pool.now))
    assert.isEmpty(pool.ofTag("Check"))
  })

  it("gets nothing from an empty pool", () => {
    assert.isUndefined(new Pool({}).machine.tryCheckout(new Pool({}).now))
  })
})

describe("a returned item", () => {
  it("that needs a check by now is checked before a waiter gets it", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.lent()
    const waiter = pool.queue()
    pool.pass(50)
    pool.release(item, "kept")
    assert.isUndefined(waiter.item)
    assert.strictEqual(pool.check.item, item)
  })
})

describe("a failed check", () => {
  it("has other items checked also if it failed because it took too long", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(50)
    pool.machine.tryCheckout(pool.now)
    assert.strictEqual(pool.check.item, second)
    pool.pass(1_000)
    assert.strictEqual(pool.check.item, first)
  })

  it("among those checked for that reason makes no further item suspect", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 4, createConcurrency: 1 })
    const [first, second, third] = [pool.idle(), pool.idle(), pool.idle()]
    const returned = pool.idle()
    pool.lent()
    pool.pass(50)
    pool.machine.tryCheckout(pool.now)
    pool.machine.checked(pool.check, "failed", pool.now)
    pool.release(returned, "kept")
    pool.machine.checked(pool.check, "failed", pool.now)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.deepStrictEqual(pool.ofTag("Check").map(({ check }) => check.item), [third, first, second])
  })

  it("makes no item suspect that proved good since the check began", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(50)
    const check = pool.machine.checkNow(pool.now, "shared")!
    assert.strictEqual(check.item, second)
    pool.machine.proven(first, pool.now)
    pool.pass(50)
    pool.machine.checked(check, "failed", pool.now)
    assert.isEmpty(pool.ofTag("Check"))
  })

  it("has the other items checked that have been idle for as long, but none that is heard of meanwhile", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 3, createConcurrency: 1 })
    const [first, second, third] = [pool.idle(), pool.idle(), pool.idle()]
    pool.pass(50)
    assert.isUndefined(pool.machine.tryCheckout(pool.now))
    assert.strictEqual(pool.check.item, third)
    pool.machine.checked(pool.check, "failed", pool.now)
    assert.strictEqual(pool.check.item, first)
    pool.machine.proven(second, pool.now)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(pool.ofTag("Check").length, 2)
  })
})
