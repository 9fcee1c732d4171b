/** Internals of Effect, to see what is left behind. */
import type * as Deferred from "effect/Deferred"
import type * as Scope from "effect/Scope"

export const waitersOf = ({ resumes = [] }: Deferred.Deferred<any, any>): number => resumes.length

export const finalizersOf = ({ state }: Scope.Scope): number =>
  state._tag === "Open" ? state.finalizers?.size ?? Number(state.finalizer !== undefined) : 0
