/** Interruption at every point of every verb: no place, stream, waiter or fiber is left, and no answers are mixed up. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { fiberCount } from "#test/fibers"
import type * as RequestPool from "effect-pools/RequestPool"
import * as Stream from "effect/Stream"
import { settle } from "../../support/pool.js"
import { ask, collect, inMemory, isNumber } from "../../support/requestPools.js"
import { sampled } from "../../support/sampled.js"
import { bytes, text, turn } from "../../support/streamPools.js"
import { assert, describe, it } from "../../support/vitest.js"

/** With fewer ops before a yield Effect 3 itself makes no progress. */
const budgets = sampled(Array.from({ length: 52 }, (_, i) => i + 13))

/** Calls `f` after a number of microtasks. */
const later = (microtasks: number, f: () => void): void => {
  if (microtasks === 0) f()
  else queueMicrotask(() => later(microtasks - 1, f))
}

const pauses = [
  ...[0, 1, 3, 8, 21, 55].map((microtasks) =>
    Effect.async<void>((resume) => later(microtasks, () => resume(Effect.void)))
  ),
  ...[1, 2, 3, 6, 25].map((turns) => Effect.replicateEffect(turn, turns, { discard: true }))
]

const large = "x".repeat(200)

/** What a caller does; the test interrupts it at some point. */
const verbs: Record<string, (pool: RequestPool.Service) => Effect.Effect<unknown, unknown>> = {
  request: (pool) => ask(pool, "hello"),
  "two requests": (pool) => Effect.andThen(ask(pool, "hello"), ask(pool, "again")),
  "a request with a stream of its own": (pool) => ask(pool, large),
  "requestStream, shared": (pool) =>
    collect(pool.requestStream(bytes("many 3"), { shared: true, isLast: isNumber(2) })),
  "requestStream, shared, not to its end": (pool) =>
    Stream.runHead(pool.requestStream(bytes("many 3"), { shared: true, isLast: isNumber(2) })),
  requestStream: (pool) => collect(pool.requestStream(bytes("many 3"), { isLast: isNumber(2) }))
}

describe("RequestPool, interrupted at any point of", () => {
  for (const [name, verb] of Object.entries(verbs)) {
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        let answered = 0
        let interrupted = 0
        const { pool, streamPool } = yield* inMemory({ pool: { maxStreams: 2, maxInFlight: 3, maxBatch: 100 } })
        const fibers = yield* fiberCount
        for (const budget of budgets) {
          for (const [i, pause] of pauses.entries()) {
            // others keep their answers
            const other = yield* Effect.fork(ask(pool, `other ${i}`))
            const fiber = yield* verb(pool).pipe(
              Effect.withMaxOpsBeforeYield(budget),
              fibers.within,
              Effect.fork
            )
            yield* pause
            const exit = yield* Fiber.interrupt(fiber)
            if (Exit.isSuccess(exit)) answered++
            else interrupted++
            assert.strictEqual(yield* Fiber.join(other), `other ${i}`)
          }
          yield* Effect.replicateEffect(Effect.andThen(turn, settle), 4, { discard: true })
          assert.strictEqual(yield* fibers.running, 0)
          assert.deepInclude(yield* pool.stats, { inFlight: 0, waiters: 0, exclusive: 0, opening: 0 })
          // all places are free
          const answers = Effect.forEach(["a", "b", "c", "d", "e", "f"], (request) => ask(pool, request), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(yield* answers, ["a", "b", "c", "d", "e", "f"])
          assert.strictEqual(text(yield* pool.request(bytes(large))), large)
        }
        yield* pool.close
        yield* Effect.replicateEffect(turn, 4, { discard: true })
        assert.deepInclude(yield* streamPool.stats, { inUse: 0, leases: 0, waiters: 0 })
        assert.isAbove(interrupted, 20)
        assert.isAbove(answered, 0, "the pauses are too short")
      }))
  }
})
