import { assert, describe, it } from "vitest"
import { Pool } from "./support.js"

describe("the end of a stream", () => {
  it("begins once, whatever comes later", () => {
    const pool = new Pool()
    const [stream, other] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.discard(stream!, pool.now)
    pool.machine.discard(stream!, pool.now)
    pool.machine.awaitWrites(stream!, pool.now)
    assert.strictEqual(pool.machine.written(stream!), "discard")
    pool.machine.ended(stream!, false, pool.now)
    pool.machine.discard(stream!, pool.now)
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    other!.lane.session.gone = "it closes"
    pool.machine.discard(other!, pool.now)
    pool.machine.discard(other!, pool.now)
    assert.deepStrictEqual(pool.ofTag("EndStream").map(({ stream }) => stream), [stream, other])
  })

  it("is nothing to worry about when it is confirmed", () => {
    const pool = new Pool()
    const kept = pool.borrowed()
    for (let i = 0; i < 20; i++) pool.end(pool.borrowed())
    assert.strictEqual(kept.lane.unconfirmed, 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })

  it("is a reset after an exchange that was cut short", () => {
    const pool = new Pool()
    for (const isSpoiled of [true, false]) {
      const stream = pool.borrowed()
      pool.machine.returned(stream, isSpoiled, undefined)
      pool.machine.discard(stream, pool.now)
    }
    assert.deepStrictEqual(pool.ofTag("EndStream").map(({ how }) => how), ["reset", "finish"])
  })

  it("is awaited for a second; after eight that were not confirmed the session is retired", () => {
    const pool = new Pool()
    const kept = pool.borrowed()
    const { lane } = kept
    const ends = (count: number) => {
      const streams = Array.from({ length: count }, () => pool.borrowed())
      for (const stream of streams) {
        pool.machine.returned(stream, false, undefined)
        pool.machine.discard(stream, pool.now)
      }
      assert.strictEqual(lane.ending, count)
      pool.pass(999)
      assert.strictEqual(lane.ending, count)
      pool.pass(1)
      assert.strictEqual(lane.ending, 0)
    }
    ends(7)
    assert.strictEqual(pool.count("RetireSession"), 0)
    ends(1)
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    assert.strictEqual(kept.state, "Open")
  })

  it("counts as not confirmed where the transport was silent", () => {
    const pool = new Pool()
    const streams = Array.from({ length: 9 }, () => pool.borrowed())
    const { lane } = streams[0]!
    streams.slice(1).forEach((stream, i) => {
      assert.strictEqual(pool.count("RetireSession"), 0)
      pool.machine.returned(stream, false, undefined)
      pool.machine.discard(stream, pool.now)
      pool.machine.ended(stream, true, pool.now)
      assert.strictEqual(lane.unconfirmed, i + 1)
    })
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("is awaited for as long as the platform takes the bytes of a finished stream", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    stream.stream.isSending = true
    pool.machine.returned(stream, false, undefined)
    pool.machine.discard(stream, pool.now)
    for (let i = 0; i < 3; i++) pool.pass(1_000)
    assert.strictEqual(lane.ending, 1)
    stream.stream.isSending = false
    pool.pass(1_000)
    assert.strictEqual(lane.ending, 0)
    assert.strictEqual(lane.unconfirmed, 1)
  })

  it("of a reset is awaited while a write is under way and the session takes bytes", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    stream.stream.isWriting = true
    pool.machine.returned(stream, true, undefined)
    pool.machine.discard(stream, pool.now)
    for (let i = 0; i < 3; i++) {
      lane.session.taken++
      pool.pass(1_000)
    }
    assert.strictEqual(lane.ending, 1)
    pool.pass(1_000)
    assert.strictEqual(lane.ending, 0)
    assert.strictEqual(lane.unconfirmed, 1)
  })

  it("confirmed late, or twice, counts once", () => {
    const pool = new Pool()
    const [kept, stream] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.discard(stream!, pool.now)
    pool.pass(1_000)
    pool.machine.ended(stream!, false, pool.now)
    pool.machine.ended(stream!, false, pool.now)
    assert.strictEqual(stream!.lane.ending, 0)
    assert.strictEqual(kept!.state, "Open")
  })
})

describe("a stream that comes back before its writes are complete", () => {
  it("is kept when they are", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.pass(400)
    pool.machine.returned(stream, false, undefined)
    pool.machine.awaitWrites(stream, pool.now)
    assert.strictEqual(pool.ofTag("WakeAt").at(-1)!.at, pool.now + 1_000)
    assert.strictEqual(pool.machine.written(stream), "keep")
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
  })

  it("is discarded when they fail, or take more than a second", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    stream.stream.areWritesSettled = false
    pool.machine.awaitWrites(stream, pool.now)
    pool.pass(999)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    pool.pass(1)
    assert.deepStrictEqual(pool.ofTag("StopAwaitingWrites"), [{ _tag: "StopAwaitingWrites", stream }])
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 1)
    assert.strictEqual(pool.machine.written(stream), "discard")
  })

  it("may end before they are", () => {
    const pool = new Pool()
    const [stream, other] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.awaitWrites(stream!, pool.now)
    pool.machine.discard(stream!, pool.now)
    assert.strictEqual(pool.machine.written(stream!), "discard")
    pool.machine.discard(stream!, pool.now)
    assert.strictEqual(pool.count("EndStream"), 1)
    pool.machine.ended(stream!, false, pool.now)
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    assert.strictEqual(other!.lane.unconfirmed, 0)
  })
})
