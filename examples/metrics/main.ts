/**
 * `npx tsx examples/metrics/main.ts`: runs pools under load until Ctrl-C, and exports what they report: metrics for
 * Prometheus on http://127.0.0.1:9464/metrics, a table every ten seconds, and with `OTEL_EXPORTER_OTLP_ENDPOINT` (such as
 * http://127.0.0.1:4318) metrics, spans and logs to a collector. `grafana-dashboard.json` beside this file shows the metrics.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Random, Schedule } from "effect"
import { BufferPool, PoolStats, RequestPool, SessionPool, StreamPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEndpoint } from "../support/endpoint.js"
import { metricsPort, TelemetryLive } from "./telemetry.js"

const program = Effect.gen(function*() {
  const { connect, url } = yield* startEndpoint
  const sessions = yield* SessionPool.make({
    // an application lists its replicas here
    endpoints: [{ url }],
    // and here the permits of a limit that its processes share
    permit: Effect.void,
    connect,
    name: "sessions",
    maxSize: 2,
    concurrency: 4,
    maxLifetime: "1 minute",
    histograms: true
  })
  const streams = yield* StreamPool.make({ name: "streams", sessionPool: sessions, maxSize: 6, histograms: true })
  const requests = yield* RequestPool.make({ name: "requests", streamPool: streams, maxStreams: 2 })
  const buffers = yield* BufferPool.make({ name: "buffers", bufferSize: 16_384, maxBuffers: 16 })

  /** Sends some bytes of a pooled buffer and reads their echo. */
  const echo = Effect.gen(function*() {
    const length = yield* Random.nextIntBetween(1, 16_384)
    yield* buffers.use(
      (bytes) => streams.use((stream) => Effect.zipRight(stream.write(bytes.slice()), stream.readExactly(length))),
      { length }
    )
  }).pipe(Effect.timeout("5 seconds"), Effect.withSpan("echo"))

  // an echo repeats the id of a request, too
  const ask = Effect.forEach(["one", "two", "three"], (text) => requests.request(new TextEncoder().encode(text)), {
    concurrency: "unbounded",
    discard: true
  }).pipe(Effect.timeout("5 seconds"), Effect.withSpan("ask"))

  const pause = Effect.flatMap(Random.nextIntBetween(0, 20), (millis) => Effect.sleep(millis))
  const client = Effect.zipRight(echo, ask).pipe(
    Effect.catchAllCause(Effect.logError),
    Effect.zipRight(pause),
    Effect.forever
  )

  const report = Effect.all([sessions.stats, streams.stats, buffers.stats, requests.stats]).pipe(
    Effect.flatMap((stats) => Console.log(`${PoolStats.pretty(...stats)}\n`))
  )

  yield* Effect.zipRight(echo, ask)
  yield* Console.log(`metrics: http://127.0.0.1:${yield* metricsPort}/metrics`)
  yield* Effect.fork(Effect.repeat(report, Schedule.spaced("10 seconds")))
  // more clients than streams, so that some wait
  yield* Effect.all(Array.from({ length: 12 }, () => client), { concurrency: "unbounded", discard: true })
})

NodeRuntime.runMain(
  program.pipe(Effect.scoped, Effect.provide([NodeWebTransport.layerHttp2, TelemetryLive]))
)
