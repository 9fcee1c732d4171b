import { assert, describe, it } from "vitest"
import { LeakRecord, Release } from "../../../../src/internal/core/pool/item.js"
import { Pool } from "./support.js"

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
    const record = new LeakRecord()
    pool.idle()
    pool.lent()
    pool.machine.track(record, pool.now)
    assert.strictEqual(pool.wakesIn, 100)
    pool.pass(99)
    assert.isFalse(record.reported)
    pool.pass(1)
    assert.isTrue(record.reported)
    assert.strictEqual(pool.ofTag("Overdue").length, 1)
    assert.deepStrictEqual([...pool.machine.out()], [record])
    pool.machine.untrack(record, pool.now)
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

  it("an item's idle end, also if it comes back when nothing else is due", () => {
    const pool = new Pool({ idleTimeToLive: 100 })
    pool.idle()
    const item = pool.lent()
    pool.pass(150)
    pool.release(item)
    assert.strictEqual(pool.wakesIn, 100)
  })

  it("nothing in a pool that has drained", () => {
    const pool = new Pool({ exhaustedThreshold: 100 })
    pool.machine.drain(pool.now)
    assert.strictEqual(pool.count("Drained"), 1)
    assert.strictEqual(pool.count("WakeAt"), 0)
  })

  it("nothing, once the last watched lease is back", () => {
    const pool = new Pool({ leakThreshold: 100 })
    const record = new LeakRecord()
    pool.idle()
    pool.lent()
    pool.machine.track(record, pool.now)
    pool.machine.untrack(record, pool.now)
    assert.strictEqual(pool.commands.at(-1)!._tag, "Rest")
  })

  it("nothing, once a hook has decided on a returned item", () => {
    const pool = new Pool({})
    pool.idle()
    const item = pool.lent()
    const release = new Release(item)
    pool.machine.beginRelease(release, pool.now)
    assert.strictEqual(pool.wakesIn, 1_000)
    assert.isTrue(pool.machine.endRelease(release))
    pool.release(item)
    assert.strictEqual(pool.commands.at(-1)!._tag, "Rest")
  })

  it("the end of a hook that takes too long, once", () => {
    const pool = new Pool({})
    pool.idle()
    const release = new Release(pool.lent())
    pool.machine.beginRelease(release, pool.now)
    pool.pass(999)
    assert.isEmpty(pool.ofTag("ReleaseTimedOut"))
    pool.pass(1)
    assert.strictEqual(pool.ofTag("ReleaseTimedOut")[0]!.release, release)
    assert.strictEqual(pool.count("ReleaseTimedOut"), 1)
    assert.isFalse(pool.machine.endRelease(release))
  })

  it("the end of a hook that takes too long: no waiter of the same step gets the item", () => {
    const pool = new Pool({ maxSize: 1, acquireTimeout: 999 })
    const item = pool.idle(3)
    pool.lent()
    pool.lent()
    pool.machine.beginRelease(new Release(item), pool.now)
    pool.pass(1)
    const first = pool.queue("exclusive")
    pool.pass(1)
    const second = pool.queue()
    pool.pass(998)
    assert.isDefined(first.refusal)
    assert.isUndefined(second.item)
    assert.strictEqual(item.state, "Leaving")
  })

  it("nothing: the machine asks for rest once, and again after it has been disarmed", () => {
    const pool = new Pool({ leakThreshold: 100 })
    const record = new LeakRecord()
    const track = () => {
      pool.machine.track(record, pool.now)
      pool.machine.untrack(record, pool.now)
    }
    track()
    track()
    pool.machine.prune(0, pool.now)
    assert.strictEqual(pool.count("Rest"), 1)
    // meanwhile something has become due
    pool.machine.track(record, pool.now)
    assert.isFalse(pool.machine.disarm(pool.now))
    pool.machine.untrack(record, pool.now)
    assert.strictEqual(pool.count("Rest"), 2)
    assert.isTrue(pool.machine.disarm(pool.now))
    pool.machine.prune(0, pool.now)
    assert.strictEqual(pool.count("Rest"), 2)
    track()
    assert.strictEqual(pool.wakesIn, 100)
    assert.strictEqual(pool.count("WakeAt"), 2)
    assert.strictEqual(pool.count("Rest"), 3)
  })

  it("nothing for an item that minSize keeps", () => {
    const pool = new Pool({ minSize: 1, idleTimeToLive: 100 })
    const item = pool.create()
    pool.pass(100)
    assert.strictEqual(item.state, "Idle")
    assert.isEmpty(pool.ofTag("WakeAt"))
  })

  it("the earliest of several times, in one command", () => {
    const pool = new Pool({ idleTimeToLive: 100, pingInterval: 50 })
    pool.idle()
    assert.strictEqual(pool.count("WakeAt"), 1)
    assert.strictEqual(pool.wakesIn, 50)
  })

  it("nothing in a closed pool, whatever its borrowers do", () => {
    const pool = new Pool({ leakThreshold: 10 })
    const item = pool.idle()
    pool.lent()
    pool.machine.close(pool.now)
    pool.pass(50)
    pool.machine.gone(item, pool.now)
    assert.strictEqual(pool.machine.state, "Closed")
    assert.strictEqual(pool.commands.at(-1)!._tag, "Closed")
    const commands = pool.commands.length
    const record = new LeakRecord()
    pool.machine.track(record, pool.now)
    assert.isTrue(pool.machine.disarm(pool.now))
    pool.machine.untrack(record, pool.now)
    pool.release(item)
    assert.strictEqual(pool.commands.length, commands)
  })
})

