import { withFiber } from "#effect/fiber"
import {
  after,
  areSupported,
  FiberFrame,
  interruptionOf,
  OutcomeFrame,
  probeFrames,
  push,
  raise,
  SuccessFrame
} from "#effect/fiberFrame"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Deferred from "effect/Deferred"
import { recordingTracer } from "../support/tracer.js"
import { assert, describe, it } from "../support/vitest.js"

class Count extends FiberFrame {
  count = 0

  protected passed(): void {
    this.count++
  }
}

class CountSuccess extends SuccessFrame {
  count = 0

  protected succeeded(): void {
    this.count++
  }
}

class Outcome extends OutcomeFrame {
  exit: Exit.Exit<unknown, unknown> | undefined = undefined

  protected ended(exit: Exit.Exit<unknown, unknown>): void {
    this.exit = exit
  }
}

/** An interruption, which a frame of outcomes does not see, is known when the fiber passes the frame below it. */
class Interruption extends FiberFrame {
  exit: Exit.Exit<unknown, unknown> | undefined = undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined

  protected passed(): void {
    this.exit = interruptionOf(this.fiber!)
  }
}

class Raise extends FiberFrame {
  private readonly fiber: Fiber.RuntimeFiber<any, any>

  constructor(fiber: Fiber.RuntimeFiber<any, any>) {
    super()
    this.fiber = fiber
  }

  protected passed(): void {
    raise(this.fiber, "raised")
  }
}

const framed = <A, E>(
  frame: FiberFrame | SuccessFrame | OutcomeFrame,
  body: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  withFiber((fiber) => {
    push(fiber, frame)
    return body
  })

describe("FiberFrame", () => {
  it.effect("works with this version of Effect", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* areSupported)
    }))

  it.effect("works wherever it is tried: in a span, traced, within an uninterruptible region", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* Effect.withSpan(probeFrames, "span"))
      assert.isTrue(yield* Effect.withTracer(Effect.withSpan(probeFrames, "span"), recordingTracer().tracer))
      assert.isTrue(yield* Effect.uninterruptible(probeFrames))
    }))

  it.effect("is passed once, after the effect on top of it, and changes nothing of its outcome", () =>
    Effect.gen(function*() {
      const bodies = [
        Effect.succeed(1),
        Effect.sync(() => 1),
        Effect.andThen(Effect.yieldNow(), Effect.succeed(1)),
        Effect.fail("no"),
        Effect.die("no"),
        Effect.uninterruptible(Effect.fail("no")),
        Effect.interrupt
      ]
      for (const body of bodies) {
        const frame = new Count()
        const seen = body.pipe(Effect.ensuring(Effect.sync(() => assert.strictEqual(frame.count, 0))))
        assert.deepStrictEqual(yield* Effect.exit(framed(frame, seen)), yield* Effect.exit(body))
        assert.strictEqual(frame.count, 1)
      }
    }))

  it.effect("is passed by success alone, if it is a frame of success, and changes nothing of the outcome", () =>
    Effect.gen(function*() {
      const bodies: ReadonlyArray<Effect.Effect<number, string>> = [
        Effect.succeed(1),
        Effect.sync(() => 1),
        Effect.andThen(Effect.yieldNow(), Effect.succeed(1)),
        Effect.fail("no"),
        Effect.andThen(Effect.yieldNow(), Effect.die("no")),
        Effect.interrupt
      ]
      for (const body of bodies) {
        const frame = new CountSuccess()
        const exit = yield* Effect.exit(body)
        assert.deepStrictEqual(yield* Effect.exit(framed(frame, body)), exit)
        assert.strictEqual(frame.count, Exit.isSuccess(exit) ? 1 : 0)
      }
    }))

  it.effect("sees the outcome, if it is a frame of outcomes, and changes nothing of it", () =>
    Effect.gen(function*() {
      const bodies: ReadonlyArray<Effect.Effect<number, string>> = [
        Effect.succeed(1),
        Effect.andThen(Effect.yieldNow(), Effect.succeed(1)),
        Effect.fail("no"),
        Effect.andThen(Effect.yieldNow(), Effect.die("no")),
        Effect.interrupt
      ]
      for (const body of bodies) {
        const frame = new Outcome()
        const exit = yield* Effect.exit(body)
        assert.deepStrictEqual(yield* Effect.exit(framed(frame, body)), exit)
        assert.deepStrictEqual(frame.exit, exit)
      }
      const [outcome, interruption] = [new Outcome(), new Interruption()]
      const begun = yield* Deferred.make<void>()
      const waiting = framed(outcome, Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      const fiber = yield* Effect.fork(framed(interruption, waiting))
      interruption.fiber = fiber
      yield* Deferred.await(begun)
      const exit = yield* Fiber.interrupt(fiber)
      assert.isUndefined(outcome.exit)
      assert.isTrue(Exit.isInterrupted(exit) && Exit.isInterrupted(interruption.exit!))
    }))

  it.effect("is passed by a fiber that is interrupted, and leaves it as interruptible as it was", () =>
    Effect.gen(function*() {
      for (const wait of [Effect.never, Effect.catchAllCause(Effect.never, () => Effect.never)]) {
        const frame = new Count()
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(framed(frame, Effect.andThen(Deferred.succeed(begun, undefined), wait)))
        yield* Deferred.await(begun)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(frame.count, 1)
      }
      const interruptible = yield* framed(new Count(), Effect.void).pipe(
        Effect.andThen(Effect.checkInterruptible(Effect.succeed))
      )
      assert.isTrue(interruptible)
      const masked = yield* framed(new Count(), Effect.checkInterruptible(Effect.succeed)).pipe(Effect.uninterruptible)
      assert.isFalse(masked)
    }))

  it.effect("lets the fiber die of what went wrong there, beside what it failed with", () =>
    Effect.gen(function*() {
      const bodies: ReadonlyArray<Effect.Effect<number, string>> = [
        Effect.succeed(1),
        Effect.andThen(Effect.yieldNow(), Effect.succeed(1)),
        Effect.fail("no"),
        Effect.andThen(Effect.yieldNow(), Effect.fail("no")),
        Effect.die("no")
      ]
      for (const body of bodies) {
        const raising = withFiber<number, string>((fiber) => {
          push(fiber, new Raise(fiber))
          return body
        })
        assert.deepStrictEqual(yield* Effect.exit(raising), after(yield* Effect.exit(body), "raised"))
      }
    }))

  it.effect("leaves an interrupted fiber interrupted, even if a frame failed", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const raising = withFiber<never>((fiber) => {
        push(fiber, new Raise(fiber))
        return Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      })
      const fiber = yield* Effect.fork(raising)
      yield* Deferred.await(begun)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    }))
})
