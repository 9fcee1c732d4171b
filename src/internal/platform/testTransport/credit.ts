/** How many streams the server grants. */
import type { Behaviour } from "./contract.js"
import type { Settle } from "./settle.js"

/** How many streams of a kind the client may open. */
export class Credit {
  private available: number
  private returned = 0
  private readonly batch: number
  private readonly waiting: Array<Settle<void>> = []

  constructor({ creditBatch = 1, streamLimit = Infinity }: Behaviour) {
    this.available = streamLimit
    this.batch = creditBatch
  }

  take(): boolean {
    if (this.available === 0) return false
    this.available--
    return true
  }

  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  giveBack(): void {
    if (++this.returned < this.batch) return
    this.available += this.returned
    this.returned = 0
  }

  grantWaiting(): void {
    while (this.waiting.length > 0 && this.take()) this.waiting.shift()!.resolve()
  }

  /** The session has ended. Waiting requests check its state themselves. */
  end(): void {
    for (const { resolve } of this.waiting.splice(0)) resolve()
  }
}
