/** Many borrowers on few items: the speed, the waits, and the borrowers that overtake others. */
import * as Effect from "#test/Effect"
import * as Pool from "effect/Pool"
import { number, spread, table, whole } from "../harness/format.js"
import { clockOf } from "../harness/measure.js"
import {
  type Entry,
  type Figures,
  type Group,
  ratio,
  type Requirement,
  type Results,
  type Settings
} from "../harness/model.js"
import { effectPool, effectPoolUse, genericPool, type Item, lightningPool, resourcePool, tarnPool } from "./peers.js"

const group = "contention"
const items = 10
/** Rounds that do not count: at first all borrowers ask at once, which shows their number, not the fairness of the pool. */
const settling = 10

const peers = {
  ours: "`use`",
  get: "`Effect.scoped(get)`",
  poolUse: "Effect `Pool.use`",
  pool: "Effect `Effect.scoped(Pool.get)`",
  generic: "generic-pool acquire, release",
  tarn: "tarn acquire, release",
  lightning: "lightning-pool acquire, release",
  alone: "the fibers alone"
}

/** When each borrower asked, and when it was served. */
class Record {
  private readonly waits: Float64Array
  private readonly settled: Float64Array
  private readonly order: Int32Array
  private asked = 0
  private served = 0
  private settledCount = 0

  constructor(total: number) {
    this.waits = new Float64Array(total)
    this.settled = new Float64Array(total)
    this.order = new Int32Array(total)
  }

  ask(): number {
    return this.asked++
  }

  serve(number: number, since: number, borrow: number): void {
    const waited = performance.now() - since
    this.order[this.served] = number
    this.waits[this.served++] = waited
    if (borrow >= settling) this.settled[this.settledCount++] = waited
  }

  /** The number of borrowers that were served after a borrower that had asked later. */
  private get overtaken(): number {
    let count = 0
    let latest = -1
    for (const number of this.order) {
      if (number < latest) count++
      else latest = number
    }
    return count
  }

  figures(millis: number): Figures {
    if (this.served !== this.order.length) throw new Error(`${this.served} of ${this.order.length} were served`)
    const waits = this.waits.toSorted()
    const at = (q: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * q))]!
    return {
      us: [millis * 1_000 / waits.length],
      medianWait: [at(0.5)],
      p99Wait: [at(0.99)],
      longestWait: [at(1)],
      longestSettledWait: [this.settled.subarray(0, this.settledCount).reduce((a, b) => Math.max(a, b), 0)],
      overtaken: [this.overtaken]
    }
  }
}

type Contend = (fibers: number, borrows: number, record: Record) => Promise<unknown>

const effectFibers =
  (borrow: (f: () => Effect.Effect<void>) => Effect.Effect<unknown, unknown>): Contend => (fibers, borrows, record) =>
    Effect.runPromise(
      Effect.forEach(
        Array.from({ length: fibers }, (_, i) => i),
        () => {
          let i = 0
          return Effect.whileLoop({
            while: () => i < borrows,
            body: () => {
              const number = record.ask()
              const since = performance.now()
              return borrow(() => {
                record.serve(number, since, i)
                return Effect.yieldNow()
              })
            },
            step: () => {
              i++
            }
          })
        },
        { concurrency: "unbounded", discard: true }
      ).pipe(
        // a fiber that has to yield between the record of its request and the request would seem to be overtaken
        Effect.withMaxOpsBeforeYield(2 ** 30)
      )
    )

const promises =
  (acquire: () => Promise<Item>, release: (item: Item) => unknown): Contend => (fibers, borrows, record) =>
    Promise.all(Array.from({ length: fibers }, async () => {
      for (let i = 0; i < borrows; i++) {
        const number = record.ask()
        const since = performance.now()
        const item = await acquire()
        record.serve(number, since, i)
        await Promise.resolve()
        await release(item)
      }
    }))

const entry = (peer: string, make: () => Promise<Contend>, rounds = 3): Entry => ({
  peer,
  rounds,
  limit: 60,
  measure: async (settings) => {
    const contend = await make()
    const { borrows, fibers } = extent(settings)
    const warmup = Math.ceil(borrows / 10)
    await contend(fibers, warmup, new Record(fibers * warmup))
    const record = new Record(fibers * borrows)
    const now = clockOf(settings)
    const start = now()
    await contend(fibers, borrows, record)
    return record.figures(now() - start)
  }
})

const extent = ({ quick }: Settings) => quick ? { fibers: 300, borrows: 40 } : { fibers: 1_000, borrows: 100 }

