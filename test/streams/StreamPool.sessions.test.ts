/** The sessions that streams are spread over, and what happens to both when peers break or hang, or sessions are too old. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { fiberCount } from "#test/fibers"
import * as Layer from "#test/Layer"
import * as Scope from "#test/Scope"
import * as Socket from "#test/Socket"
import * as TestClock from "#test/TestClock"
import type { PoolError } from "effect-pools/PoolError"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import { can, where } from "../support/capabilities.js"
import { client, endings, live, startServer } from "../support/implementation.js"
import { withLogs } from "../support/logs.js"
import { isFirst, sampled } from "../support/sampled.js"
import {
  bytes,
  connect,
  echo,
  inMemory,
  quiet,
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

const spoiled = Exit.fail("spoiled")

type Lease = Effect.Success<ReturnType<typeof hold>>

/** Waits in vain for a byte. */
const waitInVain = (stream: WebTransport.BidirectionalStream) =>
  Effect.flatMap(
    Effect.andThen(stream.write(bytes("-")), Effect.fork(stream.read)),
    (fiber) => Effect.andThen(Effect.yieldNow(), Fiber.interrupt(fiber))
  )

/** Borrows a stream, sends a request, and gives up before an answer comes. */
const unanswered = (pool: StreamPool.Service) =>
  pool.use((stream) => Effect.andThen(stream.write(bytes("-x")), Effect.flip(Effect.timeout(stream.read, "5 millis"))))

type Errors = WebTransportError | PoolError | Cause.TimeoutException

interface Made {
  readonly server: TestServer.Service
  readonly path: string
  readonly sessionPool: SessionPool.Service
  readonly pool: StreamPool.Service
}

/** Both pools, over the shared server; `name` separates the counts of one test from the others. */
const make = (
  name: string,
  sessions: Partial<SessionPool.UrlOptions>,
  streams: StreamPool.Options,
  behaviour = "/echo"
) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const path = `${behaviour}?${name}`
    const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), ...sessions })
    const pool = yield* StreamPool.make({ ...streams, sessionPool })
    return { server, path, sessionPool, pool } satisfies Made
  })

const makeMemory = (
  sessions: SessionPool.CommonOptions,
  streams: StreamPool.Options
) =>
  Effect.gen(function*() {
    const sessionPool = yield* SessionPool.make({ url, ...sessions })
    const pool = yield* StreamPool.make({ ...streams, sessionPool })
    return { sessionPool, pool }
  })

