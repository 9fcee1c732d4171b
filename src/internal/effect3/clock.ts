/** The clock of Effect, read by plain code. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export const currentClock: Effect.Effect<Clock.Clock> = Effect.clock

/** Milliseconds since 1970. They go back when the system's clock is set back. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** Nanoseconds of a clock that no one sets back, from a moment of its own. */
export const nanosOf = (clock: Clock.Clock): bigint => clock.unsafeCurrentTimeNanos()
