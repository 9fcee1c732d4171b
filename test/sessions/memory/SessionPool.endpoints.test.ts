/** Several endpoints of a pool of sessions, in memory: time is the test's. */
import * as Cause from "#test/Cause"
import * as Clock from "#test/Clock"
import * as ConfigProvider from "#test/ConfigProvider"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Metric from "#test/Metric"
import * as Random from "#test/Random"
import * as TestClock from "#test/TestClock"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as TestWebTransport from "effect-pools/TestWebTransport"
import type * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Deferred from "effect/Deferred"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { labelOf, type Name, Servers, servers, urlOf } from "../../support/fleet.js"
import { withLogs } from "../../support/logs.js"
import { soon } from "../../support/soon.js"
import { quiet } from "../../support/streams.js"
import { pass as passSlowly } from "../../support/time.js"
import { assert, describe, it as test } from "../../support/vitest.js"

/** Long times pass in larger steps. */
const pass = (millis: number): Effect.Effect<void> =>
  millis <= 1_000
    ? passSlowly(millis)
    : Effect.andThen(
      Effect.replicateEffect(Effect.andThen(TestClock.adjust(100), quiet), Math.floor(millis / 100), { discard: true }),
      passSlowly(millis % 100)
    )

type Options = SessionPool.Options

const it = (name: string, run: () => Effect.Effect<unknown, unknown, any>) =>
  test.scoped(name, () => run().pipe(Effect.provide(servers)) as Effect.Effect<unknown, unknown>)

const of = (...names: ReadonlyArray<Name>): ReadonlyArray<SessionPool.Endpoint> =>
  names.map((name) => ({ url: urlOf(name) }))

const make = (options: Options) => SessionPool.make({ maxSize: 8, ...options })

/** Borrows and keeps a session; returns the server's name. */
const hold = (pool: SessionPool.Service): Effect.Effect<WebTransport.Session, unknown, any> => pool.get

const holdMany = (pool: SessionPool.Service, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => hold(pool), { discard: true })

/** Sessions that are open, at each server. */
const openAt = (...names: ReadonlyArray<Name>) =>
  Effect.gen(function*() {
    const fleet = yield* Servers
    return yield* Effect.forEach(names, (name) =>
      Effect.map(fleet[name].sessions, (sessions) => sessions.filter(({ isOpen }) => isOpen).length))
  })

const requestedAt = (name: Name) =>
  Effect.gen(function*() {
    const fleet = yield* Servers
    return (yield* fleet[name].sessions).length
  })

const behave = (name: Name, behaviour: TestWebTransport.Behaviour) =>
  Effect.flatMap(Servers, (fleet) => fleet[name].behave(behaviour))

/** The server's process dies: its sessions end, and it refuses new ones. */
const kill = (name: Name) =>
  Effect.gen(function*() {
    const fleet = yield* Servers
    yield* behave(name, { connect: "refuse" })
    for (const session of yield* fleet[name].sessions) yield* session.die
    yield* quiet
  })

const stateOf = (pool: SessionPool.Service, name: Name) =>
  Effect.map(pool.endpoints, (all) => all.find(({ endpoint }) => endpoint === labelOf(name))?.state)

const failureOf = (exit: Exit.Exit<unknown, unknown>): WebTransportError =>
  Cause.squash(Exit.isFailure(exit) ? exit.cause : Cause.empty) as WebTransportError

