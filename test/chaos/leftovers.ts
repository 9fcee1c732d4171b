import { type PoolStats, RequestPoolStats } from "effect-pools/PoolStats"
import * as Effect from "effect/Effect"

const figuresOf = (stats: PoolStats | RequestPoolStats): Readonly<Record<string, number>> => {
  if (stats instanceof RequestPoolStats) {
    const { exclusive, forgotten, inFlight, opening, streams, waiters } = stats
    return { exclusive, forgotten, inFlight, opening, streams, waiters }
  }
  const { creating, inUse, leases, size, waiters } = stats
  return { creating, inUse, leases, size, waiters }
}

/** Describes what a closed pool still has; undefined if it has nothing. */
export const leftIn = (
  pool: { readonly stats: Effect.Effect<PoolStats | RequestPoolStats> }
): Effect.Effect<string | undefined> =>
  Effect.map(pool.stats, (stats) => {
    const figures = figuresOf(stats)
    return Object.values(figures).every((count) => count === 0)
      ? undefined
      : `a closed pool has ${JSON.stringify(figures)}`
  })
