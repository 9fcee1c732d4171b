/**
 * The types of a platform's WebTransport and of the transport's own API, typed for this room. The public module documents
 * them; its signatures check that both agree.
 */
import type { DurationInput } from "#effect/duration"
import type * as Effect from "effect/Effect"

// -----------------------------------------------------------------------------
// Native
// -----------------------------------------------------------------------------

export type NativeReceiveStream = ReadableStream<Uint8Array>

export type NativeSendStream = WritableStream<Uint8Array>

export interface NativeBidirectionalStream {
  readonly readable: NativeReceiveStream
  readonly writable: NativeSendStream
}

export interface NativeDatagrams {
  readonly readable: ReadableStream<any>
  readonly writable?: WritableStream<any> | undefined
  readonly maxDatagramSize?: number | undefined
  readonly createWritable?: ((options?: any) => WritableStream<any>) | undefined
}

/** The W3C's `WebTransport`, the used part. */
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

type CongestionControl = "default" | "throughput" | "low-latency"

/** The W3C's `WebTransportOptions`, with the given members only. */
export interface NativeOptions {
  serverCertificateHashes?: Array<{ algorithm: string; value: Uint8Array<ArrayBuffer> }>
  protocols?: Array<string>
  congestionControl?: CongestionControl
  requireUnreliable?: boolean
  allowPooling?: boolean
  headers?: Array<[string, string]>
}

// -----------------------------------------------------------------------------
// Facts about a platform
// -----------------------------------------------------------------------------

export interface Explanation {
  readonly detail: string
  readonly advice?: string | undefined
  readonly status?: number | undefined
  readonly cause?: unknown
}

export interface ConstructorService {
  readonly construct: (url: string, options: NativeOptions, connectTimeout: number) => NativeWebTransport
  readonly abandon?: ((native: NativeWebTransport) => void) | undefined
  readonly freed?: ((native: NativeWebTransport) => Promise<unknown> | undefined) | undefined
  readonly received?: ((native: NativeWebTransport) => number | undefined) | undefined
  readonly explain?: ((native: NativeWebTransport) => Explanation | undefined) | undefined
  readonly retainsWrites?: boolean | undefined
  readonly retainsStreams?: ((native: NativeWebTransport) => boolean) | undefined
}

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

export interface CloseInfo {
  readonly closeCode: number
  readonly reason: string
}

export interface DatagramOptions {
  readonly incomingMaxBuffered?: number | undefined
  readonly outgoingMaxBuffered?: number | undefined
  readonly incomingMaxAge?: DurationInput | undefined
  readonly outgoingMaxAge?: DurationInput | undefined
}

export interface SessionOptions {
  readonly closeInfo?: Partial<CloseInfo> | undefined
  readonly connectTimeout?: DurationInput | undefined
  readonly closeTimeout?: DurationInput | undefined
  readonly datagrams?: DatagramOptions | undefined
}

export interface CertificateHash {
  readonly algorithm?: string | undefined
  readonly value: ArrayBuffer | ArrayBufferView
}

export type HeaderFields = Readonly<Record<string, string>> | Iterable<readonly [string, string]>

export interface ConnectOptions<E, R> extends SessionOptions {
  readonly serverCertificateHashes?:
    | ReadonlyArray<CertificateHash>
    | Effect.Effect<ReadonlyArray<CertificateHash>, E, R>
    | undefined
  readonly protocols?: ReadonlyArray<string> | undefined
  readonly congestionControl?: CongestionControl | undefined
  readonly requireUnreliable?: boolean | undefined
  readonly allowPooling?: boolean | undefined
  readonly headers?: HeaderFields | Effect.Effect<HeaderFields, E, R> | undefined
}

export interface StreamOptions {
  readonly sendOrder?: number | undefined
  readonly waitUntilAvailable?: boolean | undefined
}

// -----------------------------------------------------------------------------
// Figures
// -----------------------------------------------------------------------------

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
