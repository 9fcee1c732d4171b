import { assert, describe, it } from "vitest"
import { entry } from "../balanceModel.js"
import { Pool } from "./support.js"

describe("where to connect", () => {
  it("the fewest sessions for the weight, ties by turns", () => {
    const pool = new Pool([entry("a", 2), "b"])
    assert.deepStrictEqual(pool.sessions(6).map(({ endpoint }) => endpoint.entry.key).join(""), "ababaa")
    assert.deepStrictEqual(pool.counts(), { a: 4, b: 2 })
    const others = new Pool(["a", "b", "c"])
    assert.strictEqual(others.sessions(6).map(({ endpoint }) => endpoint.entry.key).join(""), "abcabc")
  })

  it("sessions that are being opened count", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open a", "Open b"])
  })

  it("the best priority, while one of its endpoints is well", () => {
    const pool = new Pool([entry("a", 1, 1), entry("b", 1, 0)])
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open b"])
    pool.failed("b")
    assert.deepStrictEqual(pool.taken(), ["Troubled b Connect", "Open a"])
  })

  it("in order: each place is a priority", () => {
    const pool = new Pool(["a", "b", "c"], { balance: "ordered" })
    pool.create()
    pool.failed("a")
    pool.failed("b")
    assert.deepStrictEqual(pool.taken(), ["Open a", "Troubled a Connect", "Open b", "Troubled b Connect", "Open c"])
  })

  it("a new endpoint has one opening at a time until a session proved good, then twice as many each second", () => {
    const pool = new Pool(["a"])
    const session = pool.session()
    pool.create()
    pool.create()
    assert.strictEqual(pool.endpoint("a").attempts.size, 1)
    pool.proved(session)
    assert.strictEqual(pool.endpoint("a").attempts.size, 2)
    for (let i = 0; i < 30; i++) pool.create()
    pool.pass(999)
    assert.strictEqual(pool.endpoint("a").attempts.size, 2)
    pool.pass(1)
    assert.strictEqual(pool.endpoint("a").allowance(pool.now), 4)
    pool.pass(9_000)
    assert.strictEqual(pool.endpoint("a").allowance(pool.now), Infinity)
  })

  it("a session proves good after 5 seconds, without a borrower", () => {
    const pool = new Pool(["a"])
    pool.session()
    pool.pass(4_999)
    assert.isUndefined(pool.endpoint("a").provenAt)
    pool.pass(1)
    assert.strictEqual(pool.endpoint("a").provenAt, pool.now)
  })

  it("a better endpoint without room is waited for, for attemptDelay", () => {
    const pool = new Pool(["a", "b"], { balance: "ordered" })
    pool.create()
    pool.create()
    pool.pass(249)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.pass(1)
    // the first one has waited as long, but b is new, too
    assert.deepStrictEqual(pool.taken(), ["Open b"])
  })
})

