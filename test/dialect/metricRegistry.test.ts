import { metricOf, observer, secondsKey } from "#effect/metricRegistry"
import { poolRuntime } from "#effect/poolRuntime"
import * as Effect from "#test/Effect"
import * as Metric from "#test/Metric"
import { assert, describe, it } from "../support/vitest.js"
import { expected, twoPools } from "./metricFigures.js"

describe("metrics", () => {
  it.effect("show the sum of the pools of the same tags, and keep the counts of those that closed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* twoPools(Effect.void), expected)
    }))

  it.effect("of times are written as they happen", () =>
    Effect.gen(function*() {
      const key = secondsKey("test_wait_time_seconds", "How long borrowers waited", [0.1, 1])
      const observe = observer(yield* poolRuntime, key, [["pool", "workers"]])
      observe(0.5)
      observe(2)
      const { count, sum } = yield* Metric.value(Metric.tagged(metricOf(key), "pool", "workers"))
      assert.deepStrictEqual({ count, sum }, { count: 2, sum: 2.5 })
    }))
})
