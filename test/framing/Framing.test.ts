import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { hops } from "#test/fibers"
import * as Framing from "effect-pools/Framing"
import { FramingError, isFramingError } from "effect-pools/FramingError"
import * as WebTransport from "effect-pools/WebTransport"
import { isWebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FastCheck from "fast-check"
import { concat, fromHex, isSame } from "../support/bytes.js"
import { live } from "../support/implementation.js"
import { isClean } from "../support/isClean.js"
import { pattern } from "../support/pattern.js"
import { soon } from "../support/soon.js"
import { arrived, silentSession, type StreamInMemory, streamInMemory } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { describe, expect, it, layer } from "../support/vitest.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const failure = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

const defect = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.dieOption),
    () => new Error(`no defect: ${String(exit)}`)
  )

// -----------------------------------------------------------------------------
// The frames with RFC 9000's integers, written a second time and as simply as possible
// -----------------------------------------------------------------------------

type Width = 1 | 2 | 4 | 8

const varint = (n: number | bigint, width: Width): Uint8Array => {
  const all = new Uint8Array(8)
  new DataView(all.buffer).setBigUint64(0, BigInt(n))
  const some = all.slice(8 - width)
  some[0]! |= [1, 2, 4, 8].indexOf(width) << 6
  return some
}

const shortest = (n: number): Width => n < 2 ** 6 ? 1 : n < 2 ** 14 ? 2 : n < 2 ** 30 ? 4 : 8

const frame = (message: Uint8Array, width: Width = shortest(message.length)) =>
  concat([varint(message.length, width), message])

interface Outcome {
  readonly messages: ReadonlyArray<Uint8Array>
  readonly error: { readonly reason: string; readonly size: number | undefined } | undefined
}

const readAll = (stream: Uint8Array, max: number): Outcome => {
  const messages: Array<Uint8Array> = []
  for (let at = 0; at < stream.length;) {
    const width = 2 ** (stream[at]! >> 6)
    if (at + width > stream.length) return { messages, error: { reason: "Truncated", size: undefined } }
    let size = BigInt(stream[at]! & 0x3f)
    for (let i = 1; i < width; i++) size = 256n * size + BigInt(stream[at + i]!)
    if (size > BigInt(max)) return { messages, error: { reason: "Oversized", size: Number(size) } }
    at += width
    if (at + Number(size) > stream.length) return { messages, error: { reason: "Truncated", size: Number(size) } }
    messages.push(stream.slice(at, at + Number(size)))
    at += Number(size)
  }
  return { messages, error: undefined }
}

const errorOf = (error: unknown): Outcome["error"] => {
  if (!isFramingError(error)) throw error
  return { reason: error.reason, size: error.size }
}

const cut = (stream: Uint8Array, pieces: ReadonlyArray<number>): Array<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  let at = 0
  for (let i = 0; at < stream.length; i++) {
    const size = pieces[i] ?? stream.length - at
    chunks.push(stream.slice(at, at + size))
    at += size
  }
  return chunks
}

const pieces = FastCheck.array(FastCheck.integer({ min: 0, max: 40 }), { maxLength: 60 })

const framed = FastCheck.array(
  FastCheck.record({
    message: FastCheck.oneof(
      { weight: 5, arbitrary: FastCheck.uint8Array({ maxLength: 30 }) },
      { weight: 1, arbitrary: FastCheck.integer({ min: 0, max: 20_000 }).map((size) => pattern(0, size)) }
    ),
    width: FastCheck.constantFrom<Array<Width>>(1, 2, 4, 8)
  }),
  { maxLength: 12 }
).map((all) =>
  concat(all.map(({ message, width }) => frame(message, Math.max(width, shortest(message.length)) as Width)))
)

/** Whole frames, or arbitrary bytes. */
const anything = FastCheck.oneof(
  framed,
  FastCheck.uint8Array({ maxLength: 60 }),
  FastCheck.array(FastCheck.oneof(FastCheck.integer({ min: 0, max: 5 }), FastCheck.nat({ max: 255 })), {
    maxLength: 60
  }).map((all) => Uint8Array.from(all))
)

const arrival = FastCheck.record({
  stream: anything,
  pieces,
  max: FastCheck.oneof(FastCheck.integer({ min: 1, max: 40 }), FastCheck.constant(100_000))
})