describe("an item that is too old", () => {
  it("is not lent, also if the machine is not told the time", () => {
    for (const [options, rest] of [[{ idleTimeToLive: 100 }, 100], [{ maxLifetime: 100 }, 1]] as const) {
      const pool = new Pool(options)
      const item = pool.idle()
      pool.late(99)
      assert.strictEqual(pool.lent(), item)
      pool.release(item)
      pool.late(rest)
      assert.isUndefined(pool.machine.checkout(pool.now))
      assert.strictEqual(item.state, "Closing")
    }
  })

  it("is retired also by a return of another borrower, if a borrower waits", () => {
    const pool = new Pool({ maxLifetime: 100, maxSize: 1 })
    const item = pool.idle(3)
    pool.lent()
    pool.lent()
    pool.queue("exclusive")
    pool.late(100)
    pool.release(item)
    assert.strictEqual(item.state, "Leaving")
  })

  it("lives for 90 to 110 % of maxLifetime", () => {
    for (const [chance, age] of [[0, 90], [0.25, 95], [0.5, 100], [0.75, 105]] as const) {
      const pool = new Pool({ maxLifetime: 100 })
      const item = pool.idle(1, chance)
      assert.closeTo(pool.wakesIn, age, 1e-6)
      pool.pass(age - 1)
      assert.strictEqual(item.state, "Idle")
      pool.pass(1.001)
      assert.strictEqual(item.state, "Closing")
      assert.strictEqual(pool.machine.counters.destroyed.retired, 1)
    }
  })

  it("closes after idleTimeToLive, unless minIdle keeps it", () => {
    const pool = new Pool({ idleTimeToLive: 100, minIdle: 1, maxSize: 3 })
    const first = pool.create()
    const second = pool.idle()
    assert.strictEqual(pool.lent(), second)
    pool.pass(100)
    assert.strictEqual(first.state, "Idle")
    pool.release(second)
    pool.pass(99)
    assert.strictEqual(first.state, "Closing")
    assert.strictEqual(second.state, "Idle")
  })

  it("is closed by prune, which tells how many there were", () => {
    const pool = new Pool({ maxSize: 3 })
    const [first, second] = [pool.idle(), pool.idle()]
    pool.pass(10)
    const third = pool.idle()
    assert.strictEqual(pool.machine.prune(10, pool.now), 2)
    assert.deepStrictEqual(pool.ofTag("Destroy").map(({ item }) => item), [first, second])
    assert.strictEqual(third.state, "Idle")
  })
})
