/** A request pool as a guest of a stream pool: when streams go back, what their sessions do to them, silence, the end. */
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import { isPoolError } from "effect-pools/PoolError"
import type { RequestError } from "effect-pools/RequestError"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import { isWebTransportError, WebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import { withLogs } from "../../support/logs.js"
import { failureOf } from "../../support/pool.js"
import { ask, collect, error, inMemory, joinAll, peer } from "../../support/requestPools.js"
import { bytes } from "../../support/streamPools.js"
import { quiet } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

/** Lets time pass, and what follows from it. */
const pass = (millis: number) => Effect.andThen(TestClock.adjust(millis), quiet)

const begin = (pool: RequestPool.Service, request: string) => Effect.tap(Effect.fork(ask(pool, request)), () => quiet)

interface Parts {
  readonly pool?: RequestPool.Options<unknown, never>
  readonly sessions?: SessionPool.CommonOptions<WebTransportError>
  /** With it, the pool is a guest of this stream pool. */
  readonly streams?: StreamPool.Options
}

/** A pool over a pool of sessions in memory. */
const overSessions = ({ pool: options, sessions, streams }: Parts = {}) =>
  Effect.gen(function*() {
    const { answer, release, seen } = peer()
    const context = yield* Layer.build(TestWebTransport.layer({ onStream: TestWebTransport.serve(answer) }))
    const servers = Context.get(context, TestWebTransport.TestWebTransport).sessions
    const sessionPool = yield* Effect.provide(SessionPool.make({ url: "https://test/", ...sessions }), context)
    const streamPool = streams === undefined ? undefined : yield* StreamPool.make({ sessionPool, ...streams })
    const pool = yield* streamPool === undefined
      ? RequestPool.make({ sessionPool, shutdownGrace: 0, ...options })
      : RequestPool.make({ streamPool, shutdownGrace: 0, ...options })
    return { pool, release, seen, servers, sessionPool, streamPool: streamPool! }
  })

describe("a stream", () => {
  it.scoped("goes back after a second without requests, for others to use", () =>
    Effect.gen(function*() {
      const { pool, server, streamPool } = yield* inMemory()
      yield* ask(pool, "a")
      yield* pass(999)
      assert.deepInclude(yield* pool.stats, { streams: 1 })
      yield* ask(pool, "b")
      yield* pass(999)
      assert.deepInclude(yield* streamPool.stats, { size: 1, inUse: 1 })
      yield* pass(1)
      assert.deepInclude(yield* pool.stats, { streams: 0 })
      assert.deepInclude(yield* streamPool.stats, { size: 1, idle: 1, inUse: 0 })
      yield* streamPool.request(bytes("c"), { correlate: true })
      yield* ask(pool, "d")
      assert.lengthOf(server.streams, 1)
    }))

  it.scoped("goes back at once when another borrower of the stream pool waits", () =>
    Effect.gen(function*() {
      const { pool, streamPool } = yield* inMemory({ pool: { maxStreams: 1 }, streams: { maxSize: 2 } })
      const held = yield* begin(pool, "hold a")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* streamPool.get
        const waiting = yield* Effect.fork(Effect.scoped(streamPool.get))
        yield* quiet
        assert.deepInclude(yield* streamPool.stats, { inUse: 2, waiters: 1 })
        yield* Fiber.interrupt(held)
        // its stream owes an answer, so that it is discarded, and another one takes its place
        yield* Fiber.join(waiting)
        assert.deepInclude(yield* pool.stats, { streams: 0 })
      }))
      yield* ask(pool, "b")
      yield* Effect.scoped(Effect.andThen(streamPool.get, streamPool.get))
      assert.deepInclude(yield* pool.stats, { streams: 0 })
      assert.deepInclude(yield* streamPool.stats, { inUse: 0, waiters: 0 })
    }))

  it.scoped("goes back at once when a borrower of the session pool waits", () =>
    Effect.gen(function*() {
      const { pool, servers, sessionPool } = yield* overSessions({ sessions: { maxSize: 1 } })
      yield* ask(pool, "a")
      assert.deepInclude(yield* pool.stats, { streams: 1 })
      yield* sessionPool.use(() => Effect.void)
      assert.deepInclude(yield* pool.stats, { streams: 0 })
      assert.strictEqual(yield* ask(pool, "b"), "b")
      assert.lengthOf(yield* servers, 1)
    }))

  it.scoped("is discarded if it owes answers to requests that were given up", () =>
    Effect.gen(function*() {
      const { pool, server, streamPool } = yield* inMemory()
      yield* Fiber.interrupt(yield* begin(pool, "hold a"))
      assert.deepInclude(yield* pool.stats, { streams: 1, forgotten: 1 })
      const [stream] = server.streams
      yield* pass(1_000)
      assert.deepInclude(yield* pool.stats, { streams: 0, forgotten: 0 })
      assert.strictEqual(stream!.sending, "Reset")
      assert.deepInclude(yield* streamPool.stats, { size: 0, inUse: 0 })
    }))

  it.scoped("that broke while it was idle is passed over", () =>
    Effect.gen(function*() {
      const { pool, server, streamPool } = yield* inMemory()
      yield* Effect.zip(
        streamPool.request(bytes("a"), { correlate: true }),
        streamPool.request(bytes("b"), { correlate: true }),
        { concurrent: true }
      )
      for (const stream of server.streams) yield* stream.reset
      assert.strictEqual(yield* ask(pool, "c"), "c")
    }))

  it.scoped("on which the peer speaks first fails the requests, unsent", () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory({
        behaviour: { onStream: (stream) => stream.write(bytes("welcome")) },
        streams: { clientSpeaksFirst: false }
      })
      const { cause, reason, sent } = error(yield* Effect.exit(ask(pool, "a")))
      // the greeting may come before or after the first request
      assert.strictEqual(reason === "Borrow" ? "no" : "maybe", sent, String(cause))
    }))

  it.scoped("is not reported as a leak", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const { pool } = yield* inMemory({ streams: { leakThreshold: "1 second" } })
        yield* begin(pool, "hold a")
        yield* Effect.fork(collect(pool.requestStream(bytes("silence b"))))
        yield* quiet
        assert.deepInclude(yield* pool.stats, { streams: 1, exclusive: 1 })
        yield* pass(60_000)
        assert.deepStrictEqual(logs.filter(({ annotations }) => annotations["event"] === "Leak"), [])
      })
    ))
})

