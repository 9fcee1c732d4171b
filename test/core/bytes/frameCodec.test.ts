import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { encode, MessageAssembler, splitId, withId } from "../../../src/internal/core/bytes/frameCodec.js"
import { concat, fromHex } from "../../support/bytes.js"

/** RFC 9000's integers, written a second time and as simply as possible. */
const integer = (n: number | bigint, size = n < 2 ** 6 ? 1 : n < 2 ** 14 ? 2 : n < 2 ** 30 ? 4 : 8): Uint8Array => {
  const all = new Uint8Array(8)
  new DataView(all.buffer).setBigUint64(0, BigInt(n))
  const some = all.slice(8 - size)
  some[0]! |= [1, 2, 4, 8].indexOf(size) << 6
  return some
}

const bounds = [0, 1, 2 ** 6, 2 ** 14, 2 ** 30, 2 ** 32, Number.MAX_SAFE_INTEGER].flatMap((n) => [n - 1, n, n + 1])
  .filter((n) => n >= 0 && Number.isSafeInteger(n))

const message = Uint8Array.of(7, 8, 9)

describe("a frame", () => {
  it("is the length of the message, in as few bytes as possible, and the message", () => {
    for (const size of [0, 1, 63, 64, 65, 16_383, 16_384, 16_385, 1_048_576]) {
      const message = Uint8Array.from({ length: size }, (_, i) => i)
      const frame = encode(message, size, undefined)
      assert(frame._tag === "Frame")
      assert.deepStrictEqual(frame.bytes, concat([integer(size), message]), `${size} bytes`)
    }
  })

  it("has its id, if any, at the beginning of the message", () => {
    for (const id of bounds) {
      const identified = concat([integer(id), message])
      assert.deepStrictEqual(withId(id, message), identified, `id ${id}`)
      const frame = encode(message, identified.length, id)
      assert(frame._tag === "Frame")
      assert.deepStrictEqual(frame.bytes, concat([integer(identified.length), identified]), `id ${id}`)
      assert.deepStrictEqual(encode(message, identified.length - 1, id), {
        _tag: "Oversized",
        operation: "write",
        size: identified.length,
        limit: identified.length - 1
      })
    }
  })

  it("takes no id that is not a whole number from 0 to 2^53 - 1", () => {
    for (const id of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      const text = `id must be a whole number from 0 to 9007199254740991, but was ${id}`
      assert.throws(() => withId(id, message), text)
      assert.throws(() => encode(message, 100, id), text)
    }
  })
})

describe("an identified message", () => {
  it("is split into its id and a view of the payload", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(FastCheck.maxSafeNat(), FastCheck.constantFrom(...bounds)), (id) => {
        for (const size of [1, 2, 4, 8]) {
          if (size < integer(id).length) continue
          const whole = concat([integer(id, size), message])
          const split = splitId(whole)
          assert(split._tag === "Identified")
          assert.strictEqual(split.id, id)
          assert.deepStrictEqual([...split.message], [...message])
          assert.strictEqual(split.message.buffer, whole.buffer)
        }
      })
    )
    assert.deepInclude(splitId(Uint8Array.of(5)), { _tag: "Identified", id: 5, message: new Uint8Array(0) })
  })

  it("reads the examples of RFC 9000", () => {
    for (const [hex, id] of [["9d7f3e7d", 494_878_333], ["7bbd", 15_293], ["4025", 37], ["25", 37]] as const) {
      assert.deepInclude(splitId(fromHex(hex)), { _tag: "Identified", id })
    }
  })

  it("says what is wrong with one that has no id", () => {
    const malformed = (bytes: Uint8Array) => {
      const split = splitId(bytes)
      assert(split._tag === "Malformed")
      assert.strictEqual(split.size, bytes.length)
      return split.detail
    }
    assert.include(malformed(new Uint8Array(0)), "empty")
    assert.include(malformed(Uint8Array.of(0x80, 0, 0)), "3 bytes, but its correlation id needs 4")
    assert.include(malformed(integer(2n ** 53n, 8)), "above 2^53 - 1")
    assert.include(malformed(fromHex("c2197c5eff14e88c")), "above 2^53 - 1")
  })
})

