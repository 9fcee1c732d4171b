/** Streams. */
import * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"

/** Runs an effect again and again. The stream ends when the effect fails with none. */
export const repeatEffectOption = Stream.repeatEffectOption

/** A stream that an effect makes, whose scope is the stream's. */
export const unwrap = Stream.unwrapScoped

/** Runs an effect for each group of values that the stream emits at once. */
export const forEachArray = <A, E, R, E2, R2>(
  stream: Stream.Stream<A, E, R>,
  f: (values: ReadonlyArray<A>) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2, R | R2> => Stream.runForEachChunk(stream, (chunk) => f(Chunk.toReadonlyArray(chunk)))

export const isStream = (u: unknown): u is Stream.Stream<unknown, unknown, unknown> =>
  Predicate.hasProperty(u, Stream.StreamTypeId)
