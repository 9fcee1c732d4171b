/**
 * A frame on the stack of a fiber: what has to happen when the fiber leaves the effect on top of it, by success, failure
 * or interruption.
 *
 * Effect 3 has one frame that nothing skips, the one that restores a fiber's flags after `uninterruptible`, and no public
 * way to use it but for that. An uninterruptible region with a handler and an interruptible body in it does the same for
 * three times the price, half a microsecond and more. So this is that frame with nothing to restore. It leans on
 * `pushStack` and on what frames are made of, names within Effect, and on an effect with a handler being the handler's
 * frame: `areSupported` tries them, and who finds them gone takes the region.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"

export abstract class FiberFrame {
  readonly _op = "RevertFlags"

  /** Asked for once, when the fiber comes by: the flags to change, none. */
  get patch(): number {
    this.passed()
    return 0
  }

  protected abstract passed(): void
}

/** The frame of a `flatMap` that changes nothing: passed by success alone. */
export abstract class SuccessFrame {
  readonly _op = "OnSuccess"

  effect_instruction_i1<A>(value: A): Exit.Exit<A> {
    this.succeeded()
    return Exit.succeed(value)
  }

  protected abstract succeeded(): void
}

interface Framed {
  readonly pushStack?: (frame: unknown) => void
}

/** Puts it under whatever effect the fiber runs next, which the caller has to return in the same step. */
export const push = (fiber: Fiber.RuntimeFiber<any, any>, frame: FiberFrame | SuccessFrame): void => {
  ;(fiber as Framed).pushStack!(frame)
}

/** What is left of an outcome after which something went wrong. */
export const after = <A, E>(exit: Exit.Exit<A, E>, defect: unknown): Exit.Exit<never, E> =>
  Exit.failCause(Exit.isFailure(exit) ? Cause.sequential(exit.cause, Cause.die(defect)) : Cause.die(defect))

/**
 * For `passed`, which must not throw: the fiber dies of the defect, beside what it may have failed with. One that is
 * interrupted ends by that alone.
 */
export const raise = (fiber: Fiber.RuntimeFiber<any, any>, defect: unknown): void => {
  const frame = Effect.matchCauseEffect(Effect.void, {
    onFailure: (cause: Cause.Cause<never>) => after(Exit.failCause(cause), defect),
    onSuccess: () => Exit.die(defect)
  })
  ;(fiber as Framed).pushStack!(frame)
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

const passes = (body: Effect.Effect<unknown, unknown>, probe: Probe): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.exit(body), (bare) => {
    const before = probe.count
    const success = new SuccessProbe()
    const framed = Effect.withFiberRuntime<unknown, unknown>((fiber) => {
      push(fiber, probe)
      push(fiber, success)
      return body
    })
    return Effect.map(
      Effect.exit(framed),
      (exit) =>
        probe.count === before + 1 && success.count === Number(Exit.isSuccess(bare)) && exit._tag === bare._tag &&
        (Exit.isFailure(exit) || (Exit.isSuccess(bare) && exit.value === bare.value))
    )
  })

class Raising extends FiberFrame {
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown>

  constructor(fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    super()
    this.fiber = fiber
  }

  protected passed(): void {
    raise(this.fiber, "raised")
  }
}

const raises = (body: Effect.Effect<unknown, unknown>): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.exit(body), (bare) => {
    const framed = Effect.withFiberRuntime<unknown, unknown>((fiber) => {
      push(fiber, new Raising(fiber))
      return body
    })
    return Effect.map(Effect.exit(framed), (exit) => Equal.equals(exit, after(bare, "raised")))
  })

/** Whether frames work with this version of Effect. */
export const areSupported: Effect.Effect<boolean> = Effect.withFiberRuntime((fiber) => {
  if (typeof (fiber as Framed).pushStack !== "function") return Effect.succeed(false)
  const probe = new Probe()
  const bodies = [Effect.sync(() => 1), Effect.fail("no"), Effect.interrupt]
  return Effect.catchAllCause(
    Effect.every(bodies, (body) => Effect.zipWith(passes(body, probe), raises(body), (a, b) => a && b)),
    () => Effect.succeed(false)
  )
})
