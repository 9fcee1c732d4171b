import { assert, describe, it } from "vitest"
import { Pool, type Pooled } from "./support.js"

describe("a spare stream", () => {
  /** A stream that came when its request had left. */
  const spare = (pool: Pool): Pooled => {
    const request = pool.request()
    const lane = pool.session()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    return pool.opened(lane)
  }

  it("is for the next request", () => {
    const pool = new Pool()
    const stream = spare(pool)
    const request = pool.request()
    assert.deepStrictEqual(pool.ofTag("Grant"), [{ _tag: "Grant", request, stream }])
    pool.machine.prepared(stream, false, pool.now)
    assert.strictEqual(pool.count("EndStream"), 0)
  })

  it("ends where the pool has no room for it", () => {
    const pool = new Pool()
    const stream = spare(pool)
    pool.machine.prepared(stream, true, pool.now)
    assert.strictEqual(pool.count("EndStream"), 0)
    pool.machine.prepared(stream, false, pool.now)
    pool.machine.prepared(stream, false, pool.now)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream, how: "finish" }])
  })

  it("is not granted when it is no longer clean, or its session leaves", () => {
    for (const fact of ["isInboxEmpty", "isRetired"] as const) {
      const pool = new Pool()
      const stream = spare(pool)
      if (fact === "isInboxEmpty") stream.stream.isInboxEmpty = false
      else stream.lane.session.isRetired = true
      pool.request()
      assert.strictEqual(pool.count("Grant"), 0, fact)
      assert.strictEqual(pool.count("EndStream"), 1, fact)
    }
  })

  it("is one that was granted to a creation which gave up, even twice", () => {
    const pool = new Pool()
    const request = pool.request()
    const stream = pool.opened(pool.session())
    assert.strictEqual(request.stream, stream)
    pool.machine.abandon(request, pool.now)
    const next = pool.request()
    assert.strictEqual(next.stream, stream)
    pool.machine.abandon(request, pool.now)
    assert.strictEqual(stream.state, "Open")
    assert.deepStrictEqual(pool.ofTag("Grant").map(({ request }) => request), [request, next])
  })
})
