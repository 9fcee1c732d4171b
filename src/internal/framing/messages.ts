/** Messages on streams, as effects: the codec knows the format of frames, the stream waits for their bytes. */
import { decodeStream } from "#effect/channel"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type { FramingError } from "../../FramingError.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import { type Framed, untilNone } from "../transport/byteStream.js"
import { framingError } from "../transport/failure.js"
import { makeDecoder } from "./decoder.js"
import { type EncodeOptions, frameOf, maxMessageSize, type Options } from "./encoding.js"

const framed = (
  stream: WebTransport.ReceiveStream | WebTransport.SendStream | WebTransport.BidirectionalStream
): Framed => {
  if (Predicate.hasProperty(stream, "readMessage")) return stream as unknown as Framed
  throw new TypeError("this stream is not from a WebTransport.Session")
}

export const read = (
  stream: WebTransport.ReceiveStream | WebTransport.BidirectionalStream,
  options?: Options
): Effect.Effect<Option.Option<Uint8Array>, FramingError | WebTransportError> =>
  Effect.suspend(() => framed(stream).readMessage(maxMessageSize(options)))

export const write = (
  stream: WebTransport.SendStream | WebTransport.BidirectionalStream,
  message: Uint8Array,
  options?: EncodeOptions
): Effect.Effect<void, FramingError | WebTransportError> =>
  Effect.suspend((): Effect.Effect<void, FramingError | WebTransportError> => {
    const frame = frameOf(message, options)
    return frame._tag === "Frame" ? framed(stream).writeOwned(frame.bytes) : Effect.fail(framingError(frame))
  })

export const messages = (
  stream: WebTransport.ReceiveStream | WebTransport.BidirectionalStream,
  options?: Options
): Stream.Stream<Uint8Array, FramingError | WebTransportError> => untilNone(read(stream, options))

/** The maximum number of messages per chunk: the tiny messages of one chunk can take a hundred times its memory. */
const batchSize = 256

export const decode =
  (options?: Options) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | FramingError, R> =>
    decodeStream(self, batchSize, () => {
      const decoder = makeDecoder(options)
      return {
        push: (chunk: Uint8Array) => decoder.push(chunk),
        end: () => decoder.end(),
        next: () => decoder.decoded()
      }
    })
