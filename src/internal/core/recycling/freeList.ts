/**
 * The core of every recycling pool: a list of idle items, the most recently returned on top, and the rules of lending. To
 * take or return an item costs a few nanoseconds.
 *
 * The user's functions (`factory`, `reset`, `validate`) are called between transitions, never within a transition. So they
 * may use the pool, and when they throw, the figures stay right.
 */
import type { Aged, Ageing } from "./ageing.js"
import { heldByNobody, heldByPool, isObject, isPooled, type Slot, stamp } from "./slot.js"

/** An item of a list, idle or lent. */
export type ListSlot<A extends object> = Slot<A, FreeList<A>>

/** A limit on the bytes that several lists keep together. */
export interface Budget {
  kept: number
  readonly max: number
}

export type DiscardReason = "full" | "unfit" | "failed" | "invalidated" | "idle" | "closed"

export type RefusalReason = "foreign" | "notOut" | "stale"

export interface ListOptions<A extends object> {
  readonly factory: () => A
  /** `false`: the pool cannot lend the item again. */
  readonly reset?: ((value: A) => void | boolean) | undefined
  readonly validate?: ((value: A) => boolean) | undefined
  /** A part of the item that must not enter a pool by itself. */
  readonly part?: ((value: A) => object) | undefined
  readonly minSize: number
  readonly maxSize: number
  /** The share of one item in the budget. */
  readonly weight: number
  /** Without a budget, only `maxSize` limits the list. */
  readonly budget?: Budget | undefined
  readonly ageing: Ageing
}

const notAnObject = (value: unknown) =>
  new TypeError(`factory must return an object, but returned ${value === null ? "null" : typeof value}`)

const alreadyPooled = () =>
  new TypeError("factory returned an object that is in a pool already; it must create a new object for each call")

export class FreeList<A extends object> implements Aged {
  /** The most recently returned item is on top, the longest idle item at the bottom. */
  private readonly idle: Array<ListSlot<A>> = []
  private readonly factory: () => A
  private readonly reset: ((value: A) => void | boolean) | undefined
  private readonly validate: ((value: A) => boolean) | undefined
  private readonly part: ((value: A) => object) | undefined
  readonly weight: number
  private readonly budget: Budget | undefined
  private readonly ageing: Ageing
  private isClosed = false
  minSize: number
  maxSize: number

  // figures
  /** Items that were created, also in advance. */
  created = 0
  /** Items that were created because a borrower found the list empty. */
  misses = 0
  reused = 0
  out = 0
  /** The maximum number of items lent at the same time. */
  peak = 0
  /** How often the factory threw, or returned a value that cannot be pooled. */
  failures = 0
  readonly discarded: Record<DiscardReason, number> = {
    full: 0,
    unfit: 0,
    failed: 0,
    invalidated: 0,
    idle: 0,
    closed: 0
  }
  readonly refused: Record<RefusalReason, number> = { foreign: 0, notOut: 0, stale: 0 }
  /** Called when the list refuses a borrower's call. */
  onRefused: ((reason: RefusalReason) => void) | undefined = undefined

  constructor(options: ListOptions<A>) {
    this.factory = options.factory
    this.reset = options.reset
    this.validate = options.validate
    this.part = options.part
    this.minSize = options.minSize
    this.maxSize = options.maxSize
    this.weight = options.weight
    this.budget = options.budget
    this.ageing = options.ageing
    this.ageing.add(this)
  }

  get size(): number {
    return this.idle.length
  }

  /** When the item that goes next was returned; `Infinity` if none goes. */
  get oldest(): number {
    return this.idle.length > this.minSize ? this.idle[0]!.idleSince : Infinity
  }

  // --- lending

