/** Effect's clock, for plain code. */
import * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type { ClockSource } from "../core/clock.js"

export const currentClock: Effect.Effect<Clock.Clock> = Clock.Clock

/** Milliseconds since 1970. This time goes back when the system's clock is set back. */
export const millisOf = (clock: Clock.Clock): number => clock.currentTimeMillisUnsafe()

/** Nanoseconds of a monotonic clock, from an arbitrary start. */
export const nanosOf = (clock: Clock.Clock): bigint => clock.monotonicTimeNanosUnsafe()

/** What `core` reads. */
export const sourceOf = (clock: Clock.Clock): ClockSource => ({
  unsafeCurrentTimeMillis: () => clock.currentTimeMillisUnsafe(),
  unsafeCurrentTimeNanos: () => clock.monotonicTimeNanosUnsafe()
})
