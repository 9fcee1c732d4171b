/**
 * Functions whose names differ between the majors of Effect, under one name. Names follow Effect 4, except `catchAll`,
 * whose new name is a reserved word.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

export type CloseableScope = Scope.CloseableScope

/** An effect that completes when the callback is called. `register` may return an effect for an interruption. */
export const callback: <A, E = never, R = never>(
  register: (resume: (effect: Effect.Effect<A, E, R>) => void) => Effect.Effect<void, never, R> | void
) => Effect.Effect<A, E, R> = Effect.async

/** Runs two effects in order, and yields the result of the second. */
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

/** Dies, for invalid arguments. */
export const dieMessage: (message: string) => Effect.Effect<never> = Effect.dieMessage

/** Calls a function that returns an effect. If the function throws, the effect dies. */
export const attempt = <X, A, E, R>(body: (input: X) => Effect.Effect<A, E, R>, input: X): Effect.Effect<A, E, R> => {
  try {
    return body(input)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Fails with `onTimeout()`, and interrupts the effect, once `duration` is over. */
export const timeoutFail = Effect.timeoutFail
