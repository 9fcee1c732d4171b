/** The probe of frames when internals of Effect are not as it expects. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as FiberRef from "effect/FiberRef"
import {
  areSupported,
  FiberFrame,
  interruptionOf,
  OutcomeFrame,
  probeFrames,
  SuccessFrame
} from "../../src/internal/effect3/fiberFrame.js"
import { assert, describe, it } from "../support/vitest.js"

const prototype: { pushStack: unknown } = Effect.runSync(
  Effect.withFiberRuntime<any>((fiber) => Effect.succeed(Object.getPrototypeOf(fiber)))
)
const original = prototype.pushStack as (this: unknown, frame: unknown) => void

/** Runs the probe while `pushStack` is another function. */
const probeWith = (pushStack: unknown, probe = probeFrames): boolean => {
  prototype.pushStack = pushStack
  try {
    return Effect.runSync(probe)
  } finally {
    prototype.pushStack = original
  }
}

const isOurs = (frame: unknown): frame is object =>
  frame instanceof FiberFrame || frame instanceof SuccessFrame || frame instanceof OutcomeFrame

describe("the probe of frames", () => {
  it("passes with this version of Effect", () => {
    assert.isTrue(probeWith(original))
  })

  it("does not where a fiber has no such stack", () => {
    const handlers = Object.create(original)
    assert.isFalse(probeWith(handlers))
  })

  it("does not where frames are ignored", () => {
    for (const kind of [FiberFrame, SuccessFrame, OutcomeFrame]) {
      const ignoring = function(this: unknown, frame: unknown) {
        if (!(frame instanceof kind)) original.call(this, frame)
      }
      assert.isFalse(probeWith(ignoring), kind.name)
    }
  })

  it("does not where frames are passed twice, or not when interrupted", () => {
    const twice = function(this: unknown, frame: unknown) {
      original.call(this, frame)
      if (isOurs(frame)) original.call(this, frame)
    }
    assert.isFalse(probeWith(twice))
    const handlersOnly = function(this: unknown, frame: unknown) {
      original.call(this, frame instanceof FiberFrame ? Effect.onExit(Effect.void, () => Effect.void) : frame)
    }
    assert.isFalse(probeWith(handlersOnly))
  })

  it("does not where pushing throws", () => {
    const throwing = function(this: unknown, frame: unknown) {
      if (isOurs(frame)) throw new Error("no such frame")
      original.call(this, frame)
    }
    assert.isFalse(probeWith(throwing))
  })

  it("is asked once in a process", () => {
    assert.isTrue(Effect.runSync(areSupported))
    assert.isTrue(probeWith(Object.create(original), areSupported))
  })

  it.effect("is not needed for the outcome of a fiber that does not tell by whom it was interrupted", () =>
    Effect.withFiberRuntime((fiber) => {
      assert.isTrue(Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause)))
      assert.isTrue(Exit.isInterrupted(interruptionOf(fiber)))
      return Effect.void
    }))
})
