/** The grants of sessions, and the engine's limits for streams. */
import * as Cause from "#test/Cause"
import * as ConfigProvider from "#test/ConfigProvider"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Metric from "#test/Metric"
import * as Scope from "#test/Scope"
import * as Socket from "#test/Socket"
import * as TestClock from "#test/TestClock"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { can, where } from "../support/capabilities.js"
import { client, live, startServer } from "../support/implementation.js"
import { allBack, failure } from "../support/streamPools.js"
import {
  bytes,
  connect,
  echo,
  fill,
  inMemory,
  quiet,
  sessionInMemory,
  sessionOptions,
  silent,
  soon,
  text,
  until,
  untilStats
} from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { flow, onTestClock, within } from "../support/time.js"
import { assert, describe, it, layer } from "../support/vitest.js"

const Live = live()
const withNode = Effect.provide(Layer.merge(client, silent))

const url = "https://127.0.0.1/"

const range = (length: number) => Array.from({ length }, (_, i) => i)

/** Borrows until the scope closes. */
const hold = (pool: StreamPool.Service) =>
  Effect.tap(pool.acquire, (lease) => Effect.addFinalizer(() => lease.release()))

/** The borrower fails, so that its stream is reset. */
const spoil = (message: string) => (stream: WebTransport.BidirectionalStream) =>
  Effect.flatMap(echo(stream, message), (answer) => Effect.fail(`spoiled ${answer}`))

/** The credit of a stream that the peer finishes first does not come back (fails-components 1.6.8 over HTTP/2). */
const toTheEnd = (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    yield* stream.write(bytes("hello"))
    yield* stream.closeWrite
    let all = ""
    for (;;) {
      const chunk = yield* stream.read
      if (Option.isNone(chunk)) return all
      all += text(chunk.value)
    }
  })

const capacities = (pool: StreamPool.Service) =>
  Effect.map(pool.sessions, (sessions) => sessions.map(({ capacity }) => capacity))

