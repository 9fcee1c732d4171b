/** Resources that fail in every way. A pool keeps nothing of items that are gone. */
import * as Cause from "#test/Cause"
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import { collectGarbage } from "../support/collectGarbage.js"
import { type Item, makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** How many objects are left after a garbage collection; a few may still be on a stack. */
const left = (refs: ReadonlyArray<WeakRef<object>>) =>
  Effect.gen(function*() {
    for (let i = 0; i < 5; i++) {
      yield* turn
      collectGarbage()
    }
    return refs.filter((ref) => ref.deref() !== undefined).length
  })

const silent = Logger.minimumLogLevel(LogLevel.None)

describe("ResourcePool", () => {
  describe("when the backend is dead", () => {
    it.scoped("1,000 borrowers cause a handful of attempts, and each gets the typed error", () =>
      Effect.gen(function*() {
        let attempts = 0
        const pool = yield* ResourcePool.make({
          acquire: Effect.andThen(
            Effect.sync(() => attempts++),
            Effect.andThen(Effect.sleep("1 second"), Effect.fail({ _tag: "Down" as const }))
          ),
          maxSize: 20
        })
        const borrowers = yield* Effect.replicateEffect(Effect.fork(Effect.exit(pool.use(() => Effect.void))), 1000)
        yield* settle
        yield* TestClock.adjust("1 second")
        const exits = yield* Fiber.joinAll(borrowers)
        for (const exit of exits) {
          assert.deepStrictEqual(Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined, { _tag: "Down" })
        }
        assert.isAtMost(attempts, 8)
      }))

    it.scoped("the backoff grows to its cap, and one success ends it", () =>
      Effect.gen(function*() {
        const attempts: Array<number> = []
        let down = true
        const source = makeSource()
        const pool = yield* ResourcePool.make({
          acquire: Effect.flatMap(Clock.currentTimeMillis, (now) => {
            attempts.push(now)
            return down ? Effect.fail("down") : source.acquire
          }),
          minSize: 1,
          createBackoff: { initial: "100 millis", factor: 2, max: "1 second", jitter: 0 }
        })
        yield* settle
        yield* TestClock.adjust("10 seconds")
        const gaps = attempts.slice(1).map((at, i) => at - attempts[i]!)
        assert.deepStrictEqual(gaps.slice(0, 6), [100, 200, 400, 800, 1000, 1000])
        down = false
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* pool.stats, { idle: 1, creating: 0 })
      }))

    it.scoped("a backend that flaps serves whenever it is up", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let n = 0
        const pool = yield* ResourcePool.make({
          acquire: Effect.suspend((): Effect.Effect<Item, string, Scope.Scope> =>
            n++ % 2 === 0 ? Effect.fail("down") : source.acquire
          ),
          maxSize: 1,
          maxUses: 1
        })
        const outcomes: Array<string> = []
        for (let i = 0; i < 20; i++) {
          const fiber = yield* Effect.fork(Effect.exit(pool.useSync(() => undefined)))
          yield* settle
          yield* TestClock.adjust("6 seconds")
          outcomes.push((yield* Fiber.join(fiber))._tag)
        }
        // a pool that never had an item has no patience; later no borrower fails because of a short failure
        assert.deepStrictEqual(outcomes, Array.from({ length: 20 }, (_, i) => i === 0 ? "Failure" : "Success"))
      }))

    it.scoped("no waiter that a lent item will serve fails with an attempt, the first one neither", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let down = false
        const pool = yield* ResourcePool.make({
          acquire: Effect.suspend((): Effect.Effect<Item, string, Scope.Scope> =>
            down ? Effect.fail("down") : source.acquire
          ),
          maxSize: 2
        })
        const lease = yield* pool.acquire
        down = true
        const first = yield* Effect.fork(Effect.exit(pool.useSync((item) => item.id)))
        const second = yield* Effect.fork(Effect.exit(pool.useSync((item) => item.id)))
        yield* settle
        assert.deepInclude(yield* pool.stats, { failures: 1, waiters: 2 })
        yield* lease.release()
        assert.deepStrictEqual(yield* Fiber.join(first), Exit.succeed(1))
        assert.deepStrictEqual(yield* Fiber.join(second), Exit.succeed(1))
      }))

    it.scoped("an error that cannot be shown keeps no borrower waiting", () =>
      Effect.gen(function*() {
        class Unspeakable extends Error {
          override get message(): string {
            throw new Error("no words")
          }
        }
        const pool = yield* ResourcePool.make({ acquire: Effect.fail(new Unspeakable()), acquireTimeout: "1 second" })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.use(() => Effect.void))))
        yield* pool.resize({ minSize: 0, maxSize: 1 })
      }))

    it.scoped("items that die young, before they were of use, are not replaced without a pause", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let dying = true
        const pool = yield* ResourcePool.make({
          acquire: source.acquire,
          lost: () => dying ? Effect.void : Effect.never,
          minSize: 1,
          createBackoff: { initial: "100 millis", factor: 2, max: "1 second" }
        })
        yield* settle
        yield* TestClock.adjust("10 seconds")
        // 0.1 + 0.2 + 0.4 + 0.8 s, then one per second
        assert.isAtMost(source.made, 14)
        dying = false
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* pool.stats, { idle: 1 })
      }))

    it.scoped("a creation that hangs and ignores interruption holds no borrower beyond the time limits", () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        let made = 0
        let closed = 0
        const pool = yield* ResourcePool.make({
          acquire: Effect.acquireRelease(
            Effect.andThen(Effect.uninterruptible(Deferred.await(gate)), Effect.sync(() => ++made)),
            () => Effect.sync(() => closed++)
          ),
          maxSize: 1,
          createTimeout: "2 seconds"
        })
        const fiber = yield* Effect.fork(Effect.flip(pool.use(() => Effect.void)))
        yield* settle
        yield* TestClock.adjust("2 seconds")
        assert.include((yield* Fiber.join(fiber)).message, "createTimeout")
        // an item that arrives too late is closed
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        yield* TestClock.adjust("1 second")
        assert.strictEqual(made - closed, (yield* pool.stats).size)
      }))
  })

  describe("when finalizers misbehave", () => {
    it.scoped("the place of an item whose finalizer hangs is free after closeTimeout", () =>
      Effect.gen(function*() {
        let made = 0
        const pool = yield* ResourcePool.make({
          acquire: Effect.acquireRelease(Effect.sync(() => ++made), (n) => n === 1 ? Effect.never : Effect.void),
          maxSize: 1,
          closeTimeout: "3 seconds"
        }).pipe(Effect.provide(silent))
        yield* pool.use(pool.invalidate)
        const fiber = yield* Effect.fork(pool.useSync((n) => n))
        yield* settle
        assert.strictEqual(made, 1)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), 2)
        assert.strictEqual((yield* pool.stats).finalizerFailures, 1)
      }))

    it.scoped("what a failed creation leaves is closed, as failed, before another is made in its place", () =>
      Effect.gen(function*() {
        let open = 0
        let most = 0
        const exits: Array<string> = []
        const pool = yield* ResourcePool.make({
          acquire: Effect.andThen(
            Effect.acquireRelease(
              Effect.sync(() => most = Math.max(most, ++open)),
              (_, exit) =>
                Effect.andThen(
                  Effect.sleep("3 seconds"),
                  Effect.sync(() => {
                    open--
                    exits.push(exit._tag)
                  })
                )
            ),
            Effect.fail("half way")
          ),
          maxSize: 1
        })
        for (let i = 0; i < 3; i++) {
          const fiber = yield* Effect.fork(Effect.exit(pool.use(() => Effect.void)))
          yield* settle
          yield* TestClock.adjust("4 seconds")
          assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("half way"))
        }
        assert.strictEqual(most, 1)
        assert.deepStrictEqual(exits, ["Failure", "Failure", "Failure"])
        // and a closing pool waits for it
        yield* TestClock.adjust("1 second")
        const last = yield* Effect.fork(Effect.exit(pool.use(() => Effect.void)))
        yield* settle
        assert.deepStrictEqual(yield* Fiber.join(last), Exit.fail("half way"))
        const closing = yield* Effect.fork(pool.close)
        yield* settle
        assert.strictEqual(open, 1)
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual(open, 0)
      }))

    it.scoped("one that fails or dies is counted, and the next item takes its place", () =>
      Effect.gen(function*() {
        let made = 0
        const pool = yield* ResourcePool.make({
          acquire: Effect.acquireRelease(Effect.sync(() => ++made), () => Effect.die("boom")),
          maxSize: 1
        }).pipe(Effect.provide(silent))
        for (let i = 1; i <= 3; i++) {
          assert.strictEqual(yield* pool.use((n) => Effect.as(pool.invalidate(n), n)), i)
        }
        yield* settle
        assert.strictEqual((yield* pool.stats).finalizerFailures, 3)
      }))
  })

  describe("keeps nothing", () => {
    const make = (refs: Array<WeakRef<object>>, options: Partial<ResourcePool.Options<object, never, Scope.Scope>>) =>
      ResourcePool.make({
        acquire: Effect.acquireRelease(
          Effect.sync(() => {
            const item = { payload: new Float64Array(100) }
            refs.push(new WeakRef(item))
            return item
          }),
          () => Effect.void
        ),
        maxSize: 1,
        ...options
      })

    it.scopedLive("of 1,000 items that were invalidated one after another", () =>
      Effect.gen(function*() {
        const refs: Array<WeakRef<object>> = []
        const pool = yield* make(refs, {})
        for (let i = 0; i < 1000; i++) yield* pool.use((item) => pool.invalidate(item))
        assert.strictEqual(refs.length, 1000)
        assert.isAtMost(yield* left(refs), 2)
        yield* pool.use(() => Effect.void)
      }))

    it.scoped("of 1,000 items that grew too old", () =>
      Effect.gen(function*() {
        const refs: Array<WeakRef<object>> = []
        const pool = yield* make(refs, { minSize: 50, maxSize: 50, maxLifetime: "1 second" })
        yield* pool.ready
        while (refs.length < 1000) yield* TestClock.adjust("2 seconds")
        // the 50 items of the last round are live
        assert.isAtMost(yield* left(refs), 52)
        assert.isAtLeast((yield* pool.stats).destroyed.retired, 950)
      }))

    it.scopedLive("of 1,000 borrowers that gave up waiting", () =>
      Effect.gen(function*() {
        const pool = yield* make([], {})
        const lease = yield* pool.acquire
        const refs: Array<WeakRef<object>> = []
        for (let i = 0; i < 1000; i++) {
          const borrower = { payload: new Float64Array(100) }
          refs.push(new WeakRef(borrower))
          const fiber = yield* Effect.fork(pool.use(() => Effect.succeed(borrower)))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
        }
        yield* lease.release()
        assert.isAtMost(yield* left(refs), 2)
      }))
  })
})
