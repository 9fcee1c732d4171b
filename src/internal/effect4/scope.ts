/**
 * Finalizers that plain code adds to a fiber's scope, in the step in which it lends an item: `Effect.uninterruptibleMask`,
 * `Effect.scope` and `Scope.addFinalizerExit` would be five steps.
 *
 * Effect 4's own pools add finalizers so, by a function that is not exported. This module writes the field `state` of the
 * scope. `areSupported` tries that once per process. If it does not work, pools use the steps.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { AnyFiber } from "./fiber.js"

/** The fiber's scope, if a finalizer can be added to it now. */
export const openScopeOf = (fiber: AnyFiber): Scope.Scope | undefined => {
  const scope = Context.getOrUndefined(fiber.context as Context.Context<any>, Scope.Scope) as Scope.Scope | undefined
  return scope === undefined || scope.state._tag === "Closed" ? undefined : scope
}

/** Runs with the exit of the scope. */
export type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** Call it in the same step as `openScopeOf`. The same finalizer can be added several times. */
export const addFinalizer = (scope: Scope.Scope, finalizer: Finalizer): void => {
  const { state } = scope
  if (state._tag === "Empty") {
    scope.state = { _tag: "Open", finalizerKey: {}, finalizer, finalizers: undefined }
  } else if (state._tag === "Open") {
    if (state.finalizer !== undefined) {
      state.finalizers = new Map([[state.finalizerKey!, state.finalizer]])
      state.finalizerKey = undefined
      state.finalizer = undefined
    }
    state.finalizers!.set({}, finalizer)
  }
}

/** Finalizers of a scope, added in turn by Effect and by this module, run with its exit, the last one first. */
const probe = Effect.gen(function*() {
  for (let count = 0; count <= 3; count++) {
    const order: Array<unknown> = []
    const expected: Array<unknown> = []
    const note = (text: unknown): Finalizer => (exit) => Effect.sync(() => void order.push(text, exit))
    const scope = yield* Scope.make()
    for (let i = 0; i < count; i++) {
      yield* Scope.addFinalizerExit(scope, note(i))
      addFinalizer(scope, note(-i))
    }
    const inner = yield* Scope.fork(scope)
    addFinalizer(inner, note("inner"))
    const twice = note("twice")
    addFinalizer(scope, twice)
    addFinalizer(scope, twice)
    const exit = Exit.fail("no")
    for (let i = 0; i < count; i++) expected.unshift(-i, exit, i, exit)
    yield* Scope.close(scope, exit)
    if (!isSame(order, ["twice", exit, "twice", exit, "inner", exit, ...expected])) return false
  }
  return true
})

const isSame = (some: ReadonlyArray<unknown>, other: ReadonlyArray<unknown>): boolean =>
  some.length === other.length && some.every((value, index) => value === other[index])

let areProven: boolean | undefined

/** Whether this works with this version of Effect. Tested once per process. */
export const areSupported: Effect.Effect<boolean> = Effect.sync(() => {
  if (areProven === undefined) {
    const exit = Effect.runSyncExit(probe)
    areProven = Exit.isSuccess(exit) && exit.value
  }
  return areProven
})
