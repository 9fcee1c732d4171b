import { globalMetricRegistry } from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type * as MetricHook from "effect/MetricHook"
import * as MetricKey from "effect/MetricKey"
import type * as MetricLabel from "effect/MetricLabel"
import * as MetricState from "effect/MetricState"
import type { PoolStats, RecyclingPoolStats } from "../../PoolStats.js"

export const size = MetricKey.gauge("effect_pools_size", { description: "Live items, idle and in use" })
export const idle = MetricKey.gauge("effect_pools_idle", { description: "Live items that nobody has" })
export const inUse = MetricKey.gauge("effect_pools_in_use", { description: "Live items that somebody has" })
export const leases = MetricKey.gauge("effect_pools_leases", { description: "Leases out" })
export const creating = MetricKey.gauge("effect_pools_creating", { description: "Items being made" })
export const closing = MetricKey.gauge("effect_pools_closing", { description: "Items being closed" })
export const waiters = MetricKey.gauge("effect_pools_waiters", { description: "Borrowers in the queue" })
export const minSize = MetricKey.gauge("effect_pools_min_size", { description: "Items to keep live" })
export const maxSize = MetricKey.gauge("effect_pools_max_size", { description: "The most items at once" })

const total = (name: string, description: string) =>
  MetricKey.counter(`effect_pools_${name}_total`, { description, incremental: true })

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
const boundaries = MetricBoundaries.fromIterable(
  [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
)

/** The tag is what OpenTelemetry's exporters take for the unit. */
const seconds = (name: string, description: string) =>
  MetricKey.tagged(MetricKey.histogram(`effect_pools_${name}_seconds`, boundaries, description), "unit", "s")

export const waitTime = seconds("wait_time", "How long borrowers waited who got an item")
export const createTime = seconds("create_time", "How long it took to make an item")
export const useTime = seconds("use_time", "How long borrowers had an item")

type Read<S> = (stats: S) => number

/** What a kind of pool shows. */
interface Figures<S> {
  readonly gauges: ReadonlyArray<readonly [MetricKey.MetricKey.Gauge<number>, Read<S>]>
  readonly counters: ReadonlyArray<readonly [MetricKey.MetricKey.Counter<number>, Read<S>]>
  /** With the tag `reason`. */
  readonly reasons: ReadonlyArray<readonly [MetricKey.MetricKey.Counter<number>, (stats: S) => object]>
}

const gauges: Figures<PoolStats>["gauges"] = [
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

const counters: Figures<PoolStats>["counters"] = [
  [acquisitions, (stats) => stats.acquisitions],
  [reuses, (stats) => stats.reuses],
  [created, (stats) => stats.created],
  [failures, (stats) => stats.failures],
  [timeouts, (stats) => stats.timeouts],
  [rejections, (stats) => stats.rejections],
  [abandoned, (stats) => stats.abandoned],
  [finalizerFailures, (stats) => stats.finalizerFailures]
]

export const waitingPool: Figures<PoolStats> = {
  gauges,
  counters,
  reasons: [[destroyed, (stats) => stats.destroyed]]
}

export const recyclingPool: Figures<RecyclingPoolStats> = {
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

/** What stands behind one metric in the registry: the pools that live, and what those left that closed. */
interface Source {
  readonly live: Set<() => number>
  closed: number
}

const sources = new WeakMap<MetricHook.MetricHook<any, any>, Source>()

/** Makes the registry read the metric from its sources: a hook is asked only when somebody takes a snapshot. */
const sourceOf = (
  key: MetricKey.MetricKey<any>,
  state: (value: number) => unknown
): Source => {
  const hook = globalMetricRegistry.get(key) as { -readonly [K in keyof MetricHook.MetricHook<any, any>]: any }
  let source = sources.get(hook as never)
  if (source === undefined) {
    const fresh: Source = { live: new Set(), closed: 0 }
    hook.get = () => state([...fresh.live].reduce((sum, read) => sum + read(), fresh.closed))
    sources.set(hook as never, source = fresh)
  }
  return source
}

type Tag = readonly [name: string, value: string]

/** In the order in which Effect looks a tagged metric up: the maker's labels come last. */
const tag = <K extends MetricKey.MetricKey<any>>(
  key: K,
  labels: ReadonlyArray<MetricLabel.MetricLabel>,
  tags: ReadonlyArray<Tag>
): K =>
  MetricKey.taggedWithLabels(
    tags.reduce((tagged, [name, value]) => MetricKey.tagged(tagged, name, value), key as MetricKey.MetricKey<any>),
    labels
  ) as K

/** Takes seconds. */
type Observe = (time: number) => void

export interface Times {
  readonly wait: Observe
  readonly create: Observe
  readonly use: Observe
}

/** The histograms of one pool. Pools of the same tags share them. */
export const timesOf = (tags: ReadonlyArray<Tag>, labels: ReadonlyArray<MetricLabel.MetricLabel>): Times => {
  const observe = (key: MetricKey.MetricKey.Histogram): Observe => {
    const hook = globalMetricRegistry.get(tag(key, labels, tags))
    return (time) => hook.update(time)
  }
  return { wait: observe(waitTime), create: observe(createTime), use: observe(useTime) }
}

/** Shows a pool's figures as metrics, under these tags, until the returned function is called. */
export const register = <S>(
  figures: Figures<S>,
  tags: ReadonlyArray<Tag>,
  labels: ReadonlyArray<MetricLabel.MetricLabel>,
  stats: () => S
): () => void => {
  const undo: Array<() => void> = []
  const show = (
    key: MetricKey.MetricKey<any>,
    more: ReadonlyArray<Tag>,
    state: (value: number) => unknown,
    read: Read<S>,
    keep: boolean
  ) => {
    const source = sourceOf(tag(key, labels, [...tags, ...more]), state)
    const current = () => read(stats())
    source.live.add(current)
    undo.push(() => {
      source.live.delete(current)
      if (keep) source.closed += current()
    })
  }
  for (const [key, read] of figures.gauges) show(key, [], MetricState.gauge, read, false)
  for (const [key, read] of figures.counters) show(key, [], MetricState.counter, read, true)
  for (const [key, read] of figures.reasons) {
    for (const reason of Object.keys(read(stats()))) {
      const count = (stats: S) => (read(stats) as Record<string, number>)[reason]!
      show(key, [["reason", reason]], MetricState.counter, count, true)
    }
  }
  return () => undo.forEach((f) => f())
}
