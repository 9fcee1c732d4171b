/**
 * An in-memory WebTransport, for tests of code that uses sessions, streams or their pools. `WebTransport.connect` and
 * the pools get the client's side; a handler drives the server's side; faults happen on command. It needs no server and
 * no platform, and uses Effect's `Clock`: `TestClock` works.
 *
 * This is a separate entry point, so that no application bundles it through the root.
 *
 * @since 0.1.0
 */
import { ContextTag } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Framing from "./Framing.js"
import type { FramingError } from "./FramingError.js"
import * as serving from "./internal/framing/serve.js"
import * as handlers from "./internal/platform/testTransport/handlers.js"
import * as internal from "./internal/platform/testTransport/layer.js"
import type { CloseInfo, WebTransportConstructor } from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * The server's side of a stream on which it sends. If the client has ended its half, the sent bytes are dropped.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServerSendStream {
  /** Whether the client has given up reading. */
  readonly isCancelled: boolean
  /** Sends bytes as one chunk, even unasked. There is no backpressure. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Finishes the stream (FIN). */
  readonly finish: Effect.Effect<void>
  /** Resets the stream: the client's reads fail. */
  readonly reset: Effect.Effect<void>
}

/**
 * The server's side of a stream on which the client sends.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServerReceiveStream {
  /**
   * Reads the next bytes that the client wrote; returns none when the client finished. Fails with `Read` when the
   * client reset the stream.
   */
  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError>
  /**
   * How the client ended its half, if it did. It is also `"Reset"` when the server stopped the stream or the session
   * ended.
   */
  readonly sending: "Open" | "Finished" | "Reset"
  /** STOP_SENDING: the client's writes fail. */
  readonly stopSending: Effect.Effect<void>
  /**
   * From now on no write of the client completes, as with a server that does not read: once there are
   * {@link Behaviour.writeRoom} of them, writes wait, and so does a reset. The first one still arrives.
   */
  readonly stall: Effect.Effect<void>
  /** Ends a `stall`. */
  readonly resume: Effect.Effect<void>
}

/**
 * The server's side of one bidirectional stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerStream extends ServerSendStream, ServerReceiveStream {}

/**
 * The client's requests for streams on a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamCounts {
  readonly requested: number
  readonly granted: number
  /** Requests that failed, for lack of credit or because the session ended. */
  readonly refused: number
  /** Requests that wait. */
  readonly pending: number
  /** The maximum number that waited at once. */
  readonly mostPending: number
}

/**
 * The server's side of one session.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerSession {
  /** The URL that the client connected to. */
  readonly url: string
  /** Whether the session was accepted and is not closed. */
  readonly isOpen: boolean
  /** The bidirectional streams that are open in any direction, whichever side opened them, the oldest first. */
  readonly streams: ReadonlyArray<ServerStream>
  /** The client's requests for streams. */
  readonly streamCounts: StreamCounts
  /**
   * The headers of the request for the session, by their names in lower case.
   *
   * @since 0.2.0
   */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Asks for no more streams, as a server does before it goes away: the client's `draining` completes, open streams
   * continue, and the server still grants more. Does nothing while the server hangs. Completes when the session knows.
   *
   * @since 0.2.0
   */
  readonly drain: Effect.Effect<void>
  /**
   * Opens a stream to the client, for `onIncoming` of a `SessionPool` or `acceptBidirectionalStream`. Fails with
   * `SessionClosed`. While the server hangs, the client does not learn of the stream.
   *
   * @since 0.2.0
   */
  readonly openBidirectional: Effect.Effect<ServerStream, WebTransportError>
  /**
   * The same for a stream on which only the server sends.
   *
   * @since 0.2.0
   */
  readonly openUnidirectional: Effect.Effect<ServerSendStream, WebTransportError>
  /**
   * Sends a datagram. It is lost while the server hangs, and when the session is not open.
   *
   * @since 0.2.0
   */
  readonly sendDatagram: (bytes: Uint8Array) => Effect.Effect<void>
  /**
   * Receives the next datagram that the client sent. Fails with `SessionClosed` when the session is closed and all
   * datagrams were received.
   *
   * @since 0.2.0
   */
  readonly receiveDatagram: Effect.Effect<Uint8Array, WebTransportError>
  /**
   * Closes the session as a server does: the client learns the code and the reason. Completes when the session knows.
   */
  readonly closeWith: (info: CloseInfo) => Effect.Effect<void>
  /** Loses the connection: the client learns no code. Completes when the session knows. */
  readonly die: Effect.Effect<void>
  /** From now on the server neither receives nor sends; the client's writes and new streams succeed as before. */
  readonly hang: Effect.Effect<void>
  /** Ends a `hang`; the bytes that the client wrote meanwhile arrive. */
  readonly resume: Effect.Effect<void>
  /** From now on the server neither grants nor refuses streams. */
  readonly holdStreams: Effect.Effect<void>
  /** Ends `holdStreams`: grants the pending requests, as far as there is credit. */
  readonly grantStreams: Effect.Effect<void>
}

