/** A value or an error: `Either` in Effect 3, `Result` in Effect 4. */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"

export type Result<A, E> = Either.Either<A, E>

export const succeed: <A>(value: A) => Result<A, never> = Either.right
export const fail: <E>(error: E) => Result<never, E> = Either.left
export const isFailure: <A, E>(result: Result<A, E>) => result is Either.Left<E, A> = Either.isLeft
export const isSuccess: <A, E>(result: Result<A, E>) => result is Either.Right<E, A> = Either.isRight

/** An effect with the same outcome. In Effect 3 the result is one. */
export const toEffect = <A, E>(result: Result<A, E>): Effect.Effect<A, E> => result

export const match: <A, E, B, C>(
  result: Result<A, E>,
  on: { readonly onSuccess: (value: A) => B; readonly onFailure: (error: E) => C }
) => B | C = (result, { onFailure, onSuccess }) => Either.match(result, { onLeft: onFailure, onRight: onSuccess })

/** The value; or throws what the function makes of the error. */
export const getOrThrowWith: <A, E>(result: Result<A, E>, onFailure: (error: E) => unknown) => A = Either.getOrThrowWith
