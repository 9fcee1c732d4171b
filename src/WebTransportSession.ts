/**
 * A session, its streams and its datagrams. `WebTransport` has the same exports.
 *
 * @since 0.2.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type {
  CloseInfo,
  NativeBidirectionalStream,
  NativeReceiveStream,
  NativeSendStream,
  NativeWebTransport
} from "./WebTransportConstructor.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * Marks every {@link Session}.
 *
 * @since 0.1.0
 * @category type ids
 */
export const SessionTypeId: unique symbol = Symbol.for("effect-pools/WebTransport/Session")

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
export const StreamTypeId: unique symbol = Symbol.for("effect-pools/WebTransport/Stream")

/**
 * The type of {@link StreamTypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type StreamTypeId = typeof StreamTypeId

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
