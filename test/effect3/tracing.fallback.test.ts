/** Spans if Effect's own tracer is not found. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Tracer from "#test/Tracer"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as DefaultServices from "effect/DefaultServices"
import * as Deferred from "effect/Deferred"
import { isTraced } from "../../src/internal/effect3/tracing.js"
import { assert, describe, it } from "../support/vitest.js"

const services = DefaultServices.liveServices.unsafeMap
const native: Tracer.Tracer = services.get(Tracer.Tracer.key)

// the lookup happens at the first call, and never again
services.delete(Tracer.Tracer.key)
isTraced(native)
services.set(Tracer.Tracer.key, native)

describe("tracing, where Effect's own tracer is not found", () => {
  it("counts as on", () => {
    assert.isTrue(isTraced(native))
  })

  it.scoped("leaves pools as they are", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.tracer, native)
      const pool = yield* ResourcePool.make({ acquire: Effect.succeed("item"), maxSize: 1 })
      const returned = yield* Deferred.make<void>()
      const borrowed = yield* Deferred.make<void>()
      const first = yield* Effect.fork(
        pool.use(() => Effect.andThen(Deferred.succeed(borrowed, undefined), Deferred.await(returned)))
      )
      yield* Deferred.await(borrowed)
      const second = yield* Effect.fork(pool.use(Effect.succeed))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(returned, undefined)
      yield* Fiber.join(first)
      assert.strictEqual(yield* Fiber.join(second), "item")
    }))
})
