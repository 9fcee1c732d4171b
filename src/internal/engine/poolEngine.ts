/** A waiting pool, assembled from its parts, with its interface for pools that are built on it. */
import { type RunningFiber } from "#effect/fiber"
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.js"
import type { PoolStats } from "../../PoolStats.js"
import type { PoolEvent } from "../../ResourcePoolOptions.js"
import type { PoolClock } from "../core/clock.js"
import type { Command, Shell } from "../core/pool/commands.js"
import type { Sharing } from "../core/pool/item.js"
import { PoolMachine } from "../core/pool/poolMachine.js"
import type { Details, LogEvent, PoolLog } from "../observe/poolLog.js"
import { type Figures, permitPool, register, waitingPool } from "../observe/poolMetrics.js"
import type { Wait } from "../observe/poolTexts.js"
import { isAsTheyAre } from "./asTheyAre.js"
import { Borrowing, type BorrowingParts } from "./borrowing.js"
import { CheckRunner } from "./checkRunner.js"
import type * as Contract from "./contract.js"
import { PoolEnds } from "./ends.js"
import { PoolEvents } from "./events.js"
import { type LeaseWatch, leaseWatch } from "./leases.js"
import { Lifecycle, type LifecycleParts } from "./lifecycle.js"
import type { Origin } from "./origin.js"
import { PermitGate } from "./permitGate.js"
import type { PoolData } from "./records.js"
import { Refusals } from "./refusals.js"
import { Reports } from "./reports.js"
import { Returns } from "./returns.js"
import { policyOf } from "./rideOut.js"
import type { PoolSpans } from "./spans.js"
import { statsOf } from "./stats.js"
import { StatsObservers } from "./statsObservers.js"
import { Ticker } from "./ticker.js"
import type { PoolTimer } from "./timer.js"

const hidden = (): void => undefined

