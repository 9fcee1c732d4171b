/** A pool by key is a `KeyedPool` of Effect 3. Effect 4 has none. */
import * as Effect from "#test/Effect"
import * as KeyedPool from "effect-pools/KeyedPool"
import * as EffectKeyedPool from "effect/KeyedPool"
import { where } from "../support/capabilities.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

describe("pools by key", () => {
  where("hasEffectKeyedPool", it.scoped)(
    "serve what was written for a KeyedPool of Effect",
    () =>
      Effect.gen(function*() {
        const source = makeSource()
        const pool = yield* KeyedPool.make({ acquire: (_key: string) => source.acquire })
        assert.isTrue(EffectKeyedPool.KeyedPoolTypeId in pool)
        const item = yield* Effect.scoped(EffectKeyedPool.get(pool, "a"))
        assert.strictEqual(item.id, 1)
        yield* EffectKeyedPool.invalidate(pool, item)
        yield* settle
        assert.deepStrictEqual(source.closed, [1])
        assert.strictEqual(yield* Effect.scoped(Effect.map(pool.pipe(EffectKeyedPool.get("a")), ({ id }) => id)), 2)
      })
  )
})