describe("what a session grants", () => {
  where("limitsStreams", it.scopedLive)(
    "serves many borrowers on a session of a few streams, and knows how many it grants",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 32 })
        const answers = yield* soon(Effect.forEach(range(200), (i) => pool.use((stream) => echo(stream, `${i}`)), {
          concurrency: "unbounded"
        }))
        assert.deepStrictEqual(answers, range(200).map(String))
        assert.deepStrictEqual(yield* capacities(pool), [4])
        assert.deepInclude(yield* pool.stats, { created: 4, failures: 0, timeouts: 0 })
        assert.strictEqual((yield* server.statsOf("/echo")).streamsAccepted, 4)
      }).pipe(withNode)
  )

  for (const batch of [1, 4, 8]) {
    where("limitsStreams", it.scopedLive)(
      `serves borrowers who all spoil their streams, with credit that returns ${batch} at a time`,
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 8 })
          const path = `/echo?creditBatch=${batch}`
          const session = yield* connect(server, path)
          const pool = yield* StreamPool.make({ session, maxSize: 32 })
          const outcomes = yield* soon(
            Effect.forEach(range(120), (i) => Effect.flip(pool.use(spoil(`${i}`))), { concurrency: "unbounded" })
          )
          assert.deepStrictEqual(outcomes, range(120).map((i) => `spoiled ${i}`))
          assert.strictEqual((yield* server.statsOf(path)).streamsAccepted, 120)
          assert.strictEqual((yield* pool.stats).failures, 0)
        }).pipe(withNode)
    )
  }

  where("limitsStreams", it.scopedLive)(
    "goes on reusing the streams of a session that refused one while it had none",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 1 })
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 4 })
        // the credit is on its way back whenever the next borrower asks
        yield* soon(Effect.forEach(range(10), (i) => Effect.flip(pool.use(spoil(`${i}`)))))
        const before = (yield* pool.stats).created
        yield* soon(Effect.forEach(range(10), (i) => pool.use((stream) => echo(stream, `${i}`))))
        assert.isAtMost((yield* pool.stats).created - before, 1)
      }).pipe(withNode)
  )

  where("limitsStreams", it.scopedLive)(
    "ends a wait on a full session by acquireTimeout, with a PoolError",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 32, acquireTimeout: "200 millis" })
        yield* soon(Effect.all(range(4).map(() => hold(pool))))
        const errors = yield* Effect.forEach(range(20), () => Effect.flip(pool.use((stream) => echo(stream))), {
          concurrency: "unbounded"
        }).pipe(within(200))
        assert.deepStrictEqual(
          errors.map((error) => [error._tag, error.reason]),
          range(20).map(() => ["PoolError", "AcquireTimeout"])
        )
        assert.deepInclude(yield* pool.stats, { timeouts: 20, failures: 0 })
      }).pipe(withNode, onTestClock)
  )

  where("limitsStreams", it.scopedLive)(
    "fails with StreamLimit once the only session has no credit and no stream left",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 2, openTimeout: "100 millis" })
        for (let i = 0; i < 4; i++) assert.strictEqual(yield* soon(pool.use(toTheEnd)), "hello")
        const errors = yield* flow(Effect.forEach(range(10), () => Effect.flip(pool.use(toTheEnd)), {
          concurrency: "unbounded"
        }))
        for (const error of errors) assert.strictEqual(error.reason, "StreamLimit")
      }).pipe(withNode, onTestClock)
  )

  where("limitsStreams", it.scopedLive)(
    "replaces a session without credit; no borrower fails",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 16 })
        const answers = yield* soon(Effect.forEach(range(60), () => pool.use(toTheEnd), { concurrency: 16 }))
        assert.deepStrictEqual(answers, range(60).map(() => "hello"))
        yield* untilStats(sessionPool, ({ destroyed }) => destroyed.retired >= 13)
        const { sessionsAccepted, streamsAccepted } = yield* server.statsOf("/echo")
        assert.strictEqual(streamsAccepted, 60)
        assert.isAtLeast(sessionsAccepted, 15)
      }).pipe(withNode)
  )

  if (!can("limitsStreams")) {
    it.scopedLive("serves many borrowers on a session that grants some 100 streams, and keeps others waiting", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({
          session,
          maxSize: 200,
          maxStreamsPerSession: 200,
          openTimeout: "200 millis"
        })
        // each stream is held until the session grants no more
        const full = until(capacities(pool), ([capacity]) => capacity! < Infinity)
        const held = (message: string) => pool.use((stream) => Effect.tap(echo(stream, message), full))
        const serving = yield* Effect.fork(
          Effect.forEach(range(300), (i) => held(`${i}`), { concurrency: "unbounded" })
        )
        yield* untilStats(pool, ({ created }) => created >= 80)
        assert.deepStrictEqual(yield* flow(Fiber.join(serving)), range(300).map(String))
        const { created, failures, timeouts } = yield* pool.stats
        assert.isAtMost(created, 110)
        assert.deepStrictEqual([failures, timeouts], [0, 0])
      }).pipe(withNode, onTestClock))

    it.scopedLive("serves borrowers who all spoil their streams, with credit that returns in batches of its own", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({
          session,
          maxSize: 200,
          maxStreamsPerSession: 200,
          openTimeout: "20 seconds"
        })
        const outcomes = yield* soon(
          Effect.forEach(range(600), (i) => Effect.flip(pool.use(spoil(`${i}`))), { concurrency: "unbounded" })
        )
        assert.deepStrictEqual(outcomes, range(600).map((i) => `spoiled ${i}`))
        assert.strictEqual((yield* pool.stats).failures, 0)
      }).pipe(withNode))

    it.scopedLive("ends a wait on a session that grants no more by acquireTimeout, with a PoolError", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({
          session,
          maxSize: 200,
          maxStreamsPerSession: 200,
          openTimeout: "200 millis",
          acquireTimeout: "600 millis"
        })
        const holding = yield* Effect.fork(
          Effect.forEach(range(120), () => Effect.exit(hold(pool)), { concurrency: "unbounded" })
        )
        yield* untilStats(pool, ({ leases }) => leases >= 80)
        const outcomes = yield* flow(Fiber.join(holding))
        const errors = outcomes.filter(Exit.isFailure).map(failure).map((error) => [error._tag, error.reason])
        assert.isAtLeast(errors.length, 20)
        assert.isAtMost(errors.length, 40)
        assert.deepStrictEqual(errors, errors.map(() => ["PoolError", "AcquireTimeout"]))
        assert.deepInclude(yield* pool.stats, { timeouts: errors.length, failures: 0 })
      }).pipe(withNode, onTestClock))

    it.scopedLive("fails with StreamLimit while the only session has none left for it", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 2, openTimeout: "100 millis" })
        yield* fill(session)
        const error = yield* Effect.flip(pool.use(toTheEnd)).pipe(within(100))
        assert.strictEqual(error.reason, "StreamLimit")
      }).pipe(withNode, onTestClock))

    it.scopedLive("opens another session when the first grants no more; no borrower fails", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 2 })
        const pool = yield* StreamPool.make({
          sessionPool,
          maxSize: 150,
          maxStreamsPerSession: 150,
          openTimeout: "200 millis"
        })
        const holding = yield* Effect.fork(Effect.forEach(range(150), () => hold(pool), { concurrency: "unbounded" }))
        // the second session grants the other streams, too
        yield* untilStats(pool, ({ leases }) => leases >= 80)
        const leases = yield* flow(Fiber.join(holding))
        const answers = yield* soon(Effect.forEach(leases, ({ value }, i) => echo(value, `${i}`)))
        assert.deepStrictEqual(answers, range(150).map(String))
        assert.strictEqual((yield* server.statsOf("/echo")).sessionsAccepted, 2)
      }).pipe(withNode, onTestClock))
  }

  it.scoped("asks a full session again after a pause, which grows to a second, while a borrower waits", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory({ streamLimit: 2 })
      const pool = yield* StreamPool.make({ session, maxSize: 16, acquireTimeout: "1 hour" })
      // a stream of the owner or of a ping: the pool does not know when it ends
      const other = yield* session.createBidirectionalStream()
      yield* hold(pool)
      const waiting = yield* Effect.all(range(2).map(() => Effect.forkScoped(hold(pool))))
      yield* quiet
      assert.strictEqual(server.streamCounts.refused, 1)
      assert.deepStrictEqual(yield* capacities(pool), [1])
      for (const pause of [10, 20, 40, 80, 160, 320, 640, 1000, 1000]) {
        const before = server.streamCounts.refused
        yield* TestClock.adjust(pause - 1)
        yield* quiet
        assert.strictEqual(server.streamCounts.refused, before, `${pause} ms`)
        yield* TestClock.adjust(1)
        yield* quiet
        assert.strictEqual(server.streamCounts.refused, before + 1, `${pause} ms`)
      }
      // when a foreign stream has ended, the session is asked within 10 ms
      yield* other.reset(0)
      yield* TestClock.adjust(10)
      yield* quiet
      assert.strictEqual(server.streamCounts.granted, 3)
      // after a grant the session is asked for another stream, then again after a short pause
      const before = server.streamCounts.refused
      yield* TestClock.adjust(10)
      yield* quiet
      assert.strictEqual(server.streamCounts.refused, before + 1)
      // without a waiter the session is not asked
      yield* Effect.forEach(waiting, Fiber.interrupt)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(server.streamCounts.refused, before + 1)
      assert.strictEqual(server.streamCounts.mostPending, 1)
    }))

  it.scoped("asks at once when one of its streams has ended, and 10 ms later at most if it was just asked", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory({ streamLimit: 4, creditBatch: 2 })
      const pool = yield* StreamPool.make({ session, maxSize: 16, acquireTimeout: "1 hour" })
      const leases = yield* Effect.all(range(4).map(() => hold(pool)))
      const waiting = yield* Effect.all(range(3).map(() => Effect.forkScoped(hold(pool))))
      yield* quiet
      yield* TestClock.adjust("10 seconds")
      yield* TestClock.adjust(500)
      yield* quiet
      const before = server.streamCounts.refused
      // credit comes back for two streams at a time: the first request is in vain
      yield* leases[0]!.release(Exit.fail("spoiled"))
      yield* quiet
      assert.strictEqual(server.streamCounts.refused, before + 1)
      assert.deepStrictEqual(yield* capacities(pool), [3])
      yield* leases[1]!.release(Exit.fail("spoiled"))
      yield* quiet
      assert.deepStrictEqual([server.streamCounts.granted, server.streamCounts.refused], [4, before + 1])
      yield* TestClock.adjust(10)
      yield* quiet
      assert.deepStrictEqual([server.streamCounts.granted, server.streamCounts.refused], [6, before + 2])
      assert.strictEqual((yield* Effect.forEach(waiting, Fiber.poll)).filter(Option.isSome).length, 2)
      assert.deepStrictEqual(yield* capacities(pool), [4])
    }))

  where("returnsCredit", it.scopedLive)(
    "serves waiters after the end of streams that are not the pool's",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 200, maxStreamsPerSession: 200, openTimeout: 200 })
        yield* hold(pool)
        const others = yield* Scope.make()
        yield* Scope.extend(fill(session), others)
        const waiting = yield* Effect.fork(pool.use((stream) => echo(stream)))
        yield* soon(until(capacities(pool), ([capacity]) => capacity === 1))
        yield* Scope.close(others, Exit.void)
        assert.strictEqual(yield* soon(Fiber.join(waiting)), "hello")
      }).pipe(withNode)
  )

  it.scoped("probes for a stream that ended while it was being refused another", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory({ streamLimit: 2, beyondLimit: "wait" })
      const pool = yield* StreamPool.make({ session, maxSize: 4, openTimeout: "1 second" })
      const leases = yield* Effect.all(range(2).map(() => hold(pool)))
      yield* Effect.forkScoped(hold(pool))
      yield* quiet
      assert.deepStrictEqual([server.streamCounts.requested, server.streamCounts.pending], [3, 1])
      yield* leases[0]!.release(Exit.fail("spoiled"))
      yield* quiet
      assert.deepStrictEqual([server.streamCounts.granted, server.streamCounts.pending], [3, 0])
    }))

  it.scoped("never has two streams of one session on their way", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory({ streamLimit: 8, creditBatch: 3, beyondLimit: "wait" })
      const pool = yield* StreamPool.make({ session, maxSize: 64, createConcurrency: 32 })
      const borrow = (i: number): Effect.Effect<Exit.Exit<string, unknown>> =>
        Effect.exit(pool.use((stream) => i % 3 === 0 ? spoil("x")(stream) : echo(stream)))
      const exits = yield* Effect.forEach(range(300), borrow, { concurrency: "unbounded" })
      assert.deepStrictEqual(exits.filter(Exit.isSuccess).length, 200)
      assert.strictEqual(server.streamCounts.mostPending, 1)
    }))

  it.scoped("nor after the borrower that wanted it was interrupted; the next borrower gets it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory()
      const pool = yield* StreamPool.make({ session, maxSize: 4 })
      yield* Effect.scoped(Effect.all(range(3).map(() => hold(pool))))
      yield* server.holdStreams
      // a socket wants a fresh stream, in the place of an idle stream
      for (let i = 0; i < 3; i++) {
        const run = yield* Effect.fork(
          Effect.flatMap(pool.makeSocket, (socket) => Socket.runner(socket).run(() => Effect.void))
        )
        yield* quiet
        yield* Fiber.interrupt(run)
      }
      assert.deepStrictEqual([server.streamCounts.pending, server.streams.length], [1, 0])
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      yield* server.grantStreams
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      assert.deepStrictEqual([server.streamCounts.mostPending, server.streamCounts.granted], [1, 4])
    }))

  it.scoped("gives up a session that never answers the opening of an interrupted borrower", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 1 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 1, openTimeout: "1 second" })
      yield* pool.use((stream) => echo(stream))
      yield* (yield* sessions)[0]!.holdStreams
      const run = yield* Effect.fork(
        Effect.flatMap(pool.makeSocket, (socket) => Socket.runner(socket).run(() => Effect.void))
      )
      yield* quiet
      yield* Fiber.interrupt(run)
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      assert.deepStrictEqual([(yield* sessions).length, (yield* sessions)[0]!.streamCounts.requested], [1, 2])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      assert.strictEqual((yield* sessions).length, 2)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("makes an idle one of a stream that comes too late", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory()
      const pool = yield* StreamPool.make({ session, maxSize: 4, openTimeout: "1 second" })
      yield* server.holdStreams
      const borrower = yield* Effect.fork(Effect.flip(pool.use((stream) => echo(stream))))
      yield* quiet
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(borrower)).reason, "StreamLimit")
      yield* server.grantStreams
      yield* quiet
      yield* TestClock.adjust("1 second")
      yield* quiet
      assert.deepInclude(yield* pool.stats, { idle: 1, size: 1 })
      assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
      assert.deepStrictEqual([server.streamCounts.requested, server.streamCounts.granted], [1, 1])
    }))

  it.scoped("gives a late stream to the first waiter", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory()
      const pool = yield* StreamPool.make({ session, maxSize: 4, openTimeout: "1 second" })
      yield* hold(pool)
      yield* server.holdStreams
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* capacities(pool), [1])
      yield* server.grantStreams
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      assert.deepStrictEqual([server.streamCounts.requested, yield* capacities(pool)], [2, [Infinity]])
    }))

  it.scoped("ends a late stream that there is no room for", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 2 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 2, openTimeout: "1 second" })
      yield* hold(pool)
      const first = (yield* sessions)[0]!
      yield* first.holdStreams
      const second = yield* Effect.fork(hold(pool))
      yield* quiet
      assert.strictEqual(first.streamCounts.pending, 1)
      yield* TestClock.adjust("1 second")
      // another session serves the borrower instead
      yield* Fiber.join(second)
      assert.strictEqual((yield* sessions).length, 2)
      yield* first.grantStreams
      yield* quiet
      assert.deepStrictEqual([first.streamCounts.granted, first.streams.length], [2, 1])
      assert.deepInclude(yield* pool.stats, { size: 2, idle: 0 })
    }).pipe(Effect.provide(inMemory())))

  it.scoped("replaces a session on which an opening never settles, once its streams are gone", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 1 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 2, openTimeout: "1 second" })
      const lease = yield* hold(pool)
      const first = (yield* sessions)[0]!
      yield* first.holdStreams
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(borrower)))
      yield* lease.release(Exit.fail("spoiled"))
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      assert.deepStrictEqual([(yield* sessions).length, first.streamCounts.requested], [2, 2])
      assert.isFalse(first.isOpen)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("does not open session after session where none grants anything", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 4 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 8, acquireTimeout: "10 seconds" })
      const borrowers = yield* Effect.fork(
        Effect.forEach(range(50), () => Effect.flip(pool.use((stream) => echo(stream))), { concurrency: "unbounded" })
      )
      for (let i = 0; i < 12; i++) {
        yield* quiet
        yield* TestClock.adjust("1 second")
      }
      for (const error of yield* Fiber.join(borrowers)) {
        assert.include(["StreamLimit", "AcquireTimeout"], error.reason)
      }
      assert.isAtMost((yield* sessions).length, 20)
    }).pipe(Effect.provide(inMemory({ streamLimit: 0 }))))

  it.scoped("leaves a session that ended alone, though minSize asks for streams", () =>
    Effect.gen(function*() {
      const { server, session } = yield* sessionInMemory()
      const pool = yield* StreamPool.make({ session, minSize: 2 })
      yield* pool.ready
      yield* server.closeWith({ closeCode: 0, reason: "" })
      yield* quiet
      yield* TestClock.adjust("1 minute")
      yield* quiet
      assert.isAtMost((yield* pool.stats).failures, 10)
      assert.strictEqual((yield* Effect.flip(pool.use((stream) => echo(stream)))).reason, "SessionClosed")
      assert.strictEqual((yield* Effect.flip(pool.ready)).reason, "SessionClosed")
    }))
})

