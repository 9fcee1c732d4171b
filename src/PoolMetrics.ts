/**
 * The metrics of pools. Every pool keeps them, in Effect's global registry, under the tag `pool` with its name, and
 * under the metric labels in the context of its `make` (`Effect.tagMetrics`). Effect reads them from the pool's own
 * counters on demand, so that borrowing pays nothing for them. Pools with the same name and labels count together. A
 * closed pool leaves its counts behind, and zero in its gauges.
 *
 * Recycling pools show `idle` (the `size` of their stats), `inUse`, `minSize`, `maxSize`, `acquisitions`, `reuses`,
 * `created`, `failures`, `returned`, `discarded` and `refused`. A `TieredBufferPool` shows them for each tier, with the
 * tag `tier`. Waiting pools show all but the last three, with the option `histograms` also `waitTime`, `createTime` and
 * `useTime`, and with the option `permit` also the four of permits. A `RequestPool` shows `streams`, `maxStreams`,
 * `inFlight`, `forgotten`, `waiters`, `requests`, `batchedRequests`, `batches`, `lateAnswers`, `requestFailures`,
 * `timeouts`, `rejections` and `abandoned`.
 *
 * **Gotchas**
 *
 * Read a metric with all its tags: `pool`, `reason` (`destroyed`, `discarded`, `refused`) or `tier`, and the labels from
 * `make`; else you read a different metric, whose value is always 0. `Metric.snapshot` has the metrics of all pools.
 *
 * @example
 * ```ts effect3
 * import { Effect, Metric } from "effect"
 * import { PoolMetrics, ResourcePool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* ResourcePool.make({ name: "workers", acquire: Effect.succeed("worker") })
 *   yield* pool.use(Effect.log)
 *   const { count } = yield* Metric.value(Metric.tagged(PoolMetrics.acquisitions, "pool", "workers"))
 *   yield* Effect.log(`borrowed ${count} times`)
 *   const lost = PoolMetrics.destroyed.pipe(Metric.tagged("pool", "workers"), Metric.tagged("reason", "lost"))
 *   yield* Effect.log(`${(yield* Metric.value(lost)).count} were lost`)
 * }).pipe(Effect.scoped)
 * ```
 *
 * On Effect 4:
 *
 * ```ts effect4
 * import { Effect, Metric } from "effect"
 * import { PoolMetrics, ResourcePool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* ResourcePool.make({ name: "workers", acquire: Effect.succeed("worker") })
 *   yield* pool.use(Effect.log)
 *   const { count } = yield* Metric.value(Metric.withAttributes(PoolMetrics.acquisitions, { pool: "workers" }))
 *   yield* Effect.log(`borrowed ${count} times`)
 *   const lost = Metric.withAttributes(PoolMetrics.destroyed, { pool: "workers", reason: "lost" })
 *   yield* Effect.log(`${(yield* Metric.value(lost)).count} were lost`)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 */
import { type Counter, type Gauge, type Histogram, metricOf } from "#effect/metricRegistry"
import * as keys from "./internal/observe/poolMetrics.js"

/**
 * Live items, idle and in use.
 *
 * @since 0.1.0
 * @category gauges
 */
export const size: Gauge = metricOf(keys.size)

/**
 * Idle live items.
 *
 * @since 0.1.0
 * @category gauges
 */
export const idle: Gauge = metricOf(keys.idle)

/**
 * Lent live items.
 *
 * @since 0.1.0
 * @category gauges
 */
export const inUse: Gauge = metricOf(keys.inUse)

/**
 * Leases out; more than `inUse` if borrowers share items.
 *
 * @since 0.1.0
 * @category gauges
 */
export const leases: Gauge = metricOf(keys.leases)

/**
 * Items being created.
 *
 * @since 0.1.0
 * @category gauges
 */
export const creating: Gauge = metricOf(keys.creating)

/**
 * Items being closed.
 *
 * @since 0.1.0
 * @category gauges
 */
export const closing: Gauge = metricOf(keys.closing)

/**
 * Borrowers in the queue.
 *
 * @since 0.1.0
 * @category gauges
 */
export const waiters: Gauge = metricOf(keys.waiters)

/**
 * The current `minSize`.
 *
 * @since 0.1.0
 * @category gauges
 */
export const minSize: Gauge = metricOf(keys.minSize)

/**
 * The current `maxSize`.
 *
 * @since 0.1.0
 * @category gauges
 */
export const maxSize: Gauge = metricOf(keys.maxSize)

/**
 * Streams that the requests of a `RequestPool` share.
 *
 * @since 0.2.0
 * @category gauges
 */
export const streams: Gauge = metricOf(keys.streams)

/**
 * The maximum number of such streams.
 *
 * @since 0.2.0
 * @category gauges
 */
export const maxStreams: Gauge = metricOf(keys.maxStreams)

/**
 * Requests on shared streams whose callers wait for an answer.
 *
 * @since 0.2.0
 * @category gauges
 */
export const inFlight: Gauge = metricOf(keys.inFlight)

/**
 * Requests on shared streams whose callers have left, and whose answers may still come.
 *
 * @since 0.2.0
 * @category gauges
 */
export const forgotten: Gauge = metricOf(keys.forgotten)

/**
 * Times that the pool lent an item.
 *
 * @since 0.1.0
 * @category counters
 */
export const acquisitions: Counter = metricOf(keys.acquisitions)

/**
 * The acquisitions that got an item which had been lent before.
 *
 * @since 0.1.0
 * @category counters
 */
export const reuses: Counter = metricOf(keys.reuses)

/**
 * Items created.
 *
 * @since 0.1.0
 * @category counters
 */
