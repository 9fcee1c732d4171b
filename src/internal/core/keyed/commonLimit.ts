/**
 * The limits that the pools of all keys share: `maxTotal` items, `createConcurrency` creations at a time. A pool asks for a
 * place before it creates an item. `next` says whose turn it is, and which idle item makes room.
 */
import { type HeapNode, IndexedHeap } from "../indexedHeap.js"
import { LinkedList } from "../linkedList.js"
import type { FleetDemand } from "../pool/fleetDemand.js"
import { type Gate, Permit, type PermitPurpose } from "../pool/item.js"

/** What the shell does next: it tells the pool of the place. */
export type LimitCommand<O> =
  /** The pool may create an item. If it does not want to any more, call `giveBack`. */
  | { readonly _tag: "Grant"; readonly place: CommonPlace<O> }
  /** The pool closes its idle item. */
  | { readonly _tag: "Evict"; readonly place: CommonPlace<O> }

/**
 * - `Asked`: counts nowhere
 * - `Held`: of an item that is created, or takes borrowers
 * - `Leaving`: of an item that takes no new borrower
 * - `Closing`: of an item that is being closed
 * - `Gone`: not asked for, or not any more
 */
type Stage = "Asked" | "Held" | "Leaving" | "Closing" | "Gone"

/** One of the `maxTotal` places. */
export class CommonPlace<O> extends Permit {
  stage: Stage = "Gone"
  isCreating = false
  purpose: PermitPurpose = "borrower"
  /** The order of the asks. */
  turn = 0
  readonly share: KeyShare<O>

  constructor(share: KeyShare<O>) {
    super()
    this.share = share
  }

  idle(): void {
    if (this.share.limit.evicts) this.share.limit.idle.push(this)
  }

  spent(): void {
    if (this.share.limit.evicts) this.share.limit.spent.push(this)
  }

  busy(): void {
    if (this.list !== undefined) this.list.remove(this)
  }

  leaving(): void {
    this.share.limit.leaving(this)
  }

  closing(): void {
    this.share.limit.closing(this)
  }
}

/** What the pool of one key holds, and asks for. */
export class KeyShare<O> implements HeapNode, Gate {
  readonly limit: CommonLimit<O>
  /** The pool. */
  readonly owner: O
  /** Places of items that are created or take borrowers. */
  held = 0
  /** The asks, in their order. */
  readonly forBorrowers = new Asks<O>()
  readonly spare = new Asks<O>()
  get hasSpare(): boolean {
    return this.limit.hasSpare
  }

  /** The arrival of the first borrower that waits for a place. */
  key = 0
  heapIndex = -1
  heapTurn = 0

  constructor(limit: CommonLimit<O>, owner: O) {
    this.limit = limit
    this.owner = owner
  }

  makePermit(): CommonPlace<O> {
    return new CommonPlace(this)
  }

  arrive(): number {
    return ++this.limit.arrivals
  }

  waits(arrival: number): void {
    this.limit.waits(this, arrival)
  }

  claims(arrival: number | undefined): boolean {
    return this.limit.claims(this, arrival)
  }

  lent(change: 1 | -1): void {
    this.limit.lent(change)
  }

  get counts(): boolean {
    return this.held > 0 || this.forBorrowers.first !== undefined
  }
}

/** The asks of a key: the oldest is granted, the newest is withdrawn. */
class Asks<O> {
  private asks: Set<CommonPlace<O>> | undefined = undefined

  get first(): CommonPlace<O> | undefined {
    if (this.asks === undefined) return undefined
    for (const place of this.asks) return place
    return undefined
  }

  /** Of a key that asks. */
  get length(): number {
    return this.asks!.size
  }

  add(place: CommonPlace<O>): void {
    this.asks ??= new Set()
    this.asks.add(place)
  }

  remove(place: CommonPlace<O>): void {
    this.asks!.delete(place)
    if (this.asks!.size === 0) this.asks = undefined
  }
}

