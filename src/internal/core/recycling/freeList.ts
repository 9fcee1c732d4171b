/**
 * What every recycling pool is made of: a list of things that nobody has, the warmest on top, and the rules of lending
 * them. Plain synchronous code that does not import `effect`: taking and giving back are to cost no more than a few
 * nanoseconds each.
 *
 * What the user supplies (`factory`, `reset`, `validate`) is called between transitions, never inside one, so it may use
 * the pool itself, and what it throws finds the figures right.
 */

// -----------------------------------------------------------------------------
// Slots
// -----------------------------------------------------------------------------

/** Has an item while no borrower has it. */
const pool = { holder: "the pool" }

/** Has an item that the pool let go of. Another pool may take it in. */
const nobody = { holder: "nobody" }

/** What the pool knows of one item, for as long as it has anything to do with it. */
export class Slot<A extends object> {
  readonly list: FreeList<A>
  readonly value: A
  /** The pool, nobody, or whoever has to give it back: by that, a release is known to be due. */
  holder: object
  /** Milliseconds. A fraction from the start: engines then write it in place. */
  idleSince = 0.5

  constructor(list: FreeList<A>, value: A, holder: object) {
    this.list = list
    this.value = value
    this.holder = holder
  }
}

class Returning {
  constructor(value: object) {
    return value
  }
}

/**
 * Puts the slot on the item itself, as a private field: found in a nanosecond or two, invisible to keys, spread and
 * serialization, and no second table has to be kept.
 */
class Stamp extends Returning {
  #slot: Slot<any>

  constructor(value: object, slot: Slot<any>) {
    super(value)
    this.#slot = slot
  }

  static has(value: object): boolean {
    return #slot in value
  }

