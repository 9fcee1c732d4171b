/** `use` with an uninterruptible region, if Effect lacks the frames that `fiberFrame` needs. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as ObjectPool from "effect-pools/ObjectPool"
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

describe("ObjectPool, without frames", () => {
  it.scoped("takes the object back when the borrower succeeds, fails, dies or is interrupted", () =>
    Effect.gen(function*() {
      const pool = yield* ObjectPool.make({ factory: () => ({}) })
      const later = <A, E>(effect: Effect.Effect<A, E>) => pool.use(() => Effect.andThen(Effect.yieldNow(), effect))
      assert.strictEqual(yield* later(Effect.succeed(1)), 1)
      assert.strictEqual(yield* pool.use(() => Effect.succeed(1)), 1)
      assert.deepStrictEqual(yield* Effect.exit(later(Effect.fail("no"))), Exit.fail("no"))
      assert.deepStrictEqual(yield* Effect.exit(later(Effect.die("no"))), Exit.die("no"))
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(later(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepInclude(yield* pool.stats, { created: 1, acquisitions: 5, returned: 5, inUse: 0 })
    }))

  it.scoped("gives the borrower what reset throws, beside its own failure", () =>
    Effect.gen(function*() {
      const pool = yield* ObjectPool.make({
        factory: () => ({}),
        reset: () => {
          throw "stuck"
        }
      })
      const later = <A, E>(effect: Effect.Effect<A, E>) => pool.use(() => Effect.andThen(Effect.yieldNow(), effect))
      assert.deepStrictEqual(yield* Effect.exit(later(Effect.succeed(1))), Exit.die("stuck"))
      assert.deepStrictEqual(
        yield* Effect.exit(later(Effect.fail("mine"))),
        Exit.failCause(Cause.sequential(Cause.fail("mine"), Cause.die("stuck")))
      )
      assert.strictEqual((yield* pool.stats).discarded.failed, 2)
    }))
})
