/** Interruption at every point leaves no place, item, waiter, key or fiber behind. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { fiberCount } from "#test/fibers"
import * as Scope from "#test/Scope"
import * as KeyedPool from "effect-pools/KeyedPool"
import { type Item, settle } from "../support/pool.js"
import { sampled } from "../support/sampled.js"
import { assert, describe, it } from "../support/vitest.js"

type Pool = KeyedPool.KeyedPool<string, Item, never>

/** What a borrower of a key does; the test interrupts it at some point. */
const verbs: Record<string, (pool: Pool, key: string) => Effect.Effect<unknown, unknown>> = {
  use: (pool, key) => pool.use(key, () => Effect.yieldNow()),
  "use, discarded on return": (pool, key) => Effect.ignore(pool.use(key, () => Effect.fail("no"))),
  get: (pool, key) => Effect.scoped(Effect.andThen(pool.get(key), Effect.yieldNow())),
  "use of items that are replaced": (pool, key) =>
    Effect.andThen(pool.use(key, (item) => pool.invalidate(item)), pool.renew(key))
}

/** Several keys share two places; or a key goes when another comes. */
const limits = {
  maxTotal: { maxTotal: 2 },
  "maxTotal and maxKeys": { maxTotal: 2, maxKeys: 2 },
  "histograms and maxTotal": { maxTotal: 2, histograms: true }
}

/** With fewer ops before a yield Effect 3 itself makes no progress. */
const budgets = sampled(Array.from({ length: 26 }, (_, i) => 2 * i + 13))
const pauses = [0, 1, 3, 8, 21]

/** Lets the event loop turn, which the test runner needs. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const sweep = (
  verb: (pool: Pool, key: string) => Effect.Effect<unknown, unknown>,
  limit: Partial<KeyedPool.Options<string, Item, never, never>>
) =>
  Effect.gen(function*() {
    let runs = 0
    for (const budget of budgets) {
      yield* turn
      for (const pause of pauses) {
        runs++
        const where = `budget ${budget}, pause ${pause}`
        const source = { made: 0, closed: new Map<number, number>() }
        const acquire = Effect.acquireRelease(
          Effect.andThen(Effect.yieldNow(), Effect.sync((): Item => ({ id: ++source.made }))),
          (item) => Effect.sync(() => source.closed.set(item.id, (source.closed.get(item.id) ?? 0) + 1))
        )
        const fibers = yield* fiberCount
        const run = Effect.gen(function*() {
          const scope = yield* Scope.make()
          const pool = yield* Scope.extend(
            KeyedPool.make({
              acquire: (_key: string) => acquire,
              maxSize: 2,
              acquireTimeout: "1 hour",
              onRelease: (_, exit) => Effect.succeed(Exit.isFailure(exit) ? "discard" as const : "keep" as const),
              ...limit
            }),
            scope
          )
          // too many keys is an answer, too
          const life = (key: string) =>
            Effect.forever(Effect.ignore(Effect.andThen(Effect.yieldNow(), verb(pool, key))))
          const borrowers = yield* Effect.forEach(
            ["a", "b", "a", "c", "b", "a"],
            (key) => Effect.fork(Effect.withMaxOpsBeforeYield(life(key), budget))
          )
          yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
          yield* Fiber.interruptAll(borrowers)
          yield* settle
          const { all } = yield* pool.stats
          assert.deepInclude(all, { leases: 0, inUse: 0, waiters: 0, creating: 0, closing: 0 }, where)
          assert.isAtMost(all.size, 2, where)
          // every place is free: a new key gets both
          yield* Effect.scoped(Effect.replicateEffect(pool.get("d"), 2))
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual(source.closed.size, source.made, where)
          assert.isTrue([...source.closed.values()].every((times) => times === 1), where)
        })
        yield* fibers.within(run)
        yield* settle
        assert.strictEqual(yield* fibers.running, 0, `${where}: fibers left`)
      }
    }
    return runs
  })

describe("KeyedPool, interrupted anywhere", () => {
  for (const [limit, options] of Object.entries(limits)) {
    for (const [name, verb] of Object.entries(verbs)) {
      it.effect(`${name}, with ${limit}`, () =>
        Effect.map(sweep(verb, options), (runs) => assert.strictEqual(runs, budgets.length * pauses.length)))
    }
  }
})
