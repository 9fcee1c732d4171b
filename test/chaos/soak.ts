/** The main of the soak's process. */
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import type { RequestPoolStats } from "effect-pools/PoolStats"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as WebTransport from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import { PCGRandom } from "effect/Utils"
import { table } from "../../benchmark/harness/format.js"
import type { Stats } from "../support/protocol.js"
import { networkSockets } from "../support/resources.js"
import * as TestServer from "../support/TestServer.js"
import { fleet, type FleetReport, rowsOf, startFleet } from "./fleet.js"
import { type Findings, fuzz } from "./fuzz.js"
import { type Lag, watchLag } from "./lag.js"
import { leftIn } from "./leftovers.js"
import { acquireTimeout, auditedWays, bucket, type Load, numberOf, type Pools, Tally, ways, worker } from "./load.js"
import * as Network from "./network.js"
import { oneWay, type Sent } from "./oneWay.js"
import { calm, describe, type Fault, kinds, schedule } from "./schedule.js"

export interface Options {
  readonly minutes: number
  readonly seed: number
  readonly protocol: "http2" | "http3"
}

const options: Options = JSON.parse(process.argv[2]!)
const duration = options.minutes * 60_000

/** Differences between the protocols. */
const protocols = {
  http2: {
    proxy: "tcp" as const,
    /** Whether a closing session sends all written bytes first. */
    deliversBeforeClose: true,
    constructor: () => Promise.resolve(NodeWebTransport.layerHttp2),
    /** Milliseconds after the end until all resources have to be gone. */
    graceAfter: 5_000
  },
  http3: {
    proxy: "udp" as const,
    deliversBeforeClose: false,
    constructor: async () => WebTransport.layerConstructor((await import("../../examples/support/moq.js")).Session),
    // for the native handles of connections whose peer is dead
    graceAfter: 35_000
  }
}
const protocol = protocols[options.protocol]

const backoffCap = 500
const connectTimeout = 2_000
const keepAliveInterval = 1_000
/** The limit from the end of a fault to the end of a second with half of the earlier load. */
const recoveryLimit = backoffCap + connectTimeout + 2_000
const mebibyte = 1 << 20
const maxSessions = 3
const maxStreams = 24
/** Streams per session: few, so that the memory that the transport keeps per stream does not disturb the figures. */
const mostStreams = 100
/** More messages than a run of eight hours sends. */
const mostMessages = 1 << 26

/** The server counts how often each message came. */
const auditedPaths = { audited: "/framed?ids=1", shared: "/framed?ids=1&shared" }

// -----------------------------------------------------------------------------
// The pools
// -----------------------------------------------------------------------------

const makePools = (server: TestServer.Service, proxy: Network.Proxy) =>
  Effect.gen(function*() {
    const sessionsTo = (path: string, concurrency: number) =>
      SessionPool.make({
        url: `https://127.0.0.1:${proxy.port}${path}`,
        connect: { serverCertificateHashes: [{ value: server.hash }], connectTimeout },
        maxSize: maxSessions,
        concurrency,
        // the memory that the transport keeps per stream goes with its session
        maxUses: concurrency === 1 ? undefined : mostStreams,
        acquireTimeout,
        createBackoff: { initial: 10, max: backoffCap },
        keepAlive: { interval: keepAliveInterval, ping: SessionPool.pingStream() },
        checkTimeout: 1_000,
        shutdownGrace: 1_000
      })
    const streamsOn = (sessionPool: SessionPool.Service) =>
      StreamPool.make({
        sessionPool,
        maxSize: maxStreams,
        maxStreamsPerSession: 8,
        maxStreamsOpened: mostStreams,
        acquireTimeout
      })
    const sessions = yield* sessionsTo("/echo", 10)
    const beneath = yield* sessionsTo("/echo?streams", 1)
    const beneathAudited = yield* sessionsTo(auditedPaths.audited, 1)
    const beneathShared = yield* sessionsTo(auditedPaths.shared, 1)
    const streams = yield* streamsOn(beneath)
    const audited = yield* streamsOn(beneathAudited)
    const shared = yield* RequestPool.make({
      sessionPool: beneathShared,
      maxStreams: 3,
      maxInFlight: 8,
      // larger messages take streams of their own
      maxBatch: 1_000,
      acquireTimeout,
      keepAlive: { ping: SessionPool.pingStream() },
      silenceTimeout: keepAliveInterval,
      checkTimeout: 1_000,
      shutdownGrace: 1_000
    })
    return { sessions, streams, audited, shared, beneath, beneathAudited, beneathShared }
  })

