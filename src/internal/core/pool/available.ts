import { IndexedHeap } from "../indexedHeap.js"
import { LinkedList } from "../linkedList.js"
import { LoadIndex } from "../loadIndex.js"
import { Due, type Item, type Sharing } from "./item.js"

/** Where borrowers find items: the idle ones, and shared ones with room for another borrower. */
export class Available<A> {
  /** In the order in which they became idle. Those in a background check keep their place. */
  readonly idle = new LinkedList<Item<A>>()
  private readonly shared = new LoadIndex<Item<A>>()
  // the item that proved good last comes first; only in pools that check
  private readonly provenIdle: IndexedHeap<Due<A>> | undefined
  private readonly provenShared: IndexedHeap<Due<A>> | undefined
  private readonly isLifo: boolean

  constructor(order: "lifo" | "fifo", checks: boolean) {
    this.isLifo = order === "lifo"
    this.provenIdle = checks ? new IndexedHeap() : undefined
    this.provenShared = checks ? new IndexedHeap() : undefined
  }

  add(item: Item<A>): void {
    if (item.borrowers === 0) this.idle.push(item)
    else this.shared.add(item, item.borrowers)
    this.note(item)
  }

  /** Idempotent. `load`: how many borrowers the item had when it was added. */
  remove(item: Item<A>, load: number): void {
    if (item.list === this.idle) this.idle.remove(item)
    else this.shared.remove(item, load)
    this.hide(item)
  }

  /** The item has proved good, or may be lent again, where it stands. */
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

  /** `proven` does not find the item, as while it is checked. */
  hide(item: Item<A>): void {
    if (item.proof === undefined) return
    this.provenIdle!.remove(item.proof)
    this.provenShared!.remove(item.proof)
  }

  /** The first choice. An exclusive borrower gets an idle item only. */
  first(sharing: Sharing): Item<A> | undefined {
    if (sharing === "exclusive") return this.isLifo ? this.newestIdle() : this.oldestIdle()
    return this.isLifo ? this.shared.most() ?? this.newestIdle() : this.oldestIdle() ?? this.shared.least()
  }

  /** The item that proved good last. */
  proven(sharing: Sharing): Item<A> | undefined {
    const idle = this.provenIdle?.first
    const shared = sharing === "exclusive" ? undefined : this.provenShared?.first
    return (idle === undefined || (shared !== undefined && shared.key < idle.key) ? shared : idle)?.item
  }

  // items in a check keep their place, and are skipped; they are few, since few checks run at a time

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
