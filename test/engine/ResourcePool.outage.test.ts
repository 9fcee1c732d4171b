/** Resources that fail for a while: which borrowers a failed creation fails, and which not. */
import * as Cause from "#test/Cause"
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import type * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as PoolError from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import type * as Duration from "effect/Duration"
import { withLogs } from "../support/logs.js"
import { failureOf, type Item, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

/** A backend that can be down, with the times of its requests. */
const makeBackend = () => {
  const source = makeSource()
  const backend = { down: false, hangs: false, attempts: [] as Array<number> }
  return Object.assign(backend, {
    acquire: Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<Item, string, Scope.Scope> => {
      backend.attempts.push(now)
      if (backend.hangs) return Effect.never
      return backend.down ? Effect.fail("down") : source.acquire
    })
  })
}

/** Lets time pass, `step` milliseconds at once. The times of attempts are exact to a step. */
const pass = (millis: number, step = 50) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust(step), settle), millis / step, { discard: true })

/** A borrower, and the time of its answer. */
const borrow = (pool: ResourcePool.ResourcePool<Item, string>) =>
  Effect.fork(Effect.zip(Effect.exit(pool.useSync((item) => item.id)), Clock.currentTimeMillis))

const once = (pool: ResourcePool.ResourcePool<Item, string>) => Effect.flatMap(borrow(pool), Fiber.join)