describe("encode", () => {
  it("writes the shortest length there is, then the message", () => {
    for (const size of [0, 1, 63, 64, 16_383, 16_384, 1_048_576]) {
      const message = pattern(0, size)
      expect(isSame(Either.getOrThrow(Framing.encode(message)), frame(message))).toBe(true)
    }
  })

  it("refuses what is above the limit, and says by how much", () => {
    expect(Either.isRight(Framing.encode(new Uint8Array(4), { maxMessageSize: 4 }))).toBe(true)
    const error = Either.getOrThrow(Either.flip(Framing.encode(new Uint8Array(5), { maxMessageSize: 4 })))
    expect(error).toMatchObject({ _tag: "FramingError", reason: "Oversized", operation: "write", size: 5, limit: 4 })
    expect(error.message).toContain("maxMessageSize")
    expect(Either.isLeft(Framing.encode(new Uint8Array(1_048_577)))).toBe(true)
    expect(Either.isLeft(Framing.encode(new Uint8Array(4), { maxMessageSize: 4, id: 0 }))).toBe(true)
  })

  it("takes a view for what it shows, and leaves it alone", () => {
    const view = bytes("abcdef").subarray(1, 4)
    const encoded = Either.getOrThrow(Framing.encode(view))
    expect(encoded).toEqual(frame(bytes("bcd")))
    encoded.fill(0)
    expect(text(view)).toBe("bcd")
  })

  it("refuses a limit and an id that are none", () => {
    for (const maxMessageSize of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 32]) {
      const message = `maxMessageSize must be a whole number of bytes from 1 to 4294967295, but was ${maxMessageSize}`
      expect(() => Framing.encode(new Uint8Array(0), { maxMessageSize })).toThrow(message)
      expect(() => Framing.makeDecoder({ maxMessageSize })).toThrow(message)
    }
    for (const id of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => Framing.withId(id, new Uint8Array(0))).toThrow(`but was ${id}`)
      expect(() => Framing.encode(new Uint8Array(0), { id })).toThrow(`but was ${id}`)
    }
  })
})

describe("correlation ids", () => {
  const id = FastCheck.oneof(
    FastCheck.maxSafeNat(),
    FastCheck.constantFrom(0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32, Number.MAX_SAFE_INTEGER)
  )

  it("come back with their message, and are written as the standard says", () => {
    FastCheck.assert(FastCheck.property(id, FastCheck.uint8Array(), (id, message) => {
      const payload = Framing.withId(id, message)
      expect(payload).toEqual(concat([varint(id, shortest(id)), message]))
      expect(Either.getOrThrow(Framing.splitId(payload))).toEqual({ id, message })
      expect(Either.getOrThrow(Framing.encode(message, { id }))).toEqual(frame(payload))
    }))
  })

  it("are read in any length: the standard's own examples", () => {
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["9d7f3e7d", 494_878_333],
      ["7bbd", 15_293],
      ["25", 37],
      ["4025", 37],
      ["c000000000000025", 37]
    ]
    for (const [hex, id] of cases) {
      expect(Either.getOrThrow(Framing.splitId(fromHex(hex))).id).toBe(id)
    }
  })

  it("are malformed when they are missing, cut off, or above 2^53 - 1", () => {
    for (const hex of ["", "40", "800000", "c0000000000000", "c2197c5eff14e88c", "c020000000000000"]) {
      const payload = fromHex(hex)
      const error = Either.getOrThrow(Either.flip(Framing.splitId(payload)))
      expect(error).toMatchObject({ reason: "Malformed", operation: "read", size: payload.length })
      expect(error.message).toContain("withId")
    }
    expect(Either.isRight(Framing.splitId(varint(Number.MAX_SAFE_INTEGER, 8)))).toBe(true)
  })
})