interface Open {
  readonly pools: Pools & Readonly<Record<"beneath" | "beneathAudited" | "beneathShared", SessionPool.Service>>
  readonly scope: Scope.CloseableScope
}

const open = (server: TestServer.Service, proxy: Network.Proxy) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const pools = yield* Scope.extend(makePools(server, proxy), scope)
    return { pools, scope } satisfies Open
  })

// -----------------------------------------------------------------------------
// The faults
// -----------------------------------------------------------------------------

interface World {
  readonly server: TestServer.Service
  readonly proxy: Network.Proxy
  readonly load: Load
  readonly tally: Tally
  /** How often each message came, by its number, in earlier lives of the server. Outside of the heap. */
  readonly came: Uint8Array
  current: Open
  /** The figures of closed pools of requests. */
  readonly figures: Array<RequestPoolStats>
}

/** Runs at the end of each life of the server: no message may have come twice in all lives. */
const audit = ({ came, server, tally }: World) =>
  Effect.forEach(Object.values(auditedPaths), (path) =>
    Effect.map(server.command("requests", { path }), (counts) => {
      for (const [message, count] of Object.entries(counts)) {
        const number = numberOf(message)
        if (number === undefined) continue
        came[number]! += count
        if (came[number]! > 1) tally.violation(`message ${number} came ${came[number]} times`)
      }
    }), { discard: true })

const within = (world: World, what: string, millis: number, effect: Effect.Effect<unknown>) =>
  Effect.flatMap(Effect.timeoutOption(effect, millis), (outcome) =>
    Effect.sync(() => {
      if (outcome._tag === "None") world.tally.violation(`${what} took more than ${millis} ms`)
    }))

const replacePools = (world: World): Effect.Effect<void, never, WebTransport.WebTransportConstructor> =>
  Effect.gen(function*() {
    const { pools, scope } = world.current
    world.current = yield* open(world.server, world.proxy)
    yield* within(
      world,
      "draining",
      8_000,
      Effect.all([pools.streams.drain, pools.audited.drain, pools.shared.drain, pools.sessions.drain], {
        concurrency: "unbounded",
        discard: true
      })
    )
    yield* closePools(world, { pools, scope })
  })

/** Closes the pools. Nothing may be left in them, or in the session pools beneath them. */
const closePools = (world: World, { pools, scope }: Open): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* within(world, "closing", 8_000, Scope.close(scope, Exit.void))
    world.figures.push(yield* pools.shared.stats)
    const all: ReadonlyArray<SessionPool.Service | StreamPool.Service | RequestPool.Service> = Object.values(pools)
    for (const pool of all) {
      const left = yield* leftIn(pool)
      if (left !== undefined) world.tally.violation(left)
    }
  })