  /** Lends an item. Only its holder can return it. */
  lend(holder: object): ListSlot<A> {
    let slot = this.pop()
    while (slot !== undefined && this.validate !== undefined && !this.isFit(slot, this.validate)) slot = this.pop()
    if (slot === undefined) return this.lendNew(this.make(), holder)
    slot.holder = holder
    this.reused++
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  /** Lends an item that another function created. */
  lendNew(value: A, holder: object): ListSlot<A> {
    const slot = this.adopt(value, holder)
    this.misses++
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  /** Returns an item. The caller makes sure that it comes from its holder. */
  takeBack(slot: ListSlot<A>): void {
    this.markReturned(slot)
    if (this.reset !== undefined && !this.clean(slot, this.reset)) return
    // only now: reset may have filled the list
    if (this.hasRoom) this.store(slot)
    else this.drop(slot)
  }

  /** Takes back an item that must not be lent again. The caller makes sure that it comes from its holder. */
  invalidate(slot: ListSlot<A>): void {
    this.markReturned(slot)
    this.discard(slot, "invalidated")
  }

  // --- the steps of a return, for callers that act in between

  markReturned(slot: ListSlot<A>): void {
    slot.holder = heldByPool
    this.out--
  }

  get hasRoom(): boolean {
    const { budget } = this
    return this.idle.length < this.maxSize && (budget === undefined || budget.kept + this.weight <= budget.max)
  }

  store(slot: ListSlot<A>): void {
    const { ageing, budget } = this
    if (budget !== undefined) budget.kept += this.weight
    if (ageing.isStale) ageing.refresh()
    slot.idleSince = ageing.now
    this.idle.push(slot)
    if (!ageing.isArmed && this.idle.length > this.minSize) ageing.arm(this.idle[0]!.idleSince)
  }

  /** Drops an item that the list does not keep. */
  drop(slot: ListSlot<A>): void {
    this.discard(slot, this.isClosed ? "closed" : "full")
  }

  discard(slot: ListSlot<A>, reason: DiscardReason): void {
    slot.holder = heldByNobody
    this.discarded[reason]++
  }

  /** The holder has put another value in the place of its item. */
  replace(slot: ListSlot<A>, value: A): ListSlot<A> {
    const { holder } = slot
    slot.holder = heldByNobody
    return stamp(this, value, holder, this.part)
  }

  private pop(): ListSlot<A> | undefined {
    const slot = this.idle.pop()
    if (slot !== undefined && this.budget !== undefined) this.budget.kept -= this.weight
    return slot
  }

  private isFit(slot: ListSlot<A>, validate: (value: A) => boolean): boolean {
    let isFit: boolean
    try {
      isFit = validate(slot.value)
    } catch (error) {
      this.discard(slot, "failed")
      throw error
    }
    if (!isFit) this.discard(slot, "unfit")
    return isFit
  }

  private clean(slot: ListSlot<A>, reset: (value: A) => void | boolean): boolean {
    let isClean: boolean
    try {
      isClean = reset(slot.value) !== false
    } catch (error) {
      this.discard(slot, "failed")
      throw error
    }
    if (!isClean) this.discard(slot, "unfit")
    return isClean
  }

  private make(): A {
    try {
      return this.factory()
    } catch (error) {
      this.failures++
      throw error
    }
  }

  private adopt(value: A, holder: object): ListSlot<A> {
    if (!isObject(value) || isPooled(value)) {
      this.failures++
      throw isObject(value) ? alreadyPooled() : notAnObject(value)
    }
    let slot: ListSlot<A>
    try {
      slot = stamp<A, FreeList<A>>(this, value, holder, this.part)
    } catch (error) {
      // a proxy may throw on any access
      this.failures++
      throw error
    }
    this.created++
    return slot
  }

  // --- keeping

  /** Creates items in advance, up to `minSize`. */
  fill(): void {
    // counts, since a factory may take items from the list
    for (let missing = this.minSize - this.idle.length; missing > 0; missing--) {
      const slot = this.adopt(this.make(), heldByPool)
      if (this.hasRoom) this.store(slot)
      else this.drop(slot)
    }
  }

  /** Drops the items that have been idle for this many milliseconds, down to `minSize`. Returns how many. */
  prune(maxIdle: number): number {
    const now = this.ageing.read()
    const max = this.idle.length - this.minSize
    let count = 0
    while (count < max && now - this.idle[count]!.idleSince >= maxIdle) count++
    return this.letGo(count, "idle")
  }

  /** Drops all idle items, and creates `minSize` new items. Returns how many were dropped. */
  clear(): number {
    const count = this.letGo(this.idle.length, "idle")
    this.fill()
    return count
  }

  /** Drops all idle items. From now on the list keeps no items. */
  close(): void {
    this.isClosed = true
    this.minSize = 0
    this.maxSize = 0
    this.letGo(this.idle.length, "closed")
  }

  private letGo(count: number, reason: DiscardReason): number {
    if (this.budget !== undefined) this.budget.kept -= count * this.weight
    for (const slot of this.idle.splice(0, count)) this.discard(slot, reason)
    return count
  }
}
