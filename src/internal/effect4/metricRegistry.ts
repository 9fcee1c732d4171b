/**
 * Metrics that Effect's registry reads from a pool's own counters, so that they cost borrowers nothing: Effect 4 has
 * `Metric.registerUnsafe` for that.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { PoolRuntime } from "./poolRuntime.js"

export type Gauge = Metric.Gauge<number>
export type Counter = Metric.Counter<number>
export type Histogram = Metric.Histogram<number>
export type GaugeKey = Gauge
export type CounterKey = Counter
export type HistogramKey = Histogram
export type Tag = readonly [name: string, value: string]

// --- definitions

export const gaugeKey = (name: string, description: string): GaugeKey => Metric.gauge(name, { description })

/** A figure that only grows. */
export const counterKey = (name: string, description: string): CounterKey =>
  Metric.counter(name, { description, incremental: true })

/** Values are seconds. OpenTelemetry's exporters use the tag as the unit. */
export const secondsKey = (name: string, description: string, boundaries: ReadonlyArray<number>): HistogramKey =>
  Metric.histogram(name, {
    description,
    boundaries: Metric.boundariesFromIterable(boundaries),
    attributes: { unit: "s" }
  })

/** The metric of a key, for users. */
export const metricOf = <K extends GaugeKey | CounterKey | HistogramKey>(key: K): K => key

const tagged = <I, S>(key: Metric.Metric<I, S>, tags: ReadonlyArray<Tag>): Metric.Metric<I, S> =>
  Metric.withAttributes(key, Object.fromEntries(tags))

// --- figures

/** A figure of a metric: a gauge shows it while the pool lives, a counter forever. */
export type Figure = {
  readonly tags: ReadonlyArray<Tag>
  readonly read: () => number
} & ({ readonly kind: "gauge"; readonly key: GaugeKey } | { readonly kind: "counter"; readonly key: CounterKey })

/** The sum behind a metric: the figures of live pools, and the final counts of closed pools. */
interface Source {
  readonly live: Set<() => number>
  closed: number
}

/** The sources of each registry, by metric, tags and the attributes of the pool's maker. */
const sources = new WeakMap<Metric.MetricRegistry, Map<string, Source>>()

const sorted = (entries: ReadonlyArray<readonly [string, unknown]>): ReadonlyArray<readonly [string, unknown]> =>
  entries.toSorted(([one], [other]) => one < other ? -1 : 1)

const sourceOf = ({ key, tags }: Figure, { context }: PoolRuntime): Source => {
  const registry = Context.get(context, Metric.MetricRegistry)
  let known = sources.get(registry)
  if (known === undefined) sources.set(registry, known = new Map())
  const attributes = Object.entries(Context.get(context, Metric.CurrentMetricAttributes))
  const id = JSON.stringify([key.id, sorted(tags), sorted(attributes)])
  let source = known.get(id)
  if (source === undefined) known.set(id, source = { live: new Set(), closed: 0 })
  return source
}

const nothing = (): void => undefined

/** The source is what the registry reads. A second registration of the same source changes nothing. */
const register = ({ key, kind, tags }: Figure, source: Source, { context }: PoolRuntime): void => {
  const sum = () => [...source.live].reduce((sum, read) => sum + read(), source.closed)
  if (kind === "gauge") {
    const get = () => ({ value: sum() })
    Metric.registerUnsafe(tagged(key, tags), context, { get, update: nothing, modify: nothing })
  } else {
    const get = () => ({ count: sum(), incremental: true })
    Metric.registerUnsafe(tagged(key, tags), context, { get, update: nothing, modify: nothing })
  }
}

/** Returns a function that ends it. */
const lendToRegistry = (figure: Figure, runtime: PoolRuntime): () => void => {
  const { kind, read } = figure
  const source = sourceOf(figure, runtime)
  // pools may share the function `read`
  const own = () => read()
  source.live.add(own)
  // also if there was a pool with the same tags: a user may have removed the metric since
  register(figure, source, runtime)
  return () => {
    source.live.delete(own)
    if (kind === "counter") source.closed += read()
  }
}

/** Shows a pool's figures as metrics, until the returned function is called. Pools with the same tags add up. */
export const show = (runtime: PoolRuntime, figures: ReadonlyArray<Figure>): () => void => {
  const ends = figures.map((figure) => lendToRegistry(figure, runtime))
  return () => ends.forEach((end) => end())
}

/** Writes to a histogram. Pools with the same tags share it. */
export const observer = (
  { context }: PoolRuntime,
  key: HistogramKey,
  tags: ReadonlyArray<Tag>
): (value: number) => void => {
  const metric = tagged(key, tags)
  return (value) => metric.updateUnsafe(value, context)
}
