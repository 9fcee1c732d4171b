import * as Effect from "effect/Effect"
import * as Supervisor from "effect/Supervisor"

/** Counts the fibers that effects have started, and that still run. */
export const fiberCount = Effect.map(Supervisor.track, (supervisor) => ({
  within: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.supervised(effect, supervisor),
  running: Effect.map(supervisor.value, (fibers) => fibers.filter((fiber) => fiber.unsafePoll() === null).length)
}))

/** Lets fibers, and promises, go on for some steps: fibers of Effect 3 run in microtasks. */
export const hops = (count: number): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await Promise.resolve()
  })
