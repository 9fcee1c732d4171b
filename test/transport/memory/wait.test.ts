import { withFiberState } from "#effect/fiber"
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import {
  areSupported,
  AskingWaitSlot,
  GuardedWaitSlot,
  makeWaitSlot,
  Pending,
  type WaitSlot
} from "../../../src/internal/transport/wait.js"
import { left } from "../../support/collectGarbage.js"
import { assert, describe, it } from "../../support/vitest.js"

const refuse = () => new Error("two at once")

/** A slot in which fibers wait for numbers, and the available numbers. */
const numbers = (slot: WaitSlot) => {
  const there: Array<number> = []
  const take = Effect.sync(() => there.shift()!)
  const next = withFiberState<number>((fiber, status) =>
    slot.wait(() => there.length === 0 ? undefined : take, fiber, status)
  )
  const put = (n: number) => {
    slot.arrived()
    there.push(n)
    slot.wake()
  }
  return { next, put, there }
}

const pad = (steps: number): Effect.Effect<void> =>
  steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))

describe("whether a fiber was interrupted while it waits", () => {
  it.effect("is asked of the fiber with this version of Effect", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* areSupported)
      assert.instanceOf(makeWaitSlot(refuse), AskingWaitSlot)
    }))
})

describe("a result that a fiber waits for", () => {
  it.effect("is not kept once it is handed over", () =>
    Effect.gen(function*() {
      const results: Array<WeakRef<object>> = []
      const all = Array.from({ length: 50 }, () => new Pending())
      for (const pending of all) {
        pending.await(() => {})
        const result = Effect.succeed(new Uint8Array(1))
        results.push(new WeakRef(result))
        pending.complete(result)
      }
      assert.isBelow(yield* left(results), 5)
      let outcomes = 0
      for (const pending of all) pending.await(() => outcomes++)
      assert.strictEqual(outcomes, 50)
    }))
})

describe.each([
  ["a slot that asks the fiber", () => new AskingWaitSlot(refuse)],
  ["a slot with a finalizer", () => new GuardedWaitSlot(refuse)]
])("%s", (_, make) => {
  it.effect("gives what is there, or what comes", () =>
    Effect.gen(function*() {
      const { next, put } = numbers(make())
      put(1)
      assert.strictEqual(yield* next, 1)
      const fiber = yield* Effect.fork(next)
      yield* Effect.yieldNow()
      put(2)
      assert.strictEqual(yield* Fiber.join(fiber), 2)
    }))

  it.effect("refuses a second fiber as a defect, and knows that it is taken", () =>
    Effect.gen(function*() {
      const slot = make()
      const { next, put } = numbers(slot)
      const fiber = yield* Effect.fork(next)
      yield* Effect.yieldNow()
      assert.isTrue(slot.isTaken)
      const exit = yield* Effect.exit(next)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      put(1)
      assert.isFalse(slot.isTaken)
      assert.strictEqual(yield* Fiber.join(fiber), 1)
    }))

  it.effect("is free, and abandoned, once its fiber was interrupted; what comes then is for the next", () =>
    Effect.gen(function*() {
      const slot = make()
      const { next, put } = numbers(slot)
      const fiber = yield* Effect.fork(next)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.isFalse(slot.isTaken)
      assert.isTrue(slot.isAbandoned)
      put(1)
      assert.strictEqual(yield* next, 1)
    }))

  it.effect("is not abandoned if its result came before the fiber looked", () =>
    Effect.gen(function*() {
      const slot = make()
      const { next, put } = numbers(slot)
      const fiber = yield* Effect.fork(next)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      put(1)
      assert.isFalse(slot.isTaken)
      assert.isFalse(slot.isAbandoned)
    }))

  it.effect("serves an uninterruptible fiber, even if it is interrupted meanwhile", () =>
    Effect.gen(function*() {
      const { next, put } = numbers(make())
      const fiber = yield* Effect.fork(Effect.uninterruptible(next))
      yield* Effect.yieldNow()
      yield* Fiber.interruptFork(fiber)
      yield* Effect.yieldNow()
      put(1)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) || exit.value === 1)
      const slot = numbers(make())
      slot.put(2)
      assert.strictEqual(yield* slot.next, 2)
    }))

  it.effect("loses nothing and stays free when its fiber is interrupted between any two steps", () =>
    Effect.gen(function*() {
      for (let budget = 13; budget < 20; budget++) {
        for (let steps = 0; steps < 20; steps++) {
          for (let yields = 0; yields < 4; yields++) {
            const where = `budget ${budget}, ${steps} steps, ${yields} yields`
            const slot = make()
            const { next, put, there } = numbers(slot)
            const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(Effect.andThen(pad(steps), next), budget))
            for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
            put(1)
            const exit = yield* Fiber.interrupt(fiber)
            assert.isFalse(slot.isTaken, where)
            assert.deepStrictEqual(there, Exit.isSuccess(exit) ? [] : [1], where)
          }
        }
      }
    }))
})
