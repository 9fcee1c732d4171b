import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { hops } from "#test/fibers"
import * as Option from "effect/Option"
import { runInNewContext } from "node:vm"
import * as Framing from "../../../../src/Framing.js"
import { copyOf } from "../../../../src/internal/core/copyBytes.js"
import type { WebTransportError } from "../../../../src/WebTransportError.js"
import { isClean } from "../../../support/isClean.js"
import { pattern } from "../../../support/pattern.js"
import { arrived, silentSession, type StreamInMemory, streamInMemory } from "../../../support/streams.js"
import { describe, expect, it } from "../../../support/vitest.js"

const failure = (exit: Exit.Exit<unknown, WebTransportError>): WebTransportError =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

const defect = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.dieOption),
    () => new Error(`no defect: ${String(exit)}`)
  )

/** Padding: adds steps, so that a fiber yields at each of the following steps in turn. */
const pad = (steps: number): Effect.Effect<void> =>
  steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))

describe("a read", () => {
  it.scoped("loses nothing when it is interrupted at any moment", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
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
                if (isThere) yield* arrived
                let got: Uint8Array | undefined
                // In the same step as the read's last step: a fiber that is interrupted at its next step has taken the bytes.
                const reading = Effect.whileLoop({
                  while: () => got === undefined,
                  body: () => read,
                  step: (bytes) => {
                    got = bytes
                  }
                })
                const fiber = yield* Effect.fork(Effect.andThen(pad(steps), reading))
                if (!isThere) yield* arrived
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
      expect(isClean(memory.internals)).toBe(true)
    }).pipe(Effect.withMaxOpsBeforeYield(13)))

  it.scoped("can be made beforehand, and run again", () =>
    Effect.gen(function*() {
      const { send, stream } = yield* streamInMemory()
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
      yield* arrived
      send(pattern(19, 2), pattern(21, 1))
      expect(yield* Fiber.join(waiting)).toEqual(pattern(19, 3))
    }))

  it.scoped("counts until it has its bytes where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* streamInMemory()
      for (const read of [stream.readExactly(2), Effect.map(stream.read, Option.getOrThrow)]) {
        let got: Uint8Array | undefined
        const reading = Effect.map(read, (bytes) => {
          got = bytes
        })
        const first = yield* Effect.fork(Effect.uninterruptible(reading))
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(first)
        yield* arrived
        expect(isClean(internals)).toBe(false)
        expect(internals.isOverdue).toBe(false)
        expect(String(defect(yield* Effect.exit(stream.readExactly(2))))).toContain("Two concurrent reads")
        send(Uint8Array.of(1, 2))
        yield* Fiber.await(first)
        expect(got).toEqual(Uint8Array.of(1, 2))
        expect(isClean(internals)).toBe(true)
      }
    }))

  it.scoped("an interrupted read is overdue until bytes arrive, even if another read has begun", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* streamInMemory()
      for (const isAsked of [true, false]) {
        for (const read of [stream.read, stream.readExactly(2), internals.readMessage(9)]) {
          const reading = yield* Effect.fork(read as Effect.Effect<unknown, unknown>)
          yield* arrived
          expect(internals.isOverdue).toBe(false)
          yield* Fiber.interrupt(reading)
          if (isAsked) expect(internals.isOverdue).toBe(true)
          if (isAsked) expect(isClean(internals)).toBe(true)
          send(Uint8Array.of(1, 2))
          yield* arrived
          expect(internals.isOverdue).toBe(false)
          expect(isClean(internals)).toBe(false)
          expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(1, 2)))
        }
      }
    }))

  it.scoped("takes in nothing for one that was interrupted", () =>
    Effect.gen(function*() {
      const { internals, send, stream } = yield* streamInMemory()
      const reading = yield* Effect.fork(stream.readExactly(9))
      yield* arrived
      yield* Fiber.interrupt(reading)
      send(Uint8Array.of(1), Uint8Array.of(2))
      yield* arrived
      expect(internals.bytesReceived).toBe(1)
      expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(1)))
      expect(yield* stream.read).toEqual(Option.some(Uint8Array.of(2)))
    }))
})