export class CommonLimit<O> {
  /** Whether idle items may have to make room. */
  readonly evicts: boolean
  /** Items that exist: created, lent, idle, closing. */
  total = 0
  /** Items that are created. */
  creating = 0
  /** Items that are being closed: their places come free soon. */
  private closings = 0
  /** Asks for borrowers, of all keys. */
  asked = 0
  /** Items that are lent. */
  inUse = 0
  /** The maximum of `inUse`. */
  peak = 0
  /** Keys that hold a place, or wait for one. */
  keys = 0
  /** The idle items, longest idle first. */
  readonly idle = new LinkedList<Permit>()
  /** Items that were retired while idle. */
  readonly spent = new LinkedList<Permit>()
  /** How many borrowers have waited so far. */
  arrivals = 0
  /** The keys that ask for borrowers, by the number of places that they hold, then by who waits longest. */
  private readonly queues = new Map<number, IndexedHeap<KeyShare<O>>>()
  /** The keys that ask for spare items, by their oldest ask. */
  private readonly spares = new IndexedHeap<SpareShare<O>>()
  private readonly spareShares = new Map<KeyShare<O>, SpareShare<O>>()
  private turns = 0
  private readonly maxTotal: number
  private readonly createConcurrency: number
  /** What other processes want, if each item needs a permit. */
  private readonly demand: FleetDemand | undefined

  constructor(maxTotal: number, createConcurrency: number, demand?: FleetDemand) {
    this.maxTotal = maxTotal
    this.createConcurrency = createConcurrency
    this.demand = demand
    this.evicts = maxTotal !== Infinity || demand !== undefined
  }

  /** Places that are free, or will be when the items that are being closed are gone. */
  private get coming(): number {
    return this.maxTotal - this.total + this.closings
  }

  /** Whether keys may have items that no borrower waits for. */
  get hasSpare(): boolean {
    return this.demand === undefined || this.demand.wanted === 0
  }

  /** Whether one more item may be created now. */
  get mayCreate(): boolean {
    return this.creating < this.createConcurrency
  }

  /** A creation begins with the place. While a place waits for its permit, it counts as no creation. */
  creationBegins(place: CommonPlace<O>): void {
    place.isCreating = true
    this.creating++
  }

  /** How many places a key may keep while others wait. */
  get share(): number {
    return Math.max(1, Math.floor(this.maxTotal / this.keys))
  }

  // --- what the pools tell

  lent(change: 1 | -1): void {
    this.inUse += change
    if (this.inUse > this.peak) this.peak = this.inUse
  }

  ask(place: CommonPlace<O>, purpose: PermitPurpose): void {
    const { share } = place
    place.stage = "Asked"
    place.purpose = purpose
    place.turn = ++this.turns
    this.change(share, () => this.asksOf(place).add(place))
    if (purpose === "borrower") this.asked++
  }

  /** The first borrower of the key that waits for a place. */
  waits(share: KeyShare<O>, arrival: number): void {
    if (share.key === arrival) return
    const queue = share.heapIndex >= 0 ? this.queues.get(share.held) : undefined
    queue?.remove(share)
    share.key = arrival
    queue?.add(share)
  }

  /** The pool does not want the place any more. */
  withdraw(place: CommonPlace<O>): void {
    if (place.stage !== "Asked") return this.giveBack(place)
    this.change(place.share, () => this.endAsk(place))
    place.stage = "Gone"
  }

  /** The item counts no longer, or is not created. Idempotent. */
  giveBack(place: CommonPlace<O>): void {
    const { stage } = place
    if (stage === "Gone") return
    this.creationOver(place)
    this.total--
    if (stage === "Closing") this.closings--
    this.change(place.share, () => {
      if (stage === "Held") place.share.held--
      place.stage = "Gone"
    })
  }

  creationOver(place: CommonPlace<O>): void {
    if (!place.isCreating) return
    place.isCreating = false
    this.creating--
  }

  leaving(place: CommonPlace<O>): void {
    if (place.stage !== "Held") return
    this.demand?.left()
    this.change(place.share, () => {
      place.share.held--
      place.stage = "Leaving"
    })
  }

  closing(place: CommonPlace<O>): void {
    this.leaving(place)
    this.demand?.closes(place)
    place.stage = "Closing"
    this.closings++
  }