describe("sessions of streams", () => {
  layer(Live, { excludeTestServices: true })("of a server", (it) => {
    it.scoped("has one lease of each, however many streams it carries", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("one-lease", {}, { maxStreamsPerSession: 4 })
        yield* soon(Effect.all(range(10).map(() => hold(pool)), { concurrency: "unbounded" }))
        assert.strictEqual((yield* sessionPool.stats).leases, 3)
        const counts = (yield* pool.sessions).map(({ inUse }) => inUse)
        assert.strictEqual(counts.reduce((sum, count) => sum + count, 0), 10)
        assert.isAtMost(Math.max(...counts), 4)
      }))

    it.scoped("tells each session by its native one, which onOpen had", () =>
      Effect.gen(function*() {
        const opened: Array<unknown> = []
        const onOpen = (session: WebTransport.Session) => Effect.sync(() => opened.push(session.native))
        const { pool } = yield* make("native", { onOpen }, { maxStreamsPerSession: 1 })
        yield* soon(Effect.all(range(3).map(() => hold(pool)), { concurrency: "unbounded" }))
        const sessions = yield* pool.sessions
        assert.sameMembers(sessions.map(({ native }) => native), opened)
        assert.lengthOf(new Set(opened), 3)
        assert.deepInclude(JSON.parse(JSON.stringify(sessions))[0], { streams: 1, inUse: 1, isRetired: false })
      }))

    it.scoped("its held sessions are pinged, and a session with a failed ping is lost", () =>
      Effect.gen(function*() {
        let pings = 0
        let isAlive = true
        const { pool, sessionPool } = yield* make("pinged", {
          keepAlive: {
            interval: "10 millis",
            ping: () => Effect.suspend(() => (pings++, isAlive ? Effect.void : Effect.fail("dead")))
          }
        }, {})
        const held = yield* hold(pool)
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        yield* soon(until(Effect.sync(() => pings), (pings) => pings > 2))
        isAlive = false
        yield* untilStats(sessionPool, ({ destroyed }) => destroyed.lost === 1)
        const error = yield* soon(Effect.flip(held.value.read))
        assert.strictEqual(error.reason, "SessionClosed")
        assert.include(error.message, "the pool SessionPool closed the session: keepAlive.ping failed (dead)")
      }))

    it.scoped("gives back a session without streams, which then ages", () =>
      Effect.gen(function*() {
        const { path, pool, server, sessionPool } = yield* make(
          "ages",
          { idleTimeToLive: "20 millis" },
          { idleTimeToLive: "20 millis" }
        )
        yield* soon(Effect.scoped(Effect.all(range(3).map(() => hold(pool)))))
        yield* untilStats(sessionPool, ({ destroyed, leases, size }) =>
          leases === 0 && size === 0 && destroyed.idle === 1)
        yield* soon(server.until(({ paths }) =>
          paths[path]?.sessionsOpen === 0
        ))
        assert.deepStrictEqual(yield* pool.sessions, [])
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
      }))

    it.scoped("gives a session with idle streams back at once when others wait for one", () =>
      Effect.gen(function*() {
        const { path, pool, server, sessionPool } = yield* make("wanted", { maxSize: 1 }, {})
        yield* soon(Effect.scoped(Effect.all(range(3).map(() => hold(pool)))))
        assert.strictEqual((yield* pool.stats).idle, 3)
        const streams = yield* soon(sessionPool.use(() => pool.sessions))
        assert.deepStrictEqual(streams, [])
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 1)
      }))

    for (const [how, exit] of [["clean", Exit.void], ["spoiled", spoiled]] as const) {
      it.scoped(`gives it back with its idle streams when the last one lent comes back ${how}`, () =>
        Effect.gen(function*() {
          const { pool, sessionPool } = yield* make(`wanted-lent-${how}`, { maxSize: 1 }, {})
          const leases = yield* soon(Effect.all(range(3).map(() => hold(pool))))
          const other = yield* Effect.fork(sessionPool.use(() => Effect.succeed("had it")))
          yield* untilStats(sessionPool, ({ waiters }) => waiters === 1)
          yield* leases[0]!.release()
          yield* leases[1]!.release()
          assert.deepInclude(yield* pool.stats, { idle: 2, inUse: 1 })
          assert.strictEqual(yield* soon(echo(leases[2]!.value)), "hello")
          yield* leases[2]!.release(exit)
          assert.strictEqual(yield* soon(Fiber.join(other)), "had it")
          yield* untilStats(pool, ({ size }) => size === 0)
        }))
    }

    it.scoped("gives it back after the check that its stream is in", () =>
      Effect.gen(function*() {
        const pinging = yield* Deferred.make<void>()
        const gate = yield* Deferred.make<void>()
        const { pool, sessionPool } = yield* make("wanted-checked", { maxSize: 1 }, {
          keepAlive: {
            interval: "10 millis",
            ping: () => Effect.andThen(Deferred.succeed(pinging, undefined), Deferred.await(gate))
          }
        })
        yield* soon(pool.use((stream) => echo(stream)))
        yield* soon(Deferred.await(pinging))
        const other = yield* Effect.fork(sessionPool.use(() => Effect.succeed("had it")))
        yield* untilStats(sessionPool, ({ waiters }) => waiters === 1)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* soon(Fiber.join(other)), "had it")
      }))

    it.scoped("serves those who wait for streams first", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("wanted-busy", { maxSize: 1 }, { maxSize: 1 })
        const order: Array<string> = []
        const lease = yield* hold(pool)
        const other = yield* Effect.fork(sessionPool.use(() => Effect.sync(() => order.push("session"))))
        yield* untilStats(sessionPool, ({ waiters }) => waiters === 1)
        const borrower = yield* Effect.fork(
          pool.use((stream) => Effect.map(echo(stream), () => order.push("stream")))
        )
        yield* untilStats(pool, ({ waiters }) => waiters === 1)
        yield* lease.release()
        yield* soon(Fiber.join(borrower))
        yield* soon(Fiber.join(other))
        assert.deepStrictEqual(order, ["stream", "session"])
      }))

    it.scoped("gives the session back when a stream arrives too late for its borrower", () =>
      Effect.gen(function*() {
        const { sessions } = yield* TestWebTransport.TestWebTransport
        const { pool, sessionPool } = yield* makeMemory({ maxSize: 1 }, {})
        const lease = yield* hold(pool)
        yield* (yield* sessions)[0]!.holdStreams
        const impatient = yield* Effect.fork(pool.use((stream) => echo(stream)))
        yield* quiet
        yield* Fiber.interrupt(impatient)
        const other = yield* Effect.fork(sessionPool.use(() => Effect.succeed("had it")))
        yield* quiet
        yield* lease.release()
        yield* (yield* sessions)[0]!.grantStreams
        assert.strictEqual(yield* soon(Fiber.join(other)), "had it")
      }).pipe(Effect.provide(inMemory())))

    it.scoped("two pools share the sessions of one, though there are too few for both", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("two-pools", { maxSize: 2 }, { maxSize: 8, maxStreamsPerSession: 2 })
        const another = yield* StreamPool.make({ sessionPool, maxSize: 8, maxStreamsPerSession: 2 })
        const answers = yield* soon(Effect.forEach(
          range(200),
          (i) => (i % 2 === 0 ? pool : another).use((stream) => echo(stream, `${i}`)),
          { concurrency: 16 }
        ))
        assert.deepStrictEqual(answers, range(200).map(String))
        assert.isAtMost((yield* sessionPool.stats).created, 2)
      }))

    it.scoped("drains: streams that are out go on, idle ones go, and there are no new ones", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("drain", { maxSize: 1 }, { maxSize: 2 })
        const [held, other] = (yield* soon(Effect.all([hold(pool), hold(pool)]))) as [Lease, Lease]
        const waiting = yield* Effect.fork(Effect.flip(pool.use((stream) => echo(stream))))
        yield* untilStats(pool, ({ waiters }) => waiters === 1)
        const drain = yield* Effect.fork(sessionPool.drain)
        yield* quiet
        assert.isTrue(Exit.isFailure(yield* soon(Effect.exit(sessionPool.use(() => Effect.void)))))
        yield* other.release()
        yield* untilStats(pool, ({ size }) => size === 1)
        assert.strictEqual((yield* soon(Fiber.join(waiting))).reason, "PoolClosed")
        assert.strictEqual((yield* soon(Effect.flip(pool.use((stream) => echo(stream))))).reason, "PoolClosed")
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        assert.isTrue(Option.isNone(yield* Fiber.poll(drain)))
        yield* held.release()
        yield* soon(Fiber.join(drain))
        yield* untilStats(pool, ({ size }) => size === 0)
      }))

    it.scoped("drains at once when all streams are idle", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("drain-idle", { maxSize: 2 }, { maxStreamsPerSession: 2 })
        yield* soon(Effect.scoped(Effect.all(range(4).map(() => hold(pool)))))
        yield* soon(sessionPool.drain)
        assert.strictEqual((yield* sessionPool.stats).leases, 0)
      }))

    it.scoped("closes: streams that are out have the grace of the session pool, idle ones go", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("close", { shutdownGrace: "5 minutes" }, {})
        const [held, other] = (yield* soon(Effect.all([hold(pool), hold(pool)]))) as [Lease, Lease]
        yield* other.release()
        const close = yield* Effect.fork(sessionPool.close)
        yield* untilStats(pool, ({ size }) => size === 1)
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        assert.strictEqual((yield* soon(Effect.flip(pool.use((stream) => echo(stream))))).reason, "PoolClosed")
        yield* held.release()
        yield* soon(Fiber.join(close))
        yield* untilStats(pool, ({ size }) => size === 0)
      }))

    it.scoped("closes under a stream that stays out", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* Effect.provide(
          make("close-out", { shutdownGrace: "50 millis" }, {}),
          silent
        )
        const held = yield* hold(pool)
        yield* soon(echo(held.value))
        const reading = yield* Effect.fork(Effect.flip(held.value.read))
        yield* soon(sessionPool.close)
        assert.strictEqual((yield* soon(Fiber.join(reading))).reason, "SessionClosed")
        assert.strictEqual((yield* soon(Effect.flip(held.value.write(bytes("x"))))).reason, "SessionClosed")
        yield* held.release()
        yield* untilStats(pool, ({ leases, size }) => size === 0 && leases === 0)
      }))

    it.scoped("shrinks: a session too many goes once its streams are back, also those that came back before", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("shrink", { maxSize: 3 }, { maxStreamsPerSession: 2 })
        const leases = yield* soon(Effect.all(range(6).map(() => hold(pool)), { concurrency: "unbounded" }))
        assert.strictEqual((yield* sessionPool.stats).size, 3)
        yield* sessionPool.resize({ maxSize: 1 })
        for (const lease of leases) assert.strictEqual(yield* soon(echo(lease.value)), "hello")
        yield* Effect.forEach(leases, (lease) => lease.release())
        yield* untilStats(sessionPool, ({ size }) => size === 1)
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.strictEqual((yield* sessionPool.stats).created, 3)
        // and at once, where all its streams are idle
        yield* sessionPool.resize({ maxSize: 2 })
        yield* soon(Effect.scoped(Effect.all(range(4).map(() => hold(pool)))))
        assert.strictEqual((yield* sessionPool.stats).size, 2)
        yield* sessionPool.resize({ maxSize: 1 })
        yield* untilStats(sessionPool, ({ size }) => size === 1)
        yield* untilStats(pool, ({ size }) => size === 2)
      }))

    it.scoped("an invalidated session takes no new streams, and goes when those that are out are back", () =>
      Effect.gen(function*() {
        const { path, pool, server, sessionPool } = yield* make("invalidate", { maxSize: 1 }, { maxSize: 4 })
        const session = yield* soon(sessionPool.use(Effect.succeed))
        const [held, other] = (yield* soon(Effect.all([hold(pool), hold(pool)]))) as [Lease, Lease]
        yield* other.release()
        yield* sessionPool.invalidate(session)
        yield* untilStats(pool, ({ size }) => size === 1)
        const [retired] = yield* soon(until(pool.sessions, ([session]) => session?.streams === 1))
        assert.deepInclude(retired, { inUse: 1, isRetired: true })
        const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        yield* held.release()
        assert.strictEqual(yield* soon(Fiber.join(borrower)), "hello")
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 2)
        yield* untilStats(sessionPool, ({ destroyed }) => destroyed.invalidated === 1)
      }))

    it.scoped("a session too old is replaced beside the streams that are out on it", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("old", { maxSize: 1, maxLifetime: "50 millis" }, { maxSize: 4 })
        const held = yield* soon(hold(pool))
        // ±10 %
        yield* pass(60)
        assert.deepStrictEqual((yield* pool.sessions).map(({ isRetired }) => isRetired), [true])
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        assert.strictEqual((yield* sessionPool.stats).created, 2)
        yield* held.release()
        yield* untilStats(sessionPool, ({ destroyed }) => destroyed.retired === 1)
      }).pipe(onTestClock))

    it.scoped("and closed under them when its grace is over", () =>
      Effect.gen(function*() {
        const { pool } = yield* make(
          "too-old",
          { maxSize: 1, maxLifetime: "30 millis", retireGrace: "30 millis" },
          { maxSize: 4 }
        )
        const held = yield* soon(hold(pool))
        yield* soon(echo(held.value))
        assert.strictEqual((yield* Effect.flip(held.value.read).pipe(within(63))).reason, "SessionClosed")
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
      }).pipe(onTestClock))

    it.scoped("uses a session for one stream where the session pool allows one use", () =>
      Effect.gen(function*() {
        const { path, pool, server, sessionPool } = yield* make("max-uses", { maxSize: 2, maxUses: 1 }, { maxSize: 4 })
        const held = yield* hold(pool)
        const answers = yield* soon(
          Effect.forEach(range(20), (i) => pool.use((stream) => echo(stream, `${i}`)), { concurrency: 4 })
        )
        assert.deepStrictEqual(answers, range(20).map(String))
        assert.strictEqual(yield* soon(echo(held.value)), "hello")
        yield* held.release()
        yield* untilStats(sessionPool, ({ leases, size }) => leases === 0 && size === 0)
        const { sessionsAccepted, streamsAccepted } = yield* server.statsOf(path)
        assert.deepStrictEqual([sessionsAccepted, streamsAccepted], [21, 21])
      }))

    it.scoped("works over a session pool that shares its sessions, and leaves no lease there", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make(
          "shared",
          { maxSize: 3, concurrency: 4 },
          { maxSize: 12, maxStreamsPerSession: 2 }
        )
        const answers = yield* soon(
          Effect.forEach(range(100), (i) => pool.use((stream) => echo(stream, `${i}`)), { concurrency: 32 })
        )
        assert.deepStrictEqual(answers, range(100).map(String))
        yield* pool.clear
        yield* soon(until(
          Effect.andThen(pool.clear, sessionPool.stats),
          ({ leases, waiters }) => leases === 0 && waiters === 0
        ))
      }))

    it.scoped("fails all who wait when no session can be had, after a handful of attempts", () =>
      Effect.gen(function*() {
        const port = yield* TestServer.deadPort
        const { pool, sessionPool } = yield* make(
          "dead",
          { url: `https://127.0.0.1:${port}/`, ...(can("hearsRefusal") ? {} : { connect: { connectTimeout: 100 } }) },
          { maxSize: 8 }
        )
        const errors = yield* soon(Effect.forEach(range(200), () => Effect.flip(pool.use((stream) => echo(stream))), {
          concurrency: "unbounded"
        }))
        const reason = can("hearsRefusal") ? "Connect" : "ConnectTimeout"
        for (const error of errors) assert.strictEqual(error.reason, reason)
        assert.isAtMost((yield* sessionPool.stats).failures, 20)
      }))

    it.scoped("fails the borrowers of an ended session at once, and serves the next borrowers on another", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("ends", { maxSize: 2 }, { maxSize: 4, maxStreamsPerSession: 2 })
        const leases = yield* soon(Effect.all(range(4).map(() => hold(pool))))
        yield* soon(Effect.forEach(leases, (lease) => echo(lease.value)))
        const reading = yield* Effect.forEach(leases, (lease) => Effect.fork(Effect.flip(lease.value.read)))
        const waiting = yield* Effect.fork(pool.use((stream) => echo(stream)))
        yield* untilStats(pool, ({ waiters }) => waiters === 1)
        yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
        for (const error of yield* soon(Effect.forEach(reading, Fiber.join))) {
          assert.strictEqual(error.reason, "SessionClosed")
          if (can("endsSessionFirst")) assert.include(error.message, "bye")
        }
        // no stream has been returned yet
        assert.strictEqual(yield* soon(Fiber.join(waiting)), "hello")
        yield* untilStats(pool, ({ destroyed }) => destroyed.lost === 4)
        yield* Effect.forEach(leases, (lease) => lease.release())
        yield* untilStats(pool, ({ leases }) => leases === 0)
      }))

    where("survivesFaults", it.scoped)(
      "meets sessions that all end soon with answers or typed errors, and comes to rest",
      () =>
        Effect.gen(function*() {
          const { pool, sessionPool } = yield* make("flapping&afterMs=5", { maxSize: 3 }, {
            maxSize: 8,
            maxStreamsPerSession: 2
          }, "/close")
          const outcomes = yield* soon(Effect.forEach(
            range(100),
            () => Effect.flip(Effect.timeout(pool.use((stream) => echo(stream)), "50 millis")),
            { concurrency: 8 }
          ))
          for (const error of outcomes) {
            assert.include(
              ["Connect", Cause.timeoutTag, "SessionClosed", ...(can("endsSessionFirst") ? [] : ["Read", "Write"])],
              "reason" in error ? error.reason : error._tag
            )
          }
          yield* soon(until(
            Effect.andThen(pool.clear, Effect.all([pool.stats, sessionPool.stats])),
            ([streams, sessions]) => streams.leases === 0 && streams.size === 0 && sessions.leases === 0
          ))
        })
    )
  })

  it.scoped("opens a stream on the least loaded session, and on a suspect one last", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({ maxSize: 2 }, { maxStreamsPerSession: 4, suspectAfter: 9 })
      const leases = yield* Effect.all(range(8).map(() => hold(pool)))
      const load = Effect.map(sessions, (sessions) => sessions.map(({ streams }) => streams.length))
      assert.deepStrictEqual(yield* load, [4, 4])
      for (const i of [0, 5, 6, 7]) yield* leases[i]!.release(spoiled)
      yield* quiet
      assert.deepStrictEqual(yield* load, [3, 1])
      yield* hold(pool)
      yield* hold(pool)
      assert.deepStrictEqual(yield* load, [3, 3])
      // the first session seems to hang
      yield* waitInVain(leases[3]!.value)
      yield* leases[3]!.release()
      yield* quiet
      assert.deepStrictEqual((yield* pool.sessions).map(({ isSuspect }) => isSuspect), [true, false])
      assert.deepStrictEqual(yield* load, [2, 3])
      yield* hold(pool)
      assert.deepStrictEqual(yield* load, [2, 4])
      yield* hold(pool)
      assert.deepStrictEqual(yield* load, [3, 4])
    }).pipe(Effect.provide(inMemory())))

  it.scoped("opens another session only when those there are have no room", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({ maxSize: 3 }, { maxStreamsPerSession: 5 })
      for (const most of [1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3]) {
        yield* hold(pool)
        assert.strictEqual((yield* sessions).length, most)
      }
      assert.deepStrictEqual((yield* sessions).map(({ streams }) => streams.length), [4, 2, 5])
      assert.deepStrictEqual((yield* pool.sessions).map(({ capacity }) => capacity), [4, 2, Infinity])
    }).pipe(Effect.provide(inMemory((index) => ({ streamLimit: [4, 2, 6][index] })))))

  it.scoped("opens no more sessions than those who wait need, also when they come together", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({ maxSize: 8 }, { maxStreamsPerSession: 5 })
      const together = (count: number) => Effect.all(range(count).map(() => hold(pool)), { concurrency: "unbounded" })
      yield* together(5)
      assert.strictEqual((yield* sessions).length, 1)
      yield* together(8)
      assert.strictEqual((yield* sessions).length, 3)
    }).pipe(Effect.provide(inMemory())))

  for (
    const [what, sessionOptions, streamOptions] of [
      ["maxStreamsOpened is 1", {}, { maxStreamsOpened: 1 }],
      ["maxStreamsOpened is 2", {}, { maxStreamsOpened: 2 }],
      ["the session pool allows one use", { maxUses: 1 }, {}]
    ] as const
  ) {
    it.scoped(`keeps minSize streams without opening session after session where ${what}`, () =>
      Effect.gen(function*() {
        const { sessions } = yield* TestWebTransport.TestWebTransport
        const { pool } = yield* makeMemory({ maxSize: 8, ...sessionOptions }, { minSize: 3, ...streamOptions })
        yield* pool.ready
        yield* quiet
        assert.strictEqual((yield* pool.stats).idle, 3)
        assert.isAtMost((yield* sessions).length, 4)
        assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
        yield* quiet
        assert.strictEqual((yield* pool.stats).idle, 3)
        assert.isAtMost((yield* sessions).length, 6)
      }).pipe(Effect.provide(inMemory())))
  }

  it.scoped("asks for no other session when no borrower waits, and again for the next waiter", () =>
    Effect.gen(function*() {
      const { pool, sessionPool } = yield* makeMemory({ maxSize: 1, acquireTimeout: "5 seconds" }, {
        maxStreamsPerSession: 2
      })
      const held = yield* Effect.all([hold(pool), hold(pool)])
      const borrowers = yield* Effect.all(range(4).map(() => Effect.fork(pool.use((stream) => echo(stream)))))
      yield* untilStats(sessionPool, ({ waiters }) => waiters > 0)
      yield* Effect.forEach(held, (lease) => lease.release())
      assert.deepStrictEqual(yield* Effect.forEach(borrowers, Fiber.join), range(4).map(() => "hello"))
      yield* TestClock.adjust("10 seconds")
      const { timeouts } = yield* sessionPool.stats
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* sessionPool.stats, { waiters: 0, timeouts })
      assert.deepInclude(yield* pool.stats, { idle: 2, waiters: 0 })

      yield* sessionPool.resize({ maxSize: 2 })
      yield* Effect.all(range(3).map(() => hold(pool)), { concurrency: "unbounded" })
      assert.strictEqual((yield* sessionPool.stats).size, 2)
    }).pipe(Effect.provide([inMemory(), silent])))

  it.scoped("gives a session with idle streams back also while it is asked for one that it does not grant", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool, sessionPool } = yield* makeMemory({ maxSize: 1 }, {})
      const held = yield* Effect.all([hold(pool), hold(pool)])
      const third = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* sessions)[0]!.streamCounts.pending, 1)
      yield* Fiber.interrupt(third)
      yield* Effect.forEach(held, (lease) => lease.release())
      yield* untilStats(pool, ({ idle }) => idle === 2)

      const direct = sessionPool.use((session) =>
        Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => echo(stream)))
      )
      assert.strictEqual(yield* soon(direct), "hello")
      assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
    }).pipe(Effect.provide(inMemory({ streamLimit: 2, beyondLimit: "wait" }))))

  it.scoped("spreads over the sessions of a session pool that shares them, and has those it uses to itself", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool, sessionPool } = yield* makeMemory(
        { maxSize: 4, concurrency: 100 },
        { maxStreamsPerSession: 2, acquireTimeout: "1 hour" }
      )
      for (let i = 0; i < 4; i++) yield* hold(pool)
      assert.deepStrictEqual((yield* sessions).map(({ streams }) => streams.length), [2, 2])
      // others share a session, but none of these sessions
      const others = yield* Effect.all([sessionPool.acquire, sessionPool.acquire])
      assert.strictEqual((yield* sessions).length, 3)
      yield* hold(pool)
      assert.deepStrictEqual((yield* sessions).map(({ streams }) => streams.length), [2, 2, 0, 1])
      assert.deepInclude(yield* sessionPool.stats, { acquisitions: 5, leases: 5, inUse: 4 })
      yield* Effect.forEach(others, (other) => other.release())
    }).pipe(Effect.provide(inMemory())))

  it.scoped("waits for the streams of sessions that live while others cannot be had", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool, sessionPool } = yield* makeMemory({ maxSize: 4 }, { maxStreamsPerSession: 1 })
      const lease = yield* hold(pool)
      const borrowers = yield* Effect.all(range(5).map(() => Effect.fork(pool.use((stream) => echo(stream)))))
      for (let i = 0; i < 10; i++) {
        yield* quiet
        yield* TestClock.adjust("1 second")
      }
      for (const borrower of borrowers) assert.isTrue(Option.isNone(yield* Fiber.poll(borrower)))
      assert.isAbove((yield* sessionPool.stats).failures, 2)
      assert.isAtMost((yield* sessions).length, 30)
      yield* lease.release()
      assert.deepStrictEqual(yield* Effect.forEach(borrowers, Fiber.join), range(5).map(() => "hello"))
    }).pipe(Effect.provide(inMemory((index) => ({ connect: index > 0 ? "refuse" : "accept" })))))

  it.scoped("fails when all sessions that live are on their way out and others cannot be had", () =>
    Effect.gen(function*() {
      const { pool } = yield* makeMemory({ maxSize: 4 }, { maxStreamsOpened: 1 })
      const lease = yield* hold(pool)
      const failing = yield* Effect.fork(Effect.flip(pool.use((stream) => echo(stream))))
      // connects keep failing for longer than rideOut
      for (let i = 0; i < 60; i++) yield* Effect.andThen(quiet, TestClock.adjust("100 millis"))
      assert.strictEqual((yield* Fiber.join(failing)).reason, "Connect")
      assert.strictEqual(yield* echo(lease.value), "hello")
    }).pipe(Effect.provide(inMemory((index) => ({ connect: index > 0 ? "refuse" : "accept" })))))

  it.scoped("a hung server is found by keepAlive though borrowers go on failing, and none of them is marked", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const ping = SessionPool.pingStream()
      const { pool, sessionPool } = yield* makeMemory(
        { keepAlive: { interval: "2 seconds", ping }, checkTimeout: "1 second" },
        { suspectAfter: Infinity }
      )
      yield* pool.use((stream) => echo(stream))
      yield* (yield* sessions)[0]!.hang
      const failing = Effect.timeout(pool.use((stream) => echo(stream)), "900 millis")
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.ignore(failing), Effect.sleep("300 millis"))))
      for (let i = 0; i < 100; i++) yield* Effect.andThen(quiet, TestClock.adjust("100 millis"))
      assert.strictEqual((yield* sessionPool.stats).destroyed.lost, 1)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("a peer that resets each stream at once fails its borrower, after one other stream", () =>
    Effect.gen(function*() {
      const { pool } = yield* makeMemory({}, { acquireTimeout: "1 second" })
      const exchange = pool.use((stream) =>
        Effect.andThen(quiet, Effect.andThen(stream.write(bytes("hello")), stream.read))
      )
      const borrower = yield* Effect.fork(Effect.flip(exchange))
      for (let i = 0; i < 20; i++) yield* Effect.andThen(quiet, TestClock.adjust("100 millis"))
      assert.include(["Read", "Write"], (yield* Fiber.join(borrower)).reason)
      assert.strictEqual((yield* pool.stats).created, 2)
    }).pipe(Effect.provide(TestWebTransport.layer({ onStream: (stream) => stream.reset }))))

  it.scoped("asks again after a pause where no session could be had", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({}, {})
      for (let i = 0; i < 3; i++) {
        const borrower = yield* Effect.fork(Effect.flip(pool.use((stream) => echo(stream))))
        yield* quiet
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(borrower)).reason, "Connect")
      }
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      assert.strictEqual((yield* sessions).length, 4)
    }).pipe(Effect.provide(inMemory((index) => ({ connect: index < 3 ? "refuse" : "accept" })))))

  it.effect("gives up a session that confirms no ends of streams", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.gen(function*() {
        const { sessions } = yield* TestWebTransport.TestWebTransport
        const { pool } = yield* makeMemory({ maxSize: 1 }, { maxSize: 16 })
        const spoil = (count: number) =>
          Effect.gen(function*() {
            const leases = yield* Effect.all(range(count).map(() => hold(pool)))
            yield* Effect.forEach(leases, (lease) => lease.release(spoiled))
            yield* quiet
            yield* TestClock.adjust("1 second")
            yield* quiet
          })
        yield* hold(pool)
        yield* spoil(7)
        yield* hold(pool)
        assert.strictEqual((yield* sessions).length, 1)
        yield* spoil(1)
        yield* hold(pool)
        assert.strictEqual((yield* sessions).length, 2)
        const seen = (yield* pool.sessions).map(({ isRetired, inUse }) => ({ isRetired, inUse }))
        assert.deepStrictEqual(seen, [{ isRetired: true, inUse: 2 }, { isRetired: false, inUse: 1 }])
      }).pipe(Effect.provide(inMemory((index) => ({ confirmEnds: index > 0 }))), Scope.extend(scope))
      // the session is closed nevertheless
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      for (let i = 0; i < 10; i++) {
        yield* quiet
        yield* TestClock.adjust("1 second")
      }
      yield* Fiber.join(closing)
    }))

  it.scoped("remembers that a session hung when it was given back in between", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool, sessionPool } = yield* makeMemory({ maxSize: 1 }, { maxSize: 1 })
      yield* pool.use(waitInVain)
      yield* quiet
      assert.strictEqual((yield* sessionPool.stats).leases, 0)
      yield* pool.use(waitInVain)
      yield* quiet
      assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
      assert.strictEqual((yield* sessions).length, 2)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("leaves nothing in the session pool when it closes while sessions and streams are on their way", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 2 })
      const occupied = yield* sessionPool.acquire
      yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 8, maxStreamsPerSession: 2 })
        yield* hold(pool)
        yield* (yield* sessions)[1]!.holdStreams
        yield* Effect.all(range(6).map(() => Effect.fork(Effect.exit(pool.use((stream) => echo(stream))))))
        yield* quiet
        assert.deepInclude(yield* sessionPool.stats, { leases: 2, size: 2 })
        assert.isAbove((yield* sessionPool.stats).waiters, 0)
      }))
      yield* quiet
      assert.deepInclude(yield* sessionPool.stats, { leases: 1, waiters: 0 })
      // streams that come after that are ended
      yield* (yield* sessions)[1]!.grantStreams
      yield* quiet
      assert.strictEqual((yield* sessions)[1]!.streams.length, 0)
      yield* occupied.release()
    }).pipe(Effect.provide(inMemory())))

  /** Lets time pass in steps of 10 ms, and runs all fibers at each step. */
  const pass = (millis: number) =>
    Effect.replicateEffect(Effect.andThen(TestClock.adjust(10), quiet), millis / 10, { discard: true })

  /** Callers that ask again and again, each beginning a little after the one before. */
  const callers = (pool: StreamPool.Service, limits: ReadonlyArray<number>) =>
    Effect.forEach(limits, (limit, i) =>
      Effect.forkScoped(Effect.delay(
        Effect.forever(Effect.exit(Effect.timeout(pool.use((stream) => echo(stream)), limit))),
        i * 30
      )))

  const answering = (within: number) => {
    const onStream = (stream: TestWebTransport.ServerStream): Effect.Effect<void, unknown> =>
      Effect.flatMap(stream.read, (message) =>
        Option.isNone(message)
          ? stream.finish
          : Effect.andThen(Effect.delay(stream.write(message.value), within), onStream(stream)))
    return Effect.provide(inMemory({ onStream }))
  }

  it.scoped("a server slower than some of its callers wait keeps its session", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({ maxSize: 1 }, { maxSize: 9 })
      yield* callers(pool, range(9).map((i) => i % 3 === 0 ? 300 : 10_000))
      yield* pass(1_500)
      assert.lengthOf(yield* sessions, 1)
    }).pipe(answering(400)))

  it.scoped("a server that hangs under many callers loses its session once one waited in vain after another", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const { pool } = yield* makeMemory({ maxSize: 1 }, { maxSize: 9 })
      yield* callers(pool, range(9).map(() => 300))
      yield* pass(500)
      yield* (yield* sessions)[0]!.hang
      yield* pass(300)
      assert.lengthOf(yield* sessions, 1)
      yield* pass(400)
      assert.lengthOf(yield* sessions, 2)
    }).pipe(answering(100), Effect.provide(silent)))
})

