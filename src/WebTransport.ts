/**
 * WebTransport sessions and their streams as scoped, interruptible Effects, over whatever implementation the platform
 * has: the browser's own, `@fails-components/webtransport` in Node (module `NodeWebTransport`), or any class of the
 * same shape.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { protocolAttributes, urlAttributes, withSpan } from "./internal/effect3/tracing.js"
import * as internalStream from "./internal/transport/byteStream.js"
import * as internal from "./internal/transport/connect.js"
import * as internalSession from "./internal/transport/session.js"
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
 * The members of a W3C `WebTransport` that this module uses. What is optional here is missing on some platform.
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
 * The datagrams of a W3C `WebTransport`. Platforms differ in the names of everything but `readable`.
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
 * What a native constructor is called with: the W3C's `WebTransportOptions`, only with members that were given.
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
 * How a native session is made, and how one is given up.
 *
 * @since 0.1.0
 * @category services
 */
export interface ConstructorService {
  /**
   * Makes a native session that connects by itself. May throw. `connectTimeout` (milliseconds) is for
   * implementations that keep a time limit of their own: the caller keeps this one.
   */
  readonly construct: (url: string, options: NativeOptions, connectTimeout: number) => NativeWebTransport
  /**
   * Frees at once whatever a native session holds, in any state of it, without a word to the peer. Must not throw.
   * Where absent, `close()` is all there is.
   */
  readonly abandon?: ((native: NativeWebTransport) => void) | undefined
  /**
   * Settles when the connection under a session is gone. Where absent, or undefined, its `ready` and `closed` have to
   * say so.
   */
  readonly freed?: ((native: NativeWebTransport) => Promise<unknown> | undefined) | undefined
  /**
   * How many bytes have come on the connection under a session: a slow peer that says something is waited for longer when
   * the session closes. Where absent, or undefined, nothing is known of that.
   *
   * @since 0.2.0
   */
  readonly received?: ((native: NativeWebTransport) => number | undefined) | undefined
  /**
   * What is known of why a native session is not ready yet, or cannot become so: for `Connect` and `ConnectTimeout`. Must
   * not throw. Where absent, or undefined, what `ready` rejects with is all that is known.
   */
  readonly explain?: ((native: NativeWebTransport) => Explanation | undefined) | undefined
  /**
   * Whether `write` goes on using the bytes after it said that it was done with them: they are copied then, small ones
   * into a buffer that they share, which must not be transferred.
   */
  readonly retainsWrites?: boolean | undefined
  /**
   * Whether a session keeps something of each stream, ended or not, until it closes: a `SessionPool` replaces such a
   * session after 1,000 streams, unless it is told otherwise. Must not throw.
   *
   * @since 0.2.0
   */
  readonly retainsStreams?: ((native: NativeWebTransport) => boolean) | undefined
}

/**
 * Why a session has not come about, as far as an implementation knows. It must not hold the query of a URL, nor the value of
 * a header.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explanation {
  /** What happened, in a few words. */
  readonly detail: string
  /** What to do about it, where more can be said than of every failure. */
  readonly advice?: string | undefined
  /**
   * The HTTP status that the server answered, where it is known.
   *
   * @since 0.2.0
   */
  readonly status?: number | undefined
  /** The platform's own error, where it is another one than `ready` rejects with. */
  readonly cause?: unknown
}

/**
 * The platform's WebTransport: what {@link connect} and the pools make sessions with.
 *
 * Given by {@link layerConstructorGlobal} in browsers, by `NodeWebTransport.layer` in Node, and by
 * {@link layerConstructor} for any other class of the same shape.
 *
 * @since 0.1.0
 * @category services
 */
export class WebTransportConstructor extends Context.Tag("effect-pools/WebTransportConstructor")<
  WebTransportConstructor,
  ConstructorService
>() {}

