/** Which keys go: those that no borrower has used for `keyTimeToLive`, and the longest unused one if there are too many. */
import { type HeapNode, IndexedHeap } from "../indexedHeap.js"

/** A key. `key` orders it: no borrower has used it since, or a borrower has used it later. */
export abstract class AgingKey implements HeapNode {
  key = 0
  heapIndex = -1
  heapTurn = 0

  /** When a borrower last used the key, by the wall clock; `undefined` while a borrower has or waits for an item. */
  abstract readonly unusedSince: number | undefined
  /** Call `KeyLifetimes.unused` when no borrower has or waits for an item. */
  abstract watch(): void
}

export class KeyLifetimes<K extends AgingKey> {
  /** How many keys there are. */
  size = 0
  // an unused key is where it belongs, or further in front: a borrow does not move it
  private readonly heap = new IndexedHeap<K>()
  private readonly timeToLive: number
  private readonly maxKeys: number
  private readonly isOff: boolean

  constructor(timeToLive: number, maxKeys: number) {
    this.timeToLive = timeToLive
    this.maxKeys = maxKeys
    this.isOff = timeToLive === Infinity && maxKeys === Infinity
  }

  /** Whether there is room for another key. */
  get hasRoom(): boolean {
    return this.size < this.maxKeys
  }

  /** When to call `expired`, by the wall clock; some keys may have been used meanwhile. */
  get nextDue(): number {
    return this.heap.first === undefined ? Infinity : this.heap.first.key + this.timeToLive
  }

  add(key: K, now: number): void {
    this.size++
    this.unused(key, now)
  }

  /** No borrower has or waits for an item of the key any more, which is new, or was watched. */
  unused(key: K, since: number): void {
    if (this.isOff) return
    key.key = since
    this.heap.add(key)
  }

  remove(key: K): void {
    this.size--
    this.heap.remove(key)
  }

  /** A key that has been unused for too long. */
  expired(now: number): K | undefined {
    if (this.nextDue > now) return undefined
    const key = this.longestUnused()
    return this.nextDue > now ? undefined : key
  }

  /** A used key leaves the order until it is unused; so each borrow pays for one step at most. */
  longestUnused(): K | undefined {
    for (let key = this.heap.first; key !== undefined; key = this.heap.first) {
      const { unusedSince } = key
      if (unusedSince === key.key) return key
      this.heap.remove(key)
      if (unusedSince === undefined) {
        key.watch()
      } else {
        key.key = unusedSince
        this.heap.add(key)
      }
    }
    return undefined
  }
}
