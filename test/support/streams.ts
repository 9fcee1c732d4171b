/** Helpers of the tests of pooled streams. */
import type * as Cause from "#test/Cause"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import type * as Scope from "#test/Scope"
import type { PoolStats } from "effect-pools/PoolStats"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import type { ByteStream } from "../../src/internal/transport/byteStream.js"
import { can } from "./capabilities.js"
import { live, soon } from "./soon.js"
import type * as TestServer from "./TestServer.js"

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export const echo = (stream: WebTransport.BidirectionalStream, message = "hello") =>
  Effect.map(Effect.andThen(stream.write(bytes(message)), stream.readExactly(message.length)), text)

export const connect = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

export const sessionOptions = (server: TestServer.Service, path: string) => ({
  url: server.url(path),
  connect: { serverCertificateHashes: [{ value: server.hash }] }
})

export { soon } from "./soon.js"

/** Waits until the predicate holds. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, predicate: (a: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    effect,
    (a) => predicate(a) ? Effect.succeed(a) : Effect.andThen(live(Effect.sleep("2 millis")), until(effect, predicate))
  )

export const untilStats = (
  pool: { readonly stats: Effect.Effect<PoolStats> },
  predicate: (stats: PoolStats) => boolean
) => soon(until(pool.stats, predicate))

/**
 * Opens streams until the session grants no more, and holds them. If the session refuses none, more requests wait than it
 * grants (91, later 100 in moq 0.1.4), so that later requests wait behind them.
 */
export const fill = (session: WebTransport.Session): Effect.Effect<void, Cause.TimeoutException, Scope.Scope> =>
  Effect.suspend(() => {
    const open = Effect.isSuccess(session.createBidirectionalStream())
    if (can("refusesStreams")) return Effect.asVoid(Effect.repeat(open, { while: (granted) => granted }))
    let granted = 0
    const opening = Effect.forkScoped(Effect.map(open, () => granted++))
    return Effect.replicateEffect(opening, 110, { discard: true }).pipe(
      Effect.andThen(soon(until(Effect.sync(() => granted), (granted) => granted > 90))),
      Effect.asVoid
    )
  })

/** For tests that provoke warnings. */
export const silent = Logger.minimumLogLevel(LogLevel.None)

/** Runs fibers and the platform's promises until all of them wait. */
export const quiet: Effect.Effect<void> = Effect.replicateEffect(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  21,
  { discard: true }
)

const answer = (stream: TestWebTransport.ServerStream): Effect.Effect<void, WebTransportError> =>
  Effect.flatMap(
    stream.read,
    Option.match({
      onNone: () => stream.finish,
      onSome: (message) =>
        Effect.andThen(
          message[0] === bytes("-")[0] ? Effect.void : stream.write(message),
          Effect.suspend(() => answer(stream))
        )
    })
  )

/**
 * A server in memory that echoes all chunks, except those that begin with a dash: for the TestClock, and for behaviour that
 * no real server has.
 */
export const inMemory = (behaviour: TestWebTransport.Behaviours = {}) =>
  TestWebTransport.layer((index) => ({
    onStream: answer,
    ...(typeof behaviour === "function" ? behaviour(index) : behaviour)
  }))

/** A session to such a server. */
export const sessionInMemory = (behaviour?: TestWebTransport.Behaviours) =>
  Effect.flatMap(Layer.build(inMemory(behaviour)), (context) =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect("https://test/")
      const { sessions } = yield* TestWebTransport.TestWebTransport
      return { session, server: (yield* sessions)[0]! }
    }).pipe(Effect.provide(context)))

export interface StreamInMemory {
  readonly stream: WebTransport.BidirectionalStream
  /** The same stream, with its internals. */
  readonly internals: ByteStream
  /** The stream's other end, which never answers. */
  readonly peer: TestWebTransport.ServerStream
  /** The bytes that the peer has received, write by write. */
  readonly received: ReadonlyArray<Uint8Array>
  /** Sends to the client; each argument arrives as a chunk. */
  readonly send: (...chunks: ReadonlyArray<Uint8Array>) => void
}

export interface StreamInMemoryOptions extends Omit<TestWebTransport.Behaviour, "onStream"> {
  /** Whether the platform continues to use written bytes. */
  readonly retainsWrites?: boolean | undefined
}

/** Waits until all sent bytes have arrived. */
export const arrived: Effect.Effect<void> = Effect.replicateEffect(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  3,
  { discard: true }
)

const keepReading = (peer: TestWebTransport.ServerStream, received: Array<Uint8Array>): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    peer.read,
    Option.match({
      onNone: () => Effect.void,
      onSome: (chunk) => {
        received.push(chunk)
        return keepReading(peer, received)
      }
    })
  )

/** A session whose peer never answers, and a function that opens a stream. */
export const silentSession = ({ retainsWrites, ...behaviour }: StreamInMemoryOptions = {}) =>
  Effect.gen(function*() {
    const received = new Map<TestWebTransport.ServerStream, Array<Uint8Array>>()
    const context = yield* Layer.build(TestWebTransport.layer({
      ...behaviour,
      onStream: (peer) => {
        const chunks: Array<Uint8Array> = []
        received.set(peer, chunks)
        return keepReading(peer, chunks)
      }
    }))
    const session = yield* WebTransport.connect("https://test/").pipe(
      Effect.provideService(WebTransport.WebTransportConstructor, {
        ...Context.get(context, WebTransport.WebTransportConstructor),
        retainsWrites
      })
    )
    const [server] = yield* Context.get(context, TestWebTransport.TestWebTransport).sessions
    const open = Effect.gen(function*() {
      const stream = yield* session.createBidirectionalStream()
      const peer = server!.streams.at(-1)!
      // otherwise the stream would never end after a failed test
      yield* Effect.addFinalizer(() => peer.resume)
      return {
        stream,
        internals: stream as unknown as ByteStream,
        peer,
        received: received.get(peer)!,
        send: (...chunks) => chunks.forEach((chunk) => Effect.runSync(peer.write(chunk)))
      } satisfies StreamInMemory as StreamInMemory
    })
    return { session, server: server!, open }
  })

/** A stream of such a session. */
export const streamInMemory = (options?: StreamInMemoryOptions) =>
  Effect.flatMap(silentSession(options), ({ open }) => open)