describe("maxStreamsOpened", () => {
  it.scopedLive("replaces a session after so many streams, and leaves those that are out as they are", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 1 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 4, maxStreamsOpened: 5 })
      const held = yield* hold(pool)
      const outcomes = yield* soon(Effect.forEach(range(30), (i) => Effect.flip(pool.use(spoil(`${i}`)))))
      assert.deepStrictEqual(outcomes, range(30).map((i) => `spoiled ${i}`))
      assert.strictEqual(yield* soon(echo(held.value, "still here")), "still here")
      const { sessionsAccepted, streamsAccepted } = yield* server.statsOf("/echo")
      assert.deepStrictEqual({ sessionsAccepted, streamsAccepted }, { sessionsAccepted: 7, streamsAccepted: 31 })
      assert.deepInclude((yield* pool.sessions)[0], { streams: 1, inUse: 1, opened: 5, isRetired: true })
      yield* held.release()
      yield* soon(server.until(({ sessionsOpen }) => sessionsOpen <= 1))
    }).pipe(withNode))

  it.scopedLive("ends the idle streams of a session that is replaced", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 1 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 4, maxStreamsOpened: 3 })
      const leases = yield* Effect.all(range(2).map(() => hold(pool)))
      yield* Effect.forEach(leases, (lease) => lease.release())
      assert.strictEqual((yield* pool.stats).idle, 2)
      yield* Effect.scoped(Effect.all(range(3).map(() => hold(pool))))
      yield* soon(server.until(({ sessionsOpen }) => sessionsOpen === 0))
      yield* untilStats(pool, ({ destroyed, size }) => size === 0 && destroyed.retired === 3)
    }).pipe(withNode))
})

