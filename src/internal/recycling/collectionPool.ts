import type { DurationInput } from "#effect/duration"
import { format, inspectSymbol } from "#effect/inspect"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ArrayList } from "../../ArrayList.js"
import type { RecyclingPoolStats } from "../../PoolStats.js"
import * as Resettable from "../../Resettable.js"
import { dieOfProblems, OptionChecks } from "../options/optionChecks.js"
import { count, decode, duration, type Input, text } from "../options/optionTable.js"
import { make as makeObjectPool, type ObjectPool } from "./objectPool.js"

interface Pools {
  readonly arrays: ObjectPool<Array<any>>
  readonly lists: ObjectPool<ArrayList<any>>
  readonly maps: ObjectPool<Map<any, any>>
  readonly sets: ObjectPool<Set<any>>
  readonly records: ObjectPool<Record<string, any>>
}

type Stats = { readonly [K in keyof Pools]: RecyclingPoolStats }

/** Removes all entries and properties. Keeps the memory of the entries, unless there were too many. */
const emptyArray = (max: number) => (array: Array<any>): void => {
  if (array.length > max) array.length = 0
  else Resettable.array(array)
  const properties: object = array
  for (const key in properties) Reflect.deleteProperty(properties, key)
}

const emptyList = (max: number) => (list: ArrayList<any>): void => {
  if (list.capacity > max) list.release()
  else list.reset()
}

/** Whether a collection is like new. A reset does not notice a property that cannot be deleted. */
const isNew = (prototype: object | null, keys: number) => (collection: object): boolean =>
  Object.getPrototypeOf(collection) === prototype && Reflect.ownKeys(collection).length === keys

const isNewArray = isNew(Array.prototype, 1)
const isNewMap = isNew(Map.prototype, 0)
const isNewSet = isNew(Set.prototype, 0)
const isNewRecord = isNew(null, 0)

/** Whether an array can grow and shrink; a frozen empty array cannot. */
const isFlexible = (array: Array<any>): boolean => {
  try {
    array.push(undefined)
    array.pop()
    return true
  } catch {
    return false
  }
}

class CollectionPool {
  readonly name: string
  readonly arrays: Pools["arrays"]
  readonly lists: Pools["lists"]
  readonly maps: Pools["maps"]
  readonly sets: Pools["sets"]
  readonly records: Pools["records"]
  private readonly all: ReadonlyArray<ObjectPool<any>>

  constructor(name: string, { arrays, lists, maps, records, sets }: Pools) {
    this.name = name
    this.arrays = arrays
    this.lists = lists
    this.maps = maps
    this.sets = sets
    this.records = records
    this.all = [arrays, lists, maps, sets, records]
  }

  readonly useArray = <A, B, E, R>(f: (array: Array<A>) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.arrays.use(f)

  readonly useList = <A, B, E, R>(f: (list: ArrayList<A>) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.lists.use(f)

  readonly useMap = <K, V, B, E, R>(f: (map: Map<K, V>) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.maps.use(f)

  readonly useSet = <A, B, E, R>(f: (set: Set<A>) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> => this.sets.use(f)

  readonly useRecord = <A, B, E, R>(f: (record: Record<string, A>) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.records.use(f)

  readonly prune = (maxIdle?: DurationInput | undefined): Effect.Effect<number> =>
    this.sum((pool) => pool.prune(maxIdle))

  get clear(): Effect.Effect<number> {
    return this.sum((pool) => pool.clear)
  }

  get size(): Effect.Effect<number> {
    return this.sum((pool) => pool.size)
  }

  private sum(f: (pool: ObjectPool<any>) => Effect.Effect<number>): Effect.Effect<number> {
    return Effect.map(Effect.forEach(this.all, f), (counts) => counts.reduce((sum, count) => sum + count))
  }

  unsafeStats(): Stats {
    return {
      arrays: this.arrays.unsafeStats(),
      lists: this.lists.unsafeStats(),
      maps: this.maps.unsafeStats(),
      sets: this.sets.unsafeStats(),
      records: this.records.unsafeStats()
    }
  }

  readonly stats: Effect.Effect<Stats> = Effect.sync(() => this.unsafeStats())

  toJSON(): unknown {
    return { _id: "CollectionPool", name: this.name, stats: this.unsafeStats() }
  }

  toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

export const collectionOptions = {
  name: text("CollectionPool"),
  maxArrays: count(0, 64),
  maxLists: count(0, 64),
  maxArrayLength: count(0, 65536),
  maxMaps: count(0, 0),
  maxSets: count(0, 0),
  maxRecords: count(0, 0),
  idleTimeToLive: duration(Infinity)
}

export const make = (
  options: Input<typeof collectionOptions> = {}
): Effect.Effect<CollectionPool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const checks = new OptionChecks()
    const { maxArrayLength, maxArrays, maxLists, maxMaps, maxRecords, maxSets, name } = decode(
      collectionOptions,
      options,
      checks
    )
    yield* dieOfProblems(name, checks.problems)
    const sizes = { arrays: maxArrays, lists: maxLists, maps: maxMaps, sets: maxSets, records: maxRecords }
    const pool = <A extends object>(
      kind: keyof Pools,
      factory: () => A,
      reset: (collection: A) => void,
      validate?: (collection: A) => boolean
    ) =>
      makeObjectPool({
        name: `${name}.${kind}`,
        factory,
        // collections that the pool does not keep need no reset
        reset: sizes[kind] === 0 ? undefined : reset,
        validate,
        maxSize: sizes[kind],
        idleTimeToLive: options.idleTimeToLive
      })
    return new CollectionPool(name, {
      arrays: yield* pool(
        "arrays",
        (): Array<any> => [],
        emptyArray(maxArrayLength),
        (array) => isNewArray(array) && isFlexible(array)
      ),
      // the reset undoes every change that a borrower can make
      lists: yield* pool("lists", () => Object.preventExtensions(new ArrayList<any>()), emptyList(maxArrayLength)),
      maps: yield* pool(
        "maps",
        () => new Map<any, any>(),
        Resettable.map,
        (map) => isNewMap(map) && Object.isExtensible(map)
      ),
      sets: yield* pool(
        "sets",
        () => new Set<any>(),
        Resettable.set,
        (set) => isNewSet(set) && Object.isExtensible(set)
      ),
      records: yield* pool(
        "records",
        (): Record<string, any> => Object.create(null),
        Resettable.record,
        (record) => isNewRecord(record) && Object.isExtensible(record)
      )
    })
  })
