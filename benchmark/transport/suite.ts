/** Requests over WebTransport, with and without pools, against an echo server. */
import type { Suite } from "../harness/model.js"
import { overHttp2, overHttp3 } from "./echo.js"
import * as Implementations from "./implementations.js"
import { sharedOverHttp2, sharedOverHttp3 } from "./shared.js"
import { soak } from "./soak.js"

/** `npm run bench -- transport` */
export const transport: Suite = {
  name: "transport",
  title: "Requests over WebTransport (HTTP/2)",
  effect: 3,
  child: "transport/child.ts",
  packages: ["effect", "@effect/rpc", "@fails-components/webtransport"],
  groups: [...sharedOverHttp2, ...overHttp2, soak].map((group) => group(Implementations.http2))
}

/** `npm run bench -- http3` */
export const http3: Suite = {
  name: "http3",
  title: "Requests over WebTransport (HTTP/3)",
  effect: 3,
  child: "transport/child.ts",
  packages: ["effect", "@moq/web-transport"],
  groups: [...sharedOverHttp3, ...overHttp3, soak].map((group) => group(Implementations.http3)),
  runtime: Implementations.http3.runtime
}