describe("the engine, over streams", () => {
  layer(Live, { excludeTestServices: true })("of a server", (it) => {
    const make = (
      test: string,
      options: Partial<StreamPool.MakeOptions>,
      behaviour = "/echo"
    ) =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = `${behaviour}?${test}`
        const session = yield* connect(server, path)
        const pool = yield* StreamPool.make({ ...options, session, sessionPool: undefined })
        return { pool, server, path, counts: server.statsOf(path) }
      })

    it.scoped("works by every verb: use, useSync, get, acquire and tryGet", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("verbs", { maxSize: 1 })
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
        assert.strictEqual(yield* Effect.scoped(Effect.flatMap(pool.get, (stream) => echo(stream))), "hello")
        const lease = yield* pool.acquire
        assert.strictEqual(yield* echo(lease.value), "hello")
        assert.isTrue(Option.isNone(yield* Effect.scoped(pool.tryGet)))
        yield* lease.release()
        yield* allBack(pool)
        const found = yield* Effect.scoped(
          Effect.flatMap(pool.tryGet, Option.match({ onNone: () => Effect.succeed("none"), onSome: (s) => echo(s) }))
        )
        assert.strictEqual(found, "hello")
        assert.isTrue(yield* pool.useSync((stream) => stream.native === lease.value.native))
        assert.deepInclude(yield* allBack(pool), { created: 1, acquisitions: 5, idle: 1 })
      }))

    it.scoped("refuses a borrower when maxWaiters wait", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("max-waiters", { maxSize: 1, maxWaiters: 2 })
        const lease = yield* hold(pool)
        const waiting = yield* Effect.all(range(2).map(() => Effect.fork(pool.use((stream) => echo(stream)))))
        yield* untilStats(pool, ({ waiters }) => waiters === 2)
        const error = yield* Effect.flip(pool.use((stream) => echo(stream)))
        assert.deepStrictEqual([error._tag, error.reason], ["PoolError", "QueueFull"])
        yield* lease.release()
        assert.deepStrictEqual(yield* soon(Effect.forEach(waiting, Fiber.join)), ["hello", "hello"])
        assert.strictEqual((yield* pool.stats).rejections, 1)
      }))

    it.scoped("serves waiters first come, first served", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("fair", { maxSize: 1 })
        const lease = yield* hold(pool)
        const order: Array<number> = []
        const borrowers = yield* Effect.forEach(range(20), (i) =>
          Effect.tap(
            Effect.fork(pool.use((stream) => Effect.map(echo(stream), () => order.push(i)))),
            untilStats(pool, ({ waiters }) => waiters === i + 1)
          ))
        yield* lease.release()
        yield* soon(Effect.forEach(borrowers, Fiber.join))
        assert.deepStrictEqual(order, range(20))
      }))

    it.scoped("keeps minSize streams, also after a loss", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* make("min-size", { minSize: 3 })
        yield* soon(pool.ready)
        assert.deepInclude(yield* pool.stats, { idle: 3, acquisitions: 0 })
        yield* Effect.flip(pool.use(spoil("x")))
        yield* untilStats(pool, ({ created, idle }) => idle === 3 && created === 4)
        yield* soon(until(counts, ({ streamsAccepted }) => streamsAccepted === 4))
      }))

    it.scoped("ends unused streams, down to minSize", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("idle", { minSize: 1, idleTimeToLive: "20 millis" })
        yield* soon(Effect.scoped(Effect.all(range(5).map(() => hold(pool)))))
        yield* untilStats(pool, ({ destroyed, size }) => size === 1 && destroyed.idle === 4)
        yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 1))
      }))

    it.scoped("replaces a stream that was used maxUses times, or has lived for maxLifetime", () =>
      Effect.gen(function*() {
        const used = yield* make("max-uses", { maxSize: 1, maxUses: 3 })
        yield* soon(Effect.forEach(range(9), () => used.pool.use((stream) => echo(stream))))
        assert.deepInclude(yield* used.pool.stats, { created: 3, acquisitions: 9 })
        const aged = yield* make("max-lifetime", { maxSize: 1, maxLifetime: "20 millis" })
        yield* soon(aged.pool.use((stream) => echo(stream)))
        yield* untilStats(aged.pool, ({ destroyed }) => destroyed.retired === 1)
      }))

    it.scoped("asks validate before it lends a stream, and lends it clean", () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const { pool } = yield* make("validate", {
          maxSize: 1,
          validateAfterIdle: 0,
          validate: (stream) => Effect.map(Effect.orDie(echo(stream, "there?")), (answer) => asked.push(answer) !== 2)
        })
        yield* soon(pool.use((stream) => echo(stream)))
        // no check for a stream that comes back while a borrower waits
        yield* allBack(pool)
        yield* soon(pool.use((stream) => echo(stream)))
        assert.deepInclude(yield* allBack(pool), { created: 1, reuses: 1 })
        // the second check fails: the borrower gets another stream
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.deepStrictEqual(asked, ["there?", "there?"])
        assert.strictEqual((yield* pool.stats).created, 2)
      }))

    it.scoped("loses a stream that a check leaves unclean", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("unclean-check", {
          maxSize: 1,
          validateAfterIdle: 0,
          validate: (stream) => Effect.as(Effect.orDie(stream.closeWrite), true)
        })
        yield* soon(pool.use((stream) => echo(stream)))
        yield* allBack(pool)
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.deepInclude(yield* pool.stats, { created: 2, reuses: 0 })
        assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
      }))

    it.scoped("pings idle streams, and lends them on", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* make("ping", {
          minSize: 2,
          maxSize: 2,
          keepAlive: { interval: "10 millis", ping: (stream) => echo(stream, "p") }
        })
        yield* soon(pool.ready)
        yield* soon(until(counts, ({ bytesReceived }) => bytesReceived >= 10))
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.strictEqual((yield* pool.stats).created, 2)
      }))

    it.scoped("loses a stream when its ping is not answered", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("hung-ping", {
          minSize: 1,
          checkTimeout: "50 millis",
          keepAlive: { interval: "10 millis", ping: (stream) => echo(stream, "-p") }
        }, "/picky")
        yield* untilStats(pool, ({ destroyed }) => destroyed.lost >= 2)
        yield* untilStats(pool, ({ idle }) => idle === 1)
      }))

    it.scoped("lets onRelease have the stream, and decide", () =>
      Effect.gen(function*() {
        const exits: Array<boolean> = []
        const { pool } = yield* make("on-release", {
          maxSize: 1,
          onRelease: (stream, exit) =>
            Effect.gen(function*() {
              exits.push(Exit.isSuccess(exit))
              yield* Effect.orDie(echo(stream, "bye"))
              return exits.length === 2 ? "discard" : "keep"
            })
        })
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        yield* untilStats(pool, ({ idle }) => idle === 1)
        assert.deepStrictEqual(exits, [true, true, true])
        assert.strictEqual((yield* pool.stats).created, 2)
        // no check for an unfit stream
        yield* Effect.flip(pool.use(spoil("x")))
        yield* untilStats(pool, ({ size }) => size === 0)
        assert.strictEqual(exits.length, 3)
      }))

    it.scoped("discards a stream that onRelease leaves unclean", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("on-release-unclean", {
          maxSize: 1,
          onRelease: (stream) => Effect.as(Effect.orDie(stream.closeWrite), "keep" as const)
        })
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.deepInclude(yield* pool.stats, { created: 5, reuses: 0 })
      }))

    it.scoped("reports a stream that is out for too long", () =>
      Effect.gen(function*() {
        const reported = yield* Deferred.make<string>()
        const logger = Logger.forEachLine(({ message }) => {
          if (message.includes("ever return the item")) Effect.runSync(Deferred.succeed(reported, message))
        })
        const { pool } = yield* Effect.provide(
          make("leak", { leakThreshold: "10 millis" }),
          Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.Warning))
        )
        const lease = yield* pool.acquire
        assert.include(yield* soon(Deferred.await(reported)), "a borrower has held an item for")
        assert.strictEqual(yield* soon(echo(lease.value)), "hello")
        yield* lease.release()
        yield* untilStats(pool, ({ leases }) => leases === 0)
      }))

    it.scoped("counts in stats, and in metrics under its name", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("metrics", { name: "streams under test", maxSize: 2 })
        yield* soon(pool.use((stream) => echo(stream)))
        yield* Effect.flip(pool.use(spoil("x")))
        const lease = yield* hold(pool)
        const value = <A>(metric: Metric.Readable<A>) =>
          Metric.value(Metric.tagged(metric, "pool", "streams under test"))
        assert.strictEqual((yield* value(PoolMetrics.acquisitions)).count, 3)
        assert.strictEqual((yield* value(PoolMetrics.created)).count, 2)
        assert.strictEqual((yield* value(PoolMetrics.inUse)).value, 1)
        assert.deepInclude(yield* pool.stats, { pool: "streams under test", acquisitions: 3, reuses: 1, inUse: 1 })
        assert.strictEqual((yield* pool.stats).destroyed.discarded, 1)
        yield* lease.release()
        assert.strictEqual((yield* value(PoolMetrics.inUse)).value, 0)
      }))

    it.scoped("shrinks and grows at run time", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("resize", { maxSize: 4 })
        const leases = yield* soon(Effect.all(range(4).map(() => hold(pool))))
        yield* pool.resize({ maxSize: 1 })
        yield* Effect.forEach(leases, (lease) => lease.release())
        yield* untilStats(pool, ({ closing, size }) => size === 1 && closing === 0)
        yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 1))
        yield* pool.resize({ maxSize: 3 })
        yield* soon(Effect.scoped(Effect.all(range(3).map(() => hold(pool)))))
        assert.strictEqual((yield* pool.stats).size, 3)
      }))

    it.scoped("invalidates, prunes and clears", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("invalidate", { maxSize: 4 })
        yield* soon(pool.use((stream) => pool.invalidate(stream)))
        yield* untilStats(pool, ({ destroyed, size }) => size === 0 && destroyed.invalidated === 1)
        yield* soon(Effect.scoped(Effect.all(range(3).map(() => hold(pool)))))
        assert.strictEqual(yield* pool.prune("1 hour"), 0)
        assert.strictEqual(yield* pool.clear, 3)
        yield* untilStats(pool, ({ size }) => size === 0)
      }))

    it.scoped("drains: those who wait are served, those who come are not", () =>
      Effect.gen(function*() {
        const { pool } = yield* make("drain", { maxSize: 1 })
        const lease = yield* hold(pool)
        const waiting = yield* Effect.fork(pool.use((stream) => echo(stream)))
        yield* untilStats(pool, ({ waiters }) => waiters === 1)
        const drain = yield* Effect.fork(pool.drain)
        yield* quiet
        assert.isTrue(Exit.isFailure(yield* soon(Effect.exit(pool.use(() => Effect.void)))))
        assert.strictEqual(yield* soon(echo(lease.value, "on")), "on")
        yield* lease.release()
        assert.strictEqual(yield* soon(Fiber.join(waiting)), "hello")
        yield* soon(Fiber.join(drain))
      }))

    it.scoped("closes in time with streams out, which break", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { path, pool, server } = yield* Scope.extend(make("close", { shutdownGrace: "100 millis" }), scope).pipe(
          Effect.provide(silent)
        )
        const lease = yield* pool.acquire
        yield* soon(echo(lease.value))
        const waiting = yield* Effect.fork(Effect.exit(lease.value.read))
        yield* soon(pool.close)
        assert.strictEqual((yield* soon(Effect.flip(lease.value.write(bytes("x"))))).reason, "Write")
        assert.isTrue(Exit.isFailure(yield* soon(Fiber.join(waiting))))
        assert.strictEqual((yield* Effect.flip(pool.use(() => Effect.void))).reason, "PoolClosed")
        // the session belongs to its owner
        yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 0 && paths[path]?.sessionsOpen === 1))
        yield* lease.release()
        yield* soon(Scope.close(scope, Exit.void))
      }))
  })
})

