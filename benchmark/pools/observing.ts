/** Borrow and return, without waiters, while the pool is observed. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import type * as ResourcePool from "../../src/ResourcePool.js"
import { none, number, spread, table, times } from "../harness/format.js"
import { perOperation, type Run } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Results } from "../harness/model.js"
import { effectLoop, type Item, resourcePool, trivial } from "./peers.js"

const size = 10
const group = "observing"

const cases = {
  off: "`use`, with `metrics: false`",
  on: "`use`, with metrics, as always",
  read: "`use`, and all metrics read every 100 ms",
  traced: "`use`, with a tracer",
  histograms: "`use`, with `histograms`"
}

const entry = (peer: string, run: () => Promise<Run>): Entry => ({
  peer,
  limit: 30,
  measure: async (settings) => perOperation(await run(), settings)
})

const loop = (pool: ResourcePool.ResourcePool<Item>) => effectLoop(() => pool.use(() => trivial))

/** Waits, creations and closings would be spans; a borrow without a wait has none. */
const tracer = Tracer.make({
  span: () => {
    throw new Error("a span, though nobody waits")
  },
  context: (f) => f()
})

const entries: ReadonlyArray<Entry> = [
  entry(cases.off, async () => loop(await resourcePool(size, { metrics: false }))),
  entry(cases.on, async () => loop(await resourcePool(size))),
  entry(cases.read, async () => {
    setInterval(() => Metric.unsafeSnapshot(), 100).unref()
    return loop(await resourcePool(size))
  }),
  entry(cases.traced, async () => {
    const pool = await resourcePool(size)
    return (operations) => {
      let i = 0
      const borrows = Effect.whileLoop({
        while: () => i++ < operations,
        body: () => pool.use(() => trivial),
        step: () => undefined
      })
      return Effect.runPromise(Effect.withTracer(borrows, tracer))
    }
  }),
  entry(cases.histograms, async () => loop(await resourcePool(size, { histograms: true })))
]

const ns = (results: Results, peer: string) => results.median(group, peer, "ns")

export const observing: Group = {
  name: group,
  title: "Borrow and return while somebody looks on",
  entries: () => entries,
  report: (results) => [
    table(
      ["pool of 10, nobody waiting", "ns per op", "±", "bytes per op", "÷ without metrics"],
      Object.values(cases).map((peer) => [
        peer,
        number(ns(results, peer)),
        spread(results.get(group, peer, "ns")),
        number(results.median(group, peer, "bytes")),
        peer === cases.off ? none : times(ratio(ns(results, peer), ns(results, cases.off)))
      ])
    )
  ],
  requirements: (results) =>
    ([
      ["`use` with metrics: to one without", cases.on],
      ["`use` while metrics are read: to one without", cases.read],
      ["`use` with a tracer: to one without", cases.traced]
    ] as const).map(([what, peer]) => ({
      what,
      figure: ratio(ns(results, peer), ns(results, cases.off)),
      bound: { atMost: 1.05 },
      unit: "×"
    }))
}
