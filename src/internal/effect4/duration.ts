/** Durations, as users write them. */
import * as Duration from "effect/Duration"
import type * as Option from "effect/Option"

/** A duration, milliseconds, or text such as `"5 seconds"`. */
export type DurationInput = Duration.Input

/** `None` for an invalid duration. */
export const decodeDuration = (input: unknown): Option.Option<Duration.Duration> =>
  Duration.fromInput(input as DurationInput)

/** Throws for an invalid duration. */
export const durationOf: (input: DurationInput) => Duration.Duration = Duration.fromInputUnsafe

export const isLessThan = (self: DurationInput, that: DurationInput): boolean =>
  Duration.isLessThan(durationOf(self), durationOf(that))
