import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

export * from "effect/Cause"

export type TimeoutException = Cause.TimeoutError

/** The tag of the error of `Effect.timeout`. */
export const timeoutTag = "TimeoutError"

export {
  combine as sequential,
  findErrorOption as failureOption,
  hasDies as isDie,
  hasInterruptsOnly as isInterruptedOnly
} from "effect/Cause"

export const defects = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) => Cause.isDieReason(reason) ? [reason.defect] : [])

/** Always with the causes of errors. */
export const pretty = (cause: Cause.Cause<unknown>, _options?: { readonly renderErrorCause: true }): string =>
  Cause.pretty(cause)

export const dieOption = (cause: Cause.Cause<unknown>): Option.Option<unknown> =>
  Result.getSuccess(Cause.findDefect(cause))
