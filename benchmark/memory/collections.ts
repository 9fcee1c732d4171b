/** Collections that are filled, read and returned: new collections against pooled ones. */
import { ArrayList } from "../../src/ArrayList.js"
import * as CollectionPool from "../../src/CollectionPool.js"
import type * as ObjectPool from "../../src/ObjectPool.js"
import { number, table, times, whole } from "../harness/format.js"
import { nanos, type Run } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Results, type Settings } from "../harness/model.js"
import { open } from "../pools/peers.js"

const group = "collections"

const sizes = [10, 100, 10_000]

interface Kind {
  readonly name: string
  readonly make: () => any
  readonly pool: (pools: CollectionPool.Service) => ObjectPool.Service<any>
  readonly fill: (collection: any, entries: Entries) => void
}

interface Entries {
  readonly keys: ReadonlyArray<string>
  readonly values: ReadonlyArray<object>
}

const makeEntries = (size: number): Entries => ({
  keys: Array.from({ length: size }, (_, i) => `key ${i}`),
  values: Array.from({ length: size }, (_, i) => ({ i }))
})

const kinds: ReadonlyArray<Kind> = [
  {
    name: "array",
    make: () => [],
    pool: (pools) => pools.arrays,
    fill: (array: Array<object>, { values }) => {
      for (let i = 0; i < values.length; i++) array.push(values[i]!)
    }
  },
  {
    name: "list",
    make: () => new ArrayList(),
    pool: (pools) => pools.lists,
    fill: (list: ArrayList<object>, { values }) => {
      for (let i = 0; i < values.length; i++) list.push(values[i]!)
    }
  },
  {
    name: "map",
    make: () => new Map(),
    pool: (pools) => pools.maps,
    fill: (map: Map<string, object>, { keys, values }) => {
      for (let i = 0; i < keys.length; i++) map.set(keys[i]!, values[i]!)
    }
  },
  {
    name: "set",
    make: () => new Set(),
    pool: (pools) => pools.sets,
    fill: (set: Set<string>, { keys }) => {
      for (let i = 0; i < keys.length; i++) set.add(keys[i]!)
    }
  },
  {
    name: "record",
    make: () => Object.create(null),
    pool: (pools) => pools.records,
    fill: (record: Record<string, object>, { keys, values }) => {
      for (let i = 0; i < keys.length; i++) record[keys[i]!] = values[i]!
    }
  }
]

const made = (kind: Kind) => `${kind.name}, new`
const pooled = (kind: Kind) => `${kind.name}, pooled`

/** As in an application, several collections of a kind are live at once. */
const live = 4

const fresh = ({ fill, make }: Kind, entries: Entries): Run => {
  const out = Array.from({ length: live }, make)
  return (operations) => {
    for (let i = 0; i < operations; i++) {
      const collection = make()
      fill(collection, entries)
      out[i % live] = collection
    }
  }
}

const recycled = async ({ fill, pool }: Kind, entries: Entries): Promise<Run> => {
  const pools = await open(CollectionPool.make({ maxArrays: 8, maxLists: 8, maxMaps: 8, maxSets: 8, maxRecords: 8 }))
  const from = pool(pools)
  const out = Array.from({ length: live }, () => from.unsafeAcquire())
  return (operations) => {
    for (let i = 0; i < operations; i++) {
      const collection = from.unsafeAcquire()
      fill(collection, entries)
      from.unsafeRelease(out[i % live])
      out[i % live] = collection
    }
  }
}

const entriesAt = (at: number): ReadonlyArray<Entry> =>
  kinds.flatMap((kind) => {
    const entry = (peer: string, run: (entries: Entries) => Run | Promise<Run>): Entry => ({
      peer,
      at,
      rounds: 3,
      limit: 60,
      measure: async (settings) => ({ ns: await nanos(await run(makeEntries(at)), settings) })
    })
    return [
      entry(made(kind), (entries) => fresh(kind, entries)),
      entry(pooled(kind), (entries) => recycled(kind, entries))
    ]
  })

const perEntry = (results: Results, peer: string, at: number) => {
  const ns = results.median(group, peer, "ns", at)
  return ns === undefined ? undefined : ns / at
}

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["ns per entry", ...sizes.flatMap((at) => [`${whole(at)}: new`, "pooled", "÷"])],
    kinds.map((kind) => [
      kind.name,
      ...sizes.flatMap((at) => {
        const [before, after] = [perEntry(results, made(kind), at), perEntry(results, pooled(kind), at)]
        // the alternative to a pooled list is not a new list, but a new array
        const base = kind.name === "list" ? perEntry(results, made(kinds[0]!), at) : before
        return [number(before), number(after), times(ratio(after, base))]
      })
    ])
  )
]

export const collections: Group = {
  name: group,
  title: "Collections",
  entries: ({ quick }: Settings) => (quick ? [10, 100] : sizes).flatMap(entriesAt),
  report,
  requirements: () => []
}