describe("a session", () => {
  it.scoped("that drains takes no new requests, answers those it has, and goes", () =>
    Effect.gen(function*() {
      const { pool, release, servers, sessionPool } = yield* overSessions({ sessions: { maxSize: 2 } })
      const held = yield* begin(pool, "hold a")
      const [first] = yield* servers
      yield* first!.drain
      yield* quiet
      assert.strictEqual(yield* ask(pool, "b"), "b")
      const [, second] = yield* servers
      assert.deepStrictEqual([first!.streams.length, second!.streams.length], [1, 1])
      assert.deepInclude(yield* pool.stats, { streams: 2, inFlight: 1 })
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(held), "hold a")
      yield* quiet
      assert.deepInclude(yield* pool.stats, { streams: 1 })
      assert.deepInclude(yield* sessionPool.stats, { size: 1 })
      assert.isFalse(first!.isOpen)
    }))

  it.scoped("that has opened maxStreamsOpened streams serves those that wait, and is replaced", () =>
    Effect.gen(function*() {
      const { pool, servers } = yield* overSessions({ sessions: { maxSize: 3, maxStreamsOpened: 1 } })
      for (let n = 1; n <= 3; n++) {
        assert.strictEqual(yield* ask(pool, "a"), "a")
        yield* quiet
        assert.lengthOf(yield* servers, n)
      }
    }))

  it.scoped("fails what is left on it after its retireGrace", () =>
    Effect.gen(function*() {
      const { pool, servers } = yield* overSessions({ sessions: { maxSize: 2, retireGrace: 5_000 } })
      const held = yield* begin(pool, "hold a")
      yield* (yield* servers)[0]!.drain
      yield* pass(4_999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(held)))
      yield* pass(1)
      const { cause, reason, sent } = error(yield* Fiber.await(held))
      assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
      assert.include(String(cause), "retireGrace")
    }))

  it.scoped("that retires lets a guest of a stream pool go, too", () =>
    Effect.gen(function*() {
      const { pool, release, servers, streamPool } = yield* overSessions({ sessions: { maxSize: 2 }, streams: {} })
      const held = yield* begin(pool, "hold a")
      yield* streamPool.renew
      assert.strictEqual(yield* ask(pool, "b"), "b")
      assert.strictEqual((yield* servers)[0]!.streams.length, 2)
      yield* release("hold a")
      yield* Fiber.join(held)
      yield* quiet
      assert.deepInclude(yield* streamPool.stats, { size: 1 })
    }))
})

