import { complete, makeDeferred } from "#effect/deferred"
import { withFiber } from "#effect/fiber"
import { format, inspectSymbol } from "#effect/inspect"
import { KeyedPoolBase } from "#effect/keyedPoolBase"
import { fork, type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import { openScopeOf } from "#effect/scope"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.js"
import type { KeyedPoolStats, PoolStats } from "../../PoolStats.js"
import type { PoolClock } from "../core/clock.js"
import { CommonLimit, type CommonPlace } from "../core/keyed/commonLimit.js"
import { KeyLifetimes } from "../core/keyed/keyLifetimes.js"
import { ValueIndex } from "../core/pool/valueIndex.js"
import type { Restore } from "../engine/borrowing.js"
import type { GateWait, PoolAdapter } from "../engine/contract.js"
import { type Origin, originOf } from "../engine/origin.js"
import { PermitDesk } from "../engine/permitDesk.js"
import { StatsObservers } from "../engine/statsObservers.js"
import { permitPool, register, waitingPool } from "../observe/poolMetrics.js"
import * as texts from "../observe/poolTexts.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { Sleeper } from "../time/sleeper.js"
import { type KeyedOptions, type KeyedPool, TypeId } from "./contract.js"
import { KeyAdapter } from "./keyAdapter.js"
import { keyedError } from "./keyedError.js"
import { decodeKeyed, type KeyedSettings } from "./keyedOptions.js"
import { keyedStats, Totals } from "./keyedStats.js"
import { KeyMap } from "./keyMap.js"
import { type KeyedWhole, KeyPool } from "./keyPool.js"

export { TypeId } from "./contract.js"

/** The pool of a key, from its key on. */
type AdapterOf<K, A, E> = (key: K) => PoolAdapter<A, E, Scope.Scope, A>

class KeyedPoolImpl<K, A, E> extends KeyedPoolBase implements KeyedPool<K, A, E>, KeyedWhole<K, A, E> {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  readonly limit: CommonLimit<KeyPool<K, A, E>>
  readonly byValue = new ValueIndex<A>()
  readonly time: PoolClock
  /** Where the items get their permits. */
  private readonly desk: PermitDesk<CommonPlace<KeyPool<K, A, E>>> | undefined
  /** Places with a permit, whose creations have to wait for others. */
  private readonly permitted = new Set<CommonPlace<KeyPool<K, A, E>>>()
  private readonly settings: KeyedSettings
  private readonly runtime: PoolRuntime
  private readonly origin: Origin
  private readonly adapterOf: AdapterOf<K, A, E>
  private readonly keys = new KeyMap<K, KeyPool<K, A, E>>()
  private readonly lifetimes: KeyLifetimes<KeyPool<K, A, E>>
  /** Keys that have gone, and still have items. */
  private readonly closing = new Set<KeyPool<K, A, E>>()
  /** The figures of the keys that have gone. */
  private readonly gone = new Totals()
  private refusedKeys = 0
  private isOpen = true
  private isSettling = false
  private readonly whenClosed = makeDeferred<void>()
  private readonly sleeper: Sleeper
  /** When the sleeper wakes, by the wall clock. */
  private wakesAt = Infinity
  private readonly hideMetrics: () => void
  private isObserved = false
  private readonly observers: StatsObservers<KeyedPoolStats> = new StatsObservers(
    () => this.statsNow(),
    (isObserved) => this.observe(isObserved),
    () => !this.isOpen && this.closing.size === 0 ? Effect.fail(this.error("PoolClosed")) : undefined
  )
  /** For metrics, which are read one by one. */
  private latest: PoolStats | undefined = undefined

  constructor(settings: KeyedSettings, runtime: PoolRuntime, adapterOf: AdapterOf<K, A, E>) {
    super()
    const { createConcurrency, keyTimeToLive, maxKeys, maxTotal, metrics, name, permit } = settings
    this.name = name
    this.settings = settings
    this.runtime = runtime
    this.adapterOf = adapterOf
    this.origin = originOf("KeyedPool", settings.settings, runtime)
    this.time = this.origin.time
    this.desk = permit && new PermitDesk(permit, runtime, {
      partsOf: ({ share: { owner } }) => owner.engine,
      granted: (place) => {
        this.permitted.add(place)
        this.settle()
      },
      failed: (place) => {
        this.limit.giveBack(place)
        this.settle()
      },
      demandChanged: () => this.settle()
    })
    this.limit = new CommonLimit(maxTotal, createConcurrency, this.desk?.demand)
    this.lifetimes = new KeyLifetimes(keyTimeToLive, maxKeys)
    const wake = Effect.sync(() => this.expire())
    this.sleeper = new Sleeper(runtime.clock, (effect) => fork(runtime, effect), wake)
    const { desk } = this
    const tags = [["pool", name]] as const
    const shown = metrics ? [register(waitingPool, tags, runtime, () => this.latestStats())] : []
    if (metrics && desk !== undefined) shown.push(register(permitPool, tags, runtime, () => desk.figures))
    this.hideMetrics = () => {
      for (const hide of shown) hide()
    }
  }

  get gateWait(): GateWait {
    const { createConcurrency, maxTotal } = this.settings
    return this.desk?.wait ?? { wait: { detail: texts.noPlace(maxTotal, createConcurrency) }, isTold: true }
  }

  // --- borrowing

  readonly use: KeyedPool<K, A, E>["use"] = (key, f) =>
    this.runtime.hasFrames && !this.recordsLeases
      ? withFiber((fiber) => {
        const part = this.keys.get(key) ?? this.add(key)
        return part === undefined ? this.refuse() : part.framed!.use(fiber, f)
      })
      : this.useRecorded(key, f, this.findsLeaks ? new Error("borrowed here").stack : undefined)

  private useRecorded<B, E2, R>(
    key: K,
    f: (item: A) => Effect.Effect<B, E2, R>,
    stack: string | undefined
  ): Effect.Effect<B, E | E2 | PoolError, R> {
    return this.borrow(key, (part, restore) => part.borrowing.lendTo(restore, f, stack))
  }

  readonly get = (key: K): Effect.Effect<A, E | PoolError, Scope.Scope> =>
    withFiber((fiber): Effect.Effect<A, E | PoolError, Scope.Scope> => {
      const part = this.keys.get(key) ?? this.add(key)
      if (part === undefined) return this.refuse()
      const scope = part.borrowing.lendsAtOnce ? openScopeOf(fiber) : undefined
      const ready = scope === undefined ? undefined : part.borrowing.getReady(scope)
      return ready ?? this.borrow(key, ({ borrowing }) => (item) => borrowing.lendToScope(item))
    })

  /** Finds the pool of the key and enters it in the same step of the fiber: an unused key may go at any other time. */
  private borrow<X, E2, R>(
    key: K,
    lendBy: (
      part: KeyPool<K, A, E>,
      restore: Restore
    ) => Parameters<KeyPool<K, A, E>["borrowing"]["borrowNow"]>[2] extends (item: infer I) => any
      ? (item: I) => Effect.Effect<X, E2, R>
      : never
  ): Effect.Effect<X, E | E2 | PoolError, R> {
    return Effect.uninterruptibleMask((restore) =>
      withFiber((fiber): Effect.Effect<X, E | E2 | PoolError, R> => {
        const part = this.keys.get(key) ?? this.add(key)
        return part === undefined ? this.refuse() : part.borrowing.borrowNow(fiber, restore, lendBy(part, restore))
      })
    )
  }

  private get findsLeaks(): boolean {
    return this.settings.leakThreshold !== Infinity
  }

  /** Whether the pool keeps a record of each lease. */
  private get recordsLeases(): boolean {
    return this.findsLeaks || this.settings.histograms
  }

  private refuse(): Effect.Effect<never, PoolError> {
    if (this.isOpen) this.refusedKeys++
    this.changed()
    return Effect.fail(this.error(this.isOpen ? "TooManyKeys" : "PoolClosed"))
  }

  private error(reason: "TooManyKeys" | "PoolClosed"): PoolError {
    return keyedError(reason, this.settings, this.limit)
  }

  // --- keys

  /** The pool of a new key. `undefined`: there may be no more keys. */
  private add(key: K): KeyPool<K, A, E> | undefined {
    if (!this.isOpen) return undefined
    const { lifetimes } = this
    const unused = lifetimes.hasRoom ? undefined : lifetimes.longestUnused()
    if (!lifetimes.hasRoom && unused === undefined) return undefined
    const part = new KeyPool(key, this, this.originOf(key), this.adapterOf(key))
    if (unused !== undefined) this.letGo(unused)
    this.keys.add(part)
    if (this.isObserved) part.engine.machine.observe(true)
    lifetimes.add(part, this.time.read().wall)
    this.arm()
    part.engine.machine.start(this.time.read())
    return part
  }

  /** A key whose options are those of all keys shares everything with them. */
  private originOf(key: K): Origin {
    const settings = this.settings.settingsOf(key)
    return settings === this.settings.settings ? this.origin : { ...this.origin, settings }
  }

  private letGo(part: KeyPool<K, A, E>): void {
    this.keys.remove(part)
    this.lifetimes.remove(part)
    this.closing.add(part)
    part.engine.machine.close(this.time.read())
  }

  unused(part: KeyPool<K, A, E>): void {
    if (this.keys.get(part.id) !== part) return
    this.lifetimes.unused(part, part.unusedSince ?? this.time.read().wall)
    this.arm()
  }

  closed(part: KeyPool<K, A, E>): void {
    this.closing.delete(part)
    this.gone.add(part.engine.stats())
    if (!this.isOpen && this.closing.size === 0) this.endClosing()
  }

  private arm(): void {
    const { nextDue } = this.lifetimes
    if (nextDue >= this.wakesAt) return
    this.wakesAt = nextDue
    this.sleeper.sleep(nextDue - this.time.read().wall)
  }

  private expire(): void {
    this.wakesAt = Infinity
    const { wall } = this.time.read()
    for (let part = this.lifetimes.expired(wall); part !== undefined; part = this.lifetimes.expired(wall)) {
      this.letGo(part)
    }
    this.arm()
  }

  withdraw(place: CommonPlace<KeyPool<K, A, E>>): void {
    this.permitted.delete(place)
    this.desk?.withdraw(place)
    this.limit.withdraw(place)
  }

  giveBack(place: CommonPlace<KeyPool<K, A, E>>): void {
    this.desk?.giveBack(place)
    this.limit.giveBack(place)
  }

  /** Until its permit comes, the place counts as no creation. */
  private askPermit(desk: PermitDesk<CommonPlace<KeyPool<K, A, E>>>, place: CommonPlace<KeyPool<K, A, E>>): void {
    this.limit.creationOver(place)
    desk.ask(place, place.purpose)
    // the permit of an item that waits for its replacement may be the one that is needed
    const spent = this.limit.spent.first as typeof place | undefined
    if (spent !== undefined) spent.share.owner.engine.machine.evict(spent.item!, this.time.read())
  }

  /** The creations of places with a permit begin, as many as may run. */
  private beginPermitted(): void {
    for (const place of this.permitted) {
      if (!this.limit.mayCreate) return
      this.permitted.delete(place)
      this.limit.creationBegins(place)
      if (!place.share.owner.engine.machine.granted(place, this.time.read())) this.giveBack(place)
    }
  }

  settle(): void {
    if (this.isSettling) return
    this.isSettling = true
    try {
      this.beginPermitted()
      for (let command = this.limit.next(); command !== undefined; command = this.limit.next()) {
        const { place } = command
        const { machine } = place.share.owner.engine
        if (command._tag === "Evict") machine.evict(place.item!, this.time.read())
        else if (this.desk !== undefined) this.askPermit(this.desk, place)
        else if (!machine.granted(place, this.time.read())) this.limit.giveBack(place)
      }
    } finally {
      this.isSettling = false
    }
  }

  // --- the pool as a whole

  readonly invalidate = (value: A): Effect.Effect<void> =>
    Effect.sync(() => {
      for (const item of this.byValue.get(value)) {
        const { share } = item.permit as CommonPlace<KeyPool<K, A, E>>
        share.owner.engine.machine.retire(item, this.time.read(), "invalidated")
      }
    })

  readonly renew = (...key: [] | [key: K]): Effect.Effect<number> =>
    Effect.sync(() => {
      const only = key.length === 0 ? undefined : this.keys.get(key[0])
      const parts = key.length === 0 ? [...this.keys] : only === undefined ? [] : [only]
      return parts.reduce((count, { engine: { machine } }) => count + machine.renew(this.time.read()), 0)
    })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.beginClosing()
    return Deferred.await(this.whenClosed)
  })

  private beginClosing(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.sleeper.cancel()
    const parts = [...this.keys]
    if (parts.length + this.closing.size === 0) return this.endClosing()
    for (const part of parts) this.closing.add(part)
    for (const part of parts) this.letGo(part)
  }

  private endClosing(): void {
    this.hideMetrics()
    this.changed()
    complete(this.whenClosed, Effect.void)
  }

  readonly stats: Effect.Effect<KeyedPoolStats> = Effect.sync(() => this.statsNow())

  readonly awaitStats: KeyedPool<K, A, E>["awaitStats"] = (predicate) => this.observers.await(predicate)

  private observe(isObserved: boolean): void {
    this.isObserved = isObserved
    for (const parts of [this.keys, this.closing]) {
      for (const { engine: { machine } } of parts) machine.observe(isObserved)
    }
  }

  changed(): void {
    this.observers.changed()
  }

  private statsNow(): KeyedPoolStats {
    return keyedStats(this.name, this.keys, this.keys.size, this.allStats())
  }

  private allStats(): PoolStats {
    const { gone, limit: { peak }, name, refusedKeys, settings: { maxTotal } } = this
    const totals = new Totals().add(gone.read(name, maxTotal, 0, 0))
    for (const parts of [this.keys, this.closing]) for (const { engine } of parts) totals.add(engine.stats())
    return totals.read(name, maxTotal, peak, refusedKeys, this.desk?.figures)
  }

  /** The same figures for all metrics that are read in the same turn. */
  private latestStats(): PoolStats {
    if (this.latest === undefined) queueMicrotask(() => this.latest = undefined)
    return this.latest ??= this.allStats()
  }

  toJSON(): unknown {
    return { _id: "KeyedPool", name: this.name, keys: this.keys.size, stats: this.allStats().toJSON() }
  }

  override toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

export const make = <K, A, E, R, E2 = never>(
  options: KeyedOptions<K, A, E, R, E2>
): Effect.Effect<KeyedPool<K, A, E | E2>, never, Scope.Scope | Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const { decoded, problems } = decodeKeyed(options)
    yield* dieOfProblems(options.name ?? "KeyedPool", problems)
    const runtime = yield* poolRuntime
    // `make` requires what the hooks require: the fibers of the pool provide it
    const adapterOf = ((key) => new KeyAdapter<K, A, E | E2, R>(options, key, decoded.name)) as AdapterOf<K, A, E | E2>
    return yield* Effect.acquireRelease(
      Effect.sync(() => new KeyedPoolImpl(decoded, runtime, adapterOf)),
      (pool) => pool.close
    )
  })

export const isKeyedPool = (u: unknown): u is KeyedPool<any, unknown, unknown> => Predicate.hasProperty(u, TypeId)

export const get = dual(2, (self: KeyedPool<any, any, any>, key: any) => self.get(key))

export const use = dual(3, (self: KeyedPool<any, any, any>, key: any, f: (item: any) => any) => self.use(key, f))

export const invalidate = dual(2, (self: KeyedPool<any, any, any>, item: any) => self.invalidate(item))
