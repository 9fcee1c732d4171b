/** Pools' metrics as Effect shows them to Prometheus. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Metric from "#test/Metric"
import * as ObjectPool from "effect-pools/ObjectPool"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as keys from "../../../src/internal/observe/poolMetrics.js"
import { settle } from "../../support/pool.js"
import { promtool } from "../../support/promtool.js"
import { ask, inMemory } from "../../support/requestPools.js"
import { assert, it } from "../../support/vitest.js"

it.scoped("every metric of the library is shown, as Prometheus wants it", () =>
  Effect.gen(function*() {
    const items = yield* ResourcePool.make({
      name: "items",
      acquire: Effect.succeed("item"),
      maxSize: 1,
      histograms: true
    })
    const objects = yield* ObjectPool.make({ name: "objects", factory: () => ({}) })
    const first = yield* items.acquire
    const second = yield* Effect.fork(items.use(() => objects.use(() => Effect.void)))
    yield* settle
    yield* first.release()
    yield* Fiber.join(second)
    const { pool } = yield* inMemory()
    yield* ask(pool, "hello")
    const transport = yield* Layer.build(TestWebTransport.layer())
    const endpoints = [{ url: "https://one.example.com/" }]
    const sessions = yield* Effect.provide(SessionPool.make({ endpoints, permit: Effect.void }), transport)
    yield* sessions.use(() => Effect.void)
    const text = yield* PrometheusMetrics.format()
    assert.deepStrictEqual(Metric.namesIn(keys).filter((name) => !text.includes(`# TYPE ${name} `)), [])
    assert.match(text, /effect_pools_acquisitions_total\{.*pool="items".*\} 2\n/)
    assert.match(text, /effect_pools_use_time_seconds_bucket\{.*le="\+Inf".*\} 2\n/)
    const { status, stderr, stdout } = promtool(text, "check", "metrics")
    assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "" })
  }))
