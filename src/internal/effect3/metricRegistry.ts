/**
 * Metrics that Effect's registry reads from a pool's own counters, so that they cost borrowers nothing.
 *
 * Effect 3 has no public API for that. This module replaces the method `get` of a metric's hook, which the registry calls
 * for a snapshot. `areReadable` tests that with a separate registry. If it does not work, a fiber of the pool writes the
 * figures to the metrics every 5 seconds, and once more when the pool closes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type * as MetricHook from "effect/MetricHook"
import * as MetricKey from "effect/MetricKey"
import * as MetricRegistry from "effect/MetricRegistry"
import * as MetricState from "effect/MetricState"
import { interruptFiber } from "./fiber.js"
import { fork, type PoolRuntime } from "./poolRuntime.js"

export type GaugeKey = MetricKey.MetricKey.Gauge<number>
export type CounterKey = MetricKey.MetricKey.Counter<number>
export type HistogramKey = MetricKey.MetricKey.Histogram
export type Gauge = Metric.Metric.Gauge<number>
export type Counter = Metric.Metric.Counter<number>
export type Histogram = Metric.Metric.Histogram<number>
export type Tag = readonly [name: string, value: string]

// --- definitions

export const gaugeKey = (name: string, description: string): GaugeKey => MetricKey.gauge(name, { description })

/** A figure that only grows. */
export const counterKey = (name: string, description: string): CounterKey =>
  MetricKey.counter(name, { description, incremental: true })

/** Values are seconds. OpenTelemetry's exporters use the tag as the unit. */
export const secondsKey = (name: string, description: string, boundaries: ReadonlyArray<number>): HistogramKey =>
  MetricKey.tagged(MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description), "unit", "s")

/** The metric of a key, for users. Effect types one function for all kinds of keys, these overloads one for each. */
export const metricOf: {
  (key: GaugeKey): Gauge
  (key: CounterKey): Counter
  (key: HistogramKey): Histogram
} = Metric.fromMetricKey as any

/** Ordered as Effect looks up a tagged metric: the labels of the pool's maker come last. */
const tagged = <K extends MetricKey.MetricKey<any>>(key: K, tags: ReadonlyArray<Tag>, { labels }: PoolRuntime): K =>
  MetricKey.taggedWithLabels(
    tags.reduce((tagged, [name, value]) => MetricKey.tagged(tagged, name, value), key as MetricKey.MetricKey<any>),
    labels
  ) as K

// --- figures

/** A figure of a metric: a gauge shows it while the pool lives, a counter forever. */
export interface Figure {
  readonly kind: "gauge" | "counter"
  readonly key: GaugeKey | CounterKey
  readonly tags: ReadonlyArray<Tag>
  readonly read: () => number
}

type Hook = MetricHook.MetricHook<any, any>

/** The sum behind a metric: the figures of live pools, and the final counts of closed pools. */
interface Source {
  readonly live: Set<() => number>
  closed: number
}

const sources = new WeakMap<Hook, Source>()

const replaceGet = (hook: Hook, get: () => unknown): void => {
  ;(hook as { get: () => unknown }).get = get
}

/** Whether a registry calls the replaced method of a hook. Exported for its test. */
export const areReadable = (): boolean => {
  try {
    const registry = MetricRegistry.make()
    const key = MetricKey.gauge("effect_pools_probe")
    const hook = registry.get(key)
    replaceGet(hook, () => MetricState.gauge(1))
    const [pair] = registry.snapshot()
    return registry.get(key) === hook && (pair!.metricState as MetricState.MetricState.Gauge<number>).value === 1
  } catch {
    return false
  }
}

let isProven: boolean | undefined

const sourceOf = (hook: Hook, kind: Figure["kind"]): Source => {
  let source = sources.get(hook)
  if (source === undefined) {
    const fresh: Source = { live: new Set(), closed: 0 }
    const state: (value: number) => unknown = kind === "gauge" ? MetricState.gauge : MetricState.counter
    replaceGet(hook, () => state([...fresh.live].reduce((sum, read) => sum + read(), fresh.closed)))
    sources.set(hook, source = fresh)
  }
  return source
}

/** Returns a function that ends it. */
const lendToRegistry = (hook: Hook, { kind, read }: Figure): () => void => {
  const source = sourceOf(hook, kind)
  // pools may share the function `read`
  const own = () => read()
  source.live.add(own)
  return () => {
    source.live.delete(own)
    if (kind === "counter") source.closed += read()
  }
}

const interval = Duration.seconds(5)

/** Pools with the same tags write to the same metric, so each pool writes its changes. Returns a function that ends it. */
const writeToRegistry = (runtime: PoolRuntime, hooks: ReadonlyArray<readonly [Hook, Figure]>): () => void => {
  const written = hooks.map(() => 0)
  const write = (isEnd: boolean): void =>
    hooks.forEach(([hook, { kind, read }], index) => {
      const value = isEnd && kind === "gauge" ? 0 : read()
      hook.modify(value - written[index]!)
      written[index] = value
    })
  write(false)
  const again: Effect.Effect<void> = Effect.flatMap(
    Effect.interruptible(runtime.clock.sleep(interval)),
    () => Effect.suspend(() => (write(false), again))
  )
  const fiber = fork(runtime, again)
  return () => {
    interruptFiber(fiber)
    write(true)
  }
}

/** Shows a pool's figures as metrics, until the returned function is called. Pools with the same tags add up. */
export const show = (runtime: PoolRuntime, figures: ReadonlyArray<Figure>): () => void => {
  const hooks = figures.map((figure) =>
    [
      Metric.globalMetricRegistry.get(tagged<MetricKey.MetricKey<any>>(figure.key, figure.tags, runtime)),
      figure
    ] as const
  )
  isProven ??= areReadable()
  if (!isProven) return writeToRegistry(runtime, hooks)
  const ends = hooks.map(([hook, figure]) => lendToRegistry(hook, figure))
  return () => ends.forEach((end) => end())
}

/** Writes to a histogram. Pools with the same tags share it. */
export const observer = (
  runtime: PoolRuntime,
  key: HistogramKey,
  tags: ReadonlyArray<Tag>
): (value: number) => void => {
  const hook = Metric.globalMetricRegistry.get(tagged(key, tags, runtime))
  return (value) => hook.update(value)
}
