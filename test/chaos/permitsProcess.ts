/**
 * One process of the fleet in `permits.ts`: a pool with permits from Redis, and requests through it. Obeys each line of JSON
 * on stdin (`Order`), and prints each wait of a borrower that took long, and its figures each second. When stdin ends, it
 * closes its pools and ends.
 */
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import * as RedisPermits from "effect-pools/RedisPermits"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { createInterface } from "node:readline"

export interface Setup {
  readonly permits: RedisPermits.Options
  readonly url: string
  readonly hashHex: string
  readonly kind: "sessions" | "streams"
  readonly maxSize: number
  readonly workers: number
  readonly closeTimeout: number
}

export interface Order {
  /** How many of the workers send requests. */
  readonly load: number
  /** How many milliseconds each keeps its session or stream after the answer. */
  readonly keep: number
}

/** `at`: when the borrower got its item, or the process its turn, by the wall clock. */
export type Line =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Waited" | "Stalled"; readonly millis: number; readonly at: number }
  | {
    readonly _tag: "Figures"
    readonly answers: number
    readonly failures: number
    readonly commands: number
    readonly lastFailure: string | undefined
  }

const setup: Setup = JSON.parse(process.argv[2]!)
const say = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const message = new TextEncoder().encode("hello")

const figures = { answers: 0, failures: 0, lastFailure: undefined as string | undefined }
let order: Order = { load: 0, keep: 0 }

const waited = (since: number) => {
  const millis = performance.now() - since
  if (millis > 200) say({ _tag: "Waited", millis, at: Date.now() })
}

const watchTurns = () => {
  let last = performance.now()
  setInterval(() => {
    const millis = performance.now() - last
    if (millis > setup.closeTimeout) say({ _tag: "Stalled", millis, at: Date.now() })
    last = performance.now()
  }, 50)
}

const echo = (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    yield* stream.write(message)
    yield* stream.closeWrite
    while ((yield* stream.read)._tag === "Some") {
      // to the end
    }
  })

const ask = (stream: WebTransport.BidirectionalStream) =>
  Effect.andThen(stream.write(message), stream.readExactly(message.length))

const program = Effect.gen(function*() {
  const permits = yield* RedisPermits.make(setup.permits)
  const { permit } = permits
  const sessionPool = yield* SessionPool.make({
    url: setup.url,
    connect: { serverCertificateHashes: [{ value: Uint8Array.from(Buffer.from(setup.hashHex, "hex")) }] },
    maxSize: setup.maxSize,
    acquireTimeout: "30 seconds",
    closeTimeout: setup.closeTimeout,
    createBackoff: { max: 500 },
    rideOut: "30 seconds",
    permit
  })
  const streams = setup.kind === "streams"
    ? yield* StreamPool.make({ sessionPool, maxSize: 100, maxStreamsPerSession: 4 })
    : undefined
  const request = Effect.suspend((): Effect.Effect<unknown, unknown> => {
    const since = performance.now()
    const use = (stream: WebTransport.BidirectionalStream) => Effect.andThen(echo(stream), Effect.sleep(order.keep))
    if (streams !== undefined) {
      // it writes and reads one message, so that the stream stays as good as new
      return streams.use((stream) => {
        waited(since)
        return Effect.andThen(ask(stream), Effect.sleep(order.keep))
      })
    }
    return sessionPool.use((session) => {
      waited(since)
      return Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), use))
    })
  })
  const worker = (number: number) =>
    Effect.gen(function*() {
      for (;;) {
        if (number < order.load) {
          const exit = yield* Effect.exit(Effect.timeout(request, "40 seconds"))
          if (Exit.isSuccess(exit)) figures.answers++
          else {
            figures.failures++
            figures.lastFailure = String(exit.cause).slice(0, 300)
          }
        }
        yield* Effect.sleep(number < order.load ? "10 millis" : "50 millis")
      }
    })
  yield* Effect.forEach(
    Array.from({ length: setup.workers }, (_, number) => number),
    (number) => Effect.forkScoped(worker(number))
  )
  watchTurns()
  say({ _tag: "Ready" })
  for (;;) {
    yield* Effect.sleep("1 second")
    const { commands } = yield* permits.stats
    say({ _tag: "Figures", ...figures, commands })
  }
})

const running = Effect.runFork(
  program.pipe(Effect.scoped, Effect.provide([NodeWebTransport.layerHttp2, Logger.remove(Logger.defaultLogger)]))
)
createInterface({ input: process.stdin })
  .on("line", (line) => {
    order = JSON.parse(line)
  })
  .on("close", () => Effect.runFork(Effect.andThen(Fiber.interrupt(running), Effect.sync(() => process.exit()))))
