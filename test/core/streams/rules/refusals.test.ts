import { assert, describe, it } from "vitest"
import { SessionLane } from "../../../../src/internal/core/streams/sessionLane.js"
import { type Lane, Pool, Session } from "./support.js"

describe("a session that refuses a stream", () => {
  it("and never granted a stream is retired, and the request fails with the refusal", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.refused(lane)
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    assert.deepStrictEqual(pool.ofTag("Refuse"), [
      { _tag: "Refuse", request, refusal: { _tag: "Failed", failure: "limit" } }
    ])
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    // the pool is not woken for a session that no request waits for
    assert.deepStrictEqual(pool.ofTag("WakeAt").map(({ at }) => at), [pool.now + 400])
  })

  it("fails no request while another session may serve it", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const { lane } = pool.borrowed()
    pool.request()
    pool.refused(pool.session())
    assert.strictEqual(pool.count("RetireSession"), 1)
    assert.strictEqual(pool.count("Refuse"), 0)
    assert.isFalse(lane.isRetired)
  })

  it("and granted streams before is replaced at once", () => {
    const pool = new Pool()
    pool.request()
    const session = new Session()
    session.streamsOpened = 1
    pool.refused(pool.session(session))
    assert.strictEqual(pool.count("RetireSession"), 1)
    assert.strictEqual(pool.count("Refuse"), 0)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("makes the pool wait before it asks for another session: 10 ms, then twice as long each time, at most 1 s", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const pause = (): number => {
      const [asked, since] = [pool.count("AskForSession"), pool.now]
      while (pool.count("AskForSession") === asked) pool.pass(10)
      return pool.now - since
    }
    pool.request()
    const pauses = Array.from({ length: 9 }, () => {
      pool.refused(pool.session())
      pool.want(-1)
      pool.request()
      return pause()
    })
    assert.deepStrictEqual(pauses, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000])
    // a new session that grants a stream ends the series
    pool.lent(pool.opened(pool.session()))
    pool.request()
    pool.machine.sessionFailed("down", pool.now)
    assert.strictEqual(pause(), 10)
  })

  it("makes the pool wait, until a new session grants a stream", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    for (let i = 0; i < 3; i++) pool.request()
    pool.refused(pool.session())
    pool.want(-1)
    pool.request()
    const asked = pool.count("AskForSession")
    assert.strictEqual(asked, 3)
    pool.lent(pool.opened(pool.session()))
    assert.strictEqual(pool.count("AskForSession"), asked + 1)
  })

  it("makes the pool wait, even while an older session grants streams", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    const { lane } = pool.borrowed()
    pool.request()
    pool.request()
    pool.refused(pool.session())
    const asked = pool.count("AskForSession")
    pool.lent(pool.opened(lane))
    pool.pass(9)
    assert.strictEqual(pool.count("AskForSession"), asked)
    pool.pass(1)
    assert.strictEqual(pool.count("AskForSession"), asked + 1)
  })

  it("is asked again after 10 ms, then twice as long each time, at most 1 s", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    const request = pool.request()
    const delays = Array.from({ length: 9 }, () => {
      const before = pool.count("OpenStream")
      pool.refused(lane)
      const delay = lane.probeAt - pool.now
      pool.pass(delay - 1)
      assert.strictEqual(pool.count("OpenStream"), before)
      pool.pass(1)
      assert.strictEqual(pool.count("OpenStream"), before + 1)
      return delay
    })
    assert.deepStrictEqual(delays, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000])
    assert.strictEqual(request.state, "Waiting")
  })

  it("is asked for more at once when it has granted a stream", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    pool.request()
    pool.refused(lane)
    pool.pass(10)
    pool.lent(pool.opened(lane))
    assert.isFalse(lane.isFull)
    const before = pool.count("OpenStream")
    pool.request()
    assert.strictEqual(pool.count("OpenStream"), before + 1)
    assert.strictEqual(lane.probeAt, Infinity)
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(lane.probeAt, Infinity)
    pool.refused(lane)
    assert.strictEqual(lane.probeAt, pool.now + 10)
  })

  it("is asked again when one of its streams has ended, no sooner than 10 ms after the refusal", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    pool.request()
    pool.refused(lane)
    pool.pass(10)
    pool.refused(lane)
    const before = pool.count("OpenStream")
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(lane.probeAt, pool.now + 10)
    pool.pass(10)
    assert.strictEqual(pool.count("OpenStream"), before + 1)
    pool.refused(lane)
    pool.pass(11)
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(pool.count("OpenStream"), before + 2)
  })

  it("is not asked for streams that no borrower waits for", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    pool.request()
    pool.refused(lane)
    // the borrower has left
    pool.want(-1)
    pool.pass(1)
    const [opened, wakes] = [pool.count("OpenStream"), pool.count("WakeAt")]
    pool.pass(1)
    assert.strictEqual(pool.count("WakeAt"), wakes)
    pool.pass(8)
    assert.strictEqual(pool.count("OpenStream"), opened)
  })

  it("serves the pool for as long as it has a stream, one that ends included", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    pool.request()
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
    pool.machine.returned(stream, false, undefined)
    pool.machine.discard(stream, pool.now)
    pool.pass(10)
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
    pool.machine.ended(stream, false, pool.now)
    pool.pass(20)
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("and is the caller's fails the request, unless a stream of it ended within openTimeout", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.request()
    pool.refused(lane)
    assert.strictEqual(pool.count("Refuse"), 1)
    pool.want(-1)
    pool.pass(10)
    const stream = pool.borrowed()
    pool.end(stream)
    const endedAt = pool.now
    pool.request()
    while (pool.now < endedAt + 400) {
      pool.refused(lane)
      assert.strictEqual(pool.count("Refuse"), 1)
      pool.pass(Math.min(lane.probeAt, endedAt + 400) - pool.now)
    }
    pool.refused(lane)
    assert.strictEqual(pool.count("Refuse"), 2)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })

  it("and is the caller's may do so while a stream of the caller has just ended", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.machine.streamFreed(lane, pool.now)
    const request = pool.request()
    pool.refused(lane)
    assert.strictEqual(request.state, "Waiting")
  })
})

