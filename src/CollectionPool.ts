/**
 * Pools of arrays, lists, maps, sets and records. Each comes back by itself and is empty for the next borrower.
 *
 * **Which of them pay.** In nanoseconds per entry, for filling one with 10, 100 or 10,000 entries (Node 20;
 * `npm run bench -- memory`):
 *
 * | | new | from the pool |
 * |---|---|---|
 * | array | 2.4, 5.4, 4.2 | 15, 5.7, 4.5 |
 * | list | as an array | 5.8, **2.7**, **2.1** |
 * | map | 20, 21, 64 | 29, 21, 74 |
 * | set | 17, 14, 50 | 26, 15, 62 |
 * | record | 18, 26, 59 | 72, 81, 252 |
 *
 * So a list of a hundred entries or more takes half the time of a new array. An array breaks even there, and saves the
 * garbage; for a short array, a new one is faster. Maps, sets and records are a loss: V8 drops the memory of a cleared
 * map, and deleting the keys of a record costs more than a new one. So the pool keeps arrays and lists, and lends new
 * maps, sets and records, unless you set `maxMaps`, `maxSets` or `maxRecords`. If the keys are the same each time, use
 * an object of a fixed shape instead of a record: see `ObjectPool` and `Resettable.fields`.
 *
 * @since 0.1.0
 */
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ArrayList } from "./ArrayList.js"
import * as internal from "./internal/recycling/collectionPool.js"
import type * as ObjectPool from "./ObjectPool.js"
import type { RecyclingPoolStats } from "./PoolStats.js"