export class Engine<A, E, V, X = unknown>
  implements
    Contract.PoolEngine<V, E>,
    BorrowingParts<A, E, V>,
    LifecycleParts<A, E, V>,
    Shell<A, Cause.Cause<E>, PoolData>
{
  readonly name: string
  readonly machine: PoolMachine<A, Cause.Cause<E>, PoolData>
  readonly time: PoolClock
  readonly runtime: PoolRuntime
  readonly log: PoolLog
  readonly events = new PoolEvents()
  readonly spans: PoolSpans
  readonly timer: PoolTimer
  readonly refusals: Refusals<A, E, V>
  readonly reports: Reports<A, E, V>
  readonly ends: PoolEnds<A, E, V>
  readonly ticker: Ticker
  readonly lifecycle: Lifecycle<A, E, V>
  readonly adapter: Contract.PoolAdapter<A, E, Scope.Scope, V> & X
  readonly checks: CheckRunner<A, E, V>
  readonly returns: Returns<A, E, V>
  readonly leases: LeaseWatch
  readonly needsSuccess: boolean
  readonly whole: Contract.Whole<A> | undefined
  readonly borrowing: Borrowing<A, E, V>
  /** In a pool with a `permit` of its own. */
  private readonly permits: PermitGate<A> | undefined
  private readonly hasMetrics: boolean
  private readonly hideMetrics: () => void
  private listeners: Set<() => void> | undefined = undefined
  /** Made for the first caller of `awaitStats`. */
  private observers: StatsObservers<PoolStats> | undefined = undefined

  constructor(
    { log, runtime, settings, spans, ticks, time, timer }: Origin,
    build: (engine: Contract.PoolEngine<V, E>) => Contract.PoolAdapter<A, E, Scope.Scope, V> & X,
    whole?: Contract.Whole<A>
  ) {
    const { histograms, metrics, name } = settings
    this.name = name
    this.hasMetrics = metrics
    this.runtime = runtime
    const { permit } = settings
    this.permits = permit && whole === undefined ? new PermitGate<A>(permit, runtime, time, this) : undefined
    this.whole = whole ?? this.permits
    this.time = time
    this.log = log
    this.spans = spans
    this.timer = timer
    this.refusals = new Refusals(this)
    this.reports = new Reports(this, this.refusals, this.events)
    this.ends = new PoolEnds(this.refusals)
    this.lifecycle = new Lifecycle(this)
    this.machine = new PoolMachine(policyOf(settings, this.refusals, log), this, this.whole)
    this.ticker = new Ticker(this.machine, ticks)
    this.leases = leaseWatch(this, this.timer, histograms)
    this.adapter = build(this)
    const { pingInterval, validateAfterIdle } = this.machine.policy
    this.needsSuccess = !isAsTheyAre(this.adapter) || validateAfterIdle !== Infinity ||
      pingInterval !== Infinity
    this.checks = new CheckRunner(this)
    this.returns = new Returns(this)
    this.borrowing = new Borrowing(this)
    this.hideMetrics = metrics ? this.showFigures() : hidden
  }

  private showFigures(): () => void {
    const { permits } = this
    const hide = register(waitingPool, [["pool", this.name]], this.runtime, () => this.stats())
    if (permits === undefined) return hide
    const hidePermits = this.showMetrics(permitPool, [], () => permits.desk.figures)
    return () => {
      hide()
      hidePermits()
    }
  }

  perform(command: Command<A, Cause.Cause<E>, PoolData>): void {
    if (command._tag === "Closed") this.hideMetrics()
    this.lifecycle.perform(command)
  }

  get demandListeners(): Set<() => void> {
    return this.listeners ??= new Set()
  }

  announceDemand(): void {
    if (this.listeners === undefined) return
    for (const listener of this.listeners) listener()
  }

  stats(): PoolStats {
    return statsOf(this.name, this.machine, this.lifecycle.finalizerFailures, this.permits?.desk.figures)
  }

  awaitStats(predicate: (stats: PoolStats) => boolean): Effect.Effect<PoolStats, PoolError> {
    return Effect.suspend(() => {
      this.observers ??= new StatsObservers(
        () => this.stats(),
        (isObserved) => this.machine.observe(isObserved),
        () => this.machine.state === "Closed" ? this.refusals.poolClosed(0) : undefined
      )
      return this.observers.await(predicate)
    })
  }

  changed(): void {
    this.observers?.changed()
    this.whole?.changed?.()
  }

  // --- for pools that are built on this one

  lend(
    receive: (lease: Contract.SyncLease<V>) => void,
    sharing: Sharing = "shared",
    watching: Contract.Watching = "watched"
  ): Effect.Effect<void, E | PoolError> {
    return Effect.suspend(() => this.borrowing.lend(receive, sharing, watching))
  }

  lendReady(): Contract.SyncLease<V> | undefined {
    return this.borrowing.lendReady()
  }

  /** Other processes that want a permit wait as borrowers do. */
  get waiting(): number {
    return this.machine.waiters.length + (this.permits === undefined ? 0 : this.permits.demand.owed)
  }

  get needed(): number {
    return this.machine.needed
  }

  get wanted(): number {
    return this.machine.wanted
  }

  get isOpen(): boolean {
    return this.machine.state === "Open"
  }

  get maxSize(): number {
    return this.machine.sizes.maxSize
  }

  get excess(): number {
    return this.machine.excess
  }

  get ownFailure(): Cause.Cause<unknown> | undefined {
    return this.reports.ownFailure
  }

  get wait(): Wait {
    return this.refusals.wait()
  }

  get described(): Wait {
    return this.refusals.described
  }

  get lastFailure(): Cause.Cause<unknown> | undefined {
    return this.reports.lastFailure
  }

  prepare(): boolean {
    return this.machine.prepare(this.time.read())
  }

  breakDown(cause: Cause.Cause<E>): void {
    this.machine.breakDown(cause, this.time.read())
  }

  warn(message: string, event: LogEvent, details: Details): void {
    this.log.warn(message, event, details)
  }

  inform(message: string, event: LogEvent, details: Details): void {
    this.log.inform(message, event, details)
  }

  announce(event: PoolEvent): void {
    this.events.announce(event)
  }

  showMetrics<S>(
    figures: Figures<S>,
    tags: ReadonlyArray<readonly [string, string]>,
    stats: () => S
  ): () => void {
    return this.hasMetrics ? register(figures, [["pool", this.name], ...tags], this.runtime, stats) : hidden
  }

  fork<X, E2>(effect: Effect.Effect<X, E2>): RunningFiber<X, E2> {
    return fork(this.runtime, effect)
  }

  now(): number {
    return this.time.read().monotonic
  }

  get clock(): Clock.Clock {
    return this.runtime.clock
  }
}
