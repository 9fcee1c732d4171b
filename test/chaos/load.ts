/** Fibers that send messages all the time, check every answer, and retry if that does no harm. */
import * as Framing from "effect-pools/Framing"
import { isPoolError } from "effect-pools/PoolError"
import { isRequestError } from "effect-pools/RequestError"
import type * as RequestPool from "effect-pools/RequestPool"
import type * as SessionPool from "effect-pools/SessionPool"
import type * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import { createHash } from "node:crypto"
import type { Lag } from "./lag.js"

/** How long a borrower waits, and how long a whole request may take, in milliseconds. */
export const acquireTimeout = 1_000
export const requestTimeout = 1_500
/** The allowed delay of a timer, in addition to the delay of the event loop. */
export const slack = 300
const thinkTime = 15

export interface Pools {
  readonly sessions: SessionPool.Service
  readonly streams: StreamPool.Service
  /** The server counts how often each message of this pool arrives. */
  readonly audited: StreamPool.Service
  /** The same for this pool, whose requests share streams. */
  readonly shared: RequestPool.Service
}

/** Counts successes and failures. */
export class Tally {
  requests = 0
  answers = 0
  retries = 0
  interrupted = 0
  timedOut = 0
  /** Failures by name, of borrowers and requests. */
  readonly failures = new Map<string, number>()
  readonly violations: Array<string> = []
  /** Faults after which the load came back late, which may also happen on a busy machine. */
  readonly slow: Array<string> = []
  longestWait = 0
  /** The number of answers of each pool in each `bucket` since the start. */
  readonly rates: Readonly<Record<keyof Pools, Array<number>>> = {
    sessions: [],
    streams: [],
    audited: [],
    shared: []
  }
  lastAnswer: number
  longestStall = 0
  /** A time of `performance.now()`. */
  readonly start: number

  constructor(start: number) {
    this.start = start
    this.lastAnswer = start
  }

  answered(pool: keyof Pools): void {
    const now = performance.now()
    this.answers++
    const at = Math.floor((now - this.start) / bucket)
    const rate = this.rates[pool]
    rate[at] = (rate[at] ?? 0) + 1
    this.longestStall = Math.max(this.longestStall, now - this.lastAnswer)
    this.lastAnswer = now
  }

  failed(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1)
  }

  violation(what: string): void {
    this.violations.push(`${((performance.now() - this.start) / 1_000).toFixed(2)} s: ${what}`)
  }
}

/** Milliseconds. */
export const bucket = 50

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const checksum = (text: string): string => createHash("sha1").update(text).digest("base64url").slice(0, 12)

let sequence = 0

/** A unique number, a checksum, and random text of random length. */
export const newMessage = (random: PCGRandom): string => {
  const body = `${++sequence} ${random.number().toString(36).repeat(1 + random.integer(120))}`
  return `m${checksum(body)} ${body}`
}

/** The problem with an answer; undefined for a right answer. */
export const faultOf = (message: string, answer: Uint8Array): string | undefined => {
  const text = decoder.decode(answer)
  if (text === message) return undefined
  const [sum = "", ...rest] = text.split(" ")
  return sum === `m${checksum(rest.join(" "))}`
    ? `the answer to message ${rest[0]} came for message ${message.split(" ")[1]}`
    : `a corrupted answer of ${answer.length} bytes to message ${message.split(" ")[1]} of ${message.length}`
}

/** `lent`: the borrower calls it when it has its item. */
type Send = (pools: Pools, message: string, lent: () => void) => Effect.Effect<Uint8Array | undefined, unknown>

interface Way {
  readonly pool: keyof Pools
  readonly fibers: number
  readonly send: Send
}

const frame = (message: string): Uint8Array => Either.getOrThrow(Framing.encode(encoder.encode(message)))

export const exchange = (stream: WebTransport.BidirectionalStream, message: string) =>
  Effect.zipRight(stream.write(frame(message)), Effect.map(Framing.read(stream), Option.getOrUndefined))

/** Ways to send a message and get an answer. */
export const ways: Readonly<Record<string, Way>> = {
  "a stream on a pooled session": {
    pool: "sessions",
    fibers: 10,
    send: ({ sessions }, message, lent) =>
      sessions.use((session) => {
        lent()
        return Effect.scoped(
          Effect.flatMap(session.createBidirectionalStream(), (stream) => exchange(stream, message))
        )
      })
  },
  "use": {
    pool: "streams",
    fibers: 12,
    send: ({ streams }, message, lent) =>
      streams.use((stream) => {
        lent()
        return exchange(stream, message)
      })
  },
  "get": {
    pool: "streams",
    fibers: 6,
    send: ({ streams }, message, lent) =>
      Effect.scoped(Effect.flatMap(streams.get, (stream) => {
        lent()
        // the first answer has to be right, too
        return Effect.flatMap(exchange(stream, message), (first) =>
          first === undefined || faultOf(message, first) !== undefined
            ? Effect.succeed(first)
            : exchange(stream, message))
      }))
  },
  "request": { pool: "streams", fibers: 12, send: ({ streams }, message) => streams.request(encoder.encode(message)) },
  "request with ids": {
    pool: "streams",
    fibers: 12,
    send: ({ streams }, message) => streams.request(encoder.encode(message), { correlate: true })
  }
}

