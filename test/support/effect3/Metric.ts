import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricState from "effect/MetricState"

export * from "effect/Metric"

export type Histogram = Metric.Metric.Histogram<number>
/** A metric that tests read. */
export type Readable<State> = Metric.Metric<any, any, State>

export interface Figure {
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
  /** NaN if the metric is neither a counter nor a gauge. */
  readonly value: number
}

/** The names of metrics that a module defines. */
export const namesIn = (definitions: object): ReadonlyArray<string> =>
  Object.values(definitions).flatMap((one) => MetricKey.isMetricKey(one) ? [one.name] : [])

/** All metrics. */
export const figures: Effect.Effect<ReadonlyArray<Figure>> = Effect.map(
  Metric.snapshot,
  (pairs) =>
    pairs.map(({ metricKey, metricState }) => ({
      name: metricKey.name,
      tags: Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value])),
      value: MetricState.isCounterState(metricState)
        ? Number(metricState.count)
        : MetricState.isGaugeState(metricState)
        ? Number(metricState.value)
        : Number.NaN
    }))
)
