/** Waits if a fiber does not tell that it was interrupted. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as WebTransport from "effect-pools/WebTransport"
import { vi } from "vitest"
import { areSupported, GuardedWaitSlot, makeWaitSlot } from "../../../src/internal/transport/wait.js"
import { bytes, echo, inMemory, quiet, text } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

// it runs before the imports above
vi.mock(import("#effect/fiber"), async (original) => ({ ...await original(), wasInterrupted: () => false }))

describe("a wait, where a fiber does not tell its interruption", () => {
  it.effect("uses a finalizer", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* areSupported)
      assert.instanceOf(makeWaitSlot(() => "taken twice"), GuardedWaitSlot)
    }))

  it.scoped("loses no byte of a stream when a read is interrupted", () =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect("https://test/")
      const stream = yield* session.createBidirectionalStream()
      const reading = yield* Effect.fork(stream.readExactly(5))
      yield* quiet
      yield* stream.write(bytes("hel"))
      yield* quiet
      yield* Fiber.interrupt(reading)
      yield* stream.write(bytes("lo"))
      assert.strictEqual(text(yield* stream.readExactly(5)), "hello")
      assert.strictEqual(yield* echo(stream), "hello")
    }).pipe(Effect.provide(inMemory())))
})
