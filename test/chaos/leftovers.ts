import type { PoolStats } from "effect-pools/PoolStats"
import * as Effect from "effect/Effect"

/** Describes what a closed pool still has; undefined if it has nothing. */
export const leftIn = (pool: { readonly stats: Effect.Effect<PoolStats> }): Effect.Effect<string | undefined> =>
  Effect.map(
    pool.stats,
    ({ creating, inUse, leases, size, waiters }) =>
      creating + inUse + leases + size + waiters === 0
        ? undefined
        : `a closed pool has ${JSON.stringify({ creating, inUse, leases, size, waiters })}`
  )
