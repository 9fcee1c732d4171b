/** Waits if a fiber does not tell that it was interrupted. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as WebTransport from "effect-pools/WebTransport"
import * as FiberRef from "effect/FiberRef"
import { areSupported, GuardedWaitSlot, makeWaitSlot } from "../../src/internal/transport/wait.js"
import { bytes, echo, inMemory, quiet, text } from "../support/streams.js"
import { assert, describe, it } from "../support/vitest.js"

const prototype: { getFiberRef: (ref: unknown) => unknown } = Effect.runSync(
  Effect.withFiberRuntime<any>((fiber) => Effect.succeed(Object.getPrototypeOf(fiber)))
)
const original = prototype.getFiberRef
prototype.getFiberRef = function(this: unknown, ref) {
  return ref === FiberRef.interruptedCause ? Cause.empty : original.call(this, ref)
}
// the test happens once, and never again
const tested = Effect.runPromise(areSupported).finally(() => prototype.getFiberRef = original)

describe("a wait, where a fiber does not tell its interruption", () => {
  it.effect("uses a finalizer", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* Effect.promise(() => tested))
      assert.isFalse(yield* areSupported)
      assert.instanceOf(makeWaitSlot(() => "taken twice"), GuardedWaitSlot)
    }))

  it.scoped("loses no byte of a stream when a read is interrupted", () =>
    Effect.gen(function*() {
      yield* Effect.promise(() => tested)
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
