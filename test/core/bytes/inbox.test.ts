import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { encode } from "../../../src/internal/core/bytes/frameCodec.js"
import { Inbox } from "../../../src/internal/core/bytes/inbox.js"

const frameOf = (message: Uint8Array): Uint8Array => {
  const frame = encode(message, 1000, undefined)
  assert(frame._tag === "Frame")
  return frame.bytes
}

const filled = (chunk: Uint8Array): Inbox => {
  const inbox = new Inbox()
  inbox.put(chunk)
  return inbox
}

describe("an inbox", () => {
  it("gives all bytes once and in order, however many the readers ask for", () => {
    // each of these bytes is a length in its shortest form, so a message may begin anywhere
    const chunk = FastCheck.uint8Array({ max: 0x3f, minLength: 1, maxLength: 70 })
    const chunks = FastCheck.array(chunk, { maxLength: 10 })
    const step = FastCheck.oneof(
      FastCheck.constant("put" as const),
      FastCheck.constant("take" as const),
      FastCheck.constant("assemble" as const),
      FastCheck.integer({ min: 0, max: 40 })
    )
    FastCheck.assert(FastCheck.property(chunks, FastCheck.array(step, { maxLength: 60 }), (chunks, steps) => {
      const inbox = new Inbox()
      const sent = chunks.slice()
      const expected: Array<number> = []
      const got: Array<number> = []
      for (const step of steps) {
        if (step === "put") {
          if (!inbox.hasRoom) continue
          const chunk = sent.shift()
          if (chunk === undefined) continue
          inbox.put(chunk)
          expected.push(...chunk)
        } else if (step === "take") {
          if (inbox.hasBytes) got.push(...inbox.take())
        } else if (step === "assemble") {
          // bytes of an unfinished message go to the next reader of bytes
          if (inbox.assemble(100) === "Whole") got.push(...frameOf(inbox.takeMessage()))
        } else if (inbox.gather(step)) {
          const bytes = inbox.cut(step)
          assert.strictEqual(bytes.byteLength, step)
          got.push(...bytes)
        }
        assert.deepStrictEqual(got, expected.slice(0, got.length))
      }
      while (inbox.hasBytes) got.push(...inbox.take())
      assert.deepStrictEqual(got, expected)
      assert.isTrue(inbox.isEmpty)
    }))
  })

  it("takes in one message at a time, and leaves the next message to the next reader", () => {
    const inbox = filled(Uint8Array.of(1, 7, 2, 8))
    assert.strictEqual(inbox.assemble(10), "Whole")
    assert.isFalse(inbox.hasRoom)
    assert.deepStrictEqual(inbox.takeMessage(), Uint8Array.of(7))
    assert.isUndefined(inbox.assemble(10))
    assert.isTrue(inbox.hasRoom)
    assert.deepStrictEqual(inbox.truncated(), { _tag: "Truncated", size: 2, received: 1 })
    assert.isTrue(inbox.hasBytes)
    assert.deepStrictEqual([inbox.take(), inbox.take()], [Uint8Array.of(2), Uint8Array.of(8)])
  })

  it("refuses a message above the limit, and keeps its bytes", () => {
    const inbox = filled(Uint8Array.of(20, 1))
    assert.strictEqual(inbox.assemble(10), "Oversized")
    assert.deepStrictEqual(inbox.oversized(10), { _tag: "Oversized", operation: "read", size: 20, limit: 10 })
    assert.isTrue(inbox.gather(2))
    assert.deepStrictEqual(inbox.cut(2), Uint8Array.of(20, 1))
    assert.isUndefined(inbox.assemble(10))
    assert.isUndefined(inbox.truncated())
  })

  it("makes room for the next chunk while too few bytes are there", () => {
    const inbox = filled(Uint8Array.of(1, 2))
    assert.isFalse(inbox.gather(3))
    assert.isTrue(inbox.hasRoom)
    assert.strictEqual(inbox.keptSize, 2)
    assert.throws(() => inbox.cut(3), "Two concurrent reads on one stream")
    inbox.put(Uint8Array.of(3, 4))
    assert.isTrue(inbox.gather(3))
    assert.deepStrictEqual(inbox.cut(3), Uint8Array.of(1, 2, 3))
    assert.deepStrictEqual(inbox.take(), Uint8Array.of(4))
    assert.throws(() => inbox.take(), "Two concurrent reads on one stream")
  })

  it("is empty only if no bytes are left in any place", () => {
    const inbox = new Inbox()
    assert.isTrue(inbox.isEmpty)
    inbox.put(Uint8Array.of(2, 7))
    assert.isFalse(inbox.isEmpty)
    assert.isFalse(inbox.gather(3))
    assert.isFalse(inbox.isEmpty)
    assert.isUndefined(inbox.assemble(10))
    assert.isFalse(inbox.isEmpty)
    inbox.put(Uint8Array.of(8))
    assert.strictEqual(inbox.assemble(10), "Whole")
    assert.deepStrictEqual(inbox.takeMessage(), Uint8Array.of(7, 8))
    assert.isTrue(inbox.isEmpty)
    inbox.put(Uint8Array.of(9))
    assert.isFalse(inbox.isEmpty)
  })

  it("asks for no more while it has what the reader wants", () => {
    const inbox = filled(Uint8Array.of(1, 2))
    assert.isTrue(inbox.gather(2))
    assert.isFalse(inbox.hasRoom)
    assert.isFalse(inbox.gather(3))
    assert.isTrue(inbox.hasRoom)
    inbox.put(Uint8Array.of(3, 4))
    assert.isTrue(inbox.gather(3))
    assert.isFalse(inbox.hasRoom)
    assert.isTrue(inbox.gather(4))
    assert.deepStrictEqual(inbox.cut(4), Uint8Array.of(1, 2, 3, 4))
    assert.isTrue(inbox.hasRoom)
    assert.isTrue(inbox.isEmpty)
  })

  it("hands over a chunk as it came if the reader wants just its size", () => {
    const chunk = Uint8Array.of(1, 2)
    const inbox = filled(chunk)
    assert.strictEqual(inbox.cut(2), chunk)
    assert.isTrue(inbox.isEmpty)
  })

  it("leaves no chunk without bytes when a reader takes just those put aside", () => {
    const inbox = filled(Uint8Array.of(1, 2))
    assert.isFalse(inbox.gather(3))
    inbox.put(Uint8Array.of(3))
    assert.deepStrictEqual(inbox.cut(2), Uint8Array.of(1, 2))
    assert.deepStrictEqual(inbox.take(), Uint8Array.of(3))
  })

  it("takes messages from bytes that another reader put aside, and no byte of the next", () => {
    const inbox = filled(Uint8Array.of(1))
    assert.isFalse(inbox.gather(9))
    inbox.put(Uint8Array.of(7, 1))
    assert.isFalse(inbox.gather(9))
    inbox.put(Uint8Array.of(8, 2))
    assert.isFalse(inbox.gather(9))
    for (const message of [7, 8]) {
      assert.strictEqual(inbox.assemble(10), "Whole")
      assert.deepStrictEqual(inbox.takeMessage(), Uint8Array.of(message))
    }
    inbox.put(Uint8Array.of(9, 10))
    assert.strictEqual(inbox.assemble(10), "Whole")
    assert.deepStrictEqual(inbox.takeMessage(), Uint8Array.of(9, 10))
    assert.isTrue(inbox.isEmpty)
  })

  it("keeps bytes that were put aside behind a message", () => {
    const inbox = filled(Uint8Array.of(1, 7, 2))
    assert.isFalse(inbox.gather(9))
    inbox.put(Uint8Array.of(8, 9))
    assert.isFalse(inbox.gather(9))
    assert.strictEqual(inbox.assemble(10), "Whole")
    assert.deepStrictEqual(inbox.takeMessage(), Uint8Array.of(7))
    assert.strictEqual(inbox.keptSize, 3)
    assert.deepStrictEqual([inbox.take(), inbox.take()], [Uint8Array.of(2), Uint8Array.of(8, 9)])
  })

  it("has no message for a second reader", () => {
    const none = "Two concurrent reads on one stream"
    assert.throws(() => new Inbox().takeMessage(), none)
    const inbox = filled(Uint8Array.of(2, 7))
    assert.isUndefined(inbox.assemble(10))
    assert.throws(() => inbox.takeMessage(), none)
  })
})
