import { format, inspectSymbol } from "#effect/inspect"
import type { PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RecyclingPoolStats } from "../../PoolStats.js"
import * as Resettable from "../../Resettable.js"
import { FreeList, type ListSlot } from "../core/recycling/freeList.js"
import { slotOf } from "../core/recycling/slot.js"
import { OptionChecks } from "../options/optionChecks.js"
import {
  checkAtMost,
  count,
  decode,
  type Decoded,
  duration,
  hook,
  type Input,
  required,
  text
} from "../options/optionTable.js"
import { byScope, makePool, RecyclingPool, refuse, snapshot, stale } from "./recyclingPool.js"

export const objectOptions = {
  name: text("ObjectPool"),
  factory: required(hook),
  reset: hook,
  validate: hook,
  minSize: count(0, 0),
  maxSize: count(0, 64),
  idleTimeToLive: duration(Infinity)
}

type KeepingOptions = Omit<Input<typeof objectOptions>, "factory" | "reset" | "validate">

interface ResettableOptions<A> extends KeepingOptions {
  readonly validate?: ((object: A) => boolean) | undefined
}

interface Options<A> extends ResettableOptions<A> {
  readonly factory: () => A
  readonly reset?: ((object: A) => void | boolean) | undefined
}

export class ObjectPool<A extends object> extends RecyclingPool<ListSlot<A>> {
  protected readonly module = "ObjectPool"
  readonly lists
  private readonly list: FreeList<A>

  constructor(options: Options<A>, decoded: Decoded<typeof objectOptions>, runtime: PoolRuntime) {
    const { idleTimeToLive, maxSize, minSize, name } = decoded
    super(name, idleTimeToLive, runtime)
    const { factory, reset, validate } = options
    this.list = new FreeList({ factory, reset, validate, minSize, maxSize, weight: 0, ageing: this.ageing })
    this.lists = [[this.list, []]] as const
  }

  protected giveBack(slot: ListSlot<A>): void {
    this.list.takeBack(slot)
  }

  private readonly lendByScope = (): ListSlot<A> => this.list.lend(byScope)

  readonly use = <B, E, R>(f: (object: A) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> =>
    this.lend(this.lendByScope, (slot) => f(slot.value))

  readonly useSync = <B>(f: (object: A) => B): Effect.Effect<B> =>
    this.lendSync(this.lendByScope, (slot) => f(slot.value))

  readonly get: Effect.Effect<A, never, Scope.Scope> = this.lendScoped(this.lendByScope, (slot) => slot.value)

  lease(): Lease<A> {
    return new Lease(this.name, this.list)
  }

  unsafeAcquire(): A {
    return this.list.lend(this).value
  }

  unsafeRelease(object: A): boolean {
    const slot = slotOf(object)
    if (slot === undefined || slot.holder !== this) {
      return refuse(this.list, slot?.owner === this.list ? "notOut" : "foreign")
    }
    this.list.takeBack(slot)
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
    this.slot = list.lend(this)
  }

  get value(): A {
    if (this.slot.holder !== this) throw stale(this.list, this.pool)
    return this.slot.value
  }

  release(): boolean {
    if (this.slot.holder !== this) return refuse(this.list, "stale")
    this.list.takeBack(this.slot)
    return true
  }

  discard(): boolean {
    if (this.slot.holder !== this) return refuse(this.list, "stale")
    this.list.invalidate(this.slot)
    return true
  }

  [Symbol.dispose](): void {
    if (this.slot.holder === this) this.list.takeBack(this.slot)
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

export const make = <A extends object>(options: Options<A>): Effect.Effect<ObjectPool<A>, never, Scope.Scope> =>
  Effect.suspend(() => {
    const checks = new OptionChecks()
    const decoded = decode(objectOptions, options, checks)
    checkAtMost(decoded, "minSize", "maxSize", checks)
    return makePool(decoded.name, checks, (runtime) => new ObjectPool(options, decoded, runtime))
  })

export const makeResettable = <A extends Resettable.Resettable>(
  factory: () => A,
  options: ResettableOptions<A> | undefined
): Effect.Effect<ObjectPool<A>, never, Scope.Scope> => make({ ...options, factory, reset: Resettable.reset })