describe("options", () => {
  const refused = (options: Partial<StreamPool.MakeOptions>) =>
    Effect.gen(function*() {
      const { session } = yield* sessionInMemory()
      const exit = yield* Effect.exit(
        StreamPool.make({ session, ...options } as StreamPool.MakeOptions)
      )
      return Exit.isFailure(exit) && Cause.isDie(exit.cause) ? String(Cause.squash(exit.cause)) : "accepted"
    }).pipe(Effect.scoped)

  const bad: ReadonlyArray<readonly [string, Partial<StreamPool.MakeOptions>]> = [
    ["minSize", { minSize: 101 }],
    ["minSize", { minSize: -1 }],
    ["maxSize", { maxSize: 0 }],
    ["maxStreamsPerSession", { maxStreamsPerSession: 0 }],
    ["maxStreamsPerSession", { maxStreamsPerSession: 1.5 }],
    ["maxStreamsOpened", { maxStreamsOpened: 0 }],
    ["maxStreamsOpened", { maxStreamsOpened: NaN }],
    ["openTimeout", { openTimeout: -1 }],
    ["suspectAfter", { suspectAfter: 0 }],
    ["openTimeout", { openTimeout: 0 }],
    ["checkTimeout", { checkTimeout: 0 }],
    ["quarantine", { quarantine: "6 seconds" }],
    ["quarantine", { quarantine: "1 second", checkTimeout: "1 second" }],
    ["acquireTimeout", { acquireTimeout: NaN }],
    ["maxWaiters", { maxWaiters: -1 }],
    ["maxUses", { maxUses: 0 }],
    ["order", { order: "random" as "lifo" }]
  ]
  for (const [option, options] of bad) {
    it.effect(`a defect names ${option}: ${JSON.stringify(options)}`, () =>
      Effect.map(refused(options), (message) => {
        assert.include(message, "[StreamPool]")
        assert.include(message, option)
      }))
  }

  it.effect("accepts a limit of Infinity", () =>
    Effect.map(
      refused({ maxStreamsPerSession: Infinity, maxStreamsOpened: Infinity, suspectAfter: Infinity }),
      (outcome) => assert.strictEqual(outcome, "accepted")
    ))

  it.effect("refuses two sources of streams, none, and what is neither a session nor a pool of ours", () =>
    Effect.gen(function*() {
      assert.include(yield* refused({ session: undefined } as object), "neither was")
      assert.include(yield* refused({ sessionPool: {} } as object), "both were set")
      assert.include(yield* refused({ session: {} } as object), "WebTransport.connect")
      assert.include(yield* refused({ session: undefined, sessionPool: {} } as object), "SessionPool.make")
    }))

  it.scoped("names itself in what it refuses", () =>
    Effect.map(refused({ name: "mine", maxSize: 0 }), (message) => assert.include(message, "[mine] maxSize")))
})

