/** The metrics of pools: their names, and the figure of each. */
import {
  type CounterKey,
  counterKey,
  type Figure,
  type GaugeKey,
  gaugeKey,
  type HistogramKey,
  observer,
  secondsKey,
  show,
  type Tag
} from "#effect/metricRegistry"
import type { PoolRuntime } from "#effect/poolRuntime"
import type { EndpointFigures, PermitFigures, RecyclingFigures, RequestFigures, WaitingFigures } from "./figures.js"

export const size = /* @__PURE__ */ gaugeKey("effect_pools_size", "Live items, idle and in use")
export const idle = /* @__PURE__ */ gaugeKey("effect_pools_idle", "Idle live items")
export const inUse = /* @__PURE__ */ gaugeKey("effect_pools_in_use", "Lent live items")
export const leases = /* @__PURE__ */ gaugeKey("effect_pools_leases", "Leases out")
export const creating = /* @__PURE__ */ gaugeKey("effect_pools_creating", "Items being created")
export const closing = /* @__PURE__ */ gaugeKey("effect_pools_closing", "Items being closed")
export const waiters = /* @__PURE__ */ gaugeKey("effect_pools_waiters", "Borrowers in the queue")
export const minSize = /* @__PURE__ */ gaugeKey("effect_pools_min_size", "Items to keep live")
export const maxSize = /* @__PURE__ */ gaugeKey("effect_pools_max_size", "Maximum number of items")

export const streams = /* @__PURE__ */ gaugeKey("effect_pools_streams", "Streams that requests share")
export const maxStreams = /* @__PURE__ */ gaugeKey("effect_pools_max_streams", "Maximum number of shared streams")
export const inFlight = /* @__PURE__ */ gaugeKey("effect_pools_in_flight", "Requests that wait for their answers")
export const forgotten = /* @__PURE__ */ gaugeKey("effect_pools_forgotten", "Requests whose callers have left")

const total = (name: string, description: string): CounterKey => counterKey(`effect_pools_${name}_total`, description)

export const acquisitions = /* @__PURE__ */ total("acquisitions", "Borrows that got an item")
export const reuses = /* @__PURE__ */ total("reuses", "Borrows that got a used item")
export const created = /* @__PURE__ */ total("created", "Items created")
export const destroyed = /* @__PURE__ */ total("destroyed", "Items closed, by reason")
export const failures = /* @__PURE__ */ total("failures", "Creations that failed")
export const timeouts = /* @__PURE__ */ total("timeouts", "Borrowers that reached acquireTimeout")
export const rejections = /* @__PURE__ */ total("rejections", "Borrowers refused by maxWaiters or maxKeys")
export const abandoned = /* @__PURE__ */ total("abandoned", "Borrowers that were interrupted while they waited")
export const finalizerFailures = /* @__PURE__ */ total(
  "finalizer_failures",
  "Items whose finalizers failed or took too long"
)
export const returned = /* @__PURE__ */ total("returned", "Returns of objects to a recycling pool")
export const discarded = /* @__PURE__ */ total("discarded", "Objects that a recycling pool dropped, by reason")
export const refused = /* @__PURE__ */ total("refused", "Misuse by borrowers of a recycling pool, by reason")

export const endpointSessions = /* @__PURE__ */ gaugeKey(
  "effect_pools_endpoint_sessions",
  "Sessions to the endpoint that the pool lends"
)
export const endpointOpening = /* @__PURE__ */ gaugeKey(
  "effect_pools_endpoint_opening",
  "Attempts to connect to the endpoint under way"
)
export const endpointWell = /* @__PURE__ */ gaugeKey(
  "effect_pools_endpoint_well",
  "1 while the pool opens sessions to the endpoint, 0 while the endpoint fails or is ejected"
)
export const endpointOpened = /* @__PURE__ */ total("endpoint_opened", "Sessions that opened, by endpoint")
export const endpointFailures = /* @__PURE__ */ total("endpoint_failures", "Failed attempts to connect, by endpoint")
export const endpointEjections = /* @__PURE__ */ total("endpoint_ejections", "Ejections, by endpoint")

export const permitsHeld = /* @__PURE__ */ gaugeKey("effect_pools_permits_held", "Permits that the pool has")
export const permitsWaiting = /* @__PURE__ */ gaugeKey(
  "effect_pools_permits_waiting",
  "Permits that the pool waits for"
)
export const permitsLost = /* @__PURE__ */ total("permits_lost", "Permits that were lost")
export const permitsGivenBack = /* @__PURE__ */ total(
  "permits_given_back",
  "Permits given back while other processes wanted one"
)

export const requests = /* @__PURE__ */ total("requests", "Requests, on shared streams and on streams of their own")
export const batchedRequests = /* @__PURE__ */ total("batched_requests", "Requests sent on shared streams")
export const batches = /* @__PURE__ */ total("batches", "Writes of requests to shared streams")
export const lateAnswers = /* @__PURE__ */ total("late_answers", "Answers dropped since no caller waited for them")
export const requestFailures = /* @__PURE__ */ total("request_failures", "Requests that failed, sent or not")

/** From 0.1 ms, the time to open a stream, to the usual time limits. */
const boundaries = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60
]

const seconds = (name: string, description: string): HistogramKey =>
  secondsKey(`effect_pools_${name}_seconds`, description, boundaries)

