/** The context that a pool takes from the fiber that makes it, and how the pool runs its own fibers. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { RunningFiber } from "./fiber.js"
import { areSupported } from "./fiberFrame.js"
import { areSupported as areFinalizersSupported } from "./scope.js"
import { isTraced } from "./tracing.js"

export interface PoolRuntime {
  readonly clock: Clock.Clock
  /** Whether frames on a borrower's fiber work: see `fiberFrame.ts`. */
  readonly hasFrames: boolean
  /** Whether finalizers can be added to a borrower's scope at once: see `scope.ts`. */
  readonly hasFinalizers: boolean
  /** Whether a tracer receives the spans of the pool's own fibers. */
  readonly isTraced: boolean
  /** The context of the pool's maker, without the maker's span and scope. */
  readonly context: Context.Context<never>
}

/** Fibers of the pool have the context of its maker, without the maker's span and scope. */
export const poolRuntime: Effect.Effect<PoolRuntime> = /* @__PURE__ */ Effect.flatMap(
  Effect.all([areSupported, areFinalizersSupported]),
  ([hasFrames, hasFinalizers]) =>
    Effect.withFiber((fiber) =>
      Effect.succeed({
        clock: fiber.getRef(Clock.Clock),
        hasFrames,
        hasFinalizers,
        isTraced: isTraced(fiber.cache.tracer),
        context: Context.omit(Tracer.ParentSpan, Scope.Scope)(fiber.context as Context.Context<any>)
      })
    )
)

const run = <A, E, R>(context: Context.Context<R>, effect: Effect.Effect<A, E, R>): RunningFiber<A, E> =>
  Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, effect), { uninterruptible: true })

/**
 * Runs an effect on a fiber of the pool. The effect begins later, never inside the caller, and is interruptible only where
 * it says so: a fiber that is interrupted before it begins could not tell the pool its end.
 */
export const fork = <A, E>({ context }: PoolRuntime, effect: Effect.Effect<A, E>): RunningFiber<A, E> =>
  run(context, effect)

/**
 * Runs an effect on a fiber of the pool, interruptible and with its own scope, and passes the outcome to `then` after the
 * scope is closed. It costs less than `Effect.scoped`, since the scope is in the fiber's context from the start.
 */
export const forkScoped = <A, E>(
  { context }: PoolRuntime,
  effect: Effect.Effect<A, E, Scope.Scope>,
  then: (exit: Exit.Exit<A, E>) => void
): RunningFiber<void, never> => {
  const scope = Scope.makeUnsafe()
  const program = Effect.flatMap(
    Effect.exit(Effect.interruptible(effect)),
    (exit) =>
      Effect.map(
        Effect.exit(Scope.close(scope, exit)),
        (closed) => then(Exit.isSuccess(exit) && Exit.isFailure(closed) ? Exit.failCause(closed.cause) : exit)
      )
  )
  return run(Context.add(context, Scope.Scope, scope), program)
}
