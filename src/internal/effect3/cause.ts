/** Causes: what an effect failed with. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Option from "effect/Option"

/** Whether it holds interruptions and nothing else. */
export const isInterruptedOnly: (cause: Cause.Cause<unknown>) => boolean = Cause.isInterruptedOnly

/** Whether it holds a defect. */
export const hasDies: (cause: Cause.Cause<unknown>) => boolean = Cause.isDie

/** Whether it holds an interruption. */
export const hasInterrupts: (cause: Cause.Cause<unknown>) => boolean = Cause.isInterrupted

/** The first error in it. */
export const findError: <E>(cause: Cause.Cause<E>) => Option.Option<E> = Cause.failureOption

/** The first, and what happened after it. */
export const combine: <E, E2>(first: Cause.Cause<E>, then: Cause.Cause<E2>) => Cause.Cause<E | E2> = Cause.sequential

/** A time limit that was met. */
export const timeout = (message: string): Cause.Cause<Error> => Cause.fail(new Cause.TimeoutException(message))

/** The outcome of a fiber that was interrupted. */
export const interrupted: Exit.Exit<never> = /* @__PURE__ */ Exit.interrupt(FiberId.none)
