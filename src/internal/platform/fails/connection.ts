/** The connection of a session over HTTP/2: its socket, and why it failed. */
import type { Explanation, NativeOptions, NativeWebTransport } from "../../../WebTransportConstructor.js"
import { endWhenDead } from "./deadConnections.js"
import { type Certificate, explainCertificate, explainError, explainWaiting } from "./explain.js"
import { has, internals } from "./internals.js"
import { widen } from "./windows.js"

interface Socket {
  readonly destroyed: boolean
  readonly bytesRead?: number | undefined
  /** Whether the certificate is trusted, or has one of the given hashes. */
  readonly authorized?: boolean | undefined
  readonly secureConnecting?: boolean | undefined
  getPeerCertificate?(): Certificate
  removeAllListeners?(event: string): unknown
  destroy(): void
}

export interface Held {
  readonly socket: Socket
  readonly freed: Promise<void>
}

const held = new WeakMap<object, Held>()

export const heldOf = (native: NativeWebTransport): Held | undefined => held.get(native)

/** The known reasons of failures; the library (1.6.8) only tells "Opening handshake failed." */
const explained = new WeakMap<object, Explanation>()

/** Notes a reason. Only the first one counts. */
export const note = (native: NativeWebTransport, explanation: Explanation | undefined): void => {
  if (explanation !== undefined && !explained.has(native)) explained.set(native, explanation)
}

export const hold = (native: NativeWebTransport, options: NativeOptions): void => {
  try {
    const client = internals(native)?.client
    const proxy = client?.socket
    if (client === undefined || proxy === undefined) return
    let socket: unknown
    // The TLS socket itself, behind a proxy that refuses `destroy`: `once` returns the socket.
    const freed = new Promise<void>((resolve) => {
      socket = proxy.once("close", resolve)
    })
    if (!has(socket, "destroy")) return
    const one: Held = { socket: socket as Socket, freed }
    held.set(native, one)
    client.once("connect", () => {
      widen(client)
      endWhenDead(client)
    })
    client.once("error", (error: Error) => note(native, explainError(error)))
    // runs after the library's own listener, which has compared the hashes
    proxy.once("secureConnect", () => {
      const { serverCertificateHashes: hashes } = options
      if (hashes === undefined || one.socket.authorized !== false) return
      note(native, explainCertificate(one.socket.getPeerCertificate?.(), hashes))
    })
  } catch {
    // Without the socket, `freed`, `explain` and `abandon` do less.
  }
}

export const explain = (native: NativeWebTransport): Explanation | undefined => {
  try {
    const known = explained.get(native)
    if (known !== undefined) return known
    const found = internals(native)
    const one = held.get(native)
    return found === undefined || one === undefined || one.socket.destroyed ? undefined : explainWaiting(found)
  } catch {
    return undefined
  }
}

/** Settles when the connection of a closed session is gone, too: `closed` does not wait for a hung peer. */
export const freed = (native: NativeWebTransport): Promise<void> | undefined => held.get(native)?.freed

/** How many bytes have arrived on the connection of a session. */
export const received = (native: NativeWebTransport): number | undefined => held.get(native)?.socket.bytesRead
