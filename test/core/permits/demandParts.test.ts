/** How a process divides what others want of it among its pools. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { DemandParts } from "../../../src/internal/core/permits/demandParts.js"

/** Pools by name, with what each has, and what each was told. */
const dividing = (pools: Record<string, number>) => {
  const told: Record<string, number> = {}
  const parts = new DemandParts<string>(1_000, (pool, asked) => told[pool] = asked)
  for (const [pool, held] of Object.entries(pools)) {
    told[pool] = 0
    for (let i = 0; i < held; i++) parts.granted(pool)
  }
  return { parts, told }
}

describe("what others want of a process", () => {
  it("is divided among its pools, in proportion to what they have", () => {
    const { parts, told } = dividing({ a: 9, b: 3, c: 0 })
    parts.set(4, 0)
    assert.deepStrictEqual(told, { a: 3, b: 1, c: 0 })
    parts.set(8, 0)
    assert.deepStrictEqual(told, { a: 6, b: 2, c: 0 })
    parts.set(0, 0)
    assert.deepStrictEqual(told, { a: 0, b: 0, c: 0 })
  })

  it("is all that they have, if more is wanted", () => {
    const { parts, told } = dividing({ a: 2, b: 1 })
    parts.set(100, 0)
    assert.deepStrictEqual(told, { a: 2, b: 1 })
  })

  it("is reduced for the pool that gave, and for no other", () => {
    const { parts, told } = dividing({ a: 5, b: 5 })
    parts.set(4, 0)
    assert.deepStrictEqual(told, { a: 2, b: 2 })
    parts.gaveBack("b")
    parts.set(3, 0)
    assert.deepStrictEqual(told, { a: 2, b: 1 })
    parts.gaveBack("b")
    parts.set(2, 0)
    assert.deepStrictEqual(told, { a: 2, b: 0 })
  })

  it("goes from a pool that gives nothing to the others, and back when they have nothing either", () => {
    const { parts, told } = dividing({ a: 9, b: 2 })
    parts.set(3, 0)
    assert.deepStrictEqual(told, { a: 3, b: 0 })
    parts.set(3, 999)
    assert.deepStrictEqual(told, { a: 3, b: 0 })
    parts.set(3, 1_000)
    assert.deepStrictEqual(told, { a: 1, b: 2 })
    parts.gaveBack("b")
    parts.set(2, 1_100)
    parts.gaveBack("b")
    parts.set(1, 1_200)
    assert.deepStrictEqual(told, { a: 1, b: 0 })
    parts.set(1, 2_200)
    assert.deepStrictEqual(told, { a: 1, b: 0 })
  })

  it("is also what the other pools of the process want, of those that ask for none", () => {
    const { parts, told } = dividing({ a: 2, b: 1, c: 3 })
    parts.set(0, 0, ["a", "a"])
    assert.deepStrictEqual(told, { a: 0, b: 0, c: 2 })
    parts.set(1, 0, ["a", "c"])
    assert.deepStrictEqual(told, { a: 0, b: 1, c: 0 })
    parts.set(1, 0, ["a", "b", "c"])
    assert.deepStrictEqual(told, { a: 0, b: 0, c: 1 })
    parts.set(0, 0)
    assert.deepStrictEqual(told, { a: 0, b: 0, c: 0 })
  })

  it("is never more than wanted in all, nor more of a pool than it has; and all of it, as far as they have it", () => {
    const step = FastCheck.oneof(
      FastCheck.tuple(FastCheck.constant("take" as const), FastCheck.constantFrom("a", "b", "c")),
      FastCheck.tuple(FastCheck.constant("give" as const), FastCheck.constantFrom("a", "b", "c")),
      FastCheck.tuple(FastCheck.constant("want" as const), FastCheck.nat(8)),
      FastCheck.tuple(FastCheck.constant("pass" as const), FastCheck.constantFrom(1, 400, 1_000))
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { maxLength: 40 }), (steps) => {
        const { parts, told } = dividing({ a: 0, b: 0, c: 0 })
        const held: Record<string, number> = { a: 0, b: 0, c: 0 }
        let wanted = 0
        let now = 0
        for (const [what, which] of steps) {
          if (what === "take") {
            held[which]!++
            parts.granted(which)
          } else if (what === "give") {
            if (held[which] === 0) continue
            held[which]!--
            parts.gaveBack(which)
            wanted = Math.max(0, wanted - 1)
          } else if (what === "want") wanted = which
          else now += which
          parts.set(wanted, now)
          let sum = 0
          for (const pool of ["a", "b", "c"]) {
            assert.strictEqual(told[pool], parts.askedOf(pool))
            assert.isAtMost(told[pool]!, held[pool]!)
            sum += told[pool]!
          }
          assert.strictEqual(sum, Math.min(wanted, held["a"]! + held["b"]! + held["c"]!))
        }
      }),
      { numRuns: 500 }
    )
  })
})