/** Injects a fault and removes it. */
const inject = (
  world: World,
  { kind, lasts, value }: Fault
): Effect.Effect<void, never, WebTransport.WebTransportConstructor> => {
  const { load, proxy, server } = world
  const pause = Effect.sleep(lasts)
  const healthy = proxy.set({ state: "open", delay: 0 })
  const onStreams = (what: "fin" | "reset" | "stop") =>
    Effect.forEach(
      ["/echo", "/echo?streams", auditedPaths.shared],
      (path) => server.command("onStreams", { do: what, path }),
      {
        discard: true
      }
    )
  switch (kind) {
    case "kill":
      return Effect.zipRight(Effect.zipRight(audit(world), server.kill), Effect.zipRight(pause, server.restart))
    case "stop":
      return Effect.zipRight(server.stop, Effect.zipRight(pause, server.resume))
    case "cut":
      return Effect.zipRight(proxy.set({ state: "cut", delay: 0 }), Effect.zipRight(pause, healthy))
    case "stall":
      return Effect.zipRight(proxy.set({ state: "stalled", delay: 0 }), Effect.zipRight(pause, healthy))
    case "delay":
      return Effect.zipRight(proxy.set({ state: "open", delay: value }), Effect.zipRight(pause, healthy))
    case "closeSessions":
      return Effect.asVoid(server.command("closeSessions", { code: value, reason: "chaos" }))
    case "reset":
      return onStreams("reset")
    case "finish":
      return onStreams("fin")
    case "stopSending":
      return onStreams("stop")
    case "interrupt":
      return Effect.forEach([...load.underWay].slice(0, value), (fiber) => {
        load.interrupted.add(fiber)
        return Fiber.interruptFork(fiber)
      }, { discard: true })
    case "resize": {
      const { sessions, streams } = world.current.pools
      return Effect.all([
        streams.resize({ maxSize: value }),
        sessions.resize({ maxSize: 1 }),
        pause,
        streams.resize({ maxSize: maxStreams }),
        sessions.resize({ maxSize: maxSessions })
      ], { discard: true })
    }
    case "drain":
      return replacePools(world)
  }
}

/** A past fault: when it began and ended, in milliseconds after the start. */
interface Injected {
  readonly fault: Fault
  readonly began: number
  readonly ended: number
}

const drive = (world: World, faults: ReadonlyArray<Fault>, start: number, injected: Array<Injected>) =>
  Effect.forEach(faults, (fault) =>
    Effect.gen(function*() {
      yield* Effect.sleep(Math.max(0, start + fault.at - performance.now()))
      const began = performance.now() - start
      yield* inject(world, fault)
      injected.push({ fault, began, ended: performance.now() - start })
    }), { discard: true })

// -----------------------------------------------------------------------------
// Verdicts
// -----------------------------------------------------------------------------

const answersIn = (rate: ReadonlyArray<number>, from: number, millis: number): number => {
  let sum = 0
  for (let at = Math.ceil(from / bucket); at < (from + millis) / bucket; at++) sum += rate[at] ?? 0
  return sum
}

/** Milliseconds from the end of a fault to the end of the first second with half of the load before the fault. */
const recovery = (rate: ReadonlyArray<number>, { began, ended }: Injected): number => {
  // after an incomplete recovery the next fault is measured against the calm, not against the reduced load
  const inCalm = answersIn(rate, 2_000, calm - 2_000) / (calm - 2_000) * 1_000
  const before = Math.max(answersIn(rate, began - 2_000, 2_000) / 2, inCalm / 2)
  for (let from = ended; from < ended + 30_000; from += bucket) {
    if (answersIn(rate, from, 1_000) >= before / 2) return from + 1_000 - ended
  }
  return Infinity
}

interface Sample {
  readonly minute: number
  readonly heap: number
  readonly buffers: number
  readonly resident: number
}

/** Objects that one collection finalizes are freed by the next collection, after a turn of the event loop. */
const collect = Effect.replicateEffect(
  Effect.zipRight(Effect.sync(() => globalThis.gc!()), Effect.sleep(1)),
  4,
  { discard: true }
)

const sample = (start: number): Effect.Effect<Sample> =>
  Effect.map(collect, () => {
    const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
    return {
      minute: (performance.now() - start) / 60_000,
      heap: heapUsed / mebibyte,
      buffers: arrayBuffers / mebibyte,
      resident: rss / mebibyte
    }
  })

/** The slope in MB per minute, by least squares. */
const slope = (samples: ReadonlyArray<Sample>): number => {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, one) => sum + of(one), 0) / samples.length
  const [x, y] = [mean(({ minute }) => minute), mean(({ heap }) => heap)]
  return mean(({ heap, minute }) => (minute - x) * (heap - y)) / mean(({ minute }) => (minute - x) ** 2)
}

const mb = (value: number) => `${value.toFixed(1)} MB`
const millis = (value: number) => Number.isFinite(value) ? `${value.toFixed(0)} ms` : "never"

/** In shorter runs the second half is too short to tell a rise from the noise of the collector. */
const isLongEnough = options.minutes >= 4

