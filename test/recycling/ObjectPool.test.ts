import * as Cause from "#test/Cause"
import * as Clock from "#test/Clock"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Metric from "#test/Metric"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as ObjectPool from "effect-pools/ObjectPool"
import * as PoolMetrics from "effect-pools/PoolMetrics"
import type { RecyclingPoolStats } from "effect-pools/PoolStats"
import * as Resettable from "effect-pools/Resettable"
import * as Deferred from "effect/Deferred"
import * as Effectable from "effect/Effectable"
import * as Inspectable from "effect/Inspectable"
import { collectGarbage } from "../support/collectGarbage.js"
import { withLogs } from "../support/logs.js"
import { failureOf, settle } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

interface Box {
  readonly id: number
  content: string
}

/** Options of a pool of numbered boxes, which a reset empties. */
const boxes = () => {
  let made = 0
  return {
    factory: (): Box => ({ id: ++made, content: "" }),
    reset: (box: Box) => {
      box.content = ""
    }
  }
}

/** Waits for the end of this turn of the event loop, when the pool reads the clock again. */
const turn = Effect.promise(() => Promise.resolve())

const conserved = ({ created, discarded, inUse, size }: RecyclingPoolStats): boolean =>
  created === size + inUse + Object.values(discarded).reduce((sum, count) => sum + count, 0)

