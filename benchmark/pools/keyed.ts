/** Borrow and return by key, without waiters. */
import { KeyedPool, ResourcePool } from "effect-pools"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as EffectKeyedPool from "effect/KeyedPool"
import * as Scope from "effect/Scope"
import { none, number, spread, table, times } from "../harness/format.js"
import { perOperation, type Run } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Results } from "../harness/model.js"
import { effectLoop, type Item, makeItem, resourcePool, trivial } from "./peers.js"

const group = "keyed"
const many = 100_000

class Host extends Data.Class<{ readonly name: string; readonly port: number }> {}

const entry = (peer: string, run: () => Run | Promise<Run>): Entry => ({
  peer,
  limit: 120,
  measure: async (settings) => perOperation(await run(), settings)
})

const contestants = {
  resourcePool: "`ResourcePool.use`, a trivial effect",
  one: "`KeyedPool.use`, 1 key",
  oneOfMany: "`KeyedPool.use`, 1 of 100,000 keys",
  limited: "`KeyedPool.use`, 1 key, with `maxTotal` and `maxKeys`",
  inTurn: "`KeyedPool.use`, 100,000 keys in turn",
  map: "`ResourcePool.use`, a `Map` of 100,000 pools in turn",
  structural: "`KeyedPool.use`, 1 structural key",
  get: "`Effect.scoped(KeyedPool.get)`, 1 key",
  effect: "Effect `Effect.scoped(KeyedPool.get)`, 1 key"
}

type Make = Partial<KeyedPool.Options<unknown, unknown, never, never>>

/** A pool whose keys have an item each. */
const keyedPool = <K>(keys: ReadonlyArray<K>, options: Make = {}) =>
  Effect.gen(function*() {
    const pool = yield* KeyedPool.make<K, unknown, never, never>({ acquire: () => Effect.sync(makeItem), ...options })
    yield* Effect.forEach(keys, (key) => pool.use(key, () => trivial), { concurrency: 1_000, discard: true })
    return pool
  }).pipe(Effect.provideService(Scope.Scope, Effect.runSync(Scope.make())), Effect.runPromise)

const strings = (count: number) => Array.from({ length: count }, (_, i) => `tenant-${i}`)

const entries: ReadonlyArray<Entry> = [
  entry(contestants.resourcePool, async () => {
    const pool = await resourcePool(10)
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(contestants.one, async () => {
    const pool = await keyedPool(strings(1))
    return effectLoop(() => pool.use("tenant-0", () => trivial))
  }),
  entry(contestants.oneOfMany, async () => {
    const pool = await keyedPool(strings(many))
    return effectLoop(() => pool.use("tenant-77", () => trivial))
  }),
  entry(contestants.limited, async () => {
    const pool = await keyedPool(strings(1), { maxTotal: 100, maxKeys: 100 })
    return effectLoop(() => pool.use("tenant-0", () => trivial))
  }),
  entry(contestants.inTurn, async () => {
    const keys = strings(many)
    const pool = await keyedPool(keys)
    let at = 0
    return effectLoop(() => pool.use(keys[at = at === many - 1 ? 0 : at + 1]!, () => trivial))
  }),
  entry(contestants.map, async () => {
    const keys = strings(many)
    const pools = new Map<string, ResourcePool.ResourcePool<Item>>()
    const scope = Effect.runSync(Scope.make())
    const fill = Effect.forEach(
      keys,
      (key) =>
        Effect.flatMap(ResourcePool.make({ acquire: Effect.sync(makeItem), metrics: false }), (pool) => {
          pools.set(key, pool)
          return pool.use(() => trivial)
        }),
      { concurrency: 1_000, discard: true }
    )
    await Effect.runPromise(Effect.provideService(fill, Scope.Scope, scope))
    let at = 0
    return effectLoop(() => pools.get(keys[at = at === many - 1 ? 0 : at + 1]!)!.use(() => trivial))
  }),
  entry(contestants.structural, async () => {
    const pool = await keyedPool([new Host({ name: "a", port: 1 })])
    const key = new Host({ name: "a", port: 1 })
    return effectLoop(() => pool.use(key, () => trivial))
  }),
  entry(contestants.get, async () => {
    const pool = await keyedPool(strings(1))
    return effectLoop(() => Effect.scoped(pool.get("tenant-0")))
  }),
  entry(contestants.effect, async () => {
    const scope = Effect.runSync(Scope.make())
    const pool = await EffectKeyedPool.make({ acquire: (_key: string) => Effect.sync(makeItem), size: 10 }).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.runPromise
    )
    await Effect.runPromise(Effect.scoped(pool.get("tenant-0")))
    return effectLoop(() => Effect.scoped(pool.get("tenant-0")))
  })
]

const ns = (results: Results, peer: string) => results.median(group, peer, "ns")

const to = (results: Results, peer: string, other: string) => ratio(ns(results, peer), ns(results, other))

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["by key, nobody waiting", "ns per op", "±", "bytes per op", "to `ResourcePool.use`"],
    Object.values(contestants).map((peer) => [
      peer,
      number(ns(results, peer)),
      spread(results.get(group, peer, "ns")),
      number(results.median(group, peer, "bytes")),
      peer === contestants.resourcePool ? none : times(to(results, peer, contestants.resourcePool))
    ])
  )
]

export const keyed: Group = {
  name: group,
  title: "Borrow and return by key",
  charts: () => [],
  entries: () => entries,
  report,
  requirements: (results) => [
    {
      what: "`KeyedPool.use`, 1 key: to `ResourcePool.use`",
      figure: to(results, contestants.one, contestants.resourcePool),
      bound: { atMost: 1.5 },
      unit: "×"
    },
    {
      what: "`KeyedPool.use`, 1 of 100,000 keys: to `ResourcePool.use`",
      figure: to(results, contestants.oneOfMany, contestants.resourcePool),
      bound: { atMost: 1.5 },
      unit: "×"
    },
    {
      what: "`KeyedPool.use`, 100,000 keys in turn: to a `Map` of pools",
      figure: to(results, contestants.inTurn, contestants.map),
      bound: { atMost: 1.5 },
      unit: "×"
    },
    {
      what: "`KeyedPool.use`: faster than the scoped `get` of Effect's `KeyedPool`",
      figure: to(results, contestants.effect, contestants.one),
      bound: { atLeast: 20 },
      unit: "×"
    }
  ]
}
