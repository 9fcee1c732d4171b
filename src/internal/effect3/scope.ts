/** Finalizers that plain code adds to a fiber's scope. Not in Effect 3, where only an effect can. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { AnyFiber } from "./fiber.js"

/** The fiber's scope, if a finalizer can be added to it now. */
export const openScopeOf = (_fiber: AnyFiber): Scope.Scope | undefined => undefined

/** Runs with the exit of the scope. */
export type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** Call it in the same step as `openScopeOf`. The same finalizer can be added several times. */
export const addFinalizer = (_scope: Scope.Scope, _finalizer: Finalizer): void => undefined

/** Whether this works with this version of Effect. */
export const areSupported: Effect.Effect<boolean> = Effect.succeed(false)
