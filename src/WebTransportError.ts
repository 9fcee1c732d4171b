/**
 * The error of the transport: what failed, why, as far as the platform tells, and what to do about it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/**
 * Marks every {@link WebTransportError}, across copies of this package.
 *
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("effect-pools/WebTransportError")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * What went wrong.
 *
 * - `Unsupported`: this platform or this kind of session does not support it.
 * - `InvalidUrl`: the address is not a URL, or not one for WebTransport.
 * - `Connect`: there is no session: no server listens, the path or the certificate is wrong, or the server refused.
 *   `message` says which, as far as the platform tells: over HTTP/2 in Node all of these, in browsers next to nothing.
 * - `ConnectTimeout`: there was no session within `connectTimeout`.
 * - `SessionClosed`: the session is gone, whichever side ended it.
 * - `StreamLimit`: the session grants no more streams now.
 * - `StreamOpen`: a stream could not be opened for another reason.
 * - `Read`: the receiving direction of a stream failed, was reset, or ended too early.
 * - `Write`: the sending direction of a stream failed, or the peer stopped it.
 * - `DatagramTooLarge`: the datagram has more bytes than one may carry; `size` and `limit` say how many.
 * - `Listen`: a server cannot start: its port is in use, its host is not this machine's, or its certificate is wrong.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "Unsupported"
  | "InvalidUrl"
  | "Connect"
  | "ConnectTimeout"
  | "SessionClosed"
  | "StreamLimit"
  | "StreamOpen"
  | "Read"
  | "Write"
  | "DatagramTooLarge"
  | "Listen"

const summaries: Record<Reason, string> = {
  Unsupported: "this is not supported here",
  InvalidUrl: "the URL is not one for WebTransport",
  Connect: "the connection failed",
  ConnectTimeout: "the connection was not ready in time",
  SessionClosed: "the session is closed",
  StreamLimit: "the session grants no more streams",
  StreamOpen: "the stream could not be opened",
  Read: "reading failed",
  Write: "writing failed",
  DatagramTooLarge: "the datagram is too large",
  Listen: "the server cannot start"
}

const advice: Record<Reason, string | undefined> = {
  Unsupported: undefined,
  InvalidUrl: "use an absolute https: URL without a fragment",
  Connect: "check that a WebTransport server listens there, serves this path, and that its certificate is trusted or " +
    "pinned with serverCertificateHashes (ECDSA, valid for 14 days at most)",
  ConnectTimeout: "check that a WebTransport server answers there (over HTTP/3, a port without a server looks the " +
    "same), or raise connectTimeout",
  SessionClosed: "connect again; unanswered requests may or may not have arrived",
  StreamLimit: "end streams that are no longer needed, open another session, or let the server grant more",
  StreamOpen: "try again on another session",
  Read: "open another stream",
  Write: "open another stream; earlier bytes may or may not have arrived",
  DatagramTooLarge: "send less at once, or use a stream",
  Listen: "check the port, the host and the certificate"
}

/**
 * The error of the modules `WebTransport`, `NodeWebTransport` and `NodeWebTransportServer`. `reason` tells the cases apart, `cause` is the
 * platform's error, and `message` says what to do.
 *
 * **Gotchas**
 *
 * No message ever contains the query of a URL or the value of a header, since tokens travel there.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { WebTransportError } from "effect-pools/WebTransportError"
 *
 * const failing = Effect.fail(new WebTransportError({ reason: "StreamLimit" }))
 *
 * export const program = failing.pipe(
 *   Effect.catchTag("WebTransportError", (error) =>
 *     error.reason === "StreamLimit" ? Effect.succeed("later") : Effect.fail(error)
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class WebTransportError extends Data.TaggedError("WebTransportError")<{
  /** The case. */
  readonly reason: Reason
  /** What happened, in a few words. Default: the general words for the reason. */
  readonly detail?: string | undefined
  /** What to do, if it differs from the general advice for the reason. */
  readonly advice?: string | undefined
  /** The platform's error. */
  readonly cause?: unknown
  /**
   * The HTTP status with which the server refused the session, if the platform tells: `NodeWebTransport` over HTTP/2.
   * Only for `Connect`.
   *
   * @since 0.2.0
   */
  readonly status?: number | undefined
  /** Bytes in the datagram that was too large. */
  readonly size?: number | undefined
  /** Bytes that one datagram may hold. */
  readonly limit?: number | undefined
}> {
  /**
   * Marks the error, across copies of this package.
   *
   * @since 0.1.0
   */
  readonly [TypeId]: TypeId = TypeId

  /** @since 0.1.0 */
  override get message(): string {
    const what = `${this.reason}: ${this.detail ?? summaries[this.reason]}`
    const hint = this.advice ?? advice[this.reason]
    return hint === undefined ? what : `${what}; ${hint}`
  }

  /**
   * The members and the message, for logs.
   *
   * @since 0.1.0
   */
  override toJSON(): object {
    return { ...(super.toJSON() as object), message: this.message }
  }
}

/**
 * Whether a value is a {@link WebTransportError}, even one from another copy of this package.
 *
 * @since 0.1.0
 * @category guards
 */
export const isWebTransportError = (u: unknown): u is WebTransportError => Predicate.hasProperty(u, TypeId)
