/**
 * Pools over a list of three servers that are killed, stopped and replaced, one or two at a time. One server is always
 * well, so no borrower may see an error, except for requests that were on the others.
 */
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { type NativeWebTransport, WebTransportConstructor } from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { PCGRandom } from "effect/Utils"
import * as TestServer from "../support/TestServer.js"
import type { Lag } from "./lag.js"
import { leftIn } from "./leftovers.js"
import { exchange, faultOf, nameOf, newMessage, slack, type Tally } from "./load.js"
import { type EndpointFault, endpointKinds, endpointSchedule } from "./schedule.js"

/** On each of the two pools. */
const fibers = 32
/** Milliseconds, as all times here. */
const thinkTime = 100
const requestTimeout = 1_500
const acquireTimeout = 5_000
/**
 * Below the 100 streams that a session may open at first: over HTTP/3 the credit of ended streams comes back with a garbage
 * collection (@moq/web-transport 0.1.4), so that the 100th stream may wait for seconds.
 */
const maxUses = 90
const interval = 1_000
const checkTimeout = 1_000
/** Pings of idle sessions wait for a turn, half of the sessions at a time, until those before them are slow. */
const pingTurns = 500
/** The longest that a session is lent whose server is dead, and nothing has told. */
const unseen = interval + checkTimeout + pingTurns
/** A longer wait for a session, beside servers that are away, is reported. */
const longestWait = 1_000
/** How long after the last fault every endpoint must have sessions again. */
const backWithin = 10_000

/** A fault that has begun. Times are those of `performance.now()`. */
interface Outage {
  readonly fault: EndpointFault
  readonly ports: ReadonlyArray<number>
  readonly began: number
  /** When the servers died or stopped: a removed one lives on for a while. */
  diedAt: number
  endedAt: number
  /** The longest wait for a session meanwhile. */
  longestWait: number
  /** Requests that failed on its servers. */
  lost: number
}

/** What the pools did, and what was done to their endpoints. */
export interface FleetReport {
  readonly outages: ReadonlyArray<Outage>
  readonly answers: number
  readonly sessions: number
  readonly ejections: number
}

/** Whether the pool closed the session, since its server did not answer a ping: on a busy machine a server may be too slow. */
const isPingUnanswered = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && exit.cause._tag === "Fail" &&
  String(exit.cause.error).includes("within checkTimeout of a ping")

interface Request {
  readonly begun: number
  readonly lentAt: number | undefined
  readonly ended: number
  /** The server of its session; `undefined`: a stream does not know. */
  readonly port: number | undefined
}

/** The first three are listed. */
type Fleet = Array<TestServer.Service>

export const startFleet = (options: TestServer.Options) =>
  Effect.all(Array.from({ length: 4 }, () => TestServer.start(options)), { concurrency: 2 })

/** The ports of the servers by native session: a session does not know its endpoint. */
const notePorts = Effect.map(WebTransportConstructor, (constructor) => {
  const ports = new WeakMap<NativeWebTransport, number>()
  const noting: typeof constructor = {
    ...constructor,
    construct: (url, ...others) => {
      const native = constructor.construct(url, ...others)
      ports.set(native, Number(new URL(url).port))
      return native
    }
  }
  return { noting, ports }
})

const makePools = (hash: Uint8Array<ArrayBuffer>, endpoints: SessionPool.EndpointsOptions["endpoints"]) =>
  Effect.gen(function*() {
    const sessionsOf = (options: SessionPool.CommonOptions) =>
      SessionPool.make({
        endpoints,
        connect: { serverCertificateHashes: [{ value: hash }], connectTimeout: 2_000 },
        minSize: 6,
        maxSize: 6,
        acquireTimeout,
        createBackoff: { initial: 10, max: 500 },
        keepAlive: { interval, ping: SessionPool.pingStream() },
        checkTimeout,
        baseEjectionTime: 1_000,
        maxEjectionTime: 2_000,
        failbackAfter: 1_000,
        shutdownGrace: 1_000,
        ...options
      })
    const sessions = yield* sessionsOf({ concurrency: 8, maxUses })
    const beneath = yield* sessionsOf({})
    const streams = yield* StreamPool.make({
      sessionPool: beneath,
      maxSize: 24,
      maxStreamsPerSession: 4,
      maxStreamsOpened: 100,
      acquireTimeout
    })
    return { sessions, beneath, streams }
  })

