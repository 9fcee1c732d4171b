import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** Counts the fibers that effects have started, and that still run. */
export const fiberCount = Effect.sync(() => {
  let running = 0
  const metrics: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void running++,
    recordFiberEnd: () => void running--
  }
  return {
    within: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.provideService(effect, Metric.FiberRuntimeMetrics, metrics),
    running: Effect.sync(() => running)
  }
})

/** Lets fibers, and promises, go on for some steps. */
export const hops = (count: number): Effect.Effect<void> =>
  Effect.replicateEffect(Effect.yieldNow, count, { discard: true })
