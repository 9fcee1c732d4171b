import { PoolStats } from "../../PoolStats.js"
import type { PoolMachine } from "../core/pool/poolMachine.js"
import type { PermitFigures } from "../observe/figures.js"

/** The figures of a pool at this moment. */
export const statsOf = (
  pool: string,
  { closing, counters, creating, inUse, leases, live, renewing, sizes, waiters }: PoolMachine<any, any>,
  finalizerFailures: number,
  permits: PermitFigures | undefined
): PoolStats =>
  new PoolStats({
    pool,
    size: live - renewing,
    idle: live - renewing - inUse,
    inUse,
    leases,
    creating,
    closing: closing + renewing,
    waiters: waiters.length,
    min: sizes.minSize,
    max: sizes.maxSize,
    created: counters.created,
    destroyed: { ...counters.destroyed },
    acquisitions: counters.acquisitions,
    reuses: counters.reuses,
    timeouts: counters.timeouts,
    rejections: counters.rejections,
    abandoned: counters.abandoned,
    failures: counters.failures,
    finalizerFailures,
    peak: counters.peak,
    ...(permits === undefined ? {} : { permits })
  })
