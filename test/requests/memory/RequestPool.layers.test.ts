/** The pool as a layer and from a config, and its figures. */
import * as ConfigProvider from "#test/ConfigProvider"
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Metric from "#test/Metric"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as Config from "effect/Config"
import { failureOf } from "../../support/pool.js"
import { ask, inMemory } from "../../support/requestPools.js"
import { quiet } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

const sessions = SessionPool.layer({ url: "https://test/" }).pipe(
  Layer.provide(TestWebTransport.layer({ onStream: TestWebTransport.serve(Effect.succeed) }))
)

const withKeys = (keys: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(keys)), { pathDelim: "_" }))

const hello = Effect.flatMap(RequestPool.RequestPool, (pool) => Effect.zip(ask(pool, "hello"), pool.stats))

describe("RequestPool", () => {
  it.scoped("is a layer over the pool of sessions", () =>
    Effect.gen(function*() {
      const [answer, stats] = yield* Effect.provide(
        hello,
        RequestPool.layer({ name: "mine", shutdownGrace: 0 }).pipe(Layer.provide(sessions))
      )
      assert.strictEqual(answer, "hello")
      assert.deepInclude(stats, { pool: "mine", max: 4, sent: 1, batches: 1 })
    }))

  it.scoped("takes its options from a config, whose defaults are those of make", () =>
    Effect.gen(function*() {
      const config = yield* withKeys({})(RequestPool.config)
      assert.deepInclude(config, { name: "RequestPool", maxStreams: 4, maxInFlight: 64, correlate: true })
      assert.deepInclude(config, { maxBatch: 65_536, maxBuffered: 262_144, maxMessageSize: 1_048_576 })
      assert.deepInclude(config, { maxWaiters: 1_024, metrics: true })
      const layer = RequestPool.layerConfig(Config.nested(RequestPool.config, "REQUEST_POOL"), {}).pipe(
        Layer.provide(sessions)
      )
      const [, stats] = yield* Effect.provide(hello, layer).pipe(
        withKeys({ REQUEST_POOL_NAME: "configured", REQUEST_POOL_MAX_STREAMS: "2" })
      )
      assert.deepInclude(stats, { pool: "configured", max: 2 })
    }))

  it.effect("names the key of a value that makes no sense", () =>
    Effect.gen(function*() {
      const refused = [
        [{ MAX_STREAMS: "0" }, "MAX_STREAMS"],
        [{ MAX_BATCH: "1.5" }, "MAX_BATCH"],
        [{ CORRELATE: "perhaps" }, "CORRELATE"],
        [{ ACQUIRE_TIMEOUT: "-1 second" }, "ACQUIRE_TIMEOUT"]
      ] as const
      for (const [keys, key] of refused) {
        assert.include(failureOf(yield* Effect.exit(withKeys(keys)(RequestPool.config))), key)
      }
    }))

  it.scoped("shows its figures as metrics while it lives", () =>
    Effect.gen(function*() {
      const value = <A>(metric: Metric.Readable<A>) => Metric.value(Metric.tagged(metric, "pool", "shown"))
      const { pool, release } = yield* inMemory({ pool: { name: "shown", maxStreams: 1, maxInFlight: 2 } })
      yield* Effect.forEach(["a", "b"], (request) => ask(pool, request), { concurrency: 2 })
      const late = yield* Effect.fork(ask(pool, "hold a"))
      const held = yield* Effect.fork(ask(pool, "hold b"))
      const waiting = yield* Effect.fork(ask(pool, "c"))
      yield* quiet
      assert.strictEqual((yield* value(PoolMetrics.waiters)).value, 1)
      yield* Fiber.interrupt(late)
      yield* quiet
      const gauges = [PoolMetrics.streams, PoolMetrics.maxStreams, PoolMetrics.inFlight, PoolMetrics.forgotten]
      const figures = yield* Effect.forEach(gauges, value)
      assert.deepStrictEqual(figures.map((figure) => figure.value), [1, 1, 1, 1])
      const counters = [PoolMetrics.requests, PoolMetrics.batchedRequests, PoolMetrics.batches, PoolMetrics.abandoned]
      const counts = yield* Effect.forEach(counters, value)
      assert.deepStrictEqual(counts.map(({ count }) => count), [5, 5, 3, 1])
      yield* release("hold a")
      yield* quiet
      assert.strictEqual((yield* value(PoolMetrics.lateAnswers)).count, 1)
      assert.strictEqual(yield* Fiber.join(waiting), "c")
      yield* pool.close
      assert.strictEqual((yield* value(PoolMetrics.requestFailures)).count, 1)
      assert.strictEqual((yield* value(PoolMetrics.maxStreams)).value, 0)
      yield* Fiber.await(held)
    }))

  it.scoped("shows none with metrics: false, and nothing of its messages in logs", () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory({ pool: { name: "hidden", metrics: false } })
      yield* ask(pool, "secret")
      const { count } = yield* Metric.value(Metric.tagged(PoolMetrics.requests, "pool", "hidden"))
      assert.strictEqual(count, 0)
      const shown = JSON.stringify(pool)
      assert.include(shown, `"_id":"RequestPool","name":"hidden","state":"Open"`)
      assert.notInclude(shown, "secret")
    }))
})
