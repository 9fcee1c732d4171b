/**
 * In each step the TestClock of Effect 3 waits for three or more timers of 0 ms, which take 1 ms each in Node and 4 ms in a
 * browser. Here it waits for as many turns of the event loop.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Original from "effect/TestContext"

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

export const TestContext = Layer.tap(
  Original.TestContext,
  () => Effect.map(Effect.clock, (clock) => Object.assign(clock, { yieldTimer: turn }))
)
