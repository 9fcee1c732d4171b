/** The probe of waits if a fiber does not tell that it was interrupted. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as FiberRef from "effect/FiberRef"
import { areSupported, GuardedWaitSlot, makeWaitSlot } from "../../src/internal/transport/wait.js"
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
})
