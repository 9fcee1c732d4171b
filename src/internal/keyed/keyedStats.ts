/** The figures of a pool by key: of all keys together, and of the busiest ones. */
import { KeyedPoolStats, PoolStats } from "../../PoolStats.js"
import type { PermitFigures } from "../observe/figures.js"
import type { KeyPool } from "./keyPool.js"

/** How many keys have figures of their own. */
const maxShown = 100

interface Sums {
  size: number
  idle: number
  inUse: number
  leases: number
  creating: number
  closing: number
  waiters: number
  min: number
  created: number
  acquisitions: number
  reuses: number
  timeouts: number
  rejections: number
  abandoned: number
  failures: number
  finalizerFailures: number
}

const summed = [
  ...["size", "idle", "inUse", "leases", "creating", "closing", "waiters", "min"],
  ...["created", "acquisitions", "reuses", "timeouts", "rejections", "abandoned", "failures", "finalizerFailures"]
] as ReadonlyArray<keyof Sums>

type Destroyed = { -readonly [K in keyof PoolStats["destroyed"]]: number }

/** Sums the figures of pools. */
export class Totals {
  private readonly sums = Object.fromEntries(summed.map((name) => [name, 0])) as unknown as Sums
  private readonly destroyed: Destroyed = {
    lost: 0,
    invalidated: 0,
    retired: 0,
    discarded: 0,
    idle: 0,
    excess: 0,
    closed: 0
  }

  add(stats: PoolStats): this {
    for (const name of summed) this.sums[name] += stats[name]
    for (const [reason, count] of Object.entries(stats.destroyed)) this.destroyed[reason as keyof Destroyed] += count
    return this
  }

  read(pool: string, max: number, peak: number, refusedKeys: number, permits?: PermitFigures): PoolStats {
    const { destroyed, sums } = this
    return new PoolStats({
      ...sums,
      pool,
      max,
      peak,
      rejections: sums.rejections + refusedKeys,
      destroyed: { ...destroyed },
      ...(permits === undefined ? {} : { permits })
    })
  }
}

/** The keys with the most borrowers, those that wait included. */
const busiest = <K>(parts: Iterable<KeyPool<K, any, any>>): ReadonlyArray<KeyPool<K, any, any>> => {
  const loadOf = ({ engine: { machine } }: KeyPool<K, any, any>) => machine.leases + machine.waiters.length
  let chosen: Array<KeyPool<K, any, any>> = []
  let least = -1
  const choose = () => {
    if (chosen.length <= maxShown) return
    chosen.sort((a, b) => loadOf(b) - loadOf(a))
    chosen = chosen.slice(0, maxShown)
    least = loadOf(chosen[maxShown - 1]!)
  }
  for (const part of parts) {
    if (loadOf(part) <= least) continue
    chosen.push(part)
    if (chosen.length === 2 * maxShown) choose()
  }
  choose()
  return chosen.sort((a, b) => loadOf(b) - loadOf(a))
}

export const keyedStats = <K>(
  pool: string,
  keys: Iterable<KeyPool<K, any, any>>,
  count: number,
  all: PoolStats
): KeyedPoolStats =>
  new KeyedPoolStats({
    pool,
    keys: count,
    all,
    byKey: busiest(keys).map(({ engine, id }) => ({ key: id, stats: engine.stats() }))
  })
