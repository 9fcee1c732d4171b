/** Many keys, and what they leave behind. */
import * as Effect from "#test/Effect"
import { fiberCount } from "#test/fibers"
import * as Metric from "#test/Metric"
import * as TestClock from "#test/TestClock"
import * as KeyedPool from "effect-pools/KeyedPool"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import { collectGarbage, left } from "../../support/collectGarbage.js"
import { settle } from "../../support/pool.js"
import { assert, describe, it } from "../../support/vitest.js"

describe("KeyedPool", () => {
  // 100,000 keys are in the benchmark; on the TestClock each sleep costs the more the more there were
  it.live("serves 10,000 keys through 1,000 places, and closes all items", () =>
    Effect.gen(function*() {
      const open = new Set<number>()
      const borrow = Effect.gen(function*() {
        const pool = yield* KeyedPool.make({
          acquire: (key: number) =>
            Effect.acquireRelease(
              Effect.sync(() => {
                open.add(key)
                return { key }
              }),
              () => Effect.sync(() => open.delete(key))
            ),
          maxTotal: 1_000,
          metrics: false
        })
        const served = yield* Effect.forEach(
          Array.from({ length: 10_000 }, (_, key) => key),
          (key) => pool.use(key, (item) => Effect.succeed(item.key)),
          { concurrency: 2_000 }
        )
        assert.deepStrictEqual(served.filter((key, i) => key !== i), [])
        assert.deepStrictEqual([(yield* pool.stats).keys, open.size], [10_000, 1_000])
      })
      yield* Effect.scoped(borrow)
      assert.strictEqual(open.size, 0)
    }), 600_000)

  it.live("costs at most 8 KB a key with an idle item", () =>
    Effect.gen(function*() {
      const pool = yield* KeyedPool.make({ acquire: (key: number) => Effect.succeed({ key }) })
      const fill = (from: number) =>
        Effect.forEach(
          Array.from({ length: 1_000 }, (_, i) => from + i),
          (key) => pool.use(key, () => Effect.void),
          { concurrency: 500, discard: true }
        )
      const heap = Effect.promise(async () => {
        // timers and what fibers hold
        await new Promise<void>((resolve) => setTimeout(resolve, 0))
        collectGarbage()
        collectGarbage()
        return process.memoryUsage().heapUsed
      })
      // code and shapes are made by the first keys
      yield* fill(0)
      const before = yield* heap
      yield* fill(1_000)
      const after = yield* heap
      assert.strictEqual((yield* pool.stats).all.idle, 2_000)
      assert.isBelow((after - before) / 1_000, 8_000)
    }).pipe(Effect.scoped))

  it.scoped("sleeps on two fibers, however many keys have something due, and closes each item in its time", () =>
    Effect.gen(function*() {
      const fibers = yield* fiberCount
      yield* fibers.within(Effect.gen(function*() {
        const pool = yield* KeyedPool.make({
          acquire: (key: number) => Effect.succeed({ key }),
          idleTimeToLive: "10 seconds",
          keyTimeToLive: "1 hour"
        })
        const borrow = (key: number) => pool.use(key, () => Effect.void)
        for (let second = 0; second < 5; second++) {
          yield* Effect.forEach([0, 1, 2, 3].map((i) => 4 * second + i), borrow, { discard: true })
          yield* TestClock.adjust("1 second")
        }
        yield* settle
        // one for the items of all keys, one for the keys
        assert.strictEqual(yield* fibers.running, 2)
        const left: Array<number> = []
        for (let second = 0; second < 6; second++) {
          yield* TestClock.adjust("1 second")
          yield* settle
          left.push((yield* pool.stats).all.idle)
        }
        assert.deepStrictEqual(left, [20, 20, 20, 20, 16, 12])
      }))
    }))

  it.scoped("keeps nothing of a key that has gone: no key, no item, no figure of its own", () =>
    Effect.gen(function*() {
      const refs: Array<WeakRef<object>> = []
      const remember = <A extends object>(value: A): A => {
        refs.push(new WeakRef(value))
        return value
      }
      const pool = yield* KeyedPool.make({
        acquire: (_key: object) => Effect.sync(() => remember({})),
        name: "leftovers",
        maxTotal: 2,
        minSize: 1
      })
      yield* Effect.forEach(
        Array.from({ length: 50 }, () => remember({})),
        (key) => pool.use(key, () => Effect.void),
        { concurrency: 10, discard: true }
      )
      yield* TestClock.adjust("61 seconds")
      yield* settle
      assert.strictEqual((yield* pool.stats).keys, 0)
      assert.isAtMost(yield* left(refs), 5)
      // one metric for all keys, which counts on
      const size = Metric.tagged(PoolMetrics.size, "pool", "leftovers")
      const acquisitions = Metric.tagged(PoolMetrics.acquisitions, "pool", "leftovers")
      assert.strictEqual((yield* Metric.value(size)).value, 0)
      assert.strictEqual((yield* Metric.value(acquisitions)).count, 50)
    }))
})
