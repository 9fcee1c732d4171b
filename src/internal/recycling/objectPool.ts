import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Scope from "effect/Scope"
import type * as Api from "../../ObjectPool.js"
import type { RecyclingPoolStats } from "../../PoolStats.js"
import * as Resettable from "../../Resettable.js"
import { FreeList, type Slot, slotOf } from "../core/recycling/freeList.js"
import { OptionChecks } from "../options/optionChecks.js"
import { checkAtMost, count, decode, type Decoded, duration, hook, required, text } from "../options/optionTable.js"
import { byScope, makePool, RecyclingPool, refuse, snapshot, stale, type Surroundings } from "./recyclingPool.js"

export const objectOptions = {
  name: text("ObjectPool"),
  factory: required(hook),
  reset: hook,
  validate: hook,
  minSize: count(0, 0),
  maxSize: count(0, 64),
  idleTimeToLive: duration(Infinity)
}

class ObjectPoolImpl<A extends object> extends RecyclingPool<Slot<A>> implements Api.Service<A> {
  protected readonly module = "ObjectPool"
  readonly lists
  private readonly list: FreeList<A>

  constructor(options: Api.Options<A>, decoded: Decoded<typeof objectOptions>, surroundings: Surroundings) {
    const { idleTimeToLive, maxSize, minSize, name } = decoded
    super(name, idleTimeToLive, surroundings)
    const { factory, reset, validate } = options
    this.list = new FreeList({ factory, reset, validate, minSize, maxSize, weight: 0, ageing: this.ageing })
    this.lists = [[this.list, []]] as const
  }

  protected giveBack(slot: Slot<A>): void {
    this.list.give(slot)
  }

  private readonly take = (): Slot<A> => this.list.take(byScope)

  readonly use = <B, E, R>(f: (object: A) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.lend(this.take, (slot) => f(slot.value))

  readonly useSync = <B>(f: (object: A) => B): Effect.Effect<B> => Effect.sync(() => useOnce(this.list, f))

  readonly get: Effect.Effect<A, never, Scope.Scope> = this.lendScoped(this.take, (slot) => slot.value)

  lease(): Api.Lease<A> {
    return new LeaseImpl(this.name, this.list)
  }

  unsafeAcquire(): A {
    return this.list.take(this).value
  }

  unsafeRelease(object: A): boolean {
    const slot = slotOf(object)
    if (slot === undefined || slot.holder !== this) {
      return refuse(this.list, slot?.list === this.list ? "notOut" : "foreign")
    }
    this.list.give(slot)
    return true
  }

  unsafeStats(): RecyclingPoolStats {
    return snapshot(this.name, [this.list])
  }

  readonly stats: Effect.Effect<RecyclingPoolStats> = Effect.sync(() => this.unsafeStats())

  toJSON(): unknown {
    return { _id: "ObjectPool", name: this.name, stats: this.unsafeStats().toJSON() }
  }
}

const useOnce = <A extends object, B>(list: FreeList<A>, f: (object: A) => B): B => {
  const slot = list.take(byScope)
  let value: B
  try {
    value = f(slot.value)
  } catch (defect) {
    giveAfter(list, slot)
    throw defect
  }
  list.give(slot)
  return value
}

/** After a failure that matters more than one of `reset`, which is counted. */
const giveAfter = <A extends object>(list: FreeList<A>, slot: Slot<A>): void => {
  try {
    list.give(slot)
  } catch {
    return
  }
}

class LeaseImpl<A extends object> implements Api.Lease<A> {
  private readonly pool: string
  private readonly list: FreeList<A>
  private readonly slot: Slot<A>

  constructor(pool: string, list: FreeList<A>) {
    this.pool = pool
    this.list = list
    this.slot = list.take(this)
  }

  get value(): A {
    if (this.slot.holder !== this) throw stale(this.list, this.pool)
    return this.slot.value
  }

  release(): boolean {
    if (this.slot.holder !== this) return refuse(this.list, "stale")
    this.list.give(this.slot)
    return true
  }

  discard(): boolean {
    if (this.slot.holder !== this) return refuse(this.list, "stale")
    this.list.invalidate(this.slot)
    return true
  }

  [Symbol.dispose](): void {
    if (this.slot.holder === this) this.list.give(this.slot)
  }

  toJSON(): unknown {
    return { _id: "Lease", pool: this.pool, released: this.slot.holder !== this }
  }

  toString(): string {
    return Inspectable.format(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

export const make = <A extends object>(options: Api.Options<A>): Effect.Effect<Api.Service<A>, never, Scope.Scope> =>
  Effect.suspend(() => {
    const checks = new OptionChecks()
    const decoded = decode(objectOptions, options, checks)
    checkAtMost(decoded, "minSize", "maxSize", checks)
    return makePool(decoded.name, checks, (surroundings) => new ObjectPoolImpl(options, decoded, surroundings))
  })

export const makeResettable = <A extends Resettable.Resettable>(
  factory: () => A,
  options: Api.ResettableOptions<A> | undefined
): Effect.Effect<Api.Service<A>, never, Scope.Scope> => make({ ...options, factory, reset: Resettable.reset })