type FleetPools = Effect.Effect.Success<ReturnType<typeof makePools>>

interface Options {
  readonly seed: number
  readonly duration: number
  readonly tally: Tally
  readonly lag: Lag
}

/** Sends until the time is over, and all endpoints are back. */
export const fleet = (servers: Fleet, { duration, lag, seed, tally }: Options) =>
  Effect.gen(function*() {
    const { noting, ports } = yield* notePorts
    const listed = servers.slice(0, 3)
    let spare = servers[3]!
    const entries = () => listed.map((server) => ({ url: server.url("/echo?fleet") }))
    const list = yield* SubscriptionRef.make<ReadonlyArray<SessionPool.Endpoint>>(entries())
    const outages: Array<Outage> = []
    let answers = 0
    /** What a busy machine may cause, too. */
    const slow = { answers: 0, waits: 0, longest: 0 }
    let isOver = false

    // --- the faults

    const inject = (fault: EndpointFault) =>
      Effect.gen(function*() {
        const victims = fault.places.map((place) => listed[place]!)
        const outage: Outage = {
          fault,
          ports: victims.map(({ port }) => port),
          began: performance.now(),
          diedAt: Infinity,
          endedAt: Infinity,
          longestWait: 0,
          lost: 0
        }
        outages.push(outage)
        const die = (what: "kill" | "stop") =>
          Effect.suspend(() => {
            outage.diedAt = performance.now()
            return Effect.forEach(victims, (victim) => victim[what], { concurrency: "unbounded" })
          })
        const restart = Effect.forEach(victims, ({ restart }) => restart, { concurrency: "unbounded" })
        switch (fault.kind) {
          case "kill":
            yield* Effect.all([die("kill"), Effect.sleep(fault.lasts), restart])
            break
          case "stop":
            yield* Effect.all([
              die("stop"),
              Effect.sleep(fault.lasts),
              Effect.forEach(victims, ({ resume }) => resume)
            ])
            break
          case "replace": {
            const [victim] = victims
            listed[fault.places[0]!] = spare
            spare = victim!
            yield* Effect.all([SubscriptionRef.set(list, entries()), Effect.sleep(fault.lasts), die("kill"), restart])
          }
        }
        outage.endedAt = performance.now()
      })

    // --- verdicts

    const judge = (
      name: string,
      message: string,
      exit: Exit.Exit<Uint8Array | undefined, unknown>,
      request: Request
    ) => {
      const { begun, ended, lentAt, port } = request
      const late = slack + lag.between(begun, ended)
      const waited = (lentAt ?? ended) - begun
      for (const outage of outages) {
        if (outage.began < (lentAt ?? ended) && begun < outage.endedAt) {
          outage.longestWait = Math.max(outage.longestWait, waited)
        }
      }
      if (waited > longestWait + late) {
        slow.waits++
        slow.longest = Math.max(slow.longest, waited)
      }
      if (Exit.isSuccess(exit) && exit.value !== undefined) {
        answers++
        const fault = faultOf(message, exit.value)
        if (fault !== undefined) tally.violation(`${name}: ${fault}`)
        return
      }
      const what = Exit.isSuccess(exit)
        ? "finished instead of answering"
        : exit.cause._tag === "Fail"
        ? nameOf(exit.cause.error)
        : String(exit.cause)
      if (lentAt === undefined) return tally.violation(`${name}: no session beside one that is well: ${what}`)
      const outage = outages.findLast(({ diedAt, endedAt, ports }) =>
        diedAt <= ended && begun <= Math.max(endedAt, diedAt + unseen) + late &&
        (port === undefined || ports.includes(port))
      )
      if (outage !== undefined) outage.lost++
      else if (what === "timed out" || isPingUnanswered(exit)) slow.answers++
      else tally.violation(`${name}: a request failed at a server that is well: ${what}`)
    }

    // --- the load

    type Ask = (
      pools: FleetPools,
      message: string,
      lent: (native?: NativeWebTransport) => void
    ) => Effect.Effect<Uint8Array | undefined, unknown>

    const answered = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.timeoutFail(effect, { duration: requestTimeout, onTimeout: () => "timed out" as const })

    const ways: Readonly<Record<string, Ask>> = {
      "fleet, sessions": ({ sessions }, message, lent) =>
        sessions.use((session) => {
          lent(session.native)
          return answered(
            Effect.scoped(
              Effect.flatMap(session.createBidirectionalStream(), (stream) => exchange(stream, message))
            )
          )
        }),
      "fleet, streams": ({ streams }, message, lent) =>
        streams.use((stream) => {
          lent()
          return answered(exchange(stream, message))
        })
    }

    const worker = (pools: FleetPools, name: string, ask: Ask, random: PCGRandom) =>
      Effect.gen(function*() {
        while (!isOver) {
          yield* Effect.sleep(random.integer(2 * thinkTime))
          const message = newMessage(random)
          const begun = performance.now()
          let lentAt: number | undefined
          let port: number | undefined
          const exit = yield* Effect.exit(ask(pools, message, (native) => {
            lentAt = performance.now()
            port = native === undefined ? undefined : ports.get(native)
          }))
          judge(name, message, exit, { begun, lentAt, ended: performance.now(), port })
        }
      })

    /** Waits until every endpoint of the list has sessions again. */
    const allBack = (name: string, pool: SessionPool.Service) =>
      Effect.gen(function*() {
        for (const deadline = performance.now() + backWithin;;) {
          const away = (yield* pool.endpoints).filter(({ sessions, state }) => state !== "Removed" && sessions === 0)
          if (away.length === 0) return
          if (performance.now() > deadline) {
            return tally.violation(
              `${name}: no sessions to ${away.map(({ endpoint, state }) => `${endpoint} (${state})`).join(", ")}`
            )
          }
          yield* Effect.sleep(50)
        }
      })

    const pools = yield* Effect.scoped(Effect.gen(function*() {
      const pools = yield* Effect.provideService(
        makePools(servers[0]!.hash, list.changes),
        WebTransportConstructor,
        noting
      )
      let ejections = 0
      const random = new PCGRandom(seed)
      const start = performance.now()
      const workers = yield* Effect.forEach(
        Object.entries(ways).flatMap((way) => Array.from({ length: fibers }, () => way)),
        ([name, ask]) => Effect.fork(worker(pools, name, ask, new PCGRandom(random.integer(0x7fff_ffff))))
      )
      for (const fault of endpointSchedule(seed, duration)) {
        yield* Effect.sleep(Math.max(0, start + fault.at - performance.now()))
        // servers may have been slow to start again
        if (performance.now() - start + fault.lasts > duration) break
        yield* inject(fault)
      }
      yield* Effect.sleep(Math.max(0, start + duration - performance.now()))
      for (const name of ["sessions", "beneath"] as const) {
        yield* allBack(`fleet, ${name}`, pools[name])
        for (const endpoint of yield* pools[name].endpoints) ejections += endpoint.ejections
      }
      isOver = true
      yield* Fiber.joinAll(workers)
      return { ...pools, ejections }
    }))
    for (const pool of [pools.sessions, pools.beneath, pools.streams]) {
      const left = yield* leftIn(pool)
      if (left !== undefined) tally.violation(`fleet: ${left}`)
    }
    if (slow.waits > 0) {
      tally.slow.push(`fleet: ${slow.waits} borrowers waited long for a session, up to ${slow.longest.toFixed(0)} ms`)
    }
    if (slow.answers > 0) {
      tally.slow.push(`fleet: ${slow.answers} times no answer for ${requestTimeout} ms from a server that is well`)
    }
    const sessions = (yield* pools.sessions.stats).created + (yield* pools.beneath.stats).created
    return { outages, answers, sessions, ejections: pools.ejections } satisfies FleetReport
  })

/** For each kind: faults, servers hit, the longest wait for a session, and the requests that were lost. */
export const rowsOf = ({ outages }: FleetReport) =>
  endpointKinds.map((kind) => {
    const all = outages.filter(({ fault }) => fault.kind === kind)
    return {
      kind,
      faults: all.length,
      servers: all.reduce((sum, { ports }) => sum + ports.length, 0),
      longestWait: Math.max(0, ...all.map(({ longestWait }) => longestWait)),
      lost: all.reduce((sum, { lost }) => sum + lost, 0)
    }
  })
