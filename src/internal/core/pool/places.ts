import type { Item } from "./item.js"

/** The `maxSize` places of a pool. */
export class Places {
  /** Places that an item has, also one that is being closed. */
  occupied = 0
  /** Those of them whose items are being closed. */
  private freeing = 0
  /** Retired items that gave their place up and are still lent. */
  overlapping = 0

  /** Places of the items that are not being closed. */
  get held(): number {
    return this.occupied - this.freeing
  }

  take(item: Item<unknown>): void {
    item.place = "Held"
    this.occupied++
  }

  /** The item is closed, and keeps its place until then. */
  free(item: Item<unknown>): void {
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
