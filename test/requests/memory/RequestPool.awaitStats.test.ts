/** `awaitStats`: tests wait for figures of requests instead of polling. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import type * as RequestPool from "effect-pools/RequestPool"
import { ask, inMemory } from "../../support/requestPools.js"
import { bytes } from "../../support/streamPools.js"
import { quiet } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

const makePool = (options: RequestPool.Options<unknown, never>) =>
  Effect.map(inMemory({ pool: { maxStreams: 1, ...options } }), ({ pool }) => pool)

describe("awaitStats of a RequestPool", () => {
  it.scoped("waits until so many requests are in flight, then until so many wait, then until none is left", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ maxInFlight: 2, maxWaiters: 1 })
      const full = yield* Effect.fork(pool.awaitStats(({ inFlight, waiters }) => inFlight === 2 && waiters === 1))
      const asking = []
      for (const n of [1, 2]) {
        asking.push(yield* Effect.forkScoped(ask(pool, `silence ${n}`)))
        yield* pool.awaitStats(({ inFlight }) => inFlight === n)
      }
      asking.push(yield* Effect.forkScoped(ask(pool, "silence 3")))
      assert.deepInclude(yield* Fiber.join(full), { streams: 1, max: 1 })
      const refused = yield* Effect.fork(pool.awaitStats(({ rejections }) => rejections === 1))
      yield* Effect.flip(ask(pool, "refused"))
      yield* Fiber.join(refused)
      yield* Effect.forEach(asking, (fiber) => Fiber.interrupt(fiber), { discard: true })
      const stats = yield* pool.awaitStats(({ inFlight, waiters }) => inFlight + waiters === 0)
      assert.strictEqual(stats.abandoned, 3)
    }))

  it.scoped("fails with PoolClosed when the pool closes, or has closed", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({})
      const never = Effect.flip(pool.awaitStats(({ inFlight }) => inFlight === 5))
      const waiting = yield* Effect.fork(never)
      yield* quiet
      yield* pool.close
      for (const error of [yield* Fiber.join(waiting), yield* never]) {
        assert.deepInclude(error, { reason: "PoolClosed", pool: pool.name })
      }
    }))

  it.scoped("sees answers, and requests on streams of their own", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ maxBatch: 16 })
      const answered = yield* Effect.fork(pool.awaitStats(({ inFlight, sent }) => sent === 1 && inFlight === 0))
      const exclusive = yield* Effect.fork(pool.awaitStats(({ exclusive }) => exclusive === 1))
      assert.strictEqual(yield* ask(pool, "question"), "question")
      yield* Fiber.join(answered)
      assert.strictEqual((yield* pool.request(bytes("x".repeat(100)))).byteLength, 100)
      yield* Fiber.join(exclusive)
      assert.deepInclude(yield* pool.awaitStats((stats) => stats.exclusive === 0), { requests: 2 })
    }))
})
