/** Streams of values that plain code announces. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { later } from "./fiber.js"

export interface Listener<A> {
  readonly offer: (value: A) => void
  readonly end: () => void
}

/**
 * A stream of the values that are announced while it runs. `listen` adds a listener and returns a function that removes
 * it. The stream buffers `bufferSize` values; a slow consumer loses the oldest.
 */
export const announced = <A>(bufferSize: number, listen: (listener: Listener<A>) => () => void): Stream.Stream<A> =>
  Stream.callback<A>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() =>
          listen({
            offer: (value) => void Queue.offerUnsafe(queue, value),
            // the end would run a waiting fiber inside the caller
            end: () => later(() => Queue.endUnsafe(queue))
          })
        ),
        (remove) => Effect.sync(remove)
      ),
    { bufferSize, strategy: "sliding" }
  )
