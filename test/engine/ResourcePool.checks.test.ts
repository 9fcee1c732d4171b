/** Slow checks, background checks, checks that complete at once; and items that a failing borrower passes on. */
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import type * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import type * as PoolError from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import { withLogs } from "../support/logs.js"
import { type Item, makeSource, settle, withDeath } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

/** Creates `count` items, and lets all of them become idle. */
const fill = <A, E>(pool: ResourcePool.ResourcePool<A, E>, count: number) =>
  Effect.gen(function*() {
    const all = yield* Effect.fork(
      Effect.all(Effect.replicate(pool.use(() => Effect.sleep(1)), count), { concurrency: "unbounded", discard: true })
    )
    yield* settle
    yield* TestClock.adjust(1)
    yield* Fiber.join(all)
  })

/** A pool whose items, all idle and unproven, have become black holes. */
const blackHoles = (
  count: number,
  options: Partial<ResourcePool.Options<Item, never, Scope.Scope>> = {}
) =>
  Effect.gen(function*() {
    const checked: Array<number> = []
    const pool = yield* ResourcePool.make({
      acquire: makeSource().acquire,
      maxSize: 10,
      validate: (item: Item) =>
        Effect.andThen(
          Effect.sync(() => checked.push(item.id)),
          item.id <= count ? Effect.never : Effect.succeed(true)
        ),
      ...options
    })
    yield* fill(pool, count)
    yield* TestClock.adjust("1 minute")
    return { checked, pool, since: yield* Clock.currentTimeMillis }
  })

const served = (pool: ResourcePool.ResourcePool<Item>) =>
  Effect.fork(Effect.zip(pool.useSync((item) => item.id), Clock.currentTimeMillis))

describe("a check that is slow", () => {
  it.scoped("keeps a borrower 250 ms from a new item", () =>
    Effect.gen(function*() {
      const { checked, pool, since } = yield* blackHoles(8)
      const borrower = yield* served(pool)
      yield* settle
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* Fiber.join(borrower), [9, since + 250])
      assert.strictEqual(checked.length, 1)
    }))

  it.scoped("keeps a borrower half of checkTimeout, if that is less", () =>
    Effect.gen(function*() {
      const { pool, since } = yield* blackHoles(8, { checkTimeout: "100 millis" })
      const borrower = yield* served(pool)
      yield* settle
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(yield* Fiber.join(borrower), [9, since + 50])
    }))

  it.scoped("has the next item checked beside it every 250 ms where there is no room", () =>
    Effect.gen(function*() {
      const { checked, pool } = yield* blackHoles(4, { maxSize: 4 })
      const borrower = yield* served(pool)
      for (let i = 1; i <= 4; i++) {
        yield* settle
        assert.strictEqual(checked.length, i)
        yield* TestClock.adjust("250 millis")
      }
      assert.isTrue(Option.isNone(yield* Fiber.poll(borrower)))
      // the first check reaches its time limit, and makes room
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* Fiber.join(borrower))[0], 5)
    }))

  it.scoped("keeps no borrower from a shared item that comes back proven meanwhile", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        concurrency: 2,
        maxSize: 1,
        validate: () => Effect.never
      })
      const first = yield* Effect.fork(pool.use(() => Effect.sleep("2 seconds")))
      yield* settle
      yield* TestClock.adjust("1900 millis")
      const second = yield* served(pool)
      yield* settle
      assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(second))[0], 1)
    }))

  it.scoped("a ping that a borrower waits for is such a check", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        maxSize: 2,
        validate: () => Effect.succeed(true),
        keepAlive: { interval: "10 seconds", ping: () => Effect.never }
      })
      yield* fill(pool, 1)
      yield* TestClock.adjust("10 seconds")
      const since = yield* Clock.currentTimeMillis
      const borrower = yield* served(pool)
      yield* settle
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* Fiber.join(borrower), [2, since + 250])
    }))

  it.scoped("has all others checked once it meets its limit, createConcurrency at a time", () =>
    Effect.gen(function*() {
      const { checked, pool } = yield* blackHoles(8, { createConcurrency: 3 })
      const borrower = yield* served(pool)
      yield* settle
      yield* TestClock.adjust("250 millis")
      yield* Fiber.join(borrower)
      yield* TestClock.adjust("4750 millis")
      yield* settle
      assert.strictEqual(checked.length, 1 + 3)
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.strictEqual(checked.length, 1 + 3 + 3)
      yield* TestClock.adjust("5 seconds")
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* pool.stats, { size: 1 })
      assert.strictEqual((yield* pool.stats).destroyed.lost, 8)
    }))

  it.scoped("is named by the error and by one warning, however many there are", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const { pool } = yield* blackHoles(4, { maxSize: 4, acquireTimeout: "2 seconds" })
        const borrower = yield* Effect.fork(Effect.flip(pool.useSync((item) => item.id)))
        yield* settle
        for (let i = 0; i < 8; i++) yield* Effect.andThen(TestClock.adjust("250 millis"), settle)
        const error = (yield* Fiber.join(borrower)) as PoolError.PoolError
        assert.strictEqual(error.reason, "AcquireTimeout")
        assert.include(
          error.message,
          "Items were still being checked (checkTimeout is 5s): does the resource answer validate?"
        )
        yield* TestClock.adjust("1 minute")
        yield* settle
        assert.deepStrictEqual(
          logs.filter(({ annotations }) => annotations.event === "HookFailure").map(({ message }) => message),
          ["validate took longer than checkTimeout (5s); the pool closes the item"]
        )
      })
    ))
})

