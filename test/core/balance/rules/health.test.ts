import { assert, describe, it } from "vitest"
import { entry } from "../balanceModel.js"
import { Pool, type Session } from "./support.js"

describe("a failing endpoint", () => {
  it("is probed after a backoff of its own, and is back as soon as a session opens", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.taken()
    pool.pass(9)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.failed("a")
    pool.pass(19)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    pool.opened("a")
    assert.deepStrictEqual(pool.taken(), ["Open a", "Back a"])
    // a creation takes the session of the probe
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Won a"])
  })

  it("the session of a probe is closed when it has proved good", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.pass(10)
    pool.opened("a")
    pool.taken()
    pool.pass(5_000)
    assert.include(pool.taken(), "Cancel a")
    assert.strictEqual(pool.endpoint("a").health, "Well")
  })

  it("a session that died young has to be followed by one that proves good", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 5 })
    const session = pool.session()
    pool.session()
    pool.died(session)
    pool.taken()
    pool.pass(10)
    pool.opened("a")
    assert.strictEqual(pool.endpoint("a").health, "Failing")
    pool.pass(5_000)
    assert.deepStrictEqual(pool.taken(), ["Open a", "Back a", "Cancel a"])
  })

  it("a session that was of use may die: the next connect tells", () => {
    const pool = new Pool(["a", "b"])
    const session = pool.session()
    pool.proved(session)
    pool.died(session)
    assert.strictEqual(pool.endpoint("a").health, "Well")
    assert.strictEqual(pool.endpoint("a").failures, 0)
  })

  it("the death of a session from before the trouble asks for no proof later", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 9 })
    const [old] = pool.sessions(2)
    const failsOnce = () => {
      pool.create()
      pool.failed("a")
      pool.opened("b")
      pool.pass(10)
      pool.taken()
      pool.opened("a")
    }
    failsOnce()
    assert.deepStrictEqual(pool.taken(), ["Back a"])
    pool.died(old!)
    assert.strictEqual(pool.endpoint("a").health, "Well")
    // the next creation takes the session of the probe
    pool.create()
    failsOnce()
    assert.deepStrictEqual(pool.taken(), ["Back a"])
  })

  it("is not probed when it has left the list", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(6)
    pool.create()
    pool.failed("a")
    pool.list(["b"])
    pool.taken()
    pool.now += 20
    pool.machine.tick(pool.now)
    assert.deepStrictEqual(pool.taken(), [])
    assert.isAbove(pool.armed, pool.now)
  })

  it("its probe goes on when a creation gives up beside it", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 9 })
    const [session] = pool.sessions(2)
    pool.died(session!)
    pool.create()
    pool.failed("b")
    pool.pass(10)
    // nothing is well: the creation's own attempt comes first, and the probe after it
    const young = pool.opened("a")
    assert.strictEqual(pool.endpoint("a").health, "Failing")
    pool.proved(young)
    const creation = pool.create()
    assert.strictEqual(pool.endpoint("a").attempts.size, 2)
    pool.machine.abandon(creation, pool.now)
    assert.strictEqual(pool.endpoint("a").probe, pool.attempt("a"))
  })

  it("a success of an attempt that had begun before the failure does not end the trouble", () => {
    const pool = new Pool(["a", "b"])
    const first = pool.session()
    pool.proved(first)
    pool.session()
    pool.create()
    pool.create()
    pool.create()
    const [early, late] = pool.endpoint("a").attempts
    pool.machine.failed(early!, "no", pool.now, 0.5)
    pool.machine.opened(late!, pool.now)
    assert.strictEqual(pool.endpoint("a").health, "Failing")
  })

  it("when none is well, a creation tries them all, the one that is due first before the others", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.pass(3)
    pool.failed("b")
    pool.taken()
    const creation = pool.create()
    pool.failed("a")
    assert.deepStrictEqual(pool.taken(), ["Open a", "Open b"])
    pool.failed("b")
    assert.strictEqual(creation.state, "Failed")
  })

  it("while sessions die young everywhere, the endpoint that is due first is tried at that moment", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 9 })
    const [first, second] = pool.sessions(2)
    pool.died(first!)
    pool.pass(3)
    pool.died(second!)
    pool.taken()
    pool.create()
    pool.pass(6)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
  })

  it("a pool without sessions probes nothing", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.failed("b")
    pool.taken()
    pool.pass(100_000)
    assert.deepStrictEqual(pool.taken(), [])
    assert.strictEqual(pool.armed, Infinity)
  })
})

