/** The used parts of the servers and server sessions of `@fails-components/webtransport` (1.6.8). */
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import type { Carrier } from "./capsules.js"
import type { ClosableStream } from "./closeOrder.js"
import type { MortalConnection } from "./deadConnections.js"
import type { Http2Connection } from "./windows.js"

/** A request for a session. */
export interface RequestFields {
  readonly [name: string]: string | ReadonlyArray<string> | undefined
}

export interface RequestAnswer {
  readonly status: number
  /** The stream of sessions that gets the session. */
  readonly path: string
  readonly userData: object
}

/** A connection of HTTP/2, as `node:http2` has it. */
export interface Connection extends MortalConnection, Partial<Http2Connection> {
  once(event: "close", listener: () => void): unknown
  goaway(): void
  close(): void
  destroy(): void
}

/** A TCP connection. */
export interface Socket {
  once(event: "close", listener: () => void): unknown
  destroy(): void
}

/** Node's server under an `Http2Server`. */
export interface NodeServer {
  on(event: "session", listener: (connection: Connection) => void): unknown
  on(event: "connection", listener: (socket: Socket) => void): unknown
  prependListener(event: "stream", listener: (stream: Carrier) => void): unknown
  prependListener(event: "upgrade", listener: (request: unknown, socket: Carrier) => void): unknown
}

export interface ServerSession extends NativeWebTransport {
  readonly userData: object
  readonly state?: string | undefined
  /** Absent after the end, and over HTTP/3 without a stream. */
  readonly objint?: {
    readonly stream?: ClosableStream & { readonly session?: Connection | undefined; destroy(): void } | undefined
  } | undefined
}

export interface Server {
  readonly ready: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly transportInt?: { readonly serverInt?: NodeServer | undefined } | undefined
  createTransportInt(): Promise<void>
  setRequestCallback(callback: (request: { readonly header: RequestFields }) => Promise<RequestAnswer>): void
  sessionStream(path: string): ReadableStream<ServerSession>
  startServer(): void
  stopServer(): void
  address(): { readonly port: number; readonly host: string } | null
}

export type ServerConstructor = new(options: Readonly<Record<string, unknown>>) => Server
