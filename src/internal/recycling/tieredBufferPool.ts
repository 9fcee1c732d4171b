import type { PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TieredBufferPoolStats } from "../../PoolStats.js"
import { type Budget, FreeList, type ListSlot } from "../core/recycling/freeList.js"
import { SizeTable } from "../core/recycling/sizeTable.js"
import { OptionChecks } from "../options/optionChecks.js"
import { count, decode, type Decoded, duration, type Input, read, text, value } from "../options/optionTable.js"
import {
  BufferLease,
  BufferLender,
  bufferSizeOption,
  type Bytes,
  checkLength,
  makeList,
  takeBackBytes,
  zeroOption
} from "./bufferLease.js"
import { makePool, snapshot } from "./recyclingPool.js"

export const tieredOptions = {
  name: text("TieredBufferPool"),
  sizes: value<ReadonlyArray<number>, ReadonlyArray<number>>(
    "an array of numbers",
    Array.isArray,
    [256, 1024, 4096, 16384, 65536, 262144, 1048576]
  ),
  maxBuffersPerTier: count(0, 64),
  // or the largest size, if larger
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
  throw new Error("no tier fits this length")
}

class TieredBufferPool extends BufferLender {
  protected readonly module = "TieredBufferPool"
  readonly sizes: ReadonlyArray<number>
  readonly lists
  /** The list for buffers larger than every tier. It keeps no buffers. */
  protected readonly first: FreeList<Bytes>
  private readonly tiers: ReadonlyArray<FreeList<Bytes>>
  private readonly table: SizeTable
  private readonly zero: boolean
  private readonly budget: Budget
  private out = 0
  private peak = 0

  constructor(options: Decoded<typeof tieredOptions>, runtime: PoolRuntime) {
    const { maxBuffersPerTier: maxSize, maxBytes, sizes } = options
    super(options.name, options.idleTimeToLive, runtime)
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

  lendSlot(length: number, holder: object): ListSlot<Bytes> {
    checkLength(length, Number.MAX_SAFE_INTEGER)
    const index = this.table.indexOf(length)
    const slot = index < 0 ? this.first.lendNew(new Uint8Array(length), holder) : this.tiers[index]!.lend(holder)
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  takeBack(slot: ListSlot<Bytes>, dirty: number): void {
    this.out--
    if (slot.owner === this.first) {
      this.first.markReturned(slot)
      this.first.drop(slot)
    } else {
      takeBackBytes(slot, dirty, this.zero)
    }
  }

  override invalidate(slot: ListSlot<Bytes>): void {
    this.out--
    super.invalidate(slot)
  }

  protected has(list: FreeList<Bytes>): boolean {
    return list === this.first || this.tiers.includes(list)
  }

  readonly use = <B, E, R>(
    length: number,
    f: (bytes: Bytes, lease: BufferLease) => Effect.Effect<B, E, R>
  ): Effect.Effect<B, E, R> => this.useLease(length, f)

  readonly useSync = <B>(length: number, f: (bytes: Bytes, lease: BufferLease) => B): Effect.Effect<B> =>
    this.useLeaseSync(length, f)

  readonly get = (length: number): Effect.Effect<Bytes, never, Scope.Scope> => this.getView(length)

  lease(length: number): BufferLease {
    return new BufferLease(this, length)
  }

  unsafeAcquire(length: number): Bytes {
    return this.lendSlot(length, this).value
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

export const make = (options: Input<typeof tieredOptions> = {}): Effect.Effect<TieredBufferPool, never, Scope.Scope> =>
  Effect.suspend(() => {
    const checks = new OptionChecks()
    const given = decode(tieredOptions, options, checks)
    // copied, since the caller may change the array later
    const sizes = [...given.sizes]
    checkSizes(sizes, checks)
    const largest = sizes.at(-1) ?? 1
    const maxBytes = options.maxBytes === undefined ? Math.max(given.maxBytes, largest) : given.maxBytes
    if (maxBytes < largest) checks.refuse("maxBytes", maxBytes, `at least the largest of sizes (${largest})`)
    const decoded = { ...given, sizes, maxBytes }
    return makePool(decoded.name, checks, (runtime) => new TieredBufferPool(decoded, runtime))
  })