describe("silence", () => {
  const silent = (ping: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      let pings = 0
      const parts = yield* inMemory({
        pool: {
          keepAlive: { ping: () => Effect.andThen(Effect.sync(() => pings++), ping) },
          silenceTimeout: 10_000,
          checkTimeout: 1_000
        }
      })
      return { ...parts, pings: () => pings }
    })

  it.scoped("is no fault without keepAlive", () =>
    Effect.gen(function*() {
      const { pool, release } = yield* inMemory()
      const held = yield* begin(pool, "hold a")
      yield* pass(24 * 3_600_000)
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(held), "hold a")
    }))

  for (const [how, ping] of [["fails", Effect.fail("no pong")], ["hangs", Effect.never]] as const) {
    it.scoped(`of a session whose ping ${how} fails its requests, and makes it suspect`, () =>
      Effect.gen(function*() {
        const { pings, pool, streamPool } = yield* silent(ping)
        const held = [yield* begin(pool, "hold a"), yield* begin(pool, "hold b")]
        yield* pass(9_999)
        assert.strictEqual(pings(), 0)
        yield* pass(1)
        assert.strictEqual(pings(), 1)
        if (how === "hangs") yield* pass(1_000)
        for (const fiber of held) {
          const { cause, reason, sent } = error(yield* Fiber.await(fiber))
          assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
          assert.isTrue(isWebTransportError(cause) && cause.message.includes("keepAlive.ping failed"), String(cause))
        }
        assert.isTrue((yield* streamPool.sessions)[0]!.isSuspect)
        assert.deepInclude(yield* pool.stats, { streams: 0, failures: 2 })
        assert.strictEqual(yield* ask(pool, "b"), "b")
      }))
  }

  it.scoped("of a session whose ping fails fails requests on streams of their own, too", () =>
    Effect.gen(function*() {
      const { pings, pool, streamPool } = yield* silent(Effect.fail("no pong"))
      const alone = yield* Effect.fork(collect(pool.requestStream(bytes("silence a"))))
      const large = yield* begin(pool, `silence ${"x".repeat(100_000)}`)
      yield* pass(9_999)
      assert.strictEqual(pings(), 0)
      yield* pass(1)
      assert.strictEqual(pings(), 1)
      for (const exit of [yield* Fiber.await(alone), yield* Fiber.await(large)]) {
        const { cause, reason, sent } = error(exit)
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
        assert.include(String(cause), "nothing came on the session for 10s, and keepAlive.ping failed")
      }
      assert.isTrue((yield* streamPool.sessions)[0]!.isSuspect)
      assert.deepInclude(yield* pool.stats, { exclusive: 0, failures: 2 })
      assert.strictEqual(yield* ask(pool, "b"), "b")
      yield* pass(60_000)
      assert.strictEqual(pings(), 1)
    }))

  it.scoped("of a session whose ping succeeds goes on", () =>
    Effect.gen(function*() {
      const { pings, pool, release } = yield* silent(Effect.void)
      const held = yield* begin(pool, "hold a")
      yield* pass(10_000)
      yield* pass(10_000)
      assert.strictEqual(pings(), 2)
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(held), "hold a")
      // nothing is unanswered: no pings
      yield* pass(60_000)
      assert.strictEqual(pings(), 2)
    }))

  it.scoped("is broken by whatever comes on the session, and by what comes while the ping is out", () =>
    Effect.gen(function*() {
      const { pings, pool, session } = yield* silent(Effect.never)
      const held = yield* begin(pool, "hold a")
      const stream = yield* session.createBidirectionalStream()
      const other = Effect.andThen(stream.write(Uint8Array.of(2, 0, 0x78)), stream.readExactly(3))
      yield* pass(9_000)
      yield* other
      yield* pass(1_000)
      assert.strictEqual(pings(), 0)
      // silenceTimeout after the last byte
      yield* pass(8_999)
      assert.strictEqual(pings(), 0)
      yield* pass(1)
      assert.strictEqual(pings(), 1)
      yield* other
      yield* pass(1_000)
      assert.isTrue(Option.isNone(yield* Fiber.poll(held)))
      assert.deepInclude(yield* pool.stats, { inFlight: 1, failures: 0 })
    }))

  it.scoped("is noticed, too, when all who asked have given up", () =>
    Effect.gen(function*() {
      const { pings, pool } = yield* silent(Effect.fail("no pong"))
      for (let i = 0; i < 20; i++) {
        const fiber = yield* begin(pool, `hold ${i}`)
        yield* pass(900)
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(pings(), 1)
      assert.isBelow((yield* pool.stats).forgotten, 15)
    }))
})

