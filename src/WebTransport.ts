/**
 * WebTransport sessions and their streams as scoped, interruptible Effects, over the platform's implementation: the
 * browser's own, `@fails-components/webtransport` in Node (module `NodeWebTransport`), or any class of the same shape.
 *
 * @since 0.1.0
 */
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { unwrap } from "#effect/layer"
import { withSpan } from "#effect/tracing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import * as internalStream from "./internal/transport/byteStream.js"
import * as internal from "./internal/transport/connect.js"
import * as internalSession from "./internal/transport/session.js"
import { protocolAttributes, urlAttributes } from "./internal/transport/spanAttributes.js"
import { WebTransportError } from "./WebTransportError.js"

/**
 * Marks every {@link Session}.
 *
 * @since 0.1.0
 * @category type ids
 */
export const SessionTypeId: typeof internalSession.SessionTypeId = internalSession.SessionTypeId

/**
 * The type of {@link SessionTypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type SessionTypeId = typeof SessionTypeId

/**
 * Marks every stream: {@link ReceiveStream}, {@link SendStream} and {@link BidirectionalStream}.
 *
 * @since 0.1.0
 * @category type ids
 */
export const StreamTypeId: typeof internalStream.StreamTypeId = internalStream.StreamTypeId

/**
 * The type of {@link StreamTypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type StreamTypeId = typeof StreamTypeId

// -----------------------------------------------------------------------------
// Native
// -----------------------------------------------------------------------------

/**
 * The members of a W3C `WebTransport` that this module uses. Some platforms lack the optional ones.
 *
 * @since 0.1.0
 * @category native
 */
export interface NativeWebTransport {
  readonly ready: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly draining?: Promise<unknown> | undefined
  readonly reliability?: string | undefined
  readonly protocol?: string | undefined
  readonly responseHeaders?: Iterable<readonly [string, string]> | undefined
  readonly datagrams: NativeDatagrams
  readonly incomingBidirectionalStreams: ReadableStream<any>
  readonly incomingUnidirectionalStreams: ReadableStream<any>
  createBidirectionalStream(options?: any): Promise<NativeBidirectionalStream>
  createUnidirectionalStream(options?: any): Promise<NativeSendStream>
  readonly getStats?: (() => Promise<any>) | undefined
  close(info?: { closeCode: number; reason: string }): void
}

/**
 * The datagrams of a W3C `WebTransport`. Platforms use different names for everything but `readable`.
 *
 * @since 0.1.0
 * @category native
 */
export interface NativeDatagrams {
  readonly readable: ReadableStream<any>
  readonly writable?: WritableStream<any> | undefined
  readonly maxDatagramSize?: number | undefined
  readonly createWritable?: ((options?: any) => WritableStream<any>) | undefined
}

/**
 * The receiving half of a stream.
 *
 * @since 0.1.0
 * @category native
 */
export type NativeReceiveStream = ReadableStream<Uint8Array>

/**
 * The sending half of a stream.
 *
 * @since 0.1.0
 * @category native
 */
export type NativeSendStream = WritableStream<Uint8Array>

/**
 * Both halves of a stream.
 *
 * @since 0.1.0
 * @category native
 */
export interface NativeBidirectionalStream {
  readonly readable: NativeReceiveStream
  readonly writable: NativeSendStream
}

/**
 * The options for a native constructor: the W3C's `WebTransportOptions`, only with the members that the caller set.
 *
 * @since 0.1.0
 * @category native
 */
export interface NativeOptions {
  serverCertificateHashes?: Array<{ algorithm: string; value: Uint8Array<ArrayBuffer> }>
  protocols?: Array<string>
  congestionControl?: CongestionControl
  requireUnreliable?: boolean
  allowPooling?: boolean
  headers?: Array<[string, string]>
}

// -----------------------------------------------------------------------------
// Constructor
// -----------------------------------------------------------------------------

/**
 * How to construct a native session, and how to abandon one.
 *
 * @since 0.1.0
 * @category services
 */
