/** Internals of Effect, to see what is left behind. */
import type * as Deferred from "effect/Deferred"
import type * as Scope from "effect/Scope"

export const waitersOf = (deferred: Deferred.Deferred<any, any>): number =>
  (deferred as any).state.current.joiners.length

export const finalizersOf = (scope: Scope.Scope): number => (scope as any).state.finalizers.size