describe("an item that has not proved good", () => {
  const handsOn = (
    extra: Partial<ResourcePool.Options<Item, never, Scope.Scope>>,
    outcome: Exit.Exit<void, string>,
    isAlive: boolean
  ) =>
    Effect.gen(function*() {
      const figures = { validations: 0, onFirst: 0 }
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        maxSize: 1,
        validate: () => Effect.sync(() => figures.validations++).pipe(Effect.as(isAlive)),
        ...extra
      })
      const borrowers = yield* Effect.replicateEffect(
        Effect.fork(Effect.exit(pool.use((item) => {
          if (item.id === 1) figures.onFirst++
          return Effect.andThen(Effect.sleep("2 seconds"), outcome)
        }))),
        20
      )
      for (let i = 0; i < 25; i++) yield* Effect.andThen(settle, TestClock.adjust("2 seconds"))
      yield* Fiber.joinAll(borrowers)
      return figures
    })

  it.scoped("is checked before a failing borrower hands it to the next one", () =>
    Effect.gen(function*() {
      const failure = Exit.fail("dead")
      const expected = { validations: 19, onFirst: 1 }
      assert.deepStrictEqual(yield* handsOn({ validateAfterIdle: "1 second" }, failure, false), expected)
      const keepAlive = { interval: "1 second", ping: () => Effect.fail("dead") } as const
      assert.deepStrictEqual(yield* handsOn({ validateAfterIdle: "1 second", keepAlive }, failure, false), expected)
    }))

  it.scoped("is handed on unchecked by a borrower who succeeded", () =>
    Effect.gen(function*() {
      const figures = yield* handsOn({ validateAfterIdle: "1 second" }, Exit.void, false)
      assert.deepStrictEqual(figures, { validations: 0, onFirst: 20 })
    }))

  it.scoped("with validateAfterIdle 0 is each item, for every borrower but the first of a new one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* handsOn({ validateAfterIdle: 0 }, Exit.void, true), {
        validations: 19,
        onFirst: 20
      })
      assert.deepStrictEqual(yield* handsOn({ validateAfterIdle: 0 }, Exit.void, false), {
        validations: 19,
        onFirst: 1
      })
    }))

  for (const [fibers, rounds] of [[10, 200], [200, 6]] as const) {
    it.scoped(`is checked before each of ${fibers * rounds} borrows of ${fibers} fibers, within a millisecond too`, () =>
      Effect.gen(function*() {
        let checks = 0
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 10,
          validateAfterIdle: 0,
          validate: () => Effect.andThen(Effect.yieldNow(), Effect.sync(() => ++checks > 0))
        })
        const fiber = Effect.replicateEffect(pool.use(() => Effect.yieldNow()), rounds, { discard: true })
        yield* Effect.all(Effect.replicate(fiber, fibers), { concurrency: "unbounded" })
        const { acquisitions, created } = yield* pool.stats
        assert.strictEqual(acquisitions, fibers * rounds)
        assert.isAtLeast(checks, acquisitions - created)
      }))
  }

  it.scoped("one check proves a shared item for all borrowers that asked before it began, and for no other borrower", () =>
    Effect.gen(function*() {
      const gates: Array<Deferred.Deferred<void>> = []
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        maxSize: 1,
        concurrency: 4,
        validateAfterIdle: 0,
        validate: () =>
          Effect.flatMap(Deferred.make<void>(), (gate) => {
            gates.push(gate)
            return Effect.as(Deferred.await(gate), true)
          })
      })
      yield* fill(pool, 1)
      const out: Array<string> = []
      const borrow = (name: string) =>
        Effect.forkScoped(pool.use(() => Effect.andThen(Effect.sync(() => out.push(name)), Effect.never)))
      yield* Effect.andThen(borrow("first"), settle)
      yield* Effect.andThen(borrow("late"), settle)
      assert.strictEqual(gates.length, 1)
      yield* Effect.andThen(Deferred.succeed(gates[0]!, undefined), settle)
      assert.deepStrictEqual(out, ["first"])
      assert.strictEqual(gates.length, 2)
      yield* Effect.andThen(Deferred.succeed(gates[1]!, undefined), settle)
      assert.deepStrictEqual(out, ["first", "late"])
    }))

  it.scoped("waits while a proven one is idle", () =>
    Effect.gen(function*() {
      let checks = 0
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        maxSize: 2,
        validateAfterIdle: "10 seconds",
        validate: () => Effect.andThen(Effect.sync(() => checks++), Effect.never)
      })
      const first = yield* pool.acquire
      const second = yield* pool.acquire
      yield* TestClock.adjust("20 seconds")
      yield* first.release()
      // the newest idle item, but it is not proven
      yield* second.release(Exit.fail("no"))
      assert.strictEqual(yield* pool.useSync((item) => item.id), first.value.id)
      assert.strictEqual(checks, 0)
    }))

  it.scoped("is not followed by the pause of an item that was never of use, if a borrower of it succeeded", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<boolean>()
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          concurrency: 2,
          validateAfterIdle: 0,
          validate: () => Deferred.await(gate)
        })
        const lease = yield* pool.acquire
        yield* TestClock.adjust(10)
        const waiter = yield* Effect.fork(pool.useSync((item) => item.id))
        yield* settle
        yield* lease.release()
        yield* Deferred.succeed(gate, false)
        assert.strictEqual(yield* Fiber.join(waiter), 2)
        assert.deepStrictEqual(logs.filter(({ annotations }) => annotations.event === "EarlyDeath"), [])
      })
    ))

  it.scoped("an exclusive borrower's place in the queue lets no more than maxWaiters wait", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, maxSize: 1, maxWaiters: 0 })
      const lease = yield* pool.acquire
      const error = yield* Effect.flip(pool.useSync((item) => item.id))
      assert.strictEqual(error.reason, "QueueFull")
      yield* lease.release()
    }))
})

