/** Requests are sent once and answered once, and their errors tell whether they were sent. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Random from "#test/Random"
import { isFramingError } from "effect-pools/FramingError"
import { isPoolError } from "effect-pools/PoolError"
import { isRequestError, type RequestError } from "effect-pools/RequestError"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { isWebTransportError } from "effect-pools/WebTransportError"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { can, where } from "../support/capabilities.js"
import { live, startServer } from "../support/implementation.js"
import { allBack, bytes, failure, poolAt, sessionOptions, soon, text, turn, until } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { onTestClock, within } from "../support/time.js"
import { assert, describe, layer } from "../support/vitest.js"

const Live = live()

// the browser's credit for a session is 98, and does not come back: more requests would wait for new sessions
const atRandom = can("returnsCredit") ? 600 : 120

const ask = (pool: StreamPool.Service, request: string, options?: StreamPool.RequestOptions) =>
  Effect.map(pool.request(bytes(request), options), text)

const error = (exit: Exit.Exit<unknown, unknown>): RequestError => {
  const error = failure(exit)
  assert.isTrue(isRequestError(error), String(error))
  return error as RequestError
}

const collect = <E>(answers: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(answers), (chunk) => [...chunk].map(text))

/** The last answer to `many <n> …`. */
const isNumber = (n: number) => (message: Uint8Array) => text(message).startsWith(`${n} `)

