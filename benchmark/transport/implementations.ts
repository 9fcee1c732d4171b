/** The measured implementations of WebTransport. */
import type * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import * as NodeWebTransport from "../../src/NodeWebTransport.js"
import * as WebTransport from "../../src/WebTransport.js"
import { http3Node, http3Problem } from "../../test/support/http3.js"
import type { Runtime } from "../harness/model.js"

export interface Implementation {
  /** The main of the process of its echo server. */
  readonly server: string
  /** The same for its server of `@effect/rpc`, if there is one. */
  readonly rpcServer?: string
  /** The runtime of that process, and of the contestants' processes. */
  readonly runtime: Runtime
  readonly client: () => Promise<Layer.Layer<WebTransport.WebTransportConstructor>>
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export const http2: Implementation = {
  server: file("../../examples/demo/server.ts"),
  rpcServer: file("rpcServer.ts"),
  runtime: { execPath: process.execPath, execArgv: [] },
  client: () => Promise.resolve(NodeWebTransport.layerHttp2)
}

export const http3: Implementation = {
  server: file("http3Server.ts"),
  // the main of this package is TypeScript
  runtime: { execPath: http3Node(), execArgv: ["--import", import.meta.resolve("tsx")], problem: http3Problem },
  // not through a module that re-exports it: a bundle of esbuild does not wait for that
  client: async () => WebTransport.layerConstructor((await import("../../examples/support/moq.js")).Session)
}