describe("one session", () => {
  for (const [ending, end] of endings) {
    it.scopedLive(`fails all borrowers with SessionClosed at once when its peer ${ending}: present, waiting and later ones`, () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        const pool = yield* StreamPool.make({ session, maxSize: 2, minSize: 2 })
        const leases = yield* soon(Effect.all([hold(pool), hold(pool)]))
        const reading = yield* Effect.forEach(leases, (lease) => Effect.fork(Effect.flip(lease.value.read)))
        const waiting: ReadonlyArray<Fiber.Fiber<WebTransportError | PoolError, unknown>> = yield* Effect.all(
          range(10).map(() => Effect.fork(Effect.flip(pool.use((stream) => echo(stream)))))
        )
        yield* untilStats(pool, ({ waiters }) => waiters === 10)
        yield* end(server)
        for (const error of yield* soon(Effect.forEach([...reading, ...waiting], Fiber.join))) {
          assert.strictEqual(error.reason, "SessionClosed")
        }
        const later = yield* soon(Effect.forEach(range(10), () => Effect.flip(pool.use((stream) => echo(stream)))))
        for (const error of later) assert.strictEqual(error.reason, "SessionClosed")
        assert.strictEqual((yield* Effect.flip(pool.ready)).reason, "SessionClosed")
        yield* Effect.forEach(leases, (lease) => lease.release())
        assert.deepInclude(yield* pool.stats, { size: 0, leases: 0, waiters: 0, creating: 0 })
        yield* soon(pool.drain)
      }).pipe(withNode))
  }

  it.scopedLive("that its owner closes fails those who wait, also while the peer hangs", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ initialBidirectionalStreams: 1 })
      const session = yield* connect(server, "/echo")
      const pool = yield* StreamPool.make({ session, maxSize: can("limitsStreams") ? 4 : 1 })
      yield* hold(pool)
      const waiting = yield* Effect.fork(Effect.flip(pool.use((stream) => echo(stream))))
      yield* can("limitsStreams")
        ? soon(until(pool.sessions, ([info]) => info?.capacity === 1))
        : untilStats(pool, ({ waiters }) => waiters === 1)
      yield* server.stop
      const close = yield* Effect.fork(session.close())
      assert.strictEqual((yield* soon(Fiber.join(waiting))).reason, "SessionClosed")
      if (can("closesWithPeer")) assert.isTrue(Option.isNone(yield* Fiber.poll(close)))
      yield* soon(Fiber.join(close))
    }).pipe(withNode))

  it.scopedLive("a session that had ended before the pool was made fails all borrowers, too", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const session = yield* connect(server, "/echo")
      yield* session.close()
      const pool = yield* StreamPool.make({ session, minSize: 1 })
      assert.strictEqual((yield* soon(Effect.flip(pool.use((stream) => echo(stream))))).reason, "SessionClosed")
      assert.strictEqual((yield* soon(Effect.flip(pool.ready))).reason, "SessionClosed")
    }).pipe(withNode))

  it.scopedLive("is never retired, and its streams are used again, however often its peer did not answer", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const session = yield* connect(server, "/picky")
      const pool = yield* StreamPool.make({ session, maxSize: 1, maxStreamsOpened: 2 })
      for (let i = 0; i < 5; i++) {
        yield* soon(unanswered(pool))
      }
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
      assert.deepInclude(yield* pool.stats, { created: 6, reuses: 4 })
      assert.deepInclude((yield* pool.sessions)[0], { isRetired: false, isSuspect: false })
    }).pipe(withNode))
})

