import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as FramingError from "effect-pools/FramingError"
import * as RequestError from "effect-pools/RequestError"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransportError from "effect-pools/WebTransportError"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withLogs } from "../support/logs.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const isDestroyed = (event: ResourcePool.PoolEvent) => event._tag === "Destroyed"

const annotated = { package: "effect-pools", module: "ResourcePool", pool: "logged" }

describe("the logs of a pool", () => {
  it.scoped("say once that making items fails, and once that it succeeds again", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        let down = true
        const source = makeSource()
        const pool = yield* ResourcePool.make({
          name: "logged",
          acquire: Effect.suspend(() => down ? Effect.fail(new Error("nobody listens")) : source.acquire),
          createBackoff: { initial: "1 second", jitter: 0 }
        })
        const borrow = pool.useSync((item) => item.id)
        yield* Effect.exit(borrow)
        yield* settle
        const second = yield* Effect.fork(Effect.exit(borrow))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(second)
        down = false
        const third = yield* Effect.fork(borrow)
        yield* settle
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(third)
        yield* settle
        assert.deepStrictEqual(logs, [
          {
            level: "WARN",
            message:
              "creating an item failed; the pool retries one creation at a time, after a backoff: nobody listens",
            annotations: { ...annotated, event: "Backoff", delay: 1_000 }
          },
          {
            level: "INFO",
            message: "creating an item succeeded again, after 3s and 2 failed attempts",
            annotations: { ...annotated, event: "Recovered", lasted: 3_000, failures: 2 }
          }
        ])
      })
    ))

  it.effect("show any kind of failure, and no values that may be secret", () =>
    Effect.gen(function*() {
      class Unreachable extends Data.TaggedError("Unreachable")<{ readonly token: string }> {}
      class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}
      const failures: ReadonlyArray<readonly [unknown, string]> = [
        [new Unreachable({ token: "secret" }), "Unreachable (with token)"],
        [new Refused({ message: "no more than ten" }), "no more than ten"],
        [new Error(""), "Error"],
        [{ _tag: "Full", message: "try later" }, "Full: try later"],
        [{ _tag: "Full" }, "Full"],
        [{ message: "try later", token: "secret" }, "try later"],
        [{ code: 42 }, "an object (with code)"],
        ["down", "down"],
        [42, "number"],
        [undefined, "undefined"]
      ]
      for (const [failure, words] of failures) {
        const message = yield* withLogs((logs) =>
          Effect.scoped(Effect.gen(function*() {
            const pool = yield* ResourcePool.make({ name: "logged", acquire: Effect.fail(failure) })
            yield* Effect.exit(pool.get)
            yield* settle
            return logs[0]!.message
          }))
        )
        assert.strictEqual(message.split("after a backoff: ")[1], words)
      }
    }))

  it.scoped("name the figures of a pool that is exhausted", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          name: "logged",
          acquire: makeSource().acquire,
          maxSize: 1,
          exhaustedThreshold: "3 seconds"
        })
        yield* pool.get
        yield* Effect.forkScoped(Effect.exit(pool.useSync(() => 0)))
        yield* settle
        yield* TestClock.adjust("3 seconds")
        yield* settle
        assert.strictEqual(logs.length, 1)
        const details = { event: "Exhausted", waited: 3_000, inUse: 1, size: 1, maxSize: 1, waiters: 1 }
        assert.deepStrictEqual(logs[0]!.annotations, { ...annotated, ...details })
      })
    ))

  it.effect("tell of items that are closed under their borrowers: replaced ones, and when the pool closes", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const retired = yield* Deferred.make<void>()
        const pool = yield* Scope.extend(
          ResourcePool.make({
            name: "logged",
            acquire: makeSource().acquire,
            retire: () => Deferred.await(retired),
            overlap: true,
            retireGrace: "10 seconds"
          }),
          scope
        )
        yield* pool.acquire
        yield* Deferred.succeed(retired, undefined)
        yield* settle
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.deepStrictEqual(logs.map(({ annotations, level }) => [level, annotations]), [
          ["WARN", { ...annotated, event: "ForcedClose", retireGrace: 10_000 }]
        ])
        yield* pool.acquire
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* settle
        yield* TestClock.adjust("6 seconds")
        yield* Fiber.join(closing)
        yield* settle
        assert.deepInclude(logs.at(-1)!.annotations, { ...annotated, event: "ForcedClose" })
      })
    ))
})

