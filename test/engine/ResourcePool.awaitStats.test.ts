/** `awaitStats`: tests wait for figures instead of polling. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as TestClock from "#test/TestClock"
import type { PoolStats } from "effect-pools/PoolStats"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import { failureOf, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const make = (options: { readonly maxSize?: number; readonly maxWaiters?: number } = {}) =>
  ResourcePool.make({ acquire: makeSource().acquire, ...options })

/** A predicate that writes down what it saw. */
const watching = (what: (stats: PoolStats) => unknown, until: (stats: PoolStats) => boolean) => {
  const seen: Array<unknown> = []
  return {
    seen,
    predicate: (stats: PoolStats) => {
      const now = what(stats)
      if (seen.at(-1) !== now) seen.push(now)
      return until(stats)
    }
  }
}

describe("awaitStats", () => {
  it.scoped("completes at once if the figures are so already", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* pool.useSync(() => undefined)
      const stats = yield* pool.awaitStats(({ acquisitions }) => acquisitions === 1)
      assert.deepInclude(stats, { created: 1, idle: 1, inUse: 0 })
    }))

  it.scoped("waits until so many items are lent, then until so many borrowers wait, then until all came back", () =>
    Effect.gen(function*() {
      const pool = yield* make({ maxSize: 2 })
      const full = yield* Effect.fork(pool.awaitStats(({ inUse, max }) => inUse === max))
      const asked = yield* Effect.fork(pool.awaitStats(({ inUse, waiters }) => inUse === 2 && waiters === 3))
      const borrowers = []
      for (let i = 0; i < 5; i++) borrowers.push(yield* Effect.forkScoped(pool.use(() => Effect.never)))
      assert.deepInclude(yield* Fiber.join(full), { inUse: 2 })
      assert.deepInclude(yield* Fiber.join(asked), { inUse: 2, waiters: 3 })
      const unused = yield* Effect.fork(pool.awaitStats(({ inUse, waiters }) => inUse + waiters === 0))
      yield* Effect.forEach(borrowers, (borrower) => Fiber.interrupt(borrower), { discard: true })
      assert.deepInclude(yield* Fiber.join(unused), { idle: 2, acquisitions: 5 })
    }))

  it.scoped("sees each change, however short, of borrows that meet nobody, too", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* pool.useSync(() => undefined)
      const { predicate, seen } = watching(
        ({ acquisitions, inUse }) => `${acquisitions} ${inUse}`,
        ({ acquisitions, inUse }) => acquisitions === 4 && inUse === 0
      )
      const waiting = yield* Effect.fork(pool.awaitStats(predicate))
      yield* settle
      yield* pool.useSync(() => undefined)
      yield* pool.use(() => Effect.yieldNow())
      yield* Effect.scoped(pool.get)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(seen, ["1 0", "2 1", "2 0", "3 1", "3 0", "4 1", "4 0"])
    }))

  it.scoped("sees refusals, new sizes, what is created and closed, and the end of the pool", () =>
    Effect.gen(function*() {
      const pool = yield* make({ maxSize: 1, maxWaiters: 0 })
      const { predicate, seen } = watching(
        ({ closing, created, max, rejections, size }) => [created, size, closing, rejections, max].join(" "),
        ({ destroyed }) => destroyed.closed === 1
      )
      const waiting = yield* Effect.fork(pool.awaitStats(predicate))
      yield* settle
      const lease = yield* pool.acquire
      assert.strictEqual((yield* Effect.flip(pool.useSync(() => undefined))).reason, "QueueFull")
      yield* pool.resize({ maxSize: 2 })
      yield* pool.invalidate(lease.value)
      yield* lease.release()
      yield* settle
      yield* pool.useSync(() => undefined)
      yield* pool.close
      yield* Fiber.join(waiting)
      assert.includeMembers(seen, ["0 0 0 0 1", "1 1 0 0 1", "1 1 0 1 1", "1 1 0 1 2", "1 0 1 1 2", "2 1 0 1 2"])
    }))

  it.scoped("stops asking when it is interrupted, and does not ask again once it has completed", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      let asked = 0
      const waiting = yield* Effect.fork(pool.awaitStats(() => {
        asked++
        return false
      }))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* pool.awaitStats(() => {
        asked++
        return true
      })
      const before = asked
      yield* pool.useSync(() => undefined)
      assert.strictEqual(before, 2)
      assert.strictEqual(asked, 2)
    }))

  it.scoped("dies of a predicate that throws, and harms neither the borrower nor others who wait", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const broken = yield* Effect.fork(Effect.exit(pool.awaitStats(({ inUse }) => {
        if (inUse === 1) throw new Error("broken")
        return false
      })))
      const waiting = yield* Effect.fork(pool.awaitStats(({ acquisitions }) => acquisitions === 2))
      yield* settle
      assert.strictEqual(yield* pool.useSync(({ id }) => id), 1)
      assert.include(failureOf(yield* Fiber.join(broken)), "broken")
      assert.strictEqual(yield* pool.useSync(({ id }) => id), 1)
      yield* Fiber.join(waiting)
    }))

  it.scoped("lets a test adjust the clock once a borrower waits", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({
        acquire: Effect.succeed("an item"),
        maxSize: 1,
        acquireTimeout: "5 seconds"
      })
      yield* Effect.forkScoped(pool.use(() => Effect.never))
      const waiter = yield* Effect.forkScoped(Effect.flip(pool.use(Effect.succeed)))
      yield* pool.awaitStats(({ inUse, waiters }) => inUse === 1 && waiters === 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(waiter)).reason, "AcquireTimeout")
    }))

  it.scoped("fails with PoolClosed once the pool has closed, unless the last figures are as they should be", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* pool.useSync(() => undefined)
      const waiting = yield* Effect.fork(Effect.flip(pool.awaitStats(({ inUse }) => inUse === 5)))
      const ending = yield* Effect.fork(pool.awaitStats(({ destroyed }) => destroyed.closed === 1))
      yield* settle
      yield* pool.close
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "PoolClosed")
      yield* Fiber.join(ending)
      assert.strictEqual((yield* Effect.flip(pool.awaitStats(({ inUse }) => inUse === 5))).reason, "PoolClosed")
      assert.deepInclude(yield* pool.awaitStats(({ size }) => size === 0), { acquisitions: 1 })
    }))

  it.scoped("fails when pools of sessions and of streams close", () =>
    Effect.gen(function*() {
      const sessionPool = yield* SessionPool.make({ url: "https://test/" })
      const streamPool = yield* StreamPool.make({ sessionPool })
      yield* streamPool.use(() => Effect.void)
      for (const pool of [streamPool, sessionPool]) {
        const waiting = yield* Effect.fork(Effect.flip(pool.awaitStats(({ inUse }) => inUse === 5)))
        yield* settle
        yield* pool.close
        assert.deepInclude(yield* Fiber.join(waiting), { reason: "PoolClosed", pool: pool.name })
        assert.strictEqual((yield* Effect.flip(pool.awaitStats(({ inUse }) => inUse === 5))).reason, "PoolClosed")
      }
    }).pipe(Effect.provide(TestWebTransport.layer())))

  it.scoped("works for pools of streams", () =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect("https://test/")
      const pool = yield* StreamPool.make({ session, maxSize: 2 })
      for (let i = 0; i < 2; i++) yield* Effect.forkScoped(pool.use(() => Effect.never))
      assert.deepInclude(yield* pool.awaitStats(({ inUse }) => inUse === 2), { max: 2 })
    }).pipe(Effect.provide(TestWebTransport.layer())))
})
