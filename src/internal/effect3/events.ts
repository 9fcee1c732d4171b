/** Streams of values that plain code announces. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Listener<A> {
  readonly offer: (value: A) => void
  readonly end: () => void
}

/**
 * A stream of the values that are announced while it runs. `listen` adds a listener and returns a function that removes
 * it. The stream buffers `bufferSize` values; a slow consumer loses the oldest.
 */
export const announced = <A>(bufferSize: number, listen: (listener: Listener<A>) => () => void): Stream.Stream<A> =>
  Stream.asyncPush<A>(
    (emit) =>
      Effect.acquireRelease(
        Effect.sync(() => listen({ offer: (value) => emit.single(value), end: () => emit.end() })),
        (remove) => Effect.sync(remove)
      ),
    { bufferSize, strategy: "sliding" }
  )