describe("the events of a pool", () => {
  it.scoped("say why an item was destroyed, where something failed", () =>
    Effect.gen(function*() {
      const died = yield* Deferred.make<never, string>()
      const pool = yield* ResourcePool.make({
        acquire: makeSource().acquire,
        lost: (item) => item.id === 1 ? Deferred.await(died) : Effect.never,
        onRelease: (item) => item.id === 2 ? Effect.fail("unfit") : Effect.succeed("keep" as const)
      })
      const listening = yield* Effect.fork(Stream.runCollect(pool.events))
      yield* settle
      yield* pool.useSync(() => 0)
      yield* settle
      yield* Deferred.fail(died, "the line is cut")
      yield* settle
      yield* pool.useSync(() => 0)
      yield* settle
      yield* pool.useSync(() => 0)
      yield* settle
      yield* pool.close
      const destroyed = [...yield* Fiber.join(listening)].flatMap((event) =>
        event._tag === "Destroyed" ? [[event.reason, event.cause && Cause.squash(event.cause)]] : []
      )
      assert.deepStrictEqual(destroyed, [["lost", "the line is cut"], ["discarded", "unfit"], ["closed", undefined]])
    }))

  it.scoped("say how a session ended", () =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const pool = yield* SessionPool.make({ url: "https://test/" })
      const listening = yield* Effect.fork(Stream.runHead(Stream.filter(pool.events, isDestroyed)))
      yield* settle
      yield* pool.useSync(() => 0)
      yield* (yield* sessions)[0]!.closeWith({ closeCode: 7, reason: "maintenance" })
      const event = Option.getOrThrow(yield* Fiber.join(listening)) as ResourcePool.PoolEvent & { _tag: "Destroyed" }
      assert.strictEqual(event.reason, "lost")
      assert.include(Cause.pretty(event.cause!), "maintenance")
    }).pipe(Effect.provide(TestWebTransport.layer())))
})

describe("an error of the library", () => {
  const timedOut = (
    acquire: Effect.Effect<number, Error>,
    createTimeout: `${number} ${"second" | "seconds" | "hour"}`
  ) =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const pool = yield* ResourcePool.make({
          name: "slow",
          acquire,
          createTimeout,
          acquireTimeout: "5 seconds",
          exhaustedThreshold: "4 seconds",
          createBackoff: { initial: "1 minute", max: "1 minute" }
        })
        const borrow = Effect.map(Effect.flip(pool.get), ({ message }) => message)
        const first = yield* Effect.fork(borrow)
        yield* settle
        yield* TestClock.adjust("4 seconds")
        yield* settle
        const later = yield* Effect.fork(borrow)
        yield* settle
        yield* TestClock.adjust("5 seconds")
        yield* settle
        return {
          errors: [yield* Fiber.join(first), yield* Fiber.join(later)],
          logs: logs.map(({ message }) => message)
        }
      })
    )

  const state = (creating: number) => `0 of 0 items in use, maxSize 10, ${creating} being created`

  it.scoped("says how it is with the pool, then why there is no item", () =>
    Effect.gen(function*() {
      const failed = yield* timedOut(Effect.fail(new Error("x".repeat(1000))), "30 seconds")
      assert.strictEqual(failed.errors[0], "x".repeat(1000))
      assert.strictEqual(
        failed.errors[1],
        `Pool "slow" had no item within 5s: ${state(0)}, 0 more borrower(s) waiting. ` +
          `The last creation failed: ${"x".repeat(500)}…`
      )
      const slow = yield* timedOut(Effect.never, "1 second")
      const tooSlow = "creating an item took longer than createTimeout (1s)"
      assert.include(slow.errors[0], `Pool "slow" has no item: ${tooSlow}.`)
      assert.include(slow.errors[1], `The last creation failed: Pool "slow" has no item: ${tooSlow}.`)
      assert.include(slow.logs[0], tooSlow)
      const hung = yield* timedOut(Effect.never, "1 hour")
      for (const text of [...hung.errors, ...hung.logs]) {
        assert.match(text, /[12] being created/)
        assert.include(text, "An item is still being created: is the resource reachable?")
      }
    }))

  it.scoped("shows its message and its members in JSON logs", () =>
    Effect.gen(function*() {
      const lines: Array<any> = []
      const json = Logger.map(Logger.jsonLogger, (line) => {
        lines.push(JSON.parse(line))
      })
      const pool = yield* ResourcePool.make({ name: "small", acquire: Effect.never, acquireTimeout: 0 })
      const borrowing = yield* Effect.fork(Effect.flip(pool.get))
      yield* settle
      yield* TestClock.adjust(1)
      const framing = new FramingError.FramingError({ reason: "Malformed", operation: "read" })
      const errors = [
        yield* Fiber.join(borrowing),
        new WebTransportError.WebTransportError({ reason: "Connect", cause: new Error("refused") }),
        framing,
        new RequestError.RequestError({ reason: "Framing", sent: "maybe", cause: framing })
      ]
      yield* Effect.forEach(errors, (error) => Effect.logError(error)).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, json))
      )
      errors.forEach((error, i) => {
        assert.deepInclude(lines[i].message, { _tag: error._tag, reason: error.reason, message: error.message })
      })
      assert.deepInclude(lines[0].message, { pool: "small", maxSize: 10 })
      assert.strictEqual(lines[3].message.cause.message, framing.message)
    }))
})
