/** The server of `serverProcess.ts`, as a service. */
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import type * as Scope from "#test/Scope"
import { byAttempt } from "./attempts.js"
import type { Options, Service } from "./serverProcess.js"
import * as ServerProcess from "./serverProcess.js"

export { deadPort, type Options, type Received, type Service, type Stats } from "./serverProcess.js"

export class TestServer extends Context.Tag("effect-pools/test/TestServer")<TestServer, Service>() {}

/** Starts a server. The end of the scope kills it, also when it is stopped. */
export const start = (options: Options = {}): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.map(ServerProcess.start(options), byAttempt)

/** Bind it to a constant: each call is another server. Tests that kill the server should `start` their own. */
export const layer = (options: Options = {}): Layer.Layer<TestServer> => Layer.scoped(TestServer, start(options))