describe("a SessionPool with several endpoints", () => {
  describe("where to connect", () => {
    it("opens each session to the endpoint with the fewest sessions for its weight", () =>
      Effect.gen(function*() {
        const pool = yield* make({
          endpoints: [{ url: urlOf("a"), weight: 2 }, { url: urlOf("b") }, { url: urlOf("c") }]
        })
        yield* holdMany(pool, 8)
        assert.deepStrictEqual(yield* openAt("a", "b", "c"), [4, 2, 2])
      }))

    it("the first sessions of many pools go to different endpoints", () =>
      Effect.gen(function*() {
        const pools = yield* Effect.replicateEffect(make({ endpoints: of("a", "b", "c") }), 30)
        for (const pool of pools) yield* hold(pool)
        for (const count of yield* openAt("a", "b", "c")) assert.isAbove(count, 3)
      }).pipe(Effect.withRandom(Random.make("first"))))

    it("counts the sessions that are being opened", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: of("a", "b", "c"), maxSize: 3 })
        yield* Effect.forEach(Array.from({ length: 3 }), () => hold(pool), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* openAt("a", "b", "c"), [1, 1, 1])
      }))

    it("keeps to the best priority while one of its endpoints is well", () =>
      Effect.gen(function*() {
        const endpoints = [
          { url: urlOf("a"), priority: 1 },
          { url: urlOf("b"), priority: 0 },
          { url: urlOf("c"), priority: 0 }
        ]
        const pool = yield* make({ endpoints })
        yield* holdMany(pool, 4)
        assert.deepStrictEqual(yield* openAt("a", "b", "c"), [0, 2, 2])
        yield* kill("b")
        yield* kill("c")
        yield* holdMany(pool, 2)
        assert.deepStrictEqual(yield* openAt("a", "b", "c"), [2, 0, 0])
      }))

    it("opens to the first endpoint that can be had, if ordered", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered" })
        yield* holdMany(pool, 3)
        assert.deepStrictEqual(yield* openAt("a", "b"), [3, 0])
        yield* kill("a")
        yield* holdMany(pool, 3)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 3])
      }))

    it("opens one session at a time to an endpoint that is new, and more once one of them proved good", () =>
      Effect.gen(function*() {
        yield* behave("a", { connectDelay: 100 })
        const pool = yield* make({ endpoints: of("a"), createConcurrency: 8 })
        const maxOpening = Effect.map(pool.endpoints, ([a]) => a?.maxOpening)
        const borrowers = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(hold(pool)))
        yield* pass(10)
        assert.strictEqual(yield* requestedAt("a"), 1)
        assert.strictEqual(yield* maxOpening, 1)
        yield* pass(2_000)
        yield* Effect.forEach(borrowers, Fiber.join)
        yield* pass(15_000)
        assert.strictEqual(yield* maxOpening, Infinity)
        yield* behave("a", { connectDelay: 100 })
        const fleet = yield* Servers
        for (const session of yield* fleet.a.sessions) yield* session.die
        yield* quiet
        const more = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(hold(pool)))
        yield* pass(10)
        assert.strictEqual(yield* requestedAt("a"), 16)
        yield* pass(200)
        yield* Effect.forEach(more, Fiber.join)
      }))
  })

  describe("failover", () => {
    it("a connect that fails is followed at once by the next endpoint, in the same creation", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "refuse" })
        const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered", rideOut: 0 })
        yield* hold(pool)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
        const stats = yield* pool.stats
        assert.strictEqual(stats.failures, 0)
        assert.strictEqual(stats.created, 1)
        assert.strictEqual(yield* stateOf(pool, "a"), "Failing")
      }))

    it("after attemptDelay the next endpoint is tried beside, the loser is closed before the winner is lent", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "ignore" })
        const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered", attemptDelay: 300 })
        const borrower = yield* Effect.fork(hold(pool))
        yield* pass(290)
        assert.deepStrictEqual([yield* requestedAt("a"), yield* requestedAt("b")], [1, 0])
        const requested = yield* requestedAt("a")
        yield* pass(20)
        yield* Fiber.join(borrower)
        assert.strictEqual(requested, 1)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
        // no failure, of the pool or of the endpoint
        assert.strictEqual((yield* pool.stats).failures, 0)
        assert.strictEqual((yield* pool.endpoints)[0]!.failures, 0)
      }))

    it("the log tells of no endpoint that it is well again if it told of no trouble: a connect was only late", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          yield* behave("a", { connect: "ignore" })
          const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered", attemptDelay: 300 })
          const borrower = yield* Effect.fork(hold(pool))
          yield* pass(310)
          yield* Fiber.join(borrower)
          assert.notStrictEqual(yield* stateOf(pool, "a"), "Well")
          yield* behave("a", {})
          for (let i = 0; i < 3; i++) yield* Effect.andThen(pass(3_000), hold(pool))
          yield* pass(3_000)
          assert.strictEqual(yield* stateOf(pool, "a"), "Well")
          assert.deepStrictEqual(
            logs.map(({ message }) => String(message)).filter((text) => text.includes("a.test")),
            []
          )
        })
      ))

    it("at most two attempts of a creation run at a time, and the whole takes one place", () =>
      Effect.gen(function*() {
        for (const name of ["a", "b", "c"] as const) yield* behave(name, { connect: "ignore" })
        const pool = yield* make({ endpoints: of("a", "b", "c"), maxSize: 1 })
        yield* Effect.fork(Effect.exit(hold(pool)))
        yield* pass(2_000)
        const requested = yield* Effect.forEach(["a", "b", "c"] as const, requestedAt)
        assert.strictEqual(requested.reduce((sum, count) => sum + count, 0), 2)
        assert.strictEqual((yield* pool.stats).creating, 1)
      }))

    it("a slow endpoint is given twice its usual time", () =>
      Effect.gen(function*() {
        yield* behave("a", { connectDelay: 400 })
        const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered", maxSize: 2 })
        yield* behave("b", { connect: "ignore" })
        // no other endpoint has a session within that time, so a gets its own
        const first = yield* Effect.fork(hold(pool))
        yield* pass(500)
        yield* Fiber.join(first)
        const second = yield* Effect.fork(hold(pool))
        yield* pass(390)
        assert.strictEqual(yield* requestedAt("b"), 1)
        yield* pass(100)
        yield* Fiber.join(second)
      }))

    it("an onOpen that fails is a failed attempt", () =>
      Effect.gen(function*() {
        let opened = 0
        const pool = yield* make({
          endpoints: of("a", "b"),
          balance: "ordered",
          onOpen: () => Effect.suspend(() => ++opened === 1 ? Effect.die("not here") : Effect.void)
        })
        yield* hold(pool)
        yield* quiet
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
        assert.strictEqual(opened, 2)
      }))

    it("fails only when every endpoint failed, and names each endpoint and its reason", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "refuse", status: 503 })
        yield* behave("b", { connect: "ignore" })
        const pool = yield* make({ endpoints: of("a", "b"), connect: { connectTimeout: "1 second" } })
        const borrower = yield* Effect.fork(Effect.exit(hold(pool)))
        yield* pass(1_500)
        const error = failureOf(yield* Fiber.join(borrower))
        assert.strictEqual(error.reason, "Connect")
        assert.include(error.message, "a.test:443 (Connect: ")
        assert.include(error.message, "503")
        assert.include(error.message, "b.test:443 (ConnectTimeout: ")
        assert.instanceOf(error.cause, AggregateError)
        assert.strictEqual((yield* pool.stats).failures, 1)
      }))

    it("a pool with a single endpoint fails as with a url", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "refuse", status: 503 })
        const pool = yield* make({ endpoints: of("a") })
        const error = failureOf(yield* Effect.exit(hold(pool)))
        assert.strictEqual(error.status, 503)
        assert.notInclude(error.message, "endpoints")
      }))

    it("recovers when the first of all dead endpoints is back", () =>
      Effect.gen(function*() {
        for (const name of ["a", "b"] as const) yield* behave(name, { connect: "refuse" })
        const pool = yield* make({ endpoints: of("a", "b") })
        yield* Effect.exit(hold(pool))
        yield* behave("b", {})
        const borrower = yield* Effect.fork(hold(pool))
        yield* pass(100)
        yield* Fiber.join(borrower)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
      }))

    it("an interrupted borrower leaves no session and no attempt", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "ignore" })
        yield* behave("b", { connectDelay: 1_000 })
        const pool = yield* make({ endpoints: of("a", "b"), balance: "ordered" })
        const borrower = yield* Effect.fork(hold(pool))
        yield* pass(500)
        yield* Fiber.interrupt(borrower)
        yield* pool.close
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 0])
        assert.strictEqual((yield* pool.stats).creating, 0)
      }))

    it("borrowers of a StreamPool see no failure of a dead endpoint", () =>
      Effect.gen(function*() {
        yield* behave("a", { connect: "refuse" })
        const sessionPool = yield* make({ endpoints: of("a", "b", "c"), maxSize: 3 })
        const pool = yield* StreamPool.make({ sessionPool, maxStreamsPerSession: 4 })
        const answers = yield* Effect.forEach(
          Array.from({ length: 32 }),
          () => pool.use((stream) => Effect.andThen(stream.write(new Uint8Array([1])), stream.readExactly(1))),
          { concurrency: "unbounded" }
        ).pipe(soon)
        assert.strictEqual(answers.length, 32)
        assert.strictEqual((yield* openAt("a"))[0], 0)
      }))
  })

  describe("64 fibers beside a dead endpoint", () => {
    const step = 25

    /**
     * They borrow for 100 ms each. `inSteps` lets time pass and ends the borrows that are due; on the clock each of them
     * would be a timer of its own, and before each timer the TestClock of Effect 3 asks every fiber whether it waits.
     * `longest` is the longest wait since it was last asked for.
     */
    const load = (pool: SessionPool.Service) =>
      Effect.gen(function*() {
        let longest = 0
        let held: Array<{ readonly end: Deferred.Deferred<void>; readonly at: number }> = []
        const failures: Array<string> = []
        const borrow = Effect.gen(function*() {
          const end = yield* Deferred.make<void>()
          const from = yield* Clock.currentTimeMillis
          const exit = yield* Effect.exit(
            pool.use(() =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => {
                longest = Math.max(longest, now - from)
                held.push({ end, at: now + 100 })
                return Deferred.await(end)
              })
            )
          )
          if (Exit.isFailure(exit)) failures.push(String(exit.cause))
        })
        const endWhatIsDue = Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const due = held.filter(({ at }) => at <= now)
          held = held.filter(({ at }) => at > now)
          return Effect.forEach(due, ({ end }) => Deferred.succeed(end, undefined), { discard: true })
        })
        yield* Effect.forEach(Array.from({ length: 64 }), () => Effect.forkScoped(Effect.forever(borrow)))
        return {
          failures,
          inSteps: (millis: number) =>
            Effect.replicateEffect(
              TestClock.adjust(step).pipe(Effect.andThen(endWhatIsDue), Effect.andThen(quiet)),
              millis / step,
              { discard: true }
            ),
          longest: Effect.sync(() => {
            const now = longest
            longest = 0
            return now
          })
        }
      })

    const options: Options = {
      endpoints: of("a", "b", "c"),
      maxSize: 12,
      concurrency: 8,
      keepAlive: { interval: "1 second", ping: SessionPool.pingStream() },
      checkTimeout: "500 millis"
    }

    it("none waits for more than 1 s for a session beside a killed one", () =>
      Effect.gen(function*() {
        for (const name of ["a", "b", "c"] as const) yield* behave(name, { connectDelay: 20 })
        const pool = yield* make(options)
        const { failures, inSteps, longest } = yield* load(pool)
        yield* inSteps(500)
        yield* longest
        yield* kill("a")
        yield* inSteps(1_500)
        assert.isAtMost(yield* longest, 1_000)
        assert.deepStrictEqual(failures, [])
      }))

    it("none waits for more than attemptDelay and one connect beside a stopped one", () =>
      Effect.gen(function*() {
        for (const name of ["a", "b", "c"] as const) yield* behave(name, { connectDelay: 20 })
        const pool = yield* make(options)
        const { failures, inSteps, longest } = yield* load(pool)
        yield* inSteps(500)
        yield* longest
        yield* behave("a", { connect: "ignore" })
        const fleet = yield* Servers
        for (const session of yield* fleet.a.sessions) yield* session.hang
        // all sessions are replaced
        yield* pool.renew
        yield* inSteps(2_500)
        // each of four timers in a row may end a step later
        assert.isAtMost(yield* longest, 250 + 20 + 4 * step)
        assert.deepStrictEqual(failures, [])
        assert.isAbove((yield* pool.stats).created, 12)
      }))
  })

  describe("health", () => {
    it("a failing endpoint is probed beside the borrowers, and is back as soon as it opens", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: of("a", "b") })
        yield* holdMany(pool, 2)
        yield* kill("a")
        yield* hold(pool)
        assert.strictEqual(yield* stateOf(pool, "a"), "Failing")
        const failedProbes = yield* requestedAt("a")
        yield* pass(1_000)
        assert.isAbove(yield* requestedAt("a"), failedProbes)
        assert.strictEqual(yield* stateOf(pool, "a"), "Failing")
        yield* behave("a", {})
        yield* pass(6_000)
        assert.strictEqual(yield* stateOf(pool, "a"), "Well")
        // the probe's session does not stay
        yield* pass(6_000)
        assert.deepStrictEqual(yield* openAt("a"), [0])
      }))

    it("an endpoint that accepts and closes is ejected, and is back when its probe proved good", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: of("a", "b"), consecutiveFailures: 3 })
        const events = yield* Queue.unbounded<string>()
        yield* Effect.forkScoped(
          Stream.runForEach(
            pool.events,
            (event) => event._tag.startsWith("Endpoint") ? Queue.offer(events, event._tag) : Effect.void
          )
        )
        const fleet = yield* Servers
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.andThen(
              Effect.flatMap(
                fleet.a.sessions,
                (all) => Effect.forEach(all, (session) => session.isOpen ? session.die : Effect.void)
              ),
              Effect.sleep(10)
            )
          )
        )
        yield* hold(pool)
        yield* pass(300)
        yield* hold(pool)
        yield* pass(300)
        assert.strictEqual(yield* stateOf(pool, "a"), "Ejected")
        assert.strictEqual(yield* Queue.take(events).pipe(soon), "EndpointEjected")
        assert.strictEqual((yield* pool.endpoints).find(({ endpoint }) => endpoint === labelOf("a"))!.ejections, 1)
        yield* holdMany(pool, 3)
        assert.deepStrictEqual(yield* openAt("b"), [4])
      }))
  })

  describe("the list", () => {
    it("follows a stream: before the first list creations wait", () =>
      Effect.gen(function*() {
        const lists = yield* Queue.unbounded<ReadonlyArray<SessionPool.Endpoint>>()
        const pool = yield* make({
          endpoints: Stream.fromQueue(lists) as Stream.Stream<ReadonlyArray<SessionPool.Endpoint>>
        })
        const borrower = yield* Effect.fork(hold(pool))
        yield* pass(1_000)
        yield* Queue.offer(lists, of("b", "b"))
        yield* pass(10)
        yield* Fiber.join(borrower)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
        yield* Queue.offer(lists, of("a"))
        yield* quiet
        // the session moves at once, for a new one elsewhere
        yield* pass(10)
        assert.deepStrictEqual((yield* pool.endpoints).map(({ endpoint }) => endpoint), [labelOf("a")])
        yield* hold(pool)
        assert.strictEqual((yield* openAt("a"))[0], 1)
      }))

    it("fails a creation that waits for the first list for longer than the connect timeout", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: Stream.never, connect: { connectTimeout: "2 seconds" } })
        const borrower = yield* Effect.fork(Effect.exit(hold(pool)))
        yield* pass(2_100)
        const error = failureOf(yield* Fiber.join(borrower))
        assert.strictEqual(error.reason, "ConnectTimeout")
        assert.include(error.message, "no list within 2s")
      }))

    it("runs a stream again that fails, and keeps the last list when it ends or is empty", () =>
      Effect.gen(function*() {
        let runs = 0
        const endpoints = Stream.suspend(() => {
          runs++
          return runs < 3
            ? Stream.concat(Stream.make(of("a")), Stream.fail(`run ${runs} failed`))
            : Stream.make(of("b"), [], [{ url: "http://c.test/" }])
        })
        const text = yield* withLogs((logs) =>
          Effect.gen(function*() {
            const pool = yield* make({ endpoints })
            yield* pass(1_000)
            assert.strictEqual(runs, 3)
            yield* hold(pool)
            assert.deepStrictEqual(yield* openAt("a", "b"), [0, 1])
            return logs.map(({ message }) => String(message)).join("\n")
          })
        )
        assert.include(text, "run 1 failed")
        assert.include(text, "it is empty")
        assert.include(text, "it ended")
      }))

    it("uses the valid entries of a list, and warns of the others", () =>
      Effect.gen(function*() {
        const endpoints = Stream.concat(
          Stream.make([{ url: urlOf("a") }, { url: urlOf("b"), weight: 0 }, { url: "http://c.test/" }]),
          Stream.never
        )
        const texts = yield* withLogs((logs) =>
          Effect.gen(function*() {
            const pool = yield* make({ endpoints })
            yield* hold(pool)
            assert.deepStrictEqual((yield* pool.endpoints).map(({ endpoint }) => endpoint), [labelOf("a")])
            return logs.map(({ message }) => String(message)).filter((text) => text.includes("stream of endpoints"))
          })
        )
        assert.lengthOf(texts, 1)
        assert.include(texts[0], "the pool ignores entries of a list: entry 1 has a weight of 0, entry 2 has a URL")
      }))
  })

  describe.each(
    [
      ["a list", of("a")],
      ["what is no list", null]
    ] as const
  )("a stream that fails each time, after %s,", (_, list) => {
    it("is run less and less often", () =>
      Effect.gen(function*() {
        let runs = 0
        const endpoints = Stream.suspend(() => {
          runs++
          return Stream.concat(Stream.make(list as ReadonlyArray<SessionPool.Endpoint>), Stream.fail("cut off"))
        })
        yield* withLogs(() => Effect.andThen(make({ endpoints }), pass(2_000)))
        // after 10 ms, 20 ms, and so on
        assert.isAtMost(runs, 9)
        assert.isAtLeast(runs, 6)
      }))
  })

  describe("moves", () => {
    it("a session of the worse priority is retired each tenth of failbackAfter, once the better one was well for so long", () =>
      Effect.gen(function*() {
        const pool = yield* make({
          endpoints: [{ url: urlOf("a") }, { url: urlOf("b"), priority: 1 }],
          failbackAfter: "10 seconds"
        })
        yield* behave("a", { connect: "refuse" })
        yield* Effect.scoped(holdMany(pool, 4))
        assert.deepStrictEqual(yield* openAt("b"), [4])
        yield* behave("a", {})
        // a probe finds it well
        yield* pass(6_000)
        assert.strictEqual(yield* stateOf(pool, "a"), "Well")
        assert.deepStrictEqual(yield* openAt("b"), [4])
        yield* pass(10_100)
        const [left] = yield* openAt("b")
        assert.isBelow(left!, 4)
        yield* pass(4_000)
        assert.deepStrictEqual(yield* openAt("b"), [0])
        yield* hold(pool)
        assert.deepStrictEqual(yield* openAt("a", "b"), [1, 0])
      }))

    it("sessions to a removed endpoint are retired one after the other", () =>
      Effect.gen(function*() {
        const lists = yield* Queue.unbounded<ReadonlyArray<SessionPool.Endpoint>>()
        yield* Queue.offer(lists, of("a", "b"))
        const pool = yield* make({
          endpoints: Stream.fromQueue(lists) as Stream.Stream<ReadonlyArray<SessionPool.Endpoint>>,
          failbackAfter: "10 seconds"
        })
        yield* Effect.scoped(holdMany(pool, 6))
        assert.deepStrictEqual(yield* openAt("a", "b"), [3, 3])
        yield* Queue.offer(lists, of("b"))
        yield* pass(50)
        assert.strictEqual(yield* stateOf(pool, "a"), "Removed")
        assert.deepStrictEqual(yield* openAt("a", "b"), [2, 3])
        yield* pass(3_100)
        assert.deepStrictEqual(yield* openAt("a", "b"), [0, 3])
        assert.isUndefined(yield* stateOf(pool, "a"))
      }))

    it("an endpoint that is back gets its share, a session each tenth of failbackAfter", () =>
      Effect.gen(function*() {
        const pool = yield* make({ endpoints: of("a", "b"), failbackAfter: "10 seconds", maxSize: 6, minSize: 6 })
        yield* behave("a", { connect: "refuse" })
        yield* pool.ready
        assert.deepStrictEqual(yield* openAt("b"), [6])
        yield* behave("a", {})
        yield* pass(20_000)
        assert.deepStrictEqual(yield* openAt("a", "b"), [3, 3])
      }))
  })

  describe("options", () => {
    const refused: ReadonlyArray<readonly [string, Options]> = [
      // these two do not type-check
      ["endpoints must be left out with url, but both were given", { url: urlOf("a"), endpoints: of("a") } as any],
      ["or endpoints given instead, but was undefined", {} as any],
      ["endpoints must be an array of endpoints", { endpoints: [] }],
      ["has a.test:443 more than once", { endpoints: of("a", "a") }],
      ["entry 0 has a weight of 0", { endpoints: [{ url: urlOf("a"), weight: 0 }] }],
      ["entry 0 has a priority of -1", { endpoints: [{ url: urlOf("a"), priority: -1 }] }],
      ["entry 0 has a URL that is not one for WebTransport", { endpoints: [{ url: "http://a.test/?token=secret" }] }],
      ["attemptDelay must be a duration from 100 ms to 2 seconds", { endpoints: of("a"), attemptDelay: 50 }],
      ["consecutiveFailures must be a whole number of 1 or more", { endpoints: of("a"), consecutiveFailures: 0 }],
      [`balance must be "even" or "ordered"`, { endpoints: of("a"), balance: "random" as "even" }]
    ]
    for (const [problem, options] of refused) {
      it(`are refused: ${problem}`, () =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(make(options))
          const text = Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "none"
          assert.include(text, problem)
          assert.notInclude(text, "secret")
        }))
    }

    const config = (entries: Record<string, string>) =>
      Effect.withConfigProvider(
        Effect.exit(SessionPool.config as unknown as Effect.Effect<SessionPool.ConfigOptions, unknown>),
        ConfigProvider.fromMap(new Map(Object.entries(entries)))
      )

    it("come from URLS and BALANCE", () =>
      Effect.gen(function*() {
        const options = yield* Effect.withConfigProvider(
          Effect.flatMap(SessionPool.config, Effect.succeed),
          ConfigProvider.fromMap(new Map([["URLS", `${urlOf("a")}, ${urlOf("b")}`], ["BALANCE", "ordered"]]))
        )
        assert.deepStrictEqual(options.urls, [urlOf("a"), urlOf("b")])
        assert.strictEqual(options.balance, "ordered")
        assert.isUndefined(options.url)
        assert.include(String(yield* config({ URLS: "https://a.test/,nothing" })), "URLS")
        assert.include(String(yield* config({ URLS: urlOf("a"), URL: urlOf("b") })), "URLS")
        assert.include(String(yield* config({})), "URL")
      }))
  })

  it("shows the figures of each endpoint as metrics, until it leaves the list or the pool closes", () =>
    Effect.gen(function*() {
      const name = "endpoint metrics"
      const read = (endpoint: Name) =>
        Effect.map(
          Metric.value(
            PoolMetrics.endpointSessions.pipe(
              Metric.tagged("pool", name),
              Metric.tagged("endpoint", labelOf(endpoint))
            )
          ),
          ({ value }) => value
        )
      const pool = yield* make({ name, endpoints: of("a", "b") })
      yield* holdMany(pool, 3)
      assert.strictEqual((yield* read("a")) + (yield* read("b")), 3)
      yield* pool.close.pipe(Effect.fork)
      yield* pass(6_000)
      assert.strictEqual((yield* read("a")) + (yield* read("b")), 0)
    }))
})