export interface ConstructorService {
  /**
   * Constructs a native session, which connects by itself. May throw. `connectTimeout` (milliseconds) is for
   * implementations that have their own timeout: the caller enforces this one.
   */
  readonly construct: (url: string, options: NativeOptions, connectTimeout: number) => NativeWebTransport
  /**
   * Frees everything that a native session holds at once, in any state of the session, without telling the peer. Must
   * not throw. Without it, `close()` is called.
   */
  readonly abandon?: ((native: NativeWebTransport) => void) | undefined
  /**
   * Settles when the connection under a session is gone. If absent, or undefined, the session's `ready` and `closed`
   * must tell.
   */
  readonly freed?: ((native: NativeWebTransport) => Promise<unknown> | undefined) | undefined
  /**
   * How many bytes have arrived on the connection under a session: when a session closes, it waits longer for a slow
   * peer that still sends. If absent, or undefined, the number is unknown.
   *
   * @since 0.2.0
   */
  readonly received?: ((native: NativeWebTransport) => number | undefined) | undefined
  /**
   * Why a native session is not ready yet, or cannot become ready: for `Connect` and `ConnectTimeout`. Must not throw.
   * If absent, or undefined, the rejection of `ready` is all that is known.
   */
  readonly explain?: ((native: NativeWebTransport) => Explanation | undefined) | undefined
  /**
   * Whether `write` keeps using the bytes after it has completed. If so, the bytes are copied first; small ones share a
   * buffer, which must not be transferred.
   */
  readonly retainsWrites?: boolean | undefined
  /**
   * Whether a session keeps memory for each stream, ended or not, until it closes: by default, a `SessionPool` replaces
   * such a session after 1,000 streams. Must not throw.
   *
   * @since 0.2.0
   */
  readonly retainsStreams?: ((native: NativeWebTransport) => boolean) | undefined
}

/**
 * Why there is no session, as far as an implementation knows. It must not contain the query of a URL, nor the value of
 * a header.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explanation {
  /** What happened, in a few words. */
  readonly detail: string
  /** What to do about it, if there is more to say than the general advice. */
  readonly advice?: string | undefined
  /**
   * The HTTP status of the server's answer, if known.
   *
   * @since 0.2.0
   */
  readonly status?: number | undefined
  /** The platform's own error, if it differs from the rejection of `ready`. */
  readonly cause?: unknown
}

/**
 * The platform's WebTransport, with which {@link connect} and the pools make sessions.
 *
 * Provided by {@link layerConstructorGlobal} in browsers, by `NodeWebTransport.layer` in Node, and by
 * {@link layerConstructor} for any other class of the same shape.
 *
 * @since 0.1.0
 * @category services
 */
export class WebTransportConstructor extends ContextTag("effect-pools/WebTransportConstructor")<
  WebTransportConstructor,
  ConstructorService
>() {}

/**
 * Makes sessions with a class of your choice that has the W3C's shape.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConstructor = (
  Class: new(url: string, options?: any) => NativeWebTransport
): Layer.Layer<WebTransportConstructor> =>
  Layer.succeed(WebTransportConstructor, { construct: (url, options) => new Class(url, options) })

/**
 * Whether this platform has its own `WebTransport`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const isSupported: Effect.Effect<boolean> = Effect.sync(() =>
  Predicate.isFunction((globalThis as { readonly WebTransport?: unknown }).WebTransport)
)

/**
 * Makes sessions with the `WebTransport` of the platform: browsers, and runtimes that have one. Fails with
 * `Unsupported` if there is none.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConstructorGlobal: Layer.Layer<WebTransportConstructor, WebTransportError> = unwrap(
  Effect.flatMap(isSupported, (supported) =>
    supported
      // its type depends on the compiler's version and on the project's `lib`
      ? Effect.sync(() => layerConstructor((globalThis as any).WebTransport))
      : Effect.fail(
        new WebTransportError({
          reason: "Unsupported",
          detail: "there is no global WebTransport",
          advice: "in Node use NodeWebTransport.layer; in a browser serve the page over https or from localhost"
        })
      ))
)

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

/**
 * How a session ended, or should end: an application's code (0 to 2^32 - 1) and its reason (at most 1,024 bytes).
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseInfo {
  readonly closeCode: number
  readonly reason: string
}

/**
 * The hash of a certificate to trust, besides those that the platform trusts.
 *
 * @since 0.1.0
 * @category models
 */
