/** The sockets of the client under test. */
import * as Effect from "effect/Effect"
import { inject } from "vitest"
import { collectGarbage } from "./collectGarbage.js"
import { openSockets as openTcpSockets, udpSockets } from "./resources.js"

/** What is open now, by names of its own; over HTTP/2 TCP, which node counts, else UDP. */
export const openSockets: Effect.Effect<ReadonlyArray<string>> = Effect.sync(() => {
  if (inject("protocol") === "http2") return Array.from({ length: openTcpSockets() }, (_, index) => `TCP ${index}`)
  // the client leaves the socket of a session that has ended to the garbage collector (@moq/web-transport 0.1.4)
  collectGarbage()
  return udpSockets(process.pid)
})
