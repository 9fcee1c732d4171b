import { assert, describe, it } from "vitest"
import { SessionLane } from "../../../../src/internal/core/streams/sessionLane.js"
import { type Lane, Pool, type Pooled, Session } from "./support.js"

describe("borrowers that wait for bytes in vain", () => {
  const inVain = (pool: Pool, stream: Pooled): void => {
    const began = pool.machine.lent(stream)
    pool.machine.returned(stream, true, began)
  }

  it("cost the session its place when there were suspectAfter in a row", () => {
    const pool = new Pool({ suspectAfter: 3 })
    const { lane } = pool.borrowed()
    inVain(pool, pool.borrowed())
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    inVain(pool, pool.borrowed())
    assert.deepStrictEqual(pool.ofTag("WarnSuspect"), [{ _tag: "WarnSuspect", lane, unanswered: 3 }])
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 1)
  })

  it("do not count once bytes have come on any stream of the session", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    for (let i = 0; i < 5; i++) {
      inVain(pool, pool.borrowed())
      lane.session.bytesReceived++
    }
    assert.strictEqual(pool.count("WarnSuspect"), 0)
  })

  it("count once where they waited at the same time", () => {
    const pool = new Pool()
    const streams = [1, 2, 3].map(() => pool.borrowed())
    const borrows = streams.map((stream) => ({ stream, began: pool.machine.lent(stream) }))
    for (const { began, stream } of borrows) pool.machine.returned(stream, true, began)
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 1)
  })

  it("make the next stream come from another session", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    const [ended, suspect, other] = [1, 2, 3].map(() => pool.borrowed())
    assert.strictEqual(suspect!.lane, ended!.lane)
    pool.end(ended!)
    inVain(pool, suspect!)
    assert.strictEqual(pool.borrowed().lane, other!.lane)
    // no other has room
    assert.strictEqual(pool.borrowed().lane, suspect!.lane)
  })

  it("make it come from another session, even if that has more streams", () => {
    const pool = new Pool({ maxStreamsPerSession: 3 })
    const streams = Array.from({ length: 6 }, () => pool.borrowed())
    const [lane, suspect] = [streams[0]!.lane, streams[5]!.lane]
    inVain(pool, streams[5]!)
    for (const i of [0, 3, 4]) pool.end(streams[i]!)
    assert.deepStrictEqual([lane.streams.size, suspect.streams.size], [2, 1])
    assert.strictEqual(pool.borrowed().lane, lane)
  })

  it("count from the first of them: bytes from before are none", () => {
    const session = new Session()
    session.bytesReceived = 1
    assert.isFalse(new SessionLane(session).isSuspect)
  })

  it("cost the caller's session nothing", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane, suspectAfter: 1 })
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })
})
