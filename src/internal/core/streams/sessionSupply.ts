import { firstBackoff, lastBackoff } from "./sessionLane.js"

/** Where sessions come from. */
export interface SessionSupply {
  /** Fixed: the caller's only session, which the machine neither retires nor gives back. */
  readonly isFixed: boolean
  /** False: the session pool drains or closes. */
  readonly isOpen: boolean
  /** Borrowers in the queue of the session pool, those that the machine asked for included. */
  readonly waiting: number
  /** How many sessions are to go, since there are more than `maxSize`. */
  readonly excess: number
}

export const fixedSupply: SessionSupply = { isFixed: true, isOpen: true, waiting: 0, excess: 0 }

/** What the pool of the streams wants. */
export interface StreamDemand {
  /** Borrowers in the queue. */
  readonly waiting: number
  /** Streams that borrowers in the queue call for. */
  readonly needed: number
  /** The same, and those missing from `minSize` and `minIdle`. */
  readonly wanted: number
}

/** Sessions that were asked for, and the pause after sessions that were of no use. */
export class SessionAsking {
  private readonly supply: SessionSupply
  /** Those that have not come. */
  asked = 0
  /** When sessions may be asked for again. */
  readyAt = -Infinity
  private backoff = firstBackoff

  constructor(supply: SessionSupply) {
    this.supply = supply
  }

  /** Other borrowers wait for sessions. */
  get isContended(): boolean {
    return this.supply.waiting > this.asked
  }

  /** How many sessions others want back. */
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
