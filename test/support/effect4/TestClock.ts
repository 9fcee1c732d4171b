import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

export * from "effect/testing/TestClock"

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** As Effect 3 does, waits until all fibers, and the promises that they wait for, have done what they can. */
const settled = Effect.replicateEffect(
  Effect.andThen(Effect.replicateEffect(Effect.yieldNow, 20, { discard: true }), turn),
  2,
  { discard: true }
)

export const adjust = (duration: Duration.Input): Effect.Effect<void> =>
  Effect.andThen(settled, TestClock.adjust(duration))

export const setTime = (timestamp: number): Effect.Effect<void> => Effect.andThen(settled, TestClock.setTime(timestamp))
