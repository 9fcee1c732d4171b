/** Measures the gain of shared streams, and of stream and session pools, with an echo server. */
import { Cause, ConfigProvider, Effect, Encoding, Exit, Layer, Logger, LogLevel } from "effect"
import { RequestError, RequestPool, SessionPoolLive, StreamPool, WebTransportError } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEchoServer } from "./echoServer.js"
import { pooledSessions, pooledStreams, sessionPerRequest, sharedStreams } from "./load.js"
import type { Options } from "./main.js"
import { printTable, withProgress } from "./output.js"

const connectTimeout = "5 seconds"

/** How many fibers share a session, so that every fiber has one. */
const shareOf = (options: Options) => Math.ceil(options.concurrency / options.maxSessions)

/** The environment of an application: `SESSION_POOL_URL=https://… SESSION_POOL_MAX_SIZE=4 …`. */
const environment = (options: Options, url: string, hash: string | undefined) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(
    new Map([
      ["SESSION_POOL_URL", url],
      ["SESSION_POOL_CERTIFICATE_HASHES", hash ?? ""],
      ["SESSION_POOL_MAX_SIZE", `${options.maxSessions}`],
      ["SESSION_POOL_CONCURRENCY", `${shareOf(options)}`],
      ["SESSION_POOL_CONNECT_TIMEOUT", connectTimeout]
    ]),
    { pathDelim: "_" }
  ))

const endpoint = (options: Options) =>
  options.url === undefined
    ? Effect.map(startEchoServer, ({ hash, port }) => ({
      url: `https://127.0.0.1:${port}/echo`,
      requestsUrl: `https://127.0.0.1:${port}/requests`,
      hash
    }))
    // an echo server repeats the id of a request, too
    : Effect.succeed({ url: options.url, requestsUrl: options.url, hash: options.certificateHash })

const demo = (options: Options) =>
  Effect.gen(function*() {
    const { concurrency, requests, timeLimit } = options
    const { hash, requestsUrl, url } = yield* endpoint(options)
    const sessionsTo = (url: string) => SessionPoolLive.pipe(Layer.provide(environment(options, url, hash)))

    const SessionsLive = sessionsTo(url)
    const StreamsLive = StreamPool.layer({ maxSize: concurrency, maxStreamsPerSession: shareOf(options) }).pipe(
      Layer.provideMerge(SessionsLive)
    )

    const RequestsLive = RequestPool.layer().pipe(Layer.provideMerge(sessionsTo(requestsUrl)))

    const most = requests * 20
    const shared = yield* withProgress("shared streams", most, (onProgress) =>
      sharedStreams({ requests: most, concurrency, timeLimit, onProgress })).pipe(Effect.provide(RequestsLive))

    const more = requests * 5
    const streams = yield* withProgress("pooled streams", more, (onProgress) =>
      pooledStreams({ requests: more, concurrency, timeLimit, onProgress })).pipe(Effect.provide(StreamsLive))

    const pooled = yield* withProgress("stream per request", requests, (onProgress) =>
      pooledSessions({ requests, concurrency, timeLimit, onProgress })).pipe(Effect.provide(SessionsLive))

    const fewer = Math.ceil(requests / 10)
    const value = hash === undefined ? undefined : yield* Encoding.decodeHex(hash)
    const serverCertificateHashes = value === undefined ? [] : [{ value }]
    const single = yield* withProgress("session per request", fewer, (onProgress) =>
      sessionPerRequest({ requests: fewer, concurrency, timeLimit, onProgress }, url, {
        connectTimeout,
        serverCertificateHashes
      }))

    printTable({
      "shared streams": shared,
      "pooled streams": streams,
      "stream per request, pooled sessions": pooled,
      "session per request": single
    })
    const isCut = shared.requests < most || streams.requests < more || pooled.requests < requests ||
      single.requests < fewer
    if (isCut) {
      yield* Effect.sync(() =>
        console.log(`A row ends after ${timeLimit} seconds, with as many requests as were answered.`)
      )
    }
  }).pipe(Effect.scoped, Effect.provide(NodeWebTransport.layer))

/** One line that says what to do. */
const describe = (failure: unknown): string => {
  const error = RequestError.isRequestError(failure) ? failure.cause ?? failure : failure
  if (WebTransportError.isWebTransportError(error) && error.reason.startsWith("Connect")) {
    return `${error.detail}; check that a WebTransport server listens there, serves this path, and has a certificate ` +
      "that is trusted or given with --certificate-hash"
  }
  return error instanceof Error ? error.message : String(error)
}

/** Sets the exit code. The process ends by itself, since nothing stays open. */
export const run = async (options: Options): Promise<void> => {
  const controller = new AbortController()
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.on(signal, () => {
      process.exitCode = code
      controller.abort()
    })
  }
  // hides the pools' logs: one line below reports a failure
  const quiet = Logger.withMinimumLogLevel(demo(options), LogLevel.None)
  const exit = await Effect.runPromiseExit(quiet, { signal: controller.signal })
  if (Exit.isFailure(exit) && !controller.signal.aborted) {
    console.error(`error: ${describe(Cause.squash(exit.cause)).replaceAll(/\s+/g, " ")}`)
    process.exitCode = 1
  }
}
