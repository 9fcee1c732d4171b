import { assert, describe, it } from "vitest"
import { entry } from "../balanceModel.js"
import { Pool } from "./support.js"

describe("an endpoint in trouble", () => {
  it("has no failure to tell once it is back", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.opened("b")
    assert.strictEqual(pool.endpoint("a").lastFailure, "a failed")
    pool.pass(10)
    pool.opened("a")
    assert.isUndefined(pool.endpoint("a").lastFailure)
  })

  it("each 10 s without ejection count one ejection less", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 1, maxEjectionTime: 300_000 })
    const eject = () => {
      while (pool.endpoint("a").sessions.size === 0) pool.session()
      const [session] = pool.endpoint("a").sessions
      pool.taken()
      pool.machine.ended(session!, "CheckFailed", undefined, pool.now, 0.5)
      return pool.taken().filter((command) => command.startsWith("Ejected"))
    }
    const comesBack = (after: number) => {
      pool.pass(after)
      pool.opened("a")
      pool.pass(5_000)
      assert.strictEqual(pool.endpoint("a").health, "Well")
    }
    pool.sessions(2)
    assert.deepStrictEqual(eject(), ["Ejected a 30000"])
    comesBack(30_000)
    assert.deepStrictEqual(eject(), ["Ejected a 60000"])
    comesBack(60_000)
    pool.pass(9_999)
    assert.deepStrictEqual(eject(), ["Ejected a 90000"])
    comesBack(90_000)
    pool.pass(10_000)
    assert.deepStrictEqual(eject(), ["Ejected a 90000"])
    comesBack(90_000)
    pool.pass(60_000)
    assert.deepStrictEqual(eject(), ["Ejected a 30000"])
    assert.strictEqual(pool.endpoint("a").ejections, 5)
  })

  it("a session that fails counts once", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2 })
    const [session] = pool.sessions(2)
    for (let calls = 0; calls < 2; calls++) {
      pool.machine.ended(session!, "CheckFailed", undefined, pool.now, 0.5)
    }
    assert.strictEqual(pool.endpoint("a").failures, 1)
  })

  it("nothing begins once the machine is closed", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(2)
    pool.machine.close()
    pool.taken()
    pool.create()
    pool.list(["c"])
    assert.deepStrictEqual(pool.taken(), [])
  })

  it("comes after one that is only late, whatever their priorities", () => {
    const pool = new Pool([entry("a", 1, 0), entry("b", 1, 1)], {
      backoff: { initial: 1_000, factor: 2, max: 5_000, jitter: 0 }
    })
    pool.create()
    pool.failed("a")
    pool.proved(pool.opened("b"))
    pool.create()
    pool.pass(250)
    pool.failed("a")
    pool.taken()
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open b"])
  })
})
