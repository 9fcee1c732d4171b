import { IndexedHeap } from "../indexedHeap.js"
import { LinkedList } from "../linkedList.js"
import { LoadIndex } from "../loadIndex.js"
import { Due, type Item, type Sharing } from "./item.js"

/** The items that borrowers can get: idle items, and shared items with room for another borrower. */
export class Available<A> {
  /** Ordered by when they became idle. An item in a background check keeps its place. */
  readonly idle = new LinkedList<Item<A>>()
  /** Made for the first shared item. */
  private shared: LoadIndex<Item<A>> | undefined = undefined
  // the most recently proven item comes first; only in pools that check
  private readonly provenIdle: IndexedHeap<Due<A>> | undefined
  private readonly provenShared: IndexedHeap<Due<A>> | undefined
  private readonly isLifo: boolean

  constructor(order: "lifo" | "fifo", checks: boolean) {
    this.isLifo = order === "lifo"
    this.provenIdle = checks ? new IndexedHeap() : undefined
    this.provenShared = checks ? new IndexedHeap() : undefined
  }

  add(item: Item<A>): void {
    if (item.borrowers === 0) {
      this.idle.push(item)
      if (item.permit !== undefined) item.permit.idle()
    } else {
      this.shared ??= new LoadIndex()
      this.shared.add(item, item.borrowers)
    }
    this.note(item)
  }

  /** Idempotent. `load`: how many borrowers the item had when it was added. */
  remove(item: Item<A>, load: number): void {
    if (item.list === this.idle) {
      this.idle.remove(item)
      if (item.permit !== undefined) item.permit.busy()
    } else if (this.shared !== undefined) this.shared.remove(item, load)
    this.hide(item)
  }

  /** Files the item by its proof, after it proved good or may be lent again. */
  note(item: Item<A>): void {
    if (this.provenIdle === undefined) return
    const isFound = item.state === "Idle" || (item.state === "InUse" && item.list !== undefined)
    if (!isFound) return
    this.hide(item)
    const proof = item.proof ??= new Due(item, 0)
    proof.key = -item.provenTurn
    const heap = item.list === this.idle ? this.provenIdle : this.provenShared!
    heap.add(proof)
  }

  /** Hides the item from `proven`, as during a check. */
  hide(item: Item<A>): void {
    if (item.proof === undefined) return
    this.provenIdle!.remove(item.proof)
    this.provenShared!.remove(item.proof)
  }

  /** The first choice. An exclusive borrower gets only idle items. */
  first(sharing: Sharing): Item<A> | undefined {
    if (sharing === "exclusive") return this.isLifo ? this.newestIdle() : this.oldestIdle()
    const { shared } = this
    if (shared === undefined) return this.isLifo ? this.newestIdle() : this.oldestIdle()
    return this.isLifo ? shared.maxLoaded() ?? this.newestIdle() : this.oldestIdle() ?? shared.minLoaded()
  }

  /** The most recently proven item. */
  proven(sharing: Sharing): Item<A> | undefined {
    const idle = this.provenIdle?.first
    const shared = sharing === "exclusive" ? undefined : this.provenShared?.first
    return (idle === undefined || (shared !== undefined && shared.key < idle.key) ? shared : idle)?.item
  }

  // items in a check keep their place and are skipped; few checks run at a time

  private newestIdle(): Item<A> | undefined {
    let item = this.idle.last
    while (item !== undefined && item.state === "Checking") item = item.previous
    return item
  }

  private oldestIdle(): Item<A> | undefined {
    let item = this.idle.first
    while (item !== undefined && item.state === "Checking") item = item.next
    return item
  }
}
