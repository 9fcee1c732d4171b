/** A pool over three real servers, each in a process of its own: killed, stopped, slow, closing, removed, back again. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import type * as Scope from "#test/Scope"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { can } from "../../support/capabilities.js"
import { client, startServer } from "../../support/implementation.js"
import { soon } from "../../support/soon.js"
import { bytes, text } from "../../support/streamPools.js"
import { until } from "../../support/streams.js"
import type * as TestServer from "../../support/TestServer.js"
import { assert, describe, it as test } from "../../support/vitest.js"

const it = (
  name: string,
  run: () => Effect.Effect<unknown, unknown, WebTransport.WebTransportConstructor | Scope.Scope>
) => test.scopedLive(name, () => Effect.provide(run(), quietClient), 120_000)

/** Log lines about broken sessions are not printed. */
const quietClient = Layer.merge(client, Logger.minimumLogLevel(LogLevel.None))

const three = Effect.all([startServer(), startServer(), startServer()], { concurrency: "unbounded" })

type Servers = readonly [TestServer.Service, TestServer.Service, TestServer.Service]

const endpointsOf = (servers: ReadonlyArray<TestServer.Service>, path = "/echo") =>
  servers.map((server) => ({ url: server.url(path) }))

const labelOf = (server: TestServer.Service) => `127.0.0.1:${server.port}`

const attemptDelay = 250
const connectTimeout = can("hearsRefusal") ? 10_000 : 1_000

const make = (servers: Servers, options: Partial<SessionPool.EndpointsOptions> = {}) =>
  SessionPool.make({
    endpoints: endpointsOf(servers),
    connect: { serverCertificateHashes: [{ value: servers[0].hash }], connectTimeout },
    maxSize: 6,
    attemptDelay,
    acquireTimeout: "20 seconds",
    keepAlive: { interval: "1 second", ping: SessionPool.pingStream() },
    checkTimeout: "500 millis",
    ...options
  })

const request = (pool: StreamPool.Service, message: string) =>
  pool.use((stream) =>
    Effect.map(Effect.andThen(stream.write(bytes(message)), stream.readExactly(message.length)), text).pipe(
      Effect.timeout("2 seconds")
    )
  )

const stateOf = (pool: SessionPool.Service, server: TestServer.Service) =>
  Effect.map(pool.endpoints, (all) => all.find(({ endpoint }) => endpoint === labelOf(server))?.state)

const sessionsOf = (pool: SessionPool.Service, server: TestServer.Service) =>
  Effect.map(pool.endpoints, (all) => all.find(({ endpoint }) => endpoint === labelOf(server))?.sessions ?? 0)

/** 64 fibers send requests until interrupted. Counts the answers, and the failures by their text. */
const load = (pool: StreamPool.Service) =>
  Effect.gen(function*() {
    const counts = { answers: 0, wrong: 0, failures: [] as Array<string> }
    const one = (fiber: number): Effect.Effect<void> => {
      const message = `request of ${fiber}`
      return Effect.flatMap(Effect.exit(request(pool, message)), (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) counts.failures.push(String(exit.cause))
          else if (exit.value !== message) counts.wrong++
          else counts.answers++
        }))
    }
    const fibers = yield* Effect.forEach(
      Array.from({ length: 64 }, (_, fiber) => fiber),
      (fiber) => Effect.forkScoped(Effect.forever(Effect.andThen(one(fiber), Effect.yieldNow())))
    )
    return { counts, stop: Effect.forEach(fibers, Fiber.interrupt, { discard: true }) }
  })

const progress = (counts: { readonly answers: number }, more: number) => {
  const from = counts.answers
  return soon(until(Effect.sync(() => counts.answers), (answers) => answers >= from + more))
}

