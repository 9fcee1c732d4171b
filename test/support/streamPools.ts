/** Helpers of the tests of stream pools. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Socket from "#test/Socket"
import * as StreamPool from "effect-pools/StreamPool"
import * as WebTransport from "effect-pools/WebTransport"
import * as Option from "effect/Option"
import { soon } from "./soon.js"
import * as TestServer from "./TestServer.js"

export const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text))
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

export { soon } from "./soon.js"

/** Lets the event loop turn. */
export const turn: Effect.Effect<void> = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Waits until the predicate holds. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, predicate: (a: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    effect,
    (a) => predicate(a) ? Effect.succeed(a) : Effect.andThen(turn, until(effect, predicate))
  )

/** The counts when no stream is lent: an answer may come before the platform reports its request as written. */
export const allBack = (pool: StreamPool.Service) => soon(until(pool.stats, ({ leases }) => leases === 0))

export const failure = <E>(exit: Exit.Exit<unknown, E>): E =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

export const echo = (stream: WebTransport.BidirectionalStream, message: string) =>
  Effect.map(Effect.andThen(stream.write(bytes(message)), stream.readExactly(message.length)), text)

export const connect = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

export const sessionOptions = (server: TestServer.Service, path: string) => ({
  url: server.url(path),
  connect: { serverCertificateHashes: [{ value: server.hash }] }
})

/**
 * A pool with room for one stream, unless the options say otherwise, over one session, which may take time to grant the
 * stream.
 */
export const poolAt = <E = never, R = never>(path: string, options: StreamPool.Options<E, R> = {}) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const session = yield* connect(server, path)
    const pool = yield* StreamPool.make({ session, maxSize: 1, openTimeout: "20 seconds", ...options })
    const socket = Socket.runner(yield* pool.makeSocket)
    return { server, session, pool: Object.assign(pool, { socket }), counts: server.statsOf(path) }
  })