describe("an outage", () => {
  /** A pool whose backend is just gone, with all its items. */
  const cutOff = (options: Partial<ResourcePool.Options<Item, string, Scope.Scope>> = {}) =>
    Effect.gen(function*() {
      const backend = makeBackend()
      const pool = yield* ResourcePool.make({ acquire: backend.acquire, createBackoff: { jitter: 0 }, ...options })
      yield* once(pool)
      backend.down = true
      yield* pool.clear
      yield* settle
      return { backend, pool, since: yield* Clock.currentTimeMillis }
    })

  it.scoped("fails no borrower while it lasts no longer than rideOut", () =>
    Effect.gen(function*() {
      const { backend, pool } = yield* cutOff()
      const borrowers = yield* Effect.replicateEffect(borrow(pool), 20)
      yield* pass(1_900)
      // the first attempts together, then one at a time: after 10, 20, 40 … 640 ms
      assert.isAtMost(backend.attempts.length, 1 + 8 + 7)
      assert.strictEqual((yield* pool.stats).waiters, 20)
      backend.down = false
      yield* pass(2_000)
      for (const [exit] of yield* Fiber.joinAll(borrowers)) assert.isTrue(Exit.isSuccess(exit))
    }))

  it.scoped("fails all waiters once it lasts longer, and later borrowers with the next attempt", () =>
    Effect.gen(function*() {
      const { backend, pool, since } = yield* cutOff()
      const borrowers = yield* Effect.replicateEffect(borrow(pool), 20)
      yield* pass(4_000, 10)
      for (const [exit, at] of yield* Fiber.joinAll(borrowers)) {
        assert.deepStrictEqual(exit, Exit.fail("down"))
        // 10, 20, 40 … after each other: the first attempt at 2 s or later
        assert.strictEqual(at - since, 10 + 20 + 40 + 80 + 160 + 320 + 640 + 1_280)
      }
      // the next attempt is due 2.56 s after that
      const late = yield* Effect.replicateEffect(borrow(pool), 5)
      const attempts = backend.attempts.length
      yield* pass(2_000)
      assert.strictEqual(backend.attempts.length, attempts + 1)
      for (const [exit] of yield* Fiber.joinAll(late)) assert.deepStrictEqual(exit, Exit.fail("down"))
    }))

  it.scoped("counts from the beginning of the first attempt that failed", () =>
    Effect.gen(function*() {
      const source = makeSource()
      let hangs = false
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend((): Effect.Effect<Item, string, Scope.Scope> =>
          hangs ? Effect.andThen(Effect.sleep("3 seconds"), Effect.fail("down")) : source.acquire
        )
      })
      yield* once(pool)
      hangs = true
      yield* pool.clear
      const borrower = yield* borrow(pool)
      yield* settle
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual((yield* Fiber.join(borrower))[0], Exit.fail("down"))
    }))

  it.scoped("begins anew when no borrower has wanted an item for createBackoff.max", () =>
    Effect.gen(function*() {
      const { pool } = yield* cutOff()
      yield* Effect.forkScoped(borrow(pool))
      yield* pass(4_000)
      yield* TestClock.adjust("1 minute")
      const patient = yield* borrow(pool)
      yield* pass(1_500)
      assert.isNull(yield* Effect.map(Fiber.poll(patient), (exit) => exit._tag === "None" ? null : exit))
      yield* pass(3_000)
      assert.deepStrictEqual((yield* Fiber.join(patient))[0], Exit.fail("down"))
    }))

  it.scoped("does not begin anew while borrowers go on wanting one, however long the backoff", () =>
    Effect.gen(function*() {
      const { pool } = yield* cutOff({ createBackoff: { initial: 500, max: 500, jitter: 0 } })
      const first = yield* borrow(pool)
      yield* pass(2_400)
      assert.deepStrictEqual((yield* Fiber.join(first))[0], Exit.fail("down"))
      for (let i = 0; i < 5; i++) {
        // a borrower waits when the next attempt is due
        const next = yield* borrow(pool)
        yield* pass(500)
        assert.deepStrictEqual((yield* Fiber.join(next))[0], Exit.fail("down"), `borrower ${i}`)
      }
    }))

  it.scoped("costs a pool that has never made an item no patience", () =>
    Effect.gen(function*() {
      const backend = makeBackend()
      backend.down = true
      const pool = yield* ResourcePool.make({ acquire: backend.acquire })
      assert.deepStrictEqual((yield* once(pool))[0], Exit.fail("down"))
      assert.deepStrictEqual(backend.attempts, [0])
    }))

  it.scoped("an acquireTimeout that ends sooner carries the last failure", () =>
    Effect.gen(function*() {
      const { pool } = yield* cutOff({ acquireTimeout: "1 second" })
      const borrower = yield* borrow(pool)
      yield* pass(1_000)
      const [exit] = yield* Fiber.join(borrower)
      const error = Cause.squash(Exit.isFailure(exit) ? exit.cause : Cause.empty) as PoolError.PoolError
      assert.deepInclude(error, { reason: "AcquireTimeout", cause: "down" })
      assert.include(error.message, "The last creation failed: down")
    }))

  it.scoped("an acquireTimeout carries no failure when the borrower waits for items that are lent", () =>
    Effect.gen(function*() {
      const { backend, pool } = yield* cutOff({ maxSize: 2, acquireTimeout: "1 second", rideOut: "1 hour" })
      backend.down = false
      const lease = yield* pool.acquire
      backend.down = true
      const first = yield* borrow(pool)
      yield* pass(1_000)
      assert.include(failureOf((yield* Fiber.join(first))[0]), "The last creation failed: down")
      yield* pool.resize({ maxSize: 1 })
      const second = yield* borrow(pool)
      yield* pass(1_000)
      const [exit] = yield* Fiber.join(second)
      const error = Cause.squash(Exit.isFailure(exit) ? exit.cause : Cause.empty) as PoolError.PoolError
      assert.strictEqual(error.reason, "AcquireTimeout")
      assert.isUndefined(error.detail)
      assert.isUndefined(error.cause)
      yield* lease.release()
    }))

  it.scoped("an acquireTimeout while the next creation hangs names both", () =>
    Effect.gen(function*() {
      const { backend, pool } = yield* cutOff({ acquireTimeout: "1 second" })
      yield* borrow(pool)
      yield* pass(1_000)
      backend.hangs = true
      yield* pass(10_000)
      const later = yield* borrow(pool)
      yield* pass(1_000)
      const [exit] = yield* Fiber.join(later)
      assert.include(
        failureOf(exit),
        "An item is still being created: is the resource reachable? The last creation failed: down"
      )
    }))

  const withRideOut = (
    rideOut: (cause: Cause.Cause<string | PoolError.PoolError>) => number | Duration.Duration | "1 hour"
  ) => cutOff({ rideOut })

  it.scoped("a function tells for each cause how long to wait for its end", () =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const { pool } = yield* withRideOut((cause) => {
        asked.push(Cause.squash(cause))
        return asked.length < 3 ? "1 hour" : 0
      })
      const borrower = yield* borrow(pool)
      yield* pass(200, 10)
      assert.deepStrictEqual((yield* Fiber.join(borrower))[0], Exit.fail("down"))
      assert.deepStrictEqual(asked, ["down", "down", "down"])
    }))

  it.scoped("a function that throws, or returns no duration, is logged and counts as 0", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const bad = [
          () => {
            throw new Error("oops")
          },
          () => -1
        ]
        for (const rideOut of bad) {
          const { pool } = yield* withRideOut(rideOut)
          assert.deepStrictEqual((yield* once(pool))[0], Exit.fail("down"))
          yield* settle
        }
        const lines = logs.filter(({ annotations }) => annotations.event === "HookFailure")
        assert.deepStrictEqual(lines.map(({ message }) => message), Array(2).fill("rideOut failed; 0 is used instead"))
      })
    ))

  it.scoped("an item that can still serve shields those who wait, also without patience", () =>
    Effect.gen(function*() {
      const { backend, pool } = yield* cutOff({ rideOut: 0, maxSize: 2 })
      backend.down = false
      const lease = yield* pool.acquire
      backend.down = true
      const borrowers = yield* Effect.replicateEffect(borrow(pool), 5)
      yield* pass(10_000, 200)
      assert.strictEqual((yield* pool.stats).waiters, 5)
      yield* lease.release()
      for (const [exit] of yield* Fiber.joinAll(borrowers)) assert.isTrue(Exit.isSuccess(exit))
    }))
})