const reportMemory = (tally: Tally, samples: ReadonlyArray<Sample>): string => {
  const warmAt = Math.min(1, options.minutes / 4)
  const warm = samples.find(({ minute }) => minute >= warmAt) ?? samples[0]!
  const last = samples.at(-1)!
  const rise = slope(samples.filter(({ minute }) => minute >= options.minutes / 2))
  if (isLongEnough && rise > 1) tally.violation(`the heap rose by ${mb(rise)} a minute over the second half`)
  if (last.heap - warm.heap > 10) tally.violation(`the heap ended ${mb(last.heap - warm.heap)} above its warm value`)
  return table(["memory", "warm", "at the end", "most"], [
    ["heap, collected", mb(warm.heap), mb(last.heap), mb(Math.max(...samples.map(({ heap }) => heap)))],
    ["array buffers", mb(warm.buffers), mb(last.buffers), mb(Math.max(...samples.map(({ buffers }) => buffers)))],
    ["resident", mb(warm.resident), mb(last.resident), mb(Math.max(...samples.map(({ resident }) => resident)))]
  ]) +
    `\n\nThe heap rose by ${mb(rise)} a minute over the second half${
      isLongEnough ? "" : " (no verdict on runs of less than four minutes)"
    }.`
}

const reportFaults = (tally: Tally, injected: ReadonlyArray<Injected>, lag: Lag): string => {
  for (const [pool, rate] of Object.entries(tally.rates)) {
    if (answersIn(rate, 0, calm) === 0) tally.violation(`${pool}: no answer in the calm before the faults`)
  }
  const rows = kinds.toSorted().flatMap((kind) => {
    const times = injected.filter(({ fault }) => fault.kind === kind).map((one) => {
      // the recovery of the slowest pool
      const time = Math.max(...Object.values(tally.rates).map((rate) => recovery(rate, one)))
      // while the machine stands still, no pool recovers
      const from = tally.start + one.ended
      if (time > recoveryLimit + lag.between(from, from + Math.min(time, 2 * recoveryLimit))) {
        tally.slow.push(
          `after ${kind}, which ended at ${(one.ended / 1_000).toFixed(2)} s, the load was back after ${millis(time)}`
        )
      }
      return time
    }).toSorted((a, b) => a - b)
    return times.length === 0
      ? []
      : [[kind, String(times.length), millis(times[times.length >> 1]!), millis(times.at(-1)!)]]
  })
  return `${
    table(["faults", "times", "median recovery", "longest recovery"], rows)
  }\n\n${injected.length} faults of ${rows.length} of ${kinds.length} kinds.`
}

const reportLoad = (tally: Tally, lag: number): string =>
  table(["load", ""], [
    ["requests", tally.requests.toLocaleString("en")],
    ["right answers", tally.answers.toLocaleString("en")],
    ["sent again", tally.retries.toLocaleString("en")],
    ["outcome unknown: timed out", tally.timedOut.toLocaleString("en")],
    ["outcome unknown: interrupted", tally.interrupted.toLocaleString("en")],
    ["longest wait of one request", millis(tally.longestWait)],
    ["longest time without any answer", millis(tally.longestStall)],
    ["latest that a timer of this process was", millis(lag)],
    ...[...tally.failures].toSorted(([a], [b]) => a < b ? -1 : 1).map(([what, count]) =>
      [`failed: ${what}`, count.toLocaleString("en")] as const
    )
  ])

const reportShared = (figures: World["figures"]): string => {
  const sum = (of: (stats: RequestPoolStats) => number) => figures.reduce((sum, stats) => sum + of(stats), 0)
  return table(["pools of requests", ""], [
    ["requests", sum(({ requests }) => requests).toLocaleString("en")],
    ["sent on shared streams", sum(({ sent }) => sent).toLocaleString("en")],
    ["writes", sum(({ batches }) => batches).toLocaleString("en")],
    ["given up by their callers", sum(({ abandoned }) => abandoned).toLocaleString("en")],
    ["late answers, dropped", sum(({ lateAnswers }) => lateAnswers).toLocaleString("en")],
    ["failed", sum(({ failures }) => failures).toLocaleString("en")],
    ["answered", sum(({ answered }) => answered).toLocaleString("en")]
  ])
}

