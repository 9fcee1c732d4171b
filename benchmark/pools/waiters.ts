/** Very many fibers that borrow once each, from a pool of ten. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Pool from "effect/Pool"
import { none, number, seconds, table, times, whole } from "../harness/format.js"
import { clockOf } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Requirement, type Results, type Settings } from "../harness/model.js"
import { effectPool, effectPoolUse, genericPool, lightningPool, resourcePool, tarnPool } from "./peers.js"

const group = "waiters"
const items = 10

const peers = {
  ours: "`use`",
  alone: "the same fibers, forked to yield once",
  poolUse: "Effect `Pool.use`",
  pool: "Effect `Effect.scoped(Pool.get)`",
  generic: "generic-pool acquire, release",
  tarn: "tarn acquire, release",
  lightning: "lightning-pool acquire, release"
}

const sizes = ({ quick }: Settings) => quick ? [1_000, 10_000] : [1_000, 10_000, 100_000]

const everySize = [1_000, 10_000, 100_000]

type Borrowers = (waiters: number) => Promise<unknown>

const fibers = (effect: Effect.Effect<unknown, unknown>): Borrowers => (waiters) =>
  Effect.runPromise(Effect.gen(function*() {
    const forked: Array<Fiber.Fiber<unknown, unknown>> = []
    for (let i = 0; i < waiters; i++) forked.push(yield* Effect.fork(effect))
    for (const fiber of forked) yield* Fiber.join(fiber)
  }))

const entry = (
  peer: string,
  at: number,
  limits: { readonly rounds: number; readonly limit?: number; readonly once?: boolean },
  make: () => Promise<Borrowers>
): Entry => ({
  peer,
  at,
  rounds: limits.rounds,
  limit: limits.limit ?? 60,
  measure: async (settings) => {
    const { quick, warmupMillis } = settings
    const now = clockOf(settings)
    const borrow = await make()
    if (!limits.once) {
      const start = now()
      do await borrow(1_000)
      while (now() - start < 3 * warmupMillis)
    }
    // ten thousand borrowers per sample, or more if they all wait at once, so that all pay the same for the collector
    const repetitions = limits.once ? 1 : Math.max(1, 10_000 / at)
    const wanted = limits.once || quick || at >= 100_000 ? 1 : 3
    const ms: Array<number> = []
    for (let i = 0; i < wanted; i++) {
      const start = now()
      for (let j = 0; j < repetitions; j++) await borrow(at)
      ms.push((now() - start) / repetitions)
    }
    return { ms, us: ms.map((sample) => sample * 1_000 / at) }
  }
})

const promises = (once: () => Promise<unknown>): Borrowers => (waiters) =>
  Promise.all(Array.from({ length: waiters }, once))

const ourEntry = (at: number, rounds: number): Entry =>
  entry(peers.ours, at, { rounds }, async () => {
    const pool = await resourcePool(items)
    return fibers(pool.use(() => Effect.yieldNow()))
  })

const aloneEntry = (at: number, rounds: number): Entry =>
  entry(peers.alone, at, { rounds }, async () => fibers(Effect.yieldNow()))

const entriesOnEffect4 = (at: number): ReadonlyArray<Entry> => [
  ourEntry(at, 3),
  aloneEntry(at, 3),
  entry(peers.poolUse, at, { rounds: 3 }, async () => {
    const pool = await effectPool(items)
    return fibers(effectPoolUse(pool, () => Effect.yieldNow()))
  })
]

const entriesOnEffect3 = (at: number, quick: boolean): ReadonlyArray<Entry> => [
  ourEntry(at, at >= 10_000 ? 2 : 3),
  aloneEntry(at, at >= 10_000 ? 2 : 3),
  ...(at > 10_000 ? [] : [
    entry(peers.pool, at, { rounds: 1, limit: quick ? 4 : 20, once: true }, async () => {
      const pool = await effectPool(items)
      return fibers(Effect.scoped(Effect.andThen(Pool.get(pool), Effect.yieldNow())))
    })
  ]),
  entry(peers.generic, at, { rounds: 1, limit: 20 }, async () => {
    const pool = await genericPool(items)
    return promises(async () => {
      const item = await pool.acquire()
      await Promise.resolve()
      await pool.release(item)
    })
  }),
  entry(peers.tarn, at, { rounds: 1, limit: 20 }, async () => {
    const pool = await tarnPool(items)
    return promises(async () => {
      const item = await pool.acquire().promise
      await Promise.resolve()
      pool.release(item)
    })
  }),
  entry(peers.lightning, at, { rounds: 1, limit: 20 }, async () => {
    const pool = await lightningPool(items)
    return promises(async () => {
      const item = await pool.acquire()
      await Promise.resolve()
      pool.release(item)
    })
  })
]

const us = (results: Results, peer: string, at: number) => results.median(group, peer, "us", at)

const grown = (results: Results, peer: string, at: number) => ratio(us(results, peer, at), us(results, peer, 1_000))

const report = (contestants: ReadonlyArray<string>) => (results: Results): ReadonlyArray<string> => [
  table(
    [
      "borrow once, from a pool of 10",
      ...everySize.map((at) => `${whole(at)}: ms`),
      ...everySize.map((at) => `${whole(at)}: µs per waiter`),
      "100,000 to 1,000"
    ],
    contestants.map((peer) => [
      peer,
      ...everySize.map((at) => {
        const limit = results.limit(group, peer, at)
        return limit === undefined ? number(results.median(group, peer, "ms", at)) : seconds(limit)
      }),
      ...everySize.map((at) => results.limit(group, peer, at) === undefined ? number(us(results, peer, at)) : none),
      times(grown(results, peer, 100_000))
    ])
  )
]

const requirementsOnEffect4 = (results: Results): ReadonlyArray<Requirement> => [
  {
    what: "100,000 waiters: faster than Effect's `Pool.use`",
    figure: ratio(us(results, peers.poolUse, 100_000), us(results, peers.ours, 100_000)),
    bound: { atLeast: 2.5 },
    unit: "×"
  }
]

const requirementsOnEffect3 = (results: Results): ReadonlyArray<Requirement> => {
  const toForking = (at: number) => ratio(us(results, peers.ours, at), us(results, peers.alone, at))
  return [10_000, 100_000].flatMap((at) => [
    {
      what: `${whole(at)} waiters: time per waiter, to that of 1,000, the fibers' own growth taken out`,
      figure: ratio(grown(results, peers.ours, at), grown(results, peers.alone, at)),
      bound: { atMost: 1.3 },
      unit: "×" as const
    },
    {
      what: `${whole(at)} waiters: to the forking of those fibers`,
      figure: toForking(at),
      bound: { atMost: 2 },
      unit: "×" as const
    }
  ])
}

export const waiters = (effect: 3 | 4): Group => {
  const { poolUse, ...onEffect3 } = peers
  return {
    name: group,
    title: "Very many waiters",
    entries: (settings) =>
      sizes(settings).flatMap((at) => effect === 4 ? entriesOnEffect4(at) : entriesOnEffect3(at, settings.quick)),
    report: report(effect === 4 ? [peers.ours, poolUse, peers.alone] : Object.values(onEffect3)),
    requirements: effect === 4 ? requirementsOnEffect4 : requirementsOnEffect3
  }
}