export interface CertificateHash {
  /** The only algorithm, and the default, is `"sha-256"`. */
  readonly algorithm?: string | undefined
  /** The bytes of the hash, in any view. They are copied. */
  readonly value: ArrayBuffer | ArrayBufferView
}

/**
 * What a session should prefer.
 *
 * @since 0.1.0
 * @category models
 */
export type CongestionControl = "default" | "throughput" | "low-latency"

/**
 * Buffers and ages of datagrams. They are set under the names that the platform knows, old or new; a platform that
 * knows none keeps its own values.
 *
 * @since 0.1.0
 * @category options
 */
export interface DatagramOptions {
  /** How many received datagrams to buffer; then the oldest are dropped. */
  readonly incomingMaxBuffered?: number | undefined
  /** How many outgoing datagrams to buffer. */
  readonly outgoingMaxBuffered?: number | undefined
  /** After how long a received datagram is dropped. */
  readonly incomingMaxAge?: DurationInput | undefined
  /** After how long an outgoing datagram is dropped. */
  readonly outgoingMaxAge?: DurationInput | undefined
}

/**
 * Options of {@link fromNative}, and the part of {@link ConnectOptions} that needs no constructor.
 *
 * @since 0.1.0
 * @category options
 */
export interface SessionOptions {
  /** What to tell the peer when the session's scope closes. Default: code 0 and an empty reason. */
  readonly closeInfo?: Partial<CloseInfo> | undefined
  /** How long the session may take to become ready. Default: 10 seconds. */
  readonly connectTimeout?: DurationInput | undefined
  /**
   * If the transport takes none of the bytes of a stream that ended in success for this long, the stream is reset, and
   * closing the session no longer waits for it. Default: 5 seconds.
   */
  readonly closeTimeout?: DurationInput | undefined
  readonly datagrams?: DatagramOptions | undefined
}

/**
 * Header fields by name, or as pairs of a name and a value, in which a name may repeat: for example a `Headers` of the
 * platform or of `@effect/platform`.
 *
 * @since 0.2.0
 * @category models
 */
export type HeaderFields = Readonly<Record<string, string>> | Iterable<readonly [string, string]>

/**
 * Options of {@link connect}. Only `serverCertificateHashes`, `protocols`, `congestionControl`, `requireUnreliable`,
 * `allowPooling` and `headers` are passed to the platform's `WebTransport`. They have no effect where the platform does
 * not implement them.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * declare const currentToken: Effect.Effect<string>
 *
 * // runs on every connect, and is never logged
 * const headers = Effect.map(currentToken, (token) => ({ authorization: `Bearer ${token}` }))
 *
 * export const session = WebTransport.connect("https://example.com/echo", { headers })
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export interface ConnectOptions<E = never, R = never> extends SessionOptions {
  /**
   * Certificates to trust, besides those that the platform trusts. An Effect runs on every connect. Cannot be combined
   * with `allowPooling`.
   */
  readonly serverCertificateHashes?:
    | ReadonlyArray<CertificateHash>
    | Effect.Effect<ReadonlyArray<CertificateHash>, E, R>
    | undefined
  /** Application protocols on offer, the preferred one first. `session.protocol` is the chosen one. */
  readonly protocols?: ReadonlyArray<string> | undefined
  readonly congestionControl?: CongestionControl | undefined
  /** Refuses a connection without native datagrams, such as HTTP/2. */
  readonly requireUnreliable?: boolean | undefined
  /** Whether the session may share a connection with others. */
  readonly allowPooling?: boolean | undefined
  /**
   * Headers of the request for the session (W3C WebTransport, `WebTransportOptions.headers`). An Effect runs on every
   * connect, for tokens that expire. Headers are secrets: no error, log or span ever contains one.
   *
   * `NodeWebTransport` sends them over HTTP/2. Platforms that do not know them ignore them silently: the server then
   * gets none.
   *
   * @since 0.2.0
   */
  readonly headers?: HeaderFields | Effect.Effect<HeaderFields, E, R> | undefined
}