/**
 * Makes sessions with a class of one's own choosing, of the W3C's shape.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConstructor = (
  Class: new(url: string, options?: any) => NativeWebTransport
): Layer.Layer<WebTransportConstructor> =>
  Layer.succeed(WebTransportConstructor, { construct: (url, options) => new Class(url, options) })

/**
 * Whether this platform has a `WebTransport` of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const isSupported: Effect.Effect<boolean> = Effect.sync(() =>
  Predicate.isFunction((globalThis as { readonly WebTransport?: unknown }).WebTransport)
)

/**
 * Makes sessions with the `WebTransport` of the platform: browsers, and runtimes that have one. Fails with
 * `Unsupported` where there is none.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConstructorGlobal: Layer.Layer<WebTransportConstructor, WebTransportError> = Layer.unwrapEffect(
  Effect.flatMap(isSupported, (supported) =>
    supported
      // what the compiler knows of it differs by its version and by the libraries that a project names
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
 * How a session ended, or is to end: an application's code (0 to 2^32 - 1) and its words (at most 1,024 bytes).
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseInfo {
  readonly closeCode: number
  readonly reason: string
}

/**
 * The hash of a certificate that is trusted besides those that the platform trusts.
 *
 * @since 0.1.0
 * @category models
 */
export interface CertificateHash {
  /** `"sha-256"`, the only one there is, if absent. */
  readonly algorithm?: string | undefined
  /** The bytes of the hash; any view of them, which is copied. */
  readonly value: ArrayBuffer | ArrayBufferView
}

/**
 * What a session is asked to prefer.
 *
 * @since 0.1.0
 * @category models
 */
export type CongestionControl = "default" | "throughput" | "low-latency"

/**
 * Buffers and ages of datagrams. Set under the names that the platform knows, old or new; a platform that knows none
 * keeps its own.
 *
 * @since 0.1.0
 * @category options
 */
export interface DatagramOptions {
  /** How many received datagrams are kept; the oldest are dropped. */
  readonly incomingMaxBuffered?: number | undefined
  /** How many datagrams are kept that wait to be sent. */
  readonly outgoingMaxBuffered?: number | undefined
  /** After how long a received datagram is dropped. */
  readonly incomingMaxAge?: Duration.DurationInput | undefined
  /** After how long a datagram is dropped that waits to be sent. */
  readonly outgoingMaxAge?: Duration.DurationInput | undefined
}

/**
 * Options of {@link fromNative}, and the part of {@link ConnectOptions} that needs no constructor.
 *
 * @since 0.1.0
 * @category options
 */
export interface SessionOptions {
  /** What the peer is told when the session's scope closes. Code 0 and no words if absent. */
  readonly closeInfo?: Partial<CloseInfo> | undefined
  /** How long the session may take to become ready. 10 seconds if absent. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * How long the transport may take none of the bytes that were written on a stream that ended in success: then the stream
   * is reset, and closing the session waits for it no longer. 5 seconds if absent.
   */
  readonly closeTimeout?: Duration.DurationInput | undefined
  readonly datagrams?: DatagramOptions | undefined
}

/**
 * Header fields by their names, or as pairs of a name and a value, in which a name may come more than once: what a `Headers`
 * of the platform or of `@effect/platform` is.
 *
 * @since 0.2.0
 * @category models
 */
export type HeaderFields = Readonly<Record<string, string>> | Iterable<readonly [string, string]>

/**
 * Options of {@link connect}. `serverCertificateHashes`, `protocols`, `congestionControl`, `requireUnreliable`,
 * `allowPooling` and `headers` are passed through to the platform's `WebTransport`, and nothing else; no effect is promised
 * where the platform has none.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * // read anew on every connect, and never logged
 * const headers = Effect.map(Config.redacted("TOKEN"), (token) => ({
 *   authorization: `Bearer ${Redacted.value(token)}`
 * }))
 *
 * export const session = WebTransport.connect("https://example.com/echo", { headers })
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export interface ConnectOptions<E = never, R = never> extends SessionOptions {
  /**
   * Certificates to trust besides those that the platform trusts; an Effect is run on every connect. Never together
   * with `allowPooling`.
   */
  readonly serverCertificateHashes?:
    | ReadonlyArray<CertificateHash>
    | Effect.Effect<ReadonlyArray<CertificateHash>, E, R>
    | undefined
  /** Application protocols on offer, the preferred one first; `session.protocol` is the one that was chosen. */
  readonly protocols?: ReadonlyArray<string> | undefined
  readonly congestionControl?: CongestionControl | undefined
  /** Refuse a connection that has no datagrams of their own, such as HTTP/2. */
  readonly requireUnreliable?: boolean | undefined
  /** Whether the session may share a connection with others. */
  readonly allowPooling?: boolean | undefined
  /**
   * Headers of the request that asks for the session (W3C WebTransport, `WebTransportOptions.headers`); an Effect is run on
   * every connect, for tokens that expire. They are secrets: no error, log or span ever holds one.
   *
   * `NodeWebTransport` sends them over HTTP/2. Platforms that do not know them ignore them without a word: the server then
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
  /** Streams with a higher one are sent first. */
  readonly sendOrder?: number | undefined
  /**
   * Wait for the peer to grant a stream instead of failing with `StreamLimit`. Without it platforms differ: some wait
   * anyway.
   */
  readonly waitUntilAvailable?: boolean | undefined
}

