import { logAnnotationsOf, withFiber } from "#effect/fiber"
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as PoolError from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Pool from "effect/Pool"
import { can } from "../support/capabilities.js"
import { failureOf, type Item, makeSource, settle, withDeath } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

/** A pool of one item by default. */
const makePool = <A, E, R>(options: ResourcePool.Options<A, E, R>) => ResourcePool.make({ maxSize: 1, ...options })

const reasonOf = <A, E>(exit: Exit.Exit<A, E>): string => {
  if (Exit.isSuccess(exit)) return "Success"
  const error = Cause.failureOption(exit.cause)
  return Option.isSome(error) && PoolError.isPoolError(error.value) ? error.value.reason : "Other"
}

describe("ResourcePool", () => {
  describe("borrowing", () => {
    it.scoped("lends the same item again and keeps it when the borrower fails", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxSize: 2 })
        const first = yield* pool.use((item) => Effect.succeed(item.id))
        const failed = yield* Effect.exit(pool.use((item) => Effect.fail(item.id)))
        const third = yield* pool.useSync((item) => item.id)
        assert.deepStrictEqual([first, failed, third], [1, Exit.fail(1), 1])
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 1, idle: 1, inUse: 0, created: 1, acquisitions: 3, reuses: 2, peak: 1 })
        assert.strictEqual(stats.reuseRatio, 2 / 3)
      }))

    it.scoped("gives the item back when the body throws, dies or is interrupted", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        assert.isTrue(Exit.isFailure(
          yield* Effect.exit(pool.use((): Effect.Effect<void> => {
            throw new Error("boom")
          }))
        ))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.use(() => Effect.die("boom")))))
        const fiber = yield* Effect.fork(pool.use(() => Effect.never))
        yield* settle
        assert.strictEqual((yield* pool.stats).inUse, 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* pool.stats).idle, 1)
      }))

    it.scoped("is known as one, and as an effect/Pool where other pools can be that", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        assert.isTrue(ResourcePool.isResourcePool(pool))
        assert.strictEqual(Pool.isPool(pool), can("isEffectPool"))
      }))

    it.scoped("keeps an item until the scope closes", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        const scope = yield* Scope.make()
        yield* Scope.extend(pool.get, scope)
        assert.strictEqual((yield* pool.stats).inUse, 1)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* pool.stats).inUse, 0)
      }))

    it.scoped("lends nothing twice when a lease is released twice", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire, maxSize: 2 })
        const first = yield* pool.acquire
        yield* first.release()
        yield* first.release()
        const second = yield* pool.acquire
        yield* first.release()
        yield* Effect.promise(() => first[Symbol.asyncDispose]())
        assert.deepInclude(yield* pool.stats, { inUse: 1, leases: 1, size: 1 })
        yield* second.release()
        assert.deepInclude(yield* pool.stats, { inUse: 0, leases: 0, idle: 1 })
      }))

    it.scoped("tryGet neither waits nor creates", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire })
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        assert.strictEqual(source.made, 0)
        yield* pool.useSync(() => undefined)
        yield* Effect.scoped(Effect.gen(function*() {
          assert.isTrue(Option.isSome(yield* pool.tryGet))
          assert.isTrue(Option.isNone(yield* pool.tryGet))
        }))
        assert.deepInclude(yield* pool.stats, { idle: 1, inUse: 0 })
      }))
  })

  describe("waiting", () => {
    it.scoped("serves first come, first served; no borrower overtakes another", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        const lease = yield* pool.acquire
        const order: Array<number> = []
        const fibers = yield* Effect.forEach([0, 1, 2, 3, 4], (n) =>
          Effect.tap(Effect.fork(pool.use(() => Effect.sync(() => order.push(n)))), settle))
        yield* lease.release()
        // the item is on its way to the first waiter: no other borrower may take it
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        yield* Fiber.joinAll(fibers)
        assert.deepStrictEqual(order, [0, 1, 2, 3, 4])
      }))

    it.scoped("gives a waiter the returned item when that comes before the new one", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const gate = yield* Deferred.make<void>()
        const pool = yield* makePool({
          acquire: Effect.andThen(
            Effect.suspend(() => source.made === 0 ? Effect.void : Deferred.await(gate)),
            source.acquire
          ),
          maxSize: 2
        })
        const lease = yield* pool.acquire
        const waiter = yield* Effect.fork(pool.use((item) => Effect.succeed(item.id)))
        yield* settle
        assert.strictEqual((yield* pool.stats).creating, 1)
        yield* lease.release()
        assert.strictEqual(yield* Fiber.join(waiter), 1)
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        assert.deepInclude(yield* pool.stats, { idle: 2, creating: 0 })
      }))

    it.scoped("fails with AcquireTimeout, also when a creation takes longer", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({
          acquire: Effect.tap(source.acquire, Effect.sleep("3 seconds")),
          acquireTimeout: "1 second",
          name: "slow"
        })
        const fiber = yield* Effect.fork(Effect.flip(pool.use(() => Effect.void)))
        yield* settle
        yield* TestClock.adjust("1 second")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason, "AcquireTimeout")
        assert.strictEqual(error.pool, "slow")
        assert.strictEqual(Duration.toMillis(error.waited), 1000)
        // the item that was on its way is not lost
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* pool.stats, { idle: 1, timeouts: 1, created: 1 })
      }))

    it.scoped("refuses at once beyond maxWaiters", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire, maxSize: 2, maxWaiters: 1 })
        const leases = yield* Effect.all([pool.acquire, pool.acquire])
        const waiting = yield* Effect.fork(pool.use(() => Effect.void))
        yield* settle
        assert.strictEqual((yield* Effect.flip(pool.use(() => Effect.void))).reason, "QueueFull")
        yield* leases[0].release()
        yield* Fiber.join(waiting)
        yield* leases[1].release()
        assert.deepInclude(yield* pool.stats, { rejections: 1, waiters: 0 })
      }))

    it.scoped("forgets a waiter that is interrupted", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        const lease = yield* pool.acquire
        const gone = yield* Effect.fork(pool.use(() => Effect.succeed("gone")))
        yield* settle
        const next = yield* Effect.fork(pool.use(() => Effect.succeed("next")))
        yield* settle
        yield* Fiber.interrupt(gone)
        yield* lease.release()
        assert.strictEqual(yield* Fiber.join(next), "next")
      }))

    it.scoped("passes an item on that reached a waiter together with its interruption", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        for (let i = 0; i < 20; i++) {
          const lease = yield* pool.acquire
          const waiter = yield* Effect.fork(pool.use(() => Effect.never))
          yield* settle
          yield* lease.release()
          Fiber.interruptNow(waiter)
          yield* Fiber.await(waiter)
          assert.deepInclude(yield* pool.stats, { idle: 1, inUse: 0, leases: 0, waiters: 0 })
        }
      }))
  })

  describe("creating", () => {
    it.scoped("never has more than maxSize items", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let most = 0
        const pool = yield* makePool({ acquire: source.acquire, maxSize: 3 })
        yield* Effect.forEach(
          Array.from({ length: 50 }),
          () =>
            pool.use(() =>
              Effect.andThen(Effect.sync(() => most = Math.max(most, source.open.size)), Effect.yieldNow())
            ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(most, 3)
        assert.strictEqual(source.made, 3)
      }))

    it.scoped("goes on with a creation whose borrower was interrupted", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const gate = yield* Deferred.make<void>()
        const pool = yield* makePool({ acquire: Effect.andThen(Deferred.await(gate), source.acquire) })
        const fiber = yield* Effect.fork(pool.use(() => Effect.void))
        yield* settle
        yield* Fiber.interrupt(fiber)
        assert.deepInclude(yield* pool.stats, { creating: 1, waiters: 0 })
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        assert.deepInclude(yield* pool.stats, { creating: 0, idle: 1 })
      }))

    it.scoped("opens one shared item for as many waiters as share it", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxSize: 10, concurrency: 100 })
        const gate = yield* Deferred.make<void>()
        const fibers = yield* Effect.forEach(
          Array.from({ length: 100 }),
          () => Effect.fork(pool.use(() => Deferred.await(gate)))
        )
        yield* settle
        assert.deepInclude(yield* pool.stats, { size: 1, inUse: 1, leases: 100 })
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.joinAll(fibers)
        assert.deepInclude(yield* pool.stats, { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("packs shared items in lifo order and spreads over them in fifo order", () =>
      Effect.gen(function*() {
        for (const [order, expected] of [["lifo", [1, 1, 1, 2]], ["fifo", [1, 2, 1, 2]]] as const) {
          const source = makeSource()
          const pool = yield* makePool({
            acquire: source.acquire,
            minSize: 2,
            maxSize: 2,
            concurrency: 3,
            order
          })
          yield* pool.ready
          const ids = yield* Effect.scoped(
            Effect.all(Array.from({ length: 4 }, () => Effect.map(pool.get, (item) => item.id)))
          )
          const first = ids[0]!
          assert.deepStrictEqual(ids.map((id) => id === first ? 1 : 2), [...expected])
        }
      }))

    it.scoped("makes minSize items, and again after a loss", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const dead = new Map<number, Deferred.Deferred<void>>()
        const pool = yield* makePool({
          acquire: withDeath(source.acquire, dead),
          lost: (item) => Deferred.await(dead.get(item.id)!),
          minSize: 2,
          maxSize: 3
        })
        yield* pool.ready
        assert.deepInclude(yield* pool.stats, { size: 2, acquisitions: 0, created: 2 })
        yield* Deferred.succeed(dead.get(1)!, undefined)
        yield* settle
        // the item died young, before a borrower succeeded with it: the next item comes after the backoff
        yield* TestClock.adjust("20 millis")
        assert.deepStrictEqual([...source.open], [2, 3])
        assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
      }))

    it.scoped("fails the borrowers with the cause itself, in a handful of attempts", () =>
      Effect.gen(function*() {
        let attempts = 0
        const pool = yield* makePool({
          acquire: Effect.andThen(Effect.sync(() => attempts++), Effect.fail("down" as const)),
          maxSize: 10
        })
        const exits = yield* Effect.forEach(
          Array.from({ length: 1000 }),
          () => Effect.exit(pool.use(() => Effect.void)),
          { concurrency: "unbounded" }
        )
        assert.isTrue(exits.every((exit) => Equal.equals(exit, Exit.fail("down"))))
        assert.isAtMost(attempts, 10)
        // a borrower that comes during the backoff waits for the next attempt
        const later = yield* Effect.fork(Effect.exit(pool.use(() => Effect.void)))
        yield* settle
        const before = attempts
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(later)))
        assert.strictEqual(attempts, before + 1)
      }))

    it.scoped("serves again as soon as a creation succeeds", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let down = true
        const pool = yield* makePool({
          acquire: Effect.suspend((): Effect.Effect<Item, string, Scope.Scope> =>
            down ? Effect.fail("down") : source.acquire
          ),
          maxSize: 10
        })
        yield* Effect.exit(pool.use(() => Effect.void))
        down = false
        const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.fork(pool.use(() => Effect.void)))
        yield* settle
        yield* TestClock.adjust("20 millis")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual((yield* pool.stats).failures, 1)
      }))

    it.scoped("gives up a creation that takes longer than createTimeout", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: Effect.never, createTimeout: "2 seconds" })
        const fiber = yield* Effect.fork(Effect.flip(pool.use(() => Effect.void)))
        yield* settle
        yield* TestClock.adjust("2 seconds")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual((error as PoolError.PoolError).reason, "CreateTimeout")
        assert.include((error as PoolError.PoolError).message, "createTimeout")
        assert.deepInclude(yield* pool.stats, { creating: 0, failures: 1 })
      }))

    it.scoped("runs creation with the maker's context and without the borrower's", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const pool = yield* makePool({
          acquire: Effect.flatMap(Effect.option(Effect.currentSpan), (span) =>
            withFiber((fiber) => {
              seen.push(Option.isSome(span) ? span.value.name : "none", ...Object.keys(logAnnotationsOf(fiber)))
              return Effect.void
            }))
        })
        yield* pool.use(() => Effect.void).pipe(Effect.annotateLogs("borrower", "me"), Effect.withSpan("borrower"))
        assert.deepStrictEqual(seen, ["none"])
      }))

    it.effect("creates in a pool that was made in an uninterruptible region, and can interrupt it", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        const scope = yield* Scope.make()
        const pool = yield* Effect.uninterruptible(Scope.extend(
          makePool({ acquire: Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)) }),
          scope
        ))
        const fiber = yield* Effect.fork(pool.use(() => Effect.void))
        yield* settle
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.await(interrupted)
        assert.strictEqual(reasonOf(yield* Fiber.await(fiber)), "PoolClosed")
      }))
  })

  describe("losing and retiring", () => {
    it.scoped("does not lend an item that died while idle, and replaces one that died while lent", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const dead = new Map<number, Deferred.Deferred<void>>()
        const pool = yield* makePool({
          acquire: withDeath(source.acquire, dead),
          lost: (item) => Deferred.await(dead.get(item.id)!)
        })
        yield* pool.useSync(() => undefined)
        yield* Deferred.succeed(dead.get(1)!, undefined)
        yield* settle
        const lease = yield* pool.acquire
        assert.strictEqual(lease.value.id, 2)
        yield* Deferred.succeed(dead.get(2)!, undefined)
        yield* settle
        // the item's place is free although the borrower has not returned it
        const next = yield* Effect.fork(pool.useSync((item) => item.id))
        yield* settle
        yield* TestClock.adjust("20 millis")
        assert.strictEqual(yield* Fiber.join(next), 3)
        yield* lease.release()
        assert.deepStrictEqual(source.closed, [1, 2])
        assert.deepInclude(yield* pool.stats, { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("closes an invalidated item once, when it comes back", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire })
        yield* pool.use((item) => Effect.andThen(pool.invalidate(item), pool.invalidate(item)))
        yield* pool.invalidate({ id: 99 })
        yield* settle
        assert.deepStrictEqual(source.closed, [1])
        assert.strictEqual(yield* pool.useSync((item) => item.id), 2)
      }))

    it.scoped("tells items of the same value apart", () =>
      Effect.gen(function*() {
        let closed = 0
        const pool = yield* makePool({
          acquire: Effect.acquireRelease(Effect.succeed("same"), () => Effect.sync(() => closed++)),
          minSize: 3,
          maxSize: 3
        })
        yield* pool.ready
        yield* pool.invalidate("same")
        yield* settle
        assert.strictEqual(closed, 3)
        assert.deepInclude(yield* pool.stats, { size: 3, created: 6 })
      }))

    it.scoped("retires after maxUses and after maxLifetime", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxUses: 2, maxLifetime: "10 seconds" })
        const ids: Array<number> = []
        for (let i = 0; i < 5; i++) {
          ids.push(yield* pool.useSync((item) => item.id))
          yield* settle
        }
        assert.deepStrictEqual(ids, [1, 1, 2, 2, 3])
        yield* TestClock.adjust("8 seconds")
        assert.strictEqual((yield* pool.stats).size, 1)
        yield* TestClock.adjust("3 seconds")
        assert.deepInclude(yield* pool.stats, { size: 0 })
        assert.strictEqual((yield* pool.stats).destroyed.retired, 3)
      }))

    it.scoped("with overlap, replaces a retired item that is still out, and closes it after retireGrace", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const old = yield* Deferred.make<void>()
        const pool = yield* makePool({
          acquire: source.acquire,
          retire: (item) => item.id === 1 ? Deferred.await(old) : Effect.never,
          overlap: true,
          retireGrace: "5 seconds"
        })
        const lease = yield* pool.acquire
        yield* Deferred.succeed(old, undefined)
        yield* settle
        assert.strictEqual(yield* pool.useSync((item) => item.id), 2)
        assert.deepStrictEqual(source.closed, [])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(source.closed, [1])
        yield* lease.release()
        assert.deepInclude(yield* pool.stats, { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("with overlap, retired items beyond maxSize keep their places, but not beyond retireGrace", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxUses: 1, overlap: true, retireGrace: "5 seconds" })
        const leases = yield* Effect.all([pool.acquire, pool.acquire])
        const third = yield* Effect.fork(pool.useSync((item) => item.id))
        yield* settle
        assert.strictEqual(source.made, 2)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* Fiber.join(third), 3)
        yield* settle
        assert.deepStrictEqual(source.closed, [1, 2, 3])
        yield* Effect.forEach(leases, (lease) => lease.release())
      }))

    it.scoped("without overlap, a retired item that is out keeps its place", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxUses: 1 })
        const lease = yield* pool.acquire
        const waiter = yield* Effect.fork(pool.useSync((item) => item.id))
        yield* settle
        assert.strictEqual(source.made, 1)
        yield* lease.release()
        assert.strictEqual(yield* Fiber.join(waiter), 2)
      }))

    it.scoped("closes idle items, the longest idle first, down to minSize", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({
          acquire: source.acquire,
          minSize: 1,
          maxSize: 3,
          idleTimeToLive: "10 seconds"
        })
        const leases = yield* Effect.all([pool.acquire, pool.acquire, pool.acquire])
        for (const lease of leases) {
          yield* lease.release()
          yield* TestClock.adjust("1 second")
        }
        yield* TestClock.adjust("8 seconds")
        assert.strictEqual(source.closed.length, 2)
        assert.deepStrictEqual(source.closed, [leases[0].value.id, leases[1].value.id])
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* pool.stats).size, 1)
      }))

    it.scoped("prunes, clears and resizes", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, minSize: 1, maxSize: 4 })
        const borrowAll = Effect.scoped(Effect.all([pool.get, pool.get, pool.get, pool.get]))
        yield* borrowAll
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* pool.prune("1 minute"), 0)
        assert.strictEqual(yield* pool.prune(0), 3)
        yield* borrowAll
        assert.strictEqual(yield* pool.clear, 4)
        yield* settle
        assert.deepInclude(yield* pool.stats, { size: 1 })
        const leases = yield* Effect.all([pool.acquire, pool.acquire, pool.acquire])
        yield* pool.resize({ maxSize: 1 })
        assert.strictEqual((yield* pool.stats).size, 3)
        yield* Effect.forEach(leases, (lease) => lease.release())
        assert.strictEqual((yield* pool.stats).size, 1)
        assert.strictEqual((yield* pool.stats).destroyed.excess, 2)
      }))

    it.scoped("shrinks shared items that always have a borrower", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* makePool({ acquire: source.acquire, maxSize: 3, concurrency: 2 })
        const held = yield* Effect.all(Array.from({ length: 6 }, () => pool.acquire))
        yield* pool.resize({ maxSize: 1 })
        // in pairs, since shared items are packed; one borrower of the first pair, then one of the second
        const [a1, a2, b1, b2, c1, c2] = held
        yield* a1!.release()
        yield* b1!.release()
        // both items take no new borrower, though each still has one
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        yield* c1!.release()
        assert.strictEqual(yield* Effect.scoped(Effect.map(pool.tryGet, Option.getOrUndefined)), c1!.value)
        yield* a2!.release()
        yield* b2!.release()
        assert.deepInclude(yield* pool.stats, { size: 1, leases: 1 })
        assert.strictEqual((yield* pool.stats).destroyed.excess, 2)
        yield* c2!.release()
      }))
  })

  describe("closing", () => {
    it.effect("closes every item once, fails the waiters and refuses new borrowers", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(makePool({ acquire: source.acquire, maxSize: 2 }), scope)
        const lease = yield* pool.acquire
        const other = yield* pool.acquire
        yield* other.release()
        const held = yield* pool.acquire
        const waiter = yield* Effect.fork(pool.use(() => Effect.void))
        yield* settle
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* settle
        assert.strictEqual(reasonOf(yield* Fiber.await(waiter)), "PoolClosed")
        assert.strictEqual(reasonOf(yield* Effect.exit(pool.use(() => Effect.void))), "PoolClosed")
        assert.strictEqual(reasonOf(yield* Effect.exit(Effect.scoped(pool.tryGet))), "PoolClosed")
        yield* lease.release()
        yield* held.release()
        yield* Fiber.join(closing)
        yield* pool.close
        yield* pool.drain
        assert.deepStrictEqual(source.closed.sort((a, b) => a - b), [1, 2])
        assert.strictEqual(source.open.size, 0)
      }))

    it.effect("closes what is still out after shutdownGrace", () =>
      Effect.gen(function*() {
        const source = makeSource()
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(
          makePool({ acquire: source.acquire, shutdownGrace: "3 seconds" }),
          scope
        )
        const lease = yield* pool.acquire
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* settle
        assert.strictEqual(source.open.size, 1)
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual(source.open.size, 0)
        yield* lease.release()
      }))

    it.effect("ends drain, too, and asks no onRelease about what comes back later", () =>
      Effect.gen(function*() {
        let asked = 0
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(
          makePool({
            acquire: makeSource().acquire,
            shutdownGrace: "3 seconds",
            onRelease: () => Effect.andThen(Effect.sync(() => asked++), Effect.never)
          }),
          scope
        )
        const lease = yield* pool.acquire
        const draining = yield* Effect.fork(pool.drain)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* settle
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        yield* Fiber.join(draining)
        yield* lease.release()
        yield* settle
        assert.strictEqual(asked, 0)
        assert.strictEqual((yield* pool.stats).leases, 0)
      }))

    it.effect("lets no finalizer that fails, dies or hangs keep another item open", () =>
      Effect.gen(function*() {
        let made = 0
        let closed = 0
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(
          makePool({
            acquire: Effect.acquireRelease(
              Effect.sync(() => made++),
              (n) => n === 0 ? Effect.die("boom") : n === 1 ? Effect.never : Effect.sync(() => closed++)
            ),
            maxSize: 4,
            minSize: 4,
            closeTimeout: "2 seconds"
          }),
          scope
        )
        yield* pool.ready
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* settle
        assert.strictEqual(closed, 2)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual((yield* pool.stats).finalizerFailures, 2)
      }))

    it.scoped("drains: those who wait are served, newcomers are not", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire })
        const lease = yield* pool.acquire
        const waiter = yield* Effect.fork(pool.use(() => Effect.succeed("served")))
        yield* settle
        const draining = yield* Effect.fork(pool.drain)
        yield* settle
        assert.strictEqual(reasonOf(yield* Effect.exit(pool.use(() => Effect.void))), "PoolClosed")
        assert.isTrue(Option.isNone(yield* Fiber.poll(draining)))
        yield* lease.release()
        assert.strictEqual(yield* Fiber.join(waiter), "served")
        yield* Fiber.join(draining)
      }))

    it.effect("ends a creation that is under way", () =>
      Effect.gen(function*() {
        let interrupted = 0
        const scope = yield* Scope.make()
        yield* Scope.extend(
          makePool({
            acquire: Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)),
            minSize: 3,
            maxSize: 3
          }),
          scope
        )
        yield* settle
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(interrupted, 3)
      }))
  })

  describe("options", () => {
    const cases: ReadonlyArray<[string, Partial<ResourcePool.Options<Item, never, Scope.Scope>>]> = [
      ["minSize must be at most maxSize (2), but was 3", { minSize: 3, maxSize: 2 }],
      ["maxSize must be a whole number of 1 or more, but was 0", { maxSize: 0 }],
      ["maxSize must be a whole number of 1 or more, but was NaN", { maxSize: Number.NaN }],
      ["maxSize must be a whole number of 1 or more, but was Infinity", { maxSize: Infinity }],
      ["minSize must be a whole number of 0 or more, but was 1.5", { minSize: 1.5, maxSize: 3 }],
      ["maxSize must be a whole number of 1 or more, but was Symbol(ten)", { maxSize: Symbol("ten") as never }],
      ["concurrency must be a whole number of 1 or more, but was 0", { concurrency: 0 }],
      ["concurrency must be a whole number of 1 or more, but was \"3\"", { concurrency: "3" as never }],
      ["acquireTimeout must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was -1", {
        acquireTimeout: -1
      }],
      ["acquireTimeout must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was NaN", {
        acquireTimeout: Number.NaN
      }],
      ["idleTimeToLive must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was \"soon\"", {
        idleTimeToLive: "soon" as never
      }],
      ["maxWaiters must be a whole number of 0 or more, but was -2", { maxWaiters: -2 }],
      ["createBackoff.factor must be a number of 1 or more, but was 0.5", { createBackoff: { factor: 0.5 } }],
      ["createBackoff.jitter must be a number from 0 to 1, but was 2", { createBackoff: { jitter: 2 } }],
      ["createBackoff must be an object, but was 100", { createBackoff: 100 as never }],
      ["keepAlive must be an object, but was \"15 seconds\"", { keepAlive: "15 seconds" as never }],
      ["keepAlive.ping must be a function, but was undefined", { keepAlive: { interval: "15 seconds" } as never }],
      ["acquire must be an Effect, but was of type function", { acquire: (() => Effect.succeed(1)) as never }],
      ["maxSize must be", { maxSize: { whole: 1n } as never }],
      ["acquire must be an Effect, but was of type Promise", { acquire: Promise.resolve(1) as never }],
      ["overlap must be true or false, but was \"false\"", { overlap: "false" as never }],
      ["order must be \"lifo\" or \"fifo\", but was \"random\"", { order: "random" as never }],
      ["name must be a string, but was 5", { name: 5 as never }],
      ["validate must be a function, but was true", { validate: true as never }],
      ["lost must be a function, but was null", { lost: null as never }],
      ["rideOut must be a duration of zero or more", { rideOut: "for a while" as never }],
      ["keepAlive.interval must be a duration of 1 ms or more, such as \"15 seconds\", but was 0", {
        keepAlive: { interval: 0, ping: () => Effect.void }
      }],
      ["maxLifetime must be a duration of 1 ms or more, such as \"15 seconds\", but was 0", {
        maxLifetime: 0,
        minSize: 1
      }],
      ["createTimeout must be a duration of 1 ms or more, such as \"15 seconds\", but was 0", { createTimeout: 0 }],
      ["checkTimeout must be a duration of 1 ms or more, such as \"15 seconds\", but was \"0 seconds\"", {
        checkTimeout: "0 seconds"
      }],
      ["createBackoff.initial must be at most createBackoff.max (5s), but was 6000", {
        createBackoff: { initial: 6_000 }
      }]
    ]
    for (const [message, options] of cases) {
      it.scoped(`refuses: ${message}`, () =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(makePool({ acquire: makeSource().acquire, ...options }))
          const defects = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : []
          assert.include(String(defects[0]), message)
        }))
    }

    it.scoped("refuses nonsense in a call, too, by the name of its argument", () =>
      Effect.gen(function*() {
        const pool = yield* makePool({ acquire: makeSource().acquire, name: "mine", maxSize: 10 })
        assert.include(
          failureOf(yield* Effect.exit(pool.prune(-1))),
          "[mine] maxIdle must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was -1"
        )
        assert.include(
          String(yield* Effect.exit(pool.resize({ minSize: 11 }))),
          "[mine] minSize must be at most maxSize (10), but was 11"
        )
      }))

    it.scoped("fails a borrower if the concurrency function of its item breaks the rule of the option", () =>
      Effect.gen(function*() {
        const source = makeSource()
        for (const answer of [0, 1.5, 1e300, undefined as never]) {
          const pool = yield* makePool({ name: "mine", acquire: source.acquire, concurrency: () => answer })
          const exit = yield* Effect.exit(pool.use(() => Effect.void))
          const rule = `[mine] concurrency must be a whole number of 1 or more, but was ${answer}`
          assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), rule)
          yield* settle
          assert.strictEqual(source.open.size, 0)
        }
      }))
  })
})