describe("three servers", () => {
  it("one is killed, and started again: requests fail only on its sessions, and it gets its share back", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const sessionPool = yield* make(servers, { failbackAfter: "1 second" })
      const pool = yield* StreamPool.make({ sessionPool, maxStreamsPerSession: 16 })
      const { counts, stop } = yield* load(pool)
      yield* progress(counts, 200)
      const [victim] = servers
      const lost = yield* sessionsOf(sessionPool, victim)
      yield* victim.kill
      yield* progress(counts, 500)
      yield* soon(until(sessionsOf(sessionPool, victim), (sessions) => sessions === 0))
      const failed = counts.failures.length
      // at most the streams of its sessions
      assert.isAtMost(failed, 16 * lost + 64)
      yield* progress(counts, 500)
      assert.strictEqual((yield* sessionPool.stats).failures, 0)
      assert.strictEqual((yield* sessionPool.stats).timeouts, 0)
      yield* victim.restart
      yield* soon(until(stateOf(sessionPool, victim), (state) => state === "Well"))
      yield* progress(counts, 500)
      yield* soon(until(sessionsOf(sessionPool, victim), (sessions) => sessions > 0))
      yield* stop
      assert.strictEqual(counts.wrong, 0)
    }))

  it("beside a killed one no borrower waits for more than a failed connect", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const pool = yield* make(servers, { maxSize: 32, createConcurrency: 32 })
      yield* servers[1].kill
      const opened = yield* Effect.forEach(Array.from({ length: 12 }), () => pool.get, { concurrency: "unbounded" })
      assert.strictEqual(opened.length, 12)
      assert.strictEqual((yield* pool.stats).failures, 0)
      assert.strictEqual(yield* sessionsOf(pool, servers[1]), 0)
      const sessions = yield* Effect.forEach([servers[0], servers[2]], (server) => sessionsOf(pool, server))
      assert.deepStrictEqual(sessions.reduce((sum, count) => sum + count, 0), 12)
    }))

  it("beside a stopped one borrowers get sessions of the others, and it is found by its pings", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const sessionPool = yield* make(servers, { maxSize: 6, minSize: 6, consecutiveFailures: 1 })
      yield* sessionPool.ready
      // on a busy machine a slow connect may have lost its race
      const counts = yield* Effect.forEach(servers, (server) => sessionsOf(sessionPool, server))
      const victim = servers[counts.indexOf(Math.max(...counts))]!
      yield* victim.stop
      // its sessions are gone after a ping, and their places go to the others
      yield* soon(until(sessionsOf(sessionPool, victim), (sessions) => sessions === 0))
      yield* soon(until(sessionPool.stats, ({ size }) => size === 6))
      assert.strictEqual((yield* sessionPool.stats).failures, 0)
      assert.strictEqual(yield* stateOf(sessionPool, victim), "Ejected")
      yield* victim.resume
    }))

  it("a stopped one loses every race, and no borrower fails", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const [victim] = servers
      yield* victim.stop
      const pool = yield* make(servers, { balance: "ordered" })
      yield* pool.use(() => Effect.void)
      const stats = yield* pool.stats
      assert.deepInclude(stats, { created: 1, failures: 0 })
      assert.strictEqual(yield* sessionsOf(pool, servers[1]), 1)
      // the next creation does not wait for it
      assert.strictEqual(yield* stateOf(pool, victim), "Failing")
      yield* victim.resume
    }))

  it("one accepts and closes at once: it is ejected, and the others serve", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const endpoints = [
        { url: servers[0].url("/close?code=1") },
        { url: servers[1].url("/echo") },
        { url: servers[2].url("/echo") }
      ]
      const sessionPool = yield* make(servers, { endpoints, consecutiveFailures: 3, minSize: 3 })
      const pool = yield* StreamPool.make({ sessionPool })
      const { counts, stop } = yield* load(pool)
      yield* soon(until(stateOf(sessionPool, servers[0]), (state) => state === "Ejected"))
      yield* progress(counts, 500)
      yield* stop
      assert.strictEqual(counts.wrong, 0)
      assert.strictEqual((yield* sessionPool.stats).failures, 0)
    }))

  it("one is slow: it is raced", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const endpoints = [{ url: servers[0].url("/slow?ms=9000") }, { url: servers[1].url("/echo") }]
      const pool = yield* make(servers, { endpoints, balance: "ordered" })
      yield* pool.use(() => Effect.void)
      assert.strictEqual(yield* sessionsOf(pool, servers[1]), 1)
      assert.strictEqual((yield* pool.stats).failures, 0)
    }))

  it("one leaves the list, and comes back", () =>
    Effect.gen(function*() {
      const servers = yield* three
      const lists = yield* Queue.unbounded<ReadonlyArray<SessionPool.Endpoint>>()
      yield* Queue.offer(lists, endpointsOf(servers))
      const sessionPool = yield* make(servers, {
        endpoints: Stream.fromQueue(lists) as Stream.Stream<ReadonlyArray<SessionPool.Endpoint>>,
        failbackAfter: "500 millis",
        minSize: 6
      })
      const pool = yield* StreamPool.make({ sessionPool })
      yield* sessionPool.ready
      const { counts, stop } = yield* load(pool)
      yield* progress(counts, 200)
      yield* Queue.offer(lists, endpointsOf(servers.slice(1)))
      yield* soon(until(stateOf(sessionPool, servers[0]), (state) => state === undefined))
      yield* progress(counts, 200)
      yield* Queue.offer(lists, endpointsOf(servers))
      yield* soon(until(sessionsOf(sessionPool, servers[0]), (sessions) => sessions > 0))
      yield* stop
      assert.strictEqual(counts.wrong, 0)
      // sessions that move serve their borrowers to the end
      assert.deepStrictEqual(counts.failures, [])
    }))
})
