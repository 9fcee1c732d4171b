/** `renew`, `minIdle`, borrowers that give up, pools without metrics, and tags. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Metric from "#test/Metric"
import type * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import { withLogs } from "../support/logs.js"
import { failureOf, type Item, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const borrow = (pool: ResourcePool.ResourcePool<Item>) => pool.useSync((item) => item.id)

const hold = (pool: ResourcePool.ResourcePool<Item>, count: number) => Effect.replicateEffect(pool.acquire, count)

describe("renew", () => {
  it.scoped("retires every item: idle ones at once, lent ones when they come back", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const pool = yield* ResourcePool.make({ acquire: source.acquire, maxSize: 4 })
      const leases = yield* hold(pool, 3)
      yield* leases[0]!.release()
      assert.strictEqual(yield* pool.renew, 3)
      yield* settle
      assert.deepStrictEqual(source.closed, [1])
      assert.strictEqual(yield* borrow(pool), 4)
      yield* leases[1]!.release()
      yield* leases[2]!.release()
      yield* settle
      assert.deepStrictEqual(source.closed, [1, 2, 3])
      assert.strictEqual((yield* pool.stats).destroyed.retired, 3)
      assert.strictEqual(yield* borrow(pool), 4)
    }))

  it.scoped("closes what is being made unlent, neither failure nor success, and its borrower keeps its place", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let attempts = 0
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend(() => Effect.andThen(Deferred.await(gates[attempts++]!), source.acquire)),
        maxSize: 1
      })
      const first = yield* Effect.fork(borrow(pool))
      yield* settle
      const second = yield* Effect.fork(borrow(pool))
      yield* settle
      assert.strictEqual(yield* pool.renew, 0)
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* settle
      assert.deepStrictEqual(source.closed, [1])
      assert.deepInclude(yield* pool.stats, { created: 0, failures: 0, waiters: 2, creating: 1 })
      yield* Deferred.succeed(gates[1]!, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [2, 2])
    }))

  it.scoped("an idle item closes when its replacement is made", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const gate = yield* Deferred.make<void>()
      let isGated = false
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend(() => isGated ? Effect.andThen(Deferred.await(gate), source.acquire) : source.acquire),
        minSize: 2,
        maxSize: 4
      })
      yield* pool.ready
      isGated = true
      assert.strictEqual(yield* pool.renew, 2)
      yield* settle
      assert.deepStrictEqual(source.closed, [])
      assert.deepInclude(yield* pool.stats, { creating: 2 })
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(source.closed.toSorted((a, b) => a - b), [1, 2])
      assert.strictEqual(yield* borrow(pool), 4)
    }))

  it.scoped("closes createConcurrency at a time", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const gate = yield* Deferred.make<void>()
      let closing = 0
      const pool = yield* ResourcePool.make({
        acquire: Effect.tap(source.acquire, () =>
          Effect.addFinalizer(() => Effect.andThen(Effect.sync(() => closing++), Deferred.await(gate)))),
        maxSize: 5,
        createConcurrency: 2
      })
      for (const lease of yield* hold(pool, 5)) {
        yield* lease.release()
      }
      yield* pool.renew
      yield* settle
      assert.strictEqual(closing, 2)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.strictEqual(closing, 5)
      assert.deepInclude(yield* pool.stats, { size: 0, closing: 0 })
    }))

  it.scoped("ends a backoff: what failed is of another time", () =>
    Effect.gen(function*() {
      const source = makeSource()
      let isWrong = true
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend(() => isWrong ? Effect.fail("wrong password") : source.acquire),
        createBackoff: { initial: "1 hour", max: "1 hour" }
      })
      yield* Effect.flip(pool.useSync((item) => item.id))
      isWrong = false
      assert.strictEqual(yield* pool.renew, 0)
      assert.strictEqual(yield* pool.useSync((item) => item.id), 1)
    }))

  it.scoped("with overlap a lent item's place is free at once", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, maxSize: 1, overlap: true })
      const lease = yield* pool.acquire
      yield* pool.renew
      assert.strictEqual(yield* borrow(pool), 2)
      yield* lease.release()
    }))
})

describe("minIdle", () => {
  it.scoped("keeps so many items ready beside those that are lent, up to maxSize", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, minIdle: 2, maxSize: 5 })
      const figures = Effect.map(pool.stats, ({ idle, inUse }) => ({ idle, inUse }))
      yield* settle
      assert.deepStrictEqual(yield* figures, { inUse: 0, idle: 2 })
      const leases = yield* hold(pool, 2)
      yield* settle
      assert.deepStrictEqual(yield* figures, { inUse: 2, idle: 2 })
      leases.push(...yield* hold(pool, 2))
      yield* settle
      assert.deepStrictEqual(yield* figures, { inUse: 4, idle: 1 })
      for (const lease of leases) yield* lease.release()
    }))

  it.scoped("ageing and prune stop there, and a loss is made good", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        minIdle: 1,
        maxSize: 6,
        idleTimeToLive: "1 minute"
      })
      const leases = yield* hold(pool, 5)
      yield* settle
      for (const lease of leases.slice(1)) yield* lease.release()
      yield* settle
      assert.strictEqual((yield* pool.stats).size, 6)
      assert.strictEqual(yield* pool.prune(0), 4)
      assert.deepInclude(yield* pool.stats, { inUse: 1, idle: 1 })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.stats, { inUse: 1, idle: 1 })
      yield* leases[0]!.release()
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.stats, { inUse: 0, idle: 1 })
      assert.strictEqual(yield* pool.clear, 1)
      yield* settle
      assert.deepInclude(yield* pool.stats, { inUse: 0, idle: 1 })
    }))

  it.scoped("follows resize, and above maxSize is refused", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, maxSize: 4 })
      yield* pool.resize({ minIdle: 3 })
      yield* settle
      assert.deepInclude(yield* pool.stats, { idle: 3 })
      const refused = yield* Effect.exit(pool.resize({ minIdle: 5 }))
      assert.include(failureOf(refused), "minIdle must be at most maxSize (4), but was 5")
      const made = yield* Effect.exit(ResourcePool.make({ acquire: Effect.void, minIdle: 11 }))
      assert.include(failureOf(made), "minIdle must be at most maxSize (10), but was 11")
    }))
})

describe("a hook that calls back", () => {
  it.scoped("concurrency that renews the pool: what is being made is closed", () =>
    Effect.gen(function*() {
      const source = makeSource()
      let renews = true
      const pool: ResourcePool.ResourcePool<Item> = yield* ResourcePool.make({
        acquire: source.acquire,
        concurrency: () => {
          if (renews) Effect.runSync(pool.renew)
          renews = false
          return 1
        }
      })
      assert.strictEqual(yield* borrow(pool), 2)
      yield* settle
      assert.deepStrictEqual([...source.open], [2])
    }))

  it.scoped("a check that ends its own item runs no longer than the item", () =>
    Effect.gen(function*() {
      const running = new Set<number>()
      const pool: ResourcePool.ResourcePool<Item> = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        validateAfterIdle: 0,
        validate: (item) => {
          if (item.id > 1) return Effect.succeed(true)
          Effect.runSync(pool.invalidate(item))
          return Effect.andThen(Effect.sync(() => running.add(item.id)), Effect.never)
        }
      })
      yield* borrow(pool)
      assert.strictEqual(yield* borrow(pool), 2)
      yield* settle
      assert.strictEqual(running.size, 0)
    }))
})

describe("what users see", () => {
  it.scoped("stats count the borrowers who were interrupted while they waited", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ name: "given-up", acquire: makeSource().acquire, maxSize: 1 })
      const lease = yield* pool.acquire
      const waiters = yield* Effect.replicateEffect(Effect.fork(borrow(pool)), 3)
      yield* settle
      yield* Fiber.interruptAll(waiters)
      assert.deepInclude(yield* pool.stats, { abandoned: 3, timeouts: 0, waiters: 0 })
      const { count } = yield* Metric.value(Metric.tagged(PoolMetrics.abandoned, "pool", "given-up"))
      assert.strictEqual(count, 3)
      yield* lease.release()
    }))

  it.scoped("a pool without metrics leaves nothing in the registry", () =>
    Effect.gen(function*() {
      const named = (name: string) =>
        Effect.map(Metric.figures, (figures) => figures.filter(({ tags }) => tags["pool"] === name).length)
      yield* Effect.scoped(ResourcePool.make({ name: "silent", acquire: Effect.void, metrics: false }))
      yield* Effect.scoped(ResourcePool.make({ name: "loud", acquire: Effect.void }))
      assert.strictEqual(yield* named("silent"), 0)
      assert.isAbove(yield* named("loud"), 0)
      const both = yield* Effect.exit(ResourcePool.make({ acquire: Effect.void, metrics: false, histograms: true }))
      assert.include(failureOf(both), "histograms must be left out if metrics is false")
    }))

  it.scoped("a drain that its own borrower waits for says so", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          name: "drained",
          acquire: makeSource().acquire,
          leakThreshold: "1 hour"
        })
        const fiber = yield* Effect.forkScoped(Effect.withSpan(pool.use(() => pool.drain), "the borrower"))
        yield* settle
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.strictEqual(logs.length, 1)
        assert.include(logs[0]!.message, "drain has waited for 10s: 1 lease(s) still out, 0 borrower(s) waiting")
        assert.strictEqual(logs[0]!.annotations.event, "Draining")
        assert.deepInclude((logs[0]!.annotations.borrowers as Array<object>)[0], { spans: "the borrower" })
        yield* Fiber.interrupt(fiber)
      })
    ))

  it.effect("a tag of one's own has the pool as a layer", () => {
    class Db extends ResourcePool.Tag("app/Db")<Db, Item, string>() {}
    const acquire: Effect.Effect<Item, string, Scope.Scope> = makeSource().acquire
    return Effect.gen(function*() {
      const db = yield* Db
      assert.strictEqual(db.name, "app/Db")
      assert.deepStrictEqual(yield* Effect.exit(db.useSync((item) => item.id)), Exit.succeed(1))
    }).pipe(Effect.provide(Db.layer({ acquire, metrics: false })))
  })
})
