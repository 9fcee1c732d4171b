import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as TestClock from "#test/TestClock"
import { ArrayList } from "effect-pools/ArrayList"
import * as CollectionPool from "effect-pools/CollectionPool"
import * as Deferred from "effect/Deferred"
import { failureOf } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const all = { maxArrays: 4, maxLists: 4, maxMaps: 4, maxSets: 4, maxRecords: 4 }

describe("CollectionPool", () => {
  const spoilt: Record<string, (array: Array<unknown>) => unknown> = {
    "a fixed length": (array) => Object.defineProperty(array, "length", { writable: false }),
    "another prototype": (array) => Object.setPrototypeOf(array, null),
    "a symbol": (array) => Object.assign(array, { [Symbol.for("secret")]: 1 }),
    "a hidden property": (array) => Object.defineProperty(array, "secret", { value: 1, configurable: true })
  }
  for (const [what, spoil] of Object.entries(spoilt)) {
    it.scoped(`drops an array that came back with ${what}`, () =>
      Effect.gen(function*() {
        const pool = yield* CollectionPool.make(all)
        yield* pool.useArray((array) => Effect.sync(() => spoil(array)))
        const keys = yield* pool.useArray((array) => Effect.sync(() => [array.push(1), Reflect.ownKeys(array)]))
        assert.deepStrictEqual(keys, [1, ["0", "length"]])
        assert.strictEqual((yield* pool.stats).arrays.discarded.unfit, 1)
      }))
  }

  it.scoped("drops a record with a prototype, and a map with a property", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make(all)
      yield* pool.useRecord((record) => Effect.sync(() => Object.setPrototypeOf(record, { secret: 1 })))
      assert.isUndefined(yield* pool.useRecord((record) => Effect.sync(() => record["secret"])))
      yield* pool.useMap((map) => Effect.sync(() => Object.assign(map, { secret: 1 })))
      assert.isFalse(yield* pool.useMap((map) => Effect.sync(() => "secret" in map)))
    }))

  it.scoped("lets go of the memory of a list that was large, also when its borrower emptied it", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make({ ...all, maxArrayLength: 100 })
      const capacities: Array<number> = []
      for (const entries of [100, 101, 0]) {
        yield* pool.useList((list) =>
          Effect.sync(() => {
            capacities.push(list.capacity)
            for (let i = 0; i < entries; i++) list.push(i)
            while (list.length > 0) list.pop()
          })
        )
      }
      assert.deepStrictEqual(capacities, [0, 100, 0])
    }))

  it.scoped("lends the same collections again, and empty", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make(all)
      const seen: Array<unknown> = []
      for (let i = 0; i < 2; i++) {
        yield* pool.useArray((array: Array<string>) =>
          Effect.sync(() => {
            assert.deepStrictEqual([array.length, Object.keys(array)], [0, []])
            array.push("a", "b")
            array[5] = "c"
            Object.assign(array, { extra: 1 })
            seen.push(array)
          })
        )
        yield* pool.useList((list: ArrayList<string>) =>
          Effect.sync(() => {
            assert.deepStrictEqual([list.length, list.get(0)], [0, undefined])
            list.push("a")
            seen.push(list)
          })
        )
        yield* pool.useMap((map: Map<string, number>) =>
          Effect.sync(() => {
            assert.strictEqual(map.size, 0)
            seen.push(map.set("a", 1))
          })
        )
        yield* pool.useSet((set: Set<string>) =>
          Effect.sync(() => {
            assert.strictEqual(set.size, 0)
            seen.push(set.add("a"))
          })
        )
        yield* pool.useRecord((record: Record<string, number>) =>
          Effect.sync(() => {
            assert.deepStrictEqual(Reflect.ownKeys(record), [])
            assert.isUndefined(record["toString"])
            record["__proto__"] = 1
            seen.push(record)
          })
        )
      }
      assert.isTrue([0, 1, 2, 3, 4].every((i) => seen[i] === seen[i + 5]))
      const stats = yield* pool.stats
      for (const kind of Object.values(stats)) assert.deepInclude(kind, { created: 1, reused: 1, size: 1 })
      assert.strictEqual(yield* pool.size, 5)
    }))

  it.scoped("keeps arrays and lists by default, and of the others none, since those cost no more anew", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make()
      for (let i = 0; i < 2; i++) {
        yield* pool.useArray((array) => Effect.sync(() => array.push(1)))
        yield* pool.useList((list) => Effect.sync(() => list.push(1)))
        yield* pool.useMap((map) => Effect.sync(() => map.set(1, 1)))
        yield* pool.useSet((set) => Effect.sync(() => set.add(1)))
        yield* pool.useRecord((record) => Effect.sync(() => record["a"] = 1))
      }
      const { arrays, lists, maps, records, sets } = yield* pool.stats
      for (const kind of [arrays, lists]) assert.deepInclude(kind, { created: 1, reused: 1, size: 1 })
      for (const kind of [maps, sets, records]) {
        assert.deepInclude(kind, { created: 2, reused: 0, size: 0, returned: 2 })
      }
    }))

  it.scoped("takes them back on failure and interruption", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make(all)
      type Use = (f: () => Effect.Effect<void, string>) => Effect.Effect<void, string>
      const uses: ReadonlyArray<Use> = [pool.useArray, pool.useList, pool.useMap, pool.useSet, pool.useRecord]
      for (const use of uses) {
        yield* Effect.exit(use(() => Effect.fail("no")))
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(use(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
      }
      const stats = yield* pool.stats
      for (const kind of Object.values(stats)) assert.deepInclude(kind, { created: 1, inUse: 0, returned: 2 })
    }))

  it.scoped("each kind is a pool of its own, with all its faces", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make({ maxArrays: 1, maxMaps: 2 })
      const arrays = [1, 2, 3].map(() => pool.arrays.unsafeAcquire())
      const maps = [1, 2, 3].map(() => pool.maps.unsafeAcquire())
      for (const array of arrays) pool.arrays.unsafeRelease(array)
      for (const map of maps) pool.maps.unsafeRelease(map)
      assert.isFalse(pool.maps.unsafeRelease(arrays[0] as never))
      const stats = yield* pool.stats
      assert.deepStrictEqual([stats.arrays.size, stats.maps.size], [1, 2])
      assert.deepStrictEqual([stats.arrays.pool, stats.records.pool], [
        "CollectionPool.arrays",
        "CollectionPool.records"
      ])
      const lease = pool.arrays.lease()
      assert.strictEqual(lease.value.length, 0)
      assert.isTrue(lease.release())
      assert.strictEqual(yield* pool.arrays.useSync((array) => array.push(1)), 1)
    }))

  it.scoped("lets go of the memory of an array or a list that was too long", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make({ maxArrayLength: 10 })
      for (const length of [5, 20]) {
        yield* pool.useList((list: ArrayList<number>) =>
          Effect.sync(() => {
            for (let i = 0; i < length; i++) list.push(i)
          })
        )
        yield* pool.useList((list: ArrayList<number>) =>
          Effect.sync(() => {
            assert.strictEqual(list.length, 0)
            // the place of a list's entries is private, so this looks inside
            const { items } = list as unknown as { readonly items: ReadonlyArray<unknown> }
            assert.deepStrictEqual(items, length > 10 ? [] : Array.from({ length }, () => undefined))
          })
        )
      }
      yield* pool.useArray((array) => Effect.sync(() => array.push(...Array.from({ length: 1000 }, (_, i) => i))))
      yield* pool.useArray((array) => Effect.sync(() => assert.strictEqual(array.length, 0)))
    }))

  it.scoped("drops an array that cannot be emptied, and says so, or cannot be filled again", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make()
      const exit = yield* Effect.exit(pool.useArray((array: Array<number>) =>
        Effect.sync(() => {
          array.push(1)
          Object.freeze(array)
        })
      ))
      assert.include(failureOf(exit), "TypeError")
      assert.strictEqual((yield* pool.stats).arrays.discarded.failed, 1)
      yield* pool.useArray((array) => Effect.sync(() => Object.freeze(array)))
      yield* pool.useArray((array) => Effect.sync(() => assert.strictEqual(array.push(1), 1)))
    }))

  it.scoped("lends lists that nothing can be added to, and drops one that was frozen", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make()
      yield* pool.useList((list: ArrayList<number>) =>
        Effect.sync(() => {
          assert.isFalse(Reflect.set(list, "note", "secret"))
          assert.isFalse(Reflect.defineProperty(list, Symbol(), { value: "secret" }))
          assert.isFalse(Reflect.setPrototypeOf(list, null))
        })
      )
      const exit = yield* Effect.exit(pool.useList((list) => Effect.sync(() => Object.freeze(list))))
      assert.include(failureOf(exit), "TypeError")
      yield* pool.useList((list: ArrayList<number>) => Effect.sync(() => assert.strictEqual(list.push(1), 1)))
    }))

  it.scoped("ages, prunes and clears all of them", () =>
    Effect.gen(function*() {
      const pool = yield* CollectionPool.make({ ...all, idleTimeToLive: "1 minute" })
      const borrow = Effect.all([
        pool.useArray(() => Effect.void),
        pool.useList(() => Effect.void),
        pool.useMap(() => Effect.void),
        pool.useSet(() => Effect.void),
        pool.useRecord(() => Effect.void)
      ])
      yield* borrow
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* pool.size, 0)
      yield* borrow
      assert.strictEqual(yield* pool.prune("1 second"), 0)
      assert.strictEqual(yield* pool.prune(0), 5)
      yield* borrow
      assert.strictEqual(yield* pool.clear, 5)
    }))

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function*() {
      const refused = (options: CollectionPool.Options, message: string) =>
        Effect.map(Effect.exit(Effect.scoped(CollectionPool.make(options))), (exit) =>
          assert.include(failureOf(exit), `[CollectionPool] ${message}`))
      yield* refused({ maxArrays: -1 }, "maxArrays must be a whole number of 0 or more, but was -1")
      yield* refused({ maxMaps: 0.5 }, "maxMaps must be")
      yield* refused({ maxArrayLength: NaN }, "maxArrayLength must be")
      yield* refused({ idleTimeToLive: -5 }, "idleTimeToLive must be a duration")
    }))

  class Batches extends CollectionPool.Tag("test/Batches")<Batches>() {}

  it.effect("has one tag by default, with functions of its own, and as many as one declares", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* CollectionPool.useArray((array: Array<number>) => Effect.sync(() => array.push(1))), 1)
      yield* CollectionPool.useList((list: ArrayList<number>) => Effect.sync(() => list.push(1)))
      yield* CollectionPool.useMap((map: Map<number, number>) => Effect.sync(() => map.set(1, 1)))
      yield* CollectionPool.useSet((set: Set<number>) => Effect.sync(() => set.add(1)))
      yield* CollectionPool.useRecord((record: Record<string, number>) => Effect.sync(() => record["a"] = 1))
      const own = yield* CollectionPool.CollectionPool
      assert.strictEqual((yield* own.stats).records.returned, 1)
      const batches = yield* Batches
      assert.strictEqual((yield* batches.stats).arrays.acquisitions, 0)
      assert.include(JSON.stringify(batches), `"name":"test/Batches"`)
    }).pipe(Effect.provide(Layer.merge(CollectionPool.layer(), Batches.layer({ maxArrays: 1 })))))
})

describe("ArrayList", () => {
  it("is an array with a length of its own", () => {
    const list = new ArrayList<string>()
    assert.isUndefined(list.pop())
    assert.deepStrictEqual([list.push("a"), list.push("b"), list.push("c")], [1, 2, 3])
    assert.deepStrictEqual([list.length, list.get(0), list.get(2), list.get(3), list.get(-1)], [3, "a", "c", ...[
      undefined,
      undefined
    ]])
    list.set(1, "x")
    assert.deepStrictEqual([...list], ["a", "x", "c"])
    assert.deepStrictEqual(list.toArray(), ["a", "x", "c"])
    assert.strictEqual(list.pop(), "c")
    assert.deepStrictEqual([...list], ["a", "x"])
    for (const index of [2, -1, 0.5, NaN]) assert.throws(() => list.set(index, "y"), RangeError)
    list.reset()
    assert.deepStrictEqual([list.length, list.get(0), [...list], list.toArray()], [0, undefined, [], []])
    list.push("new")
    assert.deepStrictEqual(list.toArray(), ["new"])
    list.release()
    assert.strictEqual(list.length, 0)
  })
})
