/** A value or an error: `Either` in Effect 3, `Result` in Effect 4. */
import * as Effect from "effect/Effect"
import * as EffectResult from "effect/Result"

export type Result<A, E> = EffectResult.Result<A, E>

export const succeed: <A>(value: A) => Result<A, never> = EffectResult.succeed
export const fail: <E>(error: E) => Result<never, E> = EffectResult.fail
export const isFailure: <A, E>(result: Result<A, E>) => result is EffectResult.Failure<A, E> = EffectResult.isFailure
export const isSuccess: <A, E>(result: Result<A, E>) => result is EffectResult.Success<A, E> = EffectResult.isSuccess

/** An effect with the same outcome. */
export const toEffect: <A, E>(result: Result<A, E>) => Effect.Effect<A, E> = Effect.fromResult

export const match: <A, E, B, C>(
  result: Result<A, E>,
  on: { readonly onSuccess: (value: A) => B; readonly onFailure: (error: E) => C }
) => B | C = EffectResult.match

/** The value; or throws what the function makes of the error. */
export const getOrThrowWith: <A, E>(result: Result<A, E>, onFailure: (error: E) => unknown) => A =
  EffectResult.getOrThrowWith
