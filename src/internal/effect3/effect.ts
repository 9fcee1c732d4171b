/**
 * Effects that the majors of Effect name differently, under one name. Names follow Effect 4; `catchAll` does not, since
 * its new name is a reserved word.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

export type CloseableScope = Scope.CloseableScope

/** An effect that ends when the callback is called. It may return what to do when it is interrupted. */
export const callback: <A, E = never, R = never>(
  register: (resume: (effect: Effect.Effect<A, E, R>) => void) => Effect.Effect<void, never, R> | void
) => Effect.Effect<A, E, R> = Effect.async

/** Runs the second after the first, and yields what the second yields. */
export const andThen: {
  <B, E2, R2>(
    that: Effect.Effect<B, E2, R2>
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<B, E | E2, R | R2>
  <A, E, R, B, E2, R2>(
    self: Effect.Effect<A, E, R>,
    that: Effect.Effect<B, E2, R2>
  ): Effect.Effect<B, E | E2, R | R2>
} = Effect.zipRight

export const catchAll = Effect.catchAll
export const catchCause = Effect.catchAllCause
export const tapCause = Effect.tapErrorCause
export const yieldNow: Effect.Effect<void> = /* @__PURE__ */ Effect.yieldNow()
export const forkChild = Effect.fork
export const forkDetach = Effect.forkDaemon
export const provideScope = Scope.extend

/** A scope that is closed with another one, or before it. Its finalizers run one after the other. */
export const forkScope = (scope: Scope.Scope): Effect.Effect<CloseableScope> =>
  Scope.fork(scope, ExecutionStrategy.sequential)

export const disconnect = Effect.disconnect

/** For arguments that make no sense. */
export const dieMessage: (message: string) => Effect.Effect<never> = Effect.dieMessage

/** What a function that throws does to an effect. */
export const attempt = <X, A, E, R>(body: (input: X) => Effect.Effect<A, E, R>, input: X): Effect.Effect<A, E, R> => {
  try {
    return body(input)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Fails with `onTimeout()`, and interrupts the effect, once `duration` is over. */
export const timeoutFail = Effect.timeoutFail