  static set(value: object, slot: Slot<any>): void {
    if (#slot in value) value.#slot = slot
    else new Stamp(value, slot)
  }

  static get(value: object): Slot<any> | undefined {
    return #slot in value ? value.#slot : undefined
  }
}

/** Of those that take no more fields: engines are about to let no private ones in either. */
let sealed: WeakMap<object, Slot<any>> | undefined

const setSlot = (value: object, slot: Slot<any>): void => {
  // one that was sealed since it was stamped can still be written to, and is looked for there first
  if (Stamp.has(value) || Object.isExtensible(value)) return Stamp.set(value, slot)
  sealed ??= new WeakMap()
  sealed.set(value, slot)
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" ? value !== null : typeof value === "function"

/** The slot of the pool that the item is of, or was of last. */
export const slotOf = (value: unknown): Slot<any> | undefined =>
  isObject(value) ? Stamp.get(value) ?? sealed?.get(value) : undefined

/** Whether a pool has it, lent or not. */
export const isPooled = (value: object): boolean => {
  const slot = slotOf(value)
  return slot !== undefined && slot.holder !== nobody
}

// -----------------------------------------------------------------------------
// Time
// -----------------------------------------------------------------------------

export interface AgeingOptions {
  /** Milliseconds; may go back. */
  readonly clock: () => number
  /** Runs it when the code that runs now has come to an end. */
  readonly later: (run: () => void) => void
  /** Milliseconds. */
  readonly timeToLive: number
  /** Wants `tick` in so many milliseconds. Only after another `tick` there is a next call. */
  readonly wakeIn: (delay: number) => void
}

/**
 * When items were given back, and when the first of them is too old. The lists of one pool share it.
 *
 * A clock is dearer than all else here, so it is read once for everything that comes back in one turn of the event
 * loop: an item may seem older than it is by as long as such a turn takes.
 */
export class Ageing {
  isStale = true
  now = 0.5
  /** Whether `tick` will come; always where nothing ages. */
  isArmed: boolean
  readonly timeToLive: number
  private readonly options: AgeingOptions
  private readonly lists: Array<FreeList<any>> = []
  private setBack = 0

  constructor(options: AgeingOptions) {
    this.options = options
    this.timeToLive = options.timeToLive
    this.isArmed = options.timeToLive === Infinity
  }

  add(list: FreeList<any>): void {
    this.lists.push(list)
  }

  /** Never goes back, so that the lists are in the order of their times. */
  read(): number {
    const time = this.options.clock() + this.setBack
    if (time >= this.now) this.now = time
    else this.setBack += this.now - time
    return this.now
  }

  refresh(): void {
    this.isStale = false
    this.read()
    this.options.later(this.forget)
  }

  private readonly forget = (): void => {
    this.isStale = true
  }

  arm(oldest: number, least = 0): void {
    this.isArmed = true
    this.options.wakeIn(Math.max(least, oldest + this.timeToLive - this.read()))
  }

  tick(): void {
    let oldest = Infinity
    for (const list of this.lists) {
      list.prune(this.timeToLive)
      oldest = Math.min(oldest, list.oldest)
    }
    if (oldest === Infinity) this.isArmed = false
    // what is not due yet may be due in less than numbers of this size can tell
    else this.arm(oldest, 1)
  }

  stop(): void {
    this.isArmed = true
  }
}

// -----------------------------------------------------------------------------
// The list
// -----------------------------------------------------------------------------

/** Bytes that several lists keep together. */
export interface Budget {
  kept: number
  readonly max: number
}

export type DiscardReason = "full" | "unfit" | "failed" | "invalidated" | "idle" | "closed"

export type RefusalReason = "foreign" | "notOut" | "stale"

export interface ListOptions<A extends object> {
  readonly factory: () => A
  /** `false`: it cannot be lent again. */
  readonly reset?: ((value: A) => void | boolean) | undefined
  readonly validate?: ((value: A) => boolean) | undefined
  /** What belongs to an item and must not get into a pool beside it. */
  readonly part?: ((value: A) => object) | undefined
  readonly minSize: number
  readonly maxSize: number
  /** Of one item, against the budget. */
  readonly weight: number
  /** Without one only `maxSize` says how much is kept. */
  readonly budget?: Budget | undefined
  readonly ageing: Ageing
}

const notAnObject = (value: unknown) =>
  new TypeError(`factory must return an object, but returned ${value === null ? "null" : typeof value}`)

const alreadyPooled = () =>
  new TypeError("factory returned an object that a pool has already; it has to make a new one for each call")

export class FreeList<A extends object> {
  /** The one that came back last on top; so the one that is idle for longest is at the bottom. */
  private readonly idle: Array<Slot<A>> = []
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
  /** All of them, also those made ahead. */
  created = 0
  /** Made because a borrower found the list empty. */
  misses = 0
  reused = 0
  out = 0
  /** The most that were out at once. */
  peak = 0
  /** The factory threw, or returned what is no good. */
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
  /** Called where a borrower was refused something. */
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

  /** Since when the item is idle that goes next; `Infinity` where none does. */
  get oldest(): number {
    return this.idle.length > this.minSize ? this.idle[0]!.idleSince : Infinity
  }

  // --- lending

  /** The holder alone can give it back. */
  take(holder: object): Slot<A> {
    let slot = this.pop()
    while (slot !== undefined && this.validate !== undefined && !this.isFit(slot, this.validate)) slot = this.pop()
    if (slot === undefined) return this.lendNew(this.make(), holder)
    slot.holder = holder
    this.reused++
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  /** Lends what has been made elsewhere. */
  lendNew(value: A, holder: object): Slot<A> {
    const slot = this.adopt(value, holder)
    this.misses++
    if (++this.out > this.peak) this.peak = this.out
    return slot
  }

  /** From whoever holds it, which the caller has made sure of. */
  give(slot: Slot<A>): void {
    this.takeBack(slot)
    if (this.reset !== undefined && !this.clean(slot, this.reset)) return
    // not before: what reset does may have filled the list
    if (this.hasRoom) this.keep(slot)
    else this.drop(slot)
  }

  /** Of the holder, who does not want it lent again; which the caller has made sure of. */
  invalidate(slot: Slot<A>): void {
    this.takeBack(slot)
    this.discard(slot, "invalidated")
  }

  // --- the parts of giving back, for those who have something else to do in between

  takeBack(slot: Slot<A>): void {
    slot.holder = pool
    this.out--
  }

  get hasRoom(): boolean {
    const { budget } = this
    return this.idle.length < this.maxSize && (budget === undefined || budget.kept + this.weight <= budget.max)
  }

  keep(slot: Slot<A>): void {
    const { ageing, budget } = this
    if (budget !== undefined) budget.kept += this.weight
    if (ageing.isStale) ageing.refresh()
    slot.idleSince = ageing.now
    this.idle.push(slot)
    if (!ageing.isArmed && this.idle.length > this.minSize) ageing.arm(this.idle[0]!.idleSince)
  }

  /** There is no place for it. */
  drop(slot: Slot<A>): void {
    this.discard(slot, this.isClosed ? "closed" : "full")
  }

  discard(slot: Slot<A>, reason: DiscardReason): void {
    slot.holder = nobody
    this.discarded[reason]++
  }

  /** The holder has something else instead of what it was lent. */
  replace(slot: Slot<A>, value: A): Slot<A> {
    const { holder } = slot
    slot.holder = nobody
    return this.stamp(value, holder)
  }

  private pop(): Slot<A> | undefined {
    const slot = this.idle.pop()
    if (slot !== undefined && this.budget !== undefined) this.budget.kept -= this.weight
    return slot
  }

  private isFit(slot: Slot<A>, validate: (value: A) => boolean): boolean {
    let isFit = false
    try {
      isFit = validate(slot.value)
    } catch (error) {
      this.discard(slot, "failed")
      throw error
    }
    if (!isFit) this.discard(slot, "unfit")
    return isFit
  }

  private clean(slot: Slot<A>, reset: (value: A) => void | boolean): boolean {
    let isClean = true
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

  private adopt(value: A, holder: object): Slot<A> {
    if (!isObject(value) || isPooled(value)) {
      this.failures++
      throw isObject(value) ? alreadyPooled() : notAnObject(value)
    }
    let slot: Slot<A>
    try {
      slot = this.stamp(value, holder)
    } catch (error) {
      // a proxy that does not let itself be looked at
      this.failures++
      throw error
    }
    this.created++
    return slot
  }

  private stamp(value: A, holder: object): Slot<A> {
    const slot = new Slot(this, value, holder)
    setSlot(value, slot)
    if (this.part !== undefined) setSlot(this.part(value), slot)
    return slot
  }

  // --- keeping

  /** As many as are to be kept warm. */
  fill(): void {
    // by count, since a factory may take from here what it has just put in
    for (let missing = this.minSize - this.idle.length; missing > 0; missing--) {
      const slot = this.adopt(this.make(), pool)
      if (this.hasRoom) this.keep(slot)
      else this.drop(slot)
    }
  }

  /** Lets go of those that are idle for so many milliseconds, as far as `minSize` permits; how many those were. */
  prune(maxIdle: number): number {
    const now = this.ageing.read()
    const most = this.idle.length - this.minSize
    let count = 0
    while (count < most && now - this.idle[count]!.idleSince >= maxIdle) count++
    return this.letGo(count, "idle")
  }

  /** Lets go of all that are idle, and makes `minSize` anew; how many went. */
  clear(): number {
    const count = this.letGo(this.idle.length, "idle")
    this.fill()
    return count
  }

  /** From here on nothing is kept. */
  close(): void {
    this.isClosed = true
    this.minSize = 0
    this.maxSize = 0
    this.letGo(this.idle.length, "closed")
  }

  private letGo(count: number, reason: DiscardReason): number {
    if (count <= 0) return 0
    if (this.budget !== undefined) this.budget.kept -= count * this.weight
    for (const slot of this.idle.splice(0, count)) this.discard(slot, reason)
    return count
  }
}
