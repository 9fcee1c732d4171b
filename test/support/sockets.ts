/** The sockets of the client under test. */
import * as Effect from "#test/Effect"
import { inject } from "vitest"
import { collectGarbage } from "./collectGarbage.js"
import { openSockets as openTcpSockets, udpSockets } from "./resources.js"

/** The open sockets, by name: over HTTP/2 TCP, which Node counts; otherwise UDP. */
export const openSockets: Effect.Effect<ReadonlyArray<string>> = Effect.sync(() => {
  if (inject("protocol") === "http2") return Array.from({ length: openTcpSockets() }, (_, index) => `TCP ${index}`)
  // the client leaves the socket of an ended session to the garbage collector (@moq/web-transport 0.1.4)
  collectGarbage()
  return udpSockets(process.pid)
})
