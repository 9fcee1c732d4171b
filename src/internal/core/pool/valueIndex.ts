import { Item } from "./item.js"

/** Finds live items by their value. Several items may have the same value. */
export class ValueIndex<A> {
  private readonly items = new Map<A, Item<A> | Set<Item<A>>>()

  /** A copy: the index may change while the caller iterates. */
  get(value: A): ReadonlyArray<Item<A>> {
    const known = this.items.get(value)
    return known === undefined ? [] : known instanceof Item ? [known] : [...known]
  }

  add(item: Item<A>): void {
    const known = this.items.get(item.value)
    if (known === undefined) this.items.set(item.value, item)
    else if (known instanceof Item) this.items.set(item.value, new Set([known, item]))
    else known.add(item)
  }

  remove(item: Item<A>): void {
    const known = this.items.get(item.value)
    if (known === item) this.items.delete(item.value)
    else if (known instanceof Set && known.delete(item) && known.size === 0) this.items.delete(item.value)
  }
}