/** Ways whose messages are sent again only if they certainly were not sent. */
export const auditedWays: Readonly<Record<string, Way>> = {
  "audited": {
    pool: "audited",
    fibers: 2,
    send: ({ audited }, message) => audited.request(encoder.encode(message), { correlate: true })
  },
  "shared": { pool: "shared", fibers: 24, send: ({ shared }, message) => shared.request(encoder.encode(message)) },
  "shared, three answers": {
    pool: "shared",
    fibers: 6,
    send: ({ shared }, message) => {
      const request = thrice(message)
      const answers = shared.requestStream(encoder.encode(request), { shared: true, isLast: isThird })
      return Effect.map(Stream.runCollect(answers), (all) => {
        const texts = Chunk.toReadonlyArray(all).map((answer) => decoder.decode(answer))
        const wrong = [0, 1, 2].find((i) => texts[i] !== `${i} ${request}`)
        // the answer to another message tells which
        return encoder.encode(wrong === undefined ? message : texts[wrong]?.replace(/^\d each 3 5 /, "") ?? "")
      })
    }
  }
}

/** Three answers, 5 ms apart: see `framed.ts`. */
const thrice = (message: string) => `each 3 5 ${message}`
const isThird = (answer: Uint8Array) => answer[0] === 0x32

/** The number of a message that the server has received; undefined for others. */
export const numberOf = (received: string): number | undefined => {
  const number = /^(?:each 3 5 )?m\S+ (\d+)/.exec(received)?.[1]
  return number === undefined ? undefined : Number(number)
}

export const nameOf = (error: unknown): string => {
  if (isRequestError(error)) {
    return error.cause === undefined ? `RequestError ${error.reason}` : nameOf(error.cause)
  }
  const { _tag: tag, reason } = error as { readonly _tag?: string; readonly reason?: string }
  return tag === undefined ? String(error) : reason === undefined ? tag : `${tag} ${reason}`
}

const isTyped = (error: unknown): boolean => typeof (error as { readonly _tag?: unknown })._tag === "string"

/** Whether a request that must not be done twice may be sent again. */
const wasNotSent = (error: unknown): boolean => isRequestError(error) && error.sent === "no"

export interface Load {
  readonly tally: Tally
  readonly lag: Lag
  /** The current pools: a fault may replace them. */
  readonly pools: () => Pools
  /** Requests under way, for the fault that interrupts some. */
  readonly underWay: Set<Fiber.RuntimeFiber<unknown, unknown>>
  /** Requests that the fault has interrupted. */
  readonly interrupted: WeakSet<Fiber.RuntimeFiber<unknown, unknown>>
  readonly isOver: () => boolean
}

/** A fiber that sends messages in one way. */
export const worker = (
  load: Load,
  name: string,
  { pool, send }: Way,
  isHarmless: boolean,
  random: PCGRandom
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { tally, underWay } = load
    let message = newMessage(random)
    while (!load.isOver()) {
      const begun = performance.now()
      tally.requests++
      const lent = () => {
        const waited = performance.now() - begun
        const late = slack + load.lag.between(begun, begun + waited)
        if (waited > acquireTimeout + late) tally.violation(`${name}: was lent something after ${waited.toFixed(0)} ms`)
      }
      const request = yield* Effect.fork(
        Effect.timeoutFail(Effect.suspend(() => send(load.pools(), message, lent)), {
          duration: requestTimeout,
          onTimeout: () => "timed out"
        })
      )
      underWay.add(request)
      const exit = yield* Fiber.await(request)
      underWay.delete(request)
      const took = performance.now() - begun
      tally.longestWait = Math.max(tally.longestWait, took)
      const late = slack + load.lag.between(begun, begun + took)
      if (took > requestTimeout + late) tally.violation(`${name}: took ${took.toFixed(0)} ms`)
      let isAgain = false
      if (Exit.isSuccess(exit)) {
        const fault = exit.value === undefined ? undefined : faultOf(message, exit.value)
        if (fault !== undefined) tally.violation(`${name}: ${fault}`)
        if (exit.value === undefined) tally.failed("finished instead of answering")
        else tally.answered(pool)
        isAgain = exit.value === undefined && isHarmless
      } else if (Exit.isInterrupted(exit)) {
        tally.interrupted++
        if (!load.interrupted.has(request)) tally.violation(`${name}: was interrupted by nobody`)
      } else {
        const error = exit.cause._tag === "Fail" ? exit.cause.error : undefined
        if (error === "timed out") tally.timedOut++
        else if (error === undefined || !isTyped(error)) tally.violation(`${name}: ${String(exit.cause)}`)
        else {
          tally.failed(nameOf(error))
          const cause = isRequestError(error) ? error.cause : error
          if (isPoolError(cause) && took > acquireTimeout + late) {
            tally.violation(`${name}: ${cause.reason} after ${took.toFixed(0)} ms`)
          }
        }
        isAgain = isHarmless || wasNotSent(error)
      }
      if (isAgain) tally.retries++
      else message = newMessage(random)
      yield* Effect.sleep(random.integer(2 * thinkTime))
    }
  })
