/** Two pools with the same tags, and their figures in the registry. */
import { counterKey, gaugeKey, metricOf, show } from "#effect/metricRegistry"
import { poolRuntime } from "#effect/poolRuntime"
import * as Effect from "#test/Effect"
import * as Metric from "#test/Metric"

export interface Figures {
  size: number
  lent: number
}

/** `settle` waits until the registry has seen a change. */
export const twoPools = (settle: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const runtime = yield* poolRuntime
    const [size, lent] = [gaugeKey("test_size", "Live items"), counterKey("test_lent_total", "Times lent")]
    const tags = [["pool", "workers"]] as const
    const open = (figures: Figures) =>
      show(runtime, [
        { kind: "gauge", key: size, tags, read: () => figures.size },
        { kind: "counter", key: lent, tags, read: () => figures.lent }
      ])
    const read = Effect.gen(function*() {
      yield* settle
      const { value } = yield* Metric.value(Metric.tagged(metricOf(size), "pool", "workers"))
      const { count } = yield* Metric.value(Metric.tagged(metricOf(lent), "pool", "workers"))
      return { size: value, lent: count }
    }).pipe(Effect.tagMetrics("service", "orders"))
    const seen: Array<Figures> = []
    const look = Effect.map(read, (figures) => void seen.push(figures))
    const [first, second] = [{ size: 1, lent: 10 }, { size: 2, lent: 20 }]
    const [hideFirst, hideSecond] = [open(first), open(second)]
    yield* look
    Object.assign(first, { size: 5, lent: 11 })
    yield* look
    hideFirst()
    yield* look
    Object.assign(second, { size: 0, lent: 30 })
    hideSecond()
    yield* look
    return seen
  }).pipe(Effect.tagMetrics("service", "orders"))

export const expected: ReadonlyArray<Figures> = [
  { size: 3, lent: 30 },
  { size: 7, lent: 31 },
  { size: 2, lent: 31 },
  { size: 0, lent: 41 }
]