describe("ObjectPool", () => {
  describe("lending", () => {
    it.scoped("makes an object when none is idle, and lends it again", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const first = yield* pool.use((box) => Effect.succeed(box.id))
        const second = yield* pool.use((box) => Effect.succeed(box.id))
        assert.deepStrictEqual([first, second], [1, 1])
        assert.deepInclude(yield* pool.stats, {
          created: 1,
          acquisitions: 2,
          reused: 1,
          returned: 2,
          size: 1,
          inUse: 0
        })
      }))

    it.scoped("never waits: who finds it empty gets a new object", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), maxSize: 1 })
        const lent = [pool.unsafeAcquire(), pool.unsafeAcquire(), pool.unsafeAcquire()]
        assert.deepStrictEqual(lent.map(({ id }) => id), [1, 2, 3])
        assert.deepInclude(yield* pool.stats, { inUse: 3, peak: 3, created: 3, reused: 0 })
      }))

    it.scoped("lends the one that came back last", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const [a, b] = [pool.unsafeAcquire(), pool.unsafeAcquire()]
        pool.unsafeRelease(a)
        pool.unsafeRelease(b)
        assert.strictEqual(pool.unsafeAcquire(), b)
        assert.strictEqual(pool.unsafeAcquire(), a)
      }))

    it.scoped("drops what comes back to a full pool", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), maxSize: 1 })
        const [a, b] = [pool.unsafeAcquire(), pool.unsafeAcquire()]
        assert.isTrue(pool.unsafeRelease(a))
        assert.isTrue(pool.unsafeRelease(b))
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 1, inUse: 0, returned: 2, created: 2 })
        assert.strictEqual(stats.discarded.full, 1)
        assert.isTrue(conserved(stats))
      }))

    it.scoped("keeps nothing where maxSize is 0", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), maxSize: 0 })
        assert.deepStrictEqual([yield* pool.useSync((box) => box.id), yield* pool.useSync((box) => box.id)], [1, 2])
        assert.deepInclude(yield* pool.stats, { size: 0, reused: 0, returned: 2 })
      }))

    it.scoped("lends by effect, by function, by scope and by lease", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        assert.strictEqual(yield* pool.use((box) => Effect.andThen(Effect.yieldNow(), Effect.succeed(box.id))), 1)
        assert.strictEqual(yield* pool.useSync((box) => box.id), 1)
        const scope = yield* Scope.make()
        assert.strictEqual((yield* Scope.extend(pool.get, scope)).id, 1)
        assert.strictEqual((yield* pool.stats).inUse, 1)
        yield* Scope.close(scope, Exit.void)
        const plain = () => {
          using lease = pool.lease()
          assert.strictEqual(pool.unsafeStats().inUse, 1)
          return lease.value.id
        }
        assert.strictEqual(plain(), 1)
        assert.deepInclude(yield* pool.stats, {
          created: 1,
          acquisitions: 4,
          reused: 3,
          returned: 4,
          inUse: 0,
          peak: 1
        })
      }))

    it.scoped("lends a frozen object, a function, an array and a typed array", () =>
      Effect.gen(function*() {
        const factories: ReadonlyArray<() => object> = [
          () => Object.freeze({ list: [] }),
          () => () => 1,
          () => [1],
          () => new Float64Array(2)
        ]
        for (const factory of factories) {
          const pool = yield* ObjectPool.make({ factory })
          const object = pool.unsafeAcquire()
          assert.isTrue(pool.unsafeRelease(object))
          assert.isFalse(pool.unsafeRelease(object))
          assert.strictEqual(pool.unsafeAcquire(), object)
        }
      }))

    it.scoped("leaves no visible trace on an object", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ factory: () => ({ a: 1 }) })
        const object = pool.unsafeAcquire()
        assert.deepStrictEqual(Reflect.ownKeys(object), ["a"])
        assert.deepStrictEqual({ ...object }, { a: 1 })
        assert.strictEqual(JSON.stringify(object), `{"a":1}`)
        // a copy is another object
        assert.isFalse(pool.unsafeRelease({ ...object }))
      }))
  })

  describe("giving back", () => {
    it.scoped("takes the object back when the borrower fails, dies or is interrupted", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const begun = yield* Deferred.make<void>()
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.use(() => Effect.fail("no")))))
        assert.isTrue(
          Exit.isFailure(yield* Effect.exit(pool.use(() => Effect.andThen(Effect.yieldNow(), Effect.fail(1)))))
        )
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.use(() => Effect.die("no")))))
        assert.isTrue(Exit.isFailure(
          yield* Effect.exit(pool.use((): Effect.Effect<void> => {
            throw new Error("no")
          }))
        ))
        assert.isTrue(Exit.isFailure(
          yield* Effect.exit(pool.useSync(() => {
            throw new Error("no")
          }))
        ))
        const fiber = yield* Effect.fork(
          pool.use(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        )
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        assert.deepInclude(yield* pool.stats, { created: 1, returned: 6, inUse: 0, size: 1 })
      }))

    it.scoped("resets what comes back, however the borrower ended", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        yield* pool.use((box) =>
          Effect.sync(() => {
            box.content = "secret"
          })
        )
        yield* Effect.exit(pool.use((box) =>
          Effect.suspend(() => {
            box.content += "secret"
            return Effect.fail("no")
          })
        ))
        yield* Effect.exit(pool.useSync((box) => {
          box.content += "secret"
          throw new Error("no")
        }))
        assert.strictEqual(pool.unsafeAcquire().content, "")
      }))

    it.scoped("resets an object by its own method", () =>
      Effect.gen(function*() {
        class Counter implements Resettable.Resettable {
          count = 0
          reset(): void {
            this.count = 0
          }
        }
        const pool = yield* ObjectPool.makeResettable(() => new Counter(), { maxSize: 1, name: "counters" })
        assert.strictEqual(yield* pool.useSync((counter) => ++counter.count), 1)
        assert.strictEqual(yield* pool.useSync((counter) => ++counter.count), 1)
        assert.strictEqual((yield* pool.stats).pool, "counters")
      }))

    it.scoped("discards an object whose reset returns false, without an effect on the borrower", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({
          ...boxes(),
          minSize: 1,
          reset: (box) => {
            const { length } = box.content
            box.content = ""
            return length < 3
          }
        })
        const write = (content: string) => (box: Box) => {
          box.content = content
          return box.id
        }
        assert.strictEqual(yield* pool.useSync(write("ab")), 1)
        assert.strictEqual(yield* pool.useSync(write("abc")), 1)
        const later = (box: Box) => Effect.andThen(Effect.yieldNow(), Effect.sync(() => write("abc")(box)))
        assert.strictEqual(yield* pool.use(later), 2)
        assert.strictEqual(yield* pool.use((box) => Effect.succeed(write("abc")(box))), 3)
        const failed = yield* Effect.exit(pool.use((box) => Effect.fail(write("abc")(box))))
        assert.deepStrictEqual(failed, Exit.fail(4))
        assert.strictEqual(yield* Effect.scoped(Effect.map(pool.get, write("abc"))), 5)
        const lease = pool.lease()
        assert.strictEqual(write("abc")(lease.value), 6)
        assert.isTrue(lease.release())
        const box = pool.unsafeAcquire()
        assert.strictEqual(write("abc")(box), 7)
        assert.isTrue(pool.unsafeRelease(box))
        assert.isFalse(pool.unsafeRelease(box))
        const stats = yield* pool.stats
        assert.deepStrictEqual(stats.discarded, { full: 0, unfit: 7, failed: 0, invalidated: 0, idle: 0, closed: 0 })
        assert.deepInclude(stats, { created: 7, returned: 8, inUse: 0, size: 0 })
        assert.isTrue(conserved(stats))
      }))

    it.scoped("discards an object whose own reset returns false, and no other answer", () =>
      Effect.gen(function*() {
        for (const answer of [undefined, null, 0, "", NaN, true, {}, false]) {
          const pool = yield* ObjectPool.makeResettable(() => ({ reset: () => answer }))
          yield* pool.useSync(() => undefined)
          assert.strictEqual(yield* pool.size, answer === false ? 0 : 1, typeof answer)
        }
      }))

    it.scoped("discards for its reset also where a full or closed pool would drop the object", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(ObjectPool.make({ ...boxes(), maxSize: 0, reset: () => false }), scope)
        yield* pool.useSync(() => undefined)
        yield* Scope.close(scope, Exit.void)
        yield* pool.useSync(() => undefined)
        assert.deepInclude((yield* pool.stats).discarded, { unfit: 2, full: 0, closed: 0 })
      }))

    it.scoped("leaves nothing behind when interrupted anywhere", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const verbs: ReadonlyArray<Effect.Effect<unknown>> = [
          pool.use(() => Effect.yieldNow()),
          pool.useSync((box) => box.id),
          Effect.scoped(Effect.andThen(pool.get, Effect.yieldNow())),
          Effect.acquireUseRelease(
            Effect.sync(() => pool.lease()),
            () => Effect.yieldNow(),
            (lease) => Effect.sync(() => lease.release())
          )
        ]
        for (const verb of verbs) {
          for (let budget = 13; budget <= 64; budget++) {
            for (const pause of [0, 1, 3, 8]) {
              const borrowers = yield* Effect.replicateEffect(
                Effect.fork(Effect.withMaxOpsBeforeYield(Effect.forever(verb), budget)),
                3
              )
              yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
              yield* Fiber.interruptAll(borrowers)
              assert.deepInclude(yield* pool.stats, { inUse: 0 }, `budget ${budget}, pause ${pause}`)
            }
          }
        }
        const stats = yield* pool.stats
        assert.isAtMost(stats.created, 3)
        assert.isTrue(conserved(stats))
      }))
  })

  describe("a lease that is discarded", () => {
    it.scoped("takes its object from the pool for good, without a reset", () =>
      Effect.gen(function*() {
        let resets = 0
        const pool = yield* ObjectPool.make({ ...boxes(), reset: () => void resets++ })
        const lease = pool.lease()
        const { value } = lease
        assert.isTrue(lease.discard())
        assert.isFalse(pool.unsafeRelease(value))
        assert.strictEqual(pool.unsafeAcquire().id, 2)
        const stats = yield* pool.stats
        assert.strictEqual(resets, 0)
        assert.deepStrictEqual(stats.discarded, { full: 0, unfit: 0, failed: 0, invalidated: 1, idle: 0, closed: 0 })
        assert.deepInclude(stats, { created: 2, inUse: 1, size: 0, returned: 1 })
        assert.isTrue(conserved(stats))
      }))

    it.scoped("ends once: by discard, release or dispose, whichever comes first", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const discarded = pool.lease()
        assert.isTrue(discarded.discard())
        assert.isFalse(discarded.discard())
        assert.isFalse(discarded.release())
        assert.throws(() => discarded.value, "[ObjectPool] this lease has been released or discarded")
        discarded[Symbol.dispose]()
        assert.deepInclude(JSON.parse(String(discarded)), { released: true })
        const released = pool.lease()
        assert.isTrue(released.release())
        const next = pool.lease()
        assert.isFalse(released.discard())
        // the next borrower still has the object
        assert.strictEqual(next.value.id, 2)
        next[Symbol.dispose]()
        assert.isFalse(next.discard())
        const stats = yield* pool.stats
        assert.deepStrictEqual(stats.refused, { foreign: 0, notOut: 0, stale: 5 })
        assert.deepInclude(stats, { created: 2, inUse: 0, size: 1 })
        assert.strictEqual(stats.discarded.invalidated, 1)
      }))

    it.scoped("is over for `using`, and in a pool that closed", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(ObjectPool.make(boxes()), scope)
        const discard = () => {
          using lease = pool.lease()
          return lease.discard()
        }
        assert.isTrue(discard())
        const late = pool.lease()
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(late.discard())
        const stats = yield* pool.stats
        assert.deepInclude(stats.discarded, { invalidated: 2, closed: 0 })
        assert.deepInclude(stats, { inUse: 0, size: 0 })
      }))
  })

  describe("validation", () => {
    it.scoped("drops what is unfit when it is to be lent, and tries the next", () =>
      Effect.gen(function*() {
        const unfit = new Set<number>()
        const pool = yield* ObjectPool.make({ ...boxes(), validate: (box) => !unfit.has(box.id) })
        const lent = [1, 2, 3].map(() => pool.unsafeAcquire())
        for (const box of lent) pool.unsafeRelease(box)
        unfit.add(3).add(2)
        assert.strictEqual(pool.unsafeAcquire().id, 1)
        unfit.add(1)
        assert.strictEqual(pool.unsafeAcquire().id, 4)
        const stats = yield* pool.stats
        assert.strictEqual(stats.discarded.unfit, 2)
        assert.deepInclude(stats, { size: 0, inUse: 2, created: 4, acquisitions: 5, reused: 1 })
      }))

    it.scoped("bears a pool in which nothing is fit any more", () =>
      Effect.gen(function*() {
        let isFit = true
        const pool = yield* ObjectPool.make({ ...boxes(), validate: () => isFit, minSize: 50_000, maxSize: 50_000 })
        isFit = false
        assert.strictEqual(pool.unsafeAcquire().id, 50_001)
        assert.strictEqual((yield* pool.stats).discarded.unfit, 50_000)
      }))

    it.scoped("does not ask about an object that was just made", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), validate: () => false })
        assert.strictEqual(yield* pool.useSync((box) => box.id), 1)
        assert.strictEqual(yield* pool.useSync((box) => box.id), 2)
      }))
  })

  describe("what the user's functions throw", () => {
    const dies = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.map(Effect.exit(effect), (exit) => Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : [])

    it.scoped("factory: the borrower gets it, and nothing is out", () =>
      Effect.gen(function*() {
        let isDown = true
        const { factory } = boxes()
        const pool = yield* ObjectPool.make({
          factory: () => {
            if (isDown) throw "down"
            return factory()
          }
        })
        assert.deepStrictEqual(yield* dies(pool.use(() => Effect.void)), ["down"])
        assert.deepStrictEqual(yield* dies(pool.useSync(() => 1)), ["down"])
        assert.deepStrictEqual(yield* dies(Effect.scoped(pool.get)), ["down"])
        assert.throws(() => pool.lease(), "down")
        assert.throws(() => pool.unsafeAcquire(), "down")
        assert.deepInclude(yield* pool.stats, { failures: 5, created: 0, inUse: 0, acquisitions: 0, peak: 0 })
        isDown = false
        assert.strictEqual(yield* pool.useSync((box) => box.id), 1)
      }))

    it.scoped("reset: the object is dropped, and the borrower gets it", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({
          ...boxes(),
          reset: () => {
            throw "stuck"
          }
        })
        assert.deepStrictEqual(yield* dies(pool.use(() => Effect.succeed(1))), ["stuck"])
        assert.deepStrictEqual(yield* dies(pool.use(() => Effect.yieldNow())), ["stuck"])
        assert.deepStrictEqual(yield* dies(pool.useSync(() => 1)), ["stuck"])
        assert.deepStrictEqual(yield* dies(Effect.scoped(pool.get)), ["stuck"])
        const lease = pool.lease()
        assert.throws(() => lease.release(), "stuck")
        assert.isFalse(lease.release())
        const object = pool.unsafeAcquire()
        assert.throws(() => pool.unsafeRelease(object), "stuck")
        const stats = yield* pool.stats
        assert.strictEqual(stats.discarded.failed, 6)
        assert.deepInclude(stats, { created: 6, inUse: 0, size: 0, returned: 6 })
        assert.isTrue(conserved(stats))
      }))

    it.scoped("reset: what the borrower failed with itself is not lost", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({
          ...boxes(),
          reset: () => {
            throw "stuck"
          }
        })
        const both = Exit.failCause(Cause.sequential(Cause.fail("mine"), Cause.die("stuck")))
        assert.deepStrictEqual(yield* Effect.exit(pool.use(() => Effect.fail("mine"))), both)
        const later = pool.use(() => Effect.andThen(Effect.yieldNow(), Effect.fail("mine")))
        assert.deepStrictEqual(yield* Effect.exit(later), both)
        assert.deepStrictEqual(
          yield* dies(pool.useSync(() => {
            throw "mine"
          })),
          ["mine"]
        )
        assert.strictEqual((yield* pool.stats).discarded.failed, 3)
      }))

    it.scoped("validate: the object is dropped, and the borrower gets it", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({
          ...boxes(),
          validate: () => {
            throw "broken"
          }
        })
        yield* pool.useSync(() => 1)
        assert.deepStrictEqual(yield* dies(pool.useSync(() => 1)), ["broken"])
        const stats = yield* pool.stats
        assert.strictEqual(stats.discarded.failed, 1)
        assert.deepInclude(stats, { created: 1, inUse: 0, size: 0, acquisitions: 1 })
        assert.strictEqual(yield* pool.useSync((box) => box.id), 2)
      }))

    it.scoped("refuses a factory that returns what it has returned before, or no object", () =>
      Effect.gen(function*() {
        const one = {}
        const pool = yield* ObjectPool.make({ factory: () => one, maxSize: 1 })
        const other = yield* ObjectPool.make({ factory: () => one })
        assert.strictEqual(pool.unsafeAcquire(), one)
        assert.throws(() => pool.unsafeAcquire(), "is in a pool already")
        assert.throws(() => other.unsafeAcquire(), "is in a pool already")
        pool.unsafeRelease(one)
        assert.throws(() => other.unsafeAcquire(), "is in a pool already")
        // after the pool has dropped the object, another pool may have it
        yield* pool.clear
        assert.strictEqual(other.unsafeAcquire(), one)
        assert.isFalse(pool.unsafeRelease(one))
        assert.isTrue(other.unsafeRelease(one))
        const nothing = yield* ObjectPool.make({ factory: () => null as unknown as object })
        assert.throws(() => nothing.unsafeAcquire(), "factory must return an object, but returned null")
        assert.strictEqual((yield* nothing.stats).failures, 1)
      }))
  })

  describe("functions that use the pool themselves", () => {
    it.scoped("factory: makes one object out of others", () =>
      Effect.gen(function*() {
        interface Node {
          readonly depth: number
          readonly inner: Node | undefined
        }
        let depth = 0
        const pool: ObjectPool.Service<Node> = yield* ObjectPool.make<Node>({
          factory: () => {
            if (depth === 2) return { depth, inner: undefined }
            depth++
            const inner = pool.unsafeAcquire()
            return { depth: inner.depth - 1, inner }
          }
        })
        const node = pool.unsafeAcquire()
        assert.strictEqual(node.inner!.inner!.depth, 2)
        assert.deepInclude(yield* pool.stats, { inUse: 3, created: 3, peak: 3 })
        for (const one of [node, node.inner!, node.inner!.inner!]) assert.isTrue(pool.unsafeRelease(one))
        assert.deepInclude(yield* pool.stats, { inUse: 0, size: 3 })
      }))

    it.scoped("reset: gives back parts, borrows others, and does not come back twice", () =>
      Effect.gen(function*() {
        interface Part {
          part: Part | undefined
        }
        const answers: Array<boolean> = []
        const pool: ObjectPool.Service<Part> = yield* ObjectPool.make<Part>({
          factory: () => ({ part: undefined }),
          reset: (object) => {
            // the object is already on its way back
            answers.push(pool.unsafeRelease(object))
            if (object.part !== undefined) pool.unsafeRelease(object.part)
            object.part = undefined
            const scratch = pool.unsafeAcquire()
            assert.notStrictEqual(scratch, object)
            if (answers.length < 3) pool.unsafeRelease(scratch)
          }
        })
        const whole = pool.unsafeAcquire()
        whole.part = pool.unsafeAcquire()
        pool.unsafeRelease(whole)
        assert.isTrue(answers.every((answer) => !answer))
        const stats = yield* pool.stats
        assert.isTrue(conserved(stats))
        assert.strictEqual(stats.refused.notOut, answers.length)
      }))

    it.scoped("reset: may fill the pool before its object is kept", () =>
      Effect.gen(function*() {
        const kept: Array<object> = []
        const pool: ObjectPool.Service<object> = yield* ObjectPool.make<object>({
          factory: () => ({}),
          maxSize: 1,
          reset: () => {
            const other = kept.pop()
            if (other !== undefined) pool.unsafeRelease(other)
          }
        })
        const [a, b] = [pool.unsafeAcquire(), pool.unsafeAcquire()]
        kept.push(b)
        assert.isTrue(pool.unsafeRelease(a))
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 1, inUse: 0 })
        assert.strictEqual(stats.discarded.full, 1)
        assert.strictEqual(pool.unsafeAcquire(), b)
      }))

    it.scoped("validate: may clear the pool that asks it", () =>
      Effect.gen(function*() {
        const pool: ObjectPool.Service<object> = yield* ObjectPool.make<object>({
          factory: () => ({}),
          minSize: 3,
          validate: () => {
            Effect.runSync(pool.prune(0))
            return false
          }
        })
        pool.unsafeAcquire()
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 0, inUse: 1, created: 4 })
        assert.isTrue(conserved(stats))
      }))
  })

  describe("odd objects", () => {
    it.scoped("are out once, though they were frozen between two pools", () =>
      Effect.gen(function*() {
        const stock = {}
        const first = yield* ObjectPool.make({ factory: () => stock, maxSize: 0 })
        const second = yield* ObjectPool.make({ factory: () => stock })
        first.unsafeRelease(Object.freeze(first.unsafeAcquire()))
        const lent = second.unsafeAcquire()
        assert.throws(() => second.unsafeAcquire(), "is in a pool already")
        assert.isTrue(second.unsafeRelease(lent))
      }))

    it.scoped("that cannot be looked at are failures of the factory", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make<object>({
          factory: () => {
            const { proxy, revoke } = Proxy.revocable({}, {})
            revoke()
            return proxy
          }
        })
        assert.throws(() => pool.unsafeAcquire())
        const stats = yield* pool.stats
        assert.deepInclude(stats, { created: 0, failures: 1 })
        assert.isTrue(conserved(stats))
      }))
  })

  it.scoped("keeps an object out for an effect that only looks like an outcome", () =>
    Effect.gen(function*() {
      const pool = yield* ObjectPool.make({ factory: () => ({}) })
      class Job extends Effectable.Class<boolean> {
        readonly _tag = "Success"
        private readonly object: object
        constructor(object: object) {
          super()
          this.object = object
        }
        // the name of Effect 3
        commit() {
          return this.asEffect()
        }
        asEffect() {
          return pool.useSync((other) => other === this.object)
        }
      }
      assert.isFalse(yield* pool.use((object) => new Job(object)))
    }))

  describe("misuse", () => {
    it.scoped("warns of the first misuse, and where it was; of no other", () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const pool = yield* ObjectPool.make({ name: "misused", factory: () => ({}) })
          const culprit = (object: object) => pool.unsafeRelease(object)
          const object = pool.unsafeAcquire()
          assert.isTrue(culprit(object))
          yield* settle
          assert.deepStrictEqual(logs, [])
          assert.isFalse(culprit(object))
          assert.isFalse(culprit({}))
          yield* settle
          const [{ annotations, level, message }, ...others] = logs as [typeof logs[0] & {}]
          assert.deepStrictEqual(others, [])
          assert.strictEqual(level, "WARN")
          assert.include(message, "a second release")
          const { stack, ...rest } = annotations
          assert.include(String(stack), "culprit")
          assert.deepStrictEqual(rest, {
            package: "effect-pools",
            module: "ObjectPool",
            pool: "misused",
            event: "Misuse",
            reason: "notOut"
          })
          assert.deepInclude((yield* pool.stats).refused, { notOut: 1, foreign: 1 })
        })
      ))

    it.scoped("refuses what is foreign, and what is not out", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make<object>({ factory: () => ({}) })
        const other = yield* ObjectPool.make<object>({ factory: () => ({}) })
        const box = pool.unsafeAcquire()
        assert.isFalse(pool.unsafeRelease({}))
        assert.isFalse(pool.unsafeRelease(other.unsafeAcquire()))
        assert.isFalse(pool.unsafeRelease(undefined as unknown as object))
        assert.isTrue(pool.unsafeRelease(box))
        assert.isFalse(pool.unsafeRelease(box))
        assert.isFalse(other.unsafeRelease(box))
        assert.deepInclude((yield* pool.stats).refused, { foreign: 3, notOut: 1, stale: 0 })
        assert.deepInclude((yield* other.stats).refused, { foreign: 1, notOut: 0 })
        assert.deepInclude(yield* pool.stats, { size: 1, inUse: 0, returned: 1 })
      }))

    it.scoped("refuses to take from a borrower what use, get or a lease lent", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        assert.isFalse(yield* pool.use((box) => Effect.sync(() => pool.unsafeRelease(box))))
        assert.isFalse(yield* pool.useSync((box) => pool.unsafeRelease(box)))
        assert.isFalse(yield* Effect.scoped(Effect.map(pool.get, (box) => pool.unsafeRelease(box))))
        const lease = pool.lease()
        assert.isFalse(pool.unsafeRelease(lease.value))
        assert.isTrue(lease.release())
        const stats = yield* pool.stats
        assert.deepInclude(stats, { inUse: 0, size: 1, returned: 4 })
        assert.strictEqual(stats.refused.notOut, 4)
      }))

    it.scoped("refuses a released lease, even when another borrower has the object", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const lease = pool.lease()
        assert.isTrue(lease.release())
        const next = pool.lease()
        assert.isFalse(lease.release())
        assert.throws(() => lease.value, "[ObjectPool] this lease has been released")
        // the next borrower still has the object
        assert.strictEqual(next.value.id, 1)
        assert.deepInclude((yield* pool.stats).refused, { stale: 2 })
        assert.strictEqual((yield* pool.stats).inUse, 1)
        next[Symbol.dispose]()
        next[Symbol.dispose]()
        assert.strictEqual((yield* pool.stats).refused.stale, 2)
        assert.strictEqual((yield* pool.stats).size, 1)
      }))
  })

  describe("warmth and age", () => {
    it.scoped("has minSize objects from the start, which are no acquisitions", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), minSize: 3 })
        const stats = yield* pool.stats
        assert.deepInclude(stats, {
          size: 3,
          created: 3,
          acquisitions: 0,
          totalAcquisitions: 0,
          reuseRatio: 0,
          misses: 0
        })
        yield* pool.useSync(() => 1)
        assert.deepInclude(yield* pool.stats, { acquisitions: 1, reused: 1, reuses: 1, reuseRatio: 1, misses: 0 })
      }))

    it.scoped("drops idle objects at their age, oldest first, down to minSize", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), minSize: 1, idleTimeToLive: "1 minute" })
        const [a, b, c] = [pool.unsafeAcquire(), pool.unsafeAcquire(), pool.unsafeAcquire()]
        pool.unsafeRelease(a)
        yield* TestClock.adjust("30 seconds")
        pool.unsafeRelease(b)
        yield* turn
        pool.unsafeRelease(c)
        yield* TestClock.adjust("29 seconds")
        assert.strictEqual(yield* pool.size, 3)
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(yield* pool.size, 2)
        yield* TestClock.adjust("1 hour")
        const stats = yield* pool.stats
        assert.strictEqual(stats.size, 1)
        assert.strictEqual(stats.discarded.idle, 2)
        // the youngest object is left
        assert.strictEqual(pool.unsafeAcquire(), c)
      }))

    it.scoped("does not age what is borrowed again and again", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), idleTimeToLive: "1 minute" })
        for (let i = 0; i < 10; i++) {
          assert.strictEqual(yield* pool.useSync((box) => box.id), 1)
          yield* TestClock.adjust("59 seconds")
        }
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* pool.size, 0)
      }))

    it.scoped("sleeps once while something may grow too old, and not at all otherwise", () =>
      Effect.gen(function*() {
        const clock = yield* Effect.clock
        let sleeping = 0
        const counting = Clock.changed(clock, {
          sleep: (duration) =>
            Effect.acquireUseRelease(
              Effect.sync(() => sleeping++),
              () => clock.sleep(duration),
              () => Effect.sync(() => sleeping--)
            )
        })
        const scope = yield* Scope.make()
        const pool = yield* ObjectPool.make({ ...boxes(), idleTimeToLive: "1 minute" }).pipe(
          Effect.withClock(counting),
          Scope.extend(scope)
        )
        const lent = Array.from({ length: 50 }, () => pool.unsafeAcquire())
        yield* settle
        assert.strictEqual(sleeping, 0)
        for (const box of lent) {
          pool.unsafeRelease(box)
          yield* turn
        }
        yield* settle
        assert.strictEqual(sleeping, 1)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* pool.size, 0)
        assert.strictEqual(sleeping, 0)
        yield* pool.useSync(() => 1)
        yield* settle
        assert.strictEqual(sleeping, 1)
        yield* Scope.close(scope, Exit.void)
        yield* settle
        assert.strictEqual(sleeping, 0)
        // objects within minSize never become too old
        const warm = yield* ObjectPool.make({ ...boxes(), minSize: 1, idleTimeToLive: "1 minute" }).pipe(
          Effect.withClock(counting)
        )
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sleeping, 0)
        const boxesOut = [warm.unsafeAcquire(), warm.unsafeAcquire()]
        for (const box of boxesOut) warm.unsafeRelease(box)
        yield* settle
        assert.strictEqual(sleeping, 1)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual([sleeping, yield* warm.size], [0, 1])
      }))

    it.scoped("prune takes what is idle for so long, and zero is so long, too", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const lent = [1, 2, 3].map(() => pool.unsafeAcquire())
        for (const box of lent) {
          pool.unsafeRelease(box)
          yield* TestClock.adjust("10 seconds")
        }
        assert.strictEqual(yield* pool.prune(), 0)
        assert.strictEqual(yield* pool.prune("31 seconds"), 0)
        assert.strictEqual(yield* pool.prune("30 seconds"), 1)
        assert.strictEqual(yield* pool.prune(0), 2)
        assert.strictEqual(yield* pool.size, 0)
        assert.strictEqual((yield* pool.stats).discarded.idle, 3)
      }))

    it.scoped("prune without an argument goes by idleTimeToLive, and no prune goes below minSize", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), minSize: 2, idleTimeToLive: "1 minute" })
        const lent = [1, 2, 3].map(() => pool.unsafeAcquire())
        for (const box of lent) pool.unsafeRelease(box)
        assert.strictEqual(yield* pool.prune(), 0)
        assert.strictEqual(yield* pool.prune(0), 1)
        assert.strictEqual(yield* pool.size, 2)
      }))

    it.scoped("clear drops all that are idle, and makes minSize anew", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), minSize: 2 })
        const lent = [1, 2, 3].map(() => pool.unsafeAcquire())
        for (const box of lent.slice(0, 2)) pool.unsafeRelease(box)
        assert.strictEqual(yield* pool.clear, 2)
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 2, created: 5, inUse: 1, acquisitions: 3 })
        assert.isTrue(conserved(stats))
        // lent objects still come back
        assert.isTrue(pool.unsafeRelease(lent[2]!))
        assert.strictEqual(yield* pool.size, 3)
      }))

    it.scoped("bears a clock that is set back", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), idleTimeToLive: "1 minute" })
        yield* TestClock.setTime(3_600_000)
        const lent = [1, 2].map(() => pool.unsafeAcquire())
        pool.unsafeRelease(lent[0]!)
        yield* TestClock.setTime(0)
        pool.unsafeRelease(lent[1]!)
        assert.strictEqual(yield* pool.prune("1 second"), 0)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* pool.prune("1 second"), 2)
      }))
  })

  it.scoped("ages what may be idle for less than a clock can tell", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1.7e12)
      const pool = yield* ObjectPool.make({ ...boxes(), idleTimeToLive: "100 nanos" })
      pool.useSync(() => undefined).pipe(Effect.runSync)
      yield* settle
      yield* TestClock.adjust("2 millis")
      assert.strictEqual(yield* pool.size, 0)
    }))

  describe("the end", () => {
    it.scoped("closed with its scope, it keeps nothing, and still lends", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(ObjectPool.make({ ...boxes(), minSize: 2, idleTimeToLive: "1 minute" }), scope)
        const box = pool.unsafeAcquire()
        yield* Scope.close(scope, Exit.void)
        assert.deepInclude(yield* pool.stats, { size: 0, inUse: 1 })
        assert.isTrue(pool.unsafeRelease(box))
        assert.strictEqual(yield* pool.useSync((box) => box.id), 3)
        const stats = yield* pool.stats
        assert.deepInclude(stats, { size: 0, inUse: 0 })
        assert.deepInclude(stats.discarded, { closed: 3, full: 0 })
        assert.isTrue(conserved(stats))
      }))

    it("keeps no object that a borrower dropped", async () => {
      const scope = Effect.runSync(Scope.make())
      const pool = Effect.runSync(Scope.extend(ObjectPool.make<object>({ factory: () => ({}) }), scope))
      const refs = Array.from({ length: 100 }, () => new WeakRef(pool.unsafeAcquire()))
      await new Promise((resolve) => setImmediate(resolve))
      collectGarbage()
      assert.isAtMost(refs.filter((ref) => ref.deref() !== undefined).length, 1)
      assert.strictEqual(pool.unsafeStats().inUse, 100)
    })
  })

  describe("figures", () => {
    it.scoped("are plain data as JSON and as text", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make({ ...boxes(), name: "boxes" })
        yield* pool.useSync(() => 1)
        yield* pool.useSync(() => 1)
        const expected = {
          _id: "RecyclingPoolStats",
          pool: "boxes",
          size: 1,
          inUse: 0,
          min: 0,
          max: 64,
          created: 1,
          acquisitions: 2,
          reused: 1,
          returned: 2,
          discarded: { full: 0, unfit: 0, failed: 0, invalidated: 0, idle: 0, closed: 0 },
          refused: { foreign: 0, notOut: 0, stale: 0 },
          failures: 0,
          peak: 1,
          misses: 1,
          reuseRatio: 0.5,
          totalAcquisitions: 2
        }
        const stats = yield* pool.stats
        assert.deepStrictEqual(stats.toJSON(), expected)
        assert.deepStrictEqual(JSON.parse(String(stats)), expected)
        assert.deepStrictEqual(JSON.parse(JSON.stringify(pool)), { _id: "ObjectPool", name: "boxes", stats: expected })
        assert.deepInclude(pool[Inspectable.NodeInspectSymbol](), { name: "boxes" })
        assert.deepInclude(JSON.parse(String(pool.lease())), { released: false })
      }))

    it.effect("are metrics under the name of the pool, until it closes", () =>
      Effect.gen(function*() {
        const ours = <A>(metric: Metric.Readable<A>) => Metric.tagged(metric, "pool", "metric boxes")
        const read = <A>(metric: Metric.Readable<A>) => Metric.value(ours(metric))
        const reason = <A>(metric: Metric.Readable<A>, reason: string) =>
          Metric.value(Metric.tagged(ours(metric), "reason", reason))
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(
          ObjectPool.make({ ...boxes(), name: "metric boxes", minSize: 1, maxSize: 2 }),
          scope
        )
        const lent = [1, 2, 3, 4].map(() => pool.unsafeAcquire())
        for (const box of lent.slice(1)) pool.unsafeRelease(box)
        pool.unsafeRelease(lent[1]!)
        assert.strictEqual((yield* read(PoolMetrics.idle)).value, 2)
        assert.strictEqual((yield* read(PoolMetrics.inUse)).value, 1)
        assert.strictEqual((yield* read(PoolMetrics.minSize)).value, 1)
        assert.strictEqual((yield* read(PoolMetrics.maxSize)).value, 2)
        assert.strictEqual((yield* read(PoolMetrics.acquisitions)).count, 4)
        assert.strictEqual((yield* read(PoolMetrics.reuses)).count, 1)
        assert.strictEqual((yield* read(PoolMetrics.created)).count, 4)
        assert.strictEqual((yield* read(PoolMetrics.returned)).count, 3)
        assert.strictEqual((yield* read(PoolMetrics.failures)).count, 0)
        assert.strictEqual((yield* reason(PoolMetrics.discarded, "full")).count, 1)
        assert.strictEqual((yield* reason(PoolMetrics.refused, "notOut")).count, 1)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* read(PoolMetrics.idle)).value, 0)
        assert.strictEqual((yield* read(PoolMetrics.acquisitions)).count, 4)
        assert.strictEqual((yield* reason(PoolMetrics.discarded, "closed")).count, 2)
      }))
  })

  describe("layers", () => {
    class Boxes extends ObjectPool.Tag("test/Boxes")<Boxes, Box>() {}
    class Lists extends ObjectPool.Tag("test/Lists")<Lists, Array<number>>() {}

    it.effect("has one tag by default, and as many as one declares", () =>
      Effect.gen(function*() {
        const boxPool = yield* Boxes
        assert.strictEqual(yield* boxPool.useSync((box) => box.id), 1)
        assert.strictEqual(boxPool.name, "test/Boxes")
        const listPool = yield* Lists
        assert.strictEqual(yield* listPool.useSync((list) => list.push(1)), 1)
        assert.strictEqual(yield* listPool.useSync((list) => list.push(1)), 1)
        const anyPool = yield* ObjectPool.ObjectPool
        assert.strictEqual(yield* anyPool.useSync((object) => object instanceof Date), true)
        assert.strictEqual(anyPool.name, "ObjectPool")
      }).pipe(
        Effect.provide(Layer.mergeAll(
          Boxes.layer(boxes()),
          Lists.layer({ factory: () => [], reset: Resettable.array }),
          ObjectPool.layer({ factory: () => new Date() })
        ))
      ))

    it.effect("ends with the layer", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(Boxes.layer({ ...boxes(), minSize: 1 }), scope)
        const pool = Context.get(context, Boxes)
        assert.strictEqual(yield* pool.size, 1)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* pool.size, 0)
      }))
  })

  describe("options", () => {
    it.effect("that make no sense are a defect that names them", () =>
      Effect.gen(function*() {
        const refused = (options: Partial<ObjectPool.Options<Box>>, message: string) =>
          Effect.gen(function*() {
            const exit = yield* Effect.exit(Effect.scoped(ObjectPool.make({ ...boxes(), ...options })))
            assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
            assert.include(failureOf(exit), message)
          })
        yield* refused({ factory: undefined as never }, "factory must be a function, but was undefined")
        yield* refused({ reset: 5 as never }, "reset must be a function, but was 5")
        yield* refused({ minSize: -1 }, "[ObjectPool] minSize must be a whole number of 0 or more, but was -1")
        yield* refused(
          { maxSize: 1.5, name: "mine" },
          "[mine] maxSize must be a whole number of 0 or more, but was 1.5"
        )
        yield* refused({ maxSize: Infinity }, "maxSize must be a whole number")
        yield* refused({ minSize: 3, maxSize: 2 }, "minSize must be at most maxSize (2), but was 3")
        yield* refused(
          { idleTimeToLive: NaN },
          "idleTimeToLive must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was NaN"
        )
      }))

    it.scoped("a prune of less than nothing is a defect", () =>
      Effect.gen(function*() {
        const pool = yield* ObjectPool.make(boxes())
        const exit = yield* Effect.exit(pool.prune(-1))
        assert.include(
          failureOf(exit),
          "maxIdle must be a duration of zero or more, such as \"30 seconds\" or 500 (ms), but was -1"
        )
      }))

    it.effect("a factory that throws while objects are made ahead is a defect of the maker", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(ObjectPool.make<object>({
          factory: () => {
            throw "down"
          },
          minSize: 1
        })))
        assert.deepStrictEqual(exit, Exit.die("down"))
      }))
  })
})

