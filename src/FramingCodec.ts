/**
 * Frames of messages without a stream: options, encoding, decoding, and correlation ids. `Framing` has the same exports.
 *
 * @since 0.2.0
 */
import type { Result } from "#effect/result"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { FramingError } from "./FramingError.js"
import * as decoder from "./internal/framing/decoder.js"
import * as encoding from "./internal/framing/encoding.js"
import * as internal from "./internal/framing/messages.js"

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

/**
 * Options for reading messages.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /**
   * The maximum bytes of a message, without its length: from 1 to 4,294,967,295; anything else is a defect. Default:
   * 1,048,576.
   */
  readonly maxMessageSize?: number | undefined
}

/**
 * Options for writing messages.
 *
 * @since 0.1.0
 * @category options
 */
export interface EncodeOptions extends Options {
  /**
   * Begins the message with this correlation id, as {@link withId} does, but with one copy less. The id counts towards
   * `maxMessageSize`.
   */
  readonly id?: number | undefined
}

// -----------------------------------------------------------------------------
// Bytes from anywhere
// -----------------------------------------------------------------------------

/**
 * The frame of a message, in its own buffer. Returns a `Left` with `Oversized` if the message is too large; on Effect 4 a
 * `Result` that is a `Failure`. An `Either` is also an effect.
 *
 * @example
 * ```ts effect3
 * import { Stream } from "effect"
 * import { Framing } from "effect-pools"
 *
 * export const frames = Stream.make("one", "two").pipe(
 *   Stream.encodeText,
 *   Stream.mapEffect((message) => Framing.encode(message))
 * )
 * ```
 *
 * On Effect 4:
 *
 * ```ts effect4
 * import { Effect, Stream } from "effect"
 * import { Framing } from "effect-pools"
 *
 * export const frames = Stream.make("one", "two").pipe(
 *   Stream.encodeText,
 *   Stream.mapEffect((message) => Effect.fromResult(Framing.encode(message)))
 * )
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode: (
  message: Uint8Array,
  options?: EncodeOptions
) => Result<Uint8Array<ArrayBuffer>, FramingError> = encoding.encode

/**
 * Turns a stream of bytes, in pieces of any size, into the framed messages. Fails with `Truncated` if the bytes end
 * within a message, and with `Oversized`; the messages before that come first.
 *
 * Each message is in its own buffer. You may reuse a piece as soon as the stream asks for the next one.
 *
 * @example
 * ```ts
 * import type { Stream } from "effect"
 * import { Framing, type FramingError } from "effect-pools"
 *
 * export const messages = (
 *   bytes: Stream.Stream<Uint8Array>
 * ): Stream.Stream<Uint8Array, FramingError.FramingError> => bytes.pipe(Framing.decode({ maxMessageSize: 64 * 1024 }))
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode: (
  options?: Options
) => <E, R>(self: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E | FramingError, R> = internal.decode

/**
 * Assembles messages from pieces of any size, without effects: `push` the bytes, then call `next` until it returns
 * none. It creates messages on demand, so that a piece full of tiny messages costs nothing at once.
 *
 * @since 0.1.0
 * @category decoding
 */
export interface Decoder {
  /** Adds the next bytes. Do not change them until `next` has returned none. Throws after `end`. */
  readonly push: (chunk: Uint8Array) => void
  /** Says that no more bytes come. */
  readonly end: () => void
  /**
   * Returns the next message, in its own buffer. None means: push more bytes or, after `end`, that was the last
   * message. Returns a `Left` on error: `Oversized`, or `Truncated` after `end`. Every later call returns the same
   * error.
   */
  readonly next: () => Result<Option.Option<Uint8Array<ArrayBuffer>>, FramingError>
  /**
   * The bytes of memory that the decoder holds: pushed bytes that were not taken yet, and the memory reserved for the
   * incomplete message. Once `next` has returned none, this is never more than `maxMessageSize`, nor more than twice
   * the bytes of that message that arrived (or 4 KiB).
   */
  readonly retained: number
}

/**
 * Makes a {@link Decoder}. Throws if `maxMessageSize` makes no sense.
 *
 * @example
 * ```ts effect3
 * import { Either, Option } from "effect"
 * import { Framing } from "effect-pools"
 *
 * export const onEach = (handle: (message: Uint8Array) => void) => {
 *   const decoder = Framing.makeDecoder()
 *   return (chunk: Uint8Array) => {
 *     decoder.push(chunk)
 *     for (;;) {
 *       const message = Either.getOrThrow(decoder.next())
 *       if (Option.isNone(message)) return
 *       handle(message.value)
 *     }
 *   }
 * }
 * ```
 *
 * On Effect 4:
 *
 * ```ts effect4
 * import { Option, Result } from "effect"
 * import { Framing } from "effect-pools"
 *
 * export const onEach = (handle: (message: Uint8Array) => void) => {
 *   const decoder = Framing.makeDecoder()
 *   return (chunk: Uint8Array) => {
 *     decoder.push(chunk)
 *     for (;;) {
 *       const message = Result.getOrThrow(decoder.next())
 *       if (Option.isNone(message)) return
 *       handle(message.value)
 *     }
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const makeDecoder: (options?: Options) => Decoder = decoder.makeDecoder

// -----------------------------------------------------------------------------
// Correlation ids
// -----------------------------------------------------------------------------

/**
 * A message and its correlation id.
 *
 * @since 0.1.0
 * @category correlation
 */
export interface Identified {
  readonly id: number
  /** A view of the split payload. */
  readonly message: Uint8Array
}

/**
 * Puts an id before a message, so that the requester can tell its answer, with the same id, from a late answer to an
 * earlier request. The id, from 0 to 2^53 - 1, takes 1 to 8 bytes, as the length of a message does; any other value
 * throws.
 *
 * If you write the message at once, the option `id` of {@link write} and {@link encode} does the same with one copy
 * less.
 *
 * @since 0.1.0
 * @category correlation
 */
export const withId: (id: number, message: Uint8Array) => Uint8Array<ArrayBuffer> = encoding.withId

/**
 * Splits the result of {@link withId}. Returns a `Left` with `Malformed` if the id is cut off or above 2^53 - 1; on Effect
 * 4 a `Result` that is a `Failure`.
 *
 * @example
 * ```ts effect3
 * import { Effect, Option, Stream } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * export const answerTo = (id: number, stream: WebTransport.BidirectionalStream) =>
 *   Framing.messages(stream).pipe(
 *     Stream.mapEffect((payload) => Framing.splitId(payload)),
 *     Stream.filter((answer) => answer.id === id),
 *     Stream.runHead,
 *     Effect.map(Option.map((answer) => answer.message))
 *   )
 * ```
 *
 * On Effect 4:
 *
 * ```ts effect4
 * import { Effect, Option, Stream } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * export const answerTo = (id: number, stream: WebTransport.BidirectionalStream) =>
 *   Framing.messages(stream).pipe(
 *     Stream.mapEffect((payload) => Effect.fromResult(Framing.splitId(payload))),
 *     Stream.filter((answer) => answer.id === id),
 *     Stream.runHead,
 *     Effect.map(Option.map((answer) => answer.message))
 *   )
 * ```
 *
 * @since 0.1.0
 * @category correlation
 */
export const splitId: (payload: Uint8Array) => Result<Identified, FramingError> = encoding.splitId