describe("StreamPool.request", () => {
  layer(Live, { excludeTestServices: true })("an answer", (it) => {
    it.scoped("comes to each of many requests, over few streams", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?many", { maxSize: 4 })
        const requests = Array.from({ length: 200 }, (_, i) => `request ${i}`)
        assert.deepStrictEqual(
          yield* soon(Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 16 })),
          requests
        )
        assert.isAtMost((yield* counts).streamsAccepted, 4)
      }))

    it.scoped("may be empty, and so may be a request", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?empty")
        assert.strictEqual(yield* soon(ask(pool, "")), "")
        assert.strictEqual(yield* soon(ask(pool, "")), "")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("may come in many pieces", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?large")
        const request = "x".repeat(500_000)
        assert.strictEqual(yield* soon(ask(pool, request)), request)
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1 })
      }))

    it.scoped("to another request is passed over with correlation ids", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?ids=1&wrong")
        for (let i = 0; i < 3; i++) {
          assert.strictEqual(yield* soon(ask(pool, `wrongId ${i}`, { correlate: true })), `wrongId ${i}`)
        }
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("is of the request's bytes as they were when it was made", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?changed")
        const lease = yield* pool.acquire
        const message = bytes("before")
        const fiber = yield* Effect.fork(pool.request(message))
        yield* until(pool.stats, ({ waiters }) => waiters === 1)
        message.fill(0)
        yield* lease.release()
        assert.strictEqual(text(yield* soon(Fiber.join(fiber))), "before")
      }))
  })

  layer(Live, { excludeTestServices: true })("that fails says what happened, and whether it was sent:", (it) => {
    /** On a pool with room for one stream: afterwards the room is free, and the peer has received the request `arrived` times. */
    const failing = (request: string, arrived: 0 | 1, options?: StreamPool.RequestOptions) =>
      Effect.gen(function*() {
        const path = `/framed?ids=${options?.correlate === true ? 1 : 0}&failing=${encodeURIComponent(request)}`
        const { pool, server } = yield* poolAt(path)
        const exit = yield* soon(Effect.exit(pool.request(bytes(request), options)))
        assert.strictEqual(yield* soon(ask(pool, "next", { correlate: options?.correlate })), "next")
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0 })
        const requests = yield* server.command("requests", { path })
        assert.deepStrictEqual(requests, arrived === 0 ? { next: 1 } : { [request]: 1, next: 1 })
        return error(exit)
      })

    it.scoped("reset after it was sent", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("reset", 1)
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
        assert.isTrue(isWebTransportError(cause) && cause.reason === "Read", String(cause))
      }))

    it.scoped("finished instead of answered", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("fin", 1)
        assert.deepStrictEqual([reason, sent, cause], ["NoAnswer", "maybe", undefined])
      }))

    it.scoped("an answer that is cut off", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("truncated", 1)
        assert.deepStrictEqual([reason, sent], ["Framing", "maybe"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Truncated", String(cause))
      }))

    it.scoped("an answer that is too large", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("oversized", 1)
        assert.deepStrictEqual([reason, sent], ["Framing", "maybe"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Oversized" && cause.operation === "read")
      }))

    it.scoped("an answer that is larger than this request allows", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("many 1", 1, { maxMessageSize: 7 })
        assert.deepStrictEqual([reason, sent], ["Framing", "maybe"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Oversized" && cause.limit === 7)
      }))

    it.scoped("an answer without the id that it should begin with", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("noId", 1, { correlate: true })
        assert.deepStrictEqual([reason, sent], ["Framing", "maybe"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Malformed")
      }))

    it.scoped("a request that is too large, which costs no stream", () =>
      Effect.gen(function*() {
        const { cause, reason, sent } = yield* failing("too large", 0, { maxMessageSize: 8 })
        assert.deepStrictEqual([reason, sent], ["Framing", "no"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Oversized" && cause.operation === "write")
        const { counts, pool } = yield* poolAt("/framed?too-large")
        yield* ask(pool, "first")
        yield* Effect.exit(ask(pool, "too large", { maxMessageSize: 8 }))
        yield* ask(pool, "second")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("no stream in time", () =>
      Effect.gen(function*() {
        const path = "/framed?none-in-time"
        const { pool, server } = yield* poolAt(path, { acquireTimeout: 20 })
        const lease = yield* soon(pool.acquire)
        const { cause, reason, sent } = error(yield* Effect.exit(ask(pool, "hello")).pipe(within(20)))
        assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
        assert.isTrue(isPoolError(cause) && cause.reason === "AcquireTimeout", String(cause))
        yield* lease.release()
        assert.deepStrictEqual(yield* server.command("requests", { path }), {})
      }).pipe(onTestClock))

    it.scoped("the session is gone", () =>
      Effect.gen(function*() {
        const path = "/framed?session-gone"
        const { pool, server, session } = yield* poolAt(path)
        yield* ask(pool, "hello")
        yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
        yield* soon(session.closed)
        const { cause, reason, sent } = error(yield* soon(Effect.exit(ask(pool, "next"))))
        assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
        assert.isTrue(isWebTransportError(cause) && cause.reason === "SessionClosed", String(cause))
        assert.deepStrictEqual(yield* server.command("requests", { path }), { hello: 1 })
      }))

    it.scoped("the session goes while the answer is awaited", () =>
      Effect.gen(function*() {
        const path = "/framed?session-goes"
        const { pool, server } = yield* poolAt(path)
        const fiber = yield* Effect.fork(ask(pool, "silence"))
        yield* soon(until(server.command("requests", { path }), (requests) => requests.silence === 1))
        yield* server.command("closeSessions", { path, code: 7 })
        const { cause, reason, sent } = error(yield* soon(Fiber.await(fiber)))
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
        assert.isTrue(isWebTransportError(cause) && cause.reason === "SessionClosed", String(cause))
      }))

    where("noticesDeath", it.scoped)("the server is killed while the answer is awaited", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const path = "/framed"
        const { pool } = yield* Effect.provideService(poolAt(path), TestServer.TestServer, server)
        const fiber = yield* Effect.fork(ask(pool, "silence"))
        yield* soon(until(server.command("requests", { path }), (requests) => requests.silence === 1))
        yield* server.kill
        const { reason, sent } = error(yield* soon(Fiber.await(fiber)))
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
      }))
  })

  layer(Live, { excludeTestServices: true })("that is given up", (it) => {
    it.scoped("resets its stream, and is not sent again", () =>
      Effect.gen(function*() {
        const path = "/framed?given-up"
        const { counts, pool, server } = yield* poolAt(path)
        const fiber = yield* Effect.fork(ask(pool, "silence"))
        yield* soon(until(server.command("requests", { path }), (requests) => requests.silence === 1))
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
        yield* soon(until(counts, ({ streamsReset }) => streamsReset === 1))
        assert.deepStrictEqual(yield* server.command("requests", { path }), { silence: 1, next: 1 })
      }))

    it.scoped("while it waits for a stream was not sent", () =>
      Effect.gen(function*() {
        const path = "/framed?given-up-before"
        const { counts, pool, server } = yield* poolAt(path)
        const lease = yield* pool.acquire
        const fiber = yield* Effect.fork(ask(pool, "hello"))
        yield* until(pool.stats, ({ waiters }) => waiters === 1)
        yield* Fiber.interrupt(fiber)
        yield* lease.release()
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
        assert.deepStrictEqual(yield* server.command("requests", { path }), { next: 1 })
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    for (const correlate of [false, true]) {
      it.scoped(`anywhere is never sent twice, nor answered with another's answer (${correlate ? "with" : "without"} ids)`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.TestServer
          const path = `/framed?ids=${correlate ? 1 : 0}&anywhere`
          const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 3 })
          const pool = yield* StreamPool.make({ sessionPool, maxSize: 6, maxStreamsPerSession: 3, suspectAfter: 1_000 })
          const outcomes = yield* Ref.make<ReadonlyArray<readonly [string, Exit.Exit<string, RequestError>]>>([])
          const verbs = ["echo", "echo", "echo", "echo", "reset", "fin", "truncated", "silence"]
          if (can("deliversTogether")) verbs.push("partial")
          // only the id tells a second answer, which comes after its stream was lent again, from the right one
          if (can("deliversTogether") || correlate) verbs.push("many 2")
          const one = (i: number) =>
            Effect.gen(function*() {
              const request = `${yield* Random.choice(verbs)} number ${i}`
              const fiber = yield* Effect.fork(ask(pool, request, { correlate }))
              if (!request.startsWith("silence") && (yield* Random.nextBoolean)) yield* Fiber.await(fiber)
              const yields = yield* Random.nextIntBetween(0, 12)
              for (let n = 0; n < yields; n++) yield* Effect.yieldNow()
              const turns = yield* Random.nextIntBetween(0, request.startsWith("silence") ? 10 : 40)
              for (let n = 0; n < turns; n++) yield* turn
              const exit = yield* Fiber.interrupt(fiber)
              yield* Ref.update(outcomes, (all) => [...all, [request, exit] as const])
            })
          yield* soon(
            Effect.forEach(Array.from({ length: atRandom }, (_, i) => i), one, { concurrency: 12, discard: true })
          )
          // all requests that were sent have arrived by now
          assert.strictEqual(yield* soon(ask(pool, "last", { correlate })), "last")
          const requests = yield* server.command("requests", { path })
          const count = { answered: 0, interrupted: 0, no: 0, maybe: 0 }
          for (const [request, exit] of yield* Ref.get(outcomes)) {
            const arrived = requests[request] ?? 0
            assert.isAtMost(arrived, 1, request)
            if (Exit.isSuccess(exit)) {
              count.answered++
              assert.strictEqual(arrived, 1, request)
              assert.strictEqual(exit.value.replace("0 many", "many"), request)
            } else if (Exit.isInterrupted(exit)) {
              count.interrupted++
            } else {
              const { sent } = error(exit)
              count[sent]++
              if (sent === "no") assert.strictEqual(arrived, 0, request)
            }
          }
          // every kind was tried
          assert.isAbove(count.answered, atRandom / 20, JSON.stringify(count))
          assert.isAbove(count.interrupted, atRandom / 20, JSON.stringify(count))
          assert.isAbove(count.maybe, atRandom / 60, JSON.stringify(count))
          const stats = yield* soon(until(pool.stats, ({ closing, creating }) => closing + creating === 0))
          assert.deepInclude(stats, { leases: 0, inUse: 0, waiters: 0 })
          for (const session of yield* pool.sessions) assert.strictEqual(session.inUse, 0)
        }).pipe(Effect.withRandom(Random.make("requests"))))
    }
  })

  layer(Live, { excludeTestServices: true })("for many messages", (it) => {
    it.scoped("gives all of them to the last one, after which the stream is used again", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?is-last")
        for (let i = 0; i < 3; i++) {
          const answers = yield* soon(collect(pool.requestStream(bytes("many 5"), { isLast: isNumber(4) })))
          assert.deepStrictEqual(answers, [0, 1, 2, 3, 4].map((n) => `${n} many 5`))
        }
        assert.strictEqual((yield* counts).streamsAccepted, 1)
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("gives all of them until the peer finishes the stream, which is not used again", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?to-fin")
        for (let i = 1; i <= 3; i++) {
          const answers = yield* soon(collect(pool.requestStream(bytes("manyFin 3"))))
          assert.deepStrictEqual(answers, [0, 1, 2].map((n) => `${n} manyFin 3`))
          assert.strictEqual((yield* counts).streamsAccepted, i)
        }
      }))

    it.scoped("may have none at all", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?to-fin-at-once")
        assert.deepStrictEqual(yield* soon(collect(pool.requestStream(bytes("fin")))), [])
      }))

    it.scoped("is sent when its stream runs, once for each run", () =>
      Effect.gen(function*() {
        const path = "/framed?run"
        const { pool, server } = yield* poolAt(path)
        const answers = pool.requestStream(bytes("many 2"), { isLast: isNumber(1) })
        assert.deepStrictEqual(yield* server.command("requests", { path }), {})
        yield* soon(Stream.runDrain(answers))
        yield* soon(Stream.runDrain(answers))
        assert.deepStrictEqual(yield* server.command("requests", { path }), { "many 2": 2 })
      }))

    it.scoped("passes over what answers another with correlation ids", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?ids=1&stream")
        const answers = yield* soon(collect(pool.requestStream(bytes("wrongId"), {
          correlate: true,
          isLast: () => true
        })))
        assert.deepStrictEqual(answers, ["wrongId"])
      }))

    it.scoped("is not used again by a consumer that stops before the last", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?stops-early")
        for (let i = 1; i <= 3; i++) {
          const answers = yield* soon(collect(Stream.take(
            pool.requestStream(bytes("many 5"), { isLast: isNumber(4) }),
            i
          )))
          assert.lengthOf(answers, i)
          // this stream takes the place of the first, and is used again
          assert.strictEqual(yield* soon(ask(pool, "next")), "next")
          assert.strictEqual(yield* soon(ask(pool, "again")), "again")
          assert.strictEqual((yield* counts).streamsAccepted, i + 1)
        }
      }))

    it.scoped("is not used again by a consumer that stops before the others have come", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?stops-before-others")
        const first = Stream.take(pool.requestStream(bytes("ask"), { isLast: () => false }), 1)
        assert.deepStrictEqual(yield* soon(collect(first)), ["ask"])
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
      }))

    it.scoped("is not used again by a consumer that fails", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?consumer-fails")
        const exit = yield* soon(Effect.exit(Stream.runForEach(
          pool.requestStream(bytes("many 5"), { isLast: isNumber(4) }),
          (message) => isNumber(4)(message) ? Effect.fail("no") : Effect.void
        )))
        assert.strictEqual(failure<unknown>(exit), "no")
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
      }))

    it.scoped("fails when the peer finishes before the last", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?fin-before-last")
        const seen: Array<string> = []
        const exit = yield* soon(Effect.exit(Stream.runForEach(
          pool.requestStream(bytes("manyFin 2"), { isLast: isNumber(4) }),
          (message) => Effect.sync(() => seen.push(text(message)))
        )))
        const { reason, sent } = error(exit)
        assert.deepStrictEqual([reason, sent], ["NoAnswer", "maybe"])
        assert.deepStrictEqual(seen, ["0 manyFin 2", "1 manyFin 2"])
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
      }))

    it.scoped("fails when the peer resets in the middle", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?reset-before-last")
        const exit = yield* soon(Effect.exit(collect(pool.requestStream(bytes("manyReset 2")))))
        const { reason, sent } = error(exit)
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
        assert.strictEqual(yield* soon(ask(pool, "next")), "next")
      }))

    it.scoped("fails when a message is cut off", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/framed?truncated-stream")
        const exit = yield* soon(Effect.exit(collect(pool.requestStream(bytes("truncated")))))
        const { reason, sent } = error(exit)
        assert.deepStrictEqual([reason, sent], ["Framing", "maybe"])
      }))

    it.scoped("fails unsent when it is too large, or there is no stream", () =>
      Effect.gen(function*() {
        const path = "/framed?stream-unsent"
        const { counts, pool, server } = yield* poolAt(path, { acquireTimeout: 20 })
        yield* ask(pool, "first")
        const large = error(yield* Effect.exit(collect(pool.requestStream(bytes("too large"), { maxMessageSize: 8 }))))
        assert.deepStrictEqual([large.reason, large.sent], ["Framing", "no"])
        const lease = yield* pool.acquire
        const none = error(yield* Effect.exit(collect(pool.requestStream(bytes("hello")))).pipe(within(20)))
        assert.deepStrictEqual([none.reason, none.sent], ["Borrow", "no"])
        yield* lease.release()
        assert.deepStrictEqual(yield* server.command("requests", { path }), { first: 1 })
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }).pipe(onTestClock))
  })
})
