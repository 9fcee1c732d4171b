/** Streams of what plain code announces. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Listener<A> {
  readonly offer: (value: A) => void
  readonly end: () => void
}

/**
 * A stream of what is announced while it runs. `listen` adds a listener and returns a function that removes it. A slow
 * consumer loses the oldest of `bufferSize` values.
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