// -----------------------------------------------------------------------------
// Streams
// -----------------------------------------------------------------------------

/**
 * What every stream has.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamBase {
  readonly [StreamTypeId]: StreamTypeId
  /**
   * Completes when the stream can no longer be used in full: the peer finished, reset or stopped it, the session is
   * gone, or the stream was ended here.
   */
  readonly lost: Effect.Effect<void>
  /**
   * Gives the stream up at once, in every direction it has, and tells the peer why: a code from 0 to 255 (anything
   * else is a defect). Does not wait for the peer.
   */
  readonly reset: (code: number) => Effect.Effect<void>
}

/**
 * A stream that the peer sends on.
 *
 * **Gotchas**
 *
 * One fiber at a time: two reads at once are a defect. Over HTTP/2 what is not read piles up without limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceiveStream extends StreamBase {
  /**
   * The next bytes, as many as came together; none when the peer has finished. Interrupting it loses nothing.
   * Fails with `Read` or `SessionClosed`.
   */
  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError>
  /**
   * Exactly so many bytes. Fails with `Read` when the peer finishes earlier. What came so far is kept when it is
   * interrupted or fails: the next read starts with it.
   */
  readonly readExactly: (size: number) => Effect.Effect<Uint8Array, WebTransportError>
  /** Everything from here to the end, chunk by chunk. */
  readonly stream: Stream.Stream<Uint8Array, WebTransportError>
  readonly native: NativeReceiveStream
}

/**
 * A stream that is sent on.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendStream extends StreamBase {
  /**
   * Hands bytes to the transport, all of them or none; waits first while it has enough. Done means accepted, not
   * delivered: what cannot be sent after all shows in `lost`, in `flushed`, and in the next write. Interrupting it while
   * it waits hands nothing over, and the stream is as good as before. Fails with `Write` or `SessionClosed`.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, WebTransportError>
  /**
   * Completes when the transport has taken everything that was written so far. Fails with `Write` or `SessionClosed` when
   * the stream broke before that. Interrupting it changes nothing.
   *
   * **Gotchas**
   *
   * The peer may not have it yet. In Node over HTTP/2 the bytes are in the buffers of the connection; with
   * `@moq/web-transport` (0.1.4) up to some 10 MB are in those of QUIC, and closing the session drops them; in Chromium
   * `closeWrite` tells more: it completes when the peer's transport has acknowledged all of the stream. Only an answer of the
   * peer's application says that it has read them.
   *
   * @since 0.2.0
   */
  readonly flushed: Effect.Effect<void, WebTransportError>
  /** Writes every chunk; does not finish the stream. */
  readonly sink: Sink.Sink<void, Uint8Array, never, WebTransportError>
  /** Finishes the sending direction (FIN), after all that was written; the peer's answer can still be read. */
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
 * What a session has counted, as far as the platform counts. Ages and round trips are milliseconds.
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
 * Messages that may be lost, doubled or reordered, each within one packet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Datagrams {
  /** Fails with `DatagramTooLarge` above `maxSize`, and with `SessionClosed`. Done means queued, not delivered. */
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, WebTransportError>
  /** The next one. Several fibers may wait. */
  readonly receive: Effect.Effect<Uint8Array, WebTransportError>
  /** All of them from here on; ends with the session. */
  readonly stream: Stream.Stream<Uint8Array, WebTransportError>
  /** Bytes that one datagram may hold now; `Infinity` where the platform does not say. */
  readonly maxSize: number
}

