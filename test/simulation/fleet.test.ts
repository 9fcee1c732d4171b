/** Small fleets through every scenario of `npm run simulate`, which has ten thousand pools. */
import { assert, describe, it } from "vitest"
import { type Scenario, simulate, type Variant } from "../../benchmark/simulation/fleet.js"
import type { Outcome } from "../../benchmark/simulation/outcome.js"
import { policyOf } from "../../benchmark/simulation/policy.js"
import { defaults, scenarios, withoutJitter } from "../../benchmark/simulation/scenarios.js"

const pools = 200

const named = (name: string): Scenario => scenarios.find((scenario) => scenario.name === name)!

/** Each run once, whichever test comes first. */
const runs = new Map<string, Outcome>()

const run = (name: string, variant: Variant = defaults): Outcome => {
  const key = `${name}, ${variant.name}`
  const known = runs.get(key)
  if (known !== undefined) return known
  const outcome = simulate(named(name), variant, { pools, seed: 1 })
  runs.set(key, outcome)
  return outcome
}

describe("a fleet", () => {
  it("does the same for the same seed", () => {
    const once = (seed: number) => simulate(named("outage"), defaults, { pools: 30, seed })
    assert.deepStrictEqual(once(7), once(7))
    assert.notDeepEqual(once(7), once(8))
  })

  it.each(scenarios.flatMap((scenario) => scenario.variants.map((variant) => [scenario.name, variant] as const)))(
    "%s, $1.name: serves or fails every borrower by its deadline, and treats all pools alike",
    (name, variant) => {
      const { figures } = run(name, variant)
      const { acquireTimeout } = policyOf({ ...named(name).options, ...variant.options }, variant.address).pool
      assert.strictEqual(figures.lost, 0)
      assert.isAtMost(figures.longestWait, acquireTimeout / 1_000 + 0.001)
      assert.isAtLeast(figures.fairness, 0.9)
    }
  )
})