/**
 * Options of one outgoing stream.
 *
 * @since 0.1.0
 * @category options
 */
export interface StreamOptions {
  /** The transport sends streams with a higher order first. */
  readonly sendOrder?: number | undefined
  /**
   * Waits for the peer to grant a stream instead of failing with `StreamLimit`. Without it platforms differ: some wait
   * anyway.
   */
  readonly waitUntilAvailable?: boolean | undefined
}

// -----------------------------------------------------------------------------
// Streams
// -----------------------------------------------------------------------------

/**
 * The members that every stream has.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamBase {
  readonly [StreamTypeId]: StreamTypeId
  /**
   * Completes when the stream is no longer fully usable: the peer finished, reset or stopped it, the session is gone,
   * or this side ended it.
   */
  readonly lost: Effect.Effect<void>
  /**
   * Abandons the stream at once, in every direction it has, and tells the peer why: a code from 0 to 255 (anything else
   * is a defect). Does not wait for the peer.
   */
  readonly reset: (code: number) => Effect.Effect<void>
}

/**
 * A stream on which the peer sends.
 *
 * **Gotchas**
 *
 * Only one fiber may read at a time: two concurrent reads are a defect. Over HTTP/2, unread bytes pile up without
 * limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceiveStream extends StreamBase {
  /**
   * Reads the next bytes, as many as arrived together; returns none when the peer has finished. Interrupting it loses
   * nothing. Fails with `Read` or `SessionClosed`.
   */
  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError>
  /**
   * Reads exactly this many bytes. Fails with `Read` if the peer finishes earlier. If it is interrupted or fails, the
   * bytes that have arrived are kept: the next read starts with them.
   */
  readonly readExactly: (size: number) => Effect.Effect<Uint8Array, WebTransportError>
  /** All bytes from now to the end, chunk by chunk. */
  readonly stream: Stream.Stream<Uint8Array, WebTransportError>
  readonly native: NativeReceiveStream
}

/**
 * A stream on which this side sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendStream extends StreamBase {
  /**
   * Hands bytes to the transport, all of them or none; first waits while the transport is full. It completes when the
   * transport has accepted the bytes, not when they are delivered: if they cannot be sent after all, `lost`, `flushed`
   * and the next write show it. Interrupting it while it waits hands nothing over and leaves the stream intact. Fails
   * with `Write` or `SessionClosed`.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, WebTransportError>
  /**
   * Completes when the transport has taken everything that was written so far. Fails with `Write` or `SessionClosed` if
   * the stream broke before that. Interrupting it changes nothing.
   *
   * **Gotchas**
   *
   * The peer may not have the bytes yet. In Node over HTTP/2 they are in the buffers of the connection. With
   * `@moq/web-transport` (0.1.4), up to some 10 MB are in the buffers of QUIC, and closing the session drops them. In
   * Chromium `closeWrite` tells more: it completes when the peer's transport has acknowledged the whole stream. Only an
   * answer of the peer's application proves that it has read the bytes.
   *
   * @since 0.2.0
   */
  readonly flushed: Effect.Effect<void, WebTransportError>
  /** Writes every chunk. Does not finish the stream. */
  readonly sink: Sink.Sink<void, Uint8Array, never, WebTransportError>
  /** Finishes the sending direction (FIN), after everything that was written. The peer's answer can still be read. */
  readonly closeWrite: Effect.Effect<void, WebTransportError>
  readonly native: NativeSendStream
}

/**
 * A stream in both directions.
 *
 * @since 0.1.0
 * @category models
 */
export interface BidirectionalStream extends Omit<ReceiveStream, "native">, Omit<SendStream, "native"> {
  readonly native: NativeBidirectionalStream
}