describe("a decoder", () => {
  const takeAll = (decoder: Framing.Decoder, messages: Array<Uint8Array>): FramingError | undefined => {
    for (;;) {
      const next = decoder.next()
      if (Either.isLeft(next)) return Either.getOrThrow(Either.flip(next))
      const message = Either.getOrThrow(next)
      if (Option.isNone(message)) return undefined
      messages.push(message.value)
    }
  }

  it("finds the same messages and the same error, however the bytes are split", () => {
    FastCheck.assert(FastCheck.property(arrival, FastCheck.boolean(), ({ max, pieces, stream }, atOnce) => {
      const decoder = Framing.makeDecoder({ maxMessageSize: max })
      const messages: Array<Uint8Array> = []
      let error: FramingError | undefined
      for (const chunk of cut(stream, pieces)) {
        decoder.push(chunk)
        if (!atOnce) error = takeAll(decoder, messages)
      }
      decoder.end()
      error = takeAll(decoder, messages)
      expect({ messages, error: error && errorOf(error) }).toEqual(readAll(stream, max))
      // a later call returns the same error
      expect(takeAll(decoder, messages)).toEqual(error)
    }))
  })

  it("never holds more than the limit, nor than four times what came and 4096 bytes", () => {
    FastCheck.assert(FastCheck.property(arrival, ({ max, pieces, stream }) => {
      const decoder = Framing.makeDecoder({ maxMessageSize: max })
      let came = 0
      for (const chunk of cut(stream, pieces)) {
        decoder.push(chunk)
        came += chunk.length
        if (takeAll(decoder, []) !== undefined) return
        expect(decoder.retained).toBeLessThanOrEqual(Math.min(max, 4 * came + 4096))
      }
    }))
  })

  it("believes no length before the bytes are there", () => {
    const decoder = Framing.makeDecoder()
    decoder.push(varint(1_048_576, 4))
    decoder.push(new Uint8Array(1))
    expect(takeAll(decoder, [])).toBe(undefined)
    expect(decoder.retained).toBe(4100)
    for (const size of [1_048_577n, 2n ** 32n, 2n ** 53n, 2n ** 62n - 1n]) {
      const decoder = Framing.makeDecoder()
      decoder.push(concat([varint(size, 8), bytes("x")]))
      expect(takeAll(decoder, [])).toMatchObject({ reason: "Oversized", size: Number(size), limit: 1_048_576 })
      expect(decoder.retained).toBe(1)
    }
  })

  it("copies a message that comes byte by byte a few times in all", () => {
    const decoder = Framing.makeDecoder()
    const message = pattern(0, 100_000)
    const messages: Array<Uint8Array> = []
    const sizes = new Set<number>()
    for (const byte of frame(message)) {
      decoder.push(Uint8Array.of(byte))
      takeAll(decoder, messages)
      sizes.add(decoder.retained)
    }
    expect(messages.length).toBe(1)
    expect(isSame(messages[0]!, message)).toBe(true)
    // 0, 4100, 20500, 86100, 100000
    expect(sizes.size).toBe(5)
    expect(decoder.retained).toBe(0)
  })

  it("gives messages that share nothing with the pieces", () => {
    const decoder = Framing.makeDecoder()
    const chunk = concat([frame(bytes("one")), frame(bytes("two"))])
    const messages: Array<Uint8Array> = []
    decoder.push(chunk)
    takeAll(decoder, messages)
    chunk.fill(0)
    expect(messages.map(text)).toEqual(["one", "two"])
    expect(messages.map((message) => message.buffer.byteLength)).toEqual([3, 3])
  })

  it("forgets what it handed out, however long it is never asked to the end", () => {
    const decoder = Framing.makeDecoder()
    const one = frame(bytes("x"))
    decoder.push(one)
    for (let i = 0; i < 10_000; i++) {
      decoder.push(one)
      decoder.next()
      expect(decoder.retained).toBe(one.length)
    }
    const { chunks } = (decoder as unknown as { readonly queue: { readonly chunks: ReadonlyArray<unknown> } }).queue
    expect(chunks.length).toBeLessThan(3000)
  })

  it("takes nothing after the end", () => {
    const decoder = Framing.makeDecoder()
    decoder.end()
    expect(() => decoder.push(new Uint8Array(1))).toThrow("after end")
    expect(decoder.next()).toEqual(Either.right(Option.none()))
  })
})

