/** Two pools, their load, and their events. */
import { Cause, Duration, Effect, Logger, Runtime, Stream } from "effect"
import { type PoolStats, type ResourcePool, WebTransport } from "effect-pools"
import type { Action } from "../echoServer.js"
import type { Servers } from "../playground.js"
import { Board } from "./board.js"
import { Charts } from "./charts.js"
import { Endpoints } from "./endpoints.js"
import { Load } from "./load.js"
import { Meter } from "./meter.js"
import { makePools, type Pools } from "./pools.js"

const element = (id: string) => document.getElementById(id)!

const write = (id: string, text: string) => {
  element(id).textContent = text
}

const board = new Board(element("board"))
const charts = new Charts({ throughput: element("throughput"), wait: element("wait") })
const meter = new Meter()

const lines = element("log")
let latest: { readonly text: string; readonly at: number; count: number } | undefined

/** Prints one line for an event that repeats within a second. */
const log = (text: string, state?: string) => {
  const at = performance.now()
  if (latest?.text === text && at - latest.at < 1000) {
    lines.firstElementChild!.lastElementChild!.textContent = `${text} (${++latest.count} times)`
    return
  }
  latest = { text, at, count: 1 }
  const line = document.createElement("li")
  line.appendChild(document.createElement("time")).textContent = `${(at / 1000).toFixed(1)} s`
  const what = line.appendChild(document.createElement("b"))
  what.textContent = text
  if (state !== undefined) what.dataset["state"] = state
  lines.prepend(line)
  while (lines.childElementCount > 5) lines.lastElementChild!.remove()
}

// --- The servers

const ask = (path = "", method = "GET") =>
  Effect.tryPromise(async (): Promise<Servers> => (await fetch(`/servers${path}`, { method })).json())

/** How many of the servers run. */
const showServers = ({ all }: Servers) => {
  const running = all.filter(({ state }) => state === "running").length
  element("servers").dataset["state"] = running === all.length ? "all" : running === 0 ? "none" : "some"
  write("servers", running === all.length ? "all servers run" : `${running} of ${all.length} servers run`)
}

// --- Events of the pools

/** The names of the servers by host and port. */
const names = new Map<string, string>()

/** The events that get a line; streams come and go too often. */
const describe = (of: string, event: ResourcePool.PoolEvent): readonly [text: string, state?: string] | undefined => {
  if (event._tag === "Backoff" && of === "session") {
    return [`no session; the next attempt after ${Math.round(Duration.toMillis(event.delay))} ms`, "lost"]
  }
  if (event._tag === "EndpointEjected") {
    return [`server ${names.get(event.endpoint)} ejected for ${Duration.toSeconds(event.duration)} s`, "lost"]
  }
  if (event._tag === "EndpointBack") return [`server ${names.get(event.endpoint)} is back`]
  if (event._tag === "Destroyed" && (of === "session" || event.reason === "lost" || event.reason === "discarded")) {
    return [`${of} ${event.reason}`, event.reason]
  }
  return event._tag === "Created" && of === "session" ? [`${of} opened`] : undefined
}

const listen = (of: "session" | "stream", pool: Pools["sessions" | "streams"]) =>
  Effect.forkScoped(Stream.runForEach(pool.events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Destroyed") {
        if (of === "session") board.sessionDestroyed(event.reason)
        else board.streamDestroyed(event.reason)
      }
      const line = describe(of, event)
      if (line !== undefined) log(...line)
    })))

