/** The pool of buffers of one size. */
import type { PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RecyclingPoolStats } from "../../PoolStats.js"
import type { FreeList, ListSlot } from "../core/recycling/freeList.js"
import { OptionChecks } from "../options/optionChecks.js"
import { checkAtMost, count, decode, type Decoded, duration, type Input, text } from "../options/optionTable.js"
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

interface BorrowOptions {
  readonly length?: number | undefined
}

export const bufferOptions = {
  name: text("BufferPool"),
  bufferSize: bufferSizeOption,
  minBuffers: count(0, 0),
  maxBuffers: count(0, 64),
  zero: zeroOption,
  idleTimeToLive: duration(Infinity)
}

class BufferPool extends BufferLender {
  protected readonly module = "BufferPool"
  readonly bufferSize: number
  readonly lists
  protected readonly first: FreeList<Bytes>
  private readonly zero: boolean

  constructor(options: Decoded<typeof bufferOptions>, runtime: PoolRuntime) {
    const { bufferSize, maxBuffers, minBuffers } = options
    super(options.name, options.idleTimeToLive, runtime)
    this.bufferSize = bufferSize
    this.zero = options.zero === "onRelease"
    this.first = makeList({ bufferSize, minSize: minBuffers, maxSize: maxBuffers, ageing: this.ageing })
    this.lists = [[this.first, []]] as const
  }

  lendSlot(length: number, holder: object): ListSlot<Bytes> {
    checkLength(length, this.bufferSize)
    return this.first.lend(holder)
  }

  takeBack(slot: ListSlot<Bytes>, dirty: number): void {
    takeBackBytes(slot, dirty, this.zero)
  }

  protected has(list: FreeList<Bytes>): boolean {
    return list === this.first
  }

  readonly use = <B, E, R>(
    f: (bytes: Bytes, lease: BufferLease) => Effect.Effect<B, E, R>,
    options?: BorrowOptions
  ): Effect.Effect<B, E, R> => this.useLease(options?.length ?? this.bufferSize, f)

  readonly useSync = <B>(f: (bytes: Bytes, lease: BufferLease) => B, options?: BorrowOptions): Effect.Effect<B> =>
    this.useLeaseSync(options?.length ?? this.bufferSize, f)

  get get(): Effect.Effect<Bytes, never, Scope.Scope> {
    return this.getView(this.bufferSize)
  }

  lease(options?: BorrowOptions): BufferLease {
    return new BufferLease(this, options?.length ?? this.bufferSize)
  }

  unsafeAcquire(): Bytes {
    return this.first.lend(this).value
  }

  unsafeStats(): RecyclingPoolStats {
    return snapshot(this.name, [this.first])
  }

  readonly stats: Effect.Effect<RecyclingPoolStats> = Effect.sync(() => this.unsafeStats())

  toJSON(): unknown {
    return {
      _id: "BufferPool",
      name: this.name,
      bufferSize: this.bufferSize,
      stats: this.unsafeStats().toJSON()
    }
  }
}

export const make = (options: Input<typeof bufferOptions>): Effect.Effect<BufferPool, never, Scope.Scope> =>
  Effect.suspend(() => {
    const checks = new OptionChecks()
    const decoded = decode(bufferOptions, options, checks)
    checkAtMost(decoded, "minBuffers", "maxBuffers", checks)
    return makePool(decoded.name, checks, (runtime) => new BufferPool(decoded, runtime))
  })