it.scoped("a session is asked for where there is no limit to its streams", () =>
  Effect.gen(function*() {
    const { pool } = yield* makeMemory({}, { maxStreamsPerSession: Infinity })
    const answers = yield* Effect.all(range(5).map((i) => pool.use((stream) => echo(stream, `${i}`))), {
      concurrency: "unbounded"
    })
    assert.deepStrictEqual(answers, ["0", "1", "2", "3", "4"])
    assert.lengthOf(yield* pool.sessions, 1)
  }).pipe(soon, Effect.provide(inMemory())))

describe("peers that hang", () => {
  layer(Live, { excludeTestServices: true })("on some streams", (it) => {
    it.scoped("a session is replaced after two answers in a row that never came, and a warning says so", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const { path, pool, server } = yield* make("suspect", { maxSize: 1 }, { maxSize: 1 }, "/silent")
          for (let i = 0; i < 6; i++) yield* soon(pool.use(waitInVain))
          assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 3)
          const suspect = yield* soon(until(
            Effect.sync(() => logs.filter(({ annotations }) => annotations["event"] === "Suspect")),
            ({ length }) => length === 3
          ))
          assert.deepInclude(suspect[0], { level: "WARN" })
          assert.deepInclude(suspect[0]!.annotations, { module: "StreamPool", unanswered: 2 })
        })
      ))

    it.scoped("a session is kept while some bytes come on it between answers that never come", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("slow", { maxSize: 1 }, { maxSize: 2 }, "/picky")
        for (let i = 0; i < 6; i++) {
          yield* soon(unanswered(pool))
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "x"))), "x")
        }
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 1)
      }))

    it.scoped("answers that never came at the same time are one, also where they end one after the other", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("suspect-together", { maxSize: 1 }, { maxSize: 6 }, "/silent")
        const together = Effect.gen(function*() {
          const leases = yield* soon(Effect.all(range(6).map(() => hold(pool))))
          for (const lease of leases) {
            yield* soon(waitInVain(lease.value))
            yield* lease.release(spoiled)
          }
        }).pipe(Effect.scoped)
        yield* together
        assert.deepInclude((yield* pool.sessions)[0], { isSuspect: true, isRetired: false })
        yield* together
        yield* untilStats(sessionPool, ({ destroyed }) => destroyed.retired === 1)
        assert.strictEqual((yield* sessionPool.stats).created, 1)
      }))

    it.scoped("a session is kept if any byte arrived since the request began", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("suspect-heard", { maxSize: 1 }, { maxSize: 2 }, "/picky")
        const other = yield* hold(pool)
        for (let i = 0; i < 6; i++) {
          const lease = yield* hold(pool)
          yield* soon(echo(other.value, "x"))
          yield* soon(waitInVain(lease.value))
          yield* lease.release(spoiled)
          assert.strictEqual((yield* pool.sessions)[0]?.isSuspect, false)
        }
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 1)
      }))

    it.scoped("a session is kept if its subscriptions are cancelled after they received bytes", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("suspect-subscriptions", { maxSize: 1 }, { maxSize: 6 })
        const leases = yield* soon(Effect.all(range(6).map(() => hold(pool))))
        for (const { value } of leases) yield* soon(echo(value, "x"))
        for (const lease of leases) {
          const reading = yield* Effect.fork(lease.value.read)
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(reading)
          yield* lease.release(spoiled)
        }
        assert.deepInclude((yield* sessionPool.stats).destroyed, { retired: 0 })
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        assert.strictEqual((yield* sessionPool.stats).created, 1)
      }))

    it.scoped("suspectAfter says how many", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* make("suspect-after", { maxSize: 1 }, { suspectAfter: 4 }, "/silent")
        for (let i = 0; i < 9; i++) {
          yield* soon(unanswered(pool))
        }
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 3)
      }))

    it.scoped("streams that are out on a suspect session go on", () =>
      Effect.gen(function*() {
        const { pool, sessionPool } = yield* make("suspect-out", { maxSize: 1 }, { maxSize: 4 }, "/picky")
        const held = yield* hold(pool)
        yield* soon(echo(held.value, "x"))
        for (let i = 0; i < 2; i++) {
          yield* soon(unanswered(pool))
        }
        assert.strictEqual((yield* pool.sessions)[0]?.isRetired, true)
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "y"))), "y")
        assert.strictEqual((yield* sessionPool.stats).created, 2)
        assert.strictEqual(yield* soon(echo(held.value, "z")), "z")
      }))
  })

  it.effect(
    "a stopped server: its sessions are replaced, nothing spins, and all is well when it is back",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const { connect, url } = sessionOptions(server, "/echo")
        const sessionPool = yield* SessionPool.make({
          url,
          connect: { ...connect, connectTimeout: "500 millis" },
          maxSize: 2
        })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 8, maxStreamsPerSession: 4 })
        yield* soon(Effect.scoped(Effect.all(range(8).map(() => hold(pool)))))
        yield* server.stop
        const seen = new Set<string>()
        const borrow: Effect.Effect<void> = Effect.flip(
          Effect.timeout(pool.use((stream) => echo(stream)), "40 millis") as Effect.Effect<string, Errors>
        ).pipe(
          Effect.map((error) => void seen.add("reason" in error ? error.reason : error._tag)),
          Effect.orDie
        )
        // until both sessions are given up, and the failing connect was reported
        yield* flow(Effect.repeat(Effect.all(range(8).map(() => borrow), { concurrency: "unbounded" }), {
          until: () =>
            Effect.map(sessionPool.stats, ({ destroyed, failures }) => destroyed.retired === 2 && failures >= 3)
        }))
        assert.isTrue(seen.has(Cause.timeoutTag))
        for (const reason of seen) {
          assert.include([Cause.timeoutTag, "ConnectTimeout", "Connect", "SessionClosed"], reason)
        }
        yield* server.resume
        assert.strictEqual(yield* flow(Effect.eventually(pool.use((stream) => echo(stream)))), "hello")
        const answers = yield* flow(
          Effect.forEach(range(50), (i) => Effect.eventually(pool.use((stream) => echo(stream, `${i}`))), {
            concurrency: 8
          })
        )
        assert.deepStrictEqual(answers, range(50).map(String))
        // few sessions, for so many borrowers that waited in vain
        assert.isAtMost((yield* sessionPool.stats).failures, 50)
      }).pipe(withNode, onTestClock)
  )

  it.effect("the ends of streams are confirmed at once, also without a peer", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 1 })
      const pool = yield* StreamPool.make({ sessionPool, maxSize: 20 })
      const leases = yield* soon(Effect.all(range(20).map(() => hold(pool))))
      yield* server.stop
      yield* Effect.forEach(leases, (lease) => lease.release(spoiled))
      yield* untilStats(pool, ({ closing, size }) => size === 0 && closing === 0)
      yield* server.resume
      assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
      assert.strictEqual((yield* sessionPool.stats).created, 1)
    }).pipe(withNode, onTestClock))

  it.effect("closes in time while the server is stopped", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const scope = yield* Scope.make()
      const closing = { shutdownGrace: "100 millis", closeTimeout: "500 millis" } as const
      yield* Effect.gen(function*() {
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), ...closing })
        const pool = yield* StreamPool.make({ sessionPool, maxStreamsPerSession: 2, ...closing })
        yield* soon(Effect.all(range(4).map(() => pool.acquire)))
        yield* server.stop
        yield* Effect.fork(Effect.exit(pool.use((stream) => echo(stream))))
        yield* quiet
      }).pipe(Scope.extend(scope))
      yield* Scope.close(scope, Exit.void).pipe(within(1200))
    }).pipe(withNode, onTestClock))
})