describe("config", () => {
  const read = (entries: Record<string, string>) =>
    Effect.withConfigProvider(StreamPool.config, ConfigProvider.fromMap(new Map(Object.entries(entries))))

  it.effect("has a default for every key", () =>
    Effect.gen(function*() {
      const options = yield* read({})
      const { acquireTimeout, idleTimeToLive, maxLifetime, openTimeout, quarantine, shutdownGrace, ...others } = options
      assert.deepStrictEqual(others, {
        name: "StreamPool",
        histograms: false,
        metrics: true,
        minSize: 0,
        maxSize: 100,
        minIdle: 0,
        maxStreamsPerSession: 100,
        maxStreamsOpened: 500,
        order: "lifo",
        maxWaiters: Infinity,
        clientSpeaksFirst: true,
        suspectAfter: 2,
        maxUses: Infinity
      })
      assert.deepStrictEqual(
        [acquireTimeout, idleTimeToLive, maxLifetime, openTimeout, quarantine, shutdownGrace].map((duration) =>
          Duration.toMillis(duration!)
        ),
        [30_000, Infinity, Infinity, 1_000, 0, 5_000]
      )
    }))

  it.effect("reads every key", () =>
    Effect.gen(function*() {
      const options = yield* read({
        NAME: "mine",
        MIN_SIZE: "1",
        MAX_SIZE: "2",
        MIN_IDLE: "1",
        MAX_STREAMS_PER_SESSION: "3",
        MAX_STREAMS_OPENED: "4",
        ORDER: "fifo",
        ACQUIRE_TIMEOUT: "5 seconds",
        MAX_WAITERS: "6",
        OPEN_TIMEOUT: "7 seconds",
        CLIENT_SPEAKS_FIRST: "false",
        QUARANTINE: "8 millis",
        SUSPECT_AFTER: "9",
        IDLE_TIME_TO_LIVE: "10 seconds",
        MAX_LIFETIME: "11 seconds",
        MAX_USES: "12",
        SHUTDOWN_GRACE: "13 seconds",
        HISTOGRAMS: "true",
        METRICS: "true"
      })
      assert.deepStrictEqual(options, {
        name: "mine",
        minSize: 1,
        maxSize: 2,
        minIdle: 1,
        maxStreamsPerSession: 3,
        maxStreamsOpened: 4,
        order: "fifo",
        acquireTimeout: Duration.seconds(5),
        maxWaiters: 6,
        openTimeout: Duration.seconds(7),
        clientSpeaksFirst: false,
        quarantine: Duration.millis(8),
        suspectAfter: 9,
        idleTimeToLive: Duration.seconds(10),
        maxLifetime: Duration.seconds(11),
        maxUses: 12,
        shutdownGrace: Duration.seconds(13),
        histograms: true,
        metrics: true
      })
    }))

  const bad: ReadonlyArray<readonly [string, string]> = [
    ["MIN_SIZE", "101"],
    ["MIN_SIZE", "-1"],
    ["MAX_SIZE", "0"],
    ["MAX_SIZE", "many"],
    ["MAX_STREAMS_PER_SESSION", "0"],
    ["MAX_STREAMS_OPENED", "0"],
    ["ORDER", "random"],
    ["ACQUIRE_TIMEOUT", "soon"],
    ["MAX_WAITERS", "-1"],
    ["OPEN_TIMEOUT", "later"],
    ["CLIENT_SPEAKS_FIRST", "perhaps"],
    ["QUARANTINE", "6 seconds"],
    ["SUSPECT_AFTER", "0"],
    ["IDLE_TIME_TO_LIVE", "x"],
    ["MAX_LIFETIME", "x"],
    ["MAX_USES", "0"],
    ["SHUTDOWN_GRACE", "x"],
    ["HISTOGRAMS", "x"]
  ]
  const SessionPoolLive = SessionPool.layer({ url }).pipe(Layer.provide(inMemory()))

  for (const [key, value] of bad) {
    it.effect(`a ConfigError names ${key}: ${value}`, () =>
      Effect.gen(function*() {
        const outcome = yield* Effect.exit(Effect.provide(
          StreamPool.StreamPool,
          StreamPool.layerConfig(Config.nested(StreamPool.config, "STREAM_POOL")).pipe(Layer.provide(SessionPoolLive))
        )).pipe(
          Effect.withConfigProvider(
            ConfigProvider.fromMap(new Map([[`STREAM_POOL_${key}`, value]]), { pathDelim: "_" })
          )
        )
        assert.isTrue(Exit.isFailure(outcome))
        assert.include(String(outcome).replaceAll(/[."\][, ]+/g, "_"), key)
      }))
  }

  it.scoped("makes a layer, with hooks beside it", () =>
    Effect.gen(function*() {
      let released = 0
      const StreamPoolLive = StreamPool.layerConfig(Config.nested(StreamPool.config, "STREAM_POOL"), {
        onRelease: () => Effect.sync(() => (released++, "keep" as const))
      })
      const provider = ConfigProvider.fromMap(
        new Map([["STREAM_POOL_NAME", "mine"], ["STREAM_POOL_MAX_SIZE", "7"]]),
        { pathDelim: "_" }
      )
      yield* Effect.gen(function*() {
        const pool = yield* StreamPool.StreamPool
        assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
        assert.deepInclude(yield* pool.stats, { pool: "mine", max: 7 })
        yield* quiet
        assert.strictEqual(released, 1)
      }).pipe(
        Effect.provide(StreamPoolLive),
        Effect.provide(SessionPoolLive),
        Effect.withConfigProvider(provider)
      )
    }))

  it.scoped("checks a record of values as it checks a Config", () =>
    Effect.gen(function*() {
      const outcome = yield* Effect.exit(
        Layer.build(StreamPool.layerConfig({ maxSize: Config.succeed(0) }).pipe(Layer.provide(SessionPoolLive)))
      )
      assert.isTrue(Exit.isFailure(outcome))
      assert.include(String(outcome), "maxSize")
    }))
})
