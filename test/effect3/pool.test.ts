/** Pools are pools of Effect 3, and effects that borrow. In Effect 4 a `Pool` is plain data, which no other pool can be. */
import * as Effect from "#test/Effect"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Pool from "effect/Pool"
import { PoolBase } from "../../src/internal/effect3/poolBase.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

describe("pools", () => {
  class OneNumber extends PoolBase<number, never> {
    readonly get = Effect.succeed(1)
  }

  it.effect("are pools of Effect, and effects that borrow", () =>
    Effect.gen(function*() {
      const pool = new OneNumber()
      assert.isTrue(Pool.isPool(pool))
      assert.strictEqual(yield* Effect.scoped(pool), 1)
    }))

  it.scoped("serve what was written for a Pool of Effect", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const pool = yield* ResourcePool.make({ acquire: source.acquire })
      const [yielded, got] = yield* Effect.all([
        Effect.scoped(Effect.map(pool, (item) => item.id)),
        Effect.scoped(Effect.map(Pool.get(pool), (item) => item.id))
      ])
      assert.deepStrictEqual([yielded, got], [1, 1])
      const item = yield* Effect.scoped(pool.get)
      yield* Pool.invalidate(pool, item)
      yield* settle
      assert.deepStrictEqual(source.closed, [1])
    }))
})