describe("a server that is killed", () => {
  it.effect(
    "and restarted: borrowers of its sessions fail at once, later ones are served by new ones",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const { connect, url } = sessionOptions(server, "/echo")
        const care = can("noticesDeath") ? {} : {
          keepAlive: { interval: 50, ping: SessionPool.pingStream() },
          checkTimeout: 500
        }
        const sessionPool = yield* SessionPool.make({
          url,
          connect: can("hearsRefusal") ? connect : { ...connect, connectTimeout: 300 },
          ...care,
          maxSize: 2,
          // so that borrowers fail while the server is down
          rideOut: 0
        })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 4, maxStreamsPerSession: 2 })
        const refused = can("hearsRefusal") ? "Connect" : "ConnectTimeout"
        for (let round = 0; round < (isFirst ? 3 : 2); round++) {
          const leases = yield* soon(Effect.all(range(4).map(() => hold(pool))))
          yield* soon(Effect.forEach(leases, (lease) => echo(lease.value)))
          const reading = yield* Effect.forEach(leases, (lease) => Effect.fork(Effect.flip(lease.value.read)))
          yield* server.kill
          const broken = Effect.forEach(reading, Fiber.join)
          for (const error of yield* can("noticesDeath") ? soon(broken) : broken.pipe(within(550))) {
            assert.strictEqual(error.reason, "SessionClosed")
          }
          assert.strictEqual((yield* flow(Effect.flip(pool.use((stream) => echo(stream))))).reason, refused)
          yield* server.restart
          yield* Effect.forEach(leases, (lease) => lease.release())
          // longer than any pause after failures
          yield* TestClock.adjust("6 seconds")
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream))), "hello")
        }
        yield* untilStats(pool, ({ leases, waiters }) => leases === 0 && waiters === 0)
      }).pipe(withNode, onTestClock)
  )
})

