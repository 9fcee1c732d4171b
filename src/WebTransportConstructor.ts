/**
 * The platform's WebTransport: its options, its shape, and the service that constructs it. `WebTransport` has the same
 * exports.
 *
 * @since 0.2.0
 */
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { unwrap } from "#effect/layer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { WebTransportError } from "./WebTransportError.js"

// --- the options of a session

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
 * What a session should prefer.
 *
 * @since 0.1.0
 * @category models
 */
export type CongestionControl = "default" | "throughput" | "low-latency"

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
  /** How long the session may take to become ready; 1 ms or more. Default: 10 seconds. */
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

// --- its shape

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

// --- the service

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