describe("a hook whose effect is done", () => {
  it.scoped("runs in place: the borrower goes on in the same step", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const pool = yield* ResourcePool.make({
        acquire: Effect.succeed(1),
        maxSize: 1,
        validateAfterIdle: 0,
        validate: (_, { uses }) => {
          seen.push(`validate ${uses}`)
          return Effect.succeed(true)
        },
        onRelease: (_, exit) => {
          seen.push(`onRelease ${exit._tag}`)
          return Effect.succeed(Exit.isSuccess(exit) ? "keep" : "discard")
        }
      })
      yield* pool.use(() => Effect.void)
      // no fiber of the pool has run yet
      const both = Effect.andThen(pool.useSync(() => 1), pool.useSync(() => 2))
      assert.strictEqual(Effect.runSync(both), 2)
      assert.deepStrictEqual(seen, [
        "onRelease Success",
        "validate 1",
        "onRelease Success",
        "validate 2",
        "onRelease Success"
      ])
      yield* Effect.exit(pool.use(() => Effect.fail("no")))
      yield* settle
      assert.strictEqual((yield* pool.stats).destroyed.discarded, 1)
    }))

  it.scoped("validate: false in place takes the next item, and a hook that throws is logged", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        let isDead = false
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 3,
          validateAfterIdle: 0,
          validate: (item) => isDead && item.id <= 2 ? Effect.succeed(false) : Effect.succeed(true),
          onRelease: (item) => {
            if (item.id === 3) throw new Error("oops")
            return Effect.succeed("keep")
          }
        })
        yield* fill(pool, 2)
        isDead = true
        assert.strictEqual(yield* pool.useSync((item) => item.id), 3)
        yield* settle
        assert.deepStrictEqual(
          { lost: (yield* pool.stats).destroyed.lost, discarded: (yield* pool.stats).destroyed.discarded },
          { lost: 2, discarded: 1 }
        )
        assert.include(logs.map(({ message }) => message), "onRelease died; the pool closes the item")
      })
    ))

  it.scoped("lost or retire that dies is logged, and so is the beginning of the pauses that follow", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        for (const hook of ["lost", "retire"] as const) {
          const connection: Effect.Effect<any> = Effect.sync(() => ({}))
          const pool = yield* ResourcePool.make({
            name: hook,
            acquire: connection,
            [hook]: (item: any) => item.closed.pipe(Effect.asVoid)
          })
          yield* Effect.ignore(pool.use(() => Effect.void))
          yield* settle
        }
        const of = (event: string) => logs.filter(({ annotations }) => annotations.event === event)
        assert.deepStrictEqual(of("HookFailure").map(({ message }) => message), [
          "lost died; the pool closes the item",
          "retire died; the pool closes the item"
        ])
      })
    ))

  it.scoped("the pauses after items that die young begin with one warning", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          minSize: 1,
          lost: () => Effect.void
        })
        yield* settle
        for (let i = 0; i < 20; i++) yield* Effect.andThen(TestClock.adjust("1 second"), settle)
        assert.isAbove((yield* pool.stats).destroyed.lost, 3)
        const early = logs.filter(({ annotations }) => annotations.event === "EarlyDeath")
        assert.strictEqual(early.length, 1)
        assert.include(
          early[0]!.message,
          "an item was lost soon after its creation, before a borrower had returned it after success; the next creation waits 10ms"
        )
      })
    ))

  it.scoped("the warning comes for an item that dies under its first borrower, and for none that served one", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const early = Effect.sync(() => logs.filter(({ annotations }) => annotations.event === "EarlyDeath").length)
        const dead = new Map<number, Deferred.Deferred<void>>()
        const pool = yield* ResourcePool.make({
          acquire: withDeath(makeSource().acquire, dead),
          lost: ({ id }) => Deferred.await(dead.get(id)!),
          maxSize: 1
        })
        const dies = (id: number) => Effect.andThen(Deferred.succeed(dead.get(id)!, undefined), settle)
        yield* pool.use(() => Effect.void)
        yield* dies(1)
        assert.strictEqual(yield* early, 0)
        yield* pool.use(({ id }) => dies(id))
        assert.strictEqual(yield* early, 1)
      })
    ))
})
