import { assert, describe, it } from "vitest"
import type { MachineOptions } from "../../../../src/internal/core/pool/policy.js"
import { Pool } from "./support.js"

describe("a ping", () => {
  const pinged = (options: Partial<MachineOptions<string>> = {}) => {
    const pool = new Pool({ pingInterval: 100, ...options })
    const item = pool.idle()
    pool.pass(100)
    assert.strictEqual(item.state, "Checking")
    return { pool, item }
  }

  it("gives way to a borrower who would get nothing else", () => {
    for (const validateAfterIdle of [Infinity, 500]) {
      const { item, pool } = pinged({ validateAfterIdle })
      assert.strictEqual(pool.machine.checkout(pool.now), item)
      assert.strictEqual(pool.ofTag("CancelCheck").length, 1)
    }
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

  it("of a lent item takes no turn from an idle item, and its end gives none up", () => {
    const pool = new Pool({ pingInterval: 100 })
    const shared = pool.idle(2)
    assert.strictEqual(pool.lent(), shared)
    const idle = pool.idle()
    pool.pass(100)
    const [first, second] = pool.ofTag("Check")
    assert.deepStrictEqual([first!.check.item, second!.check.item], [shared, idle])
    pool.machine.checked(first!.check, "passed", pool.now)
    assert.strictEqual(pool.lent(), shared)
    // the ping of the idle item gives way
    assert.strictEqual(pool.machine.checkout(pool.now), idle)
  })

  it("wakes the pool at its time limit, if no borrower waits for it", () => {
    const pool = new Pool({ pingInterval: 2_000 })
    pool.idle()
    pool.pass(2_000)
    assert.strictEqual(pool.wakesIn, 1_000)
  })

  it("gives way only if its item is idle", () => {
    const pool = new Pool({ pingInterval: 100 })
    const shared = pool.idle(2)
    pool.lent()
    pool.lent()
    const idle = pool.idle()
    pool.pass(100)
    assert.strictEqual(shared.check?.hook, "ping")
    assert.strictEqual(pool.machine.checkout(pool.now), idle)
  })

  it("keeps its item from borrowers while another item is free, in either order", () => {
    for (const order of ["lifo", "fifo"] as const) {
      const pool = new Pool({ pingInterval: 100, order })
      const [first, second] = [pool.idle(), pool.idle()]
      const [pinged, other] = order === "lifo" ? [second, first] : [first, second]
      pool.pass(50)
      pool.machine.proven(other, pool.now)
      pool.pass(50)
      assert.strictEqual(pinged.state, "Checking")
      assert.strictEqual(pool.machine.checkout(pool.now), other)
      assert.isEmpty(pool.ofTag("CancelCheck"))
    }
  })

  it("comes when an item has been silent for its interval, whenever the interval began", () => {
    const pool = new Pool({ pingInterval: 100 })
    const item = pool.idle()
    pool.pass(50)
    pool.machine.proven(item, pool.now)
    pool.pass(50)
    assert.isEmpty(pool.ofTag("Check"))
    assert.strictEqual(pool.wakesIn, 50)
    pool.pass(50)
    assert.strictEqual(pool.count("Check"), 1)
  })

  it("comes an interval after the last sign of life, however often there were signs before", () => {
    const pool = new Pool({ pingInterval: 100 })
    const item = pool.idle()
    for (const millis of [30, 40]) {
      pool.pass(millis)
      pool.machine.heard(item, pool.now)
    }
    // due since the item was created, and put off
    pool.pass(30)
    assert.strictEqual(pool.count("Check"), 0)
    assert.strictEqual(pool.ofTag("Heard")[0]!.item, item)
    assert.strictEqual(pool.wakesIn, 70)
    pool.pass(69)
    assert.strictEqual(pool.count("Check"), 0)
    pool.pass(1)
    assert.strictEqual(pool.check.item, item)
    assert.strictEqual(pool.count("Heard"), 1)
  })

  it("put off for a borrower who then failed comes an interval after the last sign of life", () => {
    const pool = new Pool({ pingInterval: 100 })
    const item = pool.idle()
    pool.lent()
    // due, and put off: its borrower may prove it
    pool.pass(100)
    pool.machine.heard(item, pool.now)
    pool.pass(20)
    pool.release(item, "kept")
    assert.strictEqual(pool.wakesIn, 80)
    pool.pass(79)
    assert.strictEqual(pool.count("Check"), 0)
    pool.pass(1)
    assert.strictEqual(pool.check.item, item)
  })

  it("that is put off by a sign of life tells so only if there was one since the item proved good", () => {
    const pool = new Pool({ pingInterval: 100 })
    const item = pool.idle()
    pool.pass(50)
    pool.machine.heard(item, pool.now)
    pool.machine.proven(item, pool.now)
    pool.pass(50)
    assert.strictEqual(pool.count("Heard"), 0)
    pool.pass(50)
    assert.strictEqual(pool.check.item, item)
  })

  it("does not make its item idle anew", () => {
    const pool = new Pool({ pingInterval: 100, idleTimeToLive: 150 })
    const item = pool.idle()
    pool.pass(100)
    pool.pass(20)
    pool.machine.checked(pool.check, "passed", pool.now)
    pool.pass(30)
    assert.strictEqual(item.state, "Closing")
  })

  it("that outlasts the borrower does not make the item idle anew", () => {
    const pool = new Pool({ pingInterval: 100, idleTimeToLive: 150 })
    const item = pool.idle(2)
    pool.lent()
    pool.pass(100)
    pool.release(item, "kept")
    assert.strictEqual(item.state, "Idle")
    pool.pass(20)
    pool.machine.checked(pool.check, "passed", pool.now)
    pool.pass(130)
    assert.strictEqual(item.state, "Closing")
  })

  it("of an exclusively lent item is over when its borrower succeeds, not when the borrower fails", () => {
    for (const [verdict, cancelled] of [["proven", 1], ["kept", 0]] as const) {
      const pool = new Pool({ pingInterval: 100 })
      const item = pool.idle()
      pool.lent("exclusive")
      pool.pass(100)
      assert.strictEqual(pool.check.item, item)
      pool.release(item, verdict)
      assert.strictEqual(pool.count("CancelCheck"), cancelled)
    }
  })

  it("continues while its item is retired and still lent, and does not bring the item back", () => {
    const pool = new Pool({ pingInterval: 100, validateAfterIdle: 100, overlap: true, maxSize: 1 })
    const item = pool.idle(2)
    pool.lent()
    pool.pass(100)
    pool.machine.retire(item, pool.now)
    pool.machine.proven(item, pool.now)
    assert.isEmpty(pool.ofTag("CancelCheck"))
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.isUndefined(pool.machine.checkout(pool.now))
    assert.strictEqual(item.state, "Leaving")
  })

  it("of a retired item serves no waiter", () => {
    const pool = new Pool({ pingInterval: 100, maxSize: 1 })
    const item = pool.idle(2)
    pool.lent()
    pool.pass(100)
    pool.machine.retire(item, pool.now)
    const waiter = pool.queue()
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.isUndefined(waiter.item)
    assert.strictEqual(item.state, "Leaving")
  })

  it("serves a waiter who came before it began, also if each borrower gets a check", () => {
    const pool = new Pool({ pingInterval: 100, validateAfterIdle: 0, order: "fifo" })
    const shared = pool.idle(2)
    const check = pool.machine.checkNow(pool.now, "shared")!
    assert.strictEqual(pool.machine.admit(check, pool.now, "shared"), shared)
    const idle = pool.idle()
    pool.pass(50)
    const waiter = pool.queue()
    assert.strictEqual(pool.check.item, idle)
    pool.pass(50)
    assert.strictEqual(pool.check.item, shared)
    assert.strictEqual(pool.check.hook, "ping")
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(waiter.item, shared)
  })

  it("does not serve a waiter who came later, if each borrower gets a check: the item is idle again", () => {
    const pool = new Pool({ pingInterval: 100, validateAfterIdle: 0 })
    const [pinged, other] = [pool.idle(), pool.idle()]
    pool.pass(100)
    const ping = pool.check
    assert.strictEqual(ping.item, pinged)
    const waiter = pool.queue()
    assert.strictEqual(pool.check.item, other)
    pool.machine.checked(ping, "passed", pool.now)
    assert.isUndefined(waiter.item)
    assert.strictEqual(pinged.state, "Idle")
  })

  it("put off for a borrower is made up for when the borrower fails", () => {
    const pool = new Pool({ pingInterval: 100 })
    pool.idle()
    const item = pool.lent()
    pool.pass(100)
    pool.pass(50)
    assert.isEmpty(pool.ofTag("Check"))
    pool.machine.release(item, pool.now, "kept")
    assert.isAtMost(pool.ofTag("WakeAt").at(-1)!.at, pool.now.monotonic)
    pool.pass(0)
    assert.strictEqual(pool.check.item, item)
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

  it("serves a waiter for whom another item is still checked", () => {
    const pool = new Pool({ validateAfterIdle: 50 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(50)
    const waiter = pool.queue()
    assert.strictEqual(pool.check.item, second)
    pool.machine.proven(first, pool.now)
    assert.strictEqual(waiter.item, first)
  })

  it("is lent before the first choice if that needs a check", () => {
    for (const validateAfterIdle of [50, 1]) {
      const pool = new Pool({ validateAfterIdle })
      const item = pool.idle()
      pool.idle()
      pool.pass(validateAfterIdle)
      pool.machine.proven(item, pool.now)
      assert.strictEqual(pool.machine.checkout(pool.now), item)
    }
  })

  it("is lent before an item that proved good earlier, if the first choice needs a check", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 4 })
    const [first, second, third] = [pool.idle(), pool.idle(), pool.idle()]
    pool.idle()
    pool.pass(50)
    for (const item of [first, third, second]) pool.machine.proven(item, pool.now)
    assert.deepStrictEqual([pool.lent(), pool.lent(), pool.lent()], [second, third, first])
  })

  it("has proved good when it was created", () => {
    const pool = new Pool({ validateAfterIdle: 50, order: "fifo", maxSize: 3 })
    pool.idle()
    pool.pass(25)
    const [second, third] = [pool.idle(), pool.idle()]
    pool.pass(25)
    assert.deepStrictEqual([pool.lent(), pool.lent()], [third, second])
  })

  it("shared or idle, is lent by its proof alone, if the first choice needs a check", () => {
    for (const last of ["shared", "idle"] as const) {
      const pool = new Pool({ validateAfterIdle: 50, order: "fifo", maxSize: 3 })
      const shared = pool.idle(2)
      pool.lent()
      pool.idle()
      const idle = pool.idle()
      pool.pass(50)
      const items = last === "shared" ? [idle, shared] : [shared, idle]
      for (const item of items) pool.machine.proven(item, pool.now)
      assert.strictEqual(pool.machine.checkout(pool.now), items[1])
    }
  })

  it("keeps no other ping waiting once it is slow", () => {
    const pool = new Pool({ pingInterval: 100, maxSize: 4 })
    const items = [pool.idle(), pool.idle(), pool.idle(), pool.idle()]
    pool.pass(100)
    // half of the idle items
    assert.deepStrictEqual(pool.ofTag("Check").map(({ check }) => check.item), items.slice(0, 2))
    assert.strictEqual(pool.wakesIn, 250)
    pool.pass(249)
    assert.strictEqual(pool.count("Check"), 2)
    pool.pass(1)
    assert.strictEqual(pool.check.item, items[2])
    assert.strictEqual(pool.wakesIn, 250)
    pool.pass(250)
    assert.strictEqual(pool.check.item, items[3])
  })

  it("keeps no ping of a lent item waiting once it is slow", () => {
    const pool = new Pool({ pingInterval: 100, maxSize: 2, createConcurrency: 1 })
    const lent = [pool.idle(2), pool.idle(2)]
    for (let i = 0; i < 4; i++) pool.lent()
    pool.pass(100)
    assert.strictEqual(pool.check.item, lent[0])
    pool.pass(249)
    assert.strictEqual(pool.count("Check"), 1)
    pool.pass(1)
    assert.strictEqual(pool.check.item, lent[1])
  })

  it("shared, is lent before the first choice if its ping passed", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100, order: "fifo", createConcurrency: 1 })
    const shared = pool.idle(2)
    pool.lent()
    pool.idle()
    pool.pass(100)
    assert.strictEqual(pool.check.item, shared)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(pool.machine.checkout(pool.now), shared)
  })

  it("has no room for a borrower if it is fully lent", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 1 })
    const item = pool.idle()
    pool.lent()
    pool.machine.proven(item, pool.now)
    assert.isUndefined(pool.machine.checkout(pool.now))
  })

  it("still needs its check if each borrower gets one", () => {
    const pool = new Pool({ validateAfterIdle: 0, maxSize: 1 })
    const item = pool.idle()
    const waiter = pool.queue()
    pool.machine.proven(item, pool.now)
    assert.isUndefined(waiter.item)
    assert.isEmpty(pool.ofTag("CancelCheck"))
  })

  it("is lent before the first choice also if a ping has told", () => {
    const pool = new Pool({ validateAfterIdle: 100, pingInterval: 100 })
    const item = pool.idle()
    pool.idle()
    pool.pass(100)
    assert.strictEqual(pool.check.item, item)
    pool.machine.checked(pool.check, "passed", pool.now)
    assert.strictEqual(pool.machine.checkout(pool.now), item)
  })

  it("is lent to an exclusive borrower only while no borrower has it", () => {
    const pool = new Pool({ validateAfterIdle: 50, maxSize: 3 })
    const shared = pool.idle(2)
    assert.strictEqual(pool.lent(), shared)
    const free = pool.idle(2)
    pool.idle(2)
    pool.pass(50)
    pool.machine.proven(shared, pool.now)
    assert.isUndefined(pool.machine.checkout(pool.now, "exclusive"))
    pool.machine.proven(free, pool.now)
    assert.strictEqual(pool.machine.checkout(pool.now, "exclusive"), free)
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
