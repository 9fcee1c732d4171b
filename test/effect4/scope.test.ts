/** Finalizers that plain code adds to a scope, with this version of Effect. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Scope from "#test/Scope"
import { addFinalizer, areSupported, openScopeOf } from "../../src/internal/effect4/scope.js"
import { assert, describe, it } from "../support/vitest.js"

describe("finalizers that plain code adds", () => {
  it.effect("work with this version of Effect", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* areSupported)
    }))

  it.effect("run with the exit of the scope, the last one first, among Effect's own", () =>
    Effect.gen(function*() {
      const order: Array<unknown> = []
      const note = (text: string) => (exit: Exit.Exit<unknown, unknown>) =>
        Effect.sync(() => void order.push([text, exit]))
      const scope = yield* Scope.make()
      addFinalizer(scope, note("one"))
      yield* Scope.addFinalizerExit(scope, note("two"))
      addFinalizer(scope, note("three"))
      const exit = Exit.fail("no")
      yield* Scope.close(scope, exit)
      assert.deepStrictEqual(order, [["three", exit], ["two", exit], ["one", exit]])
    }))

  it.effect("need a scope that is open", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const ofFiber = Scope.extend(Effect.withFiber((fiber) => Effect.succeed(openScopeOf(fiber))), scope)
      assert.strictEqual(yield* ofFiber, scope)
      yield* Scope.close(scope, Exit.void)
      assert.isUndefined(yield* ofFiber)
      assert.isUndefined(yield* Effect.withFiber((fiber) => Effect.succeed(openScopeOf(fiber))))
    }))
})
