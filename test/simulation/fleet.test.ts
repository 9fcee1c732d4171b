/** Small fleets through the scenarios of `npm run simulate`, which has ten thousand pools. */
import { assert, describe, it } from "vitest"
import { simulate } from "../../benchmark/simulation/fleet.js"
import type { Figures } from "../../benchmark/simulation/outcome.js"
import { policyOf } from "../../benchmark/simulation/policy.js"
import type { Scenario, Variant } from "../../benchmark/simulation/scenario.js"
import { defaults, scenarios, withoutJitter } from "../../benchmark/simulation/scenarios.js"

const pools = 200
const sessions = 10 * pools

const named = (name: string): Scenario => scenarios.find((scenario) => scenario.name === name)!

const policyIn = ({ options }: Scenario, variant: Variant) =>
  policyOf({ ...options, ...variant.options }, variant.address).pool

/** Each run once, whichever test comes first. */
const runs = new Map<Variant, Map<string, Figures>>([[defaults, new Map()], [withoutJitter, new Map()]])

const figuresOf = (name: string, variant = defaults): Figures => {
  const known = runs.get(variant)!
  const figures = known.get(name) ?? simulate(named(name), variant, { pools, seed: 1 }).figures
  known.set(name, figures)
  return figures
}

describe("a fleet of pools", () => {
  it("does the same for the same seed, and something else for another one", () => {
    const run = (seed: number) => simulate(named("outage"), defaults, { pools: 20, seed })
    assert.deepStrictEqual(run(7), run(7))
    assert.notDeepEqual(run(7), run(8))
  })

  const cases = scenarios.flatMap((scenario) => scenario.variants.map((variant) => ({ scenario, variant })))
  it.each(cases)(
    "serves or fails every borrower by its deadline: $scenario.name, $variant.name",
    ({ scenario, variant }) => {
      const { figures } = simulate(scenario, variant, { pools: 10, seed: 2 })
      assert.strictEqual(figures.lost, 0)
      assert.isAtMost(figures.longestWait, policyIn(scenario, variant).acquireTimeout / 1_000 + 0.001)
    }
  )

  it.each(scenarios)("treats all pools alike: $name", ({ name }) => {
    assert.isAtLeast(figuresOf(name).fairness, 0.9)
  })
})

describe("an outage", () => {
  const { from, until } = named("outage")
  const { backoff, createConcurrency } = policyIn(named("outage"), defaults)
  /** Dials of the whole fleet in a tenth of a second, once the backoff is at its longest. */
  const late = pools / backoff.max * 100

  it("gets the first attempts of each pool, then one at a time after the backoff", () => {
    const growth = Math.ceil(Math.log(backoff.max / backoff.initial) / Math.log(backoff.factor))
    const atLongest = (until - from) * 1_000 / (backoff.max * (1 - backoff.jitter))
    assert.isAtMost(figuresOf("outage").dialsDuring, pools * (createConcurrency + growth + atLongest))
  })

  it("gets the attempts of all pools spread over the backoff, by its jitter", () => {
    assert.isAtMost(figuresOf("outage").peakDuring, 4 * late)
    // so that the bound above is about the jitter
    assert.isAbove(figuresOf("outage", withoutJitter).peakDuring, 8 * late)
  })

  it("is followed by no storm: the backend gets what it copes with, and no handshake is wasted", () => {
    const figures = figuresOf("outage")
    assert.isAtMost(figures.dialsAfter, 1.02 * sessions)
    assert.strictEqual(figures.wasted, 0)
  })

  it("is over for borrowers as soon as it is for the backend, and all sessions are back soon", () => {
    const { recovery, restored } = figuresOf("outage")
    assert.isAtMost(recovery!, 5)
    // the backend makes all sessions of the fleet in 25 s
    assert.isAtMost(restored!, 27)
  })
})

describe("a rolling deploy", () => {
  it("is noticed by next to no borrower", () => {
    const { recovery, served, wasted } = figuresOf("deploy")
    assert.isAtLeast(served, 0.999)
    assert.strictEqual(recovery, 0)
    assert.isAtMost(wasted, 0.01 * sessions)
  })
})

describe("half of the backend", () => {
  it("serves nearly all, and is asked for sessions that it does not have once in a backoff", () => {
    const scenario = named("half")
    const { dialsDuring, recovery, served } = figuresOf("half")
    assert.isAtLeast(served, 0.95)
    assert.isAtMost(recovery!, 5)
    const { backoff } = policyIn(scenario, defaults)
    const atLongest = (scenario.until - scenario.from) * 1_000 / (backoff.max * (1 - backoff.jitter))
    assert.isAtMost(dialsDuring, sessions / 2 + pools * (10 + atLongest))
  })
})

describe("ten times the load", () => {
  it("is over for borrowers soon after it is over for the backend", () => {
    assert.isAtMost(figuresOf("burst").recovery!, 10)
  })
})

describe("leaps of the wall clock", () => {
  it("fail no borrower, and only the pools that leapt ahead open other sessions", () => {
    const { dialsAfter, dialsDuring, served } = figuresOf("leaps")
    assert.strictEqual(served, 1)
    assert.isAtMost(dialsDuring + dialsAfter, 1.2 * sessions / 20)
  })
})
