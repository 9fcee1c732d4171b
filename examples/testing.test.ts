/** `npx vitest run examples/testing.test.ts`: tests your own code, here `lookUp`, without a server. */
import { expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, Layer, TestClock } from "effect"
import { SessionPool } from "effect-pools"
import * as TestWebTransport from "effect-pools/TestWebTransport"

/** The code under test: asks once, and waits at most three seconds. */
const lookUp = (key: string) =>
  Effect.flatMap(SessionPool.SessionPool, (pool) =>
    pool.use((session) =>
      Effect.gen(function*() {
        const stream = yield* session.createBidirectionalStream()
        const bytes = new TextEncoder().encode(key)
        yield* stream.write(bytes)
        return new TextDecoder().decode(yield* stream.readExactly(bytes.length))
      }).pipe(Effect.scoped)
    )).pipe(Effect.timeout("3 seconds"))

/** The application's layer with another constructor under the pool. */
const PoolTest = SessionPool.layer({ url: "https://test/", maxSize: 1 }).pipe(
  Layer.provideMerge(TestWebTransport.layer())
)

it.effect("answers", () =>
  Effect.gen(function*() {
    expect(yield* lookUp("key")).toBe("key")
  }).pipe(Effect.provide(PoolTest)))

it.effect("gives up on a server that hangs", () =>
  Effect.gen(function*() {
    const { sessions } = yield* TestWebTransport.TestWebTransport
    yield* lookUp("key")
    const [server] = yield* sessions
    yield* server!.hang
    const asking = yield* Effect.fork(Effect.either(lookUp("key")))
    // time passes only on this clock
    yield* TestClock.adjust("3 seconds")
    expect(Either.isLeft(yield* Fiber.join(asking))).toBe(true)
  }).pipe(Effect.provide(PoolTest)))

it.effect("gets another session when the first one died", () =>
  Effect.gen(function*() {
    const { sessions } = yield* TestWebTransport.TestWebTransport
    yield* lookUp("key")
    const [server] = yield* sessions
    yield* server!.die
    expect(yield* lookUp("key")).toBe("key")
    expect((yield* sessions).length).toBe(2)
  }).pipe(Effect.provide(PoolTest)))
