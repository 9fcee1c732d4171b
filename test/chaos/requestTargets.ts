/** The targets of the fuzzer that share streams: pools of requests, and `Framing.serve` at the other end. */
import * as Framing from "effect-pools/Framing"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as TestServer from "../support/TestServer.js"
import { type Target, type Used, wrong } from "./judge.js"
import { leftIn } from "./leftovers.js"
import { configs, type Environment, hello, isHello, options, pieces, session } from "./targets.js"

const ofRequests = [
  "maxStreams",
  "maxInFlight",
  "correlate",
  "maxMessageSize",
  "maxBatch",
  "maxBuffered",
  "maxWaiters",
  "acquireTimeout",
  "shutdownGrace",
  "silenceTimeout",
  "checkTimeout"
]

const requestKeys = [
  "NAME",
  "MAX_STREAMS",
  "MAX_IN_FLIGHT",
  "CORRELATE",
  "MAX_MESSAGE_SIZE",
  "MAX_BATCH",
  "MAX_BUFFERED",
  "MAX_WAITERS",
  "ACQUIRE_TIMEOUT",
  "SHUTDOWN_GRACE",
  "METRICS"
]

const isLast = () => true

/** Sends requests in every way, closes the pool, and checks that nothing is left. */
const useUpRequests = <E1>(used: Used, make: Effect.Effect<RequestPool.Service, E1, Environment>) =>
  Effect.gen(function*() {
    const pool = yield* Effect.scoped(Effect.tap(make, (pool) =>
      Effect.gen(function*() {
        const ask = Effect.flatMap(pool.request(hello), isHello)
        const asking = yield* Effect.replicateEffect(Effect.fork(ask), 4)
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(asking[1]!)
        for (const fiber of asking) {
          yield* Effect.flatMap(Fiber.await(fiber), (exit) => used.judge(exit, fiber === asking[1]))
        }
        for (const shared of [false, true]) {
          yield* used.once(Stream.runForEach(pool.requestStream(hello, { shared, isLast }), isHello))
        }
        // larger than every small batch
        const large = new Uint8Array(2_000).fill(45)
        yield* used.once(Effect.flatMap(
          pool.request(large),
          (answer) => Buffer.compare(answer, large) === 0 ? Effect.void : wrong("another answer")
        ))
        yield* used.once(ask)
      })))
    const left = yield* leftIn(pool)
    if (left !== undefined) yield* wrong(left)
  })

/** Asks for these bytes as an answer while another request is in flight, which they may answer; then for a right answer. */
const provoke = (used: Used, pool: RequestPool.Service, chunks: ReadonlyArray<Uint8Array>, end: string) => {
  const words = [end, ...chunks.map((chunk) => Buffer.from(chunk).toString("hex"))]
  const provoking = pool.request(new TextEncoder().encode(words.join(" ")))
  return Effect.zipRight(
    Effect.all([used.once(provoking), used.once(pool.request(hello))], { concurrency: "unbounded" }),
    used.once(Effect.flatMap(pool.request(hello), isHello))
  )
}

const request = Either.getOrThrow(Framing.encode(Framing.withId(7, hello)))

/** Sends a right request and these bytes to a server, which has to answer the request, or to end the stream. */
const disturb = (session: WebTransport.Session, chunks: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(Effect.gen(function*() {
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(request)
    for (const chunk of chunks) yield* stream.write(chunk)
    yield* stream.closeWrite
    for (;;) if (Option.isNone(yield* Framing.read(stream))) return
  }))

export const requestTargets = (server: TestServer.Service): ReadonlyArray<Target<any>> => {
  const toFramed = {
    url: server.url("/framed?ids=1&fuzzRequests"),
    connect: { serverCertificateHashes: [{ value: server.hash }] }
  }
  return [
    options("RequestPool", ofRequests, 120, (options, used) =>
      Effect.flatMap(
        SessionPool.make(toFramed),
        (sessionPool) => useUpRequests(used, RequestPool.make({ ...options, sessionPool }))
      )),
    configs("RequestPool, nested", requestKeys.map((key) => `REQUESTS_${key}`), {}, (used) =>
      useUpRequests(
        used,
        RequestPool.layerConfig(Config.nested(RequestPool.config, "REQUESTS")).pipe(
          Layer.provide(SessionPool.layer(toFramed)),
          Layer.build,
          Effect.map(Context.get(RequestPool.RequestPool))
        )
      )),
    {
      what: "frames of a peer, answers on shared streams",
      arbitrary: FastCheck.array(
        FastCheck.record({ chunks: pieces, end: FastCheck.constantFrom("raw", "rawReset") }),
        { minLength: 1, maxLength: 8 }
      ),
      cases: 60,
      run: (answers: ReadonlyArray<{ readonly chunks: ReadonlyArray<Uint8Array>; readonly end: string }>, used: Used) =>
        Effect.flatMap(SessionPool.make(toFramed), (sessionPool) =>
          Effect.flatMap(
            RequestPool.make({ sessionPool, maxStreams: 2, maxMessageSize: 4_096 }),
            (pool) => Effect.forEach(answers, ({ chunks, end }) => provoke(used, pool, chunks, end))
          )),
      names: () => []
    },
    {
      what: "requests of a client, served",
      arbitrary: FastCheck.array(pieces, { minLength: 1, maxLength: 8 }),
      cases: 60,
      run: (streams: ReadonlyArray<ReadonlyArray<Uint8Array>>, used: Used) =>
        Effect.flatMap(session(server, "/served?fuzz&maxMessageSize=64"), (session) =>
          Effect.zipRight(
            Effect.forEach(streams, (chunks) => used.once(disturb(session, chunks))),
            // the session is not hurt
            disturb(session, [])
          )),
      names: () => []
    }
  ]
}
