import type { DurationInput } from "#effect/duration"
import { format, inspectSymbol } from "#effect/inspect"
import type { PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RecyclingPoolStats } from "../../PoolStats.js"
import * as Resettable from "../../Resettable.js"
import { FreeList, type ListSlot } from "../core/recycling/freeList.js"
import { slotOf } from "../core/recycling/slot.js"
import { Reader, readSizes } from "../options/poolOptions.js"
import { byScope, makePool, RecyclingPool, refuse, snapshot, stale } from "./recyclingPool.js"

interface KeepingOptions {
  readonly name?: string | undefined
  readonly minSize?: number | undefined
  readonly maxSize?: number | undefined
  readonly idleTimeToLive?: DurationInput | undefined
}

interface Options<A> extends KeepingOptions {
  readonly factory: () => A
  readonly reset?: ((object: A) => void | boolean) | undefined
  readonly validate?: ((object: A) => boolean) | undefined
}

interface ResettableOptions<A> extends KeepingOptions {
  readonly validate?: ((object: A) => boolean) | undefined
}

interface Decoded {
  readonly minSize: number
  readonly maxSize: number
  readonly idleTimeToLive: number
}

export class ObjectPool<A extends object> extends RecyclingPool<ListSlot<A>> {
  protected readonly module = "ObjectPool"
  readonly lists
  private readonly list: FreeList<A>

  constructor(name: string, options: Options<A>, decoded: Decoded, runtime: PoolRuntime) {
    super(name, decoded.idleTimeToLive, runtime)
    const { minSize, maxSize } = decoded
    const { factory, reset, validate } = options
    this.list = new FreeList({ factory, reset, validate, minSize, maxSize, weight: 0, ageing: this.ageing })
    this.lists = [[this.list, []]] as const
  }

  protected giveBack(slot: ListSlot<A>): void {
    this.list.give(slot)
  }

  private readonly take = (): ListSlot<A> => this.list.take(byScope)

  readonly use = <B, E, R>(f: (object: A) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.lend(this.take, (slot) => f(slot.value))

  readonly useSync = <B>(f: (object: A) => B): Effect.Effect<B> => this.lendSync(this.take, (slot) => f(slot.value))

  readonly get: Effect.Effect<A, never, Scope.Scope> = this.lendScoped(this.take, (slot) => slot.value)

  lease(): Lease<A> {
    return new Lease(this.name, this.list)
  }

  unsafeAcquire(): A {
    return this.list.take(this).value
  }

  unsafeRelease(object: A): boolean {
    const slot = slotOf(object)
    if (slot === undefined || slot.holder !== this) {
      return refuse(this.list, slot?.owner === this.list ? "notOut" : "foreign")
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

/** An object, until it is released or discarded. */
class Lease<A extends object> {
  private readonly pool: string
  private readonly list: FreeList<A>
  private readonly slot: ListSlot<A>

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
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

export const make = <A extends object>(
  options: Options<A>
): Effect.Effect<ObjectPool<A>, never, Scope.Scope> =>
  Effect.suspend(() => {
    const name = options.name ?? "ObjectPool"
    const read = new Reader()
    for (const key of ["factory", "reset", "validate"] as const) {
      const isRight = typeof options[key] === "function" || (options[key] === undefined && key !== "factory")
      if (!isRight) read.refuse(key, options[key], "a function")
    }
    const decoded = {
      ...readSizes(read, ["minSize", options.minSize], ["maxSize", options.maxSize], 64),
      idleTimeToLive: read.duration("idleTimeToLive", options.idleTimeToLive, Infinity)
    }
    return makePool(name, read, (runtime) => new ObjectPool(name, options, decoded, runtime))
  })

export const makeResettable = <A extends Resettable.Resettable>(
  factory: () => A,
  options: ResettableOptions<A> | undefined
): Effect.Effect<ObjectPool<A>, never, Scope.Scope> => make({ ...options, factory, reset: Resettable.reset })
