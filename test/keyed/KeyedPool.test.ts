import * as Effect from "#test/Effect"
import * as KeyedPool from "effect-pools/KeyedPool"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

describe("KeyedPool", () => {
  it.scoped("lends items by key", () =>
    Effect.gen(function*() {
      const source = makeSource()
      const pool = yield* KeyedPool.make({
        acquire: (key: string) => Effect.map(source.acquire, (item) => ({ ...item, key }))
      })
      const a = yield* pool.use("a", (item) => Effect.succeed(item))
      const b = yield* pool.use("b", (item) => Effect.succeed(item))
      const again = yield* pool.use("a", (item) => Effect.succeed(item))
      assert.deepStrictEqual([a, b, again], [{ id: 1, key: "a" }, { id: 2, key: "b" }, { id: 1, key: "a" }])
      yield* settle
      const stats = yield* pool.stats
      assert.strictEqual(stats.keys, 2)
    }))
})