const reportFuzz = (tally: Tally, findings: ReadonlyArray<Findings>): string => {
  for (const { wrong } of findings) for (const what of wrong) tally.violation(what)
  return table(
    ["bad input", "cases", "typed error", "defect that names it", "accepted", "then used", "with success"],
    findings.map((
      { accepted, cases, defects, refused, successes, uses, what }
    ) => [what, ...[cases, refused, defects, accepted, uses, successes].map(String)])
  )
}

const reportFleet = (report: FleetReport): string => {
  const rows = rowsOf(report)
  const servers = rows.reduce((sum, row) => sum + row.servers, 0)
  return `${
    table(
      ["one or two of three servers", "times", "servers", "longest wait for a session", "requests lost there"],
      rows.map(({ faults, kind, longestWait, lost, servers }) => [
        kind,
        String(faults),
        String(servers),
        millis(longestWait),
        String(lost)
      ])
    )
  }\n\n${servers} servers hit; ${
    report.answers.toLocaleString("en")
  } right answers, ${report.sessions} sessions, ${report.ejections} ejections.`
}

const reportSent = ({ arrived, bytes, cut, givenUp, sent }: Sent): string =>
  table(["one way, over a slow network", "messages"], [
    [`sent in success, ${mb(bytes / mebibyte)}`, String(sent)],
    ["arrived to the last byte, and a FIN", String(arrived)],
    ["cut", String(cut)],
    ["given up by their senders", String(givenUp)]
  ])

// -----------------------------------------------------------------------------
// The soak
// -----------------------------------------------------------------------------

const counting = (counts: Map<string, number>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      const text = `${logLevel.label} ${String(message).replaceAll(/\d+/g, "n").slice(0, 60)}`
      counts.set(text, (counts.get(text) ?? 0) + 1)
    })
  )

const sessionsLeft = ({ paths }: Stats, which = ""): ReadonlyArray<string> =>
  Object.entries(paths).filter(([, { sessionsOpen }]) => sessionsOpen > 0).map(([path, { sessionsOpen }]) =>
    `${sessionsOpen} sessions of the ${which}server at ${path}`
  )

/** Collects warnings and unhandled errors of dependencies, which must never reach a user. */
const watchNoise = (): ReadonlyArray<string> => {
  const all: Array<string> = []
  for (const event of ["unhandledRejection", "uncaughtException", "warning"]) {
    process.on(event, (cause) => all.push(`${event}: ${String(cause)}`))
  }
  return all
}

