import { assert, describe, it } from "@effect/vitest"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import { client } from "./support/implementation.js"
import { silent, soon, untilStats } from "./support/streams.js"
import * as TestServer from "./support/TestServer.js"

// The transport itself notices a dead or a stopped server after 30 s: `soon` gives the pools less.

const withHttp3 = Effect.provide(client)

const options = (server: TestServer.Service) => ({
  url: server.url("/echo"),
  connect: { serverCertificateHashes: [{ value: server.hash }] },
  createBackoff: { initial: "10 millis", max: "200 millis" }
} as const)

const keepAlive = {
  keepAlive: { interval: "50 millis", ping: SessionPool.pingStream() },
  checkTimeout: "500 millis"
} as const

const echo = (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    yield* stream.write(new TextEncoder().encode("hello"))
    return new TextDecoder().decode(yield* stream.readExactly(5))
  })

describe("over HTTP/3", () => {
  describe("SessionPool", () => {
    for (const fault of ["kill", "stop"] as const) {
      it.scopedLive(`loses a session by keepAlive, and connects anew (${fault})`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.start({ protocol: "http3" })
          const pool = yield* SessionPool.make({ ...options(server), ...keepAlive, minSize: 1 })
          yield* soon(pool.ready)
          yield* server[fault]
          yield* untilStats(pool, ({ destroyed }) => destroyed.lost === 1)
          yield* server.restart
          assert.strictEqual(
            yield* soon(
              pool.use((session) => Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), echo)))
            ),
            "hello"
          )
        }).pipe(withHttp3, Effect.provide(silent)), 60_000)
    }

    it.scopedLive(
      "does not lend a session whose server is dead to a borrower that has it validated",
      () =>
        Effect.gen(function*() {
          const server = yield* TestServer.start({ protocol: "http3" })
          const pool = yield* SessionPool.make({
            ...options(server),
            maxSize: 1,
            validate: (session) => Effect.as(SessionPool.pingStream()(session), true),
            validateAfterIdle: 0,
            checkTimeout: "500 millis"
          })
          yield* soon(pool.use(() => Effect.void))
          yield* server.restart
          yield* soon(pool.use((session) => Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), echo))))
          assert.deepInclude(yield* pool.stats, { created: 2 })
        }).pipe(withHttp3),
      60_000
    )

    it.scopedLive(
      "fails a borrower by acquireTimeout while the server is stopped, and serves the next one when it is back",
      () =>
        Effect.gen(function*() {
          const server = yield* TestServer.start({ protocol: "http3" })
          yield* server.stop
          const pool = yield* SessionPool.make({ ...options(server), acquireTimeout: "200 millis" })
          const error = yield* soon(Effect.flip(pool.use(() => Effect.void)))
          assert.deepStrictEqual([error._tag, error.reason], ["PoolError", "AcquireTimeout"])
          yield* server.resume
          yield* soon(Effect.eventually(pool.use(() => Effect.void)))
        }).pipe(withHttp3, Effect.provide(silent)),
      60_000
    )

    for (const fault of ["kill", "stop"] as const) {
      it.live(`closes in time (${fault})`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.start({ protocol: "http3" })
          yield* soon(Effect.scoped(Effect.gen(function*() {
            const pool = yield* SessionPool.make({ ...options(server), minSize: 2, shutdownGrace: "200 millis" })
            yield* soon(pool.ready)
            yield* server[fault]
            yield* pool.acquire
          })))
        }).pipe(Effect.scoped, withHttp3, Effect.provide(silent)), 60_000)
    }
  })

  describe("StreamPool", () => {
    for (const fault of ["kill", "stop"] as const) {
      it.scopedLive(
        `serves again once the server is back, by the keepAlive of its sessions (${fault})`,
        () =>
          Effect.gen(function*() {
            const server = yield* TestServer.start({ protocol: "http3" })
            const sessions = yield* SessionPool.make({ ...options(server), ...keepAlive, maxSize: 1, concurrency: 100 })
            const pool = yield* StreamPool.make({ sessionPool: sessions, maxSize: 4 })
            assert.strictEqual(yield* soon(pool.use(echo)), "hello")
            yield* server[fault]
            yield* untilStats(sessions, ({ destroyed }) => destroyed.lost === 1)
            yield* server.restart
            assert.strictEqual(yield* soon(pool.use(echo)), "hello")
          }).pipe(withHttp3, Effect.provide(silent)),
        60_000
      )

      it.live(`closes in time, with streams lent, idle and blocked (${fault})`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.start({ protocol: "http3" })
          yield* soon(Effect.scoped(Effect.gen(function*() {
            const sessions = yield* SessionPool.make({ ...options(server), shutdownGrace: "200 millis" })
            const pool = yield* StreamPool.make({
              sessionPool: sessions,
              maxStreamsPerSession: 2,
              minSize: 4,
              shutdownGrace: "200 millis"
            })
            yield* soon(pool.ready)
            yield* server[fault]
            yield* pool.acquire
            const lease = yield* pool.acquire
            yield* Effect.forkDaemon(Effect.exit(Effect.forever(lease.value.write(new Uint8Array(1 << 20)))))
          })))
        }).pipe(Effect.scoped, withHttp3, Effect.provide(silent)), 60_000)

      it.scopedLive(
        `ends a request by the deadline of whoever made it, also one that is too large to be sent (${fault})`,
        () =>
          Effect.gen(function*() {
            const server = yield* TestServer.start({ protocol: "http3" })
            const sessions = yield* SessionPool.make({ ...options(server), ...keepAlive })
            const pool = yield* StreamPool.make({ sessionPool: sessions, maxSize: 4 })
            const request = (size: number) => pool.request(new Uint8Array(size), { maxMessageSize: 32 << 20 })
            yield* soon(request(5))
            yield* server[fault]
            for (const size of [5, 16 << 20]) {
              const error = yield* soon(Effect.flip(Effect.timeout(request(size), "100 millis")))
              assert.strictEqual(error._tag, "TimeoutException")
            }
            yield* untilStats(pool, ({ leases, waiters }) => leases === 0 && waiters === 0)
            yield* fault === "stop" ? server.resume : server.restart
            yield* soon(Effect.eventually(Effect.timeout(request(5), "1 second")))
          }).pipe(withHttp3, Effect.provide(silent)),
        60_000
      )
    }
  })
})
