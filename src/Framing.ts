/**
 * Messages on a byte stream: each is preceded by its length.
 *
 * A stream is bytes without bounds: what was written at once may arrive in pieces, and what was written twice
 * together. Here every message travels as a frame: its length in bytes as a variable-length integer of QUIC
 * ([RFC 9000, section 16](https://www.rfc-editor.org/rfc/rfc9000.html#section-16)), then its bytes. The two highest
 * bits of the first byte say whether the length takes 1, 2, 4 or 8 bytes, the rest are the length, the most significant
 * byte first. It is written as short as possible; a longer form than necessary is as good when it is read.
 *
 * | message | length | frame begins with |
 * |---|---|---|
 * | 0 to 63 bytes | 1 byte | `00` |
 * | to 16,383 bytes | 2 bytes | `01` |
 * | to 1,073,741,823 bytes | 4 bytes | `10` |
 * | beyond | 8 bytes | `11` |
 *
 * A message above `maxMessageSize`, 1 MiB by default, is refused on both sides. What a peer announces is never believed:
 * for a message that is under way only what came takes memory, twice at most (or 4 KiB).
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * export const ask = (session: WebTransport.Session, question: Uint8Array) =>
 *   Effect.gen(function*() {
 *     const stream = yield* session.createBidirectionalStream()
 *     yield* Framing.write(stream, question)
 *     return yield* Framing.read(stream)
 *   }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { FramingError } from "./FramingError.js"
import * as decoder from "./internal/framing/decoder.js"
import * as encoding from "./internal/framing/encoding.js"
import * as internal from "./internal/framing/messages.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

/**
 * How to read messages.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /**
   * The most bytes that a message may have, its length not counted: from 1 to 4,294,967,295; anything else is a defect.
   * Default: 1,048,576.
   */
  readonly maxMessageSize?: number | undefined
}

/**
 * How to write messages.
 *
 * @since 0.1.0
 * @category options
 */
export interface EncodeOptions extends Options {
  /**
   * Begins the message with this correlation id, as {@link withId} does, but without another copy. It counts for
   * `maxMessageSize`.
   */
  readonly id?: number | undefined
}

// -----------------------------------------------------------------------------
// Streams of a session
// -----------------------------------------------------------------------------

/**
 * Reads one message; none when the peer has finished the stream between two.
 *
 * Fails with `Truncated` when the peer finishes within a message, with `Oversized` when it announces too large a one,
 * and as `stream.read` does. Neither of the first two takes a byte: it fails the same way again, and `stream.read` still
 * gives what came. Interrupting it loses nothing either: the next read begins where this one did.
 *
 * The message is a buffer of its own: it may be kept, changed or transferred.
 *
 * **Gotchas**
 *
 * One fiber at a time, as with `stream.read`. A stream that is not one of this package is a defect.
 *
 * @since 0.1.0
 * @category streams
 */
export const read: (
  stream: WebTransport.ReceiveStream | WebTransport.BidirectionalStream,
  options?: Options
) => Effect.Effect<Option.Option<Uint8Array>, FramingError | WebTransportError> = internal.read

/**
 * Writes one message, its length and its bytes in one write.
 *
 * Fails with `Oversized`, after which nothing was sent and the stream is as good as before, and as `stream.write` does.
 * The message is copied when the effect begins: what becomes of its buffer afterwards is of no importance.
 *
 * **Gotchas**
 *
 * As with `stream.write`: done means accepted, not delivered; an interrupted write has handed over nothing of the message.
 *
 * @since 0.1.0
 * @category streams
 */
export const write: (
  stream: WebTransport.SendStream | WebTransport.BidirectionalStream,
  message: Uint8Array,
  options?: EncodeOptions
) => Effect.Effect<void, FramingError | WebTransportError> = internal.write

