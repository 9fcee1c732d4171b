import * as Metric from "#test/Metric"
import { readFileSync } from "node:fs"
import { assert, it } from "vitest"
import * as keys from "../../../src/internal/observe/poolMetrics.js"

it("the guide names every metric and no other", () => {
  const guide = readFileSync(new URL("../../../docs/operating.md", import.meta.url), "utf8")
  const named = new Set(guide.match(/effect_pools_\w+/g))
  assert.isNotEmpty(named)
  assert.sameMembers([...named], Metric.namesIn(keys) as Array<string>)
})
