import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Layer from "#test/Layer"
import * as Metric from "#test/Metric"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as PoolStats from "effect-pools/PoolStats"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"
import { NodeInspectSymbol } from "effect/Inspectable"
import { failureOf } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const make = (options: TieredBufferPool.Options = {}) => TieredBufferPool.make({ sizes: [8, 16, 64], ...options })

describe("TieredBufferPool", () => {
  it.scoped("lends the smallest buffer that fits: the whole of it, and a view of the asked length", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      for (const [length, size] of [[0, 8], [1, 8], [8, 8], [9, 16], [16, 16], [17, 64], [64, 64]] as const) {
        yield* pool.use(length, (bytes, lease) =>
          Effect.sync(() => {
            assert.deepStrictEqual([bytes.length, lease.length, lease.buffer.length], [length, length, size])
          }))
        assert.strictEqual(yield* pool.useSync(length, (bytes) => bytes.length), length)
        assert.strictEqual((yield* Effect.scoped(pool.get(length))).length, length)
        const lease = pool.lease(length)
        assert.deepStrictEqual([lease.view().length, lease.buffer.length], [length, size])
        lease.release()
        const bytes = pool.unsafeAcquire(length)
        assert.strictEqual(bytes.length, size)
        assert.isTrue(pool.unsafeRelease(bytes))
      }
      const { all, tiers } = yield* pool.stats
      assert.deepStrictEqual(tiers.map(({ bufferSize, stats }) => [bufferSize, stats.created, stats.acquisitions]), [
        [8, 1, 15],
        [16, 1, 10],
        [64, 1, 10]
      ])
      assert.deepInclude(all, { acquisitions: 35, created: 3, inUse: 0, peak: 1 })
    }))

  it.scoped("gives a larger request a buffer of its own, which it counts and does not keep", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      assert.deepStrictEqual(
        yield* pool.useSync(65, (bytes, lease) => [bytes.length, lease.buffer.length, lease.view(3).length]),
        [65, 65, 3]
      )
      const bytes = pool.unsafeAcquire(1000)
      assert.strictEqual(bytes.length, 1000)
      assert.isTrue(pool.unsafeRelease(bytes))
      assert.isFalse(pool.unsafeRelease(bytes))
      const stats = yield* pool.stats
      assert.deepInclude(stats, { oversize: 2, misses: 2, bytes: 0, reuseRatio: 0, totalAcquisitions: 2 })
      assert.deepInclude(stats.all, { created: 2, size: 0, inUse: 0 })
      assert.strictEqual(stats.all.discarded.full, 2)
      assert.strictEqual(stats.all.refused.notOut, 1)
    }))

  it.scoped("replaces the memory of a buffer that is larger than every tier", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const lease = pool.lease(100)
      const memory = structuredClone(lease.buffer.buffer, { transfer: [lease.buffer.buffer] })
      assert.strictEqual(lease.replace(new Uint8Array(memory)).length, 100)
      assert.isTrue(lease.release())
      assert.deepInclude((yield* pool.stats).all, { inUse: 0, size: 0 })
    }))

  it.scoped("keeps no more bytes than maxBytes in all, and no more buffers of a size than told", () =>
    Effect.gen(function*() {
      const pool = yield* make({ maxBytes: 100, maxBuffersPerTier: 3 })
      const lent = [64, 64, 16, 16, 8, 8, 8, 8].map((length) => pool.unsafeAcquire(length))
      for (const bytes of lent) pool.unsafeRelease(bytes)
      const stats = yield* pool.stats
      assert.deepStrictEqual(stats.tiers.map(({ stats }) => stats.size), [0, 2, 1])
      assert.deepInclude(stats, { bytes: 96, maxBytes: 100 })
      assert.strictEqual(stats.all.discarded.full, 5)
      // borrowing makes room again
      pool.unsafeAcquire(64)
      const small = [1, 2, 3, 4].map(() => pool.unsafeAcquire(8))
      for (const bytes of small) pool.unsafeRelease(bytes)
      assert.deepStrictEqual((yield* pool.stats).tiers.map(({ stats }) => stats.size), [3, 2, 0])
      assert.strictEqual((yield* pool.stats).bytes, 56)
      assert.strictEqual(yield* pool.clear, 5)
      assert.strictEqual((yield* pool.stats).bytes, 0)
    }))

  it.scoped("zeroes what was shown, and drops what was transferred", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* pool.useSync(10, (bytes) => bytes.fill(7))
      yield* pool.useSync(10, (_, lease) => assert.isTrue(lease.buffer.every((byte) => byte === 0)))
      yield* pool.useSync(10, (bytes) => structuredClone(bytes.buffer, { transfer: [bytes.buffer] }))
      assert.strictEqual((yield* pool.stats).tiers[1]!.stats.discarded.unfit, 1)
      const never = yield* make({ zero: "never" })
      yield* never.useSync(10, (bytes) => bytes.fill(7))
      yield* never.useSync(10, (bytes) => assert.isTrue(bytes.every((byte) => byte === 7)))
    }))

  it.scoped("takes a buffer back on failure and interruption", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* Effect.exit(pool.use(10, () => Effect.fail("no")))
      yield* Effect.exit(pool.use(10, () => Effect.andThen(Effect.yieldNow(), Effect.interrupt)))
      yield* Effect.exit(pool.use(100, () => Effect.andThen(Effect.yieldNow(), Effect.interrupt)))
      assert.deepInclude((yield* pool.stats).all, { inUse: 0, size: 1, returned: 3 })
    }))

  it.scoped("takes the buffer of a discarded lease out of its figures, for every size", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      for (const length of [10, 100]) {
        const lease = pool.lease(length)
        assert.isTrue(lease.discard())
        assert.isFalse(lease.release())
        assert.isTrue(yield* pool.useSync(length, (_, lease) => lease.discard()))
      }
      const { all, bytes, oversize, tiers } = yield* pool.stats
      assert.deepInclude(all, { created: 4, inUse: 0, size: 0, returned: 4, peak: 1 })
      assert.deepInclude(all.discarded, { invalidated: 4, full: 0 })
      assert.strictEqual(tiers[1]!.stats.discarded.invalidated, 2)
      assert.deepStrictEqual([bytes, oversize, all.refused.stale], [0, 2, 2])
    }))

  it.scoped("drops idle buffers of every tier at their age", () =>
    Effect.gen(function*() {
      const pool = yield* make({ idleTimeToLive: "1 minute" })
      yield* pool.useSync(8, () => undefined)
      yield* TestClock.adjust("30 seconds")
      yield* pool.useSync(64, () => undefined)
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual((yield* pool.stats).tiers.map(({ stats }) => stats.size), [0, 0, 1])
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* pool.size, 0)
      assert.strictEqual((yield* pool.stats).bytes, 0)
      yield* pool.useSync(8, () => undefined)
      assert.strictEqual(yield* pool.prune(0), 1)
    }))

  it.scoped("knows what is foreign and what is not out", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const bytes = pool.unsafeAcquire(20)
      assert.isFalse(pool.unsafeRelease(new Uint8Array(64)))
      assert.isFalse(pool.unsafeRelease(bytes.subarray(1)))
      assert.isTrue(pool.unsafeRelease(bytes))
      assert.isFalse(pool.unsafeRelease(bytes))
      const { all, tiers } = yield* pool.stats
      assert.deepInclude(all.refused, { foreign: 2, notOut: 1 })
      assert.strictEqual(tiers[2]!.stats.refused.notOut, 1)
    }))

  it.scoped("keeps nothing once it is closed, and still lends", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const pool = yield* Scope.extend(make(), scope)
      const bytes = pool.unsafeAcquire(8)
      yield* pool.useSync(8, () => undefined)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(pool.unsafeRelease(bytes))
      yield* pool.useSync(64, () => undefined)
      const { all, bytes: kept } = yield* pool.stats
      assert.deepInclude(all, { size: 0, inUse: 0 })
      assert.strictEqual(all.discarded.closed, 3)
      assert.strictEqual(kept, 0)
    }))

  it.scoped("refuses a length that is none", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      for (const length of [-1, 1.5, NaN, Infinity]) {
        assert.throws(() => pool.unsafeAcquire(length), RangeError)
        assert.include(
          failureOf(yield* Effect.exit(pool.useSync(length, () => 1))),
          "length must be a whole number of bytes"
        )
      }
      assert.deepInclude((yield* pool.stats).all, { inUse: 0, acquisitions: 0 })
    }))

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function*() {
      const refused = (options: TieredBufferPool.Options, message: string) =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(Effect.scoped(make(options)))
          assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
          assert.include(failureOf(exit), message)
        })
      yield* refused({ sizes: [] }, "sizes must be one size or more")
      yield* refused({ sizes: [16, 8] }, "sizes[1] must be larger than the one before it (16), but was 8")
      yield* refused({ sizes: [8, 8] }, "sizes[1] must be larger than the one before it (8), but was 8")
      yield* refused({ sizes: [0] }, "sizes[0] must be a whole number of bytes from 1")
      yield* refused({ sizes: [8, NaN] }, "sizes[1] must be a whole number of bytes from 1")
      yield* refused({ maxBytes: 63 }, "maxBytes must be at least the largest of sizes (64), but was 63")
      yield* refused({ maxBuffersPerTier: -1 }, "maxBuffersPerTier must be a whole number of 0 or more, but was -1")
      yield* refused({ zero: "no" as never }, "zero must be")
      yield* refused({ idleTimeToLive: NaN }, "idleTimeToLive must be a duration")
    }))

  it.scoped("is not changed by what its maker does to the sizes afterwards", () =>
    Effect.gen(function*() {
      const sizes = [8, 16]
      const pool = yield* make({ sizes })
      sizes[0] = 1
      assert.strictEqual(pool.unsafeAcquire(4).length, 8)
    }))

  it.scoped("shows the figures of each tier, of all, and as metrics with the tag tier", () =>
    Effect.gen(function*() {
      const pool = yield* make({ name: "metric tiers" })
      yield* pool.useSync(10, () => undefined)
      yield* pool.useSync(10, () => undefined)
      yield* pool.useSync(100, () => undefined)
      const stats = yield* pool.stats
      const json = JSON.parse(String(stats))
      assert.deepInclude(json, { _id: "TieredBufferPoolStats", pool: "metric tiers", oversize: 1, bytes: 16 })
      assert.deepInclude(json.all, { misses: 2, reuseRatio: 1 / 3, totalAcquisitions: 3 })
      assert.deepInclude(stats, { misses: 2, reuseRatio: 1 / 3, totalAcquisitions: 3 })
      assert.deepInclude(stats.tiers[1]!.stats, { acquisitions: 2, reused: 1, reuses: 1, misses: 1, reuseRatio: 0.5 })
      // in a log, only the useful figures
      assert.deepStrictEqual(json.tiers, [{ bufferSize: 16, size: 1, inUse: 0, acquisitions: 2, reuseRatio: 0.5 }])
      assert.isBelow(JSON.stringify(stats, null, 2).split("\n").length, 50)
      assert.strictEqual(stats[NodeInspectSymbol](), PoolStats.pretty(stats))
      assert.include(JSON.stringify(pool), `"sizes":[8,16,64]`)
      const acquisitions = (tier: string) =>
        Metric.value(PoolMetrics.acquisitions.pipe(Metric.tagged("pool", "metric tiers"), Metric.tagged("tier", tier)))
      assert.strictEqual((yield* acquisitions("16")).count, 2)
      assert.strictEqual((yield* acquisitions("oversize")).count, 1)
    }))

  class Frames extends TieredBufferPool.Tag("test/Frames")<Frames>() {}

  it.effect("has one tag by default, and as many as one declares", () =>
    Effect.gen(function*() {
      const frames = yield* Frames
      const buffers = yield* TieredBufferPool.TieredBufferPool
      assert.deepStrictEqual([frames.name, frames.sizes], ["test/Frames", [1500]])
      assert.deepStrictEqual(buffers.sizes, [256, 1024, 4096, 16384, 65536, 262144, 1048576])
    }).pipe(Effect.provide(Layer.merge(Frames.layer({ sizes: [1500] }), TieredBufferPool.layer()))))
})