/**
 * How the server treats a session.
 *
 * @since 0.1.0
 * @category options
 */
export interface Behaviour {
  /** Whether the server accepts the session, refuses it, or never answers. Default: `"accept"`. */
  readonly connect?: "accept" | "refuse" | "ignore" | undefined
  /**
   * The HTTP status with which the server refuses the session: `status` of the client's error. Default: none.
   *
   * @since 0.2.0
   */
  readonly status?: number | undefined
  /**
   * Headers of the server's answer. Default: none.
   *
   * @since 0.2.0
   */
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined
  /** After how long the server answers. Default: at once. */
  readonly connectDelay?: DurationInput | undefined
  /** How many streams of each kind (bidirectional, or only its own) the client may have open. Default: no limit. */
  readonly streamLimit?: number | undefined
  /** After how many ended streams the server grants as many again. `Infinity`: never. Default: 1. */
  readonly creditBatch?: number | undefined
  /**
   * What happens to a stream beyond the limit: the server refuses it, as over HTTP/2, or it waits until there is room.
   * Default: `"refuse"`.
   */
  readonly beyondLimit?: "refuse" | "wait" | undefined
  /**
   * Whether the server confirms the ends of streams. If `false`, closing or resetting a stream never completes.
   * Default: `true`.
   */
  readonly confirmEnds?: boolean | undefined
  /** How many writes to a stream the client may have in flight before it waits. Default: 1. */
  readonly writeRoom?: number | undefined
  /**
   * What the server does with a stream that the client opened, on a fiber that ends with the layer. If the handler
   * fails, the stream is reset; if it succeeds, the stream stays open. Default: {@link echo}.
   */
  readonly onStream?: ((stream: ServerStream, session: ServerSession) => Effect.Effect<void, unknown>) | undefined
  /**
   * The same for a stream on which only the client sends. By default the server reads it to its end.
   *
   * @since 0.2.0
   */
  readonly onUnidirectional?:
    | ((stream: ServerReceiveStream, session: ServerSession) => Effect.Effect<void, unknown>)
    | undefined
  /**
   * The maximum bytes of a datagram that the client may send. Default: no limit.
   *
   * @since 0.2.0
   */
  readonly maxDatagramSize?: number | undefined
}

/**
 * How the server treats sessions: all in the same way, or each by its number, from 0.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as SessionPool from "effect-pools/SessionPool"
 * import * as TestWebTransport from "effect-pools/TestWebTransport"
 *
 * // the first attempt fails, the second one succeeds
 * const flaky = TestWebTransport.layer((index) => ({ connect: index === 0 ? "refuse" : "accept" }))
 *
 * export const test = Effect.gen(function*() {
 *   const pool = yield* SessionPool.make({ url: "https://test/", createBackoff: { initial: 0 } })
 *   return yield* Effect.retry(pool.use((session) => session.isOpen), { times: 1 })
 * }).pipe(Effect.scoped, Effect.provide(flaky))
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export type Behaviours = Behaviour | ((index: number) => Behaviour)

/**
 * What a test can see and do.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Every session that was requested so far, the oldest first. */
  readonly sessions: Effect.Effect<ReadonlyArray<ServerSession>>
  /** Applies to sessions requested from now on. Replaces all of the previous behaviour. */
  readonly behave: (behaviour: Behaviours) => Effect.Effect<void>
}

