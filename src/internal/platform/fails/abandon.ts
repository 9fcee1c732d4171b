/** Frees a session of `@fails-components/webtransport` (1.6.8): also what its `close()` leaves. */
import type { NativeWebTransport } from "../../transport/shape.js"
import { type Held, heldOf } from "./connection.js"
import { type FailsInternals, internals, parentOf } from "./internals.js"

/** Milliseconds that a connection has for its farewell. */
const farewellWithin = 100

/**
 * A connection that stands is closed with GOAWAY and TLS's close_notify. Without them a server on node (20) whose first write
 * then fails stops reading, never notices that the client is gone, and keeps its socket for ever.
 */
const leave = (client: FailsInternals["client"], one: Held | undefined): void => {
  // The session alone would first let the handshake finish (node 20), and before TCP is connected wait for that. Bun (1.4)
  // says that it is connected before TLS is.
  if (client.connecting || one?.socket.secureConnecting === true) {
    // Bun finishes the handshake of a destroyed socket, too: the library's listener (1.6.8) would throw where nobody catches.
    one?.socket.removeAllListeners?.("secureConnect")
    one?.socket.destroy()
  } // Its pings (fails-components 1.6.8) look whether it is closed, and would throw on one that is only destroyed.
  else client.close()
  client.destroy()
  if (one === undefined || one.socket.destroyed) return
  // From here on the socket waits for the peer to end it, too.
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
      // Over HTTP/3: what the library itself does when it cannot connect. Nothing if it has.
      const parent = parentOf(native) as FailsInternals["parent"] | undefined
      parent?.onClientConnected({ success: false })
      return native.close()
    }
    // An event that is on its way already would throw where no caller catches it: "Client connected with no pending promise".
    found.client.removeAllListeners("connect")
    leave(found.client, heldOf(native))
    // Ends the wait for the connection, and with it the timer.
    found.parent.onClientConnected({ success: false })
    // Ends the wait for the peer's settings the same way; what comes after it fails on the destroyed client.
    found.parent.onClientWebTransportSupport({})
  } catch {
    // The session has another shape after all: only its own time limits are left.
  }
}
