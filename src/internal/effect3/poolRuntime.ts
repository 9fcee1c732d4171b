/** The context that a pool takes from the fiber that makes it, and how the pool runs its own fibers. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import type * as MetricLabel from "effect/MetricLabel"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
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
  /** The metric labels of the pool's maker. */
  readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
  readonly runtime: Runtime.Runtime<never>
}

/** Fibers of the pool have the context of its maker, without the maker's span and scope. */
export const poolRuntime: Effect.Effect<PoolRuntime> = /* @__PURE__ */ Effect.gen(function*() {
  const { context, fiberRefs, runtimeFlags } = yield* Effect.runtime<never>()
  return {
    clock: yield* Effect.clock,
    hasFrames: yield* areSupported,
    hasFinalizers: yield* areFinalizersSupported,
    isTraced: isTraced(yield* Effect.tracer),
    labels: FiberRefs.getOrDefault(fiberRefs, FiberRef.currentMetricLabels),
    runtime: Runtime.make({
      context: Context.omit(Tracer.ParentSpan, Scope.Scope)(context as Context.Context<any>),
      fiberRefs,
      runtimeFlags: RuntimeFlags.disable(runtimeFlags, RuntimeFlags.Interruption)
    }) as Runtime.Runtime<never>
  }
})

/**
 * Runs an effect on a fiber of the pool. The effect begins later, never inside the caller, and is interruptible only where
 * it says so: a fiber that is interrupted before it begins could not tell the pool its end.
 */
export const fork = <A, E>({ runtime }: PoolRuntime, effect: Effect.Effect<A, E>): RunningFiber<A, E> =>
  Runtime.runFork(runtime, effect, { immediate: false })

/**
 * Runs an effect on a fiber of the pool, interruptible and with its own scope, and passes the outcome to `then` after the
 * scope is closed. It costs half of `Effect.scoped`, since the scope is in the fiber's context from the start.
 */
export const forkScoped = <A, E>(
  { runtime: { context, fiberRefs, runtimeFlags }, runtime }: PoolRuntime,
  effect: Effect.Effect<A, E, Scope.Scope>,
  then: (exit: Exit.Exit<A, E>) => void
): RunningFiber<void, never> => {
  const scope = Runtime.runSync(runtime, Scope.make())
  const scoped = Runtime.make({ context: Context.add(context, Scope.Scope, scope), fiberRefs, runtimeFlags })
  const program = Effect.flatMap(
    Effect.exit(Effect.interruptible(effect)),
    (exit) =>
      Effect.map(
        Effect.exit(Scope.close(scope, exit)),
        (closed) => then(Exit.isSuccess(exit) && Exit.isFailure(closed) ? Exit.failCause(closed.cause) : exit)
      )
  )
  return Runtime.runFork(scoped, program, { immediate: false })
}
