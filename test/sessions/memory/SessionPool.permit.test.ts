/** Pools of sessions whose sessions need permits, in memory: time is the test's. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as TestWebTransport from "effect-pools/TestWebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import { type Name, Servers, servers, urlOf } from "../../support/fleet.js"
import { makeLimit } from "../../support/permits.js"
import { quiet } from "../../support/streams.js"
import { pass } from "../../support/time.js"
import { assert, describe, it as test } from "../../support/vitest.js"

const it = (name: string, run: () => Effect.Effect<unknown, unknown, any>) =>
  test.scoped(name, () => run().pipe(Effect.provide(servers)) as Effect.Effect<unknown, unknown>)

const behave = (name: Name, behaviour: TestWebTransport.Behaviour) =>
  Effect.flatMap(Servers, (fleet) => fleet[name].behave(behaviour))

const openAt = (name: Name) =>
  Effect.flatMap(
    Servers,
    (fleet) => Effect.map(fleet[name].sessions, (sessions) => sessions.filter(({ isOpen }) => isOpen).length)
  )

describe("permit of a SessionPool", () => {
  it("a lost permit retires the session: its borrower keeps it, the next one gets another", () =>
    Effect.gen(function*() {
      const limit = makeLimit(2)
      const pool = yield* SessionPool.make({ url: urlOf("a"), permit: limit.permit, retireGrace: "10 seconds" })
      const lease = yield* pool.acquire
      yield* limit.state.permits[0]!.lose
      yield* quiet
      assert.strictEqual(yield* openAt("a"), 1)
      yield* pool.use(() => Effect.void)
      assert.strictEqual(yield* openAt("a"), 2)
      yield* lease.release()
      yield* quiet
      assert.strictEqual(yield* openAt("a"), 1)
      assert.strictEqual(limit.state.free, 1)
    }))

  it("an expired permit closes the session under its borrower", () =>
    Effect.gen(function*() {
      const limit = makeLimit(1)
      const pool = yield* SessionPool.make({ url: urlOf("a"), permit: limit.permit })
      const lease = yield* pool.acquire
      yield* limit.state.permits[0]!.expire
      yield* quiet
      assert.strictEqual(yield* openAt("a"), 0)
      assert.strictEqual(limit.state.free, 1)
      yield* lease.release()
    }))

  it("a failure of the permit reaches the borrower as its cause", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url: urlOf("a"), permit: Effect.fail("Redis is away"), rideOut: 0 })
      const exit = yield* Effect.exit(pool.use(() => Effect.void))
      const error = Cause.squash(Exit.isFailure(exit) ? exit.cause : Cause.empty) as WebTransportError
      assert.strictEqual(error.reason, "Connect")
      assert.include(error.message, "permit failed (Redis is away)")
      assert.strictEqual(error.cause, "Redis is away")
    }))

  it("with several endpoints, the attempts of a creation run one after the other", () =>
    Effect.gen(function*() {
      yield* behave("a", { connectDelay: 5_000 })
      const limit = makeLimit(1)
      const endpoints = [{ url: urlOf("a") }, { url: urlOf("b") }]
      const pool = yield* SessionPool.make({
        endpoints,
        balance: "ordered",
        permit: limit.permit,
        connect: { connectTimeout: "1 second" }
      })
      const borrower = yield* Effect.fork(pool.use(() => Effect.void))
      yield* pass(900)
      assert.strictEqual(yield* openAt("b"), 0)
      yield* pass(200)
      yield* Fiber.join(borrower)
      assert.strictEqual(yield* openAt("b"), 1)
    }))

  it("a StreamPool gives back, on demand, sessions that have only idle streams", () =>
    Effect.gen(function*() {
      const limit = makeLimit(2)
      const sessions = yield* SessionPool.make({ url: urlOf("a"), permit: limit.permit })
      const context = yield* Layer.build(
        Layer.provide(
          StreamPool.layer({ maxStreamsPerSession: 1, clientSpeaksFirst: true }),
          Layer.succeed(SessionPool.SessionPool, sessions)
        )
      )
      const streams = yield* Effect.provide(StreamPool.StreamPool, context)
      const held = yield* streams.acquire
      yield* streams.use(() => Effect.void)
      yield* quiet
      assert.strictEqual(yield* openAt("a"), 2)
      yield* limit.state.permits[0]!.want(1)
      yield* quiet
      assert.strictEqual(yield* openAt("a"), 1)
      assert.strictEqual(limit.state.free, 1)
      yield* held.release()
    }))

  for (const ended of ["Lost", "Expired"] as const) {
    it(`a permit that says it is ${ended}: a StreamPool lends no stream of its session, before its signals tell`, () =>
      Effect.gen(function*() {
        const standings: Array<"Valid" | "Lost" | "Expired"> = []
        const permit = Effect.sync(() => {
          const at = standings.push("Valid") - 1
          return { standing: () => standings[at]! }
        })
        const sessionPool = yield* SessionPool.make({ url: urlOf("a"), permit })
        const streams = yield* StreamPool.make({ sessionPool, maxStreamsPerSession: 3 })
        const [idle, held] = [yield* streams.acquire, yield* streams.acquire]
        yield* idle.release()
        yield* quiet
        assert.strictEqual(yield* openAt("a"), 1)
        standings[0] = ended
        // neither the idle stream nor a new one
        yield* streams.use(() => Effect.void)
        yield* quiet
        assert.strictEqual(yield* openAt("a"), 2)
        assert.strictEqual(standings.length, 2)
        yield* held.release()
      }))
  }
})
