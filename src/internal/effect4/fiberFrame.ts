/**
 * A frame on the stack of a fiber: code that runs when the fiber leaves the effect on top of the frame, by success,
 * failure or interruption.
 *
 * Effect 4's own `Pool.use` and `Semaphore` push such a frame, by a function that is not exported. The exported one,
 * `onExitPrimitive`, has to be an effect of its own, costs nearly twice as much, and a fiber that is interrupted skips it
 * unless it makes a region that cannot be interrupted. So this module pushes objects that have only the methods of a
 * frame. It relies on internal names of Effect: `_stack`, `_interruptedCause` and the names of these methods.
 * `areSupported` tries them once per process. If they do not work, pools use the uninterruptible region.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type { AnyFiber } from "./fiber.js"

/** Called on the way to a handler. The result, if any, is the handler. */
const anyway = "~effect/Effect/ensureCont"
const onSuccess = "~effect/Effect/successCont"
const onFailure = "~effect/Effect/failureCont"

export abstract class FiberFrame {
  [anyway](): undefined {
    this.passed()
  }

  protected abstract passed(): void
}

/** The frame of a `flatMap` that changes nothing: only success passes it. */
export abstract class SuccessFrame {
  [onSuccess]<A>(value: A, _fiber: unknown, exit: Exit.Exit<A> | undefined): Exit.Exit<A> {
    this.succeeded()
    return exit ?? Exit.succeed(value)
  }

  protected abstract succeeded(): void
}

/**
 * The frame of a `matchCauseEffect` that changes nothing. A fiber that is interrupted in an interruptible region skips the
 * frame; then `interruptionOf` has the cause.
 */
export abstract class OutcomeFrame {
  [onSuccess]<A>(value: A, _fiber: unknown, exit: Exit.Exit<A> | undefined): Exit.Exit<A> {
    return this.pass(exit ?? Exit.succeed(value))
  }

  [onFailure]<E>(
    cause: Cause.Cause<E>,
    _fiber: unknown,
    exit: Exit.Exit<never, E> | undefined
  ): Exit.Exit<never, E> {
    return this.pass(exit ?? Exit.failCause(cause))
  }

  private pass<X extends Exit.Exit<unknown, unknown>>(exit: X): X {
    this.ended(exit)
    return exit
  }

  protected abstract ended(exit: Exit.Exit<unknown, unknown>): void
}

interface Framed {
  readonly _stack?: Array<unknown>
  readonly _interruptedCause?: Cause.Cause<never> | undefined
}

/** The outcome of an interrupted fiber, also if the fiber does not tell who interrupted it. */
export const interruptionOf = (fiber: AnyFiber): Exit.Exit<never> => {
  const cause = (fiber as Framed)._interruptedCause
  return cause === undefined ? Exit.interrupt() : Exit.failCause(cause)
}

/** Puts a frame under the effect that the fiber runs next. The caller must return that effect in the same step. */
export const push = (fiber: AnyFiber, frame: FiberFrame | SuccessFrame | OutcomeFrame): void => {
  ;(fiber as Framed)._stack!.push(frame)
}

