/** Metrics if Effect's registry does not call the replaced method of a hook. */
import * as Effect from "#test/Effect"
import * as TestClock from "#test/TestClock"
import { globalMetricRegistry } from "effect/Metric"
import { areReadable } from "../../src/internal/effect3/metricRegistry.js"
import { expected, twoPools } from "../dialect/metricFigures.js"
import { assert, describe, it } from "../support/vitest.js"

const registry = Object.getPrototypeOf(globalMetricRegistry)
const get: (key: unknown) => object = registry.get
registry.get = function(key: unknown) {
  return Object.freeze(get.call(this, key))
}

describe("metrics that cannot be read from a pool", () => {
  it("are noticed", () => {
    assert.isFalse(areReadable())
  })

  it.effect("are written every 5 seconds, and when the pool closes", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* twoPools(TestClock.adjust("5 seconds")), expected)
    }))
})