describe("an interruption", () => {
  const large = "x".repeat(100)
  const asks: Record<string, (pool: RequestPool.Service) => Effect.Effect<unknown, RequestError>> = {
    "a request on a shared stream": (pool) => ask(pool, "hold"),
    "a request on a stream of its own": (pool) => ask(pool, `hold ${large}`),
    "a request for many answers": (pool) => collect(pool.requestStream(bytes("hold a")))
  }

  for (const [what, request] of Object.entries(asks)) {
    it.scoped(`of ${what} says nothing about the session`, () =>
      Effect.gen(function*() {
        const { pool, servers, sessionPool } = yield* overSessions({ pool: { maxBatch: 50 }, streams: { maxSize: 8 } })
        for (let i = 0; i < 5; i++) {
          const fiber = yield* Effect.fork(request(pool))
          yield* quiet
          yield* Fiber.interrupt(fiber)
          yield* quiet
        }
        assert.deepInclude((yield* sessionPool.stats).destroyed, { retired: 0 })
        assert.lengthOf(yield* servers, 1)
      }))
  }
})

describe("the end", () => {
  it.scoped("drain serves the requests that wait, and refuses new ones", () =>
    Effect.gen(function*() {
      const { pool, release, seen } = yield* inMemory({ pool: { maxStreams: 1, maxInFlight: 1 } })
      const a = yield* begin(pool, "hold a")
      const b = yield* begin(pool, "b")
      const drained = yield* Effect.fork(pool.drain)
      yield* quiet
      for (const refused of [ask(pool, "c"), ask(pool, "x".repeat(70_000))]) {
        const { cause, reason, sent } = error(yield* Effect.exit(refused))
        assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
        assert.isTrue(isPoolError(cause) && cause.reason === "PoolClosed", String(cause))
      }
      assert.isTrue(Option.isNone(yield* Fiber.poll(drained)))
      yield* release("hold a")
      assert.deepStrictEqual(yield* joinAll([a, b]), ["hold a", "b"])
      yield* Fiber.join(drained)
      yield* pool.drain
      assert.deepStrictEqual(seen, ["hold a", "b"])
      assert.deepInclude(yield* pool.stats, { streams: 0, waiters: 0 })
    }))

  it.scoped("close fails the requests that wait, and gives those in flight a grace", () =>
    Effect.gen(function*() {
      const { pool, release } = yield* inMemory({ pool: { maxStreams: 1, maxInFlight: 2, shutdownGrace: 1_000 } })
      const [a, b] = [yield* begin(pool, "hold a"), yield* begin(pool, "hold b")]
      const c = yield* begin(pool, "c")
      const closed = yield* Effect.fork(pool.close)
      const unsent = error(yield* Fiber.await(c))
      assert.deepStrictEqual([unsent.reason, unsent.sent], ["Borrow", "no"])
      yield* pass(999)
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(a), "hold a")
      assert.isTrue(Option.isNone(yield* Fiber.poll(closed)))
      yield* pass(1)
      const { cause, reason, sent } = error(yield* Fiber.await(b))
      assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
      assert.include(String(cause), "shutdownGrace")
      yield* Fiber.join(closed)
      assert.strictEqual(error(yield* Effect.exit(ask(pool, "d"))).reason, "Borrow")
      yield* pool.close
    }))

  it.scoped("close ends requests on streams of their own, too", () =>
    Effect.gen(function*() {
      const { pool, streamPool } = yield* inMemory({
        pool: { maxStreams: 1, shutdownGrace: 1_000 },
        streams: { maxSize: 3 }
      })
      const alone = (request: string) =>
        Effect.tap(Effect.fork(collect(pool.requestStream(bytes(request)))), () => quiet)
      const sent = [yield* alone("silence a"), yield* alone("silence b")]
      const waiting = yield* alone("silence c")
      assert.deepInclude(yield* pool.stats, { exclusive: 3 })
      const closed = yield* Effect.fork(pool.close)
      yield* quiet
      const unsent = error(yield* Fiber.await(waiting))
      assert.deepStrictEqual([unsent.reason, unsent.sent], ["Borrow", "no"])
      yield* pass(1_000)
      for (const fiber of sent) {
        const failed = error(yield* Fiber.await(fiber))
        assert.deepStrictEqual([failed.reason, failed.sent], ["Transport", "maybe"])
        assert.include(String(failed.cause), "shutdownGrace")
      }
      yield* Fiber.join(closed)
      yield* quiet
      assert.deepInclude(yield* streamPool.stats, { inUse: 0, leases: 0 })
    }))

  it.live(
    "close ends requests of their own in every state, from the wait for a stream to the first write",
    () =>
      Effect.forEach(Array.from({ length: 40 }, (_, turns) => turns), (turns) =>
        Effect.gen(function*() {
          const { pool, streamPool } = yield* overSessions({
            pool: { maxStreams: 1 },
            streams: { maxSize: 9, maxWaiters: 100 }
          })
          const fibers: Array<Fiber.RuntimeFiber<unknown, RequestError>> = []
          for (let i = 0; i < 12; i++) {
            fibers.push(yield* Effect.fork(collect(pool.requestStream(bytes(`silence ${i}`)))))
          }
          // steps of fibers first, then turns of the event loop
          yield* Effect.replicateEffect(Effect.yieldNow(), Math.min(turns, 20), { discard: true })
          for (let i = 20; i < turns; i++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          yield* pool.close
          for (const fiber of fibers) error(yield* Fiber.await(fiber))
          assert.deepInclude(yield* pool.stats, { exclusive: 0, waiters: 0 })
          yield* streamPool.awaitStats(({ leases, waiters }) => leases + waiters === 0)
        }).pipe(Effect.scoped)),
    20_000
  )

  it.scoped("of the scope closes the pool, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { pool, streamPool } = yield* inMemory()
      const scope = yield* Scope.make()
      const own = yield* Scope.extend(RequestPool.make({ streamPool, shutdownGrace: 0 }), scope)
      const held = yield* begin(own, "hold a")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* pass(0)
      assert.strictEqual(error(yield* Fiber.await(held)).sent, "maybe")
      yield* Fiber.join(closing)
      yield* quiet
      assert.deepInclude(yield* streamPool.stats, { inUse: 0, leases: 0, waiters: 0 })
      assert.strictEqual(yield* ask(pool, "b"), "b")
    }))

  it.scoped("of the stream pool fails the requests that wait, and lets those in flight end", () =>
    Effect.gen(function*() {
      const { pool, release, streamPool } = yield* inMemory({ pool: { maxStreams: 1, maxInFlight: 1 } })
      const a = yield* begin(pool, "hold a")
      const drained = yield* Effect.fork(streamPool.drain)
      yield* quiet
      const { cause, reason, sent } = error(yield* Effect.exit(ask(pool, "b")))
      assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
      assert.isTrue(isPoolError(cause) && cause.reason === "PoolClosed", String(cause))
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(a), "hold a")
      yield* Fiber.join(drained)
    }))
})

