import type { Time } from "../clock.js"
import { IndexedHeap } from "../indexedHeap.js"
import { Due, type Item } from "./item.js"

/** Decides when items are pinged, by the wall clock. */
export class Pings<A> {
  /** Of all pools that ping nothing. */
  static readonly none = new Pings<any>(Infinity)

  private readonly heap = new IndexedHeap<Due<A>>()
  private readonly interval: number

  constructor(interval: number) {
    this.interval = interval
  }

  get next(): Due<A> | undefined {
    return this.heap.first
  }

  add(item: Item<A>, now: Time): void {
    if (this.interval === Infinity) return
    item.ping = new Due(item, now.wall + this.interval)
    this.heap.add(item.ping)
  }

  remove(item: Item<A>): void {
    if (item.ping !== undefined) this.heap.remove(item.ping)
  }

  isSilent(item: Item<A>, now: Time): boolean {
    return item.aliveAt + this.interval <= now.wall
  }

  postpone(due: Due<A>, from: number): void {
    this.heap.remove(due)
    due.key = from + this.interval
    this.heap.add(due)
  }

  /** The borrow did not prove the item, which had put off its ping. Returns whether the ping comes sooner now. */
  catchUp({ aliveAt, ping }: Item<A>): boolean {
    if (ping === undefined || ping.key <= aliveAt + this.interval) return false
    this.postpone(ping, aliveAt)
    return true
  }
}
