/** Requests on shared streams over each transport: every request gets its own answer, or an error that says what was sent. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Random from "#test/Random"
import { isFramingError } from "effect-pools/FramingError"
import type { RequestError } from "effect-pools/RequestError"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { isWebTransportError } from "effect-pools/WebTransportError"
import * as Ref from "effect/Ref"
import { where } from "../support/capabilities.js"
import { live, startServer } from "../support/implementation.js"
import { ask, collect, error, isNumber, joinAll, poolAt } from "../support/requestPools.js"
import { bytes, sessionOptions, soon, text, turn, until } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { assert, describe, layer } from "../support/vitest.js"

const Live = live()

const range = (length: number) => Array.from({ length }, (_, i) => i)

/** Waits until the server has got the request. */
const arrival = (server: TestServer.Service, path: string, request: string) =>
  soon(until(server.command("requests", { path }), (requests) => requests[request] === 1))

describe("RequestPool", () => {
  layer(Live, { excludeTestServices: true })("gives each request its answer", (it) => {
    for (const batch of ["0", "1", "reverse"]) {
      it.scoped(`over one stream, answers with batch=${batch}`, () =>
        Effect.gen(function*() {
          const { counts, pool } = yield* poolAt(`/framed?ids=1&batch=${batch}`, { maxStreams: 1 })
          const requests = range(1_000).map((i) => `request ${i}`)
          const answers = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 64 })
          assert.deepStrictEqual(yield* soon(answers), requests)
          assert.strictEqual((yield* counts).streamsAccepted, 1)
          const { batches, sent } = yield* pool.stats
          assert.strictEqual(sent, 1_000)
          assert.isBelow(batches, 1_000)
        }))
    }

    it.scoped("over several streams, and more wait", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?ids=1&batch=1&several", { maxInFlight: 8 })
        const requests = range(1_000).map((i) => `request ${i}`)
        const answers = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* soon(answers), requests)
        assert.strictEqual((yield* counts).streamsAccepted, 4)
      }))

    it.scoped("in turn, without ids", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?batch=1&turn", { correlate: false, maxStreams: 1 })
        const requests = range(500).map((i) => `request ${i}`)
        const answers = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 64 })
        assert.deepStrictEqual(yield* soon(answers), requests)
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("whatever their order", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* poolAt("/framed?ids=1&held")
        const fibers = yield* Effect.forEach(range(20), (i) => Effect.fork(ask(pool, `hold ${i}`)))
        yield* soon(until(server.command("requests", { path }), (requests) => Object.keys(requests).length === 20))
        assert.strictEqual(yield* soon(ask(pool, "between")), "between")
        yield* server.command("heldAnswers", { path })
        assert.deepStrictEqual(yield* soon(joinAll(fibers)), range(20).map((i) => `hold ${i}`))
      }))

    it.scoped("of any size", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?ids=1&sizes")
        const sizes = [0, 1, 63, 64, 16_383, 16_384, 65_536, 65_537, 500_000]
        const requests = sizes.map((size, i) => `${i} ${"x".repeat(size)}`)
        const answers = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* soon(answers), requests)
        const large = yield* soon(pool.request(bytes("size 900000")))
        assert.strictEqual(large.byteLength, 900_000)
        assert.deepInclude(yield* pool.stats, { exclusive: 0, inFlight: 0 })
      }))

    it.scoped("of the peer that this library is, too", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/served?ids=1")
        const requests = range(1_000).map((i) => `request ${i}`)
        const answers = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 64 })
        assert.deepStrictEqual(yield* soon(answers), requests)
        const many = pool.requestStream(bytes("many 20"), { shared: true, isLast: isNumber(19) })
        assert.deepStrictEqual(yield* soon(collect(many)), range(20).map((n) => `${n} many 20`))
        const alone = pool.requestStream(bytes("many 20"), { isLast: isNumber(19) })
        assert.deepStrictEqual(yield* soon(collect(alone)), range(20).map((n) => `${n} many 20`))
      }))
  })

  layer(Live, { excludeTestServices: true })("fails requests, and says whether they were sent", (it) => {
    for (
      const [request, reason, framing] of [
        ["unknownId", "Framing", "Malformed"],
        ["noId", "Framing", "Malformed"],
        ["oversized", "Framing", "Oversized"],
        ["truncated", "Framing", "Truncated"],
        ["fin", "NoAnswer", undefined],
        ["reset", "Transport", undefined]
      ] as const
    ) {
      it.scoped(`after ${request}: the stream ends, the pool goes on`, () =>
        Effect.gen(function*() {
          const { path, pool, server } = yield* poolAt(`/framed?ids=1&${request}`)
          const other = yield* Effect.fork(ask(pool, "silence"))
          yield* arrival(server, path, "silence")
          const failed = error(yield* soon(Effect.exit(ask(pool, request))))
          assert.deepStrictEqual([failed.reason, failed.sent], [reason, "maybe"])
          if (framing !== undefined) {
            assert.isTrue(isFramingError(failed.cause) && failed.cause.reason === framing, String(failed.cause))
          }
          const shared = error(yield* soon(Fiber.await(other)))
          assert.deepStrictEqual([shared.reason, shared.sent], [reason, "maybe"])
          assert.strictEqual(yield* soon(ask(pool, "next")), "next")
          assert.deepStrictEqual(yield* server.command("requests", { path }), { silence: 1, [request]: 1, next: 1 })
        }))
    }

    it.scoped("when the session closes: those that waited were not sent", () =>
      Effect.gen(function*() {
        const { path, pool, server } = yield* poolAt("/framed?ids=1&closes", { maxStreams: 1, maxInFlight: 2 })
        const sent = yield* Effect.forEach(["silence 0", "silence 1"], (request) => Effect.fork(ask(pool, request)))
        yield* arrival(server, path, "silence 1")
        const waiting = yield* Effect.fork(ask(pool, "waiting"))
        yield* until(pool.stats, ({ waiters }) => waiters === 1)
        yield* server.command("closeSessions", { path, code: 7 })
        for (const fiber of sent) {
          const { cause, reason, sent } = error(yield* soon(Fiber.await(fiber)))
          assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
          assert.isTrue(isWebTransportError(cause) && cause.reason === "SessionClosed", String(cause))
        }
        const unsent = error(yield* soon(Fiber.await(waiting)))
        assert.deepStrictEqual([unsent.reason, unsent.sent], ["Borrow", "no"])
        assert.deepStrictEqual(yield* server.command("requests", { path }), { "silence 0": 1, "silence 1": 1 })
      }))

    where("noticesDeath", it.scoped)("when the server is killed", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const { path, pool } = yield* Effect.provideService(poolAt("/framed?ids=1"), TestServer.TestServer, server)
        const fiber = yield* Effect.fork(ask(pool, "silence"))
        yield* arrival(server, path, "silence")
        yield* server.kill
        const { reason, sent } = error(yield* soon(Fiber.await(fiber)))
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
      }))
  })

  layer(Live, { excludeTestServices: true })("given up anywhere", (it) => {
    it.scoped("never sends twice, nor gives an answer to another request", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/framed?ids=1&batch=1&anywhere"
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 3 })
        const pool = yield* RequestPool.make({ sessionPool, maxStreams: 3, maxInFlight: 8, maxBatch: 2_000 })
        const outcomes = yield* Ref.make<ReadonlyArray<readonly [string, Exit.Exit<string, RequestError>]>>([])
        const verbs = [
          "echo",
          "echo",
          "echo",
          "echo",
          "echo",
          "twice 0",
          "many 2",
          "silence",
          "unknownId",
          "reset",
          "fin"
        ]
        const one = (i: number) =>
          Effect.gen(function*() {
            const verb = yield* Random.choice(verbs)
            const size = yield* Random.nextIntBetween(0, 10)
            // on a stream of its own, an answer with another id is passed over
            const padding = " x".repeat(size === 9 && verb !== "unknownId" ? 1_500 : size)
            const request = `${verb} number ${i}${padding}`
            const fiber = yield* Effect.fork(ask(pool, request))
            if (!request.startsWith("silence") && (yield* Random.nextBoolean)) yield* Fiber.await(fiber)
            const yields = yield* Random.nextIntBetween(0, 12)
            for (let n = 0; n < yields; n++) yield* Effect.yieldNow()
            const turns = yield* Random.nextIntBetween(0, request.startsWith("silence") ? 10 : 40)
            for (let n = 0; n < turns; n++) yield* turn
            const exit = yield* Fiber.interrupt(fiber)
            yield* Ref.update(outcomes, (all) => [...all, [request, exit] as const])
          })
        yield* soon(Effect.forEach(range(400), one, { concurrency: 24, discard: true }))
        // a late answer of the worst kind may still end its stream
        assert.strictEqual(yield* soon(Effect.retry(ask(pool, "last"), { times: 8 })), "last")
        const requests = yield* server.command("requests", { path })
        const count = { answered: 0, interrupted: 0, no: 0, maybe: 0 }
        for (const [request, exit] of yield* Ref.get(outcomes)) {
          const arrived = requests[request] ?? 0
          assert.isAtMost(arrived, 1, request)
          if (Exit.isSuccess(exit)) {
            count.answered++
            assert.strictEqual(arrived, 1, request)
            assert.strictEqual(exit.value.replace("0 many", "many"), request)
          } else if (Exit.isInterrupted(exit)) count.interrupted++
          else {
            const { sent } = error(exit)
            count[sent]++
            if (sent === "no") assert.strictEqual(arrived, 0, request)
          }
        }
        // every kind was tried
        assert.isAbove(count.answered, 10, JSON.stringify(count))
        assert.isAbove(count.interrupted, 10, JSON.stringify(count))
        assert.isAbove(count.maybe, 5, JSON.stringify(count))
        const stats = yield* soon(until(pool.stats, ({ inFlight, waiters }) => inFlight + waiters === 0))
        assert.isAbove(stats.lateAnswers, 0)
      }).pipe(Effect.withRandom(Random.make("requests"))))
  })

  layer(Live, { excludeTestServices: true })("as a guest", (it) => {
    it.scoped("shares the streams of a pool with its other borrowers", () =>
      Effect.gen(function*() {
        const { counts, pool, streamPool } = yield* poolAt("/framed?ids=1&guest", { maxStreams: 1 }, { maxSize: 2 })
        const requests = range(200).map((i) => `request ${i}`)
        const shared = Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 20 })
        const alone = Effect.forEach(
          requests,
          (request) => Effect.map(streamPool.request(bytes(request), { correlate: true }), text),
          { concurrency: 4 }
        )
        const [first, second] = yield* soon(Effect.all([shared, alone], { concurrency: 2 }))
        assert.deepStrictEqual(first, requests)
        assert.deepStrictEqual(second, requests)
        assert.isAtMost((yield* counts).streamsAccepted, 2)
        yield* soon(until(streamPool.stats, ({ inUse }) => inUse === 0))
      }))

    it.scoped("over a session that is the caller's own", () =>
      Effect.gen(function*() {
        const { session } = yield* poolAt("/framed?ids=1&own")
        const streamPool = yield* StreamPool.make({ session })
        const pool = yield* RequestPool.make({ streamPool })
        assert.strictEqual(yield* soon(ask(pool, "hello")), "hello")
        yield* soon(pool.drain)
      }))
  })
})
