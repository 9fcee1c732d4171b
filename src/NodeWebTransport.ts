/**
 * WebTransport for Node, over `@fails-components/webtransport`: HTTP/2 in plain JavaScript, and HTTP/3 if its native
 * package `@fails-components/webtransport-transport-http3-quiche` is installed.
 *
 * It needs the package, an optional peer of exactly this version:
 *
 * ```sh
 * npm install @fails-components/webtransport@1.6.8
 * ```
 *
 * Without the package each layer dies with an error that says so. The native package is no prebuilt one on npm: its
 * install fetches a binary from GitHub or builds for some 20 minutes, and npm asks for approval of its script.
 *
 * This is a separate entry point, so that browsers never load it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { abandon } from "./internal/platform/fails/abandon.js"
import { explain, freed, received } from "./internal/platform/fails/connection.js"
import { construct, type Protocol } from "./internal/platform/fails/construct.js"
import { load as loadOnce, type Loaded } from "./internal/platform/fails/load.js"
import { type ConstructorService, WebTransportConstructor } from "./WebTransport.js"
import { WebTransportError } from "./WebTransportError.js"

const noHeaders = () =>
  new WebTransportError({
    reason: "Unsupported",
    detail: "the native package for HTTP/3 takes no headers",
    advice: "use NodeWebTransport.layer or NodeWebTransport.layerHttp2, and leave out requireUnreliable"
  })

const http3IsMissing = (detail: string) =>
  new WebTransportError({
    reason: "Unsupported",
    detail,
    advice: "install @fails-components/webtransport-transport-http3-quiche, or use NodeWebTransport.layerHttp2"
  })

const service = (loaded: Loaded, protocol: Protocol): ConstructorService => ({
  construct: (url, options, connectTimeout) => {
    // The client itself ignores this over HTTP/2 (1.6.8).
    if (protocol === "http2" && options.requireUnreliable === true) {
      throw http3IsMissing("requireUnreliable asks for HTTP/3, and this is HTTP/2")
    }
    const hasHeaders = options.headers !== undefined
    if (hasHeaders && (protocol === "http3" || options.requireUnreliable === true)) throw noHeaders()
    return construct(loaded.module, hasHeaders ? "http2" : protocol, url, options, connectTimeout)
  },
  abandon,
  freed,
  received,
  explain,
  // The client passes written buffers to the socket uncopied (1.6.8): reusing a buffer would change the sent bytes.
  retainsWrites: true,
  // Over HTTP/2 the client keeps some 8 kB of each stream until its session closes (1.6.8).
  retainsStreams: (native) => native.reliability === "reliable-only"
})

/** A package that is not installed is a defect: no program can go on without it. */
const load = Effect.promise(loadOnce)

/**
 * Sessions over HTTP/3 if its native package is installed, with a fallback to HTTP/2 after half of `connectTimeout`.
 * Otherwise, and with `headers` (which the native package does not support), sessions over HTTP/2.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as NodeWebTransport from "effect-pools/NodeWebTransport"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * export const program = WebTransport.connect("https://localhost:4433/echo").pipe(
 *   Effect.flatMap((session) => session.closed),
 *   Effect.scoped,
 *   Effect.provide(NodeWebTransport.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<WebTransportConstructor> = Layer.effect(
  WebTransportConstructor,
  Effect.map(load, (loaded) => service(loaded, loaded.hasHttp3 ? "http3-or-http2" : "http2"))
)

/**
 * Sessions over HTTP/2, which needs no native package. `requireUnreliable` fails with `Unsupported`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttp2: Layer.Layer<WebTransportConstructor> = Layer.effect(
  WebTransportConstructor,
  Effect.map(load, (loaded) => service(loaded, "http2"))
)

/**
 * Sessions over HTTP/3 only. The layer fails with `Unsupported` if the native package is missing; a connect with
 * `headers` also fails with `Unsupported`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttp3: Layer.Layer<WebTransportConstructor, WebTransportError> = Layer.effect(
  WebTransportConstructor,
  Effect.flatMap(load, (loaded) =>
    loaded.hasHttp3
      ? Effect.succeed(service(loaded, "http3"))
      : Effect.fail(http3IsMissing("the native package for HTTP/3 is missing")))
)
