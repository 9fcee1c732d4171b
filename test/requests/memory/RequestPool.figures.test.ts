/** Every request ends in exactly one figure, on a shared stream as on a stream of its own. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as TestClock from "#test/TestClock"
import type { RequestPoolStats } from "effect-pools/PoolStats"
import type * as RequestPool from "effect-pools/RequestPool"
import * as Stream from "effect/Stream"
import { ask, collect, inMemory, isNumber } from "../../support/requestPools.js"
import { bytes } from "../../support/streamPools.js"
import { quiet } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

/** How requests end. */
const ends = ({ abandoned, answered, failures, rejections, timeouts }: RequestPoolStats) => ({
  answered,
  failures,
  timeouts,
  rejections,
  abandoned
})

const none = { answered: 0, failures: 0, timeouts: 0, rejections: 0, abandoned: 0 }

const begin = <A, E>(request: Effect.Effect<A, E>) => Effect.tap(Effect.fork(request), () => quiet)

/** Those that go on must be in a gauge. */
const assertSum = (stats: RequestPoolStats): void => {
  const live = stats.waiters + stats.inFlight + stats.exclusive
  const ended = Object.values(ends(stats)).reduce((sum, n) => sum + n, 0)
  assert.strictEqual(stats.requests, live + ended, stats.toString())
}

type Ask = (pool: RequestPool.Service, request: string) => Effect.Effect<unknown, unknown>

const large = "x".repeat(200)

const ways: Record<string, Ask> = {
  "on a shared stream": ask,
  "on a stream of its own": (pool, request) => ask(pool, `${request} ${large}`),
  "for many answers, on a shared stream": (pool, request) =>
    collect(pool.requestStream(bytes(request), { shared: true, isLast: () => true })),
  "for many answers, on a stream of its own": (pool, request) =>
    collect(pool.requestStream(bytes(request), { isLast: () => true }))
}

for (const [way, send] of Object.entries(ways)) {
  describe(`a request ${way}`, () => {
    const make = inMemory({
      pool: { maxBatch: 100, maxStreams: 1, maxInFlight: 1, acquireTimeout: 1_000 },
      streams: { maxSize: 2 }
    })

    /** A request of the same kind has the only place. */
    const occupied = Effect.gen(function*() {
      const parts = yield* make
      yield* begin(Effect.all([ask(parts.pool, "hold a"), ask(parts.pool, `hold ${large}`)], { concurrency: 2 }))
      return parts
    })

    it.scoped("that is answered counts as that", () =>
      Effect.gen(function*() {
        const { pool } = yield* make
        yield* send(pool, "a")
        const stats = yield* pool.stats
        assert.deepInclude(ends(stats), { ...none, answered: 1 })
        assertSum(stats)
      }))

    it.scoped("that fails counts as that", () =>
      Effect.gen(function*() {
        const { pool, server } = yield* make
        const fiber = yield* begin(Effect.exit(send(pool, "hold a")))
        yield* server.streams[0]!.reset
        yield* Fiber.join(fiber)
        const stats = yield* pool.stats
        assert.deepInclude(ends(stats), { ...none, failures: 1 })
        assertSum(stats)
      }))

    it.scoped("whose stream ends without an answer counts as failed", () =>
      Effect.gen(function*() {
        const { pool, server } = yield* make
        const fiber = yield* begin(Effect.exit(send(pool, "hold a")))
        yield* server.streams[0]!.finish
        yield* Fiber.join(fiber)
        const stats = yield* pool.stats
        assert.deepInclude(ends(stats), { ...none, failures: 1 })
        assertSum(stats)
      }))

    it.scoped("that no stream came for counts as a timeout", () =>
      Effect.gen(function*() {
        const { pool } = yield* occupied
        const fiber = yield* begin(Effect.exit(send(pool, "b")))
        yield* TestClock.adjust(1_000)
        yield* Fiber.join(fiber)
        const stats = yield* pool.stats
        assert.deepInclude(ends(stats), { ...none, timeouts: 1 })
        assertSum(stats)
      }))

    it.scoped("whose caller leaves counts as abandoned, once it is sent and before", () =>
      Effect.gen(function*() {
        const { pool } = yield* make
        yield* Fiber.interrupt(yield* begin(send(pool, "hold a")))
        assert.deepInclude(ends(yield* pool.stats), { ...none, abandoned: 1 })
        const busy = yield* occupied
        yield* Fiber.interrupt(yield* begin(send(busy.pool, "b")))
        assert.deepInclude(ends(yield* busy.pool.stats), { ...none, abandoned: 1 })
        assertSum(yield* busy.pool.stats)
      }))

    it.scoped("of a pool that drains counts as failed", () =>
      Effect.gen(function*() {
        const { pool } = yield* make
        yield* pool.drain
        yield* Effect.exit(send(pool, "a"))
        const stats = yield* pool.stats
        assert.deepInclude(ends(stats), { ...none, failures: 1 })
        assertSum(stats)
      }))
  })
}

for (const how of ["shared", "exclusive"] as const) {
  it.scoped(`a consumer that stops before the last answer has abandoned its request: ${how}`, () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory()
      const answersUntil = (last: number) => {
        const isLast = isNumber(last)
        return pool.requestStream(bytes("many 5"), how === "shared" ? { shared: true, isLast } : { isLast })
      }
      const answers = answersUntil(99)
      yield* Stream.runHead(answers)
      assert.deepInclude(ends(yield* pool.stats), { ...none, abandoned: 1 })
      yield* Effect.exit(Stream.runForEach(answers, () => Effect.fail("no more")))
      assert.deepInclude(ends(yield* pool.stats), { ...none, abandoned: 2 })
      yield* collect(answersUntil(4))
      assert.deepInclude(ends(yield* pool.stats), { ...none, abandoned: 2, answered: 1 })
      assertSum(yield* pool.stats)
    }))
}

it.scoped("answers that end with their stream are answers", () =>
  Effect.gen(function*() {
    const { pool, server } = yield* inMemory()
    const fiber = yield* begin(collect(pool.requestStream(bytes("many 2"))))
    yield* server.streams[0]!.finish
    assert.lengthOf(yield* Fiber.join(fiber), 2)
    assert.deepInclude(ends(yield* pool.stats), { ...none, answered: 1 })
    assertSum(yield* pool.stats)
  }))

it.scoped("a full queue of the pool of streams rejects requests with streams of their own", () =>
  Effect.gen(function*() {
    const { pool, streamPool } = yield* inMemory({
      pool: { maxBatch: 100, maxStreams: 1 },
      streams: { maxSize: 2, maxWaiters: 1, shutdownGrace: 0 }
    })
    for (let i = 0; i < 3; i++) yield* begin(streamPool.use(() => Effect.never))
    yield* begin(ask(pool, `hold ${large}`))
    assertSum(yield* pool.stats)
    assert.deepInclude(ends(yield* pool.stats), { ...none, rejections: 1 })
  }))
