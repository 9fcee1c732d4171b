/** Deferreds that plain code makes and completes. */
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import { later } from "./fiber.js"

export const makeDeferred = <A, E = never>(): Deferred.Deferred<A, E> => Deferred.makeUnsafe()

/** Completes the deferred, unless it is complete. `Deferred.doneUnsafe` would run waiting fibers inside the caller. */
export const complete = <A, E>(deferred: Deferred.Deferred<A, E>, outcome: Effect.Effect<A, E>): void => {
  if (deferred.effect !== undefined) return
  deferred.effect = outcome
  const { resumes } = deferred
  if (resumes === undefined) return
  deferred.resumes = undefined
  later(() => {
    for (const resume of resumes) resume(outcome)
  })
}

/** Runs an effect, and completes the deferred with its outcome. */
export const into: <A, E, R>(
  self: Effect.Effect<A, E, R>,
  deferred: Deferred.Deferred<A, E>
) => Effect.Effect<boolean, never, R> = Deferred.into
