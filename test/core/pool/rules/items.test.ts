import { assert, describe, it } from "vitest"
import type { Item } from "../../../../src/internal/core/pool/item.js"
import { Pool } from "./support.js"

describe("minIdle", () => {
  it("is kept ready beside the lent items, and beside those that the waiters need", () => {
    const pool = new Pool({ minIdle: 1, maxSize: 4 })
    pool.create()
    pool.lent()
    assert.strictEqual(pool.count("Create"), 2)
    pool.queue()
    assert.strictEqual(pool.count("Create"), 3)
  })
})

describe("a pool that was renewed", () => {
  it("keeps an idle item until its replacement is live", () => {
    const pool = new Pool({ minSize: 1 })
    const item = pool.create()
    assert.strictEqual(pool.machine.renew(pool.now), 1)
    assert.strictEqual(item.state, "Leaving")
    assert.isUndefined(pool.machine.checkout(pool.now))
    pool.create()
    assert.strictEqual(item.state, "Closing")
  })

  it("keeps an idle item also while creations fail", () => {
    const pool = new Pool({ minSize: 1, maxSize: 3 })
    const item = pool.create()
    pool.machine.renew(pool.now)
    pool.fail()
    assert.strictEqual(item.state, "Leaving")
  })

  it("keeps no idle item in the place of its replacement", () => {
    const pool = new Pool({ minSize: 1, maxSize: 1 })
    const item = pool.create()
    pool.machine.renew(pool.now)
    assert.strictEqual(item.state, "Closing")
    pool.machine.gone(item, pool.now)
    assert.notStrictEqual(pool.attempt, item)
  })

  it("keeps no idle item whose replacement is not wanted any more", () => {
    const drains = new Pool({ minSize: 1 })
    const item = drains.create()
    drains.machine.renew(drains.now)
    drains.machine.drain(drains.now)
    assert.strictEqual(item.state, "Closing")

    const pool = new Pool({ minIdle: 1, maxSize: 5 })
    pool.create()
    pool.lent()
    const idle = pool.create()
    pool.machine.renew(pool.now)
    pool.queue()
    const [lent, ahead] = pool.ofTag("Create").slice(-2).map(({ item }) => item)
    assert.strictEqual(pool.create(lent).borrowers, 1)
    assert.strictEqual(ahead!.state, "Creating")
    assert.strictEqual(idle.state, "Leaving")
    // now this item is the idle one
    pool.release(lent!)
    assert.strictEqual(idle.state, "Closing")
  })

  it("keeps no idle item for a waiter for whom another item is checked", () => {
    const pool = new Pool({ maxSize: 4, createConcurrency: 1, validateAfterIdle: 50, closeTimeout: Infinity })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.machine.renew(pool.now)
    assert.deepStrictEqual([first.state, second.state], ["Closing", "Leaving"])
    pool.idle()
    pool.pass(50)
    pool.queue()
    assert.strictEqual(second.state, "Leaving")
    pool.machine.gone(first, pool.now)
    assert.strictEqual(second.state, "Closing")
  })

  it("closes its idle items createConcurrency at a time", () => {
    const pool = new Pool({ maxSize: 3, createConcurrency: 1 })
    const items = [pool.idle(), pool.idle(), pool.idle()]
    const closing = () => items.filter(({ state }) => state === "Closing").length
    pool.machine.renew(pool.now)
    assert.strictEqual(closing(), 1)
    assert.strictEqual(pool.machine.renewing, 2)
    pool.machine.gone(items[0]!, pool.now)
    assert.strictEqual(closing(), 1)
  })

  it("closes its idle items at once if it is cleared or closed", () => {
    for (const op of ["clear", "close"] as const) {
      const pool = new Pool({ minSize: 1 })
      const item = pool.create()
      pool.machine.renew(pool.now)
      assert.strictEqual(item.state, "Leaving")
      pool.machine[op](pool.now)
      assert.strictEqual(item.state, "Closing")
      assert.strictEqual(pool.machine.counters.destroyed.retired, 1)
    }
  })

  it("keeps an idle item longer than retireGrace, which is for lent items", () => {
    const pool = new Pool({ minSize: 1, overlap: true })
    const item = pool.create()
    pool.machine.renew(pool.now)
    pool.pass(40)
    assert.strictEqual(item.state, "Leaving")
  })
})

describe("overlap", () => {
  it("lets a retired item be lent for retireGrace", () => {
    const pool = new Pool({ overlap: true })
    const item = pool.idle()
    pool.lent()
    pool.machine.retire(item, pool.now)
    assert.strictEqual(pool.wakesIn, 40)
    pool.pass(39)
    assert.strictEqual(item.state, "Leaving")
    pool.pass(1)
    assert.strictEqual(item.state, "Closing")
  })

  it("gives up the places of maxSize items, and of a further one when one of them is returned", () => {
    const pool = new Pool({ overlap: true, maxSize: 1, retireGrace: Infinity })
    const retire = (item: Item<number>) => {
      pool.lent()
      pool.machine.retire(item, pool.now)
      return item
    }
    const first = retire(pool.idle())
    assert.strictEqual(pool.machine.occupied, 0)
    const second = retire(pool.idle())
    assert.strictEqual(pool.machine.occupied, 1)
    pool.release(first)
    pool.release(second)
    pool.machine.gone(second, pool.now)
    // the first is not closed yet
    retire(pool.idle())
    assert.strictEqual(pool.machine.occupied, 0)
  })
})

