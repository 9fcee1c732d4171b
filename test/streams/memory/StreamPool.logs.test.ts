/** What a pool of streams logs beside its pool of sessions, in memory. */
import * as Effect from "#test/Effect"
import type * as Logger from "#test/Logger"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { Servers, servers, urlOf } from "../../support/fleet.js"
import { withLogs } from "../../support/logs.js"
import { pass } from "../../support/time.js"
import { assert, describe, it } from "../../support/vitest.js"

const shown = (logs: ReadonlyArray<Logger.Line>) =>
  logs.map(({ annotations, level }) => [annotations["pool"], annotations["event"], level] as ReadonlyArray<unknown>)

describe("the logs of a StreamPool", () => {
  it.scoped("an outage of the sessions is told by their pool, and by the pool of streams only at level Debug", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const { a } = yield* Servers
        yield* a.behave({ connect: "refuse" })
        const sessionPool = yield* SessionPool.make({ name: "sessions", url: urlOf("a"), rideOut: 0 })
        const pool = yield* StreamPool.make({ name: "streams", sessionPool })
        for (let i = 0; i < 3; i++) {
          yield* Effect.andThen(Effect.fork(Effect.exit(Effect.scoped(pool.get))), pass(200))
        }
        assert.deepStrictEqual(shown(logs), [["sessions", "Backoff", "WARN"], ["streams", "Backoff", "DEBUG"]])
        assert.include(String(logs[1]!.message), "(as sessions warned)")
        yield* a.behave({})
        yield* Effect.fork(Effect.scoped(pool.get))
        yield* pass(1_000)
        assert.deepStrictEqual(shown(logs).slice(2), [
          ["sessions", "Recovered", "INFO"],
          ["streams", "Recovered", "DEBUG"]
        ])
      })
    ).pipe(Effect.provide(servers)))

  for (const holder of ["nobody", "its first borrower"]) {
    it.scoped(`the early death of a session whose stream ${holder} has is told by the pool of sessions alone`, () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const { a } = yield* Servers
          const sessionPool = yield* SessionPool.make({ name: "sessions", url: urlOf("a") })
          const pool = yield* StreamPool.make({ name: "streams", sessionPool, minSize: 1 })
          if (holder !== "nobody") yield* Effect.forkScoped(pool.use(() => Effect.never))
          yield* pass(100)
          assert.deepInclude(yield* pool.stats, { size: 1 })
          for (const session of yield* a.sessions) yield* session.die
          yield* pass(100)
          const early = shown(logs).filter(([, event]) => event === "EarlyDeath")
          assert.deepStrictEqual(early, [["sessions", "EarlyDeath", "WARN"]])
        })
      ).pipe(Effect.provide(servers)))
  }

  it.scoped("trouble of the streams themselves is told by their pool, even if it began as an outage of the sessions", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const { a } = yield* Servers
        yield* a.behave({ connect: "refuse" })
        const sessionPool = yield* SessionPool.make({
          name: "sessions",
          url: urlOf("a"),
          rideOut: 0,
          maxSize: 1,
          maxWaiters: 0
        })
        const pool = yield* StreamPool.make({ name: "streams", sessionPool })
        const borrow = Effect.andThen(Effect.fork(Effect.exit(Effect.scoped(pool.get))), pass(200))
        yield* borrow
        yield* a.behave({})
        // the only session has a borrower, and nobody may wait for it
        yield* Effect.fork(Effect.andThen(sessionPool.get, Effect.never))
        yield* pass(500)
        yield* borrow
        assert.deepStrictEqual(shown(logs).filter(([pool]) => pool === "streams"), [
          ["streams", "Backoff", "DEBUG"],
          ["streams", "Backoff", "WARN"]
        ])
      })
    ).pipe(Effect.provide(servers)))
})