/**
 * A connection to one server that many streams share.
 *
 * Streams end when the scope closes that they were opened in: with FIN after success, otherwise by a reset.
 *
 * **Gotchas**
 *
 * A peer that hangs is not noticed over HTTP/2: writes and new streams still succeed. Only a deadline or a ping tells.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  readonly [SessionTypeId]: SessionTypeId
  /** Fails with `StreamLimit`, `SessionClosed` or `StreamOpen`. Ends with its scope. */
  readonly createBidirectionalStream: (
    options?: StreamOptions
  ) => Effect.Effect<BidirectionalStream, WebTransportError, Scope.Scope>
  /** Fails with `StreamLimit`, `SessionClosed` or `StreamOpen`. Ends with its scope. */
  readonly createUnidirectionalStream: (
    options?: StreamOptions
  ) => Effect.Effect<SendStream, WebTransportError, Scope.Scope>
  /** The next stream that the peer opens. Interrupting it loses none. Several fibers may wait. */
  readonly acceptBidirectionalStream: Effect.Effect<BidirectionalStream, WebTransportError, Scope.Scope>
  /** The next stream that the peer opens. Interrupting it loses none. Several fibers may wait. */
  readonly acceptUnidirectionalStream: Effect.Effect<ReceiveStream, WebTransportError, Scope.Scope>
  /** All of them from here on; ends with the session. Each stays open until the scope of the whole closes. */
  readonly incomingBidirectionalStreams: Stream.Stream<BidirectionalStream, WebTransportError, Scope.Scope>
  /** All of them from here on; ends with the session. Each stays open until the scope of the whole closes. */
  readonly incomingUnidirectionalStreams: Stream.Stream<ReceiveStream, WebTransportError, Scope.Scope>
  readonly datagrams: Datagrams
  /**
   * Completes when the session is gone, whoever ended it; fails with `SessionClosed` where it ended without a word.
   *
   * **Gotchas**
   *
   * A killed peer may look like one that closed: read nothing from the code unless your server sets it.
   */
  readonly closed: Effect.Effect<CloseInfo, WebTransportError>
  /**
   * Completes when the peer asks for no more streams, by DRAIN or GOAWAY; those that are open go on. Never where the platform
   * does not say.
   */
  readonly draining: Effect.Effect<void>
  readonly isOpen: Effect.Effect<boolean>
  /** None where the platform has none. */
  readonly stats: Effect.Effect<Option.Option<SessionStats>, WebTransportError>
  /**
   * Ends the session before its scope does; done when it is gone. First what was written on streams that ended in success is
   * delivered, as long as the transport takes it: see {@link SessionOptions.closeTimeout}. After that it takes 1.5 seconds
   * at most, but for a slow peer over HTTP/2 in Node, which is waited for as long as it says something.
   */
  readonly close: (info?: Partial<CloseInfo>) => Effect.Effect<void>
  /** `"reliable-only"` or `"supports-unreliable"`; absent where the platform does not say. */
  readonly reliability: string | undefined
  /** The application protocol that was chosen, if any. */
  readonly protocol: string | undefined
  /**
   * Headers of the answer that granted the session, their names in lower case, repeated ones joined by `", "`. Absent where
   * the platform does not say: `NodeWebTransport` does over HTTP/2. Secrets, as the request's are.
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
 * The URL (https, no fragment), the certificate hashes and the headers may be Effects, run on every connect: for tokens that
 * expire. The time limit, `connectTimeout`, counts from after them.
 *
 * Fails with `InvalidUrl`, `Connect` or `ConnectTimeout`. Interruption returns at once, and whatever was begun is
 * freed. Closing the scope awaits streams that are ending: those that ended in success as long as the transport takes
 * what was written on them, the others for a second at most. Then it closes the session with `closeInfo`, and awaits that for
 * half a second, or in Node over HTTP/2 as long as a slow peer says something.
 *
 * It is a span, `WebTransport.connect`, with OpenTelemetry's attributes for the server's address and port, the path,
 * and the protocol; never the query or a header.
 *
 * **Gotchas**
 *
 * `serverCertificateHashes` together with `allowPooling` is a defect, since no platform can do both.
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
 * Wraps a native session that exists already, and waits until it is ready. From then on it belongs to the scope.
 *
 * Fails with `Connect` or `ConnectTimeout`. A {@link WebTransportConstructor} in the context is asked how to free the
 * session: provide `NodeWebTransport.layer` for one of `@fails-components/webtransport`.
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