describe("a message that arrives in pieces", () => {
  it("is the same in whatever pieces it arrives", () => {
    const messages = FastCheck.array(
      FastCheck.record({
        size: FastCheck.oneof({ weight: 4, arbitrary: FastCheck.nat({ max: 80 }) }, {
          weight: 1,
          arbitrary: FastCheck.nat({ max: 20_000 })
        }),
        width: FastCheck.constantFrom(1, 2, 4, 8)
      }),
      { maxLength: 6 }
    )
    const pieces = FastCheck.array(FastCheck.oneof(FastCheck.nat({ max: 5 }), FastCheck.nat({ max: 9_000 })))
    FastCheck.assert(FastCheck.property(messages, pieces, (messages, pieces) => {
      const all = messages.map(({ size }, i) => Uint8Array.from({ length: size }, (_, at) => at + i))
      let rest: Uint8Array = concat(
        all.map((message, i) =>
          concat([integer(message.length, Math.max(messages[i]!.width, integer(message.length).length)), message])
        )
      )
      const assembler = new MessageAssembler()
      const got: Array<Uint8Array> = []
      for (let i = 0; rest.length > 0; i++) {
        const piece = rest.subarray(0, i < pieces.length ? pieces[i] : rest.length)
        const used = assembler.feed(piece, 20_000)
        assert.isTrue(assembler.isWhole || used === piece.length)
        assert.strictEqual(assembler.isDecided(20_000), assembler.isWhole)
        if (assembler.isWhole) {
          got.push(assembler.take())
          assert.isTrue(assembler.isEmpty)
        }
        rest = rest.subarray(used)
      }
      assert.deepStrictEqual(got, all)
    }))
  })

  it("gets no more memory than four times what arrived and 4096 bytes, and its length", () => {
    const announced = (length: number, ...sizes: ReadonlyArray<number>) => {
      const assembler = new MessageAssembler()
      assembler.feed(integer(length), length)
      assert.strictEqual(assembler.retained, 0)
      return sizes.map((size) => {
        assembler.feed(new Uint8Array(size), length)
        return assembler.retained
      })
    }
    assert.deepStrictEqual(announced(100, 1, 99), [100, 100])
    assert.deepStrictEqual(announced(1_000_000, 1, 4_095, 1, 20_000, 1), [4_100, 4_100, 4_100, 100_484, 100_484])
    assert.deepStrictEqual(announced(21_000, 4_096, 16_384, 1), [20_480, 20_480, 21_000])
    // no second buffer for 64 KiB with an id, of which a transport delivers less than 16 KiB at first
    assert.deepStrictEqual(announced(65_540, 16_370, 49_170), [65_540, 65_540])
  })

  it("above the limit takes no bytes beyond its length", () => {
    const assembler = new MessageAssembler()
    assert.strictEqual(assembler.feed(Uint8Array.of(0x40, 11, 1, 2), 10), 2)
    assert.isTrue(assembler.isOversized(10))
    assert.isTrue(assembler.isDecided(10))
    assert.isFalse(assembler.isOversized(11))
    assert.isFalse(assembler.isDecided(11))
    assert.strictEqual(assembler.retained, 0)
    assert.deepStrictEqual(assembler.oversized(10), { _tag: "Oversized", operation: "read", size: 11, limit: 10 })
  })

  it("may have more than 2^32 bytes, but not here", () => {
    for (const length of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
      const assembler = new MessageAssembler()
      assembler.feed(integer(length, 8), 100)
      assert.deepInclude(assembler.oversized(100), { size: length, limit: 100 })
    }
    const assembler = new MessageAssembler()
    assembler.feed(fromHex("ffffffffffffffff"), Number.MAX_SAFE_INTEGER)
    assert.isTrue(assembler.isOversized(Number.MAX_SAFE_INTEGER))
  })

  it("may claim a length above 2^53, which is rounded once", () => {
    for (const extra of [0xdd01n, 0x501n, 0xa101n, 0x1ffn, 0n]) {
      const length = 2n ** 61n + extra
      const assembler = new MessageAssembler()
      assembler.feed(integer(length, 8), 10)
      assert.strictEqual(assembler.oversized(10).size, Number(length))
    }
  })

  it("that is cut short tells how much was missing", () => {
    const assembler = new MessageAssembler()
    assert.isTrue(assembler.isEmpty)
    assembler.feed(Uint8Array.of(0x40), 100)
    assert.isFalse(assembler.isEmpty)
    assert.deepStrictEqual(assembler.truncated(), { _tag: "Truncated", size: undefined, received: 0 })
    assembler.feed(Uint8Array.of(70), 100)
    assert.deepStrictEqual(assembler.truncated(), { _tag: "Truncated", size: 70, received: 0 })
    assembler.feed(Uint8Array.of(1, 2), 100)
    assert.deepStrictEqual(assembler.truncated(), { _tag: "Truncated", size: 70, received: 2 })
    assert.isFalse(assembler.isWhole)
  })

  it("goes back to readers of bytes as it arrived", () => {
    const assembler = new MessageAssembler()
    assembler.feed(Uint8Array.of(0x40), 100)
    assert.deepStrictEqual(assembler.spill(), [Uint8Array.of(0x40)])
    assert.isTrue(assembler.isEmpty)
    assembler.feed(Uint8Array.of(0x40, 70, 1, 2), 100)
    assert.deepStrictEqual(assembler.spill().map((bytes) => [...bytes]), [[0x40, 70], [1, 2]])
    assembler.feed(Uint8Array.of(1, 9), 100)
    assert.deepStrictEqual(assembler.take(), Uint8Array.of(9))
  })

  it("has memory of its own, even without bytes, since its reader may transfer it", () => {
    const assembler = new MessageAssembler()
    const messages = [1, 2].map(() => {
      assembler.feed(Uint8Array.of(0), 100)
      return assembler.take()
    })
    assert.notStrictEqual(messages[0]!.buffer, messages[1]!.buffer)
  })
})
