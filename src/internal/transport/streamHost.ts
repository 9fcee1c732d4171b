/** The contract between a stream and its host. A stream does not know its session. */
import type { WebTransportError } from "../../WebTransportError.js"
import type { LastCall } from "./lastCall.js"

/** A stream, as its host sees it. */
export interface HostedStream {
  /** The host is gone: waiting fibers fail with the error. */
  sessionLost(error: WebTransportError): void
  end(success: boolean, code?: number, why?: string): void
}

export interface StreamHost {
  /** Whether the host's streams may be lent again. */
  readonly isOpen: boolean
  /** Why the host is gone; `undefined` while it is not. */
  readonly gone: WebTransportError | undefined
  /** Whether the platform continues to use bytes after it has reported their write as complete. */
  readonly retainsWrites: boolean
  /** Whether the platform holds the peer back while a stream is not read. If not, unread bytes pile up without limit. */
  readonly holdsBack: boolean
  /** Of a server's session. */
  readonly lastCall: LastCall | undefined
  /** A stream of the host has begun. */
  began(stream: HostedStream): void
  /** Bytes came on a stream. */
  received(bytes: number): void
  /** The platform has taken a piece of written bytes, or the FIN. */
  took(): void
  /** The stream was ended. `isDelivering`: it sends all its bytes, however long that takes. */
  ending(stream: HostedStream, isDelivering: boolean): void
  /** The stream's FIN is sent, or the stream broke. */
  delivered(stream: HostedStream): void
  /** The platform has confirmed the end, or nothing waits for it any longer. */
  ended(stream: HostedStream): void
  /** The error of a failed operation on a stream. */
  failure(reason: "Read" | "Write", detail: string | undefined, cause: unknown): WebTransportError
}

/** The whole stream, as each of its directions sees it. */
export interface StreamSide {
  readonly host: StreamHost
  /** Set when this side ends the stream. */
  readonly endedBecause: string | undefined
  readonly bytesReceived: number
  /** Bytes came. */
  changed(): void
  /** A direction is over. */
  signalLost(): void
  /** A direction is over, and not by a FIN. */
  broke(error: WebTransportError): void
}
