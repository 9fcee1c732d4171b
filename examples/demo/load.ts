/** The measurements of the demo: requests over shared streams, pooled streams, a new stream each, and a new session each. */
import { Data, Effect, Option } from "effect"
import { RequestPool, SessionPool, StreamPool, WebTransport } from "effect-pools"

export interface Load {
  readonly requests: number
  /** How many fibers send the requests. */
  readonly concurrency: number
  /** In seconds. */
  readonly timeLimit: number
  /** Called after each request with how many are done. */
  readonly onProgress: (done: number) => void
}

export interface Row {
  /** How many requests were answered within the time limit. */
  readonly requests: number
  readonly sessionsOpened: number
  readonly requestsPerSecond: number
  /** Milliseconds. */
  readonly median: number
  readonly p99: number
  readonly reuseRatio: number
}

export class EchoError extends Data.TaggedError("EchoError")<{ readonly message: string }> {}

/** 100 bytes that differ from every other request. */
const messageOf = (id: number) => Buffer.from(`request ${id} `.padEnd(100, "."))

const check = (message: Buffer, answer: Uint8Array) =>
  message.equals(answer)
    ? Effect.void
    : new EchoError({ message: "an answer differs from its request; give the --url of an echo server" })

/** Sends a request on a new stream, and reads the answer to its end. */
const request = (session: WebTransport.Session, id: number) =>
  Effect.gen(function*() {
    const message = messageOf(id)
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(message)
    yield* stream.closeWrite
    yield* check(message, yield* readToEnd(stream))
  }).pipe(Effect.scoped)

const readToEnd = (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    for (;;) {
      const chunk = yield* stream.read
      if (Option.isNone(chunk)) return Buffer.concat(chunks)
      chunks.push(chunk.value)
    }
  })

/** Streams that requests share. */
export const sharedStreams = (load: Load) =>
  Effect.gen(function*() {
    const sessions = yield* SessionPool.SessionPool
    const pool = yield* RequestPool.RequestPool
    const figures = yield* measure(load, (id) => {
      const message = messageOf(id)
      return Effect.flatMap(pool.request(message), (answer) => check(message, answer))
    })
    const { created } = yield* sessions.stats
    // each request after the first one of a session uses it again
    return { ...figures, sessionsOpened: created, reuseRatio: 1 - created / figures.requests }
  })

/** Streams of the pool, each used for one request after the other. */
export const pooledStreams = (load: Load) =>
  Effect.gen(function*() {
    const sessions = yield* SessionPool.SessionPool
    const pool = yield* StreamPool.StreamPool
    const figures = yield* measure(load, (id) => {
      const message = messageOf(id)
      return pool.use((stream) =>
        Effect.gen(function*() {
          yield* stream.write(message)
          yield* check(message, yield* stream.readExactly(message.length))
        })
      )
    })
    const { reuseRatio } = yield* pool.stats
    return { ...figures, sessionsOpened: (yield* sessions.stats).created, reuseRatio }
  })

/** A stream per request on the sessions of the pool. */
export const pooledSessions = (load: Load) =>
  Effect.gen(function*() {
    const pool = yield* SessionPool.SessionPool
    const figures = yield* measure(load, (id) => pool.use((session) => request(session, id)))
    const stats = yield* pool.stats
    return { ...figures, sessionsOpened: stats.created, reuseRatio: stats.reuseRatio }
  })

/** A session per request. */
export const sessionPerRequest = (load: Load, url: string, options: WebTransport.ConnectOptions) =>
  Effect.gen(function*() {
    let sessionsOpened = 0
    const figures = yield* measure(load, (id) =>
      Effect.gen(function*() {
        const session = yield* WebTransport.connect(url, options)
        sessionsOpened++
        yield* request(session, id)
      }).pipe(Effect.scoped))
    return { ...figures, sessionsOpened, reuseRatio: 0 }
  })

/** Sends requests from many fibers until all are answered or the time is over. The first failure ends it. */
const measure = <E, R>(load: Load, send: (id: number) => Effect.Effect<void, E, R>) =>
  Effect.gen(function*() {
    const latencies: Array<number> = []
    const begin = performance.now()
    let end = begin
    let next = 0
    const fiber = Effect.gen(function*() {
      while (next < load.requests) {
        const sent = performance.now()
        yield* send(next++)
        end = performance.now()
        load.onProgress(latencies.push(end - sent))
      }
    })
    yield* Effect.replicateEffect(fiber, Math.min(load.concurrency, load.requests), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.timeoutOption(`${load.timeLimit} seconds`))

    if (latencies.length === 0) {
      return yield* new EchoError({
        message: `no answer within ${load.timeLimit} seconds; give the --url of an echo server`
      })
    }
    latencies.sort((a, b) => a - b)
    const quantile = (q: number) => latencies[Math.ceil(q * latencies.length) - 1]!
    return {
      requests: latencies.length,
      requestsPerSecond: latencies.length / (end - begin) * 1000,
      median: quantile(0.5),
      p99: quantile(0.99)
    }
  })