/**
 * All messages of a stream from here on; ends when the peer finishes it. Fails as {@link read} does.
 *
 * It takes a message when somebody asks for one: those that nobody asked for can be read afterwards.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * // echoes messages: for `onIncoming` of a session pool
 * export const echo = (stream: WebTransport.BidirectionalStream) =>
 *   Framing.messages(stream).pipe(
 *     Stream.runForEach((message) => Framing.write(stream, message)),
 *     Effect.zipRight(stream.closeWrite)
 *   )
 * ```
 *
 * @since 0.1.0
 * @category streams
 */
export const messages: (
  stream: WebTransport.ReceiveStream | WebTransport.BidirectionalStream,
  options?: Options
) => Stream.Stream<Uint8Array, FramingError | WebTransportError> = internal.messages

// -----------------------------------------------------------------------------
// Bytes from anywhere
// -----------------------------------------------------------------------------

/**
 * The frame of a message, in a buffer of its own. Left with `Oversized` where the message is too large; an `Either` is
 * an effect, too.
 *
 * @example
 * ```ts
 * import { Stream } from "effect"
 * import { Framing } from "effect-pools"
 *
 * export const frames = Stream.make("one", "two").pipe(
 *   Stream.encodeText,
 *   Stream.mapEffect((message) => Framing.encode(message))
 * )
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode: (
  message: Uint8Array,
  options?: EncodeOptions
) => Either.Either<Uint8Array<ArrayBuffer>, FramingError> = encoding.encode

/**
 * Turns a stream of bytes, in whatever pieces, into the messages that were framed in it. Fails with `Truncated` where it
 * ends within one, and with `Oversized`; the messages before that come first.
 *
 * Each message is a buffer of its own; a piece may be used again as soon as the next one is asked for.
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
 * Puts messages together from pieces of any size, without any effect: `push` what came, then ask `next` until there is
 * none. Messages are made when they are asked for, so that a piece full of tiny ones costs nothing at once.
 *
 * @since 0.1.0
 * @category decoding
 */
export interface Decoder {
  /** Adds the next bytes. They must not change until `next` gave none. Throws after `end`. */
  readonly push: (chunk: Uint8Array) => void
  /** Says that nothing more comes. */
  readonly end: () => void
  /**
   * The next message, in a buffer of its own. None: push more; after `end`, that was all. Left with `Oversized`, or with
   * `Truncated` after `end`: then, and whenever it is asked again.
   */
  readonly next: () => Either.Either<Option.Option<Uint8Array<ArrayBuffer>>, FramingError>
  /**
   * Bytes of memory that it holds: what was pushed and not yet taken, and what is reserved for the message under way.
   * Once `next` gave none never more than `maxMessageSize`, nor than twice what came of that message (or 4 KiB).
   */
  readonly retained: number
}

/**
 * Makes a {@link Decoder}. A `maxMessageSize` that makes no sense throws.
 *
 * @example
 * ```ts
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
 * @since 0.1.0
 * @category decoding
 */
export const makeDecoder: (options?: Options) => Decoder = decoder.makeDecoder

// -----------------------------------------------------------------------------
// Correlation ids
// -----------------------------------------------------------------------------

/**
 * A message and the id that it began with.
 *
 * @since 0.1.0
 * @category correlation
 */
export interface Identified {
  readonly id: number
  /** A view of what was split. */
  readonly message: Uint8Array
}

/**
 * Begins a message with an id, so that an answer with the same id is known from a late answer to an earlier question.
 * The id, from 0 to 2^53 - 1, takes 1 to 8 bytes, as the length before a message does; any other throws.
 *
 * Where the message is written at once, the option `id` of {@link write} and {@link encode} does the same with one copy
 * less.
 *
 * @since 0.1.0
 * @category correlation
 */
export const withId: (id: number, message: Uint8Array) => Uint8Array<ArrayBuffer> = encoding.withId

/**
 * Takes apart what {@link withId} has put together. Left with `Malformed` where the id is cut off or above 2^53 - 1.
 *
 * @example
 * ```ts
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
 * @since 0.1.0
 * @category correlation
 */
export const splitId: (payload: Uint8Array) => Either.Either<Identified, FramingError> = encoding.splitId
