import type { DurationInput } from "#effect/duration"
import { andThen } from "#effect/effect"
import { format, inspectSymbol } from "#effect/inspect"
import { PoolBase } from "#effect/poolBase"
import { poolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { PoolError } from "../../PoolError.js"
import type { PoolStats } from "../../PoolStats.js"
import type { PoolEvent } from "../../ResourcePoolOptions.js"
import {
  decodeEngine,
  engineOptions,
  type EngineSettings,
  engineSettings,
  problemsOfSizes,
  type Sizes
} from "../options/engineOptions.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { decodeOne } from "../options/optionTable.js"
import { asTheyAre } from "./asTheyAre.js"
import {
  type LeaseAdapter,
  type PoolAdapter,
  type PoolEngine,
  type PoolOptions,
  TypeId,
  type WaitingPool
} from "./contract.js"
import { originOf } from "./origin.js"
import { Engine } from "./poolEngine.js"

export type {
  ItemControl,
  LeaseAdapter,
  PoolAdapter,
  PoolEngine,
  ReturnVerdict,
  SyncLease,
  WaitingPool
} from "./contract.js"
export { TypeId } from "./contract.js"

class ResourcePoolImpl<A, E, V> extends PoolBase<V, E | PoolError> implements WaitingPool<V, E> {
  readonly [TypeId]: TypeId = TypeId
  readonly engine: Engine<A, E, V>
  readonly name: string
  readonly use: WaitingPool<V, E>["use"]
  readonly useSync: WaitingPool<V, E>["useSync"]
  readonly get: WaitingPool<V, E>["get"]
  readonly tryGet: WaitingPool<V, E>["tryGet"]
  readonly acquire: WaitingPool<V, E>["acquire"]
  readonly events: Stream.Stream<PoolEvent>

  constructor(engine: Engine<A, E, V>) {
    super()
    const { borrowing } = engine
    this.engine = engine
    this.name = engine.name
    this.use = borrowing.use()
    this.useSync = borrowing.useSync(this.use)
    this.get = borrowing.get()
    this.tryGet = borrowing.tryGet()
    this.acquire = borrowing.acquire()
    this.events = engine.events.stream()
  }

  readonly invalidate = (view: V): Effect.Effect<void> =>
    Effect.sync(() => {
      const { adapter, machine, time } = this.engine
      // `undefined` for a value of another kind, which no item of this pool has: then this does nothing
      machine.invalidate(adapter.core(view) as A, time.read())
    })

  readonly prune = (maxIdle?: DurationInput | undefined): Effect.Effect<number> =>
    Effect.suspend(() => {
      const { machine, time } = this.engine
      const byDefault = machine.policy.idleTimeToLive
      const { decoded, problems } = decodeOne({ ...engineOptions.idleTimeToLive, byDefault }, maxIdle, "maxIdle")
      return andThen(dieOfProblems(this.name, problems), Effect.sync(() => machine.prune(decoded, time.read())))
    })

  readonly clear: Effect.Effect<number> = Effect.sync(() => this.engine.machine.clear(this.engine.time.read()))

  readonly renew: Effect.Effect<number> = Effect.sync(() => this.engine.machine.renew(this.engine.time.read()))

  readonly resize = (size: Sizes): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { machine, time } = this.engine
      const { maxSize = machine.sizes.maxSize, minIdle = machine.sizes.minIdle, minSize = machine.sizes.minSize } = size
      const resize = Effect.sync(() => {
        machine.resize({ minSize, maxSize, minIdle }, time.read())
        this.engine.announceDemand()
      })
      return andThen(dieOfProblems(this.name, problemsOfSizes({ minSize, maxSize, minIdle })), resize)
    })

  readonly ready: Effect.Effect<void, E | PoolError> = Effect.suspend(() => {
    const { ends, machine, time } = this.engine
    const ready = ends.awaitReady()
    machine.wantReady(time.read())
    return ready
  })

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    const { ends, machine, time } = this.engine
    machine.drain(time.read())
    this.engine.announceDemand()
    return ends.awaitDrained()
  })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const { ends, machine, time } = this.engine
    machine.close(time.read())
    this.engine.announceDemand()
    return ends.awaitClosed()
  })

  readonly stats: Effect.Effect<PoolStats> = Effect.sync(() => this.engine.stats())

  readonly awaitStats = (predicate: (stats: PoolStats) => boolean): Effect.Effect<PoolStats, PoolError> =>
    this.engine.awaitStats(predicate)

  toJSON(): unknown {
    const { machine, name } = this.engine
    return { _id: "ResourcePool", name, state: machine.state, stats: this.engine.stats().toJSON() }
  }

  override toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** `undefined` for a pool of another package. */
export const engineOf = <V, E>(pool: WaitingPool<V, E>): PoolEngine<V, E> | undefined =>
  pool instanceof ResourcePoolImpl ? pool.engine : undefined

/** `X`: the builder's own result, in addition to the adapter. */
export interface Built<V, E, X> {
  readonly pool: WaitingPool<V, E>
  readonly engine: PoolEngine<V, E>
  readonly built: X
}

/** Makes a pool. `build` gets the engine before the first item is created, and may keep it. */
export const makeWith = <A, E, R, V, X = unknown>(
  settings: EngineSettings,
  build: (engine: PoolEngine<V, E>) => PoolAdapter<A, E, R, V> & X,
  module = "ResourcePool"
): Effect.Effect<Built<V, E, X>, never, Scope.Scope | Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const runtime = yield* poolRuntime
    // `make` requires the hooks' requirements: the fibers of the pool provide them
    const buildAny: (engine: PoolEngine<V, E>) => PoolAdapter<A, E, any, V> & X = build
    return yield* Effect.acquireRelease(
      Effect.sync((): Built<V, E, X> => {
        const engine = new Engine(originOf(module, settings, runtime), buildAny)
        engine.machine.start(engine.time.read())
        return { built: engine.adapter, engine, pool: new ResourcePoolImpl(engine) }
      }),
      ({ pool }) => pool.close
    )
  })

export const make = <A, E, R, E2 = never>(
  options: PoolOptions<A, E, R, E2>
): Effect.Effect<WaitingPool<A, E | E2>, never, Scope.Scope | Exclude<R, Scope.Scope>> => {
  const { acquire, concurrency, keepAlive, lost, onRelease, retire, validate } = options
  return Effect.gen(function*() {
    const { decoded, problems } = decodeEngine(options)
    yield* dieOfProblems(options.name ?? "ResourcePool", problems)
    const { pool } = yield* makeWith<A, E | E2, R, A>(engineSettings(decoded), () => ({
      ...asTheyAre as LeaseAdapter<A, A>,
      acquire,
      concurrency: typeof concurrency === "function" ? concurrency : undefined,
      lost,
      retire,
      validate,
      ping: keepAlive?.ping,
      onRelease
    }))
    return pool
  })
}

export const isResourcePool = (u: unknown): u is WaitingPool<unknown, unknown> => Predicate.hasProperty(u, TypeId)

export const use = dual(2, (self: WaitingPool<any, any>, f: (item: any) => any) => self.use(f))

export const useSync = dual(2, (self: WaitingPool<any, any>, f: (item: any) => any) => self.useSync(f))

export const invalidate = dual(2, (self: WaitingPool<any, any>, item: any) => self.invalidate(item))
