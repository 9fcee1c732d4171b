import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as TestClock from "#test/TestClock"
import * as PoolError from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import { protocolAttributes, urlAttributes } from "../../src/internal/transport/spanAttributes.js"
import { makeSource, settle } from "../support/pool.js"
import { recordingTracer } from "../support/tracer.js"
import { assert, describe, it } from "../support/vitest.js"

const failureOf = (exit: Exit.Exit<unknown, unknown> | undefined) =>
  exit !== undefined && Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

describe("the spans of a pool", () => {
  it.scoped("of creating have no parent but a link to the borrower, and are the parents of what creating does", () => {
    const { named, spans, tracer } = recordingTracer()
    return Effect.gen(function*() {
      const pool = yield* Effect.withSpan(
        ResourcePool.make({
          name: "traced",
          acquire: makeSource().acquire.pipe(Effect.delay("2 seconds"), Effect.withSpan("handshake"))
        }),
        "maker"
      )
      const borrowing = yield* Effect.fork(Effect.withSpan(pool.useSync(() => 0), "borrower"))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(borrowing)
      const [create] = named("ResourcePool.create")
      assert.isTrue(Option.isNone(create!.parent))
      assert.deepStrictEqual(create!.linkNames, ["borrower"])
      assert.deepStrictEqual(Object.fromEntries(create!.attributes), { pool: "traced" })
      assert.strictEqual(create!.duration, 2_000)
      assert.strictEqual(named("handshake")[0]!.parentName, "ResourcePool.create")
      assert.strictEqual(spans.filter(({ name }) => name === "ResourcePool.create").length, 1)
    }).pipe(Effect.withTracer(tracer))
  })

  it.scoped("of waiting belong to the borrower, and are there only for one who waited", () => {
    const { named, tracer } = recordingTracer()
    return Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ name: "traced", acquire: makeSource().acquire, maxSize: 1 })
      yield* pool.useSync(() => 0)
      assert.strictEqual(named("ResourcePool.wait").length, 1)
      for (
        const borrow of [
          pool.use(() => Effect.withSpan(Effect.void, "work")),
          Effect.scoped(pool.get),
          Effect.flatMap(pool.acquire, (lease) => lease.release())
        ]
      ) {
        yield* borrow
        const before = named("ResourcePool.wait").length
        const lease = yield* pool.acquire
        const waiting = yield* Effect.fork(Effect.withSpan(borrow, "borrower"))
        yield* settle
        yield* TestClock.adjust("3 seconds")
        yield* lease.release()
        yield* Fiber.join(waiting)
        const [wait, ...more] = named("ResourcePool.wait").slice(before)
        assert.deepStrictEqual(more, [])
        assert.strictEqual(wait!.parentName, "borrower")
        assert.strictEqual(wait!.duration, 3_000)
        assert.deepStrictEqual(Object.fromEntries(wait!.attributes), { pool: "traced" })
      }
      assert.strictEqual(named("work").at(-1)!.parentName, "borrower")
    }).pipe(Effect.withTracer(tracer))
  })

  it.scoped("of waiting end with what the borrower met: a refusal, or its interruption", () => {
    const { named, tracer } = recordingTracer()
    return Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, maxSize: 1, acquireTimeout: "1 second" })
      yield* pool.get
      for (const borrow of [pool.use(() => Effect.void), Effect.scoped(pool.get)]) {
        const refused = yield* Effect.fork(Effect.flip(borrow))
        yield* settle
        yield* TestClock.adjust("1 second")
        assert.isTrue(PoolError.isPoolError(yield* Fiber.join(refused)))
        assert.isTrue(PoolError.isPoolError(failureOf(named("ResourcePool.wait").at(-1)!.exit)))
        const interrupted = yield* Effect.fork(borrow)
        yield* settle
        yield* Fiber.interrupt(interrupted)
        assert.isTrue(Exit.isInterrupted(named("ResourcePool.wait").at(-1)!.exit!))
        assert.strictEqual((yield* pool.stats).waiters, 0)
      }
    }).pipe(Effect.withTracer(tracer))
  })

  it.scoped("of creating fail with the creation, and those of closing tell the reason", () => {
    const { named, tracer } = recordingTracer()
    return Effect.gen(function*() {
      let down = true
      const pool = yield* ResourcePool.make({
        name: "traced",
        acquire: Effect.suspend(() => down ? Effect.fail("down") : makeSource().acquire)
      })
      yield* Effect.exit(pool.useSync(() => 0))
      assert.strictEqual(failureOf(named("ResourcePool.create")[0]!.exit), "down")
      down = false
      const borrowing = yield* Effect.fork(Effect.scoped(Effect.flatMap(pool.get, pool.invalidate)))
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(borrowing)
      yield* settle
      const [close] = named("ResourcePool.close")
      assert.isTrue(Option.isNone(close!.parent))
      assert.deepStrictEqual(Object.fromEntries(close!.attributes), { pool: "traced", reason: "invalidated" })
      assert.isTrue(Exit.isSuccess(close!.exit!))
    }).pipe(Effect.withTracer(tracer))
  })

  it.scoped("of a session pool go down to the connection, and say whereto, but never the query", () => {
    const { named, tracer } = recordingTracer()
    return Effect.gen(function*() {
      const opened = yield* Deferred.make<void>()
      const pool = yield* SessionPool.make({
        url: "https://test:8443/echo?token=secret",
        onOpen: () => Effect.withSpan(Deferred.succeed(opened, undefined), "hello")
      })
      yield* Effect.withSpan(pool.useSync(() => 0), "borrower")
      const [connect] = named("WebTransport.connect")
      assert.strictEqual(connect!.parentName, "SessionPool.create")
      assert.strictEqual(connect!.kind, "client")
      assert.deepInclude(Object.fromEntries(connect!.attributes), {
        "server.address": "test",
        "server.port": 8443,
        "url.path": "/echo",
        "url.scheme": "https"
      })
      assert.notInclude(JSON.stringify([...connect!.attributes]), "secret")
      assert.strictEqual(named("hello")[0]!.parentName, "SessionPool.create")
      assert.strictEqual(named("SessionPool.wait")[0]!.parentName, "borrower")
    }).pipe(Effect.withTracer(tracer), Effect.provide(TestWebTransport.layer()))
  })
})

