import { assert, describe, it } from "vitest"
import { SessionLane } from "../../../../src/internal/core/streams/sessionLane.js"
import { type Lane, Pool, type Pooled, Session } from "./support.js"

describe("other borrowers of sessions", () => {
  /** Two sessions with an idle stream each. */
  const idle = (pool: Pool): ReadonlyArray<Pooled> =>
    [1, 2].map(() => {
      const stream = pool.borrowed()
      pool.machine.returned(stream, false, undefined)
      return stream
    })

  it("get as many sessions as they wait for", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const [stream, other] = idle(pool)
    pool.supply.waiting = 1
    pool.machine.demandChanged(pool.now)
    assert.deepStrictEqual(pool.ofTag("RetireItem"), [{ _tag: "RetireItem", stream: stream! }])
    pool.machine.demandChanged(pool.now)
    assert.strictEqual(pool.count("RetireItem"), 1)
    assert.strictEqual(pool.machine.verdictOf(other!, true), "keep")
    assert.strictEqual(pool.machine.verdictOf(stream!, true), "retire")
    pool.machine.discard(stream!, pool.now)
    pool.machine.ended(stream!, false, pool.now)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
  })

  it("get the sessions without streams first", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const [stream, other] = idle(pool)
    pool.machine.discard(other!, pool.now)
    pool.supply.waiting = 1
    // the end of the stream is the last thing that its session waits for
    pool.machine.ended(other!, false, pool.now)
    assert.deepStrictEqual(pool.ofTag("GiveSessionBack").map(({ lane }) => lane), [other!.lane])
    assert.strictEqual(pool.count("RetireItem"), 0)
    assert.strictEqual(pool.machine.verdictOf(stream!, true), "retire")
  })

  it("wait for a session while a stream of it is lent, opened, or granted to a borrower", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.supply.waiting = 1
    pool.machine.demandChanged(pool.now)
    assert.strictEqual(pool.count("RetireItem"), 0)
    const request = pool.request()
    pool.machine.returned(stream, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    pool.want(-1)
    const granted = pool.opened(stream.lane)
    assert.strictEqual(request.stream, granted)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    // its borrower was served meanwhile
    pool.machine.becameItem(granted)
    assert.deepStrictEqual(pool.ofTag("RetireItem").map(({ stream }) => stream), [stream, granted])
  })

  it("come after borrowers of streams, unless there are too many sessions", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    pool.supply.waiting = 1
    pool.demand.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    pool.supply.waiting = 0
    pool.supply.excess = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "retire")
  })

  it("get a session whose stream is late", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.request()
    pool.pass(400)
    pool.want(-1)
    pool.supply.waiting = 1 + pool.count("AskForSession")
    pool.machine.returned(stream, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "retire")
    // the late stream is not kept
    const late = pool.opened(stream.lane)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream: late, how: "finish" }])
  })

  it("are no reason to end streams of the caller's session", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
  })

  it("get a session when the last borrower of it returns its stream, and the idle streams of it go, too", () => {
    const pool = new Pool()
    const [idle, last] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(idle!, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(idle!, true), "keep")
    pool.machine.returned(last!, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(last!, true), "retire")
    assert.deepStrictEqual(pool.ofTag("RetireItem").map(({ stream }) => stream), [idle, last])
  })

  it("do not get a session that a borrower of streams needs again", () => {
    const pool = new Pool()
    const [lent, idle] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(idle!, false, undefined)
    pool.machine.returned(lent!, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(lent!, true), "retire")
    pool.request()
    assert.strictEqual(pool.machine.verdictOf(idle!, true), "keep")
  })

  it("get a session rather than the pool a spare stream", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.supply.waiting = 1
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.opened(lane)
    assert.strictEqual(pool.count("PrepareItem"), 0)
    assert.strictEqual(pool.count("EndStream"), 1)
  })
})
