import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as KeyedPool from "effect-pools/KeyedPool"
import { PoolError } from "effect-pools/PoolError"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import { failureOf, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

/** Numbered items, with their keys. */
const makeKeyed = () => {
  const source = makeSource()
  const keys: Array<unknown> = []
  return Object.assign(source, {
    keys,
    ofKey: (key: unknown) => {
      keys.push(key)
      return source.acquire
    }
  })
}

const borrow = <K>(pool: KeyedPool.KeyedPool<K, { readonly id: number }, any>, key: K) =>
  pool.use(key, (item) => Effect.succeed(item.id))

/** Holds an item until the scope closes. */
const hold = <K, E>(pool: KeyedPool.KeyedPool<K, { readonly id: number }, E>, key: K) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const item = yield* Effect.provideService(pool.get(key), Scope.Scope, scope)
    return { id: item.id, release: Scope.close(scope, Exit.void) }
  })

describe("KeyedPool", () => {
  it.scoped("lends items by key, by use and by get, and reuses them", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey })
      assert.deepStrictEqual([yield* borrow(pool, "a"), yield* borrow(pool, "b"), yield* borrow(pool, "a")], [1, 2, 1])
      const got = yield* Effect.scoped(Effect.map(pool.get("b"), ({ id }) => id))
      assert.strictEqual(got, 2)
      assert.strictEqual(yield* Effect.scoped(Effect.map(KeyedPool.get(pool, "a"), ({ id }) => id)), 1)
      assert.strictEqual(
        yield* pool.pipe(KeyedPool.use("a", ({ id }: { readonly id: number }) => Effect.succeed(id))),
        1
      )
      assert.deepStrictEqual(source.keys, ["a", "b"])
      assert.isTrue(KeyedPool.isKeyedPool(pool))
      assert.isFalse(KeyedPool.isKeyedPool({}))
    }))

  it.scoped("returns an item when its borrower fails or is interrupted, also while it waits", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxSize: 1 })
      const failed = yield* Effect.exit(pool.use("a", () => Effect.fail("no")))
      assert.include(failureOf(failed), "no")
      const holder = yield* Effect.fork(pool.use("a", () => Effect.never))
      yield* settle
      const [first, second] = [yield* Effect.fork(borrow(pool, "a")), yield* Effect.fork(borrow(pool, "a"))]
      yield* settle
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(holder)
      assert.strictEqual(yield* Fiber.join(second), 1)
      const { all } = yield* pool.stats
      assert.deepInclude({ ...all }, { inUse: 0, leases: 0, waiters: 0, abandoned: 1 })
    }))

  it.scoped("compares keys by Equal", () =>
    Effect.gen(function*() {
      class Host extends Data.Class<{ readonly name: string; readonly port: number }> {}
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: (key: Host | number | undefined) => source.ofKey(key) })
      const ids = [
        yield* borrow(pool, new Host({ name: "a", port: 1 })),
        yield* borrow(pool, new Host({ name: "a", port: 2 })),
        yield* borrow(pool, new Host({ name: "a", port: 1 })),
        yield* borrow(pool, NaN),
        yield* borrow(pool, NaN),
        yield* borrow(pool, undefined),
        yield* borrow(pool, undefined)
      ]
      assert.deepStrictEqual(ids, [1, 2, 1, 3, 3, 4, 4])
      assert.strictEqual((yield* pool.stats).keys, 4)
      yield* TestClock.adjust("61 seconds")
      yield* settle
      assert.strictEqual((yield* pool.stats).keys, 0)
      assert.strictEqual(yield* borrow(pool, new Host({ name: "a", port: 1 })), 5)
    }))

  it.scoped("has at most maxTotal items, and closes the longest idle one of another key to make room", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxTotal: 2 })
      yield* borrow(pool, "a")
      yield* TestClock.adjust("1 second")
      yield* borrow(pool, "b")
      assert.strictEqual(yield* borrow(pool, "c"), 3)
      assert.deepStrictEqual(source.closed, [1])
      assert.strictEqual(yield* borrow(pool, "b"), 2)
      assert.deepInclude({ ...(yield* pool.stats).all }, { size: 2, max: 2, created: 3 })
      assert.strictEqual((yield* pool.stats).all.destroyed.excess, 1)
    }))

  it.scoped("waits for a place that another key returns, and says so when the time is up", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxTotal: 1, acquireTimeout: "1 second" })
      const held = yield* hold(pool, "a")
      const late = yield* Effect.fork(Effect.exit(borrow(pool, "b")))
      yield* settle
      yield* TestClock.adjust("1 second")
      const failure = failureOf(yield* Fiber.join(late))
      assert.include(failure, "No place came free: maxTotal is 1")
      const waiting = yield* Effect.fork(borrow(pool, "b"))
      yield* settle
      yield* held.release
      assert.strictEqual(yield* Fiber.join(waiting), 2)
      assert.deepStrictEqual(source.closed, [1])
    }))

  it.scoped("creates at most createConcurrency items of all keys at a time", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const gate = yield* Deferred.make<void>()
      const pool = yield* KeyedPool.make({
        acquire: (key: number) => Effect.andThen(Deferred.await(gate), source.ofKey(key)),
        createConcurrency: 2
      })
      const borrowers = yield* Effect.forEach([1, 2, 3, 4], (key) => Effect.fork(borrow(pool, key)))
      yield* settle
      assert.deepInclude({ ...(yield* pool.stats).all }, { creating: 2, waiters: 4 })
      yield* Deferred.succeed(gate, undefined)
      for (const borrower of borrowers) yield* Fiber.join(borrower)
      assert.strictEqual(source.made, 4)
    }))

  it.scoped("fails a borrower of a new key with TooManyKeys while all keys are in use, and lets the longest unused go", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxKeys: 2, name: "tenants" })
      const held = yield* hold(pool, "a")
      const other = yield* hold(pool, "b")
      const refused = yield* Effect.flip(borrow(pool, "c"))
      assert.instanceOf(refused, PoolError)
      assert.strictEqual(refused.reason, "TooManyKeys")
      assert.include(
        refused.message,
        `Pool "tenants" takes no other key (maxKeys 2; borrowers have or wait for items of all): 2 of 2 items in use.`
      )
      yield* other.release
      yield* TestClock.adjust("1 second")
      yield* held.release
      assert.strictEqual(yield* borrow(pool, "c"), 3)
      yield* settle
      assert.deepStrictEqual(source.closed, [2])
      assert.strictEqual(yield* borrow(pool, "a"), 1)
      assert.deepInclude({ ...(yield* pool.stats).all }, { rejections: 1 })
    }))

  it.scoped("closes the items of a key that no borrower has used for keyTimeToLive, whatever minSize says", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, minSize: 2, keyTimeToLive: "10 seconds" })
      yield* borrow(pool, "a")
      const held = yield* hold(pool, "b")
      yield* settle
      assert.strictEqual(source.open.size, 4)
      yield* TestClock.adjust("9 seconds")
      yield* borrow(pool, "a")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* pool.stats).keys, 2)
      yield* TestClock.adjust("1 second")
      yield* settle
      // a borrower has an item of the other key
      assert.deepStrictEqual((yield* pool.stats).byKey.map(({ key }) => key), ["b"])
      assert.strictEqual(source.open.size, 2)
      yield* held.release
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* pool.stats).keys, 1)
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepInclude(yield* pool.stats, { keys: 0, byKey: [] })
      assert.strictEqual(source.open.size, 0)
      assert.deepInclude({ ...(yield* pool.stats).all }, { created: 4, size: 0 })
    }))

  it.scoped("uses free places only for minSize, and closes nothing for it", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxTotal: 3, minSize: 2 })
      yield* borrow(pool, "a")
      yield* borrow(pool, "b")
      yield* settle
      assert.deepInclude({ ...(yield* pool.stats).all }, { size: 3, min: 4 })
      assert.deepStrictEqual(source.closed, [])
    }))

  it.scoped("takes options as values or as functions of the key", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const seen: Array<unknown> = []
      const pool = yield* KeyedPool.make({
        acquire: source.ofKey,
        maxSize: (key) => key === "big" ? 3 : 1,
        minSize: 1,
        maxWaiters: () => 0,
        validateAfterIdle: 0,
        validate: (item, { uses }, key) => {
          seen.push([item.id, uses, key])
          return Effect.succeed(true)
        },
        onRelease: (_item, exit, _info, key) => {
          seen.push([key, Exit.isSuccess(exit)])
          return Effect.succeed("keep" as const)
        }
      })
      yield* borrow(pool, "small")
      const held = yield* hold(pool, "small")
      assert.strictEqual((yield* Effect.flip(borrow(pool, "small"))).reason, "QueueFull")
      yield* held.release
      const big = yield* Effect.replicateEffect(hold(pool, "big"), 3)
      assert.deepStrictEqual(big.map(({ id }) => id), [2, 3, 4])
      for (const { release } of big) yield* release
      assert.deepInclude(seen, ["small", true])
      assert.deepInclude(seen, [1, 1, "small"])
    }))

  it.scoped("dies of options that make no sense, and its borrower of a function that returns such", () =>
    Effect.gen(function*() {
      const { acquire } = makeSource()
      const make = (options: Partial<KeyedPool.Options<string, unknown, never, Scope.Scope>>) =>
        Effect.map(
          Effect.exit(
            Effect.scoped(KeyedPool.make<string, unknown, never, Scope.Scope>({ acquire: () => acquire, ...options }))
          ),
          failureOf
        )
      assert.include(yield* make({ maxTotal: 0 }), "maxTotal must be a whole number of 1 or more, but was 0")
      assert.include(yield* make({ maxKeys: 1.5 }), "maxKeys must be a whole number of 1 or more, but was 1.5")
      assert.include(yield* make({ keyTimeToLive: -1 }), "keyTimeToLive must be a duration")
      assert.include(yield* make({ minSize: 3, maxTotal: 2 }), "minSize must be at most maxTotal (2), but was 3")
      assert.include(yield* make({ minSize: 11 }), "minSize must be at most maxSize (10), but was 11")
      assert.include(yield* make({ acquire: 1 as never }), "acquire must be a function")
      assert.include(yield* make({ histograms: true, metrics: false }), "histograms must be left out")
      const pool = yield* KeyedPool.make({ acquire: () => acquire, maxSize: (key: number) => key, minSize: 2 })
      assert.include(failureOf(yield* Effect.exit(borrow(pool, 1))), "[KeyedPool] minSize must be at most maxSize (1)")
      assert.isNumber(yield* borrow(pool, 2))
      assert.strictEqual((yield* pool.stats).keys, 1)
    }))

  it.scoped("names a function of the key that throws, or returns what makes no sense, and loses nothing", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const wrong: ReadonlyArray<
        readonly [problem: string, Partial<KeyedPool.Options<string, unknown, never, Scope.Scope>>]
      > = [
        ["maxSize must be a whole number of 1 or more, but was 0", { maxSize: () => 0 }],
        ["maxSize must return a whole number of 1 or more, but returned undefined", {
          maxSize: () => undefined as never
        }],
        ["order threw: no such key", {
          order: () => {
            throw new Error("no such key")
          }
        }],
        ["acquire must return an Effect, but returned 5", { acquire: () => 5 as never }],
        ["concurrency must be a whole number of 1 or more, but was 0", { concurrency: () => 0 }],
        ["permit must return an Effect, but returned 5", { permit: () => 5 as never }]
      ]
      for (const [problem, options] of wrong) {
        const pool = yield* KeyedPool.make<string, unknown, never, Scope.Scope>({
          acquire: source.ofKey,
          rideOut: 0,
          ...options
        })
        const exits = [
          yield* Effect.exit(pool.use("a", () => Effect.void)),
          yield* Effect.exit(Effect.scoped(pool.get("b")))
        ]
        for (const exit of exits) assert.include(failureOf(exit), `[KeyedPool] ${problem}`)
        const { all } = yield* pool.stats
        assert.deepInclude(all, { size: 0, inUse: 0, creating: 0, waiters: 0 })
      }
      yield* settle
      assert.strictEqual(source.open.size, 0)
      const refused = yield* Effect.exit(KeyedPool.make({ acquire: source.ofKey, validateAfterIdle: () => 0 }))
      assert.include(failureOf(refused), "validateAfterIdle must be left out without validate")
    }))

  it.scoped("closes no unused key for a key whose options make no sense", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({
        acquire: source.ofKey,
        maxKeys: 1,
        maxSize: (key) => key === "good" ? 1 : 0
      })
      yield* borrow(pool, "good")
      assert.include(failureOf(yield* Effect.exit(borrow(pool, "bad"))), "maxSize")
      assert.deepStrictEqual(source.closed, [])
    }))

  it.scoped("invalidates an item of whatever key, and renews one key or all", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey })
      const item = yield* pool.use("b", Effect.succeed)
      yield* borrow(pool, "a")
      yield* pool.invalidate(item)
      yield* pool.pipe(KeyedPool.invalidate({ id: 0 }))
      yield* settle
      assert.deepStrictEqual(source.closed, [1])
      assert.strictEqual((yield* pool.stats).all.destroyed.invalidated, 1)
      assert.strictEqual(yield* borrow(pool, "b"), 3)
      assert.strictEqual(yield* pool.renew("a"), 1)
      assert.strictEqual(yield* pool.renew("unknown"), 0)
      yield* settle
      assert.deepStrictEqual(source.closed, [1, 2])
      yield* borrow(pool, "a")
      assert.strictEqual(yield* pool.renew(), 2)
      yield* settle
      assert.deepStrictEqual(source.closed.toSorted((a, b) => a - b), [1, 2, 3, 4])
    }))

  it.scoped("renews idle items also while maxTotal is reached and a borrower waits", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, maxTotal: 1, minSize: 1 })
      yield* borrow(pool, "a")
      yield* pool.renew()
      assert.strictEqual(yield* borrow(pool, "a"), 2)
      assert.strictEqual(yield* borrow(pool, "b"), 3)
    }))

  it.scoped("closes with the pools of all keys, and is closed to borrowers then", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const scope = yield* Scope.make()
      const pool = yield* Effect.provideService(
        KeyedPool.make({ acquire: source.ofKey, shutdownGrace: "5 seconds", maxTotal: 3 }),
        Scope.Scope,
        scope
      )
      yield* borrow(pool, "a")
      yield* Effect.fork(pool.use("b", () => Effect.never))
      yield* Effect.fork(pool.use("b", () => Effect.never))
      yield* settle
      const waiting = yield* Effect.fork(Effect.exit(pool.use("c", () => Effect.never)))
      yield* settle
      const waits = yield* Effect.fork(Effect.exit(borrow(pool, "d")))
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      assert.include(failureOf(yield* Fiber.join(waits)), "closed to borrowers")
      assert.strictEqual((yield* Effect.flip(borrow(pool, "a"))).reason, "PoolClosed")
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(closing)
      assert.strictEqual(source.open.size, 0)
      yield* pool.close
      yield* Fiber.interrupt(waiting)
    }))

  it.effect("closes at once without keys", () =>
    Effect.scoped(Effect.flatMap(KeyedPool.make({ acquire: () => Effect.void }), (pool) => pool.close)))

  it.effect("is a layer of a tag", () =>
    Effect.gen(function*() {
      class Tenants extends KeyedPool.Tag("test/Tenants")<Tenants, string, { readonly id: number }>() {}
      const source = makeKeyed()
      const program = Effect.flatMap(
        Tenants,
        (tenants) => Effect.map(borrow(tenants, "a"), (id) => [tenants.name, id] as const)
      )
      const layer = Tenants.layer({ acquire: source.ofKey })
      assert.deepStrictEqual(yield* Effect.provide(program, layer), ["test/Tenants", 1])
      assert.deepStrictEqual(source.closed, [1])
      const named = Layer.fresh(Tenants.layer({ acquire: source.ofKey, name: "other" }))
      assert.deepStrictEqual(yield* Effect.provide(program, named), ["other", 2])
    }))

  it.scoped("counts all keys together, those that have gone included, and shows no key", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey, keyTimeToLive: "1 second", name: "n" })
      yield* borrow(pool, "secret")
      yield* borrow(pool, "secret")
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* borrow(pool, "other")
      const held = yield* hold(pool, "secret")
      const stats = yield* pool.stats
      assert.deepInclude(
        { ...stats.all },
        { pool: "n", size: 2, idle: 1, inUse: 1, leases: 1, created: 3, acquisitions: 4, reuses: 1, peak: 1 }
      )
      assert.deepStrictEqual(stats.byKey.map(({ key, stats }) => [key, stats.acquisitions]), [["secret", 1], [
        "other",
        1
      ]])
      assert.notInclude(`${String(stats)} ${String(pool)}`, "secret")
      yield* held.release
    }))

  it.scoped("has figures of the 100 busiest keys at most", () =>
    Effect.gen(function*() {
      const source = makeKeyed()
      const pool = yield* KeyedPool.make({ acquire: source.ofKey })
      for (let key = 0; key < 250; key++) yield* borrow(pool, key)
      const held = yield* Effect.forEach([3, 222, 117], (key) => hold(pool, key))
      const { byKey, keys } = yield* pool.stats
      assert.deepStrictEqual([keys, byKey.length], [250, 100])
      assert.deepStrictEqual(new Set(byKey.slice(0, 3).map(({ key }) => key)), new Set([3, 117, 222]))
      for (const { release } of held) yield* release
    }))

  it.scoped("awaitStats sees the borrows of all keys, keys that come and go, and refused ones", () =>
    Effect.gen(function*() {
      const pool = yield* KeyedPool.make({
        acquire: makeKeyed().ofKey,
        maxSize: 1,
        maxKeys: 2,
        keyTimeToLive: "1 second"
      })
      const lent = yield* Effect.fork(pool.awaitStats(({ all }) => all.inUse === 2 && all.waiters === 1))
      const keys = yield* Effect.fork(pool.awaitStats(({ keys }) => keys === 2))
      const refused = yield* Effect.fork(pool.awaitStats(({ all }) => all.rejections === 1))
      const borrowers = []
      for (const key of ["a", "b", "b"]) borrowers.push(yield* Effect.forkScoped(pool.use(key, () => Effect.never)))
      assert.deepInclude((yield* Fiber.join(lent)).all, { leases: 2 })
      yield* Fiber.join(keys)
      assert.strictEqual((yield* Effect.flip(borrow(pool, "c"))).reason, "TooManyKeys")
      yield* Fiber.join(refused)
      const none = yield* Effect.fork(pool.awaitStats(({ keys }) => keys === 0))
      yield* Effect.forEach(borrowers, (borrower) => Fiber.interrupt(borrower), { discard: true })
      yield* TestClock.adjust("1 second")
      assert.deepInclude((yield* Fiber.join(none)).all, { inUse: 0, waiters: 0, acquisitions: 3 })
    }))

  it.scoped("awaitStats fails with PoolClosed when the pool closes, or has closed", () =>
    Effect.gen(function*() {
      for (const keys of [[], ["a", "b"]]) {
        const pool = yield* KeyedPool.make({ acquire: makeKeyed().ofKey })
        for (const key of keys) yield* borrow(pool, key)
        const never = Effect.flip(pool.awaitStats(({ all }) => all.inUse === 5))
        const waiting = yield* Effect.fork(never)
        yield* settle
        yield* pool.close
        for (const error of [yield* Fiber.join(waiting), yield* never]) {
          assert.deepInclude(error, { reason: "PoolClosed", pool: pool.name })
        }
        assert.strictEqual((yield* pool.awaitStats(({ all }) => all.size === 0)).all.acquisitions, keys.length)
      }
    }))
})