it.effect("the span of a connect ends wherever it is interrupted", () => {
  const { named, tracer } = recordingTracer()
  return Effect.gen(function*() {
    let interrupted = 0
    for (let budget = 13; budget < 20; budget++) {
      for (let yields = 0; yields < 20; yields++) {
        const connecting = yield* Effect.fork(
          Effect.scoped(WebTransport.connect("https://test/")).pipe(Effect.withMaxOpsBeforeYield(budget))
        )
        yield* Effect.replicateEffect(Effect.yieldNow(), yields + 1, { discard: true })
        if (Exit.isInterrupted(yield* Fiber.interrupt(connecting))) interrupted++
      }
    }
    assert.isAbove(interrupted, 30)
    assert.isAbove(named("WebTransport.connect").length, 50)
    assert.deepStrictEqual(named("WebTransport.connect").filter(({ exit }) => exit === undefined), [])
  }).pipe(Effect.withTracer(tracer), Effect.provide(TestWebTransport.layer()))
})

it("attributes have OpenTelemetry's names and values", () => {
  assert.deepStrictEqual(urlAttributes(new URL("https://[::1]/a/b?token=secret")), {
    "server.address": "::1",
    "server.port": 443,
    "url.path": "/a/b",
    "url.scheme": "https"
  })
  const http = (version: string, transport: string) => ({
    "network.protocol.name": "http",
    "network.protocol.version": version,
    "network.transport": transport
  })
  assert.deepStrictEqual(protocolAttributes("supports-unreliable"), http("3", "quic"))
  assert.deepStrictEqual(protocolAttributes("reliable-only"), http("2", "tcp"))
  assert.deepStrictEqual(protocolAttributes(undefined), {})
})
