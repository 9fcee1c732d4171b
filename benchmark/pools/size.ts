/** The cost of a borrow in a large pool. */
import * as Effect from "effect/Effect"
import * as Pool from "effect/Pool"
import { number, seconds, table, times, whole } from "../harness/format.js"
import { nanos, type Run } from "../harness/measure.js"
import { type Entry, type Figures, type Group, ratio, type Results, type Settings } from "../harness/model.js"
import { effectLoop, effectPool, type Item, lightningPool, makeItem, resourcePool, trivial } from "./peers.js"

const group = "size"

const peers = {
  idle: "`use`, all idle",
  lent: "`use`, all but 10 lent",
  invalidateIdle: "`invalidate` and its replacement, all idle",
  invalidateLent: "`invalidate` and its replacement, all but 10 lent",
  pool: "Effect `Effect.scoped(Pool.get)`, all idle",
  lightning: "lightning-pool acquire, release, all idle"
}

const everySize = [10, 1_000, 10_000, 100_000]
const sizes = ({ quick }: Settings) => quick ? [10, 10_000] : everySize

const filled = async (size: number, lent: number, acquire: Effect.Effect<Item>) => {
  const pool = await resourcePool(size, { acquire, createConcurrency: 1_000 })
  for (let i = 0; i < lent; i++) await Effect.runPromise(pool.acquire)
  return pool
}

const use = async (size: number, lent: number): Promise<Run> => {
  const pool = await filled(size, lent, Effect.sync(makeItem))
  return effectLoop(() => pool.use(() => trivial))
}

/** Each operation ends when the item is closed and replaced. The oldest idle items come first. */
const invalidate = async (size: number, lent: number, settings: Settings): Promise<Figures> => {
  const values: Array<Item> = []
  const acquire = Effect.sync(() => {
    const item = makeItem()
    values.push(item)
    return item
  })
  const pool = await filled(size, lent, acquire)
  // the newest items are lent first
  values.length = size - lent
  let next = 0
  return { ns: await nanos(effectLoop(() => Effect.zipRight(pool.invalidate(values[next++]!), pool.ready)), settings) }
}

const entriesAt = (at: number): ReadonlyArray<Entry> => {
  const entry = (peer: string, make: () => Promise<Run>, limits: Partial<Entry> = {}): Entry => ({
    peer,
    at,
    rounds: 3,
    limit: 60,
    ...limits,
    measure: async (settings) => ({ ns: await nanos(await make(), settings) })
  })
  return [
    entry(peers.idle, () => use(at, 0)),
    entry(peers.lent, () => use(at, at - 10)),
    { peer: peers.invalidateIdle, at, rounds: 3, limit: 60, measure: (settings) => invalidate(at, 0, settings) },
    { peer: peers.invalidateLent, at, rounds: 3, limit: 60, measure: (settings) => invalidate(at, at - 10, settings) },
    entry(peers.pool, async () => {
      const pool = await effectPool(at)
      return effectLoop(() => Effect.scoped(Pool.get(pool)))
    }, { rounds: 1, limit: 30 }),
    entry(peers.lightning, async () => {
      const pool = await lightningPool(at)
      return async (operations) => {
        for (let i = 0; i < operations; i++) {
          const item = await pool.acquire()
          pool.release(item)
        }
      }
    }, { rounds: 1, limit: 30 })
  ]
}

const us = (results: Results, peer: string, at: number) => {
  const ns = results.median(group, peer, "ns", at)
  return ns === undefined ? undefined : ns / 1_000
}

const growth = (results: Results, peer: string) => ratio(us(results, peer, 100_000), us(results, peer, 10))

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["pools of … items, µs per op", ...everySize.map(whole), "100,000 to 10"],
    Object.values(peers).map((peer) => [
      peer,
      ...everySize.map((at) => {
        const limit = results.limit(group, peer, at)
        return limit === undefined ? number(us(results, peer, at)) : seconds(limit)
      }),
      times(growth(results, peer))
    ])
  )
]

export const size: Group = {
  name: group,
  title: "Large pools",
  entries: (settings) => sizes(settings).flatMap(entriesAt),
  report,
  requirements: (results) =>
    [peers.idle, peers.lent, peers.invalidateIdle, peers.invalidateLent].map((peer) => ({
      what: `pool of 100,000, to one of 10: ${peer}`,
      figure: growth(results, peer),
      bound: { atMost: 1.3 },
      unit: "×"
    }))
}
