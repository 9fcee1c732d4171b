import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"

/** Runs an effect on real time, whatever the clock of the test. */
export const live = Effect.withClock(Clock.make())

/**
 * The real time limit of every wait in a test. The busiest machine keeps it; but a transport that notices a dead or hanging
 * peer by itself, after 30 s, comes too late, and so do a pool's default limits.
 */
export const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.clock, (clock) => live(Effect.timeout(Effect.withClock(effect, clock), "25 seconds")))