const effectEntries: ReadonlyArray<Entry> = [
  entry(peers.ours, async () => {
    const pool = await resourcePool(items)
    return effectFibers((f) => pool.use(f))
  }),
  entry(peers.get, async () => {
    const pool = await resourcePool(items)
    return effectFibers((f) => Effect.scoped(Effect.flatMap(pool.get, f)))
  }, 2),
  entry(peers.pool, async () => {
    const pool = await effectPool(items)
    return effectFibers((f) => Effect.scoped(Effect.flatMap(Pool.get(pool), f)))
  }, 2),
  entry(peers.alone, async () => effectFibers((f) => f()))
]

const entriesOnEffect4: ReadonlyArray<Entry> = [
  ...effectEntries,
  entry(peers.poolUse, async () => {
    const pool = await effectPool(items)
    return effectFibers((f) => effectPoolUse(pool, f))
  })
]

const entriesOnEffect3: ReadonlyArray<Entry> = [
  ...effectEntries,
  entry(peers.generic, async () => {
    const pool = await genericPool(items)
    return promises(() => pool.acquire(), (item) => pool.release(item))
  }),
  entry(peers.tarn, async () => {
    const pool = await tarnPool(items)
    return promises(() => pool.acquire().promise, (item) => pool.release(item))
  }),
  entry(peers.lightning, async () => {
    const pool = await lightningPool(items)
    return promises(() => pool.acquire(), (item) => pool.release(item))
  })
]

const report = (contestants: ReadonlyArray<string>) => (results: Results): ReadonlyArray<string> => [
  table(
    [
      "1,000 fibers × 100 borrows on 10 items",
      "µs per op",
      "±",
      "median wait (ms)",
      "99 %",
      "longest",
      "longest, settled",
      "overtaken"
    ],
    contestants.map((peer) => [
      peer,
      number(results.median(group, peer, "us")),
      spread(results.get(group, peer, "us")),
      number(results.median(group, peer, "medianWait")),
      number(results.median(group, peer, "p99Wait")),
      number(results.median(group, peer, "longestWait")),
      number(results.median(group, peer, "longestSettledWait")),
      whole(results.median(group, peer, "overtaken"))
    ])
  )
]

const charts: Group["charts"] = (results) => {
  const chart = (title: string, figure: string) => ({
    title,
    subtitle: `1,000 fibers × 100 borrows on 10 items, in units of effect-pools' use`,
    bars: ([
      ["effect-pools, use", peers.ours],
      ["generic-pool", peers.generic],
      ["lightning-pool", peers.lightning],
      ["tarn", peers.tarn],
      ["Effect's Pool, use", peers.poolUse],
      ["Effect's Pool, scoped get", peers.pool]
    ] as const).map(([contestant, peer]) => ({
      contestant,
      isOurs: peer === peers.ours,
      ratio: ratio(results.median(group, peer, figure), results.median(group, peers.ours, figure))
    }))
  })
  return [chart("Many borrowers, few items: time for a borrow", "us"), chart("… the longest wait", "longestWait")]
}

const requirements = (effect: 3 | 4) => (results: Results): ReadonlyArray<Requirement> => {
  const us = (peer: string) => results.median(group, peer, "us")
  const worst = (figure: string) => {
    const samples = results.get(group, peers.ours, figure)?.samples
    return samples === undefined ? undefined : Math.max(...samples)
  }
  return [
    {
      what: "many borrowers: throughput to Effect's",
      figure: ratio(us(effect === 4 ? peers.poolUse : peers.pool), us(peers.ours)),
      bound: { atLeast: effect === 4 ? 1.3 : 3 },
      unit: "×"
    },
    { what: "many borrowers: overtaken", figure: worst("overtaken"), bound: { atMost: 0 }, unit: "" },
    ...(effect === 4 ? [] : [
      {
        what: "many borrowers: longest wait, without each fiber's first ten, to the median",
        figure: ratio(
          results.median(group, peers.ours, "longestSettledWait"),
          results.median(group, peers.ours, "medianWait")
        ),
        bound: { atMost: 10 },
        unit: "×" as const
      }
    ])
  ]
}

export const contention = (effect: 3 | 4): Group => {
  const { poolUse, ...onEffect3 } = peers
  const onEffect4 = [peers.ours, peers.get, poolUse, peers.pool, peers.alone]
  return {
    name: group,
    title: "Many borrowers, few items",
    charts,
    entries: () => effect === 4 ? entriesOnEffect4 : entriesOnEffect3,
    report: report(effect === 4 ? onEffect4 : Object.values(onEffect3)),
    requirements: requirements(effect)
  }
}
