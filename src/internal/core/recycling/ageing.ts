/** Ages idle items: notes when items are returned, and drops those that are too old. */
import { SteadyTime } from "../clock.js"

/** A list of idle items, the earliest returned first. */
export interface Aged {
  /** Drops the items that have been idle for this many milliseconds. */
  prune(maxIdle: number): number
  /** When the next item to drop was returned; `Infinity` if no item is to drop. */
  readonly oldest: number
}

export interface AgeingOptions {
  /** Milliseconds; may go back. */
  readonly clock: () => number
  /** Runs a function after the code that runs now. */
  readonly later: (run: () => void) => void
  /** Milliseconds. */
  readonly timeToLive: number
  /** Asks for `tick` in this many milliseconds. The next call comes only after that `tick`. */
  readonly wakeIn: (delay: number) => void
}

/**
 * The times of all lists of one pool.
 *
 * The clock is the most expensive part, so it is read once for all items that are returned in one turn of the event loop.
 * An item may seem older than it is, by the length of a turn.
 */
export class Ageing {
  isStale = true
  now = 0.5
  /** Whether a `tick` will come; always true if items do not age. */
  isArmed: boolean
  readonly timeToLive: number
  private readonly options: AgeingOptions
  private readonly lists: Array<Aged> = []
  private readonly time = new SteadyTime()

  constructor(options: AgeingOptions) {
    this.options = options
    this.timeToLive = options.timeToLive
    this.isArmed = options.timeToLive === Infinity
  }

  add(list: Aged): void {
    this.lists.push(list)
  }

  /** The time, which never goes back, so that lists are ordered by time. */
  read(): number {
    return this.now = this.time.pass(this.options.clock())
  }

  refresh(): void {
    this.isStale = false
    this.read()
    this.options.later(this.forget)
  }

  private readonly forget = (): void => {
    this.isStale = true
  }

  arm(oldest: number, least = 0): void {
    this.isArmed = true
    this.options.wakeIn(Math.max(least, oldest + this.timeToLive - this.read()))
  }

  tick(): void {
    let oldest = Infinity
    for (const list of this.lists) {
      list.prune(this.timeToLive)
      oldest = Math.min(oldest, list.oldest)
    }
    if (oldest === Infinity) this.isArmed = false
    // an item that is not due may be due in less than the precision of these numbers
    else this.arm(oldest, 1)
  }

  stop(): void {
    this.isArmed = true
  }
}