// -----------------------------------------------------------------------------
// Session
// -----------------------------------------------------------------------------

/**
 * The platform's counters of a session, as far as it has them. Ages and round trips are in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionStats {
  readonly bytesSent?: number | undefined
  readonly bytesReceived?: number | undefined
  readonly packetsSent?: number | undefined
  readonly packetsReceived?: number | undefined
  readonly packetsLost?: number | undefined
  readonly smoothedRtt?: number | undefined
  readonly rttVariation?: number | undefined
  readonly minRtt?: number | undefined
  readonly estimatedSendRate?: number | null | undefined
  readonly datagrams?: {
    readonly droppedIncoming?: number | undefined
    readonly expiredIncoming?: number | undefined
    readonly expiredOutgoing?: number | undefined
    readonly lostOutgoing?: number | undefined
  } | undefined
}

/**
 * Messages that may be lost, duplicated or reordered, each within one packet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Datagrams {
  /**
   * Queues a datagram; it completes when the datagram is queued, not when it is delivered. Fails with
   * `DatagramTooLarge` above `maxSize`, and with `SessionClosed`.
   */
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, WebTransportError>
  /** Receives the next datagram. Several fibers may wait. */
  readonly receive: Effect.Effect<Uint8Array, WebTransportError>
  /** All datagrams from now on; ends with the session. */
  readonly stream: Stream.Stream<Uint8Array, WebTransportError>
  /** The bytes that one datagram may hold now; `Infinity` if the platform does not say. */
  readonly maxSize: number
}

/**
 * A connection to one server that many streams share.
 *
 * A stream ends when the scope that it was opened in closes: by FIN after success, otherwise by a reset.
 *
 * **Gotchas**
 *
 * Over HTTP/2 nothing detects a peer that hangs: writes and new streams still succeed. Only a timeout or a ping finds
 * it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  readonly [SessionTypeId]: SessionTypeId
  /** Opens a stream that ends with its scope. Fails with `StreamLimit`, `SessionClosed` or `StreamOpen`. */
  readonly createBidirectionalStream: (
    options?: StreamOptions
  ) => Effect.Effect<BidirectionalStream, WebTransportError, Scope.Scope>
  /** Fails with `StreamLimit`, `SessionClosed` or `StreamOpen`. Ends with its scope. */
  readonly createUnidirectionalStream: (
    options?: StreamOptions
  ) => Effect.Effect<SendStream, WebTransportError, Scope.Scope>
  /** Accepts the next stream that the peer opens. Interrupting it loses none. Several fibers may wait. */
  readonly acceptBidirectionalStream: Effect.Effect<BidirectionalStream, WebTransportError, Scope.Scope>
  /** The next stream that the peer opens. Interrupting it loses none. Several fibers may wait. */
  readonly acceptUnidirectionalStream: Effect.Effect<ReceiveStream, WebTransportError, Scope.Scope>
  /**
   * All streams that the peer opens from now on; ends with the session. Each stays open until the scope of this
   * `Stream` closes.
   */
  readonly incomingBidirectionalStreams: Stream.Stream<BidirectionalStream, WebTransportError, Scope.Scope>
  /** All of them from here on; ends with the session. Each stays open until the scope of the whole closes. */
  readonly incomingUnidirectionalStreams: Stream.Stream<ReceiveStream, WebTransportError, Scope.Scope>
  readonly datagrams: Datagrams
  /**
   * Completes when the session is gone, whichever side ended it. Fails with `SessionClosed` if it ended without a close
   * message.
   *
   * **Gotchas**
   *
   * A killed peer may look like one that closed: do not rely on the code unless your server sets it.
   */
  readonly closed: Effect.Effect<CloseInfo, WebTransportError>
  /**
   * Completes when the peer asks for no more streams, by DRAIN or GOAWAY. Open streams continue. Never completes if the
   * platform does not say.
   */
  readonly draining: Effect.Effect<void>
  readonly isOpen: Effect.Effect<boolean>
  /** The platform's counters; none if it has none. */
  readonly stats: Effect.Effect<Option.Option<SessionStats>, WebTransportError>
  /**
   * Ends the session before its scope does; completes when the session is gone. First it delivers what was written on
   * streams that ended in success, as long as the transport takes it: see {@link SessionOptions.closeTimeout}. After
   * that it takes at most 1.5 seconds, except over HTTP/2 in Node, where it waits for a slow peer as long as the peer
   * still sends.
   */
  readonly close: (info?: Partial<CloseInfo>) => Effect.Effect<void>
  /** `"reliable-only"` or `"supports-unreliable"`; absent if the platform does not say. */
  readonly reliability: string | undefined
  /** The chosen application protocol, if any. */
  readonly protocol: string | undefined
  /**
   * Headers of the answer that granted the session: names in lower case, repeated values joined by `", "`. Absent if
   * the platform does not provide them: `NodeWebTransport` does over HTTP/2. Like the request's headers, they are
   * secrets.
   *
   * @since 0.2.0
   */
  readonly responseHeaders: Readonly<Record<string, string>> | undefined
  readonly native: NativeWebTransport
}

