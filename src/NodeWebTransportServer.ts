/**
 * A WebTransport server for Node: over HTTP/2 by `@fails-components/webtransport`, in plain JavaScript, and over HTTP/3 by a
 * native package that you install.
 *
 * A server of requests, as `RequestPool` and `StreamPool.request` with `correlate` send them:
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Framing from "effect-pools/Framing"
 * import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
 *
 * const answer = (request: Uint8Array) => Effect.succeed(request)
 *
 * export const program = Effect.gen(function*() {
 *   const server = yield* NodeWebTransportServer.make({ port: 4433, certificate: "self-signed", paths: ["/echo"] })
 *   yield* server.serve((session) => session.serveStreams((stream) => Framing.serve(stream, answer)))
 * }).pipe(Effect.scoped)
 * ```
 *
 * Over HTTP/2 it needs `npm install @fails-components/webtransport@1.6.8`, an optional peer of exactly this version; over
 * HTTP/3 one of the packages at {@link Options} `protocol`.
 *
 * This is a separate entry point, so that browsers never load it.
 *
 * @since 0.2.0
 */
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as internal from "./internal/platform/server/server.js"
import type * as WebTransport from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * A certificate and its private key: the texts of both files, in PEM.
 *
 * @since 0.2.0
 * @category options
 */
export interface Certificate {
  readonly cert: string
  readonly privKey: string
}

/**
 * A self-signed certificate.
 *
 * @since 0.2.0
 * @category models
 */
export interface SelfSigned extends Certificate {
  /** Its SHA-256: `serverCertificateHashes: [{ value: hash }]` of a client. */
  readonly hash: Uint8Array<ArrayBuffer>
}

/**
 * Options of a server.
 *
 * @since 0.2.0
 * @category options
 */
export interface Options {
  /** Where to listen: TCP for HTTP/2, UDP for HTTP/3. Default: 0, any free port; `address` says which. */
  readonly port?: number | undefined
  /** The address to listen at. Default: `"127.0.0.1"`, only this machine; `"0.0.0.0"` is every address of it. */
  readonly host?: string | undefined
  /**
   * Default: `"http2"`. `"http3"` fails with `Unsupported` unless one of two native packages is installed:
   * `@fails-components/webtransport-transport-http3-quiche`, which this project's tests do not cover, or else
   * `@moq/web-transport` (0.1.4). The latter consists of TypeScript, which needs a loader such as `tsx`, needs Node 22,
   * and glibc 2.38 on Linux. A program may make a server for each protocol.
   */
  readonly protocol?: "http2" | "http3" | undefined
  /**
   * The certificate, or `"self-signed"`, for development and tests: it names `localhost` and `127.0.0.1`, is made at each
   * start, and is valid for 13 days. Clients trust it by its `certificateHash`. It needs the package `selfsigned`.
   */
  readonly certificate: Certificate | "self-signed"
  /**
   * The paths that it serves, without a query: requests for others are answered with 404. Default: every path.
   */
  readonly paths?: ReadonlyArray<string> | undefined
  /** How many sessions may be open at once. Further requests are answered with 503. Default: no limit. */
  readonly maxSessions?: number | undefined
  /**
   * How many streams of a session may be open at once, of both sides. Further streams of its client are reset when they
   * are accepted. Default: 1,000.
   */
  readonly maxStreams?: number | undefined
  /** How long clients and handlers have to end when the server drains. Default: 5 seconds. */
  readonly shutdownGrace?: DurationInput | undefined
}

