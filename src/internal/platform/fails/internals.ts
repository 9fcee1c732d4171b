/**
 * Access to the internals of a session of `@fails-components/webtransport` (1.6.8): its HTTP/2 client, and the object that
 * receives its events. Each access is checked; if the shape differs, the session works without.
 */
import type { ClosableStream } from "./closeOrder.js"
import type { Http2Connection } from "./windows.js"

export interface Emitter {
  on?(event: string, listener: (...args: Array<never>) => void): unknown
  once(event: string, listener: (...args: Array<never>) => void): unknown
}

export type Fields = Readonly<Record<string, number | string | ReadonlyArray<string> | undefined>>

/** A stream, to which Node gives its data by `push`. */
export interface PushedStream {
  push?(chunk: Uint8Array | null): boolean
  destroy?(error?: Error): void
}

/** The stream of the CONNECT request. */
export interface ConnectStream extends Emitter, ClosableStream, PushedStream {
  end(): void
}

/** The HTTP/2 session of `node:http2`, and the object that receives its events. */
export interface FailsInternals {
  readonly client: Emitter & Partial<Http2Connection> & {
    readonly socket: Emitter | undefined
    /** True until the TLS handshake is done. */
    readonly connecting: boolean
    readonly remoteSettings?: { readonly enableConnectProtocol?: boolean | undefined } | undefined
    request?(headers: Fields, ...others: ReadonlyArray<unknown>): ConnectStream
    removeAllListeners(event: string): unknown
    close(): void
    destroy(): void
  }
  readonly parent: {
    onClientConnected(event: { success: boolean }): void
    onClientWebTransportSupport(event: object): void
  }
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null
export const has = (u: unknown, ...methods: ReadonlyArray<string>): boolean =>
  isObject(u) && methods.every((method) => typeof u[method] === "function")

export const sessionOf = (native: unknown): Record<string, unknown> | undefined => {
  const session = isObject(native) ? native["sessionint"] : undefined
  return isObject(session) ? session : undefined
}

export const parentOf = (native: unknown): Record<string, unknown> | undefined => {
  const parent = sessionOf(native)?.["parentobj"]
  return has(parent, "onClientConnected", "onClientWebTransportSupport") ? parent as Record<string, unknown> : undefined
}

/** Present right after `new` over HTTP/2; undefined over HTTP/3, and if the shape is not that of 1.6.8. */
export const internals = (native: unknown): FailsInternals | undefined => {
  const parent = parentOf(native)
  const transport = parent?.["transportInt"]
  const client = isObject(transport) ? transport["clientInt"] : undefined
  return has(client, "once", "removeAllListeners", "close", "destroy")
    ? { client, parent } as unknown as FailsInternals
    : undefined
}