describe("time", () => {
  it("the backoff is spread by its jitter", () => {
    for (const [chance, delay] of [[0, 50], [0.5, 100], [1, 150]] as const) {
      const pool = new Pool(["a", "b"], { backoff: { initial: 100, factor: 2, max: 1_000, jitter: 0.5 } })
      pool.create()
      pool.machine.failed(pool.attempt("a"), "no", pool.now, chance)
      assert.strictEqual(pool.endpoint("a").retryAt, pool.now + delay)
    }
  })

  it("slow start grows when its alarm is due, at fractions of a millisecond, too", () => {
    // the difference to this one, rounded, is less than a second
    for (const now of [1_000, 170 / 7, 0.1, 1 / 3]) {
      const pool = new Pool(["a"])
      pool.now = now
      pool.proved(pool.session())
      const a = pool.endpoint("a")
      for (const allowance of [2, 4, 8]) {
        assert.strictEqual(a.allowance(pool.now), allowance)
        const growsAt = a.allowanceGrowsAt(pool.now)
        assert.isAbove(growsAt, pool.now)
        pool.now = growsAt
      }
    }
  })
})

describe("ejection", () => {
  /** Two endpoints with sessions; the checks of a's sessions fail. */
  const ejected = (options = {}) => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2, ...options })
    const sessions = pool.sessions(6).filter(({ endpoint }) => endpoint.entry.key === "a")
    for (const session of sessions) pool.proved(session)
    pool.taken()
    for (const session of sessions.slice(0, 2)) pool.machine.ended(session, "CheckFailed", "silent", pool.now, 0.5)
    return pool
  }

  it("comes after consecutiveFailures in a row", () => {
    assert.deepStrictEqual(ejected().taken(), ["Ejected a 30000"])
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2 })
    const [first, , second, , third] = pool.sessions(6) as [Session, Session, Session, Session, Session]
    pool.machine.ended(first, "Suspect", undefined, pool.now, 0.5)
    pool.proved(second)
    pool.machine.ended(third, "Suspect", undefined, pool.now, 0.5)
    assert.strictEqual(pool.endpoint("a").health, "Well")
  })

  it("is never of more than half of the endpoints, nor of the only one", () => {
    const pool = ejected()
    for (const session of [...pool.endpoint("b").sessions]) {
      pool.machine.ended(session, "CheckFailed", undefined, pool.now, 0.5)
    }
    assert.strictEqual(pool.endpoint("b").health, "Well")
    const only = new Pool(["a"], { consecutiveFailures: 1 })
    const session = only.session()
    only.machine.ended(session, "CheckFailed", undefined, only.now, 0.5)
    assert.strictEqual(only.endpoint("a").health, "Well")
  })

  it("ends early when the list has become too short for it", () => {
    const pool = new Pool(["a", "b", "c", "d"], { consecutiveFailures: 1 })
    const sessions = pool.sessions(4)
    for (const session of sessions.slice(0, 2)) pool.machine.ended(session, "CheckFailed", undefined, pool.now, 0.5)
    pool.list(["a", "b", "c"])
    assert.deepStrictEqual([pool.endpoint("a").health, pool.endpoint("b").health], ["Failing", "Ejected"])
    // and a probe begins
    assert.include(pool.taken(), "Open a")
  })

  it("ends early for the endpoint whose ejection would end first", () => {
    for (const [first, second] of [["a", "b"], ["b", "a"]] as const) {
      const pool = new Pool(["a", "b", "c", "d"], { consecutiveFailures: 1 })
      const sessions = pool.sessions(4)
      for (const key of [first, second]) {
        const session = sessions.find(({ endpoint }) => endpoint.entry.key === key)!
        pool.machine.ended(session, "CheckFailed", undefined, pool.now, 0.5)
        pool.pass(1_000)
      }
      pool.list(["a", "b", "c"])
      assert.deepStrictEqual([pool.endpoint(first).health, pool.endpoint(second).health], ["Failing", "Ejected"])
    }
  })

  it("goes on when a new list has room for it", () => {
    const pool = ejected()
    pool.list(["a", "b"])
    assert.strictEqual(pool.endpoint("a").health, "Ejected")
  })

  it("a session that has left the pool proves nothing", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2 })
    const [first, , second] = pool.sessions(4)
    pool.machine.ended(first!, "Suspect", undefined, pool.now, 0.5)
    pool.proved(first!)
    pool.machine.ended(second!, "Suspect", undefined, pool.now, 0.5)
    assert.strictEqual(pool.endpoint("a").health, "Ejected")
  })

  it("a probe follows, which brings the endpoint back when it has proved good", () => {
    const pool = ejected()
    pool.taken()
    pool.pass(29_999)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.opened("a")
    pool.pass(4_999)
    assert.strictEqual(pool.endpoint("a").health, "Ejected")
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Back a", "Cancel a"])
    assert.strictEqual(pool.endpoint("a").health, "Well")
  })

  it("lasts longer each time, up to maxEjectionTime; the multiplier falls by one each 10 s without ejection", () => {
    const pool = ejected({ maxEjectionTime: 50_000 })
    pool.pass(30_000)
    const again = () => {
      const session = pool.opened("a")
      pool.died(session)
    }
    again()
    assert.strictEqual(pool.endpoint("a").ejectedUntil, pool.now + 50_000)
    pool.pass(50_000)
    pool.opened("a")
    pool.pass(5_000)
    // two ejections are forgotten after 20 s
    pool.pass(20_000)
    for (const session of [...pool.endpoint("a").sessions]) {
      pool.machine.ended(session, "CheckFailed", undefined, pool.now, 0.5)
    }
    assert.strictEqual(pool.endpoint("a").health, "Well")
    pool.pass(1)
  })

  it("ejected endpoints are tried while no other is well", () => {
    const pool = ejected()
    pool.create()
    pool.failed("b")
    assert.include(pool.taken(), "Open a")
    const session = pool.opened("a")
    assert.strictEqual(pool.endpoint("a").health, "Ejected")
    pool.proved(session)
    assert.include(pool.taken(), "Back a")
  })
})