describe("a write", () => {
  it.scoped("waits for nothing while the platform has room, and is unsettled until that is done with it", () =>
    Effect.gen(function*() {
      const { internals, peer, received, stream } = yield* streamInMemory({ writeRoom: 2, retainsWrites: true })
      yield* peer.stall
      yield* stream.write(pattern(0, 100))
      yield* stream.write(pattern(1, 100))
      expect(isClean(internals)).toBe(false)
      const third = yield* Effect.fork(stream.write(pattern(2, 100)))
      yield* arrived
      expect(Option.isNone(yield* Fiber.poll(third))).toBe(true)
      expect(received.length).toBe(1)
      yield* peer.resume
      yield* Fiber.join(third)
      yield* arrived
      expect(received).toEqual([pattern(0, 100), pattern(1, 100), pattern(2, 100)])
      expect(isClean(internals)).toBe(true)
    }))

  it.scoped("leaves its bytes to the writer, even before the platform has looked at them", () =>
    Effect.gen(function*() {
      for (const retainsWrites of [true, false]) {
        for (const size of [1, 100, 4096, 5000]) {
          const memory = yield* streamInMemory({ writeRoom: 4, retainsWrites })
          yield* memory.peer.stall
          const bytes = new Uint8Array(size)
          const writing = yield* Effect.fork(Effect.forEach([1, 2, 3, 4, 5, 6], (n) => {
            bytes.fill(n)
            return memory.stream.write(bytes)
          }))
          yield* arrived
          if (!retainsWrites && size > 4096) expect(memory.received.length).toBe(1)
          yield* memory.peer.resume
          yield* Fiber.join(writing)
          yield* arrived
          expect(memory.received.map((one) => [one.length, one[0], one.at(-1)])).toEqual(
            [1, 2, 3, 4, 5, 6].map((n) => [size, n, n])
          )
        }
      }
    }))

  it.scoped("fails, as does the next one, when the platform fails to send what it had room for", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory({ writeRoom: 2, retainsWrites: true })
      yield* memory.peer.stall
      yield* memory.stream.write(Uint8Array.of(1))
      yield* memory.internals.writeOwned(Uint8Array.of(2))
      const third = yield* Effect.fork(memory.stream.write(Uint8Array.of(3)))
      yield* arrived
      expect(Option.isNone(yield* Fiber.poll(third))).toBe(true)
      yield* memory.peer.stopSending
      expect(failure(yield* Fiber.await(third)).reason).toBe("Write")
      yield* memory.stream.lost
      expect(memory.internals.sending).toBe("Failed")
      expect(isClean(memory.internals)).toBe(false)
      const error = failure(yield* Effect.exit(memory.stream.write(Uint8Array.of(4))))
      expect(error.reason).toBe("Write")
      expect(String(error.cause)).toContain("the peer stopped the stream")
      expect(failure(yield* Effect.exit(memory.stream.closeWrite)).reason).toBe("Write")
    }))

  it.scoped("fails when it waits while its session dies, and so does the next one", () =>
    Effect.gen(function*() {
      const { open, session } = yield* silentSession({ retainsWrites: true })
      const { internals, peer, stream } = yield* open
      yield* peer.stall
      yield* stream.write(Uint8Array.of(1))
      const waiting = yield* Effect.fork(stream.write(Uint8Array.of(2)))
      yield* arrived
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      session.native.close()
      expect(failure(yield* Fiber.await(waiting)).reason).toBe("SessionClosed")
      expect(failure(yield* Effect.exit(stream.write(Uint8Array.of(3)))).reason).toBe("SessionClosed")
      expect(isClean(internals)).toBe(false)
    }))

  it.scoped("is sent whole or not at all, and spoils nothing, whenever it is interrupted, while there is room", () =>
    Effect.gen(function*() {
      const { internals, received, stream } = yield* streamInMemory({ retainsWrites: true })
      let sent = 0
      let round = 0
      for (let steps = 0; steps < 16; steps++) {
        for (let yields = 0; yields < 6; yields++) {
          const bytes = pattern(round++, 5)
          const fiber = yield* Effect.fork(Effect.andThen(pad(steps), stream.write(bytes)))
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          yield* arrived
          expect(isClean(internals)).toBe(true)
          if (received.length === sent) continue
          expect(received.slice(sent++)).toEqual([bytes])
        }
      }
      expect(sent).toBeGreaterThan(20)
      expect(sent).toBeLessThan(round - 20)
    }).pipe(Effect.withMaxOpsBeforeYield(13)))

  for (const retainsWrites of [false, true]) {
    it.scoped(`hands nothing over when it is interrupted while it waits (retained: ${retainsWrites})`, () =>
      Effect.gen(function*() {
        const { internals, peer, received, stream } = yield* streamInMemory({ retainsWrites })
        yield* peer.stall
        yield* stream.write(Uint8Array.of(1))
        const bytes = new Uint8Array(10_000).fill(2)
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(stream.write(bytes)))
        yield* arrived
        yield* Fiber.interrupt(fibers[1]!)
        expect(internals.sending).toBe("Open")
        yield* peer.resume
        yield* Effect.forEach([fibers[0]!, fibers[2]!], Fiber.join)
        // the caller may use the array again
        bytes.fill(4)
        yield* stream.write(Uint8Array.of(3))
        yield* arrived
        expect(received.map((chunk) => [chunk.length, chunk[0], chunk.at(-1)])).toEqual([
          [1, 1, 1],
          [10_000, 2, 2],
          [10_000, 2, 2],
          [1, 3, 3]
        ])
      }))
  }

  it.scoped("that waits comes before the FIN, and before what is written after it", () =>
    Effect.gen(function*() {
      const { peer, received, stream } = yield* streamInMemory()
      yield* peer.stall
      yield* stream.write(Uint8Array.of(1))
      const waiting = yield* Effect.forEach([2, 3, 4], (i) => Effect.fork(stream.write(Uint8Array.of(i))))
      yield* arrived
      const finishing = yield* Effect.fork(stream.closeWrite)
      yield* Effect.forEach(waiting, Fiber.join)
      yield* peer.resume
      yield* Fiber.join(finishing)
      expect(received.map(([first]) => first)).toEqual([1, 2, 3, 4])
      expect(peer.sending).toBe("Finished")
    }))

  it.scoped("of much goes in pieces, all of them or none", () =>
    Effect.gen(function*() {
      const { peer, received, stream } = yield* streamInMemory({ retainsWrites: true })
      yield* peer.stall
      yield* stream.write(pattern(0, 1_000_000))
      yield* peer.resume
      yield* stream.flushed
      expect(received.length).toBeGreaterThan(10)
      expect(Buffer.concat(received).equals(pattern(0, 1_000_000))).toBe(true)
    }))

  it.scoped("that waits fails with the stream", () =>
    Effect.gen(function*() {
      for (const end of ["stop", "reset"] as const) {
        const { peer, stream } = yield* streamInMemory()
        yield* peer.stall
        yield* stream.write(Uint8Array.of(1))
        const waiting = yield* Effect.forEach([2, 3], (i) => Effect.fork(stream.write(Uint8Array.of(i))))
        yield* arrived
        yield* end === "stop" ? peer.stopSending : stream.reset(0)
        for (const fiber of waiting) expect(failure(yield* Fiber.await(fiber)).reason).toBe("Write")
      }
    }))

  describe("is flushed", () => {
    it.scoped("once the platform has taken it, also when the stream was ended meanwhile", () =>
      Effect.gen(function*() {
        for (const end of [false, true]) {
          const { internals, peer, stream } = yield* streamInMemory()
          yield* stream.flushed
          yield* peer.stall
          yield* stream.write(Uint8Array.of(1))
          const flushed = yield* Effect.forEach([1, 2], () => Effect.fork(stream.flushed))
          const givenUp = yield* Effect.fork(stream.flushed)
          yield* arrived
          yield* Fiber.interrupt(givenUp)
          expect(Option.isNone(yield* Fiber.poll(flushed[0]!))).toBe(true)
          if (end) internals.end(true)
          yield* peer.resume
          yield* Effect.forEach(flushed, Fiber.join)
          if (end) yield* stream.flushed
          else yield* Effect.andThen(stream.closeWrite, stream.flushed)
        }
      }))

    it.scoped("never when it is not sent: it fails then, and later", () =>
      Effect.gen(function*() {
        const breaks = {
          stop: ({ peer }: StreamInMemory) => peer.stopSending,
          reset: ({ stream }: StreamInMemory) => stream.reset(0),
          end: ({ internals }: StreamInMemory) => Effect.sync(() => internals.end(false))
        }
        for (const [name, breakIt] of Object.entries(breaks)) {
          const memory = yield* streamInMemory()
          yield* memory.peer.stall
          yield* memory.stream.write(Uint8Array.of(1))
          const flushed = yield* Effect.fork(memory.stream.flushed)
          yield* arrived
          yield* breakIt(memory)
          const reasons = [yield* Fiber.await(flushed), yield* Effect.exit(memory.stream.flushed)].map((exit) =>
            failure(exit).reason
          )
          expect([name, ...reasons]).toEqual([name, "Write", "Write"])
        }
      }))

    it.scoped("never when its session ends before", () =>
      Effect.gen(function*() {
        const { open, server } = yield* silentSession()
        const flushed = yield* Effect.forEach([false, true], (isEnded) =>
          Effect.gen(function*() {
            const { internals, peer, stream } = yield* open
            yield* peer.stall
            yield* stream.write(Uint8Array.of(1))
            if (isEnded) internals.end(true)
            return yield* Effect.fork(stream.flushed)
          }))
        yield* arrived
        yield* server.die
        for (const fiber of flushed) expect(failure(yield* Fiber.await(fiber)).reason).toBe("SessionClosed")
      }))
  })

  it.scoped("refuses what is no bytes, names its type alone, and goes on", () =>
    Effect.gen(function*() {
      const memory = yield* streamInMemory()
      for (const [what, type] of [["secret", "string"], [new Uint16Array(2), "Uint16Array"], [{}, "Object"]] as const) {
        const error = defect(yield* Effect.exit(memory.stream.write(what as never)))
        expect(String(error)).toBe(`TypeError: the argument of write must be a Uint8Array, but was of type ${type}`)
        expect(() => Framing.encode(what as never)).toThrow(`a message must be a Uint8Array, but was of type ${type}`)
      }
      const ofAnotherRealm: Uint8Array = runInNewContext("Uint8Array.of(1, 2)")
      yield* memory.stream.write(ofAnotherRealm)
      yield* memory.stream.write(Buffer.of(3))
      yield* arrived
      expect(memory.received.map((bytes) => [...bytes])).toEqual([[1, 2], [3]])
    }))
})

describe("copyOf", () => {
  it("copies bytes of every size, from within a larger buffer and of a Buffer, too", () => {
    const copies = Array.from({ length: 300 }, (_, i) => {
      const size = i % 7 === 0 ? 4000 + i : i
      const whole = Buffer.from(pattern(i, size + 10))
      const copy = copyOf(whole.subarray(3, 3 + size))
      whole.fill(0)
      return { copy, expected: pattern(i, size + 10).subarray(3, 3 + size) }
    })
    for (const { copy, expected } of copies) {
      expect(Buffer.compare(copy, expected)).toBe(0)
      expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype)
    }
  })
})
