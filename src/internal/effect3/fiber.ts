/** Fibers: access to them, and their properties. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import type * as FiberStatus from "effect/FiberStatus"
import type * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Tracer from "effect/Tracer"

/** A running fiber. */
export type RunningFiber<A, E> = Fiber.RuntimeFiber<A, E>
export type AnyFiber = Fiber.RuntimeFiber<any, any>

/** Provides the fiber that runs the effect. */
export const withFiber: <A, E = never, R = never>(
  f: (fiber: RunningFiber<A, E>) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R> = Effect.withFiberRuntime

/** What an effect knows of the fiber that runs it, beside the fiber. Nothing in Effect 4, where the fiber itself tells. */
export type FiberState = FiberStatus.Running

/** Gives the fiber that runs it, and its state. */
export const withFiberState: <A, E = never, R = never>(
  f: (fiber: RunningFiber<A, E>, state: FiberState) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R> = Effect.withFiberRuntime

/** Resumes a fiber that is suspended in `untilResumed`. */
export type Resume = (effect: Effect.Effect<void>) => void

/** Suspends the fiber until `resumeFiber`. `register` itself may call `resume`; then the fiber goes on at once. */
export const untilResumed: (register: (resume: Resume) => void) => Effect.Effect<void> = Effect.async

/** From plain code: the fiber goes on after the code that runs now. */
export const resumeFiber = (_fiber: AnyFiber, resume: Resume): void => resume(Effect.void)

/** Interrupts a fiber without waiting for its end. */
export const interruptFiber = (fiber: AnyFiber | undefined): void => fiber?.unsafeInterruptAsFork(FiberId.none)

/** The id of an interruption by no fiber. */
export const noFiber: FiberId.FiberId = FiberId.none

/** Whether the fiber was interrupted, also if it has not noticed it yet. An internal of Effect. */
export const wasInterrupted = (fiber: AnyFiber): boolean => !Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))

/** Whether the running fiber can be interrupted now. */
export const isInterruptible = (_fiber: AnyFiber, { runtimeFlags }: FiberState): boolean =>
  RuntimeFlags.interruptible(runtimeFlags)

/** The current span of the fiber. */
export const spanOf = (fiber: AnyFiber): Option.Option<Tracer.AnySpan> =>
  Context.getOption(fiber.getFiberRef(FiberRef.currentContext) as Context.Context<any>, Tracer.ParentSpan)

export const logAnnotationsOf = (fiber: AnyFiber): Record<string, unknown> =>
  Object.fromEntries(fiber.getFiberRef(FiberRef.currentLogAnnotations))

/** The name of the fiber in logs. */
export const nameOf = (fiber: AnyFiber): string => FiberId.threadName(fiber.id())

/** The tracer that the fiber has. */
export const tracerOf = (fiber: AnyFiber): Tracer.Tracer => fiber.currentTracer
