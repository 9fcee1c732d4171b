/** The server of `serverProcess.ts`, as a service. */
import * as Context from "#test/Context"
import * as Layer from "#test/Layer"
import { type Options, type Service, start } from "./serverProcess.js"

export { deadPort, type Options, type Received, type Service, start, type Stats } from "./serverProcess.js"

export class TestServer extends Context.Tag("effect-pools/test/TestServer")<TestServer, Service>() {}

/** Bind it to a constant: each call is another server. Tests that kill the server should `start` their own. */
export const layer = (options: Options = {}): Layer.Layer<TestServer> => Layer.scoped(TestServer, start(options))
