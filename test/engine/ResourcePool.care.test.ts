/** How a pool maintains its items, and reports about them. */
import { nameOf } from "#effect/fiber"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Metric from "#test/Metric"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import type * as Tracer from "#test/Tracer"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withLogs } from "../support/logs.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const borrow = <A extends { readonly id: number }, E>(pool: ResourcePool.ResourcePool<A, E>) =>
  pool.useSync((item) => item.id)

describe("ResourcePool", () => {
  describe("validate", () => {
    it.scoped("asks about an item only after it was idle for long enough", () =>
      Effect.gen(function*() {
        const asked: Array<ResourcePool.ItemInfo> = []
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          validate: (_, info) => Effect.sync(() => asked.push(info) > 0),
          validateAfterIdle: "10 seconds"
        })
        yield* borrow(pool)
        yield* TestClock.adjust("9 seconds")
        yield* borrow(pool)
        assert.strictEqual(asked.length, 0)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* borrow(pool), 1)
        assert.strictEqual(asked.length, 1)
        assert.strictEqual(Duration.toSeconds(asked[0]!.age), 19)
        assert.strictEqual(Duration.toSeconds(asked[0]!.idle), 10)
        assert.strictEqual(asked[0]!.uses, 2)
      }))

    for (
      const [how, validate] of [
        ["answers no", Effect.succeed(false)],
        ["fails", Effect.fail("no")],
        ["dies", Effect.die("no")]
      ] as const
    ) {
      it.scoped(`replaces an item whose check ${how}`, () =>
        Effect.gen(function*() {
          const source = makeSource()
          const pool = yield* ResourcePool.make({
            acquire: source.acquire,
            maxSize: 1,
            validate: () => validate,
            validateAfterIdle: "1 second"
          })
          yield* borrow(pool)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* borrow(pool), 2)
          assert.deepStrictEqual(source.closed, [1])
          assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
        }))
    }

    it.scoped("gives up a check that hangs, and goes on with a new item", () =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          validate: () => Effect.never,
          validateAfterIdle: "1 second",
          checkTimeout: "3 seconds"
        })
        yield* borrow(pool)
        yield* TestClock.adjust("1 second")
        const fiber = yield* Effect.fork(borrow(pool))
        yield* settle
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), 2)
      }))

    it.scoped("gives a checked item to the borrower that has waited longest", () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          validate: () => Effect.as(Deferred.await(gate), true),
          validateAfterIdle: 1
        })
        yield* borrow(pool)
        yield* TestClock.adjust("1 second")
        const order: Array<string> = []
        const first = yield* Effect.fork(pool.useSync(() => order.push("first")))
        yield* settle
        const second = yield* Effect.fork(pool.useSync(() => order.push("second")))
        yield* settle
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(second)
        assert.deepStrictEqual(order, ["second"])
        assert.strictEqual((yield* pool.stats).created, 1)
      }))

    it.scoped("tryGet starts the check of an item that needs one", () =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          validate: () => Effect.succeed(true),
          validateAfterIdle: "1 second"
        })
        yield* borrow(pool)
        yield* TestClock.adjust("1 second")
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        yield* settle
        assert.isTrue(Option.isSome(yield* Effect.scoped(pool.tryGet)))
      }))

    it.scoped("refuses validateAfterIdle without validate", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(
          ResourcePool.make({ acquire: makeSource().acquire, validateAfterIdle: "1 second" })
        )
        assert.include(String(exit), "validateAfterIdle")
      }))
  })

  describe("keepAlive", () => {
    it.scoped("pings idle items, and each as often as the interval says", () =>
      Effect.gen(function*() {
        const pinged: Array<number> = []
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          minSize: 2,
          keepAlive: { interval: "10 seconds", ping: (item) => Effect.sync(() => pinged.push(item.id)) }
        })
        yield* pool.ready
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(pinged, [])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(pinged.sort((a, b) => a - b), [1, 2])
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(pinged.length, 4)
      }))

    it.scoped("does not ping what came back in the meantime", () =>
      Effect.gen(function*() {
        let pings = 0
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          keepAlive: { interval: "10 seconds", ping: () => Effect.sync(() => pings++) }
        })
        for (let i = 0; i < 10; i++) {
          yield* borrow(pool)
          yield* TestClock.adjust("5 seconds")
        }
        assert.strictEqual(pings, 0)
      }))

    for (const concurrency of [1, 2]) {
      it.scoped(`finds a dead item though borrowers fail on it all the time (concurrency ${concurrency})`, () =>
        Effect.gen(function*() {
          const source = makeSource()
          const pool = yield* ResourcePool.make({
            acquire: source.acquire,
            maxSize: 1,
            concurrency,
            keepAlive: {
              interval: "10 seconds",
              ping: (item) => item.id === 1 ? Effect.fail("dead") : Effect.void
            }
          })
          const work = (item: { readonly id: number }) =>
            item.id === 1 ? Effect.fail("no answer") : Effect.succeed(item.id)
          const ask = Effect.option(pool.use((item) => Effect.andThen(Effect.yieldNow(), work(item))))
          const answers: Array<boolean> = []
          for (let i = 0; i < 6; i++) {
            answers.push(Option.isSome(yield* ask))
            yield* TestClock.adjust("4 seconds")
          }
          assert.deepStrictEqual(answers, [false, false, false, true, true, true])
        }))
    }

    const makePinged = (options: { readonly maxSize?: number; readonly maxWaiters?: number }) =>
      Effect.gen(function*() {
        const pings = { begun: 0, interrupted: 0 }
        const gate = yield* Deferred.make<void>()
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          ...options,
          keepAlive: {
            interval: "10 seconds",
            ping: () =>
              Effect.andThen(Effect.sync(() => pings.begun++), Deferred.await(gate)).pipe(
                Effect.onInterrupt(() => Effect.sync(() => pings.interrupted++))
              )
          }
        })
        return { pings, gate, pool }
      })

    it.scoped("does not ping an exclusive item that is lent", () =>
      Effect.gen(function*() {
        const { pings, pool } = yield* makePinged({})
        const lease = yield* pool.acquire
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(pings.begun, 0)
        yield* lease.release()
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(pings.begun, 1)
      }))

    it.scoped("a ping gives way to a borrower, however few may wait", () =>
      Effect.gen(function*() {
        const { pings, pool } = yield* makePinged({ maxWaiters: 0 })
        yield* borrow(pool)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(pings, { begun: 1, interrupted: 0 })
        assert.strictEqual(yield* borrow(pool), 1)
        yield* settle
        assert.deepStrictEqual(pings, { begun: 1, interrupted: 1 })
      }))

    it.scoped("a ping without an answer for 250 ms does not: a borrower waits for its end", () =>
      Effect.gen(function*() {
        const { gate, pings, pool } = yield* makePinged({})
        yield* borrow(pool)
        yield* TestClock.adjust("10 seconds")
        yield* TestClock.adjust("250 millis")
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        const fiber = yield* Effect.fork(borrow(pool))
        yield* settle
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(fiber), 1)
        assert.strictEqual(pings.interrupted, 0)
      }))

    it.scoped("a ping of an item that borrowers fail on does not give way, so that a dead one is found", () =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          keepAlive: { interval: "2 seconds", ping: () => Effect.never },
          checkTimeout: "1 second"
        })
        yield* borrow(pool)
        const failing = pool.use(() => Effect.andThen(Effect.sleep("900 millis"), Effect.fail("no answer")))
        yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(Effect.ignore(failing), Effect.sleep("100 millis")))
        )
        for (let i = 0; i < 100; i++) yield* Effect.andThen(settle, TestClock.adjust("100 millis"))
        assert.isAtLeast((yield* pool.stats).destroyed.lost, 1)
      }))

    it.scoped("pings half of the idle items at a time, so that the others can be lent", () =>
      Effect.gen(function*() {
        const { gate, pings, pool } = yield* makePinged({ maxSize: 8 })
        yield* Effect.all(Effect.replicate(pool.use(() => Effect.sleep(1)), 8), { concurrency: 8, discard: true }).pipe(
          Effect.fork,
          Effect.andThen(TestClock.adjust(1))
        )
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(pings.begun, 4)
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        yield* TestClock.adjust(1)
        assert.strictEqual(pings.begun, 8)
      }))

    it.scoped("pings a shared item also while it is lent, and lends it on", () =>
      Effect.gen(function*() {
        let pings = 0
        const pool = yield* ResourcePool.make({
          acquire: makeSource().acquire,
          maxSize: 1,
          concurrency: 2,
          keepAlive: { interval: "10 seconds", ping: () => Effect.andThen(Effect.sync(() => pings++), Effect.never) },
          checkTimeout: "1 minute"
        })
        const lease = yield* pool.acquire
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(pings, 1)
        assert.strictEqual(yield* borrow(pool), 1)
        yield* lease.release()
      }))

    for (const [how, ping] of [["fails", Effect.fail("dead")], ["hangs", Effect.never]] as const) {
      it.scoped(`loses an item whose ping ${how}`, () =>
        Effect.gen(function*() {
          const source = makeSource()
          const pool = yield* ResourcePool.make({
            acquire: source.acquire,
            minSize: 1,
            maxSize: 1,
            keepAlive: { interval: "10 seconds", ping: (item) => item.id === 1 ? ping : Effect.void },
            checkTimeout: "2 seconds"
          })
          yield* pool.ready
          yield* TestClock.adjust("12 seconds")
          assert.deepStrictEqual([...source.open], [2])
        }))
    }
  })

  describe("onRelease", () => {
    it.scoped("sees the borrower's exit and decides before another borrower gets the item", () =>
      Effect.gen(function*() {
        const exits: Array<string> = []
        const source = makeSource()
        const pool = yield* ResourcePool.make({
          acquire: source.acquire,
          maxSize: 1,
          onRelease: (_, exit) =>
            Effect.sync(() => {
              exits.push(exit._tag)
              return Exit.isSuccess(exit) ? "keep" as const : "discard" as const
            })
        })
        yield* borrow(pool)
        yield* Effect.exit(pool.use(() => Effect.fail("bad")))
        assert.strictEqual(yield* borrow(pool), 2)
        assert.deepStrictEqual(exits.slice(0, 2), ["Success", "Failure"])
        assert.strictEqual((yield* pool.stats).destroyed.discarded, 1)
      }))

    for (
      const [how, hook] of [["fails", Effect.fail("no")], ["dies", Effect.die("no")], ["hangs", Effect.never]] as const
    ) {
      it.scoped(`discards the item when it ${how}`, () =>
        Effect.gen(function*() {
          const pool = yield* ResourcePool.make({
            acquire: makeSource().acquire,
            maxSize: 1,
            onRelease: () => hook,
            checkTimeout: "1 second"
          })
          yield* borrow(pool)
          const next = yield* Effect.fork(pool.use((item) => Effect.succeed(item.id)))
          yield* settle
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* Fiber.join(next), 2)
          yield* settle
          yield* TestClock.adjust("1 second")
        }))
    }
  })

  describe("leakThreshold", () => {
    it.scoped("tells who has an item that does not come back, and that it came back after all", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const pool = yield* ResourcePool.make({
            name: "leaky",
            acquire: makeSource().acquire,
            maxSize: 1,
            leakThreshold: "1 minute"
          })
          const gate = yield* Deferred.make<void>()
          const fiber = yield* pool.use(() => Deferred.await(gate)).pipe(
            Effect.withSpan("inner"),
            Effect.withSpan("outer"),
            Effect.annotateLogs("request", "r-1"),
            Effect.fork
          )
          yield* settle
          yield* TestClock.adjust("59 seconds")
          assert.strictEqual(logs.length, 0)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(logs.length, 1)
          assert.deepInclude(logs[0]!.annotations, {
            pool: "leaky",
            spans: "outer > inner",
            annotations: { request: "r-1" }
          })
          assert.include(String(logs[0]!.annotations["stack"]), "ResourcePool.care.test")
          assert.include(String(logs[0]!.annotations["borrower"]), nameOf(fiber))
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(fiber)
          yield* settle
          assert.include(logs[1]!.message, "the borrower returned the item after all")
        })
      ))

    it.scoped("says nothing of what comes back in time", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, leakThreshold: "1 minute" })
          yield* borrow(pool)
          yield* Effect.scoped(pool.get)
          yield* Effect.flatMap(pool.acquire, (lease) => lease.release())
          yield* TestClock.adjust("1 hour")
          assert.deepStrictEqual(logs, [])
        })
      ))
  })

  describe("exhaustedThreshold", () => {
    it.scoped("warns once while borrowers wait", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const pool = yield* ResourcePool.make({
            acquire: makeSource().acquire,
            maxSize: 1,
            exhaustedThreshold: "5 seconds"
          })
          const lease = yield* pool.acquire
          const fibers = yield* Effect.all([Effect.fork(borrow(pool)), Effect.fork(borrow(pool))])
          yield* settle
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(logs.length, 1)
          assert.include(logs[0]!.message, "holds one item while it waits for another")
          yield* lease.release()
          yield* Fiber.joinAll(fibers)
        })
      ))
  })

  describe("spans", () => {
    it.scoped("of a creation have no parent, and a link to the borrower who caused it", () =>
      Effect.gen(function*() {
        const spans: Array<Tracer.AnySpan> = []
        const pool = yield* ResourcePool.make({
          acquire: Effect.withSpan(Effect.map(Effect.orDie(Effect.currentSpan), (span) => spans.push(span)), "creation")
        }).pipe(Effect.withSpan("maker"))
        yield* Effect.withSpan(pool.use(() => Effect.void), "borrower")
        const [span] = spans
        assert.isTrue(span?._tag === "Span" && Option.isNone(span.parent))
        assert.deepStrictEqual(
          span?._tag === "Span" ? span.links.map(({ span }) => span._tag === "Span" ? span.name : "") : [],
          ["borrower"]
        )
      }))
  })

  describe("events", () => {
    it.scoped("publishes events while a subscriber listens", () =>
      Effect.gen(function*() {
        const source = makeSource()
        let down = false
        const pool = yield* ResourcePool.make({
          acquire: Effect.suspend(() => down ? Effect.fail("down") : source.acquire),
          maxSize: 1
        })
        yield* Effect.ignore(borrow(pool))
        const listening = yield* Effect.fork(Stream.runCollect(pool.events))
        yield* settle
        down = true
        yield* Effect.scoped(Effect.flatMap(pool.get, pool.invalidate))
        yield* settle
        const next = yield* Effect.fork(borrow(pool))
        yield* settle
        down = false
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(next)
        yield* pool.close
        const events = [...yield* Fiber.join(listening)]
        assert.deepStrictEqual(events.map((event) => event._tag === "Destroyed" ? event.reason : event._tag), [
          "invalidated",
          "Backoff",
          "Recovered",
          "Created",
          "closed"
        ])
      }))
  })

  describe("metrics", () => {
    const read = (pool: string) =>
      Effect.map(Metric.figures, (figures) => {
        const values: Record<string, number> = {}
        for (const { name, tags, value } of figures) {
          if (tags["pool"] === pool) values[tags["reason"] === undefined ? name : `${name}.${tags["reason"]}`] = value
        }
        return values
      })

    it.effect("show every figure of the pool, and keep the counts when it is gone", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const source = makeSource()
        let down = false
        const pool = yield* Scope.extend(
          ResourcePool.make({
            name: "measured",
            acquire: Effect.suspend(() => down ? Effect.fail("down") : source.acquire),
            minSize: 2,
            maxSize: 3,
            maxWaiters: 1,
            acquireTimeout: "1 second"
          }),
          scope
        )
        yield* Effect.ignore(pool.ready)
        const first = yield* Effect.orDie(pool.acquire)
        yield* first.release()
        const leases = yield* Effect.orDie(Effect.all([pool.acquire, pool.acquire, pool.acquire]))
        const waiting = yield* Effect.fork(Effect.exit(pool.get.pipe(Effect.scoped)))
        yield* settle
        yield* Effect.exit(Effect.scoped(pool.get))
        assert.deepInclude(yield* read("measured"), {
          effect_pools_size: 3,
          effect_pools_idle: 0,
          effect_pools_in_use: 3,
          effect_pools_leases: 3,
          effect_pools_waiters: 1,
          effect_pools_creating: 0,
          effect_pools_min_size: 2,
          effect_pools_max_size: 3,
          effect_pools_acquisitions_total: 4,
          effect_pools_reuses_total: 1,
          effect_pools_created_total: 3,
          effect_pools_rejections_total: 1
        })
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(waiting)
        down = true
        yield* pool.invalidate(leases[0].value)
        yield* Effect.forEach(leases, (lease) => lease.release())
        yield* settle
        const fiber = yield* Effect.fork(Effect.exit(Effect.scoped(Effect.all([pool.get, pool.get, pool.get]))))
        yield* settle
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(fiber)
        const before = yield* read("measured")
        assert.deepInclude(before, {
          effect_pools_timeouts_total: (yield* pool.stats).timeouts,
          effect_pools_failures_total: (yield* pool.stats).failures,
          "effect_pools_destroyed_total.invalidated": 1
        })
        assert.isAtLeast((yield* pool.stats).timeouts, 1)
        assert.isAtLeast((yield* pool.stats).failures, 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepInclude(yield* read("measured"), {
          effect_pools_size: 0,
          effect_pools_max_size: 0,
          effect_pools_created_total: 3,
          "effect_pools_destroyed_total.closed": 2
        })
      }))

    it.scoped("are read by their definitions, and pools of one name count together", () =>
      Effect.gen(function*() {
        const make = ResourcePool.make({ name: "twins", acquire: makeSource().acquire })
        const pools = yield* Effect.all([make, make])
        yield* Effect.forEach(pools, borrow)
        const { count } = yield* Metric.value(Metric.tagged(PoolMetrics.acquisitions, "pool", "twins"))
        assert.strictEqual(count, 2)
      }))

    it.scoped("time waiting, creating and use where that is asked for, whichever way is borrowed", () =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          name: "timed",
          acquire: Effect.delay(makeSource().acquire, "2 seconds"),
          maxSize: 1,
          acquireTimeout: "20 seconds",
          histograms: true
        })
        const held = Effect.sleep("4 seconds")
        const ways = [
          pool.use(() => held),
          Effect.scoped(Effect.andThen(pool.get, held)),
          Effect.flatMap(pool.acquire, (lease) => Effect.andThen(held, lease.release())),
          Effect.scoped(Effect.andThen(pool.tryGet, held)),
          pool.useSync(() => 0)
        ]
        const borrowing = yield* Effect.fork(Effect.all(ways))
        yield* settle
        // the first borrower waits for a creation
        for (const seconds of [2, 4, 4, 4, 4]) {
          yield* TestClock.adjust(Duration.seconds(seconds))
          yield* settle
        }
        yield* Fiber.join(borrowing)
        const lease = yield* pool.acquire
        const late = yield* Effect.fork(Effect.flip(pool.useSync(() => 0)))
        yield* settle
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(late)
        yield* lease.release()
        const read = (metric: Metric.Histogram) =>
          Effect.map(Metric.value(Metric.tagged(metric, "pool", "timed")), ({ buckets, count, max, sum }) => ({
            count,
            max,
            sum: Math.round(sum * 1_000) / 1_000,
            upTo: Object.fromEntries(buckets)
          }))
        const created = yield* read(PoolMetrics.createTime)
        assert.deepInclude(created, { count: 1, max: 2, sum: 2 })
        assert.deepInclude(created.upTo, { "1": 0, "2.5": 1 })
        // borrowers that gave up do not count
        assert.strictEqual((yield* pool.stats).timeouts, 1)
        assert.deepInclude(yield* read(PoolMetrics.waitTime), { count: 6, max: 2, sum: 2 })
        const used = yield* read(PoolMetrics.useTime)
        assert.deepInclude(used, { count: 6, max: 20, sum: 36 })
        assert.deepInclude(used.upTo, { "0.0001": 1, "2.5": 1, "5": 5 })
      }))

    it.scoped("have no histograms unless the option asks for them", () =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({ name: "untimed", acquire: makeSource().acquire })
        yield* borrow(pool)
        const names = (yield* Metric.figures).flatMap(({ name, tags }) => tags["pool"] === "untimed" ? [name] : [])
        assert.include(names, "effect_pools_size")
        assert.isFalse(names.some((name) => name.endsWith("_seconds")))
      }))

    it.scoped("carry the metric labels of the pool's maker", () =>
      Effect.gen(function*() {
        const pool = yield* Effect.tagMetrics(
          ResourcePool.make({ name: "labelled", acquire: makeSource().acquire }),
          "service",
          "orders"
        )
        yield* borrow(pool)
        const metric = PoolMetrics.created.pipe(Metric.tagged("pool", "labelled"), Metric.tagged("service", "orders"))
        assert.strictEqual((yield* Metric.value(metric)).count, 1)
        // as a reader in the same region finds them
        const within = Metric.value(Metric.tagged(PoolMetrics.created, "pool", "labelled"))
        assert.strictEqual((yield* Effect.tagMetrics(within, "service", "orders")).count, 1)
      }))
  })
})
