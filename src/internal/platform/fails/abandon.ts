/** Frees a session of `@fails-components/webtransport` (1.6.8), also the resources that its `close()` leaves. */
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import { type Held, heldOf } from "./connection.js"
import { type FailsInternals, internals, parentOf } from "./internals.js"

/** Milliseconds for the orderly end of a connection. */
const farewellWithin = 100

/**
 * Closes an established connection with GOAWAY and TLS's close_notify. Without them, a server on Node (20) whose first write
 * then fails stops reading, never notices that the client is gone, and keeps its socket forever.
 */
const leave = (client: FailsInternals["client"], one: Held | undefined): void => {
  // The HTTP/2 session would first wait for TCP and for the handshake (Node 20). Bun (1.4) reports it as connected before TLS
  // is done.
  if (client.connecting || one?.socket.secureConnecting === true) {
    // Bun finishes the handshake of a destroyed socket, too: the library's listener (1.6.8) would throw an uncaught error.
    one?.socket.removeAllListeners?.("secureConnect")
    one?.socket.destroy()
  } // The library's pings (1.6.8) check whether the client is closed, and would throw if it were only destroyed.
  else client.close()
  client.destroy()
  if (one === undefined || one.socket.destroyed) return
  // From now on the socket waits until the peer ends it, too.
  const timer = setTimeout(() => one.socket.destroy(), farewellWithin)
  timer.unref()
  void one.freed.then(() => clearTimeout(timer))
}

/**
 * Frees a session in any state: connecting (where `close()` is ignored), waiting for an answer, refused, established,
 * or closed with a peer that hangs.
 */
export const abandon = (native: NativeWebTransport): void => {
  try {
    const found = internals(native)
    if (found === undefined) {
      // Over HTTP/3: what the library itself does when a connect fails. It does nothing on a connected session.
      const parent = parentOf(native) as FailsInternals["parent"] | undefined
      parent?.onClientConnected({ success: false })
      return native.close()
    }
    // An event on its way would throw an uncaught error: "Client connected with no pending promise".
    found.client.removeAllListeners("connect")
    leave(found.client, heldOf(native))
    // Ends the wait for the connection, and its timer.
    found.parent.onClientConnected({ success: false })
    // Ends the wait for the peer's settings in the same way; the next step fails on the destroyed client.
    found.parent.onClientWebTransportSupport({})
  } catch {
    // The session has another shape: only its own time limits remain.
  }
}