describe("decode", () => {
  it("finds the same messages and the same error, however the bytes are split", () =>
    FastCheck.assert(FastCheck.asyncProperty(arrival, ({ max, pieces, stream }) =>
      Effect.gen(function*() {
        const messages: Array<Uint8Array> = []
        const exit = yield* Stream.fromIterable(cut(stream, pieces)).pipe(
          Stream.rechunk(3),
          Framing.decode({ maxMessageSize: max }),
          Stream.runForEach((message) => Effect.sync(() => messages.push(message))),
          Effect.exit
        )
        const error = Exit.isFailure(exit) ? errorOf(failure(exit)) : undefined
        expect({ messages, error }).toEqual(readAll(stream, max))
      }).pipe(Effect.runPromise))))

  it.effect("passes on how the bytes ended", () =>
    Effect.gen(function*() {
      const bytesThenFailure = Stream.concat(
        Stream.make(concat([frame(bytes("whole")), Uint8Array.of(9)])),
        Stream.fail("no")
      )
      const messages: Array<string> = []
      const exit = yield* bytesThenFailure.pipe(
        Framing.decode(),
        Stream.runForEach((message) => Effect.sync(() => messages.push(text(message)))),
        Effect.exit
      )
      expect(exit).toEqual(Exit.fail("no"))
      expect(messages).toEqual(["whole"])
    }))

  it.effect("hands on a chunk full of tiny messages bit by bit", () =>
    Effect.gen(function*() {
      const sizes = yield* Stream.make(new Uint8Array(100_000)).pipe(
        Framing.decode(),
        Stream.chunks,
        Stream.map((chunk) => [...chunk].length),
        Stream.runCollect
      )
      expect(Math.max(...sizes)).toBe(256)
      expect([...sizes].reduce((sum, size) => sum + size, 0)).toBe(100_000)
    }))

  it.effect("can be run twice, and refuses a limit that is none as a defect", () =>
    Effect.gen(function*() {
      const decode = Framing.decode()
      const messages = Stream.make(frame(bytes("x"))).pipe(decode)
      expect([...yield* Stream.runCollect(messages)].length).toBe(1)
      expect([...yield* Stream.runCollect(messages)].length).toBe(1)
      const refused = Stream.make(frame(bytes("x"))).pipe(Framing.decode({ maxMessageSize: 0 }))
      expect(String(defect(yield* Effect.exit(Stream.runDrain(refused))))).toContain("maxMessageSize")
    }))
})

