import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { MessageBuffer } from "../../../src/internal/core/bytes/messageBuffer.js"

describe("a buffer of messages", () => {
  it("gives all messages once and in order, whatever their sizes", () => {
    const size = FastCheck.oneof(
      FastCheck.integer({ min: 0, max: 70 }),
      FastCheck.constantFrom(1_022, 1_023, 1_024, 1_025, 16_384, 20_000)
    )
    const step = FastCheck.oneof(size, FastCheck.constant("take" as const))
    FastCheck.assert(FastCheck.property(FastCheck.array(step, { maxLength: 200 }), (steps) => {
      const buffer = new MessageBuffer()
      const expected: Array<Uint8Array> = []
      for (const [i, step] of steps.entries()) {
        assert.strictEqual(buffer.isEmpty, expected.length === 0)
        if (step === "take") assert.deepEqual(buffer.take(), expected.shift())
        else {
          const message = new Uint8Array(step).fill(i)
          buffer.push(message)
          expected.push(message.slice())
        }
      }
      for (const message of expected) assert.deepEqual(buffer.take(), message)
      assert.isTrue(buffer.isEmpty)
      assert.isUndefined(buffer.take())
    }))
  })

  it("gives small messages in buffers of their own", () => {
    const buffer = new MessageBuffer()
    buffer.push(Uint8Array.of(1))
    buffer.push(Uint8Array.of(2))
    const [first, second] = [buffer.take()!, buffer.take()!]
    assert.strictEqual(first.buffer.byteLength, 1)
    assert.deepEqual([...first, ...second], [1, 2])
  })
})