/** Whether an effect is an outcome. */
export const isDone = <A, E>(effect: Effect.Effect<A, E, any>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** The outcome of a fiber that had a defect after `exit`. */
export const after = <A, E>(exit: Exit.Exit<A, E>, defect: unknown): Exit.Exit<never, E> =>
  Exit.failCause(Exit.isFailure(exit) ? Cause.combine(exit.cause, Cause.die(defect)) : Cause.die(defect))

class RaisingFrame {
  private readonly defect: unknown

  constructor(defect: unknown) {
    this.defect = defect
  }

  [onSuccess](): Exit.Exit<never> {
    return Exit.die(this.defect)
  }

  [onFailure]<E>(cause: Cause.Cause<E>): Exit.Exit<never, E> {
    return after(Exit.failCause(cause), this.defect)
  }
}

/**
 * For `passed`, which must not throw: the fiber dies of the defect, and keeps its own failure, too. An interrupted fiber
 * ends only with the interruption.
 */
export const raise = (fiber: AnyFiber, defect: unknown): void => {
  ;(fiber as Framed)._stack!.push(new RaisingFrame(defect))
}

class Probe extends FiberFrame {
  count = 0

  protected passed(): void {
    this.count++
  }
}

class SuccessProbe extends SuccessFrame {
  count = 0

  protected succeeded(): void {
    this.count++
  }
}

class OutcomeProbe extends OutcomeFrame {
  exit: Exit.Exit<unknown, unknown> | undefined = undefined

  protected ended(exit: Exit.Exit<unknown, unknown>): void {
    this.exit = exit
  }
}

const passes = (body: Effect.Effect<unknown, unknown>, probe: Probe): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.exit(body), (bare) => {
    const before = probe.count
    const success = new SuccessProbe()
    const outcome = new OutcomeProbe()
    const framed = Effect.withFiber<unknown, unknown>((fiber) => {
      push(fiber, probe)
      push(fiber, success)
      push(fiber, outcome)
      return body
    })
    return Effect.map(
      Effect.exit(framed),
      (exit) =>
        probe.count === before + 1 && Equal.equals(outcome.exit, bare) &&
        success.count === Number(Exit.isSuccess(bare)) && Equal.equals(exit, bare)
    )
  })

class Raising extends FiberFrame {
  private readonly fiber: AnyFiber

  constructor(fiber: AnyFiber) {
    super()
    this.fiber = fiber
  }

  protected passed(): void {
    raise(this.fiber, "raised")
  }
}

const raises = (body: Effect.Effect<unknown, unknown>): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.exit(body), (bare) => {
    const framed = Effect.withFiber<unknown, unknown>((fiber) => {
      push(fiber, new Raising(fiber))
      return body
    })
    return Effect.map(Effect.exit(framed), (exit) => Equal.equals(exit, after(bare, "raised")))
  })

class InterruptionProbe extends Probe {
  fiber: AnyFiber | undefined = undefined
  exit: Exit.Exit<unknown, unknown> | undefined = undefined

  protected override passed(): void {
    super.passed()
    this.exit = interruptionOf(this.fiber!)
  }
}

/** Whether a fiber that is interrupted while it waits skips the handlers, passes the frame, and tells the interruption. */
const isPassedByInterruption: Effect.Effect<boolean> = Effect.sync(() => {
  const probe = new InterruptionProbe()
  const [success, outcome] = [new SuccessProbe(), new OutcomeProbe()]
  const fiber = Effect.runFork(Effect.withFiber<unknown, unknown>((fiber) => {
    probe.fiber = fiber
    push(fiber, probe)
    push(fiber, success)
    push(fiber, outcome)
    return Effect.never
  }))
  fiber.interruptUnsafe(7)
  return probe.count === 1 && success.count === 0 && outcome.exit === undefined &&
    Equal.equals(probe.exit, Exit.interrupt(7)) && fiber.pollUnsafe() !== undefined
})

const probe: Effect.Effect<boolean> = Effect.suspend(() => {
  const frame = new Probe()
  const bodies: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
    Effect.void,
    Effect.sync(() => 1),
    Effect.fail("no"),
    Effect.interrupt
  ]
  const probes = [...bodies.flatMap((body) => [passes(body, frame), raises(body)]), isPassedByInterruption]
  return Effect.map(Effect.all(probes), (outcomes) => outcomes.every((works) => works))
})

/** Tests frames with this version of Effect. Exported for its test. */
export const probeFrames: Effect.Effect<boolean> = Effect.sync(() => {
  // on a fiber of its own: the caller's span would annotate the causes
  const exit = Effect.runSyncExit(probe)
  return Exit.isSuccess(exit) && exit.value
})

let areProven: boolean | undefined

/** Whether frames work with this version of Effect. Tested once per process. */
export const areSupported: Effect.Effect<boolean> = Effect.suspend(() =>
  areProven === undefined ? Effect.map(probeFrames, (works) => areProven = works) : Effect.succeed(areProven)
)
