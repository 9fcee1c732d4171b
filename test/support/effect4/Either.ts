import * as Result from "effect/Result"

export * from "effect/Result"

export type Either<R, L = never> = Result.Result<R, L>

export { fail as left, isFailure as isLeft, isSuccess as isRight, succeed as right } from "effect/Result"
