/** Streams that decode the chunks of another stream. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
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

type Decoding<I, O, E, E2> = Channel.Channel<Chunk.Chunk<O>, Chunk.Chunk<I>, E | E2, E, unknown, unknown>

const decoding = <I, O, E, E2>(decoder: Decoder<I, O, E2>, batchSize: number): Decoding<I, O, E, E2> => {
  const output: Decoding<I, O, E, E2> = Channel.suspend(() => {
    const batch: Array<O> = []
    let next = decoder.next()
    while (next._tag === "Value" && batch.push(next.value) < batchSize) next = decoder.next()
    const rest = next._tag === "Failure" ? Channel.fail(next.error) : next._tag === "Value" ? output : input
    return batch.length === 0 ? rest : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(batch)), rest)
  })
  const input: Decoding<I, O, E, E2> = Channel.readWithCause({
    onInput: (chunk: Chunk.Chunk<I>) => {
      for (const value of chunk) decoder.push(value)
      return output
    },
    onFailure: Channel.failCause,
    onDone: () => {
      decoder.end()
      const last = decoder.next()
      return last._tag === "Failure" ? Channel.fail(last.error) : Channel.void
    }
  })
  return input
}

/** The values that a decoder finds in a stream, at most `batchSize` per chunk. Each run has its own decoder. */
export const decodeStream = <I, O, E, E2, R>(
  self: Stream.Stream<I, E, R>,
  batchSize: number,
  makeDecoder: () => Decoder<I, O, E2>
): Stream.Stream<O, E | E2, R> =>
  Stream.pipeThroughChannel(self, Channel.suspend(() => decoding<I, O, E, E2>(makeDecoder(), batchSize)))