describe("a pool that became smaller", () => {
  it("closes a lent item when it is returned", () => {
    const pool = new Pool({})
    const [first, second] = [pool.idle(), pool.idle()]
    pool.lent()
    pool.lent()
    pool.machine.resize({ minSize: 0, maxSize: 1, minIdle: 0 }, pool.now)
    pool.release(first)
    assert.strictEqual(first.state, "Closing")
    assert.strictEqual(pool.count("Destroy"), 1)
    assert.isEmpty(pool.ofTag("Leaving"))
    pool.release(second)
    assert.strictEqual(second.state, "Idle")
  })

  it("retires a shared item at its next return, also beside a retired item that gave up its place", () => {
    const pool = new Pool({ maxSize: 3, overlap: true })
    const [retired, shared, other] = [pool.idle(2), pool.idle(2), pool.idle(2)]
    for (let i = 0; i < 6; i++) pool.lent()
    pool.machine.retire(retired, pool.now)
    pool.machine.resize({ minSize: 0, maxSize: 1, minIdle: 0 }, pool.now)
    pool.release(shared)
    assert.strictEqual(shared.state, "Leaving")
    assert.strictEqual(shared.borrowers, 1)
    pool.release(other)
    assert.strictEqual(other.state, "InUse")
  })

  it("retires no shared item if enough items leave already", () => {
    const pool = new Pool({ maxSize: 2 })
    const [leaving, shared] = [pool.idle(2), pool.idle(2)]
    for (let i = 0; i < 4; i++) pool.lent()
    pool.machine.retire(leaving, pool.now)
    pool.machine.resize({ minSize: 0, maxSize: 1, minIdle: 0 }, pool.now)
    pool.release(shared)
    assert.strictEqual(shared.state, "InUse")
  })
})

describe("invalidate", () => {
  const item = (pool: Pool, value: number) => {
    pool.machine.prepare(pool.now)
    pool.machine.created(pool.attempt, value, 1, pool.now, 0.5)
    return pool.attempt
  }

  it("finds all items of a value, and those alone, whichever have gone", () => {
    const pool = new Pool({ maxSize: 4 })
    const [one, first, second, third] = [item(pool, 1), item(pool, 2), item(pool, 2), item(pool, 2)]
    pool.machine.lost(first, pool.now)
    pool.machine.lost(second, pool.now)
    pool.machine.invalidate(2, pool.now)
    assert.strictEqual(third.state, "Closing")
    assert.strictEqual(one.state, "Idle")
    pool.machine.invalidate(2, pool.now)
    assert.strictEqual(pool.machine.counters.destroyed.invalidated, 1)
  })

  it("finds several items of a value", () => {
    const pool = new Pool({ maxSize: 3 })
    for (let i = 0; i < 3; i++) item(pool, 2)
    pool.machine.invalidate(2, pool.now)
    assert.strictEqual(pool.machine.counters.destroyed.invalidated, 3)
  })
})

describe("a pool that closes", () => {
  it("closes an item under its borrower after shutdownGrace, not before", () => {
    const pool = new Pool({})
    const item = pool.idle()
    pool.lent()
    pool.machine.close(pool.now)
    assert.strictEqual(pool.wakesIn, 50)
    pool.pass(49)
    assert.strictEqual(item.state, "Leaving")
    pool.pass(1)
    assert.strictEqual(item.state, "Closing")
    // then only the time limit of its finalizers is due
    assert.strictEqual(pool.wakesIn, 20)
    pool.pass(20)
    assert.strictEqual(pool.count("LeaveBehind"), 1)
    assert.strictEqual(pool.machine.state, "Closed")
  })

  it("closes also if it is told to drain after that", () => {
    const pool = new Pool({})
    const item = pool.idle()
    pool.machine.close(pool.now)
    pool.machine.drain(pool.now)
    pool.machine.gone(item, pool.now)
    assert.strictEqual(pool.machine.state, "Closed")
  })

  it("does not report that it drains slowly, as a pool does that only drains", () => {
    for (const [closes, count] of [[false, 1], [true, 0]] as const) {
      const pool = new Pool({ exhaustedThreshold: 30, shutdownGrace: 100 })
      pool.idle()
      pool.lent()
      pool.machine.drain(pool.now)
      assert.strictEqual(pool.wakesIn, 30)
      if (closes) pool.machine.close(pool.now)
      pool.pass(29)
      assert.isEmpty(pool.ofTag("DrainsSlowly"))
      pool.pass(1)
      pool.pass(30)
      assert.strictEqual(pool.count("DrainsSlowly"), count)
    }
  })
})
