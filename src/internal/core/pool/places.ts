import type { Item } from "./item.js"

/** The `maxSize` places of a pool. */
export class Places {
  /** Places of live items, and of items that are being created or closed. */
  occupied = 0
  /** Places of items that are being closed. */
  private freeing = 0
  /** Retired items that are still lent and have given up their place. */
  overlapping = 0

  /** Places of the items that are not being closed. */
  get held(): number {
    return this.occupied - this.freeing
  }

  occupy(item: Item<unknown>): void {
    item.place = "Held"
    this.occupied++
  }

  /** The item's closing begins; it keeps its place until the end. */
  beginFreeing(item: Item<unknown>): void {
    if (item.place === "Overlapping") this.leave(item)
    if (item.place !== "Held") return
    item.place = "Freeing"
    this.freeing++
  }

  /** The item's replacement gets the place while the item is still lent. */
  overlap(item: Item<unknown>): void {
    this.leave(item)
    item.place = "Overlapping"
    this.overlapping++
  }

  leave(item: Item<unknown>): void {
    if (item.place === "Overlapping") this.overlapping--
    if (item.place === "Freeing") this.freeing--
    if (item.place === "Held" || item.place === "Freeing") this.occupied--
    item.place = "None"
  }
}
