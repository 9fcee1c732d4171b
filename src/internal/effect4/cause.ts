/** Causes: the failures of effects. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"

/** Whether the cause contains only interruptions. */
export const isInterruptedOnly: (cause: Cause.Cause<unknown>) => boolean = Cause.hasInterruptsOnly

/** Whether the cause contains a defect. */
export const hasDies: (cause: Cause.Cause<unknown>) => boolean = Cause.hasDies

/** Whether the cause contains an interruption. */
export const hasInterrupts: (cause: Cause.Cause<unknown>) => boolean = Cause.hasInterrupts

/** The first error of the cause. */
export const findError: <E>(cause: Cause.Cause<E>) => Option.Option<E> = Cause.findErrorOption

/** A cause, followed by another. */
export const combine: <E, E2>(first: Cause.Cause<E>, then: Cause.Cause<E2>) => Cause.Cause<E | E2> = Cause.combine

/** The cause of a reached time limit. */
export const timeout = (message: string): Cause.Cause<Error> => Cause.fail(new Cause.TimeoutError(message))

/** The outcome of an interrupted fiber. */
export const interrupted: Exit.Exit<never> = /* @__PURE__ */ Exit.interrupt()
