/** Interruption at every point of every verb leaves no slot, item, waiter or fiber behind. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { fiberCount } from "#test/fibers"
import * as Scope from "#test/Scope"
import * as ResourcePool from "effect-pools/ResourcePool"
import { type Item, settle } from "../support/pool.js"
import { sampled } from "../support/sampled.js"
import { recordingTracer } from "../support/tracer.js"
import { assert, describe, it } from "../support/vitest.js"

type Pool = ResourcePool.ResourcePool<Item>

/** What a borrower does; the test interrupts it at some point. */
const verbs: Record<string, (pool: Pool) => Effect.Effect<unknown, unknown>> = {
  use: (pool) => Effect.forever(pool.use(() => Effect.yieldNow())),
  "use of an effect that fails": (pool) => Effect.forever(Effect.ignore(pool.use(() => Effect.fail("no")))),
  useSync: (pool) => Effect.forever(pool.useSync((item) => item.id)),
  get: (pool) => Effect.forever(Effect.scoped(Effect.andThen(pool.get, Effect.yieldNow()))),
  tryGet: (pool) => Effect.forever(Effect.scoped(Effect.andThen(pool.tryGet, Effect.yieldNow()))),
  acquire: (pool) =>
    Effect.forever(
      Effect.acquireUseRelease(pool.acquire, () => Effect.yieldNow(), (lease, exit) => lease.release(exit))
    ),
  invalidate: (pool) => Effect.forever(pool.use((item) => pool.invalidate(item))),
  "creation that takes its time": (pool) =>
    Effect.forever(Effect.andThen(pool.clear, pool.use(() => Effect.yieldNow()))),
  "use, discarded on return": (pool) => Effect.forever(Effect.ignore(pool.use(() => Effect.fail("discard"))))
}

/** With fewer ops before a yield Effect 3 itself makes no progress. */
const budgets = sampled(Array.from({ length: 52 }, (_, i) => i + 13))
const pauses = [0, 1, 3, 8, 21]

/** Lets the event loop turn, which the test runner needs. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const sweep = (
  concurrency: number,
  verb: (pool: Pool) => Effect.Effect<unknown, unknown>,
  options: Partial<ResourcePool.Options<Item, never, never>> = {
    onRelease: (_, exit) => Effect.succeed(Exit.isFailure(exit) ? "discard" as const : "keep" as const)
  }
) =>
  Effect.gen(function*() {
    let runs = 0
    for (const budget of budgets) {
      yield* turn
      for (const pause of pauses) {
        runs++
        const source = { made: 0, closed: new Map<number, number>() }
        const acquire = Effect.acquireRelease(
          Effect.andThen(Effect.yieldNow(), Effect.sync((): Item => ({ id: ++source.made }))),
          (item) => Effect.sync(() => source.closed.set(item.id, (source.closed.get(item.id) ?? 0) + 1))
        )
        const fibers = yield* fiberCount
        const where = `budget ${budget}, pause ${pause}`
        const run = Effect.gen(function*() {
          const scope = yield* Scope.make()
          const pool = yield* Scope.extend(
            ResourcePool.make({
              acquire,
              maxSize: 2,
              concurrency,
              acquireTimeout: "1 hour",
              validate: () => Effect.succeed(true),
              validateAfterIdle: 0,
              ...options
            }),
            scope
          )
          // enough borrowers that some wait
          const borrowers = yield* Effect.replicateEffect(
            Effect.fork(Effect.withMaxOpsBeforeYield(verb(pool), budget)),
            concurrency * 2 + 2
          )
          yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
          yield* Fiber.interruptAll(borrowers)
          yield* settle
          const stats = yield* pool.stats
          assert.deepInclude(stats, { leases: 0, inUse: 0, waiters: 0, creating: 0, closing: 0 }, where)
          assert.isAtMost(stats.size, 2, where)
          // every slot is free: all can be borrowed at once
          yield* Effect.scoped(Effect.replicateEffect(pool.get, 2 * concurrency))
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

describe("ResourcePool, interrupted anywhere", () => {
  for (const concurrency of [1, 3]) {
    for (const [name, verb] of Object.entries(verbs)) {
      it.effect(
        `${name}, concurrency ${concurrency}`,
        () => Effect.map(sweep(concurrency, verb), (runs) => assert.strictEqual(runs, budgets.length * pauses.length))
      )
    }

    for (const histograms of [false, true]) {
      for (const name of ["use", "get", "creation that takes its time"]) {
        it.effect(
          `${name}, with a tracer${histograms ? " and histograms" : ""}, concurrency ${concurrency}`,
          () => {
            const { spans, tracer } = recordingTracer()
            return Effect.map(Effect.withTracer(sweep(concurrency, verbs[name]!, { histograms }), tracer), (runs) => {
              assert.strictEqual(runs, budgets.length * pauses.length)
              assert.isTrue(spans.some((span) => span.name === "ResourcePool.wait"))
              assert.deepStrictEqual(spans.filter((span) => span.exit === undefined), [])
            })
          }
        )
      }
    }

    it.effect(`making and closing a pool, concurrency ${concurrency}`, () =>
      Effect.gen(function*() {
        for (const budget of budgets) {
          yield* turn
          for (const pause of pauses) {
            let open = 0
            const life = Effect.scoped(
              Effect.flatMap(
                ResourcePool.make({
                  acquire: Effect.acquireRelease(
                    Effect.andThen(Effect.yieldNow(), Effect.sync(() => ({ id: ++open }))),
                    () => Effect.andThen(Effect.yieldNow(), Effect.sync(() => open--))
                  ),
                  minSize: 2,
                  concurrency
                }),
                (pool) => Effect.andThen(pool.ready, pool.use(() => Effect.yieldNow()))
              )
            )
            const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(Effect.forever(life), budget))
            yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
            yield* Fiber.interrupt(fiber)
            assert.strictEqual(open, 0, `budget ${budget}, pause ${pause}`)
          }
        }
      }))
  }
})