/**
 * The server's side of the sessions that `layer` makes.
 *
 * @since 0.1.0
 * @category services
 */
export class TestWebTransport extends ContextTag("effect-pools/TestWebTransport")<TestWebTransport, Service>() {}

/**
 * Sends back every byte that it receives, and finishes when the client did.
 *
 * @since 0.1.0
 * @category handlers
 */
export const echo: (stream: ServerStream) => Effect.Effect<void, WebTransportError> = handlers.echo

/**
 * Answers the requests on a stream, as `Framing.serve` does on streams of a real server: for `onStream`, in tests of code
 * that sends requests with a `StreamPool`, or with ids of its own. Requests beyond `concurrency` and `maxBuffered` reset
 * the stream.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as StreamPool from "effect-pools/StreamPool"
 * import * as TestWebTransport from "effect-pools/TestWebTransport"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * // a server that takes a second for each request
 * const slow = TestWebTransport.layer({
 *   onStream: TestWebTransport.serve((request) => Effect.delay(Effect.succeed(request), "1 second"))
 * })
 *
 * export const test = Effect.gen(function*() {
 *   const pool = yield* StreamPool.make({ session: yield* WebTransport.connect("https://test/") })
 *   return yield* pool.request(new TextEncoder().encode("hello"), { correlate: true })
 * }).pipe(Effect.scoped, Effect.provide(slow))
 * ```
 *
 * @since 0.2.0
 * @category handlers
 */
export const serve = <R = never>(
  handler: (request: Uint8Array) => Effect.Effect<Uint8Array, never, R> | Stream.Stream<Uint8Array, never, R>,
  options?: Framing.ServeOptions
) =>
(stream: ServerStream): Effect.Effect<void, FramingError | WebTransportError, Exclude<R, Scope.Scope>> =>
  serving.serveOn(handlers.served(stream), handler, options)

/**
 * An in-memory WebTransport, and the service that commands its server.
 *
 * **Gotchas**
 *
 * - The server ends with the layer: provide the layer around the whole test, not only around the `make` of a pool.
 * - Nothing is lost or reordered except on command, datagrams included.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Queue from "effect/Queue"
 * import * as SessionPool from "effect-pools/SessionPool"
 * import * as TestWebTransport from "effect-pools/TestWebTransport"
 *
 * // passes the server's datagrams to `onDatagram`
 * export const test = Effect.gen(function*() {
 *   const received = yield* Queue.unbounded<Uint8Array>()
 *   const pool = yield* SessionPool.make({
 *     url: "https://test/",
 *     minSize: 1,
 *     onDatagram: (datagram) => Queue.offer(received, datagram)
 *   })
 *   yield* pool.ready
 *   const [server] = yield* (yield* TestWebTransport.TestWebTransport).sessions
 *   yield* server!.sendDatagram(Uint8Array.of(1))
 *   return yield* Queue.take(received)
 * }).pipe(Effect.scoped, Effect.provide(TestWebTransport.layer()))
 * ```
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as TestWebTransport from "effect-pools/TestWebTransport"
 * import * as WebTransport from "effect-pools/WebTransport"
 *
 * export const test = Effect.gen(function*() {
 *   const { sessions } = yield* TestWebTransport.TestWebTransport
 *   const client = yield* WebTransport.connect("https://test/")
 *   const [server] = yield* sessions
 *   yield* server!.closeWith({ closeCode: 7, reason: "bye" })
 *   return yield* client.closed
 * }).pipe(Effect.scoped, Effect.provide(TestWebTransport.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (behaviour: Behaviours = {}): Layer.Layer<TestWebTransport | WebTransportConstructor> =>
  internal.layer(TestWebTransport, behaviour)
