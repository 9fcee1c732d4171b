import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Metric from "effect/Metric"

export * from "effect/Metric"

export type Histogram = Metric.Histogram<number>
/** A metric that tests read. */
export type Readable<State> = Metric.Metric<any, State>

export interface Figure {
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
  /** NaN if the metric is neither a counter nor a gauge. */
  readonly value: number
}

/** The names of metrics that a module defines. */
export const namesIn = (definitions: object): ReadonlyArray<string> =>
  Object.values(definitions).flatMap((one) => Metric.isMetric(one) ? [one.id] : [])

/** All metrics. */
export const figures: Effect.Effect<ReadonlyArray<Figure>> = Effect.map(
  Metric.snapshot,
  (metrics) =>
    metrics.map(({ attributes, id, state, type }) => ({
      name: id,
      tags: attributes ?? {},
      value: type === "Counter" ? Number(state.count) : type === "Gauge" ? Number(state.value) : Number.NaN
    }))
)

export const tagged: {
  (key: string, value: string): <In, State>(metric: Metric.Metric<In, State>) => Metric.Metric<In, State>
  <In, State>(metric: Metric.Metric<In, State>, key: string, value: string): Metric.Metric<In, State>
} = dual(
  3,
  <In, State>(metric: Metric.Metric<In, State>, key: string, value: string) =>
    Metric.withAttributes(metric, { [key]: value })
)
