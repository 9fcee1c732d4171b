import { assert, it } from "vitest"
import { areReadable } from "../../src/internal/effect3/metricRegistry.js"

it("metrics can be read from a pool with this version of Effect", () => {
  assert.isTrue(areReadable())
})
