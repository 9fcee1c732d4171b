/** Permits: a limit that several pools share. */
import { sourceOf } from "#effect/clock"
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Metric from "#test/Metric"
import * as TestClock from "#test/TestClock"
import { PoolError } from "effect-pools/PoolError"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { PoolClock } from "../../src/internal/core/clock.js"
import { PermitHolder } from "../../src/internal/core/permits/holder.js"
import { withLogs } from "../support/logs.js"
import { makeLimit } from "../support/permits.js"
import { failureOf, type Item, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const borrow = (pool: ResourcePool.ResourcePool<Item, any>) => pool.useSync((item) => item.id)

const bug = (): never => {
  throw new Error("a bug")
}

const hold = (pool: ResourcePool.ResourcePool<Item, any>, count: number) => Effect.replicateEffect(pool.acquire, count)

describe("permit", () => {
  it.scoped("borrowers die if permit returns no Effect, with a defect that names it", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        permit: () => 5 as never,
        rideOut: 0,
        name: "mine"
      })
      assert.include(failureOf(yield* Effect.exit(borrow(pool))), "[mine] permit must return an Effect, but returned 5")
      assert.deepInclude((yield* pool.stats).permits, { held: 0, waiting: 0 })
    }))

  it.scoped("two pools share a limit: a borrower waits for a permit of the other pool, and gets it", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(2)
      const options = { acquire: source.acquire, permit: limit.permit, idleTimeToLive: "1 second" } as const
      const one = yield* ResourcePool.make(options)
      const two = yield* ResourcePool.make(options)
      const leases = yield* hold(one, 2)
      const waiter = yield* Effect.fork(borrow(two))
      yield* settle
      assert.deepInclude((yield* two.stats).permits, { held: 0, waiting: 1 })
      assert.deepInclude(yield* two.stats, { creating: 0, waiters: 1 })
      yield* leases[0]!.release()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(waiter), 3)
      assert.deepStrictEqual(source.closed, [1])
      assert.deepInclude((yield* one.stats).permits, { held: 1, waiting: 0 })
      yield* leases[1]!.release()
    }))

  it.scoped("the wait counts against acquireTimeout only, and is no failed attempt", () =>
    Effect.gen(function*() {
      const limit = makeLimit(0)
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        permit: limit.permit,
        createTimeout: "1 second",
        createConcurrency: 1,
        acquireTimeout: "5 seconds"
      })
      const waiters = yield* Effect.fork(Effect.forEach([1, 2, 3], () => Effect.flip(borrow(pool)), {
        concurrency: "unbounded"
      }))
      yield* settle
      assert.strictEqual(limit.state.waiting, 3)
      yield* TestClock.adjust("5 seconds")
      for (const error of yield* Fiber.join(waiters)) {
        assert.instanceOf(error, PoolError)
        assert.strictEqual((error as PoolError).reason, "AcquireTimeout")
        assert.include((error as PoolError).message, "No permit came")
      }
      yield* settle
      assert.strictEqual(limit.state.waiting, 0)
      assert.deepInclude(yield* pool.stats, { failures: 0, creating: 0, waiters: 0 })
    }))

  it.scoped("a wait after a failure of the permit names the wait first, then the failure", () =>
    Effect.gen(function*() {
      const source = makeSource()
      let attempts = 0
      const pool = yield* ResourcePool.make({
        acquire: source.acquire as Effect.Effect<Item, "no Redis", any>,
        permit: Effect.suspend(() => ++attempts === 1 ? Effect.fail("no Redis" as const) : Effect.never),
        createBackoff: { initial: "100 millis", jitter: 0 },
        acquireTimeout: "5 seconds"
      })
      assert.strictEqual(yield* Effect.flip(borrow(pool)), "no Redis")
      const waiter = yield* Effect.fork(Effect.flip(borrow(pool)))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(waiter)
      assert.instanceOf(error, PoolError)
      assert.include((error as PoolError).detail, "No permit came")
      assert.include((error as PoolError).detail, "The attempt before failed: no Redis")
      assert.deepInclude(error, { cause: "no Redis" })
    }))

  it.scoped("a standing that throws, or says what it may not, is logged once; the signals tell alone", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const source = makeSource()
        for (const standing of [() => bug(), () => true as never]) {
          const lost = yield* Deferred.make<void>()
          const pool = yield* ResourcePool.make({
            acquire: source.acquire,
            permit: Effect.succeed({ standing, lost: Deferred.await(lost) })
          })
          const first = yield* borrow(pool)
          assert.strictEqual(yield* borrow(pool), first)
          yield* Deferred.succeed(lost, undefined)
          yield* settle
          assert.include(source.closed, first)
        }
        assert.deepStrictEqual(
          logs.filter(({ annotations: { event } }) => event === "HookFailure").map(({ message }) =>
            message.split(";")[0]
          ),
          ["permit.standing failed", "permit.standing failed"]
        )
      })
    ))

  it.scoped("a wanted that fails is logged once, and wants nothing any more", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const fail = yield* Deferred.make<number, string>()
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          permit: Effect.sync(() => ({
            wanted: Stream.concat(Stream.succeed(1), Stream.fromEffect(Deferred.await(fail)))
          })),
          maxSize: 2
        })
        const leases = yield* hold(pool, 2)
        yield* settle
        yield* Deferred.fail(fail, "no news")
        yield* settle
        yield* Effect.forEach(leases, (lease) => lease.release())
        assert.deepInclude(yield* pool.stats, { idle: 2 })
        assert.deepStrictEqual(
          logs.filter(({ annotations: { event } }) => event === "HookFailure").map(({ message }) =>
            message.split(";")[0]
          ),
          ["permit.wanted failed"]
        )
      })
    ))

  it.scoped("an interrupted borrower leaves no permit behind; its ask serves the next one", () =>
    Effect.gen(function*() {
      const limit = makeLimit(0)
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit: limit.permit })
      const first = yield* Effect.fork(borrow(pool))
      yield* settle
      const second = yield* Effect.fork(borrow(pool))
      yield* settle
      assert.strictEqual(limit.state.waiting, 2)
      yield* Fiber.interrupt(first)
      yield* settle
      assert.strictEqual(limit.state.waiting, 1)
      yield* Fiber.interrupt(second)
      yield* settle
      assert.strictEqual(limit.state.waiting, 0)
      assert.deepStrictEqual((yield* pool.stats).permits, { held: 0, waiting: 0, lost: 0, givenBack: 0 })
    }))

  it.scoped("a permit that comes when no borrower wants it any more goes back", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(1)
      const other = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit })
      const pool = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit })
      const [lease] = yield* hold(other, 1)
      const waiter = yield* Effect.fork(borrow(pool))
      yield* settle
      yield* Effect.all([Fiber.interrupt(waiter), Effect.andThen(lease!.release(), other.clear)], {
        concurrency: "unbounded"
      })
      yield* settle
      assert.deepStrictEqual([limit.state.free, limit.state.waiting], [1, 0])
    }))

  it.scoped("an error of the permit is a failed attempt, with its cause as it was", () =>
    Effect.gen(function*() {
      const source = makeSource()
      let fails = true
      const pool = yield* ResourcePool.make({
        acquire: source.acquire as Effect.Effect<Item, "no Redis", any>,
        permit: Effect.suspend(() => fails ? Effect.fail("no Redis" as const) : Effect.void),
        createBackoff: { initial: "100 millis", jitter: 0 }
      })
      assert.strictEqual(yield* Effect.flip(borrow(pool)), "no Redis")
      assert.deepInclude(yield* pool.stats, { failures: 1, created: 0 })
      fails = false
      const waiter = yield* Effect.fork(borrow(pool))
      yield* settle
      assert.strictEqual(source.made, 0)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* Fiber.join(waiter), 1)
    }))

  it.scoped("a lost permit retires its item: an idle one at once, a lent one when it comes back", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(2)
      const pool = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit })
      const [first, second] = yield* hold(pool, 2)
      yield* second!.release()
      for (const permit of limit.state.permits) yield* permit.lose
      yield* settle
      assert.deepStrictEqual(source.closed, [2])
      yield* first!.release()
      yield* settle
      assert.deepStrictEqual(source.closed, [2, 1])
      assert.deepInclude(yield* pool.stats, { size: 0, permits: { held: 0, waiting: 0, lost: 2, givenBack: 0 } })
      assert.strictEqual(limit.state.free, 2)
    }))

  it.scoped("an expired permit closes its item under the borrower, and says so", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const source = makeSource()
        const limit = makeLimit(1)
        const pool = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit })
        const [lease] = yield* hold(pool, 1)
        yield* limit.state.permits[0]!.expire
        yield* settle
        assert.deepStrictEqual(source.closed, [1])
        assert.strictEqual(limit.state.free, 1)
        assert.include(logs.map(({ message }) => String(message)).join("\n"), "since its permit ran out")
        yield* lease!.release()
        assert.strictEqual(yield* borrow(pool), 2)
      })
    ))

  it.scoped("a permit lost during the creation: the item closes unlent, and the borrower keeps its place", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(2)
      const gate = yield* Deferred.make<void>()
      let attempts = 0
      const pool = yield* ResourcePool.make({
        acquire: Effect.suspend(() =>
          ++attempts === 1 ? Effect.andThen(Deferred.await(gate), source.acquire) : source.acquire
        ),
        permit: limit.permit
      })
      const waiter = yield* Effect.fork(borrow(pool))
      yield* settle
      yield* limit.state.permits[0]!.lose
      assert.strictEqual(yield* Fiber.join(waiter), 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(source.closed, [2])
      assert.strictEqual(limit.state.free, 1)
    }))

  it.scoped("idle items give their permits back on demand, below minSize, and come back when nobody wants more", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(3)
      const pool = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit, minSize: 3 })
      yield* pool.ready
      const [lease] = yield* hold(pool, 1)
      yield* limit.state.permits[0]!.want(2)
      yield* settle
      assert.deepInclude(yield* pool.stats, {
        size: 1,
        inUse: 1,
        permits: { held: 1, waiting: 0, lost: 0, givenBack: 2 }
      })
      assert.strictEqual(limit.state.free, 2)
      yield* lease!.release()
      yield* settle
      // the demand was met, and lasts: none is made again for minSize
      assert.deepInclude(yield* pool.stats, { size: 1, idle: 1 })
    }))

  it.scoped("on demand, an item that comes back goes to a borrower of its own pool first", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(1)
      const pool = yield* ResourcePool.make({ acquire: source.acquire, permit: limit.permit, maxSize: 1 })
      const [lease] = yield* hold(pool, 1)
      yield* limit.state.permits[0]!.want(1)
      const waiter = yield* Effect.fork(pool.acquire)
      yield* settle
      yield* lease!.release()
      const second = yield* Fiber.join(waiter)
      assert.strictEqual(second.value.id, 1)
      yield* second.release()
      yield* settle
      assert.deepStrictEqual(source.closed, [1])
      assert.deepInclude((yield* pool.stats).permits, { held: 0, givenBack: 1 })
    }))

  it.scoped("on demand, no more go back than are wanted, also while they take long to close", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const mayClose = yield* Deferred.make<void>()
      const wanted = yield* Queue.unbounded<number>()
      const pool = yield* ResourcePool.make({
        acquire: Effect.tap(source.acquire, () => Effect.addFinalizer(() => Deferred.await(mayClose))),
        permit: Effect.succeed({ wanted: Stream.fromQueue(wanted) }),
        maxSize: 3
      })
      const leases = yield* hold(pool, 3)
      yield* Effect.forEach(leases, (lease) => lease.release())
      for (let i = 0; i < 3; i++) {
        yield* Queue.offer(wanted, 1)
        yield* settle
        assert.deepInclude(yield* pool.stats, { idle: 2 })
      }
      yield* Queue.offer(wanted, 2)
      yield* settle
      assert.deepInclude(yield* pool.stats, { idle: 1 })
      yield* Deferred.succeed(mayClose, undefined)
      yield* settle
      assert.deepInclude((yield* pool.stats).permits, { held: 1, givenBack: 2 })
    }))

  describe("that is asked in the step that lends", () => {
    /** The test clock, counted; `leap` is of the wall clock. */
    const counted = Effect.map(Effect.clock, (clock) => {
      const state = { leap: 0, reads: 0, monotonic: 0 }
      const changed = Clock.changed(clock, {
        millis: () => {
          state.reads++
          return Clock.millisOf(clock) + state.leap
        },
        nanos: () => {
          state.monotonic++
          return Clock.nanosOf(clock)
        }
      })
      return Object.assign(state, { clock: changed })
    })

    /** As `RedisPermits` has them, with one answer of the store. */
    const leases = (clock: PoolClock) => {
      const holder = new PermitHolder<never>({ timeToLive: 30_000, closeTimeout: 5_000 }, () => {}, clock.read())
      return Effect.sync(() => {
        const permit = holder.ask("borrower", clock.read(), () => {})
        holder.answered({ granted: [permit.id], wanted: 0, share: 9, yields: 0, again: Infinity }, clock.read())
        return {
          standing: (instant?: number) => holder.standing(permit, clock.read(), instant)
        }
      })
    }

    it.scoped("looks at no clock more than the pool, if the pool looks at how old its items are", () =>
      Effect.gen(function*() {
        const time = yield* counted
        const options = { acquire: makeSource().acquire, idleTimeToLive: "1 hour" } as const
        const clock = new PoolClock(sourceOf(time.clock))
        const reads = []
        for (const permit of [undefined, leases(clock)]) {
          const pool = yield* Effect.withClock(ResourcePool.make({ ...options, permit }), time.clock)
          for (let i = 0; i < 2; i++) yield* borrow(pool)
          const before = { ...time }
          for (let i = 0; i < 10; i++) yield* borrow(pool)
          reads.push([time.reads - before.reads, time.monotonic - before.monotonic])
        }
        assert.deepStrictEqual(reads[1], reads[0])
      }))

    it.scoped("finds the end of its permit before any timer, whatever the wall clock did meanwhile", () =>
      Effect.gen(function*() {
        for (const leap of [0, 3_600_000, -10_000, -3_600_000]) {
          const time = yield* counted
          const source = makeSource()
          const permit = leases(new PoolClock(sourceOf(time.clock)))
          const pool = yield* Effect.withClock(ResourcePool.make({ acquire: source.acquire, permit }), time.clock)
          for (let i = 0; i < 3; i++) assert.strictEqual(yield* borrow(pool), 1)
          // the process stands still: nobody renews
          yield* TestClock.adjust("25 seconds")
          time.leap = leap
          assert.notStrictEqual(yield* borrow(pool), 1, `${leap}`)
          assert.deepStrictEqual(source.closed, [1])
        }
      }))
  })

  describe.each(["Lost", "Expired"] as const)("that says it is %s", (ended) => {
    const ending = () => {
      const standings: Array<"Valid" | "Lost" | "Expired"> = []
      const permit = Effect.sync(() => {
        const at = standings.push("Valid") - 1
        return { standing: () => standings[at]! }
      })
      return { standings, permit }
    }

    it.scoped("lends its item to no borrower, before its signals tell", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const { permit, standings } = ending()
        const pool = yield* ResourcePool.make({ acquire: source.acquire, permit })
        const borrows = [
          pool.use((item) => Effect.succeed(item.id)),
          borrow(pool),
          Effect.scoped(Effect.map(pool.get, ({ id }) => id)),
          Effect.flatMap(pool.acquire, (lease) => Effect.as(lease.release(), lease.value.id))
        ]
        for (const [at, one] of borrows.entries()) {
          assert.strictEqual(yield* one, at + 1)
          standings[at] = ended
        }
        assert.deepStrictEqual(source.closed, [1, 2, 3])
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
      }))

    it.scoped("lends its item to no borrower after a check that completed at once", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const { permit, standings } = ending()
        const pool = yield* ResourcePool.make({
          acquire: source.acquire,
          permit,
          validateAfterIdle: 0,
          validate: () => Effect.succeed(true)
        })
        assert.strictEqual(yield* borrow(pool), 1)
        standings[0] = ended
        assert.strictEqual(yield* borrow(pool), 2)
        assert.deepStrictEqual(source.closed, [1])
      }))

    it.scoped("a returned item goes to no waiter; the waiter gets another", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const { permit, standings } = ending()
        const pool = yield* ResourcePool.make({ acquire: source.acquire, permit, maxSize: 1 })
        const [lease] = yield* hold(pool, 1)
        const waiter = yield* Effect.fork(borrow(pool))
        yield* settle
        standings[0] = ended
        yield* lease!.release()
        assert.strictEqual(yield* Fiber.join(waiter), 2)
        assert.deepStrictEqual(source.closed, [1])
      }))

    it.scoped("is not used for a creation", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const { permit, standings } = ending()
        const gate = yield* Deferred.make<void>()
        const acquire = Effect.suspend(() =>
          source.made === 0 ? Effect.andThen(Deferred.await(gate), source.acquire) : source.acquire
        )
        const pool = yield* ResourcePool.make({ acquire, permit, createConcurrency: 1 })
        const borrowers = yield* Effect.fork(hold(pool, 2))
        const second = yield* Effect.fork(hold(pool, 1))
        yield* settle
        assert.strictEqual(standings.length, 2)
        standings[1] = ended
        yield* Deferred.succeed(gate, undefined)
        const leases = [...yield* Fiber.join(second), ...yield* Fiber.join(borrowers)]
        assert.isAtLeast(standings.length, 4)
        yield* Effect.forEach(leases, (lease) => lease.release())
      }))
  })

  it.scoped.each(["standing", "lost", "expired"] as const)(
    "whose %s tells at once that it is over is asked for again after a pause, which grows",
    (how) =>
      Effect.gen(function*() {
        let asks = 0
        const over = {
          standing: { standing: () => "Expired" },
          lost: { lost: Effect.void },
          expired: { expired: Effect.void }
        }
        const pool = yield* ResourcePool.make({
          acquire: Effect.andThen(Effect.yieldNow(), makeSource().acquire),
          permit: Effect.sync(() => ++asks > 60 ? undefined : over[how] as ResourcePool.Permit),
          acquireTimeout: "1 minute"
        })
        const waiter = yield* Effect.fork(borrow(pool))
        yield* settle
        assert.isAtMost(asks, 3)
        // 10 ms, 20 ms, and so on
        for (let i = 0; i < 100; i++) yield* Effect.andThen(TestClock.adjust("50 millis"), settle)
        assert.isAtMost(asks, 13)
        assert.isAtLeast(asks, 6)
        yield* Fiber.interrupt(waiter)
      })
  )

  it.scoped("may be a function, which hears whether a borrower waits", () =>
    Effect.gen(function*() {
      const purposes: Array<string> = []
      const permit = (purpose: "borrower" | "spare") => Effect.sync(() => void purposes.push(purpose))
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit, minSize: 1 })
      yield* pool.ready
      const leases = yield* hold(pool, 2)
      assert.deepStrictEqual(purposes, ["spare", "borrower"])
      yield* Effect.forEach(leases, (lease) => lease.release())
    }))

  it.scoped("renew needs no more permits than there are", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const limit = makeLimit(2)
      const pool = yield* ResourcePool.make({
        acquire: source.acquire,
        permit: limit.permit,
        minSize: 2,
        maxSize: 4,
        overlap: true
      })
      yield* pool.ready
      assert.strictEqual(yield* pool.renew, 2)
      yield* settle
      assert.deepStrictEqual([...source.open], [3, 4])
      assert.deepInclude((yield* pool.stats).permits, { held: 2, waiting: 0 })
    }))

  it.scoped("a pool that closes gives every permit back, and asks for none", () =>
    Effect.gen(function*() {
      const limit = makeLimit(1)
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit: limit.permit, minSize: 1 })
      yield* pool.ready
      const waiter = yield* Effect.fork(Effect.exit(Effect.andThen(hold(pool, 2), Effect.never)))
      yield* settle
      yield* Effect.fork(pool.close)
      yield* settle
      assert.include(failureOf(yield* Fiber.join(waiter)), "closed to borrowers")
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual([limit.state.free, limit.state.waiting], [1, 0])
    }))

  it.scoped("shows its permits as metrics", () =>
    Effect.gen(function*() {
      const limit = makeLimit(1)
      const pool = yield* ResourcePool.make({
        name: "with permits",
        acquire: makeSource().acquire,
        permit: limit.permit
      })
      const [lease] = yield* hold(pool, 1)
      yield* Effect.fork(borrow(pool))
      yield* settle
      const tagged = (metric: typeof PoolMetrics.permitsHeld) =>
        Metric.value(Metric.tagged(metric, "pool", "with permits"))
      assert.deepInclude(yield* tagged(PoolMetrics.permitsHeld), { value: 1 })
      assert.deepInclude(yield* tagged(PoolMetrics.permitsWaiting), { value: 1 })
      yield* lease!.release()
    }))

  it.scoped("tells of a lost permit and of what it gave back: metrics, an event, a log line", () =>
    withLogs((lines) =>
      Effect.gen(function*() {
        const limit = makeLimit(3)
        const pool = yield* ResourcePool.make({ name: "losing", acquire: makeSource().acquire, permit: limit.permit })
        const event = yield* Effect.fork(
          Stream.runHead(Stream.filter(pool.events, ({ _tag }) => _tag === "PermitLost"))
        )
        yield* settle
        for (const lease of yield* hold(pool, 3)) yield* lease.release()
        yield* limit.state.permits[2]!.lose
        // its permit is back
        yield* settle
        yield* limit.state.permits[0]!.want(1)
        yield* settle
        assert.isTrue(Option.isSome(yield* Fiber.join(event)))
        const told = lines.filter(({ annotations }) => annotations["event"] === "PermitLost")
        assert.deepStrictEqual(told.map(({ annotations }) => annotations["pool"]), ["losing"])
        const metrics: ReadonlyArray<any> = [
          PoolMetrics.permitsHeld,
          PoolMetrics.permitsLost,
          PoolMetrics.permitsGivenBack
        ]
        const counts = metrics.map((metric) =>
          Effect.map(Metric.value(Metric.tagged(metric, "pool", "losing")), (state: any) => state.value ?? state.count)
        )
        assert.deepStrictEqual(yield* Effect.all(counts), [1, 1, 1])
      })
    ))
})