const soak = (
  constructor: Layer.Layer<WebTransport.WebTransportConstructor>,
  supervisor: Supervisor.Supervisor<ReadonlyArray<Fiber.RuntimeFiber<any, any>>>
) =>
  Effect.gen(function*() {
    const before = networkSockets()
    const server = yield* TestServer.start({ protocol: options.protocol })
    /** A server without faults. */
    const steady = yield* TestServer.start({ protocol: options.protocol })
    const several = yield* startFleet({ protocol: options.protocol })
    const proxy = yield* Network.start(protocol.proxy, server.port)
    const faults = schedule(options.seed, duration)
    process.stdout.write(
      `Chaos over ${options.protocol}, ${options.minutes} min, seed ${options.seed}\n\n${
        faults.map(describe).join("\n")
      }\n\n`
    )
    const logs = new Map<string, number>()
    const injected: Array<Injected> = []
    const samples: Array<Sample> = []
    const figures: World["figures"] = []

    const findings = yield* fuzz(server, constructor, options.seed)
    const lag = watchLag()

    const { ofFleet, sent, tally } = yield* Effect.gen(function*() {
      const first = yield* open(server, proxy)
      const start = performance.now()
      const tally = new Tally(start)
      const underWay: Load["underWay"] = new Set()
      let isOver = false
      const load: Load = {
        tally,
        lag,
        underWay,
        interrupted: new WeakSet(),
        pools: () => world.current.pools,
        isOver: () => isOver
      }
      const world: World = { server, proxy, load, tally, came: new Uint8Array(mostMessages), current: first, figures }
      const sampler = yield* Effect.fork(
        Effect.forever(Effect.delay(Effect.map(sample(start), (one) => samples.push(one)), 5_000))
      )
      const random = new PCGRandom(options.seed)
      const workers = yield* Effect.forEach(
        [
          ...Object.entries(ways).map(([name, way]) => ({ name, way, isHarmless: true })),
          ...Object.entries(auditedWays).map(([name, way]) => ({ name, way, isHarmless: false }))
        ].flatMap((one) => Array.from({ length: one.way.fibers }, () => one)),
        ({ isHarmless, name, way }) =>
          Effect.fork(worker(load, name, way, isHarmless, new PCGRandom(random.integer(0x7fff_ffff))))
      )
      const sending = yield* Effect.fork(
        oneWay(
          { server: steady, tally },
          { proxy: protocol.proxy, seed: options.seed, mayClose: protocol.deliversBeforeClose },
          () => isOver
        )
      )
      const sendingToFleet = yield* Effect.fork(fleet(several, { seed: options.seed, duration, tally, lag }))
      yield* drive(world, faults, start, injected)
      yield* Effect.sleep(Math.max(0, start + duration - performance.now()))
      yield* Fiber.interrupt(sampler)
      isOver = true
      yield* within(world, "ending the fibers", 5_000, Fiber.joinAll(workers))
      yield* audit(world)
      const sent = yield* Fiber.join(sending)
      const ofFleet = yield* Fiber.join(sendingToFleet)
      samples.push(yield* sample(start))
      yield* closePools(world, world.current)
      return { ofFleet, sent, tally }
    }).pipe(Effect.provide(constructor), Effect.supervised(supervisor), Effect.provide(counting(logs)))

    const left = () => {
      const sockets = networkSockets()
      return Object.entries({
        fibers: Effect.runSync(supervisor.value).length,
        "TCP sockets": sockets.tcp - before.tcp,
        "UDP sockets": sockets.udp - before.udp
      }).filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
    }
    const end = performance.now()
    let gone = 0
    for (;;) {
      // native handles are freed with the objects that hold them
      yield* collect
      const all = [...left(), ...sessionsLeft(yield* server.stats), ...sessionsLeft(yield* steady.stats, "steady ")]
      for (const one of several) all.push(...sessionsLeft(yield* one.stats, "fleet's "))
      gone = performance.now() - end
      if (all.length === 0) break
      if (gone > protocol.graceAfter) {
        tally.violation(`left ${protocol.graceAfter / 1_000} s after the end: ${all.join(", ")}`)
        break
      }
      yield* Effect.sleep(200)
    }
    lag.stop()

    const sections = [
      reportFaults(tally, injected, lag),
      reportLoad(tally, lag.worst()),
      reportSent(sent),
      reportFleet(ofFleet),
      reportShared(figures),
      reportMemory(tally, samples),
      `Fibers, TCP and UDP sockets, and sessions of the server: gone ${millis(gone)} after the end.`,
      reportFuzz(tally, findings),
      table(["logged by the pools", "times"], [...logs].map(([text, count]) => [text, String(count)]))
    ]
    process.stdout.write(`${sections.join("\n\n")}\n\n`)
    const { slow } = tally
    const violations = [...noise, ...tally.violations]
    const list = (what: string, all: ReadonlyArray<string>) =>
      all.length === 0 ? "" : `${all.length} ${what} (seed ${options.seed}):\n${all.slice(0, 50).join("\n")}\n`
    process.stdout.write(
      violations.length + slow.length === 0
        ? `Nothing wrong (seed ${options.seed}).\n`
        : list("wrong", violations) + list("late", slow)
    )
    return violations.length > 0 ? 1 : slow.length > 0 ? 2 : 0
  }).pipe(Effect.scoped)

const noise = watchNoise()
const constructor = await protocol.constructor()
process.exitCode = await Effect.runPromise(
  Effect.flatMap(Supervisor.track, (supervisor) => soak(constructor, supervisor))
)
// resources that a dependency still holds must not keep the process alive: they have been checked
process.exit()
