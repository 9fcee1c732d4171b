/** What happens in a simulation, in the order of its times: a binary heap, and no clock of the machine. */
import { type HeapNode, IndexedHeap } from "../../src/internal/core/indexedHeap.js"

/** Times are whole multiples of this part of a millisecond: sums and differences of such times are exact. */
const grains = 1024

export class Happening implements HeapNode {
  readonly key: number
  readonly run: () => void
  heapIndex = -1
  heapTurn = 0

  constructor(key: number, run: () => void) {
    this.key = key
    this.run = run
  }
}

/** Times are milliseconds. What is due at the same time happens in the order in which it was planned. */
export class Agenda {
  now = 0
  /** How many happenings there have been. */
  count = 0
  private readonly planned = new IndexedHeap<Happening>()

  at(time: number, run: () => void): Happening {
    const happening = new Happening(Math.ceil(Math.max(time, this.now) * grains) / grains, run)
    this.planned.add(happening)
    return happening
  }

  after(delay: number, run: () => void): Happening {
    return this.at(this.now + delay, run)
  }

  /** An alarm rings after now: a time that rounding puts an instant too early must not ring for ever. */
  alarm(time: number, run: () => void): Happening {
    return this.at(Math.max(time, this.now + 1 / grains), run)
  }

  /** Idempotent. */
  cancel(happening: Happening | undefined): void {
    if (happening !== undefined) this.planned.remove(happening)
  }

  runUntil(end: number): void {
    for (let { first } = this.planned; first !== undefined && first.key <= end; { first } = this.planned) {
      this.planned.remove(first)
      this.now = first.key
      this.count++
      first.run()
    }
    this.now = end
  }
}
