/**
 * WebTransport sessions and their streams as scoped, interruptible Effects, over the platform's implementation: the
 * browser's own, `@fails-components/webtransport` in Node (module `NodeWebTransport`), or any class of the same shape.
 *
 * @since 0.1.0
 */
import { withSpan } from "#effect/tracing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/transport/connect.js"
import { protocolAttributes, urlAttributes } from "./internal/transport/spanAttributes.js"
import {
  type ConnectOptions,
  type NativeWebTransport,
  type SessionOptions,
  WebTransportConstructor
} from "./WebTransportConstructor.js"
import type { WebTransportError } from "./WebTransportError.js"
import type { Session } from "./WebTransportSession.js"

/**
 * The platform's WebTransport.
 *
 * @since 0.1.0
 * @category services
 */
export * from "./WebTransportConstructor.js"

/**
 * Sessions, streams and datagrams.
 *
 * @since 0.1.0
 * @category models
 */
export * from "./WebTransportSession.js"

/**
 * Connects to a WebTransport server. The session lives as long as the scope.
 *
 * The URL (https, no fragment), the certificate hashes and the headers may be Effects, which run on every connect: for
 * tokens that expire. `connectTimeout` starts after them.
 *
 * Fails with `InvalidUrl`, `Connect` or `ConnectTimeout`. Interruption returns at once and frees everything that was
 * begun. Closing the scope first waits for streams that are ending: for those that ended in success as long as the
 * transport takes their bytes, for the others a second at most. Then it closes the session with `closeInfo`, and waits
 * for that for half a second, or in Node over HTTP/2 as long as a slow peer still sends.
 *
 * It creates a span, `WebTransport.connect`, with OpenTelemetry's attributes for the server's address and port, the
 * path, and the protocol; never the query or a header.
 *
 * **Gotchas**
 *
 * `serverCertificateHashes` together with `allowPooling` is a defect, since no platform supports both.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * export const ask = (question: Uint8Array) =>
 *   Effect.gen(function*() {
 *     const session = yield* WebTransport.connect("https://example.com/echo", { connectTimeout: "3 seconds" })
 *     const stream = yield* session.createBidirectionalStream()
 *     yield* stream.write(question)
 *     return yield* stream.readExactly(question.length)
 *   }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = <E = never, R = never, E2 = never, R2 = never>(
  url: string | URL | Effect.Effect<string | URL, E, R>,
  options: ConnectOptions<E2, R2> = {}
): Effect.Effect<Session, WebTransportError | E | E2, WebTransportConstructor | Scope.Scope | R | R2> =>
  withSpan(
    Effect.gen(function*() {
      const service = yield* WebTransportConstructor
      const target = yield* internal.resolveUrl(url)
      yield* Effect.annotateCurrentSpan(urlAttributes(target))
      const native = yield* internal.nativeOptions(options)
      const session = yield* internal.open(service, target, native, options)
      yield* Effect.annotateCurrentSpan(protocolAttributes(session.reliability))
      return session
    }),
    "WebTransport.connect",
    { kind: "client", captureStackTrace: false }
  )

/**
 * Wraps an existing native session, and waits until it is ready. From then on the scope owns it.
 *
 * Fails with `Connect` or `ConnectTimeout`. If there is a {@link WebTransportConstructor} in the context, it says how
 * to free the session: provide `NodeWebTransport.layer` for a session of `@fails-components/webtransport`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNative = (
  native: NativeWebTransport,
  options?: SessionOptions
): Effect.Effect<Session, WebTransportError, Scope.Scope> =>
  Effect.flatMap(
    Effect.serviceOption(WebTransportConstructor),
    (service) => internal.adopt(native, Option.getOrUndefined(service), options ?? {})
  )
