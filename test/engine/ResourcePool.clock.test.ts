/** The two clocks of a pool: waits use the monotonic clock, ages the wall clock. */
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as TestClock from "#test/TestClock"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import { withLogs } from "../support/logs.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const hour = 3_600_000

/** Effect's test clock, with a wall clock that can leap, and a count of its sleepers. */
const leaping = Effect.map(Effect.clock, (clock) => {
  const state = { skew: 0, sleepers: 0 }
  const leaps = Clock.changed(clock, {
    millis: () => Clock.millisOf(clock) + state.skew,
    sleep: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => state.sleepers++),
        () => clock.sleep(duration),
        () => Effect.sync(() => state.sleepers--)
      )
  })
  return Object.assign(state, { clock: leaps })
})

describe("a leap of the wall clock", () => {
  it.scoped("fails no waiter", () =>
    Effect.gen(function*() {
      const time = yield* leaping
      const pool = yield* Effect.withClock(
        ResourcePool.make({
          acquire: Effect.delay(makeSource().acquire, "300 millis"),
          acquireTimeout: "30 seconds",
          exhaustedThreshold: "100 millis"
        }),
        time.clock
      )
      const borrowers = yield* Effect.replicateEffect(Effect.fork(Effect.exit(pool.useSync((item) => item.id))), 10)
      yield* settle
      for (const skew of [hour, -hour, hour]) {
        time.skew = skew
        yield* TestClock.adjust("100 millis")
        yield* settle
      }
      for (const exit of yield* Fiber.joinAll(borrowers)) assert.isTrue(Exit.isSuccess(exit))
      assert.deepInclude(yield* pool.stats, { failures: 0, timeouts: 0 })
    }))

  it.scoped("cuts no grace and reports no leak", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const time = yield* leaping
        const pool = yield* Effect.withClock(
          ResourcePool.make({
            acquire: makeSource().acquire,
            leakThreshold: "1 minute",
            shutdownGrace: "5 seconds",
            exhaustedThreshold: "1 second"
          }),
          time.clock
        )
        const lease = yield* pool.acquire
        yield* TestClock.adjust("2 seconds")
        time.skew = hour
        yield* TestClock.adjust("2 seconds")
        const closing = yield* Effect.fork(pool.close)
        yield* settle
        time.skew = 2 * hour
        yield* TestClock.adjust("4 seconds")
        yield* settle
        assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
        yield* lease.release()
        yield* Fiber.join(closing)
        assert.deepStrictEqual(logs, [])
      })
    ))

  it.scoped("idle items age during a machine's sleep, before a borrower gets them", () =>
    Effect.gen(function*() {
      const time = yield* leaping
      const validated: Array<number> = []
      const make = (options: object) =>
        Effect.withClock(
          ResourcePool.make({ acquire: makeSource().acquire, maxSize: 2, ...options }),
          time.clock
        )
      const checked = yield* make({
        validate: (item: { readonly id: number }) => Effect.sync(() => validated.push(item.id) > 0),
        validateAfterIdle: "1 minute"
      })
      const expiring = yield* make({ idleTimeToLive: "1 minute" })
      const ageing = yield* make({ maxLifetime: "1 minute" })
      for (const pool of [checked, expiring, ageing]) yield* pool.use(() => Effect.void)
      time.skew = hour
      const ids = yield* Effect.forEach([checked, expiring, ageing], (pool) => pool.useSync((item) => item.id))
      assert.deepStrictEqual(ids, [1, 2, 2])
      assert.deepStrictEqual(validated, [1])
    }))

  it.scoped("backwards neither hides an age nor makes one", () =>
    Effect.gen(function*() {
      const time = yield* leaping
      const pool = yield* Effect.withClock(
        ResourcePool.make({ acquire: makeSource().acquire, idleTimeToLive: "1 minute" }),
        time.clock
      )
      yield* pool.use(() => Effect.void)
      time.skew = -hour
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* pool.stats).size, 1)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* pool.stats).size, 0)
    }))
})

describe("a wall clock in whole milliseconds", () => {
  it.scoped("makes no item younger than it is: prune(0) closes what came back within this one", () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      let nanos = 0n
      const exact = Clock.changed(clock, { nanos: () => Clock.nanosOf(clock) + nanos })
      const pool = yield* Effect.withClock(ResourcePool.make({ acquire: makeSource().acquire }), exact)
      yield* pool.use(() => Effect.void)
      nanos = 600_000n
      yield* pool.use(() => Effect.void)
      assert.strictEqual(yield* pool.prune(0), 1)
    }))
})

describe("an unused pool", () => {
  it.scoped("keeps no timer, unless something ages", () =>
    Effect.gen(function*() {
      const time = yield* leaping
      const make = (options: object) =>
        Effect.withClock(ResourcePool.make({ acquire: makeSource().acquire, ...options }), time.clock)
      const plain = yield* make({ acquireTimeout: "30 seconds", maxSize: 1, leakThreshold: "1 minute" })
      yield* plain.use(() => Effect.void)
      // a borrower waits, and another gives up waiting
      const lease = yield* plain.acquire
      const waiters = yield* Effect.replicateEffect(Effect.fork(plain.use(() => Effect.void)), 2)
      yield* settle
      yield* Fiber.interrupt(waiters[1]!)
      yield* lease.release()
      yield* Fiber.join(waiters[0]!)
      yield* settle
      assert.strictEqual(time.sleepers, 0)
      const ageing = yield* make({ idleTimeToLive: "1 minute" })
      yield* ageing.use(() => Effect.void)
      yield* settle
      assert.strictEqual(time.sleepers, 1)
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.strictEqual((yield* ageing.stats).size, 0)
      assert.strictEqual(time.sleepers, 0)
    }))
})

describe("a tick that comes late", () => {
  it.scoped("lets one turn pass before it judges what may have been answered", () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      const state = { turns: 0, lag: 0 }
      let isBlocked = false
      // the event loop is blocked; then the timer comes first, and the bytes in the socket in the next turn
      const blocked = Clock.changed(clock, {
        nanos: () => Clock.nanosOf(clock) + BigInt(state.lag) * 1_000_000n,
        sleep: (duration) =>
          Effect.andThen(
            clock.sleep(duration),
            Effect.suspend(() => {
              if (!isBlocked) return Effect.void
              state.lag = 500
              return ++state.turns === 2 ? Effect.andThen(Deferred.succeed(answer, undefined), settle) : Effect.void
            })
          )
      })
      const answer = yield* Deferred.make<void>()
      const source = makeSource()
      const pool = yield* Effect.withClock(
        ResourcePool.make({
          acquire: Effect.andThen(Deferred.await(answer), source.acquire),
          createTimeout: "1 second"
        }),
        blocked
      )
      const borrower = yield* Effect.fork(Effect.exit(pool.useSync((item) => item.id)))
      yield* settle
      isBlocked = true
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(borrower), Exit.succeed(1))
      assert.strictEqual(state.turns, 2)
    }))
})
