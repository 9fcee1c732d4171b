import * as Effect from "#test/Effect"
import * as KeyedPool from "effect-pools/KeyedPool"
import * as ObjectPool from "effect-pools/ObjectPool"
import * as PoolStats from "effect-pools/PoolStats"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"
import { makeSource } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

describe("PoolStats.pretty", () => {
  it.scoped("is a table of waiting pools, a line to each", () =>
    Effect.gen(function*() {
      const sessions = yield* ResourcePool.make({ name: "sessions", acquire: makeSource().acquire, maxSize: 4 })
      const rooms = yield* ResourcePool.make({ name: "r", acquire: makeSource().acquire, maxSize: 1000 })
      yield* Effect.replicateEffect(sessions.useSync(() => 0), 1234, { discard: true })
      yield* Effect.all([sessions.get, sessions.get])
      assert.strictEqual(
        PoolStats.pretty(yield* sessions.stats, yield* rooms.stats),
        [
          "pool      size  idle  in use  creating  waiters   max  peak  acquisitions  reused  timeouts  rejections  failures  lost",
          "sessions     2     0       2         0        0     4     2          1236   99.8%         0           0         0     0",
          "r            0     0       0         0        0  1000     0             0    0.0%         0           0         0     0"
        ].join("\n")
      )
    }))

  it.scoped("is a table of recycling pools, with a line to each tier", () =>
    Effect.gen(function*() {
      const boxes = yield* ObjectPool.make({ name: "boxes", factory: () => ({}), maxSize: 1 })
      const buffers = yield* TieredBufferPool.make({ name: "buffers", sizes: [256, 65_536] })
      yield* Effect.scoped(Effect.all([boxes.get, boxes.get]))
      yield* boxes.get
      yield* Effect.replicateEffect(buffers.use(100, () => Effect.void), 3, { discard: true })
      assert.strictEqual(
        PoolStats.pretty(yield* boxes.stats, yield* buffers.stats),
        [
          "pool       idle  in use  max  peak  acquisitions  reused  discarded  refused  failures",
          "boxes         0       1    1     2             3   33.3%          1        0         0",
          "buffers       1       0  128     1             3   66.7%          0        0         0",
          "  256 B       1       0   64     1             3   66.7%          0        0         0",
          "  65536 B     0       0   64     0             0    0.0%          0        0         0"
        ].join("\n")
      )
      yield* buffers.use(70_000, () => Effect.void)
      assert.match(PoolStats.pretty(yield* buffers.stats).split("\n").at(-1)!, /^ {2}larger +1$/)
    }))

  it("is a table of request pools, a line to each", () => {
    const stats = new PoolStats.RequestPoolStats({
      pool: "requests",
      streams: 2,
      opening: 0,
      max: 4,
      inFlight: 70,
      forgotten: 1,
      exclusive: 3,
      waiters: 5,
      requests: 1_003,
      answered: 891,
      sent: 1_000,
      batches: 80,
      largestBatch: 64,
      lateAnswers: 6,
      timeouts: 7,
      rejections: 8,
      abandoned: 9,
      failures: 10,
      peak: 128
    })
    assert.strictEqual(
      PoolStats.pretty(stats),
      [
        "pool      streams  max  in flight  alone  waiters  peak  requests  batches  mean  late  timeouts  rejections  failures",
        "requests        2    4         70      3        5   128      1003       80  12.5     6         7           8        10"
      ].join("\n")
    )
    assert.deepInclude(stats.toJSON(), { _id: "RequestPoolStats", sent: 1_000, meanBatch: 12.5 })
  })

  it.scoped("keeps the two kinds apart, and has nothing to say of none", () =>
    Effect.gen(function*() {
      const boxes = yield* ObjectPool.make({ name: "boxes", factory: () => ({}) })
      const rooms = yield* ResourcePool.make({ name: "rooms", acquire: makeSource().acquire })
      const titles = PoolStats.pretty(yield* boxes.stats, yield* rooms.stats).split("\n").map((line) =>
        line.split("  ", 1)[0]
      )
      assert.deepStrictEqual(titles, ["pool", "rooms", "", "pool", "boxes"])
      assert.strictEqual(PoolStats.pretty(), "")
    }))

  it.scoped("takes an array for its members, and a KeyedPool for all its keys together", () =>
    Effect.gen(function*() {
      const boxes = yield* ObjectPool.make({ name: "boxes", factory: () => ({}) })
      const tenants = yield* KeyedPool.make({ name: "tenants", acquire: () => makeSource().acquire })
      yield* Effect.all([tenants.get("secret a"), tenants.get("secret b")])
      const stats = [yield* boxes.stats, yield* tenants.stats] as const
      const { all } = stats[1]
      assert.strictEqual(PoolStats.pretty(stats), PoolStats.pretty(...stats))
      assert.strictEqual(PoolStats.pretty(stats, []), PoolStats.pretty(all, stats[0]))
      assert.match(PoolStats.pretty(stats), /^tenants +2 +0 +2 /m)
    }))
})
