/** Small transactions, as fast as they go. */
import { number, spread, table, times, whole } from "../harness/format.js"
import { type Chart, type Entry, type Group, ratio, type Requirement, type Results } from "../harness/model.js"
import { Count, type Meter, Window } from "../transport/load.js"
import { Admin, Books } from "./books.js"
import { Clerk, type Observer } from "./clerk.js"
import { type Contestant, contestants, peers, size } from "./contestants.js"
import { serverConfig, startPostgres } from "./protocol.js"

const group = "transactions"
export const fibers = 200

/** Nothing may fail here. */
const observe = (meter: Meter): Observer => ({
  take: () => meter.take(),
  answered: (asked) => meter.answered(asked),
  failed: (error) => {
    throw error
  }
})

const entry = ({ open, peer }: Contestant): Entry => ({
  peer,
  rounds: 3,
  limit: 60,
  measure: async ({ quick }) => {
    const books = await Books.open(new Admin(serverConfig()), fibers)
    const drive = await open()
    const work = (meter: Meter) =>
      drive(Array.from({ length: fibers }, (_, id) => new Clerk(id, books, observe(meter))))
    // a number, not a time: on a busy machine, too, the contestant is compiled by then
    await work(new Count(quick ? 1_000 : 3_000))
    const window = new Window(quick ? 500 : 1_500, fibers)
    await work(window)
    const { lost, wrong } = await books.audit()
    return { ...window.figures, lost: [lost], wrong: [wrong] }
  }
})

const of = (results: Results, peer: string, figure: string) => results.median(group, peer, figure)

/** In units of what most would write. */
const toPool = (results: Results, peer: string, figure: string) =>
  ratio(of(results, peer, figure), of(results, peers.poolInEffect, figure))

const worst = (results: Results, figure: string): number | undefined => {
  const all = contestants.flatMap(({ peer }) => results.get(group, peer, figure)?.samples ?? [])
  return all.length === 0 ? undefined : Math.max(...all)
}

const requirements = (results: Results): ReadonlyArray<Requirement> => [
  {
    what: `processor time of the client for a transaction, to ${peers.poolInEffect}`,
    figure: toPool(results, peers.ours, "cpu"),
    bound: { atMost: 1 },
    unit: "×"
  },
  {
    what: `99 % of the transactions, to ${peers.poolInEffect}`,
    figure: toPool(results, peers.ours, "p99"),
    bound: { atMost: 1 },
    unit: "×"
  },
  {
    what: "transactions without a fault: wrong answers and lost commits, of all",
    figure: (worst(results, "lost") ?? 0) + (worst(results, "wrong") ?? 0),
    bound: { atMost: 0 },
    unit: ""
  }
]

const chart = (title: string, subtitle: string, of: (peer: string) => number | undefined): Chart => ({
  title,
  subtitle,
  bars: contestants.map(({ peer }) => ({
    contestant: peer.replaceAll("`", ""),
    isOurs: peer === peers.ours,
    ratio: ratio(of(peer), of(peers.ours))
  }))
})

export const transactions: Group = {
  name: group,
  title: "Transactions",
  start: startPostgres,
  entries: () => contestants.map(entry),
  report: (results) => [
    table(
      [
        `${fibers} fibers, ${size} connections`,
        "transactions/s",
        "±",
        "median (ms)",
        "99 % (ms)",
        "processor (µs per transaction)",
        `processor, to ${peers.poolInEffect}`
      ],
      contestants.map(({ peer }) => [
        peer,
        whole(of(results, peer, "perSecond")),
        spread(results.get(group, peer, "perSecond")),
        number(of(results, peer, "median")),
        number(of(results, peer, "p99")),
        number(of(results, peer, "cpu")),
        times(toPool(results, peer, "cpu"))
      ])
    )
  ],
  requirements,
  charts: (results) => [
    chart(
      `Small transactions of ${fibers} fibers on ${size} connections`,
      "processor time of the client for a transaction, in units of ResourcePool",
      (peer) => of(results, peer, "cpu")
    ),
    chart("The same", "time for a transaction, in units of ResourcePool", (peer) => {
      const perSecond = of(results, peer, "perSecond")
      return perSecond === undefined ? undefined : 1 / perSecond
    })
  ]
}
