import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as MemoryStream from "./support/memoryStream.js"
import { pattern } from "./support/pattern.js"

const defect = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.dieOption),
    () => new Error(`no defect: ${String(exit)}`)
  )

/** So that a fiber, which yields after so many steps, does so at every one of those of what comes next. */
const pad = (steps: number): Effect.Effect<void> =>
  steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))

const hops = (count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await Promise.resolve()
  })

describe("a read", () => {
  it.scoped("loses nothing when it is interrupted at any moment", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryStream.make()
      const reads = [
        Effect.map(memory.stream.read, Option.getOrThrow),
        memory.stream.readExactly(5)
      ]
      const rest = (size: number) => Effect.suspend(() => memory.stream.readExactly(size))
      let interrupted = 0
      let round = 0
      for (const [index, read] of reads.entries()) {
        for (const isThere of [true, false]) {
          for (const pieces of index === 0 ? [1] : [1, 2, 3]) {
            for (let steps = 0; steps < 16; steps++) {
              for (let wait = 0; wait < 12; wait++) {
                const bytes = pattern(round++, 5)
                const chunks = pieces === 1 ? [bytes] : pieces === 2
                  ? [bytes.slice(0, 2), bytes.slice(2)]
                  : [bytes.slice(0, 1), bytes.slice(1, 4), bytes.slice(4)]
                if (isThere) memory.send(...chunks)
                if (isThere) yield* MemoryStream.arrived
                let got: Uint8Array | undefined
                // In the same step as the read's last: a fiber that has the bytes and is interrupted at its next had them.
                const reading = Effect.whileLoop({
                  while: () => got === undefined,
                  body: () => read,
                  step: (bytes) => {
                    got = bytes
                  }
                })
                const fiber = yield* Effect.fork(Effect.zipRight(pad(steps), reading))
                if (!isThere) yield* MemoryStream.arrived
                if (!isThere) memory.send(...chunks)
                yield* hops(wait)
                yield* Fiber.interrupt(fiber)
                if (got === undefined) interrupted++
                expect(got ?? (yield* rest(5))).toEqual(bytes)
              }
            }
          }
        }
      }
      expect(interrupted).toBeGreaterThan(200)
      expect(interrupted).toBeLessThan(round - 200)
      expect(memory.internals.isClean).toBe(true)
    }).pipe(Effect.withMaxOpsBeforeYield(13)))

  it.scoped("can be made beforehand, and run again", () =>
    Effect.gen(function*() {
      const { send, stream } = yield* MemoryStream.make()
      const three = stream.readExactly(3)
      const five = stream.readExactly(5)
      const { read } = stream
      send(pattern(0, 19))
      expect(yield* three).toEqual(pattern(0, 3))
      expect(yield* five).toEqual(pattern(3, 5))
      expect(yield* three).toEqual(pattern(8, 3))
      expect(yield* five).toEqual(pattern(11, 5))
      expect(yield* read).toEqual(Option.some(pattern(16, 3)))
      const waiting = yield* Effect.fork(three)
      yield* MemoryStream.arrived
      send(pattern(19, 2), pattern(21, 1))
      expect(yield* Fiber.join(waiting)).toEqual(pattern(19, 3))
    }))

  it.scoped("counts until it has its bytes where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* MemoryStream.make()
      for (const read of [stream.readExactly(2), Effect.map(stream.read, Option.getOrThrow)]) {
        let got: Uint8Array | undefined
        const reading = Effect.map(read, (bytes) => {
          got = bytes
        })
        const first = yield* Effect.fork(Effect.uninterruptible(reading))
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(first)
        yield* MemoryStream.arrived
        expect(internals.isClean).toBe(false)
        expect(internals.isOverdue).toBe(false)
        expect(String(defect(yield* Effect.exit(stream.readExactly(2))))).toContain("Two reads")
        send(Uint8Array.of(1, 2))
        yield* Fiber.await(first)
        expect(got).toEqual(Uint8Array.of(1, 2))
        expect(internals.isClean).toBe(true)
      }
    }))

  it.scoped("that was interrupted is overdue until bytes come, whoever has asked meanwhile", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* MemoryStream.make()
      for (const isAsked of [true, false]) {
        for (const read of [stream.read, stream.readExactly(2), internals.readMessage(9)]) {
          const reading = yield* Effect.fork(read as Effect.Effect<unknown, unknown>)
          yield* MemoryStream.arrived
          expect(internals.isOverdue).toBe(false)
          yield* Fiber.interrupt(reading)
          if (isAsked) expect(internals.isOverdue).toBe(true)
          if (isAsked) expect(internals.isClean).toBe(true)
          send(Uint8Array.of(1, 2))
          yield* MemoryStream.arrived
          expect(internals.isOverdue).toBe(false)
          expect(internals.isClean).toBe(false)
          expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(1, 2)))
        }
      }
    }))

  it.scoped("takes in nothing for one that was interrupted", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* MemoryStream.make()
      const reading = yield* Effect.fork(stream.readExactly(9))
      yield* MemoryStream.arrived
      yield* Fiber.interrupt(reading)
      send(Uint8Array.of(1), Uint8Array.of(2))
      yield* MemoryStream.arrived
      expect(internals.bytesReceived).toBe(1)
      expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(1)))
      expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(2)))
    }))
})