export const created: Counter = metricOf(keys.created)

/**
 * Items closed, with the tag `reason`: see `PoolStats.Destroyed`.
 *
 * @since 0.1.0
 * @category counters
 */
export const destroyed: Counter = metricOf(keys.destroyed)

/**
 * Creations that failed.
 *
 * @since 0.1.0
 * @category counters
 */
export const failures: Counter = metricOf(keys.failures)

/**
 * Borrowers that reached `acquireTimeout`.
 *
 * @since 0.1.0
 * @category counters
 */
export const timeouts: Counter = metricOf(keys.timeouts)

/**
 * Borrowers refused by `maxWaiters`, or by `maxKeys` of a `KeyedPool`.
 *
 * @since 0.1.0
 * @category counters
 */
export const rejections: Counter = metricOf(keys.rejections)

/**
 * Borrowers that were interrupted while they waited, by their own timeout or by hand.
 *
 * @since 0.2.0
 * @category counters
 */
export const abandoned: Counter = metricOf(keys.abandoned)

/**
 * Items whose finalizers failed, died or took longer than `closeTimeout`.
 *
 * @since 0.1.0
 * @category counters
 */
export const finalizerFailures: Counter = metricOf(keys.finalizerFailures)

/**
 * Times that an object of a recycling pool came back, kept or not.
 *
 * @since 0.1.0
 * @category counters
 */
export const returned: Counter = metricOf(keys.returned)

/**
 * Objects that a recycling pool dropped, with the tag `reason`: see `PoolStats.Discarded`.
 *
 * @since 0.1.0
 * @category counters
 */
export const discarded: Counter = metricOf(keys.discarded)

/**
 * Misuse by borrowers of a recycling pool, with the tag `reason`: see `PoolStats.Refused`.
 *
 * @since 0.1.0
 * @category counters
 */
export const refused: Counter = metricOf(keys.refused)

/**
 * Requests of a `RequestPool`, on shared streams and on streams of their own.
 *
 * @since 0.2.0
 * @category counters
 */
export const requests: Counter = metricOf(keys.requests)

/**
 * Requests that were sent on shared streams. Divided by `batches`: how many left in one write.
 *
 * @since 0.2.0
 * @category counters
 */
export const batchedRequests: Counter = metricOf(keys.batchedRequests)

/**
 * Writes of requests to shared streams.
 *
 * @since 0.2.0
 * @category counters
 */
export const batches: Counter = metricOf(keys.batches)

/**
 * Answers that were dropped, since no caller waited for them any more.
 *
 * @since 0.2.0
 * @category counters
 */
export const lateAnswers: Counter = metricOf(keys.lateAnswers)

/**
 * Requests that failed, sent or not, on shared streams and on streams of their own.
 *
 * @since 0.2.0
 * @category counters
 */
export const requestFailures: Counter = metricOf(keys.requestFailures)

/**
 * Permits that a pool with the option `permit` has.
 *
 * @since 0.2.0
 * @category gauges
 */
export const permitsHeld: Gauge = metricOf(keys.permitsHeld)

/**
 * Permits that a pool with the option `permit` waits for.
 *
 * @since 0.2.0
 * @category gauges
 */
export const permitsWaiting: Gauge = metricOf(keys.permitsWaiting)

/**
 * Permits that a pool with the option `permit` lost.
 *
 * @since 0.2.0
 * @category counters
 */
export const permitsLost: Counter = metricOf(keys.permitsLost)

/**
 * Permits that a pool with the option `permit` gave back while other processes wanted one.
 *
 * @since 0.2.0
 * @category counters
 */
export const permitsGivenBack: Counter = metricOf(keys.permitsGivenBack)

/**
 * How long borrowers that got an item waited, in seconds; zero if one was idle. The same as
 * `db.client.connection.wait_time` of OpenTelemetry's conventions. Only for pools with the option `histograms`.
 *
 * @since 0.1.0
 * @category histograms
 */
export const waitTime: Histogram = metricOf(keys.waitTime)

/**
 * How long it took to create an item, in seconds, without failed creations. The same as
 * `db.client.connection.create_time` of OpenTelemetry's conventions. Only for pools with the option `histograms`.
 *
 * @since 0.1.0
 * @category histograms
 */
export const createTime: Histogram = metricOf(keys.createTime)

/**
 * How long borrowers had an item, in seconds. The same as `db.client.connection.use_time` of OpenTelemetry's
 * conventions. Only for pools with the option `histograms`.
 *
 * @since 0.1.0
 * @category histograms
 */
export const useTime: Histogram = metricOf(keys.useTime)

/**
 * Sessions to an endpoint that the pool lends. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category gauges
 */
export const endpointSessions: Gauge = metricOf(keys.endpointSessions)

/**
 * Attempts to connect to an endpoint under way. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category gauges
 */
export const endpointOpening: Gauge = metricOf(keys.endpointOpening)

/**
 * 1 while the pool opens sessions to an endpoint, 0 while the endpoint fails or is ejected. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category gauges
 */
export const endpointWell: Gauge = metricOf(keys.endpointWell)

/**
 * Sessions that opened to an endpoint. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category counters
 */
export const endpointOpened: Counter = metricOf(keys.endpointOpened)

/**
 * Attempts to connect to an endpoint that failed. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category counters
 */
export const endpointFailures: Counter = metricOf(keys.endpointFailures)

/**
 * How often an endpoint was ejected. With the tag `endpoint`, its host and port.
 *
 * @since 0.2.0
 * @category counters
 */
export const endpointEjections: Counter = metricOf(keys.endpointEjections)