describe("read", () => {
  const next = (memory: StreamInMemory, options?: Framing.Options) =>
    Effect.map(Framing.read(memory.stream, options), Option.map(text))

  it.scoped("finds the same messages and the same error, however the bytes are split", () =>
    Effect.gen(function*() {
      const { open } = yield* silentSession()
      const property = FastCheck.asyncProperty(arrival, FastCheck.boolean(), ({ max, pieces, stream }, isWaiting) =>
        Effect.gen(function*() {
          const memory = yield* open
          const messages: Array<Uint8Array> = []
          const reading = yield* Framing.messages(memory.stream, { maxMessageSize: max }).pipe(
            Stream.runForEach((message) =>
              Effect.sync(() =>
                messages.push(message)
              )
            ),
            Effect.fork
          )
          for (const chunk of cut(stream, pieces)) {
            // empty chunks, too: platforms must not deliver them, but may do so
            memory.send(chunk)
            if (isWaiting) yield* arrived
          }
          yield* memory.peer.finish
          const exit = yield* Fiber.await(reading)
          const error = Exit.isFailure(exit) ? errorOf(failure(exit)) : undefined
          expect({ messages, error }).toEqual(readAll(stream, max))
        }).pipe(Effect.scoped, Effect.runPromise))
      yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 200 }))
    }))

  it.scoped("tells the end between two messages from the end within one", () =>
    Effect.gen(function*() {
      const whole = yield* streamInMemory()
      whole.send(frame(bytes("one")))
      yield* whole.peer.finish
      expect(yield* next(whole)).toEqual(Option.some("one"))
      expect(yield* next(whole)).toEqual(Option.none())
      expect(yield* next(whole)).toEqual(Option.none())
      for (const [missing, size, received] of [[1, 3, 2], [3, 3, 0], [4, undefined, 0]] as const) {
        const memory = yield* streamInMemory()
        memory.send(frame(bytes("one"), 2).slice(0, 5 - missing))
        yield* memory.peer.finish
        const error = failure(yield* Effect.exit(next(memory)))
        expect(error).toMatchObject({ reason: "Truncated", operation: "read", size, received })
      }
    }))

  it.scoped("takes nothing of what it refuses: it may be asked again, and bytes can be read", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      memory.send(frame(bytes("hello")), frame(bytes("cut off")).slice(0, 4))
      yield* memory.peer.finish
      yield* arrived
      for (let i = 0; i < 2; i++) {
        const error = failure(yield* Effect.exit(next(memory, { maxMessageSize: 4 })))
        expect(error).toMatchObject({ reason: "Oversized", operation: "read", size: 5, limit: 4 })
      }
      expect(yield* memory.stream.readExactly(2)).toEqual(Uint8Array.of(5, 104))
      expect(text(yield* memory.stream.readExactly(4))).toBe("ello")
      for (let i = 0; i < 2; i++) {
        expect(failure(yield* Effect.exit(next(memory)))).toMatchObject({ reason: "Truncated", size: 7, received: 3 })
      }
      const rest = yield* Stream.runCollect(memory.stream.stream)
      expect(concat([...rest])).toEqual(concat([Uint8Array.of(7), bytes("cut")]))
    }))

  it.scoped("reads with a larger limit what a smaller one refused", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      memory.send(frame(bytes("hello")), frame(bytes("you")))
      expect(isFramingError(failure(yield* Effect.exit(next(memory, { maxMessageSize: 4 }))))).toBe(true)
      expect(yield* next(memory, { maxMessageSize: 5 })).toEqual(Option.some("hello"))
      expect(yield* next(memory)).toEqual(Option.some("you"))
    }))

  it.scoped("goes on from bytes that were read as such, and the other way round", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      memory.send(concat([bytes("hello"), frame(bytes("one")), bytes("and"), frame(bytes("two"))]))
      expect(text(yield* memory.stream.readExactly(5))).toBe("hello")
      expect(yield* next(memory)).toEqual(Option.some("one"))
      const waiting = yield* Effect.fork(memory.stream.readExactly(100))
      yield* arrived
      yield* Fiber.interrupt(waiting)
      expect(text(yield* memory.stream.readExactly(3))).toBe("and")
      memory.send(frame(bytes("three")))
      expect(yield* next(memory)).toEqual(Option.some("two"))
      expect(yield* next(memory)).toEqual(Option.some("three"))
    }))

  it.scoped("takes messages only on demand, and no more than the consumer asks for", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      memory.send(concat(["one", "two", "three"].map((message) => frame(bytes(message)))))
      expect([...yield* Stream.runCollect(Stream.take(Framing.messages(memory.stream), 1))].length).toBe(1)
      expect(yield* next(memory)).toEqual(Option.some("two"))
      expect(yield* memory.stream.read).toEqual(Option.some(frame(bytes("three"))))
      expect(isClean(memory.internals)).toBe(true)
    }))

  it.scoped("gives what came before the stream broke, then says so", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      memory.send(concat([frame(bytes("one")), frame(bytes("two")).slice(0, 2)]))
      yield* arrived
      yield* memory.peer.reset
      yield* memory.stream.lost
      expect(yield* next(memory)).toEqual(Option.some("one"))
      const error = failure(yield* Effect.exit(next(memory)))
      expect(isWebTransportError(error) && error.reason).toBe("Read")
    }))

  it.scoped("a reader that waits within a message wakes when the stream breaks or its scope closes", () =>
    Effect.gen(function*() {
      const { open } = yield* silentSession()
      for (const end of ["breaks", "scope"] as const) {
        const exit = yield* Effect.scoped(Effect.gen(function*() {
          const memory = yield* open
          const reading = yield* Effect.forkDaemon(next(memory))
          memory.send(frame(bytes("one")).slice(0, 2))
          yield* arrived
          if (end === "breaks") yield* memory.peer.reset
          return reading
        })).pipe(Effect.flatMap(Fiber.await))
        const error = failure(exit)
        expect(isWebTransportError(error) && error.reason).toBe("Read")
      }
    }))

  it.scoped("refuses two at once as a defect, an interrupted one not counted", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      const first = yield* Effect.fork(next(memory))
      yield* Effect.yieldNow()
      const { read, stream } = memory.stream
      for (const second of [next(memory), read, memory.stream.readExactly(1), Stream.runDrain(stream)]) {
        expect(String(defect(yield* Effect.exit<unknown, unknown, never>(second)))).toContain("Two concurrent reads")
      }
      expect(isClean(memory.internals)).toBe(false)
      yield* Fiber.interrupt(first)
      expect(isClean(memory.internals)).toBe(true)
      const third = yield* Effect.fork(next(memory))
      memory.send(frame(bytes("one")))
      expect(yield* Fiber.join(third)).toEqual(Option.some("one"))
      expect(isClean(memory.internals)).toBe(true)
    }))

  it.scoped("counts one that cannot be interrupted until it has its message", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      let got: unknown
      const reading = Effect.map(next(memory), (message) => {
        got = message
      })
      const first = yield* Effect.fork(Effect.uninterruptible(reading))
      yield* Effect.yieldNow()
      yield* Fiber.interruptFork(first)
      yield* arrived
      expect(isClean(memory.internals)).toBe(false)
      expect(String(defect(yield* Effect.exit(next(memory))))).toContain("Two concurrent reads")
      memory.send(frame(bytes("one")))
      yield* Fiber.await(first)
      expect(got).toEqual(Option.some("one"))
    }))

  it.scoped("is no clean stream while a message has come in part", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      const reading = yield* Effect.fork(next(memory))
      memory.send(frame(bytes("one")).slice(0, 2))
      yield* arrived
      yield* Fiber.interrupt(reading)
      expect(isClean(memory.internals)).toBe(false)
      memory.send(frame(bytes("one")).slice(2))
      expect(yield* next(memory)).toEqual(Option.some("one"))
      expect(isClean(memory.internals)).toBe(true)
    }))

  it.scoped("loses nothing when it is interrupted at any moment", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      // padding, so that the fiber yields at each of the read's own steps in turn
      const pad = (steps: number): Effect.Effect<void> =>
        steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))
      let interrupted = 0
      let round = 0
      for (const isThere of [true, false]) {
        for (const isWhole of [true, false]) {
          for (let steps = 0; steps < 16; steps++) {
            for (let wait = 0; wait < 12; wait++) {
              const message = pattern(round++, 5)
              const chunks = isWhole ? [frame(message)] : cut(frame(message), [1, 2])
              if (isThere) memory.send(...chunks)
              if (isThere) yield* arrived
              const fiber = yield* Effect.fork(Effect.andThen(pad(steps), Framing.read(memory.stream)))
              if (!isThere) yield* arrived
              if (!isThere) memory.send(...chunks)
              yield* hops(wait)
              const exit = yield* Fiber.interrupt(fiber)
              if (Exit.isFailure(exit)) interrupted++
              const got = Exit.isSuccess(exit) ? exit.value : yield* Framing.read(memory.stream)
              expect(got).toEqual(Option.some(message))
            }
          }
        }
      }
      expect(interrupted).toBeGreaterThan(100)
      expect(interrupted).toBeLessThan(round - 100)
      expect(isClean(memory.internals)).toBe(true)
    }).pipe(Effect.withMaxOpsBeforeYield(13)))

  it.scoped("holds no more than four times what came of a message, and 4096 bytes", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      const reading = yield* Effect.fork(Framing.read(memory.stream))
      memory.send(varint(1_048_576, 4), new Uint8Array(10))
      yield* arrived
      const { assembler } = memory.internals.receiver.inbox as unknown as {
        readonly assembler: { readonly retained: number }
      }
      expect(assembler.retained).toBe(4136)
      memory.send(new Uint8Array(100_000))
      yield* arrived
      expect(assembler.retained).toBe(404_136)
      yield* Fiber.interrupt(reading)
    }))

  it.scoped("leaves behind it what belongs to no message yet asked for", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      for (let i = 0; i < 10; i++) memory.send(frame(bytes(`${i}`)))
      expect(yield* next(memory)).toEqual(Option.some("0"))
      yield* arrived
      // the second chunk, but no third
      expect(memory.internals.bytesReceived).toBe(4)
    }))

  it.effect("refuses what is no stream of a session, and a limit that is none, as a defect", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      expect(String(defect(yield* Effect.exit(next(memory, { maxMessageSize: 0.5 }))))).toContain("maxMessageSize")
      const foreign = { ...memory.stream } as WebTransport.BidirectionalStream
      expect(defect(yield* Effect.exit(Framing.read(foreign)))).toBeInstanceOf(TypeError)
      expect(defect(yield* Effect.exit(Framing.write(foreign, new Uint8Array(1))))).toBeInstanceOf(TypeError)
    }).pipe(Effect.scoped))
})