describe("interruption", () => {
  type Both = { readonly pool: StreamPool.Service; readonly sessionPool: SessionPool.Service }

  /** What borrowers do; the test interrupts them at some point. */
  const verbs: Record<string, (both: Both) => Effect.Effect<unknown, unknown>> = {
    use: ({ pool }) => pool.use((stream) => echo(stream)),
    "use that spoils the stream": ({ pool }) => Effect.exit(pool.use(() => Effect.fail("spoiled"))),
    get: ({ pool }) => Effect.scoped(Effect.flatMap(pool.get, (stream) => echo(stream))),
    request: ({ pool }) => pool.request(bytes("hello")),
    socket: ({ pool }) =>
      Effect.exit(Effect.flatMap(pool.makeSocket, (socket) => Socket.runner(socket).run(() => Effect.fail("enough")))),
    "use, while others want the session": ({ pool, sessionPool }) =>
      Effect.all([pool.use((stream) => echo(stream)), sessionPool.use(() => Effect.yieldNow())], {
        concurrency: "unbounded"
      })
  }

  /** With fewer ops before a yield Effect 3 itself makes no progress. */
  const budgets = sampled(range(52).map((i) => i + 13))

  /** Lets the event loop turn: borrowers run only in microtasks. */
  const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

  for (const [name, verb] of Object.entries(verbs)) {
    it.effect(`of ${name}, at any point, leaves no stream, session or fiber behind`, () =>
      Effect.gen(function*() {
        for (const budget of budgets) {
          const where = `budget ${budget}`
          const fibers = yield* fiberCount
          yield* Effect.gen(function*() {
            const { sessions } = yield* TestWebTransport.TestWebTransport
            const both = yield* makeMemory({ maxSize: 2 }, { maxSize: 4, maxStreamsPerSession: 2 })
            const { pool, sessionPool } = both
            for (let pause = 0; pause < 12; pause++) {
              const borrowers = yield* Effect.all(
                range(3).map(() =>
                  Effect.fork(Effect.withMaxOpsBeforeYield(Effect.forever(Effect.andThen(verb(both), turn)), budget))
                )
              )
              yield* Effect.replicateEffect(turn, pause % 3 + 1, { discard: true })
              yield* Effect.replicateEffect(Effect.yieldNow(), pause * 3 + 1, { discard: true })
              yield* Fiber.interruptAll(borrowers)
            }
            yield* quiet
            const { creating, leases, waiters } = yield* pool.stats
            assert.deepStrictEqual({ creating, leases, waiters }, { creating: 0, leases: 0, waiters: 0 }, where)
            yield* pool.clear
            yield* quiet
            assert.deepInclude(yield* sessionPool.stats, { leases: 0, waiters: 0 }, where)
            for (const { streamCounts, streams } of yield* sessions) {
              assert.strictEqual(streams.length, 0, where)
              assert.isAtMost(streamCounts.mostPending, 1, where)
            }
          }).pipe(Effect.scoped, Effect.provide(inMemory({ streamLimit: 3 })), fibers.within)
          yield* quiet
          assert.strictEqual(yield* fibers.running, 0, where)
        }
      }))
  }
})

