/** What a stream tells, and asks of, whatever it belongs to. A stream knows no session. */
import type { WebTransportError } from "../../WebTransportError.js"

/** What a host may do with a stream of its own. */
export interface HostedStream {
  /** The host is gone: fibers that wait fail with the error. */
  sessionLost(error: WebTransportError): void
  end(success: boolean, code?: number, why?: string): void
}

export interface StreamHost {
  /** Whether streams may be used again on it. */
  readonly isOpen: boolean
  /** Why nothing can be done on it any more, if so. */
  readonly gone: WebTransportError | undefined
  /** Whether the platform goes on using bytes after it said that it was done with them. */
  readonly retainsWrites: boolean
  /** The stream begins to live here. */
  began(stream: HostedStream): void
  /** So many bytes came on a stream. */
  received(bytes: number): void
  /** The platform has taken a piece of what was written, or the FIN. */
  took(): void
  /** The stream was ended. `isDelivering`: what was written on it is to be sent, however long that takes. */
  ending(stream: HostedStream, isDelivering: boolean): void
  /** The FIN of the stream is sent, or the stream broke. */
  delivered(stream: HostedStream): void
  /** The platform has confirmed the end, or nothing waits for that any longer. */
  ended(stream: HostedStream): void
  /** Why something on a stream failed. */
  failure(reason: "Read" | "Write", detail: string | undefined, cause: unknown): WebTransportError
}

/** What each direction of a stream knows of the whole. */
export interface StreamState {
  readonly host: StreamHost
  /** Set once the stream was ended here. */
  readonly endedBecause: string | undefined
  readonly bytesReceived: number
  /** Bytes came. */
  changed(): void
  /** A direction is over. */
  signalLost(): void
}

/** `Absent`: this stream has no such direction. `Finished`: by a FIN. `Failed`: broken, lost, or ended here. */
export type Direction = "Absent" | "Open" | "Finished" | "Failed"