/**
 * The server's end of a session.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServerSession extends WebTransport.Session {
  /** The path that the client asked for, with its query, in which tokens may travel. */
  readonly path: string
  /**
   * Headers of the client's request: names in lower case, repeated values joined by `", "`. They may be secrets. Over
   * HTTP/3 by `@moq/web-transport` there are none.
   */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Runs a handler for each stream that the client opens in both directions, on a fiber and a scope of its own: the
   * stream ends with the handler, by FIN after success, otherwise by a reset.
   *
   * It completes when the session is gone, or the server has drained for a second, and the handlers have ended: a handler
   * that is still busy goes on, but without a session what it does with its stream fails. Interrupting it interrupts the
   * handlers, and waits for them.
   *
   * If a handler fails, its stream is reset, and a line is logged: a warning for a defect, otherwise a line at level
   * debug, since most errors are clients that left.
   */
  readonly serveStreams: <E, R>(
    handler: (stream: WebTransport.BidirectionalStream) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
}

/**
 * A server that listens.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service {
  /** Where it listens. */
  readonly address: { readonly host: string; readonly port: number }
  /** SHA-256 of its certificate: `serverCertificateHashes: [{ value: server.certificateHash }]` of a client. */
  readonly certificateHash: Uint8Array<ArrayBuffer>
  /**
   * The sessions that clients open, for programs that `serve` does not fit. Each session stays open until the scope of
   * this `Stream` closes. Ends when the server drains. Sessions that nobody takes stay open, too.
   */
  readonly sessions: Stream.Stream<ServerSession, never, Scope.Scope>
  /**
   * Runs a handler for each session, on a fiber and a scope of its own: the session ends with the handler. It completes
   * when the server has drained; interrupting it drains the server.
   *
   * If a handler fails, its session is closed, and a line is logged, as for `serveStreams`.
   */
  readonly serve: <E, R>(
    handler: (session: ServerSession) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /**
   * Ends the server as the end of its scope does, and completes when it is closed.
   *
   * It no longer listens, answers requests on open connections with 503, and asks clients to begin nothing new (GOAWAY:
   * `draining` of their sessions; pools of this package then open their next session elsewhere). A second later, or after
   * half of `shutdownGrace` if that is less, it takes no more from clients that were not told, or go on all the same:
   * `Framing.serve` answers the requests that have begun to come and finishes its stream, `serveStreams` resets new streams,
   * and completes when its handlers have ended.
   *
   * Clients and handlers have `shutdownGrace` in all. Then handlers are interrupted, and sessions and connections closed.
   *
   * Over HTTP/3 by `@moq/web-transport`, which has no such messages, clients are not told, and it answers new connections
   * with 503, too.
   */
  readonly drain: Effect.Effect<void>
}

/**
 * The one server of an application. For a second one, declare your own tag with the same `Service`.
 *
 * @since 0.2.0
 * @category tags
 */
export class NodeWebTransportServer
  extends ContextTag("effect-pools/NodeWebTransportServer")<NodeWebTransportServer, Service>()
{}

/**
 * Makes a certificate as `certificate: "self-signed"` does, for several servers, or for several starts of one: each run
 * makes another. Fails with `Unsupported` if the package `selfsigned` is missing.
 *
 * @since 0.2.0
 * @category constructors
 */
export const selfSigned: Effect.Effect<SelfSigned, WebTransportError> = internal.selfSigned

/**
 * Starts a server that ends with the scope: it drains, see {@link Service.drain}. It prints nothing.
 *
 * Fails with `Listen` if the port is in use, the host is no address of this machine, or the certificate is wrong; with
 * `Unsupported` if a package is missing. Options that make no sense are a defect that names the option.
 *
 * **Gotchas**
 *
 * - Over HTTP/2 nothing holds a client back whose stream is not read: its bytes pile up here. Read every stream, as
 *   `Framing.serve` does, or reset it.
 * - Over HTTP/2 every stream keeps some 8 kB until its session closes.
 * - SIGTERM drains the server if it interrupts the program, as `NodeRuntime.runMain` does. Let the process have
 *   `shutdownGrace` and a second or two until it is killed.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (options: Options) => Effect.Effect<Service, WebTransportError, Scope.Scope> = internal.make

/**
 * The server as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is another server.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<NodeWebTransportServer, WebTransportError> =>
  scoped(NodeWebTransportServer, make(options))
