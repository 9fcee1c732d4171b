/** Streams that decode the chunks of another stream. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** The next result of a decoder. `Missing`: the decoder needs more input, or everything was read. */
export type Decoded<O, E> =
  | { readonly _tag: "Value"; readonly value: O }
  | { readonly _tag: "Failure"; readonly error: E }
  | { readonly _tag: "Missing" }

export interface Decoder<I, O, E> {
  push(input: I): void
  /** The input has ended. */
  end(): void
  next(): Decoded<O, E>
}

type Chunk<A> = readonly [A, ...Array<A>]

const decoding = <I, O, E, E2>(
  pull: Pull.Pull<Chunk<I>, E>,
  decoder: Decoder<I, O, E2>,
  batchSize: number
): Pull.Pull<Chunk<O>, E | E2> => {
  let isEnded = false
  /** A failure after values, which come first. */
  let failure: Decoded<O, E2> | undefined
  const output: Pull.Pull<Chunk<O>, E | E2> = Effect.suspend(() => {
    const batch: Array<O> = []
    let next = failure ?? decoder.next()
    while (next._tag === "Value" && batch.push(next.value) < batchSize) next = decoder.next()
    if (next._tag === "Failure") {
      if (batch.length === 0) return Effect.fail(next.error)
      failure = next
    }
    if (batch.length > 0) return Effect.succeed(batch as unknown as Chunk<O>)
    return isEnded ? Cause.done() : input
  })
  const input: Pull.Pull<Chunk<O>, E | E2> = Pull.catchDone(
    Effect.flatMap(pull, (chunk) => {
      for (const value of chunk) decoder.push(value)
      return output
    }),
    () => {
      isEnded = true
      decoder.end()
      return output
    }
  )
  return output
}

/** The values that a decoder finds in a stream, at most `batchSize` per chunk. Each run has its own decoder. */
export const decodeStream = <I, O, E, E2, R>(
  self: Stream.Stream<I, E, R>,
  batchSize: number,
  makeDecoder: () => Decoder<I, O, E2>
): Stream.Stream<O, E | E2, R> =>
  Stream.transformPull(self, (pull) => Effect.sync(() => decoding<I, O, E, E2>(pull, makeDecoder(), batchSize)))
