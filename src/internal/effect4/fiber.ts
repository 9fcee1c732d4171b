/** Fibers: access to them, and their properties. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"

/** A running fiber. */
export type RunningFiber<A, E> = Fiber.Fiber<A, E>
export type AnyFiber = Fiber.Fiber<any, any>

/** Provides the fiber that runs the effect. */
export const withFiber = Effect.withFiber as <A, E = never, R = never>(
  f: (fiber: RunningFiber<A, E>) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

/** What an effect knows of the fiber that runs it, beside the fiber. Nothing in Effect 4, where the fiber itself tells. */
export type FiberState = undefined

/** Gives the fiber that runs it, and its state. */
export const withFiberState = Effect.withFiber as <A, E = never, R = never>(
  f: (fiber: RunningFiber<A, E>, state: FiberState) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

let dispatcher: Scheduler.SchedulerDispatcher | undefined

/** Runs a task after the code that runs now. Effect 4 resumes, and interrupts, a fiber inside the caller. */
export const later = (task: () => void): void => {
  const { currentDispatcher } = Fiber.getCurrent() ?? {}
  ;(currentDispatcher ?? (dispatcher ??= new Scheduler.MixedScheduler().makeDispatcher())).scheduleTask(task, 0)
}

/** Resumes a fiber that is suspended in `untilResumed`, inside the caller. */
export type Resume = (effect: Effect.Effect<void>) => void

/**
 * Suspends the fiber until `resumeFiber`. `register` itself may call `resume`; then the fiber goes on at once. A suspended
 * fiber holds a third less memory than in `callback`.
 */
export const untilResumed: (register: (resume: Resume) => void) => Effect.Effect<void> = Effect.callback

/** From plain code: the fiber goes on after the code that runs now. */
export const resumeFiber = (fiber: AnyFiber, resume: Resume): void => {
  fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
}

/** Interrupts a fiber without waiting for its end. */
export const interruptFiber = (fiber: AnyFiber | undefined): void => {
  if (fiber !== undefined && fiber.pollUnsafe() === undefined) {
    fiber.currentDispatcher.scheduleTask(() => fiber.interruptUnsafe(), 0)
  }
}

/** The id of an interruption by no fiber. */
export const noFiber = undefined

interface Interruptible {
  readonly interruptible?: boolean
  readonly _interruptedCause?: unknown
}

/** Whether the fiber was interrupted, also if it has not noticed it yet. An internal of Effect. */
export const wasInterrupted = (fiber: AnyFiber): boolean => (fiber as Interruptible)._interruptedCause !== undefined

/** Whether the running fiber can be interrupted now. An internal of Effect. */
export const isInterruptible = (fiber: AnyFiber, _state: FiberState): boolean =>
  (fiber as Interruptible).interruptible === true

/** The current span of the fiber. */
export const spanOf = (fiber: AnyFiber): Option.Option<Tracer.AnySpan> =>
  Context.getOption(fiber.context as Context.Context<any>, Tracer.ParentSpan)

export const logAnnotationsOf = (fiber: AnyFiber): Record<string, unknown> => ({
  ...fiber.getRef(References.CurrentLogAnnotations)
})

/** The name of the fiber in logs. */
export const nameOf = (fiber: AnyFiber): string => `#${fiber.id}`

/** The tracer that the fiber has; `undefined` is Effect's own. */
export const tracerOf = (fiber: AnyFiber): Tracer.Tracer | undefined => fiber.cache.tracer