describe("write", () => {
  it.scoped("is one native write of length and message together", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory({ retainsWrites: true })
      const message = bytes("hello")
      yield* Framing.write(memory.stream, message)
      yield* Framing.write(memory.stream, new Uint8Array(0))
      yield* Framing.write(memory.stream, message, { id: 300 })
      message.fill(0)
      const payload = Framing.withId(300, bytes("hello"))
      yield* arrived
      expect(memory.received).toEqual([frame(bytes("hello")), Uint8Array.of(0), frame(payload)])
    }))

  it.scoped("copies nothing a second time where the platform keeps what is written", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory({ retainsWrites: true, writeRoom: 4 })
      yield* memory.peer.stall
      yield* memory.stream.write(bytes("under way"))
      const [copied, given] = [bytes("mine"), bytes("mine")]
      yield* memory.internals.write(copied)
      yield* memory.internals.writeOwned(given)
      for (const one of [copied, given]) one.fill(0)
      yield* memory.peer.resume
      yield* arrived
      expect(memory.received.slice(1)).toEqual([bytes("mine"), new Uint8Array(4)])
    }))

  it.scoped("sends nothing of what is too large, and harms nothing", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      const error = failure(yield* Effect.exit(Framing.write(memory.stream, bytes("hello"), { maxMessageSize: 4 })))
      expect(error).toBeInstanceOf(FramingError)
      expect(memory.received).toEqual([])
      expect(isClean(memory.internals)).toBe(true)
      const defective = yield* Effect.exit(Framing.write(memory.stream, bytes("x"), { id: -1 }))
      expect(String(defect(defective))).toContain("id must be")
    }))

  it.scoped("takes the message as it is when the effect runs", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      const message = Uint8Array.of(1)
      const write = Framing.write(memory.stream, message)
      message[0] = 2
      yield* write
      yield* write
      yield* arrived
      expect(memory.received).toEqual([Uint8Array.of(1, 2), Uint8Array.of(1, 2)])
    }))
})