describe("Resettable", () => {
  it("makes collections and bytes as good as new", () => {
    const array = [1, 2, 3]
    Resettable.array(array)
    assert.deepStrictEqual(array, [])
    const map = new Map([[1, 2]])
    Resettable.map(map)
    assert.strictEqual(map.size, 0)
    const set = new Set([1])
    Resettable.set(set)
    assert.strictEqual(set.size, 0)
    const symbol = Symbol("hidden")
    const record = { a: 1, [symbol]: 2 }
    Object.defineProperty(record, "hidden", { value: 3, enumerable: false, configurable: true })
    Resettable.record(record)
    assert.deepStrictEqual(Reflect.ownKeys(record), [])
    const bytes = new Uint8Array([1, 2])
    Resettable.zero(bytes)
    assert.deepStrictEqual([...bytes], [0, 0])
  })

  it("sets fields to what they were at first", () => {
    const point = { x: 3, y: 4, label: "p" }
    Resettable.fields({ x: 0, y: 0 })(point)
    assert.deepStrictEqual(point, { x: 0, y: 0, label: "p" })
  })

  it("knows what can reset itself, and asks it to", () => {
    const counter = {
      count: 1,
      reset() {
        this.count = 0
      }
    }
    assert.isTrue(Resettable.isResettable(counter))
    assert.isFalse(Resettable.isResettable({ reset: 1 }))
    assert.isFalse(Resettable.isResettable(null))
    Resettable.reset(counter)
    assert.strictEqual(counter.count, 0)
  })

  it("runs all of several resets, and says false when one of them does", () => {
    const ran: Array<number> = []
    const reset = (number: number, answer: boolean | void) => () => {
      ran.push(number)
      return answer
    }
    assert.isFalse(Resettable.all<object>(reset(1, undefined), reset(2, false), reset(3, true))({}))
    assert.deepStrictEqual(ran, [1, 2, 3])
    assert.isTrue(Resettable.all<object>(reset(1, undefined), reset(2, true))({}))
    assert.isTrue(Resettable.all()({}))
    assert.isFalse(Resettable.reset({ reset: () => false }))
    assert.isTrue(Resettable.reset({ reset: () => undefined }))
  })

  it("runs all of several resets, also when one throws", () => {
    const ran: Array<number> = []
    const reset = Resettable.all<object>(
      () => void ran.push(1),
      () => {
        throw "first"
      },
      () => {
        ran.push(3)
        throw "second"
      }
    )
    assert.throws(() => reset({}), "first")
    assert.deepStrictEqual(ran, [1, 3])
  })
})
