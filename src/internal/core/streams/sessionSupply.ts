import { firstBackoff, lastBackoff } from "./refusals.js"

/** Where sessions come from. */
export interface SessionSupply {
  /** True: the only session is the caller's, which the machine does not retire or return. */
  readonly isFixed: boolean
  /** False when the session pool drains or closes. */
  readonly isOpen: boolean
  /** Borrowers in the queue of the session pool, this machine's own included. */
  readonly waiting: number
  /** How many sessions are above `maxSize` and have to go. */
  readonly excess: number
}

export const fixedSupply: SessionSupply = { isFixed: true, isOpen: true, waiting: 0, excess: 0 }

/** The demand of the pool of streams. */
export interface StreamDemand {
  /** Borrowers in the queue. */
  readonly waiting: number
  /** Streams that the borrowers in the queue need. */
  readonly needed: number
  /** `needed`, or the streams that are missing from `minSize` and `minIdle`, whichever is more. */
  readonly wanted: number
}

/** The sessions that the machine has asked for, and the pause after useless sessions. */
export class SessionAsking {
  private readonly supply: SessionSupply
  /** Sessions that were asked for and have not come. */
  asked = 0
  /** When the machine may ask for sessions again. */
  readyAt = -Infinity
  private backoff = firstBackoff

  constructor(supply: SessionSupply) {
    this.supply = supply
  }

  /** Whether other borrowers wait for sessions. */
  get isContended(): boolean {
    return this.supply.waiting > this.asked
  }

  /** How many sessions other borrowers want back. */
  get wantedBack(): number {
    return Math.max(0, this.supply.waiting - this.asked) + this.supply.excess
  }

  delay(now: number): void {
    this.readyAt = now + this.backoff
    this.backoff = Math.min(lastBackoff, this.backoff * 2)
  }

  forgetDelay(): void {
    this.readyAt = -Infinity
    this.backoff = firstBackoff
  }
}
