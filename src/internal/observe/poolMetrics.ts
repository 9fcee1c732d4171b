/** The metrics of pools: their names, and which figure each shows. */
import {
  type CounterKey,
  counterKey,
  type Figure,
  type GaugeKey,
  gaugeKey,
  type HistogramKey,
  observer,
  secondsKey,
  show,
  type Tag
} from "#effect/metricRegistry"
import type { PoolRuntime } from "#effect/poolRuntime"
import type { RecyclingFigures, WaitingFigures } from "./figures.js"

export const size = gaugeKey("effect_pools_size", "Live items, idle and in use")
export const idle = gaugeKey("effect_pools_idle", "Live items that nobody has")
export const inUse = gaugeKey("effect_pools_in_use", "Live items that somebody has")
export const leases = gaugeKey("effect_pools_leases", "Leases out")
export const creating = gaugeKey("effect_pools_creating", "Items being made")
export const closing = gaugeKey("effect_pools_closing", "Items being closed")
export const waiters = gaugeKey("effect_pools_waiters", "Borrowers in the queue")
export const minSize = gaugeKey("effect_pools_min_size", "Items to keep live")
export const maxSize = gaugeKey("effect_pools_max_size", "The most items at once")

const total = (name: string, description: string): CounterKey => counterKey(`effect_pools_${name}_total`, description)

export const acquisitions = total("acquisitions", "Times that an item was lent")
export const reuses = total("reuses", "Times that an item was lent again")
export const created = total("created", "Items made")
export const destroyed = total("destroyed", "Items closed, by reason")
export const failures = total("failures", "Creations that failed")
export const timeouts = total("timeouts", "Borrowers that met acquireTimeout")
export const rejections = total("rejections", "Borrowers that met maxWaiters")
export const abandoned = total("abandoned", "Borrowers that were interrupted while they waited")
export const finalizerFailures = total("finalizer_failures", "Items that did not close as they should")
export const returned = total("returned", "Times that an object of a recycling pool came back")
export const discarded = total("discarded", "Objects that a recycling pool let go of, by reason")
export const refused = total("refused", "What borrowers of a recycling pool did wrong, by reason")

/** From 0.1 ms, which a stream takes, to the usual time limits. */
const boundaries = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60
]

const seconds = (name: string, description: string): HistogramKey =>
  secondsKey(`effect_pools_${name}_seconds`, description, boundaries)

export const waitTime = seconds("wait_time", "How long borrowers waited who got an item")
export const createTime = seconds("create_time", "How long it took to make an item")
export const useTime = seconds("use_time", "How long borrowers had an item")

type Read<S> = (stats: S) => number

/** What a kind of pool shows. */
interface Figures<S> {
  readonly gauges: ReadonlyArray<readonly [GaugeKey, Read<S>]>
  readonly counters: ReadonlyArray<readonly [CounterKey, Read<S>]>
  /** With the tag `reason`. */
  readonly reasons: ReadonlyArray<readonly [CounterKey, (stats: S) => object]>
}

const gauges: Figures<WaitingFigures>["gauges"] = [
  [size, (stats) => stats.size],
  [idle, (stats) => stats.idle],
  [inUse, (stats) => stats.inUse],
  [leases, (stats) => stats.leases],
  [creating, (stats) => stats.creating],
  [closing, (stats) => stats.closing],
  [waiters, (stats) => stats.waiters],
  [minSize, (stats) => stats.min],
  [maxSize, (stats) => stats.max]
]

const counters: Figures<WaitingFigures>["counters"] = [
  [acquisitions, (stats) => stats.acquisitions],
  [reuses, (stats) => stats.reuses],
  [created, (stats) => stats.created],
  [failures, (stats) => stats.failures],
  [timeouts, (stats) => stats.timeouts],
  [rejections, (stats) => stats.rejections],
  [abandoned, (stats) => stats.abandoned],
  [finalizerFailures, (stats) => stats.finalizerFailures]
]

export const waitingPool: Figures<WaitingFigures> = {
  gauges,
  counters,
  reasons: [[destroyed, (stats) => stats.destroyed]]
}

export const recyclingPool: Figures<RecyclingFigures> = {
  gauges: [
    [idle, (stats) => stats.size],
    [inUse, (stats) => stats.inUse],
    [minSize, (stats) => stats.min],
    [maxSize, (stats) => stats.max]
  ],
  counters: [
    [acquisitions, (stats) => stats.acquisitions],
    [reuses, (stats) => stats.reused],
    [created, (stats) => stats.created],
    [failures, (stats) => stats.failures],
    [returned, (stats) => stats.returned]
  ],
  reasons: [[discarded, (stats) => stats.discarded], [refused, (stats) => stats.refused]]
}

/** Takes seconds. */
type Observe = (time: number) => void

export interface Times {
  readonly wait: Observe
  readonly create: Observe
  readonly use: Observe
}

/** The histograms of a pool. Pools of the same tags share them. */
export const timesOf = (tags: ReadonlyArray<Tag>, runtime: PoolRuntime): Times => ({
  wait: observer(runtime, waitTime, tags),
  create: observer(runtime, createTime, tags),
  use: observer(runtime, useTime, tags)
})

/** Shows a pool's figures as metrics, under these tags, until the returned function is called. */
export const register = <S>(
  { counters, gauges, reasons }: Figures<S>,
  tags: ReadonlyArray<Tag>,
  runtime: PoolRuntime,
  stats: () => S
): () => void => {
  const figures: Array<Figure> = []
  for (const [key, read] of gauges) figures.push({ kind: "gauge", key, tags, read: () => read(stats()) })
  for (const [key, read] of counters) figures.push({ kind: "counter", key, tags, read: () => read(stats()) })
  for (const [key, read] of reasons) {
    for (const reason of Object.keys(read(stats()))) {
      const count = (): number => (read(stats()) as Record<string, number>)[reason]!
      figures.push({ kind: "counter", key, tags: [...tags, ["reason", reason]], read: count })
    }
  }
  return show(runtime, figures)
}
