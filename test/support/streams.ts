/** What tests of pooled streams have in common. */
import type { PoolStats } from "effect-pools/PoolStats"
import * as WebTransport from "effect-pools/WebTransport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import type * as TestServer from "./TestServer.js"

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export const echo = (stream: WebTransport.BidirectionalStream, message = "hello") =>
  Effect.map(Effect.zipRight(stream.write(bytes(message)), stream.readExactly(message.length)), text)

export const connect = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

/** Opens streams until the session grants no more, and holds them. */
export const fill = (session: WebTransport.Session): Effect.Effect<void, never, Scope.Scope> =>
  Effect.repeat(
    Effect.isSuccess(live(Effect.timeout(session.createBidirectionalStream(), "500 millis"))),
    { while: (granted) => granted }
  )

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
