/**
 * A WebTransport in memory, for tests of code that uses sessions, streams or their pools: the client's side is what
 * `WebTransport.connect` and the pools get, the server's is driven by a handler, and faults happen on command. It needs
 * no server and no platform, and takes time from Effect's `Clock`: `TestClock` works.
 *
 * An entry point of its own, so that no application bundles it by way of the root.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as handlers from "./internal/platform/testTransport/handlers.js"
import * as internal from "./internal/platform/testTransport/layer.js"
import type { CloseInfo, WebTransportConstructor } from "./WebTransport.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * The server's side of a stream that it sends on. What is sent to a client that ended its half is dropped.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServerSendStream {
  /** Whether the client gave up reading. */
  readonly isCancelled: boolean
  /** Sends bytes as one chunk, asked for or not. There is no backpressure. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** FIN: nothing more will be sent. */
  readonly finish: Effect.Effect<void>
  /** Gives up sending: the client's reads fail. */
  readonly reset: Effect.Effect<void>
}

/**
 * The server's side of a stream that the client sends on.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServerReceiveStream {
  /** The next bytes that the client wrote; none when it finished. Fails with `Read` when it reset the stream. */
  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError>
  /** How the client ended its half, if it did; `"Reset"`, too, when the server stopped it or the session ended. */
  readonly sending: "Open" | "Finished" | "Reset"
  /** STOP_SENDING: the client's writes fail. */
  readonly stopSending: Effect.Effect<void>
  /**
   * From here on no write of the client's is done, as with a server that does not read: they wait once there are
   * {@link Behaviour.writeRoom} of them, and so does a reset. The first one still arrives.
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
 * How the client asked a session for streams.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamCounts {
  readonly requested: number
  readonly granted: number
  /** Those that failed, for want of credit or since the session ended. */
  readonly refused: number
  /** Those that wait. */
  readonly pending: number
  /** The most that waited at once. */
  readonly mostPending: number
}

/**
 * The server's side of one session.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerSession {
  /** What the client connected to. */
  readonly url: string
  /** Whether it was accepted and is not closed. */
  readonly isOpen: boolean
  /** The bidirectional streams that are open in any direction, whoever opened them, the oldest first. */
  readonly streams: ReadonlyArray<ServerStream>
  /** How the client asked for streams. */
  readonly streamCounts: StreamCounts
  /**
   * The headers of the request for it, by their names in lower case.
   *
   * @since 0.2.0
   */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Asks for no more streams, as a server does that is about to go: the client's `draining` completes, what is open goes on,
   * and more streams are still granted. Nothing while it hangs. Completes when the session knows.
   *
   * @since 0.2.0
   */
  readonly drain: Effect.Effect<void>
  /**
   * Opens a stream to the client, as `onIncoming` of a `SessionPool` and `acceptBidirectionalStream` get it. Fails with
   * `SessionClosed`. While the server hangs the client hears nothing of it.
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
   * Sends a datagram; lost while the server hangs, and when the session is not open.
   *
   * @since 0.2.0
   */
  readonly sendDatagram: (bytes: Uint8Array) => Effect.Effect<void>
  /**
   * The next datagram that the client sent. Fails with `SessionClosed` when the session is closed and all were received.
   *
   * @since 0.2.0
   */
  readonly receiveDatagram: Effect.Effect<Uint8Array, WebTransportError>
  /** Closes it as a server does: the client learns the code and the reason. Completes when the session knows. */
  readonly closeWith: (info: CloseInfo) => Effect.Effect<void>
  /** Loses the connection: the client learns no code. Completes when the session knows. */
  readonly die: Effect.Effect<void>
  /** From here on the server hears and says nothing; the client's writes and new streams succeed as before. */
  readonly hang: Effect.Effect<void>
  /** Ends a `hang`; what the client wrote meanwhile arrives. */
  readonly resume: Effect.Effect<void>
  /** From here on it neither grants nor refuses streams. */
  readonly holdStreams: Effect.Effect<void>
  /** Ends that: grants what was asked for meanwhile, as far as there is credit. */
  readonly grantStreams: Effect.Effect<void>
}

/**
 * How the server treats a session.
 *
 * @since 0.1.0
 * @category options
 */
export interface Behaviour {
  /** Whether it accepts the session, refuses it, or never answers. `"accept"` if absent. */
  readonly connect?: "accept" | "refuse" | "ignore" | undefined
  /**
   * The HTTP status that it refuses the session with: `status` of the client's error. None if absent.
   *
   * @since 0.2.0
   */
  readonly status?: number | undefined
  /**
   * Headers of its answer. None if absent.
   *
   * @since 0.2.0
   */
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined
  /** After how long it answers. At once if absent. */
  readonly connectDelay?: Duration.DurationInput | undefined
  /** How many streams of each kind (in both directions, or only its own) the client may have open. No limit if absent. */
  readonly streamLimit?: number | undefined
  /** After how many ended streams as many are granted again. 1 if absent; `Infinity`: never. */
  readonly creditBatch?: number | undefined
  /** What becomes of a stream beyond the limit: refused, as over HTTP/2, or kept until there is room. `"refuse"` if absent. */
  readonly beyondLimit?: "refuse" | "wait" | undefined
  /** Whether the ends of streams are confirmed: without, closing or resetting one never completes. `true` if absent. */
  readonly confirmEnds?: boolean | undefined
  /** How many writes to a stream the client may have under way before it waits. 1 if absent. */
  readonly writeRoom?: number | undefined
  /**
   * What it does with a stream that the client opened, on a fiber that ends with the layer. The stream is reset when it fails; it stays open
   * when it succeeds. {@link echo} if absent.
   */
  readonly onStream?: ((stream: ServerStream, session: ServerSession) => Effect.Effect<void, unknown>) | undefined
  /**
   * The same for a stream on which only the client sends. Reads it to its end if absent.
   *
   * @since 0.2.0
   */
  readonly onUnidirectional?:
    | ((stream: ServerReceiveStream, session: ServerSession) => Effect.Effect<void, unknown>)
    | undefined
  /**
   * The most bytes of a datagram that the client may send. No limit if absent.
   *
   * @since 0.2.0
   */
  readonly maxDatagramSize?: number | undefined
}

/**
 * How the server treats sessions: all alike, or each by its number, from 0.
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
 * What a test sees and does.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Every session that was asked for so far, the oldest first. */
  readonly sessions: Effect.Effect<ReadonlyArray<ServerSession>>
  /** Treats sessions so that are asked for from here on. Replaces all of the behaviour before. */
  readonly behave: (behaviour: Behaviours) => Effect.Effect<void>
}

/**
 * The server's side of the sessions that `layer` makes.
 *
 * @since 0.1.0
 * @category services
 */
export class TestWebTransport extends Context.Tag("effect-pools/TestWebTransport")<TestWebTransport, Service>() {}

/**
 * Sends back what it is sent, and finishes when the client did.
 *
 * @since 0.1.0
 * @category handlers
 */
export const echo: (stream: ServerStream) => Effect.Effect<void, WebTransportError> = handlers.echo

/**
 * A WebTransport in memory, and the service that commands its server.
 *
 * **Gotchas**
 *
 * - Its server ends with the layer: provide it around all of a test, not around the making of a pool alone.
 * - Nothing is lost or reordered but by command, datagrams included.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Queue from "effect/Queue"
 * import * as SessionPool from "effect-pools/SessionPool"
 * import * as TestWebTransport from "effect-pools/TestWebTransport"
 *
 * // what `onDatagram` does with what the server sends
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
