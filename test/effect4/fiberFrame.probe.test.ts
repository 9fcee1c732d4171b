/** The probe of frames when internals of Effect are not as it expects. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import {
  areSupported,
  FiberFrame,
  interruptionOf,
  OutcomeFrame,
  probeFrames,
  SuccessFrame
} from "../../src/internal/effect4/fiberFrame.js"
import { assert, describe, it } from "../support/vitest.js"

const prototype: object = Effect.runSync(Effect.withFiber((fiber) => Effect.succeed(Object.getPrototypeOf(fiber))))

type Push = (stack: Array<unknown>, frame: unknown) => void

const isOurs = (frame: unknown): frame is object =>
  frame instanceof FiberFrame || frame instanceof SuccessFrame || frame instanceof OutcomeFrame

const stacks = new WeakMap<object, Array<unknown>>()

/** Runs the probe while the stacks of new fibers take frames of ours in another way. */
const probeWith = (push: Push, probe = probeFrames): boolean => {
  Object.defineProperty(prototype, "_stack", {
    configurable: true,
    get() {
      return stacks.get(this)
    },
    set(stack: Array<unknown>) {
      const plain = stack.push.bind(stack)
      stack.push = (frame) => {
        if (isOurs(frame)) push(stack, frame)
        else plain(frame)
        return stack.length
      }
      stacks.set(this, stack)
    }
  })
  try {
    return Effect.runSync(probe)
  } finally {
    Reflect.deleteProperty(prototype, "_stack")
  }
}

const asItIs: Push = (stack, frame) => void (stack[stack.length] = frame)

const success = "~effect/Effect/successCont"
const failure = "~effect/Effect/failureCont"

/** What fibers call, under another name. */
const renamed = (frame: object, name: string): object =>
  new Proxy(frame, { get: (_, key) => key === name ? undefined : (frame as any)[key] })

describe("the probe of frames", () => {
  it("passes with this version of Effect", () => {
    assert.isTrue(probeWith(asItIs))
  })

  it("does not where pushing throws, as where a fiber has no such stack", () => {
    const throwing: Push = () => {
      throw new TypeError("no such stack")
    }
    assert.isFalse(probeWith(throwing))
  })

  it("does not where frames are ignored", () => {
    for (const kind of [FiberFrame, SuccessFrame, OutcomeFrame]) {
      const ignoring: Push = (stack, frame) => {
        if (!(frame instanceof kind)) asItIs(stack, frame)
      }
      assert.isFalse(probeWith(ignoring), kind.name)
    }
  })

  it("does not where fibers call a method of another name", () => {
    for (const name of ["~effect/Effect/ensureCont", success, failure]) {
      assert.isFalse(probeWith((stack, frame) => asItIs(stack, renamed(frame as object, name))), name)
    }
  })

  it("does not where frames are passed twice, or not when interrupted", () => {
    const twice: Push = (stack, frame) => {
      asItIs(stack, frame)
      asItIs(stack, frame)
    }
    assert.isFalse(probeWith(twice))
    const handlersOnly: Push = (stack, frame) => {
      if (!(frame instanceof FiberFrame)) return asItIs(stack, frame)
      const passed = () => (frame as any)["~effect/Effect/ensureCont"]()
      asItIs(stack, {
        [success]: (value: unknown) => {
          passed()
          return Exit.succeed(value)
        },
        [failure]: (cause: any) => {
          passed()
          return Exit.failCause(cause)
        }
      })
    }
    assert.isFalse(probeWith(handlersOnly))
  })

  it("is asked once in a process", () => {
    assert.isTrue(Effect.runSync(areSupported))
    assert.isTrue(probeWith(() => {}, areSupported))
  })

  it.effect("is not needed for the outcome of a fiber that does not tell by whom it was interrupted", () =>
    Effect.withFiber((fiber) => {
      assert.isTrue(Exit.isInterrupted(interruptionOf(fiber)))
      return Effect.void
    }))
})
