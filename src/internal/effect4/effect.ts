/**
 * Functions whose names differ between the majors of Effect, under one name. Names follow Effect 4, except `catchAll`,
 * whose new name is a reserved word.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Scope from "effect/Scope"

export type CloseableScope = Scope.Closeable

/**
 * An effect that completes when the callback is called. `register` may return an effect for an interruption. Effect's own
 * callback would run the fiber inside the caller.
 */
export const callback = <A, E = never, R = never>(
  register: (resume: (effect: Effect.Effect<A, E, R>) => void) => Effect.Effect<void, never, R> | void
): Effect.Effect<A, E, R> =>
  Effect.callback<A, E, R>((resume) => {
    const { currentDispatcher } = Fiber.getCurrent()!
    let isRegistered = false
    const cancel = register((effect) => {
      if (isRegistered) currentDispatcher.scheduleTask(() => resume(effect), 0)
      else resume(effect)
    })
    isRegistered = true
    return cancel
  })

/** Runs two effects in order, and yields the result of the second. */
export const andThen: {
  <B, E2, R2>(
    that: Effect.Effect<B, E2, R2>
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<B, E | E2, R | R2>
  <A, E, R, B, E2, R2>(
    self: Effect.Effect<A, E, R>,
    that: Effect.Effect<B, E2, R2>
  ): Effect.Effect<B, E | E2, R | R2>
} = Effect.andThen

export const catchAll = Effect.catch
export const catchCause = Effect.catchCause
export const tapCause = Effect.tapCause
export const yieldNow: Effect.Effect<void> = Effect.yieldNow

const inherit = { uninterruptible: "inherit" } as const

/** The fiber can be interrupted from its start only if its parent can. */
export const forkChild = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, inherit)

/** The fiber can be interrupted from its start only if its parent can. */
export const forkDetach = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkDetach(effect, inherit)

export const provideScope = Scope.provide

/** A scope that is closed with another one, or before it. Its finalizers run one after the other. */
export const forkScope = (scope: Scope.Scope): Effect.Effect<CloseableScope> => Scope.fork(scope, "sequential")

/** An interruption of the effect does not wait for its end. */
export const disconnect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(effect)),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )

/** Dies, for invalid arguments. */
export const dieMessage = (message: string): Effect.Effect<never> => Effect.die(new Error(message))

/** Calls a function that returns an effect. If the function throws, the effect dies. */
export const attempt = <X, A, E, R>(body: (input: X) => Effect.Effect<A, E, R>, input: X): Effect.Effect<A, E, R> => {
  try {
    return body(input)
  } catch (defect) {
    return Exit.die(defect)
  }
}

interface TimeLimit<E> {
  readonly duration: Duration.Input
  readonly onTimeout: () => E
}

/** Fails with `onTimeout()`, and interrupts the effect, once `duration` is over. */
export const timeoutFail: {
  <E2>(limit: TimeLimit<E2>): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R>
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, limit: TimeLimit<E2>): Effect.Effect<A, E | E2, R>
} = dual(
  2,
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, { duration, onTimeout }: TimeLimit<E2>) =>
    Effect.timeoutOrElse(self, { duration, orElse: () => Effect.fail(onTimeout()) })
)