/**
 * Five pools, each with its own limit and its own stats.
 *
 * A record has no prototype, so every key comes from the borrower.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Inspectable {
  /** The name from the options; the five pools are called `<name>.arrays` and so on. */
  readonly name: string
  /** Lends an empty array for one effect. It goes back when the effect succeeds, fails or is interrupted. */
  readonly useArray: <A, B, E, R>(f: (array: Array<A>) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Lends an empty list that keeps its memory from one borrower to the next, for one effect. */
  readonly useList: <A, B, E, R>(f: (list: ArrayList<A>) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Lends an empty map for one effect. */
  readonly useMap: <K, V, B, E, R>(f: (map: Map<K, V>) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Lends an empty set for one effect. */
  readonly useSet: <A, B, E, R>(f: (set: Set<A>) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Lends an empty record for one effect. */
  readonly useRecord: <A, B, E, R>(f: (record: Record<string, A>) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** The pool of arrays, with all that an `ObjectPool` has: `useSync`, `get`, `lease`, `unsafeAcquire` … */
  readonly arrays: ObjectPool.Service<Array<any>>
  /** The pool of lists. */
  readonly lists: ObjectPool.Service<ArrayList<any>>
  /** The pool of maps. */
  readonly maps: ObjectPool.Service<Map<any, any>>
  /** The pool of sets. */
  readonly sets: ObjectPool.Service<Set<any>>
  /** The pool of records. */
  readonly records: ObjectPool.Service<Record<string, any>>
  /**
   * Drops the collections that have been idle for this long. Returns how many. Defaults to `idleTimeToLive`; `0` drops
   * all idle collections.
   */
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle collection. Returns how many. */
  readonly clear: Effect.Effect<number>
  /** How many collections are idle, of all kinds. */
  readonly size: Effect.Effect<number>
  /** The figures of the five pools at this moment. */
  readonly stats: Effect.Effect<Stats>
  /** The same for plain code. */
  unsafeStats(): Stats
}

/**
 * The figures of the five pools.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly arrays: RecyclingPoolStats
  readonly lists: RecyclingPoolStats
  readonly maps: RecyclingPoolStats
  readonly sets: RecyclingPoolStats
  readonly records: RecyclingPoolStats
}

/**
 * Options of {@link make}. None is required.
 *
 * If options make no sense, `make` dies with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** For metrics, messages and stats. Default: `"CollectionPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /** The maximum number of idle arrays to keep. Default: 64. */
  readonly maxArrays?: number | undefined
  /** The maximum number of idle lists to keep. Default: 64. */
  readonly maxLists?: number | undefined
  /**
   * The pool drops the memory of a list that had more entries than this when it comes back, so that one large use does
   * not hold the memory forever; the same for an array that comes back with more. The pool cannot see the memory of an
   * array that its borrower emptied, and keeps it: let the pool empty arrays. Default: 65,536.
   */
  readonly maxArrayLength?: number | undefined
  /** The maximum number of idle maps to keep. Default: 0, since a new one is as fast. */
  readonly maxMaps?: number | undefined
  /** The maximum number of idle sets to keep. Default: 0, since a new one is as fast. */
  readonly maxSets?: number | undefined
  /** The maximum number of idle records to keep. Default: 0, since a new one is faster. */
  readonly maxRecords?: number | undefined
  /** Drops collections that were idle for this long. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
}

/**
 * The collections of an application. For a second pool, declare your own tag with {@link Tag}.
 *
 * @since 0.1.0
 * @category tags
 */
export class CollectionPool extends ContextTag("effect-pools/CollectionPool")<CollectionPool, Service>() {}

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string> extends ContextTagClass<Self, Id, Service> {
  /** The pool as a layer. Bind it to a constant: each call is a new pool. */
  readonly layer: (options?: Options | undefined) => Layer.Layer<Self>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { CollectionPool } from "effect-pools"
 *
 * export class Batches extends CollectionPool.Tag("app/Batches")<Batches>() {}
 *
 * export const BatchesLive = Batches.layer({ maxArrays: 16 })
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self>(): TagClass<Self, Id> => {
  const tag = ContextTag(id)<Self, Service>()
  return Object.assign(tag, {
    layer: (options?: Options | undefined) => scoped(tag, make({ ...options, name: options?.name ?? id }))
  })
}

/**
 * Makes the five pools, which live as long as the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: Options | undefined) => Effect.Effect<Service, never, Scope.Scope> = internal.make

/**
 * The pool of the default tag as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options | undefined): Layer.Layer<CollectionPool> =>
  scoped(CollectionPool, make(options))

/**
 * Lends an empty array of the default pool for one effect. It goes back when the effect succeeds, fails or is
 * interrupted.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CollectionPool } from "effect-pools"
 *
 * export const program = CollectionPool.useArray((lines: Array<string>) =>
 *   Effect.sync(() => {
 *     for (let i = 0; i < 100; i++) lines.push(`line ${i}`)
 *     return lines.join("\n")
 *   })
 * ).pipe(Effect.provide(CollectionPool.layer()))
 * ```
 *
 * @since 0.1.0
 * @category borrowing
 */
export const useArray = <A, B, E, R>(
  f: (array: Array<A>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R | CollectionPool> => Effect.flatMap(CollectionPool, (pool) => pool.useArray(f))

/**
 * Lends an empty list of the default pool for one effect. It goes back when the effect succeeds, fails or is interrupted.
 *
 * @since 0.1.0
 * @category borrowing
 */
export const useList = <A, B, E, R>(
  f: (list: ArrayList<A>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R | CollectionPool> => Effect.flatMap(CollectionPool, (pool) => pool.useList(f))

/**
 * Lends an empty map of the default pool for one effect. It goes back when the effect succeeds, fails or is interrupted.
 *
 * @since 0.1.0
 * @category borrowing
 */
export const useMap = <K, V, B, E, R>(
  f: (map: Map<K, V>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R | CollectionPool> => Effect.flatMap(CollectionPool, (pool) => pool.useMap(f))

/**
 * Lends an empty set of the default pool for one effect. It goes back when the effect succeeds, fails or is interrupted.
 *
 * @since 0.1.0
 * @category borrowing
 */
export const useSet = <A, B, E, R>(
  f: (set: Set<A>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R | CollectionPool> => Effect.flatMap(CollectionPool, (pool) => pool.useSet(f))

/**
 * Lends an empty record of the default pool for one effect. It goes back when the effect succeeds, fails or is
 * interrupted.
 *
 * @since 0.1.0
 * @category borrowing
 */
export const useRecord = <A, B, E, R>(
  f: (record: Record<string, A>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R | CollectionPool> => Effect.flatMap(CollectionPool, (pool) => pool.useRecord(f))