describe("moves", () => {
  it("failback: a session of the worse priority each tenth of failbackAfter, once the better one was well for so long", () => {
    const pool = new Pool([entry("a", 1, 0), entry("b", 1, 1)])
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.sessions(2)
    pool.pass(10)
    pool.opened("a")
    pool.taken()
    pool.pass(29_999)
    assert.notInclude(pool.taken(), "Retire b")
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Retire b"])
    pool.pass(2_999)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Retire b"])
  })

  it("failback begins with the fullest endpoint of the worst priority", () => {
    for (const fullest of ["b", "c"]) {
      const pool = new Pool([entry("b", 1, 1), entry("c", 1, 1)])
      const other = pool.sessions(4).find(({ endpoint }) => endpoint.entry.key !== fullest)!
      pool.machine.ended(other, "Other", undefined, pool.now, 0.5)
      pool.list([entry("a", 1, 0), entry("b", 1, 1), entry("c", 1, 1)])
      pool.opened("a")
      pool.pass(29_999)
      pool.taken()
      pool.pass(1)
      assert.include(pool.taken(), `Retire ${fullest}`)
    }
  })

  it("a better endpoint that is new is probed before sessions move to it", () => {
    const pool = new Pool([entry("b", 1, 1)])
    pool.sessions(2)
    pool.list([entry("a", 1, 0), entry("b", 1, 1)])
    assert.include(pool.taken(), "Open a")
    pool.pass(40_000)
    assert.notInclude(pool.taken(), "Retire b")
    pool.opened("a")
    pool.pass(5_000)
    assert.include(pool.taken(), "Retire b")
  })

  it("rebalancing: when an endpoint has two sessions too few for failbackAfter", () => {
    const pool = new Pool(["a"])
    pool.sessions(4)
    pool.list(["a", "b"])
    pool.taken()
    pool.pass(29_999)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Retire a"])
    pool.session()
    pool.pass(3_000)
    assert.include(pool.taken(), "Retire a")
    pool.session()
    pool.taken()
    pool.pass(100_000)
    assert.deepStrictEqual(pool.taken(), [])
    assert.deepStrictEqual(pool.counts(), { a: 2, b: 2 })
  })

  it("a changed weight moves no session at once", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(4)
    pool.list([entry("a", 1), entry("b", 3)])
    pool.taken()
    pool.pass(29_999)
    assert.deepStrictEqual(pool.taken(), [])
  })

  it("sessions to a removed endpoint go one after the other, while another is well", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(4)
    pool.taken()
    pool.list(["b"])
    assert.deepStrictEqual(pool.taken(), ["Retire a"])
    pool.pass(3_000)
    assert.deepStrictEqual(pool.taken(), ["Retire a"])
    assert.deepStrictEqual(pool.counts(), { b: 2 })
  })

  it("never the last session while borrowers wait", () => {
    const pool = new Pool(["a"])
    pool.session()
    pool.demand.waiting = 1
    pool.list(["b"])
    pool.pass(60_000)
    assert.notInclude(pool.taken(), "Retire a")
    pool.demand.waiting = 0
    pool.pass(3_000)
    assert.include(pool.taken(), "Retire a")
  })
})