export const waitTime = /* @__PURE__ */ seconds("wait_time", "Wait of borrowers that got an item")
export const createTime = /* @__PURE__ */ seconds("create_time", "Duration of creations")
export const useTime = /* @__PURE__ */ seconds("use_time", "How long borrowers had an item")

type Read<S> = (stats: S) => number

/** The metrics of a kind of pool. */
export interface Figures<S> {
  readonly gauges: ReadonlyArray<readonly [GaugeKey, Read<S>]>
  readonly counters: ReadonlyArray<readonly [CounterKey, Read<S>]>
  /** With the tag `reason`. */
  readonly reasons: ReadonlyArray<readonly [CounterKey, (stats: S) => object]>
}

const gauges: Figures<WaitingFigures>["gauges"] = [
  [size, (stats) => stats.size],
  [idle, (stats) => stats.idle],
  [inUse, (stats) => stats.inUse],
  [leases, (stats) => stats.leases],
  [creating, (stats) => stats.creating],
  [closing, (stats) => stats.closing],
  [waiters, (stats) => stats.waiters],
  [minSize, (stats) => stats.min],
  [maxSize, (stats) => stats.max]
]

const counters: Figures<WaitingFigures>["counters"] = [
  [acquisitions, (stats) => stats.acquisitions],
  [reuses, (stats) => stats.reuses],
  [created, (stats) => stats.created],
  [failures, (stats) => stats.failures],
  [timeouts, (stats) => stats.timeouts],
  [rejections, (stats) => stats.rejections],
  [abandoned, (stats) => stats.abandoned],
  [finalizerFailures, (stats) => stats.finalizerFailures]
]

export const waitingPool: Figures<WaitingFigures> = {
  gauges,
  counters,
  reasons: [[destroyed, (stats) => stats.destroyed]]
}

export const recyclingPool: Figures<RecyclingFigures> = {
  gauges: [
    [idle, (stats) => stats.size],
    [inUse, (stats) => stats.inUse],
    [minSize, (stats) => stats.min],
    [maxSize, (stats) => stats.max]
  ],
  counters: [
    [acquisitions, (stats) => stats.acquisitions],
    [reuses, (stats) => stats.reused],
    [created, (stats) => stats.created],
    [failures, (stats) => stats.failures],
    [returned, (stats) => stats.returned]
  ],
  reasons: [[discarded, (stats) => stats.discarded], [refused, (stats) => stats.refused]]
}

/** The metrics of an endpoint, with the tag `endpoint`. */
export const endpoint: Figures<EndpointFigures> = {
  gauges: [
    [endpointSessions, (stats) => stats.sessions],
    [endpointOpening, (stats) => stats.opening],
    [endpointWell, (stats) => stats.state === "Well" ? 1 : 0]
  ],
  counters: [
    [endpointOpened, (stats) => stats.opened],
    [endpointFailures, (stats) => stats.failures],
    [endpointEjections, (stats) => stats.ejections]
  ],
  reasons: []
}

export const permitPool: Figures<PermitFigures> = {
  gauges: [[permitsHeld, (stats) => stats.held], [permitsWaiting, (stats) => stats.waiting]],
  counters: [[permitsLost, (stats) => stats.lost], [permitsGivenBack, (stats) => stats.givenBack]],
  reasons: []
}

export const requestPool: Figures<RequestFigures> = {
  gauges: [
    [streams, (stats) => stats.streams],
    [maxStreams, (stats) => stats.max],
    [inFlight, (stats) => stats.inFlight],
    [forgotten, (stats) => stats.forgotten],
    [waiters, (stats) => stats.waiters]
  ],
  counters: [
    [requests, (stats) => stats.requests],
    [batchedRequests, (stats) => stats.sent],
    [batches, (stats) => stats.batches],
    [lateAnswers, (stats) => stats.lateAnswers],
    [requestFailures, (stats) => stats.failures],
    [timeouts, (stats) => stats.timeouts],
    [rejections, (stats) => stats.rejections],
    [abandoned, (stats) => stats.abandoned]
  ],
  reasons: []
}

/** `time` is in seconds. */
type Observe = (time: number) => void

export interface Times {
  readonly wait: Observe
  readonly create: Observe
  readonly use: Observe
}

/** The histograms of a pool. Pools with the same tags share them. */
export const timesOf = (tags: ReadonlyArray<Tag>, runtime: PoolRuntime): Times => ({
  wait: observer(runtime, waitTime, tags),
  create: observer(runtime, createTime, tags),
  use: observer(runtime, useTime, tags)
})

/** Shows a pool's figures as metrics, under these tags, until the returned function is called. */
export const register = <S>(
  { counters, gauges, reasons }: Figures<S>,
  tags: ReadonlyArray<Tag>,
  runtime: PoolRuntime,
  stats: () => S
): () => void => {
  const figures: Array<Figure> = []
  for (const [key, read] of gauges) figures.push({ kind: "gauge", key, tags, read: () => read(stats()) })
  for (const [key, read] of counters) figures.push({ kind: "counter", key, tags, read: () => read(stats()) })
  for (const [key, read] of reasons) {
    for (const reason of Object.keys(read(stats()))) {
      const count = (): number => (read(stats()) as Record<string, number>)[reason]!
      figures.push({ kind: "counter", key, tags: [...tags, ["reason", reason]], read: count })
    }
  }
  return show(runtime, figures)
}
