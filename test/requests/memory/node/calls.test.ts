import * as Effect from "#test/Effect"
import { ManyCall } from "../../../../src/internal/requests/calls.js"
import { collectGarbage } from "../../../support/collectGarbage.js"
import { bytes } from "../../../support/streamPools.js"
import { assert, describe, it } from "../../../support/vitest.js"

const heap = Effect.promise(async () => {
  await new Promise<void>((resolve) => setTimeout(resolve, 0))
  collectGarbage()
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
})

describe("answers that wait for their consumer", () => {
  for (
    const [what, count, sizes] of [
      ["empty", 400_000, [0]],
      ["of one byte", 400_000, [1]],
      ["large and small by turns", 8_000, [1_024, 1]],
      ["of many sizes", 4_000, [0, 1, 63, 64, 1_023, 1_024, 5_000]],
      ["large", 200, [65_536]]
    ] as const
  ) {
    it.live(`take at most three times what maxBuffered counts: ${what}`, () =>
      Effect.gen(function*() {
        const call = new ManyCall(bytes("request"), () => false)
        const sizeOf = (i: number) => sizes[i % sizes.length]!
        const answer = (i: number) => new Uint8Array(sizeOf(i)).fill(i)
        const add = (from: number, to: number) => {
          for (let i = from; i < to; i++) {
            call.buffer(sizeOf(i))
            call.answered(answer(i))
          }
        }
        // code is made by the first ones
        add(0, 100)
        const [before, first] = [yield* heap, call.buffered]
        add(100, count)
        const after = yield* heap
        assert.isBelow((after - before) / (call.buffered - first), 3)
        for (let i = 0; i < count; i++) {
          const next = yield* call.nextAnswer
          if (i % 1_000 < 7) assert.deepStrictEqual(next, answer(i))
          else if (next.byteLength !== sizeOf(i)) assert.fail(`answer ${i} has ${next.byteLength} bytes`)
        }
        assert.strictEqual(call.buffered, 0)
      }), 600_000)
  }
})
