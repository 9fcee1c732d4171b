/** Effect's clock, for plain code. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ClockSource } from "../core/clock.js"

export const currentClock: Effect.Effect<Clock.Clock> = Effect.clock

/** Milliseconds since 1970. This time goes back when the system's clock is set back. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** Nanoseconds of a monotonic clock, from an arbitrary start. */
export const nanosOf = (clock: Clock.Clock): bigint => clock.unsafeCurrentTimeNanos()

/** What `core` reads. Effect 3's own clock has its form, so that no call is added to a read. */
export const sourceOf = (clock: Clock.Clock): ClockSource => clock