describe("the attempts of a creation", () => {
  it("the next endpoint follows a failure at once, and the creation fails when all have", () => {
    const pool = new Pool(["a", "b"])
    const creation = pool.create()
    pool.failed("a")
    pool.failed("b")
    assert.deepStrictEqual(pool.taken(), ["Open a", "Troubled a Connect", "Open b", "Troubled b Connect", "Failed"])
    assert.strictEqual(creation.state, "Failed")
  })

  it("the next endpoint is tried beside a slow one, at most two at a time", () => {
    const pool = new Pool(["a", "b", "c"])
    pool.create()
    pool.pass(249)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.pass(1)
    assert.deepStrictEqual(pool.taken(), ["Open b"])
    pool.pass(5_000)
    assert.deepStrictEqual(pool.taken(), [])
    pool.failed("b")
    assert.deepStrictEqual(pool.taken(), ["Troubled b Connect", "Open c"])
  })

  it("none is tried beside a slow one where another attempt is late, or has failed", () => {
    const pool = new Pool(["a", "b", "c"], { backoff: { initial: 60_000, factor: 1, max: 60_000, jitter: 0 } })
    pool.create()
    pool.failed("a")
    pool.create()
    pool.taken()
    // b and c are late
    pool.pass(250)
    assert.deepStrictEqual(pool.taken(), [])
    pool.opened("c")
    // c is prompt again
    assert.deepStrictEqual(pool.taken(), ["Won c", "Open c"])
  })

  it("a probe's session is taken beside a slow one", () => {
    const pool = new Pool(["a", "b"])
    const [session] = pool.sessions(2)
    pool.machine.ended(session!, "Died", undefined, pool.now, 0.5)
    const creation = pool.create()
    pool.taken()
    pool.pass(250)
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    // its session must still prove good
    pool.opened("a")
    assert.deepStrictEqual(pool.taken().slice(0, 1), ["Cancel b"])
    assert.strictEqual(creation.state, "Closing")
  })

  it("the loser is closed before the winner is lent, and is no failure", () => {
    const pool = new Pool(["a", "b"])
    const creation = pool.create()
    pool.pass(250)
    const loser = pool.attempt("a")
    pool.opened("b")
    assert.deepStrictEqual(pool.taken().slice(0, 4), ["Open a", "Open b", "Cancel a", "Troubled a Late"])
    assert.strictEqual(creation.state, "Closing")
    pool.machine.closed(loser, pool.now)
    assert.include(pool.taken(), "Won b")
    assert.strictEqual(pool.endpoint("a").failed, 0)
    assert.strictEqual(pool.endpoint("a").failures, 0)
  })

  it("a late endpoint delays no other creation", () => {
    const pool = new Pool(["a", "b"], { balance: "ordered" })
    pool.create()
    pool.pass(250)
    pool.opened("b")
    pool.taken()
    pool.create()
    // a is being probed
    assert.deepStrictEqual(pool.taken(), ["Open b"])
  })

  it("an endpoint whose usual connect takes longer is given twice that", () => {
    const pool = new Pool(["a"])
    pool.create()
    pool.pass(600)
    pool.opened("a")
    assert.strictEqual(pool.endpoint("a").attemptDelay({ attemptDelay: 250 } as never), 1_200)
  })

  it("creations that wait share the outcome of an attempt", () => {
    const pool = new Pool(["a"])
    const creations = [pool.create(), pool.create(), pool.create()]
    pool.failed("a")
    assert.deepStrictEqual(creations.map(({ state }) => state), ["Failed", "Failed", "Failed"])
  })

  it("a creation that is abandoned cancels its attempts, and closes its session", () => {
    const pool = new Pool(["a", "b"])
    const creation = pool.create()
    pool.pass(250)
    pool.machine.abandon(creation, pool.now)
    assert.includeMembers([...pool.taken()], ["Cancel a", "Cancel b"])
    const closing = pool.create()
    pool.pass(250)
    pool.opened("a")
    pool.machine.abandon(closing, pool.now)
    assert.deepStrictEqual(pool.counts(), { a: 0, b: 0 })
  })

  it("where each session needs a permit, the attempts of a creation run one after the other", () => {
    const pool = new Pool(["a", "b"], { maxAttempts: 1 })
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.pass(9_000)
    assert.deepStrictEqual(pool.taken(), [])
    pool.failed("a")
    assert.deepStrictEqual(pool.taken(), ["Troubled a Connect", "Open b"])
    pool.opened("b")
    assert.deepStrictEqual(pool.taken(), ["Won b"])
  })

  it("where each session needs a permit, no probe runs: the next creation tries the endpoint that is due", () => {
    const pool = new Pool(["a", "b"], { maxAttempts: 1 })
    pool.create()
    pool.failed("a")
    pool.opened("b")
    pool.taken()
    pool.pass(60_000)
    assert.deepStrictEqual(pool.taken(), [])
    pool.create()
    assert.deepStrictEqual(pool.taken(), ["Open a"])
    pool.opened("a")
    assert.deepStrictEqual(pool.taken(), ["Back a", "Won a"])
  })

  it("fails once, and not at all when it was cancelled", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    const attempt = pool.attempt("a")
    pool.failed("a")
    pool.machine.failed(attempt, "again", pool.now, 0.5)
    assert.strictEqual(pool.endpoint("a").failed, 1)
    assert.strictEqual(attempt.state, "Over")
    const other = new Pool(["a"])
    const creation = other.create()
    const cancelled = other.attempt("a")
    other.machine.abandon(creation, other.now)
    other.machine.failed(cancelled, "late", other.now, 0.5)
    assert.deepStrictEqual([other.endpoint("a").failed, other.endpoint("a").health], [0, "Well"])
  })

  it("that opened a session is counted", () => {
    const pool = new Pool(["a"])
    pool.sessions(2)
    assert.strictEqual(pool.endpoint("a").opened, 2)
  })

  it("two under way need no timer", () => {
    const pool = new Pool(["a", "b", "c"])
    pool.create()
    pool.pass(250)
    assert.deepStrictEqual(pool.taken(), ["Open a", "Open b"])
    assert.strictEqual(pool.armed, Infinity)
  })

  it("close cancels everything, and keeps no timer", () => {
    const pool = new Pool(["a", "b"])
    pool.create()
    pool.machine.close()
    assert.include(pool.taken(), "Cancel a")
    assert.strictEqual(pool.armed, Infinity)
    const probing = new Pool(["a", "b"])
    probing.create()
    probing.failed("a")
    probing.opened("b")
    probing.pass(10)
    probing.taken()
    probing.machine.close()
    assert.deepStrictEqual(probing.taken(), ["Cancel a"])
  })
})
