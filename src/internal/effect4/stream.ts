/** Streams. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** Runs an effect again and again. The stream ends when the effect fails with none. */
export const repeatEffectOption = <A, E, R>(next: Effect.Effect<A, Option.Option<E>, R>): Stream.Stream<A, E, R> => {
  const pull: Pull.Pull<readonly [A], E, void, R> = Effect.matchEffect(next, {
    onFailure: (error): Effect.Effect<never, E | Cause.Done> =>
      Option.isSome(error) ? Effect.fail(error.value) : Cause.done(),
    onSuccess: (value) => Effect.succeed([value] as const)
  })
  return Stream.fromPull(Effect.succeed(pull)) as Stream.Stream<A, E, R>
}

/** A stream that an effect makes, whose scope is the stream's. */
export const unwrap = Stream.unwrap

/** Runs an effect for each group of values that the stream emits at once. */
export const forEachArray = <A, E, R, E2, R2>(
  stream: Stream.Stream<A, E, R>,
  f: (values: ReadonlyArray<A>) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2, R | R2> => Stream.runForEachArray(stream, f)

export const isStream = Stream.isStream
