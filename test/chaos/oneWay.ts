/**
 * Messages without answers, over their own slow network. A sender returns as soon as its message is accepted. Every message
 * that was sent in success has to arrive to the last byte, even if its stream and session end meanwhile.
 */
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { PCGRandom } from "effect/Utils"
import { messageOf } from "../support/oneWay.js"
import type * as TestServer from "../support/TestServer.js"
import { leftIn } from "./leftovers.js"
import type { Tally } from "./load.js"
import * as Network from "./network.js"

/** Bytes a second. */
const slowest = 100_000
const fastest = 2_000_000
/** How long the network keeps its rate, in milliseconds. */
const rateLasts = 4_000
const largest = 400_000
/** The maximum number of bytes under way: more would take too long to arrive. */
const mostUnderWay = 2_000_000
const fibers = 6
const path = "/oneway"
/** How long the remaining bytes may take at the end, at the slowest rate, with some reserve. */
const arrivesWithin = 2 * mostUnderWay / slowest * 1_000

export interface Sent {
  sent: number
  bytes: number
  arrived: number
  /** Messages sent in success that did not arrive completely. */
  cut: number
  /** Messages whose senders failed or were interrupted. */
  givenUp: number
}

export interface OneWayOptions {
  readonly proxy: "tcp" | "udp"
  readonly seed: number
  /**
   * Whether sessions are closed for their age or use, as soon as the transport has taken all their bytes. If the transport
   * drops bytes at a close, no session is closed, and nothing else may close one.
   */
  readonly mayClose: boolean
}

type Link = { readonly server: TestServer.Service; readonly tally: Tally }

/** Sends until `isOver`, then waits until all messages have arrived. */
export const oneWay = ({ server, tally }: Link, options: OneWayOptions, isOver: () => boolean) =>
  Effect.gen(function*() {
    const { mayClose } = options
    const random = new PCGRandom(options.seed)
    const proxy = yield* Network.start(options.proxy, server.port)
    const pace = Effect.suspend(() =>
      proxy.set({ state: "open", delay: 0, rate: slowest * (fastest / slowest) ** random.number() })
    )
    const pacing = yield* Effect.fork(Effect.forever(Effect.zipRight(pace, Effect.sleep(rateLasts))))
    const sessions = (options: SessionPool.CommonOptions) =>
      SessionPool.make({
        url: `https://127.0.0.1:${proxy.port}${path}`,
        connect: { serverCertificateHashes: [{ value: server.hash }] },
        maxSize: 3,
        // the transport may need this long to send all bytes
        retireGrace: arrivesWithin,
        ...options
      })
    const beneath = yield* sessions({ idleTimeToLive: mayClose ? 500 : undefined })
    const streams = yield* StreamPool.make({
      sessionPool: beneath,
      maxSize: 8,
      // each stream carries a single message
      maxUses: 1,
      maxStreamsOpened: mayClose ? 20 : Infinity
    })
    const plain = yield* sessions(mayClose ? { maxUses: 3, idleTimeToLive: 300 } : {})

    const counts: Sent = { sent: 0, bytes: 0, arrived: 0, cut: 0, givenUp: 0 }
    const underWay = new Map<number, number>()
    let left = 0
    let numbers = 0

    const settle = (message: number): void => {
      left -= underWay.get(message) ?? 0
      underWay.delete(message)
    }
    const collect = Effect.map(server.command("arrivals", { path }), (arrivals) => {
      for (const { bytes, isFinished, isWhole, message } of arrivals) {
        if (message === undefined || !underWay.has(message)) {
          if (isFinished) tally.violation(`one way: a message was finished after ${bytes} bytes that was given up`)
          continue
        }
        if (isWhole && isFinished) counts.arrived++
        else {
          counts.cut++
          tally.violation(
            `one way: message ${message} was ${isFinished ? "finished" : "cut"} after ${bytes} of ${
              underWay.get(message)
            } bytes`
          )
        }
        settle(message)
      }
    })
    const collecting = yield* Effect.fork(Effect.forever(Effect.delay(collect, 250)))

    /** Writes the bytes in one or many writes. */
    const write = (stream: Pick<WebTransport.SendStream, "write">, bytes: Uint8Array) => {
      const size = Math.ceil(bytes.length / (1 + random.integer(4)))
      const pieces = Array.from(
        { length: Math.ceil(bytes.length / size) },
        (_, i) => bytes.subarray(i * size, (i + 1) * size)
      )
      return Effect.forEach(pieces, (piece) => stream.write(piece), { discard: true })
    }

    const worker = Effect.gen(function*() {
      while (!isOver()) {
        if (left > mostUnderWay) {
          yield* Effect.sleep(50)
          continue
        }
        const bytes = messageOf(++numbers, 8 + random.integer(random.integer(4) === 0 ? largest : 4_000))
        const number = numbers
        underWay.set(number, bytes.length)
        left += bytes.length
        const sending = random.integer(2) === 0
          ? streams.use((stream) => write(stream, bytes))
          : plain.use((session) =>
            Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => write(stream, bytes)))
          )
        const fiber = yield* Effect.fork(sending)
        if (random.integer(20) === 0) {
          yield* Effect.zipRight(Effect.sleep(random.integer(20)), Fiber.interruptFork(fiber))
        }
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) {
          counts.sent++
          counts.bytes += bytes.length
        } else {
          counts.givenUp++
          settle(number)
          if (!Exit.isInterrupted(exit)) tally.failed(`one way: ${String(exit.cause).slice(0, 80)}`)
        }
        yield* Effect.sleep(random.integer(20))
      }
    })
    const workers = yield* Effect.replicateEffect(Effect.fork(worker), fibers)
    yield* Fiber.joinAll(workers)
    yield* Effect.timeoutOption(
      Effect.iterate(0, { while: () => underWay.size > 0, body: () => Effect.delay(Effect.succeed(0), 100) }),
      arrivesWithin
    )
    yield* Fiber.interruptAll([collecting, pacing])
    yield* collect
    if (underWay.size > 0) {
      counts.cut += underWay.size
      tally.violation(`one way: ${underWay.size} messages of ${left} bytes did not arrive at all`)
    }
    return { counts, pools: [streams, beneath, plain] }
  }).pipe(
    Effect.scoped,
    Effect.flatMap(({ counts, pools }) =>
      Effect.as(
        Effect.forEach(pools, (pool) =>
          Effect.map(leftIn(pool), (left) =>
            left === undefined ? undefined : tally.violation(`one way: ${left}`))),
        counts
      )
    )
  )