  /**
   * Whether a key gives up the place of an item that is or becomes free. Without waiters it does if another borrower's
   * item has no place in sight. With waiters it serves them, unless it holds more than its share, and keys below their
   * share have no place in sight. If there are more keys than places, a key that holds nothing gets the place if its
   * borrower came before the first waiter: else the keys that hold a place would keep it for ever.
   */
  claims(key: KeyShare<O>, arrival: number | undefined): boolean {
    const { coming } = this
    if (arrival === undefined && this.isOwing) return true
    if (this.asked <= coming) return false
    if (arrival === undefined) return true
    const { share } = this
    if (key.held > share && this.lackMoreThan(coming, share)) return true
    // more keys than places: more of them hold nothing than places are in sight
    return this.keys > this.maxTotal && this.queues.get(0)!.first!.key < arrival
  }

  private get isOwing(): boolean {
    return this.demand !== undefined && this.demand.owed > 0
  }

  /** Whether the keys below their share lack more than so many places. */
  private lackMoreThan(count: number, share: number): boolean {
    let lacking = 0
    for (const [held, keys] of this.queues) {
      if (held >= share) continue
      for (const { forBorrowers } of keys) {
        lacking += Math.min(forBorrowers.length, share - held)
        if (lacking > count) return true
      }
    }
    return false
  }

  // --- whose turn it is

  /** Takes the next step, which the shell has to carry out before it asks again. */
  next(): LimitCommand<O> | undefined {
    const idle = (this.spent.first ?? this.idle.first) as CommonPlace<O> | undefined
    if (idle !== undefined && (this.asked > this.coming || this.isOwing)) return { _tag: "Evict", place: idle }
    if (this.total >= this.maxTotal || !this.mayCreate) return undefined
    const place = this.asked > 0 ? this.firstKey().forBorrowers.first : this.spares.first?.share.spare.first
    if (place === undefined) return undefined
    this.grant(place)
    return { _tag: "Grant", place }
  }

  /** The key that has waited longest of those below their share; if there is none, of all. */
  private firstKey(): KeyShare<O> {
    const { share } = this
    let first: KeyShare<O> | undefined
    let isBelow = false
    for (const [held, keys] of this.queues) {
      const key = keys.first!
      const below = held < share
      if (first !== undefined && (below === isBelow ? key.key > first.key : isBelow)) continue
      first = key
      isBelow = below
    }
    return first!
  }

  private grant(place: CommonPlace<O>): void {
    this.change(place.share, () => {
      this.endAsk(place)
      place.share.held++
      place.stage = "Held"
    })
    this.total++
    this.creationBegins(place)
  }

  private asksOf({ purpose, share }: CommonPlace<O>): Asks<O> {
    return purpose === "borrower" ? share.forBorrowers : share.spare
  }

  private endAsk(place: CommonPlace<O>): void {
    this.asksOf(place).remove(place)
    if (place.purpose === "borrower") this.asked--
  }

  /** Changes what a key holds or asks for, and files it again. */
  private change(share: KeyShare<O>, change: () => void): void {
    const { counts } = share
    const { held } = share
    if (share.heapIndex >= 0) {
      const queue = this.queues.get(held)!
      queue.remove(share)
      if (queue.first === undefined) this.queues.delete(held)
    }
    change()
    if (share.forBorrowers.first !== undefined) {
      let queue = this.queues.get(share.held)
      if (queue === undefined) this.queues.set(share.held, queue = new IndexedHeap())
      queue.add(share)
    }
    this.fileSpare(share)
    if (share.counts !== counts) this.keys += counts ? -1 : 1
  }

  private fileSpare(share: KeyShare<O>): void {
    const known = this.spareShares.get(share)
    const turn = share.spare.first?.turn
    if (known?.key === turn) return
    if (known !== undefined) {
      this.spares.remove(known)
      this.spareShares.delete(share)
    }
    if (turn === undefined) return
    const spare = new SpareShare(share, turn)
    this.spareShares.set(share, spare)
    this.spares.add(spare)
  }
}

/** The node of a key that asks for spare items. */
class SpareShare<O> implements HeapNode {
  heapIndex = -1
  heapTurn = 0
  readonly key: number
  readonly share: KeyShare<O>

  constructor(share: KeyShare<O>, key: number) {
    this.share = share
    this.key = key
  }
}
