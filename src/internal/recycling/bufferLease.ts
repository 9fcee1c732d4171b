/**
 * Leases of buffers, the bytes of them that need zeroing, and the base of the pools of one size and of many sizes.
 *
 * A buffer whose memory was transferred away has `length` 0. `byteLength` is 0, too, but costs six times as much (V8 11.3).
 */
import { format, inspectSymbol } from "#effect/inspect"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Ageing } from "../core/recycling/ageing.js"
import { type Budget, FreeList, type ListSlot } from "../core/recycling/freeList.js"
import { isPooled, slotOf } from "../core/recycling/slot.js"
import { oneOf, required, value } from "../options/optionTable.js"
import { RecyclingPool, refuse, stale } from "./recyclingPool.js"

export type Bytes = Uint8Array<ArrayBuffer>

/** The largest size that a `SizeTable` can find. */
const largest = 0xffff_ffff

export const bufferSizeOption = /* @__PURE__ */ required(
  value<number>(
    `a whole number of bytes from 1 to ${largest}`,
    (size) => Number.isInteger(size) && size >= 1 && size <= largest
  )
)

export const zeroOption = /* @__PURE__ */ oneOf(["onRelease", "never"])

interface BufferListOptions {
  readonly bufferSize: number
  readonly minSize: number
  readonly maxSize: number
  readonly budget?: Budget | undefined
  readonly ageing: Ageing
}

const memoryOf = (bytes: Bytes): ArrayBuffer => bytes.buffer

export const makeList = ({ bufferSize, ...options }: BufferListOptions): FreeList<Bytes> =>
  new FreeList<Bytes>({
    ...options,
    weight: bufferSize,
    factory: () => new Uint8Array(bufferSize),
    // the last borrower may have transferred the memory away
    validate: (bytes) => bytes.length === bufferSize,
    part: memoryOf
  })

/** Returns a buffer whose first `dirty` bytes may have been written to. */
export const takeBackBytes = (slot: ListSlot<Bytes>, dirty: number, zero: boolean): void => {
  const { owner: list, value } = slot
  list.markReturned(slot)
  if (value.length !== list.weight) return list.discard(slot, "unfit")
  if (!list.hasRoom) return list.drop(slot)
  if (zero && dirty > 0) value.fill(0, 0, dirty)
  list.store(slot)
}

export const checkLength = (length: number, max: number): void => {
  if (Number.isInteger(length) && length >= 0 && length <= max) return
  throw new RangeError(`length must be a whole number of bytes from 0 to ${max}, but was ${String(length)}`)
}

/** Why this memory cannot replace the memory of a buffer. */
const unfit = (memory: ArrayBufferLike, size: number): string | undefined => {
  if (Object.prototype.toString.call(memory) !== "[object ArrayBuffer]") return "shared memory cannot be pooled"
  if ((memory as { readonly resizable?: boolean }).resizable === true) return "a resizable buffer cannot be pooled"
  if (memory.byteLength !== size) return `the buffer must have ${size} bytes, but has ${memory.byteLength}`
  return isPooled(memory) ? "the buffer belongs to a pool already" : undefined
}

/** Tracks the bytes of its buffer that the borrower has seen: only those may have been written to. */
export class BufferLease {
  readonly length: number
  private readonly pool: BufferLender
  private slot: ListSlot<Bytes>
  private dirty = 0

  constructor(pool: BufferLender, length: number) {
    this.pool = pool
    this.length = length
    this.slot = pool.lendSlot(length, this)
  }

  get size(): number {
    // a buffer that was created for this lease only has its length
    return this.slot.owner.weight || this.length
  }

  private get bytes(): Bytes {
    if (this.slot.holder !== this) throw stale(this.slot.owner, this.pool.name)
    return this.slot.value
  }

  private get memory(): Bytes {
    const { bytes } = this
    if (bytes.length !== this.size) {
      throw new Error(`[${this.pool.name}] the memory of this buffer was transferred away: \`replace\` it first`)
    }
    return bytes
  }

  get buffer(): Bytes {
    const { memory } = this
    this.dirty = memory.length
    return memory
  }

  view(length: number = this.length): Bytes {
    const { memory } = this
    checkLength(length, memory.length)
    if (length > this.dirty) this.dirty = length
    return length === memory.length ? memory : memory.subarray(0, length)
  }

  replace(view: ArrayBufferView): Bytes {
    const { bytes, slot } = this
    const memory = view.buffer
    if (memory !== bytes.buffer) {
      const problem = unfit(memory, this.size)
      if (problem !== undefined) {
        refuse(slot.owner, "foreign")
        throw new TypeError(`[${this.pool.name}] replace: ${problem}`)
      }
      this.slot = slot.owner.replace(slot, new Uint8Array(memory as ArrayBuffer))
    }
    // the borrower may write to all bytes, so all count as written to
    return this.buffer
  }

  release(): boolean {
    if (this.slot.holder !== this) return refuse(this.slot.owner, "stale")
    this.pool.takeBack(this.slot, this.dirty)
    return true
  }

  discard(): boolean {
    if (this.slot.holder !== this) return refuse(this.slot.owner, "stale")
    this.pool.invalidate(this.slot)
    return true
  }

  [Symbol.dispose](): void {
    if (this.slot.holder === this) this.pool.takeBack(this.slot, this.dirty)
  }

  toJSON(): unknown {
    return { _id: "Lease", pool: this.pool.name, length: this.length, released: this.slot.holder !== this }
  }

  toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** The base of pools of one size and of many sizes. */
export abstract class BufferLender extends RecyclingPool<BufferLease> {
  /** Lends a buffer of at least this length. */
  abstract lendSlot(length: number, holder: object): ListSlot<Bytes>

  abstract takeBack(slot: ListSlot<Bytes>, dirty: number): void

  invalidate(slot: ListSlot<Bytes>): void {
    slot.owner.invalidate(slot)
  }

  /** The list that counts refusals which belong to no list. */
  protected abstract readonly first: FreeList<Bytes>

  protected abstract has(list: FreeList<Bytes>): boolean

  protected giveBack(lease: BufferLease): void {
    lease[Symbol.dispose]()
  }

  protected useLease<B, E, R>(
    length: number,
    f: (bytes: Bytes, lease: BufferLease) => Effect.Effect<B, E, R>
  ): Effect.Effect<B, E, R> {
    return this.lend(() => new BufferLease(this, length), (lease) => f(lease.view(), lease))
  }

  protected useLeaseSync<B>(length: number, f: (bytes: Bytes, lease: BufferLease) => B): Effect.Effect<B> {
    return this.lendSync(() => new BufferLease(this, length), (lease) => f(lease.view(), lease))
  }

  protected getView(length: number): Effect.Effect<Bytes, never, Scope.Scope> {
    return this.lendScoped(() => new BufferLease(this, length), (lease) => lease.view())
  }

  unsafeRelease(bytes: Uint8Array, written: number = bytes.length): boolean {
    const slot = slotOf(bytes)
    // the memory of a buffer has the slot, too
    if (slot === undefined || slot.value !== bytes) return refuse(this.first, "foreign")
    if (slot.holder !== this) {
      return this.has(slot.owner) ? refuse(slot.owner, "notOut") : refuse(this.first, "foreign")
    }
    // if `length` is not a number of bytes, all bytes count
    this.takeBack(
      slot,
      typeof written === "number" && written >= 0 && written < bytes.length ? Math.ceil(written) : bytes.length
    )
    return true
  }
}
