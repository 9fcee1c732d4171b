/** Helpers of the tests of request pools. */
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import type * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Framing from "effect-pools/Framing"
import type { RequestError } from "effect-pools/RequestError"
import { isRequestError } from "effect-pools/RequestError"
import * as RequestPool from "effect-pools/RequestPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { bytes, connect, failure, text } from "./streamPools.js"
import * as TestServer from "./TestServer.js"

export const ask = (pool: RequestPool.Service, request: string): Effect.Effect<string, RequestError> =>
  Effect.map(pool.request(bytes(request)), text)

export const error = (exit: Exit.Exit<unknown, unknown>): RequestError => {
  const error = failure(exit)
  if (!isRequestError(error)) throw new Error(`not a RequestError: ${String(error)}`)
  return error
}

export const collect = <E>(answers: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(answers), (all) => Array.from(all, text))

/** The last answer to `many <n> …`. */
export const isNumber = (n: number) => (message: Uint8Array) => text(message).startsWith(`${n} `)

export const joinAll = <A, E>(fibers: ReadonlyArray<Fiber.RuntimeFiber<A, E>>): Effect.Effect<ReadonlyArray<A>, E> =>
  Effect.forEach(fibers, (fiber) => Fiber.join(fiber))

type Options = RequestPool.Options<unknown, never>

/** A pool of requests over one session of the test's server. */
export const poolAt = (path: string, options: Options = {}, streams: StreamPool.Options = {}) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const session = yield* connect(server, path)
    const streamPool = yield* StreamPool.make({ session, maxSize: 8, openTimeout: "20 seconds", ...streams })
    const pool = yield* RequestPool.make({ streamPool, ...options })
    return { server, path, session, streamPool, pool, counts: server.statsOf(path) }
  })

/**
 * A server in memory. It answers `hold …` when the test says so, `many <n> …` with n messages, `silence …` never, and
 * anything else with the request.
 */
export const peer = () => {
  const held = new Map<string, Deferred.Deferred<void>>()
  const seen: Array<string> = []
  const answer = (message: Uint8Array): Effect.Effect<Uint8Array> | Stream.Stream<Uint8Array> => {
    const request = text(message)
    const [verb, argument] = request.split(" ")
    seen.push(request)
    switch (verb) {
      case "hold":
        return Effect.flatMap(Deferred.make<void>(), (deferred) => {
          held.set(request, deferred)
          return Effect.as(Deferred.await(deferred), message)
        })
      case "many":
        return Stream.map(Stream.range(0, Number(argument) - 1), (i) => bytes(`${i} ${request}`))
      case "size":
        return Effect.succeed(new Uint8Array(Number(argument)))
      case "silence":
        return Effect.never
      default:
        return Effect.succeed(message)
    }
  }
  const release = (request: string) => Effect.suspend(() => Deferred.succeed(held.get(request)!, undefined))
  return { answer, held, release, seen }
}

interface MemoryOptions {
  readonly pool?: Options
  readonly streams?: StreamPool.Options
  readonly behaviour?: TestWebTransport.Behaviour
  readonly serve?: Framing.ServeOptions
}

/** A pool of requests over one session in memory. */
export const inMemory = ({ behaviour, pool: options, serve, streams }: MemoryOptions = {}) =>
  Effect.gen(function*() {
    const { answer, held, release, seen } = peer()
    const correlate = options?.correlate ?? true
    const context = yield* Layer.build(
      TestWebTransport.layer({ onStream: TestWebTransport.serve(answer, { correlate, ...serve }), ...behaviour })
    )
    const session = yield* Effect.provide(WebTransport.connect("https://test/"), context)
    const [server] = yield* Context.get(context, TestWebTransport.TestWebTransport).sessions
    const streamPool = yield* StreamPool.make({ session, maxSize: 8, ...streams })
    const pool = yield* RequestPool.make({ streamPool, shutdownGrace: 0, ...options })
    return { session, server: server!, streamPool, pool, held, release, seen }
  })

/** The peer's end of a stream that speaks by hand. */
export interface RawPeer {
  /** The messages that have come, without ids. */
  readonly requests: Array<string>
  readonly ids: Array<number>
  /** The chunks in which they came. */
  chunks: number
  readonly stream: TestWebTransport.ServerStream
  /** Answers the n-th request. */
  readonly answer: (n: number, answer?: string) => Effect.Effect<void>
  readonly send: (id: number, answer: string) => Effect.Effect<void>
}

/** Peers that answer only when the test says so, in the order of their streams. */
export const rawPeers = () => {
  const peers: Array<RawPeer> = []
  const onStream = (stream: TestWebTransport.ServerStream) =>
    Effect.suspend(() => {
      const decoder = Framing.makeDecoder()
      const send = (id: number, answer: string) =>
        Effect.suspend(() => stream.write(Either.getOrThrow(Framing.encode(bytes(answer), { id }))))
      const peer: RawPeer = {
        requests: [],
        ids: [],
        chunks: 0,
        stream,
        send,
        answer: (n, answer = peer.requests[n]!) => send(peer.ids[n]!, answer)
      }
      peers.push(peer)
      const read: Effect.Effect<void, unknown> = Effect.flatMap(
        stream.read,
        Option.match({
          onNone: () => Effect.void,
          onSome: (chunk) =>
            Effect.gen(function*() {
              peer.chunks++
              decoder.push(chunk)
              for (;;) {
                const message = Either.getOrThrow(decoder.next())
                if (Option.isNone(message)) break
                const { id, message: request } = Either.getOrThrow(Framing.splitId(message.value))
                peer.ids.push(id)
                peer.requests.push(text(request))
              }
              return yield* read
            })
        })
      )
      return read
    })
  return { peers, onStream }
}