layer(live(), { excludeTestServices: true })(
  "over a real server",
  (it) => {
    const open = (path: string) =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* WebTransport.connect(server.url(path), {
          serverCertificateHashes: [{ value: server.hash }]
        })
        return yield* session.createBidirectionalStream()
      })

    it.scoped("messages of every size come back whole", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        for (const size of [0, 1, 63, 64, 100, 16_383, 16_384, 100_000, 1_048_576]) {
          const message = pattern(size, size)
          const writing = yield* Effect.fork(Framing.write(stream, message))
          expect(isSame(Option.getOrThrow(yield* soon(Framing.read(stream))), message)).toBe(true)
          yield* Fiber.join(writing)
          yield* Framing.write(stream, message, { id: size, maxMessageSize: 2_000_000 })
          const answer = Option.getOrThrow(yield* soon(Framing.read(stream, { maxMessageSize: 2_000_000 })))
          const { id, message: rest } = Either.getOrThrow(Framing.splitId(answer))
          expect(id).toBe(size)
          expect(isSame(rest, message)).toBe(true)
        }
      }))

    it.scoped("a thousand messages come back in order, through read or decode", () =>
      Effect.gen(function*() {
        const expected = Array.from({ length: 1000 }, (_, i) => `message ${i}`)
        for (
          const read of [Framing.messages, (stream: WebTransport.ReceiveStream) => Framing.decode()(stream.stream)]
        ) {
          const stream = yield* open("/echo")
          yield* Effect.fork(Effect.andThen(
            Effect.forEach(expected, (message) => Framing.write(stream, bytes(message)), { discard: true }),
            stream.closeWrite
          ))
          const messages = yield* soon(Stream.runCollect(read(stream as never)))
          expect([...messages].map(text)).toEqual(expected)
        }
      }))

    it.scoped("a stream that ends within a message is truncated, one that ends at once is over", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        yield* stream.write(frame(bytes("hello")).slice(0, 3))
        yield* stream.closeWrite
        expect(failure(yield* Effect.exit(soon(Framing.read(stream))))).toMatchObject({
          reason: "Truncated",
          size: 5,
          received: 2
        })
        expect(yield* soon(Framing.read(yield* open("/fin")))).toEqual(Option.none())
      }))

    it.scoped("a peer that sends no frames is found out", () =>
      Effect.gen(function*() {
        const stream = yield* open("/unsolicited?text=%C3%BF")
        yield* stream.write(bytes("HTTP/1.1 400 Bad Request"))
        const error = failure(yield* Effect.exit(soon(Framing.read(stream))))
        expect(error).toMatchObject({ reason: "Oversized", limit: 1_048_576 })
      }))
  }
)