/**
 * Whether a value is a {@link Session}.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSession = (u: unknown): u is Session => Predicate.hasProperty(u, SessionTypeId)

/**
 * Connects to a WebTransport server. The session lives as long as the scope.
 *
 * The URL (https, no fragment), the certificate hashes and the headers may be Effects, which run on every connect: for
 * tokens that expire. `connectTimeout` starts after them.
 *
 * Fails with `InvalidUrl`, `Connect` or `ConnectTimeout`. Interruption returns at once and frees everything that was
 * begun. Closing the scope first waits for streams that are ending: for those that ended in success as long as the
 * transport takes their bytes, for the others a second at most. Then it closes the session with `closeInfo`, and waits
 * for that for half a second, or in Node over HTTP/2 as long as a slow peer still sends.
 *
 * It creates a span, `WebTransport.connect`, with OpenTelemetry's attributes for the server's address and port, the
 * path, and the protocol; never the query or a header.
 *
 * **Gotchas**
 *
 * `serverCertificateHashes` together with `allowPooling` is a defect, since no platform supports both.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * export const ask = (question: Uint8Array) =>
 *   Effect.gen(function*() {
 *     const session = yield* WebTransport.connect("https://example.com/echo", { connectTimeout: "3 seconds" })
 *     const stream = yield* session.createBidirectionalStream()
 *     yield* stream.write(question)
 *     return yield* stream.readExactly(question.length)
 *   }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = <E = never, R = never, E2 = never, R2 = never>(
  url: string | URL | Effect.Effect<string | URL, E, R>,
  options: ConnectOptions<E2, R2> = {}
): Effect.Effect<Session, WebTransportError | E | E2, WebTransportConstructor | Scope.Scope | R | R2> =>
  withSpan(
    Effect.gen(function*() {
      const service = yield* WebTransportConstructor
      const target = yield* internal.resolveUrl(url)
      yield* Effect.annotateCurrentSpan(urlAttributes(target))
      const native = yield* internal.nativeOptions(options)
      const session = yield* internal.open(service, target, native, options)
      yield* Effect.annotateCurrentSpan(protocolAttributes(session.reliability))
      return session
    }),
    "WebTransport.connect",
    { kind: "client", captureStackTrace: false }
  )

/**
 * Wraps an existing native session, and waits until it is ready. From then on the scope owns it.
 *
 * Fails with `Connect` or `ConnectTimeout`. If there is a {@link WebTransportConstructor} in the context, it says how
 * to free the session: provide `NodeWebTransport.layer` for a session of `@fails-components/webtransport`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNative = (
  native: NativeWebTransport,
  options?: SessionOptions
): Effect.Effect<Session, WebTransportError, Scope.Scope> =>
  Effect.flatMap(
    Effect.serviceOption(WebTransportConstructor),
    (service) => internal.adopt(native, Option.getOrUndefined(service), options ?? {})
  )
