/** The implementation of WebTransport under test: suites of the transport run once over each. */
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import type * as Scope from "#test/Scope"
import type { WebTransportConstructor } from "effect-pools/WebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import { inject } from "vitest"
import { can } from "./capabilities.js"
import { openSockets } from "./sockets.js"
import * as TestServer from "./TestServer.js"

const implementation = inject("protocol")
const protocol = implementation === "http2" ? "http2" : "http3"

/** The client. */
export const client: Layer.Layer<WebTransportConstructor> = await {
  http2: async () => (await import("effect-pools/NodeWebTransport")).layerHttp2,
  http3: async () => WebTransport.layerConstructor((await import("./moq.js")).Session),
  browser: async () => Layer.orDie(WebTransport.layerConstructorGlobal),
  firefox: async () => Layer.orDie(WebTransport.layerConstructorGlobal)
}[implementation]()

/** Starts a server of the client's protocol. The end of the scope kills it, also when it is stopped. */
export const startServer = (
  options: Omit<TestServer.Options, "protocol"> = {}
): Effect.Effect<TestServer.Service, never, Scope.Scope> => TestServer.start({ ...options, protocol })

type End = (server: TestServer.Service) => Effect.Effect<unknown>

/** Ways in which a server ends its sessions, which clients notice within a moment. */
export const endings: ReadonlyArray<readonly [what: string, end: End]> = [
  ["closes it", (server) => server.command("closeSessions", { code: 7, reason: "bye" })],
  ...(can("noticesDeath") ? [["is killed", (server) => server.kill] satisfies [string, End]] : [])
]

/**
 * Such a server, and the client. Bind it to a constant: each call is another server. Log lines of pools about broken
 * sessions are not printed.
 */
export const live = (): Layer.Layer<TestServer.TestServer | WebTransportConstructor> =>
  Layer.mergeAll(TestServer.layer({ protocol }), client, Logger.minimumLogLevel(LogLevel.None))

/** Waits until all sockets that the client has opened since are closed, here and at the server. */
export const socketsClosed = (
  before: ReadonlyArray<string>,
  server?: TestServer.Service
): Effect.Effect<unknown, Error> =>
  Effect.andThen(
    server === undefined ? Effect.void : server.until((stats) => stats.socketsOpen === 0),
    Effect.repeat(Effect.delay(openSockets, "5 millis"), { until: (now) => now.every((one) => before.includes(one)) })
  ).pipe(Effect.timeoutFail({ duration: "25 seconds", onTimeout: () => new Error("sockets are left") }))
