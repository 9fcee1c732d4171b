import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as BufferPool from "../../BufferPool.js"
import { TieredBufferPoolStats } from "../../PoolStats.js"
import type * as Api from "../../TieredBufferPool.js"
import { type Budget, FreeList, type Slot } from "../core/recycling/freeList.js"
import { OptionChecks } from "../options/optionChecks.js"
import { count, decode, type Decoded, duration, read, text, value } from "../options/optionTable.js"
import {
  BufferLease,
  BufferLender,
  bufferSizeOption,
  type Bytes,
  checkLength,
  giveBytes,
  makeList,
  zeroOption
} from "./bufferPool.js"
import { makePool, snapshot, type Surroundings } from "./recyclingPool.js"

/**
 * Finds the smallest size that fits. Sizes between the same two powers of two are tried one after the other: no more
 * than one step where each is twice the last or more, however many sizes there are.
 */
export class SizeTable {
  private readonly sizes: ReadonlyArray<number>
  /** The first size that may do, by the number of bits that `length - 1` has. */
  private readonly first: ReadonlyArray<number>
  private readonly largest: number

  /** Ascending. */
  constructor(sizes: ReadonlyArray<number>) {
    this.sizes = sizes
    this.largest = sizes.at(-1)!
    this.first = Array.from({ length: 33 }, (_, bits) => {
      const shortest = bits === 0 ? 1 : 2 ** (bits - 1) + 1
      const index = sizes.findIndex((size) => size >= shortest)
      return index < 0 ? sizes.length : index
    })
  }

  /** -1 where none fits. */
  indexOf(length: number): number {
    if (length > this.largest) return -1
    let index = length === 0 ? 0 : this.first[32 - Math.clz32(length - 1)]!
    while (this.sizes[index]! < length) index++
    return index
  }
}

export const tieredOptions = {
  name: text("TieredBufferPool"),
  sizes: value<ReadonlyArray<number>, ReadonlyArray<number>>(
    "an array of numbers",
    Array.isArray,
    [256, 1024, 4096, 16384, 65536, 262144, 1048576]
  ),
  maxBuffersPerTier: count(0, 64),
  // or the largest size, if that is more
  maxBytes: count(1, 32 * 1024 * 1024),
  zero: zeroOption,
  idleTimeToLive: duration(Infinity)
}

const checkSizes = (sizes: ReadonlyArray<number>, checks: OptionChecks): void => {
  if (sizes.length === 0) checks.refuse("sizes", sizes, "one size or more")
  sizes.forEach((size, index) => {
    const option = `sizes[${index}]`
    const before = sizes[index - 1]
    read(bufferSizeOption, size, option, checks)
    if (before !== undefined && size <= before) {
      checks.refuse(option, size, `larger than the one before it (${before})`)
    }
  })
}

const never = (): never => {
  throw new Error("what is larger than every tier is made to measure")
}

class TieredBufferPoolImpl extends BufferLender implements Api.Service {
  protected readonly module = "TieredBufferPool"
  readonly sizes: ReadonlyArray<number>
  readonly lists
  /** What is larger than every tier; keeps nothing. */
  protected readonly first: FreeList<Bytes>
  private readonly tiers: ReadonlyArray<FreeList<Bytes>>
  private readonly table: SizeTable
  private readonly zero: boolean
  private readonly budget: Budget
  private out = 0
  private peak = 0

  constructor(options: Decoded<typeof tieredOptions>, around: Surroundings) {
    const { maxBuffersPerTier: maxSize, maxBytes, sizes } = options
    super(options.name, options.idleTimeToLive, around)
    const { ageing } = this
    this.sizes = sizes
    this.table = new SizeTable(sizes)
    this.zero = options.zero === "onRelease"
    this.budget = { kept: 0, max: maxBytes }
    const common = { minSize: 0, budget: this.budget, ageing }
    this.tiers = sizes.map((bufferSize) => makeList({ ...common, bufferSize, maxSize }))
    this.first = new FreeList<Bytes>({
      ...common,
      factory: never,
      weight: 0,
      maxSize: 0,
      part: (bytes) => bytes.buffer
    })
    this.lists = [
      ...this.tiers.map((list) => [list, [["tier", String(list.weight)]]] as const),
      [this.first, [["tier", "oversize"]]] as const
    ] as const
  }

  take(length: number, holder: object): Slot<Bytes> {
    checkLength(length, Number.MAX_SAFE_INTEGER)
    const index = this.table.indexOf(length)
    const slot = index < 0 ? this.first.lendNew(new Uint8Array(length), holder) : this.tiers[index]!.take(holder)
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  give(slot: Slot<Bytes>, dirty: number): void {
    this.out--
    if (slot.list === this.first) {
      this.first.takeBack(slot)
      this.first.drop(slot)
    } else {
      giveBytes(slot, dirty, this.zero)
    }
  }

  override invalidate(slot: Slot<Bytes>): void {
    this.out--
    super.invalidate(slot)
  }

  protected has(list: FreeList<Bytes>): boolean {
    return list === this.first || this.tiers.includes(list)
  }

  readonly use = <B, E, R>(
    length: number,
    f: (bytes: Bytes, lease: BufferPool.Lease) => Effect.Effect<B, E, R>
  ): Effect.Effect<B, E, R> => this.useLease(length, f)

  readonly useSync = <B>(length: number, f: (bytes: Bytes, lease: BufferPool.Lease) => B): Effect.Effect<B> =>
    this.useLeaseSync(length, f)

  readonly get = (length: number): Effect.Effect<Bytes, never, Scope.Scope> => this.getView(length)

  lease(length: number): BufferPool.Lease {
    return new BufferLease(this, length)
  }

  unsafeAcquire(length: number): Bytes {
    return this.take(length, this).value
  }

  unsafeStats(): TieredBufferPoolStats {
    return new TieredBufferPoolStats({
      pool: this.name,
      all: snapshot(this.name, [...this.tiers, this.first], this.peak),
      tiers: this.tiers.map((list) => ({ bufferSize: list.weight, stats: snapshot(this.name, [list]) })),
      oversize: this.first.misses,
      bytes: this.budget.kept,
      maxBytes: this.budget.max
    })
  }

  readonly stats: Effect.Effect<TieredBufferPoolStats> = Effect.sync(() => this.unsafeStats())

  toJSON(): unknown {
    return { _id: "TieredBufferPool", name: this.name, sizes: this.sizes, stats: this.unsafeStats().toJSON() }
  }
}

export const make = (options: Api.Options = {}): Effect.Effect<Api.Service, never, Scope.Scope> =>
  Effect.suspend(() => {
    const checks = new OptionChecks()
    const given = decode(tieredOptions, options, checks)
    // a copy, since whoever made the pool may go on with theirs
    const sizes = [...given.sizes]
    checkSizes(sizes, checks)
    const largest = sizes.at(-1) ?? 1
    const maxBytes = options.maxBytes === undefined ? Math.max(given.maxBytes, largest) : given.maxBytes
    if (maxBytes < largest) checks.refuse("maxBytes", maxBytes, `at least the largest of sizes (${largest})`)
    const decoded = { ...given, sizes, maxBytes }
    return makePool(decoded.name, checks, (surroundings) => new TieredBufferPoolImpl(decoded, surroundings))
  })
