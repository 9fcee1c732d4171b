/** How a server listens: what it asks of a WebTransport package. */
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import type { Certificate } from "../fails/certificate.js"

/** A client's request for a session. */
export interface ConnectRequest {
  /** With the query. */
  readonly path: string
  /** Names in lower case, repeated values joined by `", "`. */
  readonly headers: Readonly<Record<string, string>>
}

/** The path of a request, without the query, in which tokens may travel. */
export const pathOf = ({ path }: ConnectRequest): string => path.split("?", 1)[0]!

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly certificate: Certificate
  /** The status of the answer. After 200, `onSession` or `onNoSession` follows. */
  readonly admit: (request: ConnectRequest) => number | Promise<number>
  readonly onSession: (native: NativeWebTransport, request: ConnectRequest) => void
  /** May be called after `onSession`, too. */
  readonly onNoSession: (request: ConnectRequest) => void
  /** How many streams of each kind a client may open on a session in its whole life, where the package can tell it. */
  readonly credit: { readonly bidirectional: number; readonly unidirectional: number }
}

export interface Listening {
  readonly address: { readonly host: string; readonly port: number }
  /** The open TCP connections, if there are any. */
  readonly sockets: ReadonlySet<{ destroy(): void }>
  /** Whether the package continues to use bytes after it has reported their write as complete. */
  readonly retainsWrites: boolean
  /** New connections are refused, if the package can do that. */
  readonly stop: () => void
  /** Asks the client of a session to begin nothing new, if the package can do that. */
  readonly goAway: (native: NativeWebTransport) => void
  /** Frees a session that does not end by itself. */
  readonly abandon: (native: NativeWebTransport) => void
  /** Closes all connections, at once those that do not end within this many milliseconds. */
  readonly close: (within: number) => Promise<void>
}

/** Rejects with a `WebTransportError` if the server cannot start. */
export type Listen = (options: ListenOptions) => Promise<Listening>

/** Why a server cannot listen, from an error of Node. */
export const listenFailure = (
  { host, port }: { readonly host: string; readonly port: number },
  cause: unknown
): WebTransportError => {
  const { code, message } = cause as { readonly code?: string; readonly message?: string }
  const where = `${host}:${port}`
  const [detail, advice] = code === "EADDRINUSE"
    ? [
      `port ${port} of ${host} is in use`,
      "choose another one, 0 for any that is free, or end the process that has it"
    ]
    : code === "EACCES"
    ? [`this process may not listen at ${where}`, "ports below 1024 need the right to use them; choose a higher one"]
    : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
    ? [`${host} is no address of this machine`, "use 127.0.0.1, or 0.0.0.0 for all its addresses"]
    : [`the server cannot listen at ${where}: ${message ?? String(cause)}`, undefined]
  return new WebTransportError({ reason: "Listen", detail, advice, cause })
}

/** A callback that throws, or rejects, would leave the client pending. */
export const statusOf = ({ admit }: ListenOptions, request: ConnectRequest): Promise<number> =>
  Promise.resolve(request).then(admit).catch(() => 500)
