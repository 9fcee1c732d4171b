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

  it("tells the failure of the session that failed last", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2 })
    const [session] = pool.sessions(2)
    pool.machine.ended(session!, "CheckFailed", "silent", pool.now, 0.5)
    assert.strictEqual(pool.endpoint("a").lastFailure, "silent")
  })

  /** A probe of `a` is under way, though a session of a creation has just proved it good; b is well, too, and fuller. */
  const probedBesideProof = () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 9 })
    const [session] = pool.sessions(2)
    pool.died(session!)
    pool.create()
    pool.failed("b")
    pool.pass(10)
    const young = pool.opened("a")
    pool.create()
    pool.opened("b")
    pool.proved(young)
    assert.deepStrictEqual(pool.counts(), { a: 1, b: 2 })
    pool.taken()
    const probe = pool.endpoint("a").probe
    assert.strictEqual(probe?.state, "Opening")
    return { pool, probe: probe! }
  }

  it("drops its probe when an attempt of a creation fails beside it", () => {
    const { pool, probe } = probedBesideProof()
    pool.create()
    const [, attempt] = pool.endpoint("a").attempts
    pool.machine.failed(attempt!, "no", pool.now, 0.5)
    assert.strictEqual(probe.state, "Cancelled")
    assert.deepStrictEqual(pool.taken().slice(0, 3), ["Open a", "Cancel a", "Troubled a Connect"])
  })

  it("drops its probe when an attempt of a creation loses its race beside it, and is probed anew", () => {
    const { pool, probe } = probedBesideProof()
    pool.create()
    pool.pass(250)
    pool.opened("b")
    assert.strictEqual(probe.state, "Cancelled")
    assert.deepStrictEqual(pool.taken(), ["Open a", "Open b", "Cancel a", "Cancel a", "Troubled a Late", "Open a"])
  })

  it("is probed when no other one is, and the one that was due first comes first", () => {
    const pool = new Pool(["a", "b", "c", "d"], { backoff: { initial: 10, factor: 3, max: 90, jitter: 0 } })
    pool.create()
    pool.failed("a")
    pool.failed("b")
    pool.failed("c")
    pool.proved(pool.opened("d"))
    pool.taken()
    pool.pass(10)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.failed("a")
    assert.deepStrictEqual(pool.taken(), ["Open b"])
    pool.pass(60)
    pool.failed("b")
    // a has been due since its backoff of 30 ms
    assert.deepStrictEqual(pool.taken(), ["Open c"])
    pool.failed("c")
    assert.deepStrictEqual(pool.taken(), ["Open a"])
  })

  it("is probed beside the attempts of creations only if one is well, or if all of them are late", () => {
    const pool = new Pool(["a", "b"], { backoff: { initial: 10, factor: 9, max: 90, jitter: 0 } })
    pool.create()
    pool.failed("a")
    pool.failed("b")
    pool.taken()
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.pass(249)
    assert.deepStrictEqual(pool.taken(), [])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Open b"])
    // the probe's session ends the wait for a
    pool.opened("b")
    assert.deepStrictEqual(pool.taken().slice(0, 2), ["Back b", "Cancel a"])
  })

  it("drops its probe when it is ejected", () => {
    const pool = new Pool(["a", "b"], { consecutiveFailures: 2 })
    const sessions = pool.sessions(4).filter(({ endpoint }) => endpoint.entry.key === "a")
    for (const session of sessions) pool.proved(session)
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.pass(10)
    const probe = pool.endpoint("a").probe
    assert.strictEqual(probe?.state, "Opening")
    for (const session of sessions) pool.machine.ended(session, "CheckFailed", undefined, pool.now, 0.5)
    assert.strictEqual(pool.endpoint("a").health, "Ejected")
    assert.strictEqual(probe?.state, "Cancelled")
  })

  it("ends its probe when the session of the probe dies", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.pass(10)
    const probe = pool.attempt("a")
    pool.died(pool.opened("a"))
    assert.strictEqual(probe.state, "Over")
    assert.isUndefined(pool.endpoint("a").probe)
  })

  it("gives the session of its probe to a creation, or forgets it when it has proved good", () => {
    const probed = () => {
      const pool = new Pool(["a", "b"])
      pool.create()
      pool.failed("a")
      pool.opened("b")
      pool.pass(10)
      return { pool, session: pool.opened("a") }
    }
    const taking = probed()
    const creation = taking.pool.create()
    assert.strictEqual(creation.winner?.session, taking.session)
    assert.strictEqual(taking.session.attempt.creation, creation)
    const { pool, session } = probed()
    pool.pass(5_000)
    assert.isTrue(session.isOver)
  })

  it("is tried in the order of the priorities, if another one is due at the same time", () => {
    const pool = new Pool([entry("a", 1, 0), entry("b", 1, 1)])
    pool.create()
    pool.failed("a")
    pool.failed("b")
    pool.taken()
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open a"])
  })

  it("has to wait again for sessions of fuller ones, and so has one that was not in the list for a while", () => {
    const pool = new Pool(["a"])
    pool.sessions(4)
    pool.list(["a", "b"])
    pool.pass(20_000)
    pool.create()
    pool.failed("b")
    pool.opened("a")
    pool.pass(10)
    pool.opened("b")
    assert.strictEqual(pool.endpoint("b").health, "Well")
    pool.taken()
    pool.pass(29_999)
    assert.notInclude(pool.taken(), "Retire a")
    pool.pass(1)
    assert.include(pool.taken(), "Retire a")
    const other = new Pool(["a"])
    other.sessions(4)
    other.list(["a", "b"])
    other.pass(20_000)
    // its attempt is under way, so that it is known meanwhile
    other.create()
    other.list(["a"])
    other.list(["a", "b"])
    other.pass(29_999)
    assert.notInclude(other.taken(), "Retire a")
    other.pass(1)
    assert.include(other.taken(), "Retire a")
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
    pool.taken()
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open b"])
  })
})

describe("a machine", () => {
  it("keeps no timer for sessions whose age proves nothing", () => {
    const pool = new Pool(["a"])
    pool.proved(pool.session())
    pool.session()
    assert.strictEqual(pool.armed, Infinity)
  })

  it("looks again when the demand has changed", () => {
    const pool = new Pool(["a"])
    pool.session()
    pool.demand.waiting = 1
    pool.list(["b"])
    pool.taken()
    pool.demand.waiting = 0
    pool.machine.demandChanged(pool.now)
    assert.deepStrictEqual(pool.taken(), ["Retire a"])
  })

  it("knows an endpoint once that has left the list and is back", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(4)
    pool.list(["b"])
    pool.list(["a", "b"])
    assert.deepStrictEqual([...pool.machine.list.known()].map(({ entry }) => entry.key), ["a", "b"])
  })

  it("takes from the first of equally full endpoints", () => {
    const pool = new Pool(["a", "b"])
    pool.sessions(6)
    pool.list(["a", "b", "c"])
    pool.taken()
    pool.pass(30_000)
    assert.deepStrictEqual(pool.taken(), ["Retire a"])
  })
})
