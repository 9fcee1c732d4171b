/** Deferreds that plain code makes and completes. */
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import { intoDeferred } from "effect/Effect"
import * as FiberId from "effect/FiberId"

export const makeDeferred = <A, E = never>(): Deferred.Deferred<A, E> => Deferred.unsafeMake(FiberId.none)

/** Completes the deferred, unless it is complete. */
export const complete = <A, E>(deferred: Deferred.Deferred<A, E>, outcome: Effect.Effect<A, E>): void =>
  Deferred.unsafeDone(deferred, outcome)

/** Runs an effect, and completes the deferred with its outcome. */
export const into: <A, E, R>(
  self: Effect.Effect<A, E, R>,
  deferred: Deferred.Deferred<A, E>
) => Effect.Effect<boolean, never, R> = intoDeferred
