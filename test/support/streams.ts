/** What tests of pooled streams have in common. */
import type { PoolStats } from "effect-pools/PoolStats"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as TestServer from "./TestServer.js"

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export const echo = (stream: WebTransport.BidirectionalStream, message = "hello") =>
  Effect.map(Effect.zipRight(stream.write(bytes(message)), stream.readExactly(message.length)), text)

export const connect = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

export const sessionOptions = (server: TestServer.Service, path: string) => ({
  url: server.url(path),
  connect: { serverCertificateHashes: [{ value: server.hash }] }
})

/** The time of the machine, whatever the clock of the test. */
const live = Effect.withClock(Clock.make())

/** The real time limit of whatever a test waits for. */
export const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) => live(Effect.timeout(effect, "15 seconds"))

/** Waits until it is so. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, predicate: (a: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    effect,
    (a) => predicate(a) ? Effect.succeed(a) : Effect.zipRight(live(Effect.sleep("2 millis")), until(effect, predicate))
  )

export const untilStats = (
  pool: { readonly stats: Effect.Effect<PoolStats> },
  predicate: (stats: PoolStats) => boolean
) => soon(until(pool.stats, predicate))

/** For tests that provoke warnings. */
export const silent = Logger.minimumLogLevel(LogLevel.None)

/** Lets fibers, and what the platform promises, run until all wait for something. */
export const quiet: Effect.Effect<void> = Effect.repeatN(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  20
)

const answer = (stream: TestWebTransport.ServerStream): Effect.Effect<void, WebTransportError> =>
  Effect.flatMap(
    stream.read,
    Option.match({
      onNone: () => stream.finish,
      onSome: (message) =>
        Effect.zipRight(
          message[0] === bytes("-")[0] ? Effect.void : stream.write(message),
          Effect.suspend(() => answer(stream))
        )
    })
  )

/** A server in memory that echoes all but what begins with a dash: for the TestClock, and what no real one does. */
export const inMemory = (behaviour: TestWebTransport.Behaviours = {}) =>
  TestWebTransport.layer((index) => ({
    onStream: answer,
    ...(typeof behaviour === "function" ? behaviour(index) : behaviour)
  }))

/** A session to one. */
export const sessionInMemory = (behaviour?: TestWebTransport.Behaviours) =>
  Effect.flatMap(Layer.build(inMemory(behaviour)), (context) =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect("https://test/")
      const { sessions } = yield* TestWebTransport.TestWebTransport
      return { session, server: (yield* sessions)[0]! }
    }).pipe(Effect.provide(context)))
