/** Pools if a scope of Effect keeps its finalizers elsewhere than in `state`. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import type { Closeable, Scope } from "effect/Scope"
import { vi } from "vitest"
import { areSupported } from "../../src/internal/effect4/scope.js"
import { assert, describe, it } from "../support/vitest.js"

// it runs before the imports above
vi.mock(import("effect/Scope"), async (original) => {
  const real = await original()
  const { map } = await import("effect/Effect")
  const kept = new WeakMap<Scope, Closeable>()
  const inside = <S extends Scope>(scope: S): S => (kept.get(scope) ?? scope) as S
  return {
    ...real,
    make: (strategy) =>
      map(real.make(strategy), (scope) => {
        const shown = { ...scope }
        kept.set(shown, scope)
        return shown
      }),
    fork: (scope, strategy) => real.fork(inside(scope), strategy),
    addFinalizerExit: (scope, finalizer) => real.addFinalizerExit(inside(scope), finalizer),
    close: ((scope: Closeable, exit: Exit.Exit<any, any>) => real.close(inside(scope), exit)) as typeof real.close
  }
})

describe("finalizers that plain code cannot add", () => {
  it.effect("are noticed", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* areSupported)
    }))

  it.scoped("are added by Effect: an item comes back when its borrower's scope ends, however that ends", () =>
    Effect.gen(function*() {
      const pool = yield* ResourcePool.make({ acquire: Effect.succeed("item"), maxSize: 1 })
      const borrow = <A, E>(effect: Effect.Effect<A, E>) => Effect.exit(Effect.scoped(Effect.andThen(pool.get, effect)))
      assert.deepStrictEqual(yield* borrow(Effect.succeed(1)), Exit.succeed(1))
      assert.deepStrictEqual(yield* borrow(Effect.fail("no")), Exit.fail("no"))
      assert.deepStrictEqual(yield* borrow(Effect.die("no")), Exit.die("no"))
      const begun = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(borrow(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      const waiter = yield* Effect.fork(borrow(Effect.void))
      while ((yield* pool.stats).waiters < 1) yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiter)
      yield* Fiber.interrupt(holder)
      assert.deepInclude(yield* pool.stats, { acquisitions: 4, created: 1, abandoned: 1, inUse: 0, idle: 1 })
    }))
})