describe("a backend at its limit", () => {
  it.scoped("refuses no borrower, and is asked a few times", () =>
    Effect.gen(function*() {
      let live = 0
      let attempts = 0
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend(() => {
          attempts++
          if (live >= 5) return Effect.fail("too many clients")
          live++
          return Effect.sleep(20)
        }),
        maxSize: 10,
        acquireTimeout: "5 seconds"
      })
      const borrowers = yield* Effect.replicateEffect(Effect.fork(Effect.exit(pool.use(() => Effect.sleep(50)))), 40)
      yield* pass(500, 10)
      for (const exit of yield* Fiber.joinAll(borrowers)) assert.isTrue(Exit.isSuccess(exit))
      assert.isAtMost(attempts, 8 + 6)
    }))

  it.scoped("the success of an attempt begun before the failure ends neither the backoff nor one at a time", () =>
    Effect.gen(function*() {
      const outcomes = ["fails", "succeeds after 5 ms", "fails", "fails"]
      const attempts: Array<number> = []
      const pool = yield* ResourcePool.make({
        acquire: Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<number, string> => {
          const outcome = outcomes[attempts.push(now) - 1]
          return outcome === "fails" ? Effect.fail("full") : Effect.delay(Effect.succeed(attempts.length), 5)
        }),
        maxSize: 10,
        createConcurrency: 2,
        createBackoff: { initial: 100, factor: 3, max: "5 seconds", jitter: 0 }
      })
      yield* Effect.replicateEffect(Effect.forkScoped(pool.use(() => Effect.never)), 10)
      for (let i = 0; i < 45; i++) {
        yield* settle
        yield* TestClock.adjust(i < 5 ? 1 : 10)
      }
      // 100 ms after the failure at 0, in spite of the success at 5; then 300 ms
      assert.deepStrictEqual(attempts.slice(0, 4), [0, 0, 100, 400])
    }))
})