describe("requests on streams of their own", () => {
  const alone = (pool: RequestPool.Service, request: string) =>
    Effect.tap(Effect.fork(collect(pool.requestStream(bytes(request)))), () => quiet)

  it.scoped("leave a stream for the others, and wait in turn", () =>
    Effect.gen(function*() {
      const { pool, seen, streamPool } = yield* inMemory({
        pool: { maxStreams: 2, acquireTimeout: 5_000 },
        streams: { maxSize: 3 }
      })
      const [a] = [yield* alone(pool, "silence a"), yield* alone(pool, "silence b")]
      const c = yield* alone(pool, "silence c")
      yield* pass(1_000)
      yield* alone(pool, "silence d")
      assert.deepInclude(yield* pool.stats, { exclusive: 4 })
      assert.deepInclude(yield* streamPool.stats, { inUse: 2, waiters: 0 })
      assert.strictEqual(yield* ask(pool, "e"), "e")
      yield* Fiber.interrupt(c)
      yield* Fiber.interrupt(a)
      yield* quiet
      assert.deepStrictEqual(seen, ["silence a", "silence b", "e", "silence d"])
      const late = yield* alone(pool, "silence f")
      yield* pass(5_000)
      const { cause, reason, sent } = error(yield* Fiber.await(late))
      assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
      assert.include(String(cause), "2 exclusive requests have streams; the others are for shared ones")
      assert.deepInclude(yield* pool.stats, { exclusive: 2, waiters: 0, timeouts: 1, abandoned: 2 })
    }))

  it.scoped("leave maxStreams streams to a pool that makes its own", () =>
    Effect.gen(function*() {
      const { pool, seen } = yield* overSessions({ pool: { maxStreams: 2, maxInFlight: 1 } })
      for (let i = 0; i < 101; i++) yield* Effect.fork(collect(pool.requestStream(bytes(`silence ${i}`))))
      while (seen.length < 100) yield* quiet
      yield* quiet
      assert.lengthOf(seen, 100)
      yield* begin(pool, "hold a")
      assert.strictEqual(yield* ask(pool, "b"), "b")
    }))
})