// -----------------------------------------------------------------------------
// All at once
// -----------------------------------------------------------------------------

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const { CHAOS_SEED, CHAOS_FAULTS } = process.env
const seed = CHAOS_SEED === undefined ? Math.floor(Math.random() * 1e9) : Number(CHAOS_SEED)
// at least one of each kind, also where another project has run many
const faults = Number(CHAOS_FAULTS ?? (isFirst ? 16 : 6))
const kindsOfFaults = ["close", "cut", "kill", "stop"] as const
const workers = 16

/** The errors that a borrower may get. */
const troubles = [
  ...["SessionClosed", "Connect", "ConnectTimeout", "StreamLimit", "StreamOpen", "Read", "Write", "AcquireTimeout"],
  ...[Cause.timeoutTag, "Borrow", "Transport", "NoAnswer", "Framing"]
]

where("survivesFaults", describe)("borrowers and faults at random", () => {
  where("survivesFaults", it.scopedLive)(
    "leave nothing behind, and no borrower gets the answer of another",
    () =>
      Effect.gen(function*() {
        const random = randomOf(seed)
        const among = <A>(choices: ReadonlyArray<A>): A => choices[Math.floor(random() * choices.length)]!
        const server = yield* startServer({ initialBidirectionalStreams: 20 })
        const fibers = yield* fiberCount
        let answered = 0
        let ended = 0
        let isOver = false

        const test = Effect.gen(function*() {
          const { connect, url } = sessionOptions(server, "/echo")
          const sessionPool = yield* SessionPool.make({
            // the port is the same after a restart
            url,
            connect: { ...connect, connectTimeout: "300 millis" },
            maxSize: 3,
            retireGrace: "500 millis",
            createBackoff: { initial: "5 millis", max: "50 millis" }
          })
          const pool = yield* StreamPool.make({
            sessionPool,
            maxSize: 12,
            maxStreamsPerSession: 6,
            maxStreamsOpened: 40,
            acquireTimeout: "1 second",
            openTimeout: "200 millis",
            createBackoff: { initial: "5 millis", max: "50 millis" }
          })

          const check = (answer: string, message: string) => {
            assert.strictEqual(answer, message)
            answered++
          }

          /** A borrow that ends in some way, within about a second. */
          const borrow = (message: string): Effect.Effect<unknown, { readonly _tag: string }> => {
            switch (
              among(["echo", "echo", "echo", "request", "spoil", "finish", "interrupt", "impatient", "session"])
            ) {
              case "request":
                return Effect.map(pool.request(bytes(message)), (answer) => check(text(answer), message)).pipe(
                  Effect.timeout("300 millis")
                )
              case "spoil":
                return Effect.ignore(
                  pool.use((stream) => Effect.andThen(stream.write(bytes(message)), Effect.fail("no")))
                )
              case "finish":
                return pool.use((stream) =>
                  Effect.gen(function*() {
                    yield* stream.write(bytes(message))
                    yield* stream.closeWrite
                    check(text(yield* stream.readExactly(message.length)), message)
                    assert.isTrue(Option.isNone(yield* stream.read))
                  })
                ).pipe(Effect.timeout("300 millis"))
              case "interrupt": {
                const pause = Math.floor(random() * 20)
                return Effect.flatMap(Effect.fork(pool.use((stream) => echo(stream, message))), (fiber) =>
                  Effect.andThen(
                    pause < 10
                      ? Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
                      : Effect.sleep(pause - 10),
                    Fiber.interrupt(fiber)
                  ))
              }
              case "impatient":
                return Effect.timeout(
                  pool.use((stream) => echo(stream, message)),
                  Math.floor(random() * 10)
                )
              case "session":
                return sessionPool.use(() => Effect.yieldNow()).pipe(Effect.timeout("300 millis"))
              default:
                return Effect.map(pool.use((stream) => echo(stream, message)), (answer) => check(answer, message)).pipe(
                  Effect.timeout("300 millis")
                )
            }
          }

          const work = (worker: number) =>
            Effect.gen(function*() {
              for (let i = 0; !isOver; i++) {
                const outcome = yield* Effect.exit(borrow(`${worker}-${i}`))
                ended++
                if (Exit.isSuccess(outcome)) continue
                const failure = Cause.failureOption(outcome.cause)
                // a defect, or an assertion
                if (Option.isNone(failure)) return yield* Effect.failCause(outcome.cause)
                const error = failure.value as { readonly _tag: string; readonly reason?: string }
                assert.include(troubles, error.reason ?? error._tag)
                // a worker pauses after a failure, otherwise 16 workers would only fail
                yield* Effect.sleep("1 millis")
              }
            })

          const moreOf = (count: () => number, more: number) => {
            const from = count()
            return soon(until(Effect.sync(count), (now) => now >= from + more))
          }

          let left: Array<typeof kindsOfFaults[number]> = []
          /** Each kind comes once before any comes again. */
          const nextKind = () => {
            if (left.length === 0) left = [...kindsOfFaults]
            return left.splice(Math.floor(random() * left.length), 1)[0]!
          }

          const fault = Effect.gen(function*() {
            switch (nextKind()) {
              case "close":
                yield* server.command("closeSessions", { code: 3, reason: "chaos" })
                break
              case "cut":
                yield* server.command("destroySockets")
                break
              case "kill":
                yield* server.kill
                yield* moreOf(() => ended, among([5, 50]))
                yield* server.restart
                break
              default:
                yield* server.stop
                yield* moreOf(() => ended, among([20, 100]))
                yield* server.resume
            }
          })

          const working = yield* Effect.all(range(workers).map((worker) => Effect.fork(work(worker))))
          const crashed = Effect.raceAll(working.map(Fiber.join))
          const faulty = Effect.gen(function*() {
            for (let i = 0; i < faults; i++) {
              yield* moreOf(() => answered, among([10, 100]))
              yield* fault
            }
            // and the pools work again
            yield* moreOf(() => answered, 100)
            isOver = true
          })
          yield* Effect.raceFirst(faulty, Effect.andThen(crashed, Effect.die(new Error("a worker ended early"))))
          yield* soon(Effect.forEach(working, Fiber.join, { discard: true }))

          // every place is free: as many borrowers at once as there are places
          yield* untilStats(pool, ({ leases, waiters }) => leases === 0 && waiters === 0)
          const all = Effect.scoped(Effect.all(range(12).map(() => pool.get), { concurrency: "unbounded" }))
          yield* soon(Effect.eventually(all))
          assert.isAtMost((yield* pool.stats).size, 12)
          // no lease is left: the sessions come back with their streams
          yield* soon(until(
            Effect.andThen(pool.clear, Effect.all([pool.stats, sessionPool.stats])),
            ([streams, sessions]) =>
              streams.size === 0 && streams.closing === 0 && streams.creating === 0 &&
              sessions.leases === 0 && sessions.waiters === 0
          ))
          assert.deepStrictEqual(yield* pool.sessions, [])
          assert.isAtMost((yield* sessionPool.stats).size, 3)
        })

        yield* test.pipe(
          Effect.scoped,
          fibers.within,
          Effect.provide(client),
          Effect.provide(silent)
        )
        // no fiber is left
        yield* soon(until(fibers.running, (running) => running === 0))
        yield* soon(server.until(({ sessionsOpen }) => sessionsOpen === 0))
        assert.strictEqual(yield* server.stderr, "")
      }).pipe(
        Effect.tapErrorCause(() => Effect.sync(() => console.error(`CHAOS_SEED=${seed} CHAOS_FAULTS=${faults}`)))
      )
  )
})