const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`
const milliseconds = (value: number | null) =>
  value === null
    ? "–"
    : value < 10
    ? `${value.toFixed(2)} ms`
    : value < 1000
    ? `${value.toFixed(0)} ms`
    : `${(value / 1000).toFixed(2)} s`

const showPools = ({ requests, sessions, streams }: Pools, endpoints: Endpoints) =>
  Effect.gen(function*() {
    const stats = yield* streams.stats
    endpoints.show(yield* sessions.endpoints)
    board.show(yield* sessions.stats, yield* streams.sessions)
    const shared = yield* requests.stats
    write("in-flight", `${shared.inFlight}`)
    write("late", `${shared.lateAnswers}`)
    write("waiters", `${stats.waiters + shared.waiters}`)
    write("lent", `${stats.inUse} of ${stats.size}`)
    write("reuse", stats.acquisitions === 0 ? "–" : percent(stats.reuseRatio))
    write("failed", `${meter.failed}`)
  })

let before = { sent: 0, batches: 0, at: performance.now() }

/** The writes of shared streams since the last call, and the requests in each. */
const showWrites = ({ batches, sent }: PoolStats.RequestPoolStats) => {
  const at = performance.now()
  const writes = batches - before.batches
  write("writes", Math.round(1_000 * writes / (at - before.at)).toLocaleString("en"))
  write("batch", writes === 0 ? "–" : ((sent - before.sent) / writes).toFixed(1))
  before = { sent, batches, at }
}

const showMeter = ({ requests }: Pools) =>
  Effect.map(requests.stats, (stats) => {
    showWrites(stats)
    const sample = meter.take()
    charts.add(sample)
    write("requests", Math.round(sample.answered).toLocaleString("en"))
    write("median", milliseconds(sample.median))
    write("p99", milliseconds(sample.p99))
  })

// --- The controls

const sizes = [100, 1024, 16 * 1024, 64 * 1024]

const nameOf = (bytes: number) => bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`

/** Calls back now, and whenever the slider moves. */
const slider = (id: string, textOf: (value: number) => string, set: (value: number) => void) => {
  const input = element(id) as HTMLInputElement
  const apply = () => {
    document.querySelector(`output[for=${id}]`)!.textContent = textOf(input.valueAsNumber)
    set(input.valueAsNumber)
  }
  input.addEventListener("input", apply)
  apply()
}

const program = Effect.gen(function*() {
  const servers = yield* ask()
  showServers(servers)
  for (const { name, url } of servers.all) names.set(new URL(url).host, name)
  const pools = yield* makePools(servers, {
    opened: (native, server) => board.open(native, server),
    pinged: (native) => board.ping(native),
    closing: (tile) => board.end(tile)
  })
  yield* listen("session", pools.sessions)
  yield* listen("stream", pools.streams)

  const load = new Load(pools, meter)
  const fork = Runtime.runFork(yield* Effect.runtime())
  slider("fibers", String, (fibers) => {
    load.fibers = fibers
    fork(load.start)
  })
  slider("size", (i) => nameOf(sizes[i]!), (i) => load.size = sizes[i]!)
  slider("think", (value) => `${value} ms`, (value) => load.think = value)
  const shared = element("shared") as HTMLInputElement
  shared.addEventListener("change", () => {
    load.isShared = shared.checked
    element("figures").toggleAttribute("data-shared", shared.checked)
  })
  slider("sessions", String, (maxSize) => fork(pools.sessions.resize({ maxSize })))
  slider("streams", String, (maxSize) => fork(pools.streams.resize({ maxSize })))

  const act = (name: string, action: Action) =>
    ask(`/${name}/${action}`, "POST").pipe(
      Effect.tap((servers) => {
        showServers(servers)
        endpoints.showServers(servers.all)
      }),
      Effect.catchAll(() => Effect.sync(() => log("the playground has ended", "lost")))
    )
  const endpoints = new Endpoints(element("endpoints"), servers.all, (name, action, text) => {
    log(text, "asked")
    fork(act(name, action))
  })
  endpoints.showServers(servers.all)
  for (const button of document.querySelectorAll<HTMLButtonElement>("#faults [data-action]")) {
    button.addEventListener("click", () => {
      log(button.firstChild!.textContent!.trim(), "asked")
      // a server without sessions could do nothing
      const asked = Effect.flatMap(
        pools.sessions.endpoints,
        (all) => act(endpoints.busiest(all), button.dataset["action"] as Action)
      )
      fork(asked)
    })
  }

  yield* Effect.forkScoped(Effect.forever(Effect.delay(showPools(pools, endpoints), "100 millis")))
  return yield* Effect.forever(Effect.delay(showMeter(pools), "500 millis"))
}).pipe(
  Effect.scoped,
  Effect.provide([WebTransport.layerConstructorGlobal, Logger.remove(Logger.defaultLogger)]),
  Effect.catchAllCause((cause) => Effect.sync(() => log(Cause.pretty(cause), "lost")))
)

Effect.runFork(program)
