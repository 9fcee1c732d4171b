/** A peer that answers twice: how many second answers reach another borrower, and what prevents that. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as TestClock from "#test/TestClock"
import * as StreamPool from "effect-pools/StreamPool"
import { can } from "../support/capabilities.js"
import { live } from "../support/implementation.js"
import { bytes, connect, poolAt, soon, text, until } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { assert, describe, layer } from "../support/vitest.js"

const Live = live()

const ask = (pool: StreamPool.Service, request: string, options?: StreamPool.RequestOptions) =>
  Effect.map(pool.request(bytes(request), options), text)

// the browser's credit for a session is 98, and does not come back
const count = can("returnsCredit") ? 200 : 40

/** Second answers come 0 to 3 ms after the first. Counts the requests that got another request's answer. */
const slipped = (path: string, poolOptions: StreamPool.Options, options?: StreamPool.RequestOptions) =>
  Effect.gen(function*() {
    const { counts, pool } = yield* poolAt(path, poolOptions)
    const requests = Array.from({ length: count }, (_, i) => `twice ${i % 4} ${i}`)
    const answers = yield* Effect.forEach(requests, (request) => ask(pool, request, options), {
      concurrency: poolOptions.maxSize ?? 1
    })
    return {
      slipped: answers.filter((answer, i) => answer !== requests[i]).length,
      streams: (yield* counts).streamsAccepted
    }
  })

describe("StreamPool and a peer that answers twice", () => {
  layer(Live, { excludeTestServices: true })("second answers that reach another request", (it) => {
    it.scoped("are none with quarantine, and none with correlation ids", (ctx) =>
      Effect.gen(function*() {
        const bare = yield* slipped("/framed?ids=0&bare", {})
        const quarantined = yield* slipped("/framed?ids=0&quarantined", {
          // as long as the busiest machine takes: a second answer ends it
          quarantine: "50 seconds",
          checkTimeout: "1 minute",
          acquireTimeout: "2 minutes",
          maxSize: 50
        })
        const correlated = yield* slipped("/framed?ids=1&correlated", {}, { correlate: true })
        const report = `of ${count} second answers reached another request: ${bare.slipped} without anything, ` +
          `${quarantined.slipped} with quarantine, ${correlated.slipped} with correlation ids ` +
          `(streams opened: ${bare.streams}, ${quarantined.streams}, ${correlated.streams})`
        yield* Effect.promise(() => ctx.annotate(report))
        assert.deepStrictEqual([quarantined.slipped, correlated.slipped], [0, 0], report)
        // each second answer came in time to cost its stream
        assert.strictEqual(quarantined.streams, count, report)
      }))

    it.scoped("are none of those that came before the next request was written, without anything", () =>
      Effect.gen(function*() {
        const path = "/framed?in-time"
        const { counts, pool, server } = yield* poolAt(path)
        for (let i = 1; i <= 20; i++) {
          assert.strictEqual(yield* soon(ask(pool, `ask ${i}`)), `ask ${i}`)
          assert.strictEqual((yield* server.command("secondAnswers", { path })).sent, 1)
          yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === i))
          assert.strictEqual((yield* counts).streamsAccepted, i)
        }
      }))

    it.scoped("are none of those that came before the first write of a borrower who has the stream already", () =>
      Effect.gen(function*() {
        const path = "/framed?in-time-and-lent"
        const { counts, pool, server } = yield* poolAt(path)
        for (let i = 1; i <= 20; i++) {
          yield* soon(ask(pool, `ask ${i}`))
          const answer = yield* pool.use((stream) =>
            Effect.gen(function*() {
              yield* server.command("secondAnswers", { path })
              yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === i))
              yield* stream.write(bytes("\u0004mine"))
              return text(yield* soon(stream.readExactly(5)))
            })
          )
          assert.strictEqual(answer, "\u0004mine")
          assert.strictEqual((yield* counts).streamsAccepted, i + 1)
        }
      }))
  })

  layer(Live)("quarantine", (it) => {
    const quarantined = (path: string) =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* connect(server, path)
        const pool = yield* StreamPool.make({
          session,
          maxSize: 1,
          quarantine: "1 minute",
          checkTimeout: "2 minutes",
          acquireTimeout: "1 hour"
        })
        return { server, pool, counts: server.statsOf(path) }
      })

    it.scoped("keeps a stream from borrowers for so long, and no longer", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* quarantined("/framed?quarantine")
        assert.strictEqual(yield* ask(pool, "one"), "one")
        assert.deepInclude(yield* pool.stats, { size: 1, inUse: 1 })
        const two = yield* Effect.fork(ask(pool, "two"))
        yield* until(pool.stats, ({ waiters }) => waiters === 1)
        yield* TestClock.adjust("59 seconds")
        assert.deepInclude(yield* pool.stats, { inUse: 1, waiters: 1 })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(two), "two")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("ends with a second answer, and the place is free at once", () =>
      Effect.gen(function*() {
        const path = "/framed?quarantine-ends"
        const { counts, pool, server } = yield* quarantined(path)
        assert.strictEqual(yield* ask(pool, "ask one"), "ask one")
        const two = yield* Effect.fork(ask(pool, "two"))
        yield* until(pool.stats, ({ waiters }) => waiters === 1)
        yield* server.command("secondAnswers", { path })
        assert.strictEqual(yield* Fiber.join(two), "two")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
        assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
      }))

    it.scoped("ends with the pool, which does not wait for it", () =>
      Effect.gen(function*() {
        for (const verb of ["close", "drain"] as const) {
          const { pool } = yield* quarantined(`/framed?quarantine-and-${verb}`)
          assert.strictEqual(yield* ask(pool, "one"), "one")
          assert.deepInclude(yield* pool.stats, { inUse: 1, leases: 1 })
          yield* pool[verb]
          assert.deepInclude(yield* pool.stats, { inUse: 0, leases: 0 })
        }
      }))

    it.scoped("never gets an unclean stream, and its place is free at once", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* quarantined("/framed?quarantine-unclean")
        yield* Effect.exit(pool.use((stream) =>
          stream.write(bytes("\u0004mine")).pipe(
            Effect.andThen(stream.readExactly(5)),
            Effect.andThen(Effect.fail("no"))
          )
        ))
        assert.strictEqual(yield* ask(pool, "two"), "two")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
        assert.deepInclude(yield* pool.stats, { created: 2 })
      }))
  })
})