describe("a session that fails to open a stream", () => {
  it("fails the request, and stays", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.machine.openFailed(lane, false, "broken", pool.now)
    assert.deepStrictEqual(pool.ofTag("Refuse"), [
      { _tag: "Refuse", request, refusal: { _tag: "Failed", failure: "broken" } }
    ])
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.isFalse(lane.isFull)
  })

  it("because it ends fails no request that another may serve", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    lane.session.gone = "it closes"
    pool.machine.openFailed(lane, false, "gone", pool.now)
    assert.strictEqual(request.state, "Waiting")
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("too late fails no request", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    pool.request()
    pool.pass(400)
    pool.machine.openFailed(lane, false, "broken", pool.now)
    assert.strictEqual(pool.count("Refuse"), 0)
  })
})

describe("a session whose ping may have taken the stream", () => {
  /** Returns the pause before the session is asked again. */
  const refuse = (pool: Pool, lane: Lane): number => {
    pool.refused(lane)
    const pause = Math.max(0, lane.probeAt - pool.now)
    pool.pass(pause)
    return pause
  }

  it("may refuse seven times after the ping, before it is retired", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    const pauses = Array.from({ length: 7 }, () => refuse(pool, lane))
    assert.deepStrictEqual(pauses, [10, 20, 40, 80, 160, 320, 640])
    assert.strictEqual(pool.count("ForgetPing"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.strictEqual(pool.count("GiveSessionBack"), 0)
    refuse(pool, lane)
    assert.strictEqual(pool.count("ForgetPing"), 1)
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("may do so too where it is the caller's, before the request fails", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.request()
    lane.session.isPingLatest = true
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("Refuse"), 0)
    refuse(pool, lane)
    assert.strictEqual(pool.count("Refuse"), 1)
  })

  it("may refuse for as long as the ping lasts", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    lane.session.pings.size = 1
    const pauses = Array.from({ length: 20 }, () => refuse(pool, lane))
    assert.deepStrictEqual(pauses.slice(0, 6), [10, 20, 40, 80, 80, 80])
    assert.strictEqual(pool.count("ForgetPing"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.strictEqual(pool.count("Refuse"), 0)
  })

  it("may refuse as often after the next grant", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    const stream = pool.opened(lane)
    pool.lent(stream)
    pool.request()
    pool.end(stream)
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })
})

describe("a stream that does not come within openTimeout", () => {
  it("fails the request, and its session, which has no other, is retired as one that grants none", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    assert.strictEqual(pool.ofTag("WakeAt").at(-1)!.at, pool.now + 400)
    pool.pass(399)
    assert.strictEqual(request.state, "Waiting")
    pool.pass(1)
    assert.deepStrictEqual(pool.ofTag("Refuse"), [{ _tag: "Refuse", request, refusal: { _tag: "Late" } }])
    assert.strictEqual(request.state, "Refused")
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: true }])
    assert.strictEqual(pool.count("AbandonOpening"), 1)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
  })

  for (const fact of ["the peer may owe credit to the session", "a ping of the session lasts"] as const) {
    it(`may come later while ${fact}`, () => {
      const pool = new Pool()
      const stream = pool.borrowed()
      const { lane } = stream
      const owe = (owes: boolean) => {
        if (fact === "a ping of the session lasts") lane.session.pings.size = owes ? 1 : 0
        else lane.session.mayBeOwedCredit = owes
      }
      owe(true)
      pool.request()
      pool.pass(400)
      pool.machine.returned(stream, false, undefined)
      pool.machine.discard(stream, pool.now)
      // the credit of the stream comes first
      assert.strictEqual(lane.lateAt, Infinity)
      pool.machine.ended(stream, false, pool.now)
      assert.strictEqual(lane.lateAt, pool.now + 400)
      pool.pass(400)
      assert.strictEqual(pool.count("AbandonOpening"), 0)
      owe(false)
      pool.pass(399)
      assert.strictEqual(pool.count("AbandonOpening"), 0)
      pool.pass(1)
      assert.strictEqual(pool.count("AbandonOpening"), 1)
      assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: true }])
      assert.strictEqual(pool.count("GiveSessionBack"), 1)
    })
  }

  it("fails no request while the peer may owe credit to its session", () => {
    const pool = new Pool()
    const request = pool.request()
    const session = new Session()
    session.mayBeOwedCredit = true
    pool.session(session)
    pool.pass(400)
    assert.strictEqual(request.state, "Waiting")
    assert.strictEqual(pool.count("RetireSession"), 0)
    session.mayBeOwedCredit = false
    pool.pass(400)
    assert.strictEqual(pool.count("AbandonOpening"), 1)
    // another session is on its way
    assert.strictEqual(request.state, "Waiting")
  })

  it("delays no later request if none waited for it", () => {
    const pool = new Pool()
    const request = pool.request()
    pool.session()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.pass(400)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    pool.request()
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("counts as a refusal, even if no request waited for it", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    const request = pool.request()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.pass(400)
    pool.machine.openFailed(lane, true, "limit", pool.now)
    pool.request()
    const opened = pool.count("OpenStream")
    assert.isTrue(lane.isFull)
    pool.pass(10)
    assert.strictEqual(pool.count("OpenStream"), opened + 1)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("may be asked of its session anew, should that come again", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    pool.pass(400)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    pool.pass(10)
    pool.want(-1)
    pool.request()
    // it is retired, and in its last use
    pool.session(lane.session, lane)
    assert.deepStrictEqual(pool.ofTag("OpenStream").map(({ lane }) => lane), [lane, lane])
  })

  it("goes to the next request when it comes, and needs no item of its own", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    const request = pool.request()
    pool.pass(400)
    const stream = pool.opened(lane)
    assert.strictEqual(request.stream, stream)
    assert.strictEqual(pool.count("PrepareItem"), 0)
  })

  it("becomes a spare stream when it comes", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    const request = pool.request()
    pool.pass(400)
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    const stream = pool.opened(lane)
    assert.deepStrictEqual(pool.ofTag("PrepareItem"), [{ _tag: "PrepareItem", stream }])
  })
})