describe("limits", () => {
  it.scoped("acquireTimeout ends the wait for a stream with room, unsent", () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory({ pool: { maxStreams: 1, maxInFlight: 1, acquireTimeout: 1_000 } })
      yield* begin(pool, "hold a")
      const b = yield* begin(pool, "b")
      yield* pass(999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(b)))
      yield* pass(1)
      const { cause, reason, sent } = error(yield* Fiber.await(b))
      assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
      assert.isTrue(isPoolError(cause) && cause.reason === "AcquireTimeout", String(cause))
      assert.include(String(cause), "maxInFlight (1)")
      assert.deepInclude(yield* pool.stats, { timeouts: 1, waiters: 0 })
    }))

  for (const streams of [undefined, { acquireTimeout: 60_000 }]) {
    const whose = streams === undefined ? "sessions" : "streams"
    it.scoped(`acquireTimeout tells what the pool of ${whose} under it knows`, () =>
      Effect.gen(function*() {
        let isDown = false
        const { pool, sessionPool } = yield* overSessions({
          pool: { acquireTimeout: 1_000 },
          sessions: {
            rideOut: "1 hour",
            onOpen: () =>
              Effect.suspend(() =>
                isDown ? Effect.fail(new WebTransportError({ reason: "Connect", detail: "no power" })) : Effect.void
              )
          },
          ...(streams === undefined ? {} : { streams })
        })
        yield* sessionPool.ready
        yield* Effect.scoped(sessionPool.get)
        isDown = true
        yield* sessionPool.clear
        const requests: ReadonlyArray<Effect.Effect<unknown, RequestError>> = [
          ask(pool, "a"),
          collect(pool.requestStream(bytes("b")))
        ]
        for (const request of requests) {
          const asked = yield* Effect.fork(request)
          yield* pass(1_000)
          const { cause, reason } = error(yield* Fiber.await(asked))
          assert.strictEqual(reason, "Borrow")
          assert.isTrue(isPoolError(cause) && cause.reason === "AcquireTimeout", String(cause))
          assert.include(String(cause), `Pool "${sessionPool.name}" has no item`)
          assert.include(String(cause), "no power")
          assert.isTrue(isWebTransportError((cause as Error).cause), String((cause as Error).cause))
        }
      }))
  }

  it.scoped("acquireTimeout ends the wait for a stream of one's own, too", () =>
    Effect.gen(function*() {
      const { pool, streamPool } = yield* inMemory({
        pool: { maxStreams: 1, acquireTimeout: 1_000 },
        streams: { maxSize: 2 }
      })
      yield* Effect.andThen(streamPool.get, streamPool.get)
      const alone = yield* Effect.fork(collect(pool.requestStream(bytes("a"))))
      yield* pass(1_000)
      const { cause, reason, sent } = error(yield* Fiber.await(alone))
      assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
      assert.isTrue(isPoolError(cause) && cause.reason === "AcquireTimeout", String(cause))
      assert.deepInclude(yield* streamPool.stats, { waiters: 0 })
    }))

  const refused = [
    ["maxStreams must be below the maxSize of streamPool (8)", { maxStreams: 8 }],
    ["maxStreams must be a whole number of 1 or more, but was 0", { maxStreams: 0 }],
    ["maxInFlight must be", { maxInFlight: 0 }],
    ["maxBatch must be a whole number of bytes", { maxBatch: 1.5 }],
    ["maxMessageSize must be", { maxMessageSize: 4 }],
    ["maxBuffered must be", { maxBuffered: -1 }],
    ["maxWaiters must be", { maxWaiters: 0 }],
    ["silenceTimeout must be left out without keepAlive", { silenceTimeout: 1_000 }],
    ["correlate must be true or false", { correlate: "yes" as never }]
  ] as const

  for (const [why, options] of refused) {
    it.scoped(`options that make no sense are refused: ${why}`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(inMemory({ pool: options }))
        assert.include(failureOf(exit), why)
      }))
  }

  it.scoped("one of streamPool and sessionPool is required, and made by this package", () =>
    Effect.gen(function*() {
      const { streamPool } = yield* inMemory()
      const none = yield* Effect.exit(RequestPool.make({} as never))
      assert.include(failureOf(none), "streamPool or sessionPool must be set, but neither was")
      const both = yield* Effect.exit(RequestPool.make({ streamPool, sessionPool: {} } as never))
      assert.include(failureOf(both), "streamPool and sessionPool exclude each other, but both were set")
      const foreign = yield* Effect.exit(RequestPool.make({ streamPool: { ...streamPool } }))
      assert.include(failureOf(foreign), "streamPool was not made by StreamPool.make")
    }))
})
