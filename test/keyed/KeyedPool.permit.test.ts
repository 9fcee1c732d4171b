/** Pools by key whose items need permits. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as KeyedPool from "effect-pools/KeyedPool"
import { makeLimit } from "../support/permits.js"
import { makeSource, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const make = (
  limit: ReturnType<typeof makeLimit>,
  more: Partial<KeyedPool.Options<string, { readonly id: number }, never, any>> = {}
) => {
  const source = makeSource()
  return Effect.map(KeyedPool.make({ acquire: () => source.acquire, permit: limit.permit, ...more }), (pool) => ({
    pool,
    source
  }))
}

const borrow = <E>(pool: KeyedPool.KeyedPool<string, { readonly id: number }, E>, key: string) =>
  pool.use(key, (item) => Effect.succeed(item.id))

/** An `acquire` whose failure is a text. */
const failing = (key: string): Effect.Effect<void, string> => key === "" ? Effect.fail("no key") : Effect.void

describe("permit of a KeyedPool", () => {
  it.scoped("each item of each key has a permit; idle items of all keys give theirs back on demand", () =>
    Effect.gen(function*() {
      const limit = makeLimit(3)
      const { pool, source } = yield* make(limit)
      for (const key of ["a", "b", "c"]) yield* borrow(pool, key)
      assert.strictEqual(limit.state.free, 0)
      yield* limit.state.permits[0]!.want(2)
      yield* settle
      assert.deepStrictEqual(source.closed, [1, 2])
      assert.deepStrictEqual((yield* pool.stats).all.permits, { held: 1, waiting: 0, lost: 0, givenBack: 2 })
    }))

  it.scoped("waits for permits outside createConcurrency, and keeps it once it has them", () =>
    Effect.gen(function*() {
      const limit = makeLimit(0)
      const { pool, source } = yield* make(limit, { createConcurrency: 1 })
      const waiters = yield* Effect.forEach(["a", "b", "c"], (key) => Effect.fork(borrow(pool, key)))
      yield* settle
      assert.deepStrictEqual([limit.state.waiting, source.made], [3, 0])
      yield* Fiber.interrupt(waiters[0]!)
      yield* settle
      assert.strictEqual(limit.state.waiting, 2)
      limit.state.raise(2)
      for (const waiter of waiters.slice(1)) yield* Fiber.join(waiter)
      assert.strictEqual(source.made, 2)
      assert.deepInclude((yield* pool.stats).all, { creating: 0, size: 2 })
    }))

  it.scoped("an error of the permit is a failed attempt, and leaves no place taken", () =>
    Effect.gen(function*() {
      let fails = true
      const source = { ofKey: (key: string) => Effect.as(failing(key), { id: 1 }) }
      const pool = yield* KeyedPool.make({
        acquire: source.ofKey,
        permit: Effect.suspend(() => fails ? Effect.fail("no Redis") : Effect.void),
        maxTotal: 1
      })
      assert.strictEqual(yield* Effect.flip(borrow(pool, "a")), "no Redis")
      fails = false
      assert.strictEqual(yield* borrow(pool, "b"), 1)
    }))

  it.scoped("a lost permit retires its item, of whatever key", () =>
    Effect.gen(function*() {
      const limit = makeLimit(2)
      const { pool, source } = yield* make(limit)
      for (const key of ["a", "b"]) yield* borrow(pool, key)
      yield* limit.state.permits[1]!.lose
      yield* settle
      assert.deepStrictEqual(source.closed, [2])
      assert.strictEqual(yield* borrow(pool, "a"), 1)
    }))
})
