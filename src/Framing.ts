/**
 * Messages on a byte stream: its length precedes each message.
 *
 * A byte stream has no message boundaries: the bytes of one write may arrive in pieces, and the bytes of two writes
 * together. Here every message travels as a frame: its length in bytes as a variable-length integer of QUIC ([RFC 9000,
 * section 16](https://www.rfc-editor.org/rfc/rfc9000.html#section-16)), then its bytes. The two highest bits of the
 * first byte say whether the length takes 1, 2, 4 or 8 bytes; the rest are the length, the most significant byte first.
 * Writing uses the shortest form; reading also accepts longer forms.
 *
 * | message | length | frame begins with |
 * |---|---|---|
 * | 0 to 63 bytes | 1 byte | `00` |
 * | to 16,383 bytes | 2 bytes | `01` |
 * | to 1,073,741,823 bytes | 4 bytes | `10` |
 * | beyond | 8 bytes | `11` |
 *
 * Both sides refuse a message above `maxMessageSize`, 1 MiB by default. Reading never trusts an announced length: an
 * incomplete message takes memory only for the bytes that arrived, at most twice their number (or 4 KiB).
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
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EncodeOptions, Options } from "./FramingCodec.js"
import type { FramingError } from "./FramingError.js"
import * as internal from "./internal/framing/messages.js"
import * as serving from "./internal/framing/serve.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * Frames without a stream, and the options.
 *
 * @since 0.1.0
 * @category encoding
 */
export * from "./FramingCodec.js"

// -----------------------------------------------------------------------------
// Streams of a session
// -----------------------------------------------------------------------------

/**
 * Reads one message; returns none if the peer has finished the stream after the last message.
 *
 * Fails with `Truncated` if the peer finishes within a message, with `Oversized` if it announces too large a message,
 * and as `stream.read` does. The first two consume no byte: a second call fails the same way, and `stream.read` still
 * returns the bytes. Interrupting it loses nothing either: the next read begins at the same place.
 *
 * The message is in its own buffer: you may keep, change or transfer it.
 *
 * **Gotchas**
 *
 * Only one fiber may read at a time, as with `stream.read`. A stream that is not from this package is a defect.
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
 * Fails with `Oversized`, after which nothing was sent and the stream is intact, and as `stream.write` does. The
 * message is copied when the effect begins: you may change its buffer afterwards.
 *
 * **Gotchas**
 *
 * As with `stream.write`: it completes when the transport has accepted the message, not when it is delivered. An
 * interrupted write hands over nothing.
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
 * All messages of a stream from now on; ends when the peer finishes the stream. Fails as {@link read} does.
 *
 * It takes a message only when the consumer asks for one: you can still read the others afterwards.
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
 *     Effect.andThen(stream.closeWrite)
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
// Serving
// -----------------------------------------------------------------------------

/**
 * Options of {@link serve}. `maxMessageSize` is the maximum bytes of a request, and of an answer, with its id.
 *
 * @since 0.2.0
 * @category options
 */
export interface ServeOptions extends Options {
  /**
   * How many requests of the stream may run at once: a whole number, at least 1. A request runs until the transport has
   * room for its last answer. Default: 128, twice what a client of this package has in flight on a stream by default,
   * since interrupted requests run on.
   */
  readonly concurrency?: number | undefined
  /**
   * Whether every message begins with a correlation id, as {@link withId} makes it. Answers then leave in the order in
   * which they are ready. Without ids they leave in the order of the requests. Default: `true`.
   */
  readonly correlate?: boolean | undefined
  /**
   * How many bytes of requests may wait until others have ended. Default: 1,048,576. Beyond that, and while
   * `concurrency` requests run, the server does not read: over HTTP/3 that holds the client back. Over HTTP/2, where an
   * unread stream piles up without limit, it resets the stream instead, and fails with `Flooded`.
   */
  readonly maxBuffered?: number | undefined
}

/**
 * Answers the requests on a stream that many requests share. For sessions of a server, and for streams that a server
 * opens to its client (`onIncoming` of `SessionPool`).
 *
 * The handler returns an effect with one answer, or a stream of answers. How the client tells the last one is up to the
 * application: see `isLast`. The handler runs on a fiber of its own, with a scope of its own, which closes when the last
 * answer is taken; the request's bytes are the handler's to keep. All answers of a turn of the event loop leave in one
 * write. While 64 KiB of answers wait for the transport, handlers wait before their next answer.
 *
 * It completes when the client has finished the stream and all answers are written, and then finishes it, too; likewise
 * when its server drains and takes no more requests, see `drain` of `NodeWebTransportServer`. When the
 * client goes away, it interrupts the handlers, waits for them, and fails with `Read`, `Write` or `SessionClosed`. A
 * client that breaks the rules (`Malformed`, `Oversized`, `Truncated`, `Flooded`) ends the same way. Whenever it does
 * not succeed, it resets the stream.
 *
 * Memory of a stream: at most `concurrency` requests and their answers, each up to `maxMessageSize`; and `maxBuffered`
 * bytes of requests that wait, plus one chunk of the transport. An incomplete message may take twice its bytes.
 *
 * **Gotchas**
 *
 * - A handler cannot fail: an application's errors are messages, which `Effect.catchAll` makes. A handler that dies all
 *   the same, or whose answer is above `maxMessageSize`, gives no answer, and a warning is logged. With ids, only its own
 *   client waits, up to its own time limit: turn defects into messages, too (`Effect.catchAllCause`), if clients have
 *   none. Without ids every later answer would reach the wrong request: the answers before it are written, then the
 *   stream is finished, so that its client and those behind it learn `NoAnswer`.
 * - The client's interruption of a request is not known here: its handler runs on.
 * - Only `serve` may read or write the stream meanwhile. A stream of a pool is a defect.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * // accepts a stream, and serves it to its end; run it again for the next one
 * export const serveNext = (session: WebTransport.Session) =>
 *   session.acceptBidirectionalStream.pipe(
 *     Effect.flatMap((stream) =>
 *       Framing.serve(
 *         stream,
 *         (request) => request.length > 0 ? Effect.succeed(request) : Stream.make(Uint8Array.of(1), Uint8Array.of(2))
 *       )
 *     ),
 *     Effect.scoped
 *   )
 * ```
 *
 * @since 0.2.0
 * @category serving
 */
export const serve: <R = never>(
  stream: WebTransport.BidirectionalStream,
  handler: (request: Uint8Array) => Effect.Effect<Uint8Array, never, R> | Stream.Stream<Uint8Array, never, R>,
  options?: ServeOptions
) => Effect.Effect<void, FramingError | WebTransportError, Exclude<R, Scope.Scope>> = serving.serve
