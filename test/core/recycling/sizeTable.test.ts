import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { SizeTable } from "../../../src/internal/core/recycling/sizeTable.js"

describe("a table of sizes", () => {
  it("finds the smallest size that fits, for any sizes", () => {
    const size = FastCheck.oneof(
      FastCheck.integer({ min: 1, max: 70 }),
      FastCheck.integer({ min: 1, max: 0xffff_ffff }),
      FastCheck.nat({ max: 31 }).map((bits) => 2 ** bits)
    )
    const sizes = FastCheck.uniqueArray(size, { minLength: 1, maxLength: 12 })
    const property = FastCheck.property(sizes, FastCheck.array(size), (sizes, lengths) => {
      const ascending = sizes.toSorted((a, b) => a - b)
      const table = new SizeTable(ascending)
      return [0, ...lengths, ...sizes, ...sizes.map((size) => size - 1), ...sizes.map((size) => size + 1)]
        .every((length) => table.indexOf(length) === ascending.findIndex((size) => size >= length))
    })
    assert.isFalse(FastCheck.check(property, { numRuns: 1000 }).failed)
  })

  it("looks at one size if all are powers of two, at two at most if each is at least twice the one before", () => {
    for (const [smallest, most] of [[1, 1], [3, 2]] as const) {
      const sizes = Array.from({ length: 30 }, (_, i) => smallest * 2 ** i)
      let reads = 0
      const watched = new Proxy(sizes, {
        get: (target, key) => {
          reads++
          return Reflect.get(target, key)
        }
      })
      const table = new SizeTable(watched)
      for (const length of [0, ...sizes.flatMap((size) => [size - 1, size, size + 1])]) {
        reads = 0
        table.indexOf(length)
        assert.isAtMost(reads, most, `for ${length}`)
      }
    }
  })
})
