/** `use` with an uninterruptible region, if Effect lacks the frames that `fiberFrame` needs. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import { vi } from "vitest"
import { assert, describe, it } from "../support/vitest.js"

// it runs before the imports above
vi.mock(import("#effect/fiberFrame"), async (original) => ({
  ...await original(),
  areSupported: (await import("#test/Effect")).succeed(false),
  push: () => {
    throw new Error("a frame is pushed")
  }
}))

const later = <A, E>(effect: Effect.Effect<A, E>) => Effect.andThen(Effect.yieldNow(), effect)

describe("ResourcePool, without frames", () => {
  it.scoped("takes the item back when the borrower succeeds, fails, dies or is interrupted", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: Effect.succeed("item"), maxSize: 1 })
      assert.strictEqual(yield* pool.use(Effect.succeed), "item")
      assert.strictEqual(yield* pool.use((item) => later(Effect.succeed(item))), "item")
      assert.deepStrictEqual(yield* Effect.exit(pool.use(() => later(Effect.fail("no")))), Exit.fail("no"))
      assert.deepStrictEqual(yield* Effect.exit(pool.use(() => later(Effect.die("no")))), Exit.die("no"))
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        pool.use(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      )
      yield* Deferred.await(begun)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepInclude(yield* pool.stats, { acquisitions: 5, created: 1, inUse: 0, idle: 1 })
    }))

  it.scoped("lets a borrower in the queue be served, and another be interrupted", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: Effect.succeed("item"), maxSize: 1 })
      const [begun, returned] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const first = yield* Effect.fork(
        pool.use(() => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(returned)))
      )
      yield* Deferred.await(begun)
      const second = yield* Effect.fork(pool.use(Effect.succeed))
      const third = yield* Effect.fork(pool.use((item) => later(Effect.succeed(item))))
      while ((yield* pool.stats).waiters < 2) yield* Effect.yieldNow()
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(second)))
      yield* Deferred.succeed(returned, undefined)
      yield* Fiber.join(first)
      assert.strictEqual(yield* Fiber.join(third), "item")
      assert.deepInclude(yield* pool.stats, { acquisitions: 2, abandoned: 1, inUse: 0, waiters: 0 })
    }))

  it.scoped("tells onRelease how the borrower ended", () =>
    Effect.gen(function*() {
      const seen: Array<Exit.Exit<unknown, unknown>> = []
      const pool = yield* ResourcePool.make({
        acquire: Effect.succeed("item"),
        maxSize: 1,
        onRelease: (_, exit) => {
          seen.push(exit)
          return Effect.succeed("keep" as const)
        }
      })
      yield* pool.use(Effect.succeed)
      yield* Effect.exit(pool.use(() => later(Effect.fail("no"))))
      assert.deepStrictEqual(seen, [Exit.succeed("item"), Exit.fail("no")])
    }))
})
