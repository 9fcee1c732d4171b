import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The time of the machine, whatever the clock of the test. */
export const live = Effect.withClock(Clock.make())

/**
 * The real time limit of whatever a test waits for. The busiest machine keeps it; a transport that notices a dead or a
 * hanging peer by itself, after 30 s, does not, nor do the limits of a pool's defaults.
 */
export const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.clock, (clock) => live(Effect.timeout(Effect.withClock(effect, clock), "25 seconds")))
