import * as FastCheck from "effect/FastCheck"
import { assert, it } from "vitest"
import { ExclusivePlaces } from "../../../src/internal/core/requests/exclusivePlaces.js"

const step = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("take" as const) }),
  FastCheck.record({ _tag: FastCheck.constant("leave" as const), which: FastCheck.nat(9) }),
  FastCheck.record({ _tag: FastCheck.constant("limit" as const), limit: FastCheck.integer({ min: -1, max: 4 }) })
)

it("places are given in turn, as many as there are, and always one", () => {
  FastCheck.assert(FastCheck.property(FastCheck.array(step, { maxLength: 40 }), (steps) => {
    let limit = 2
    let calls = 0
    /** The live calls, the oldest first. */
    let placed: Array<number> = []
    let waiting: Array<number> = []
    const places = new ExclusivePlaces<number>(() => limit)
    for (const step of steps) {
      if (step._tag === "limit") limit = step.limit
      else if (step._tag === "take") {
        const call = calls++
        const hasPlace = waiting.length === 0 && placed.length < Math.max(1, limit)
        assert.strictEqual(places.take(call), hasPlace)
        ;(hasPlace ? placed : waiting).push(call)
      } else {
        const call = [...placed, ...waiting][step.which]
        if (call === undefined) continue
        placed = placed.filter((other) => other !== call)
        waiting = waiting.filter((other) => other !== call)
        const next = waiting.splice(0, Math.max(0, Math.max(1, limit) - placed.length))
        placed.push(...next)
        assert.deepStrictEqual(places.leave(call), next)
      }
      for (const call of placed) assert.isTrue(places.has(call))
      for (const call of waiting) assert.isFalse(places.has(call))
    }
  }))
})
