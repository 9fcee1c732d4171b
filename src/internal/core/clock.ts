import type { Time } from "./pool/item.js"

/** Where a clock's time comes from: Effect's `Clock` is one. */
export interface ClockSource {
  unsafeCurrentTimeMillis(): number
  unsafeCurrentTimeNanos(): bigint
}

/**
 * Reads both clocks of a source, and hides where one is set back. One object, whose figures change with each `read`.
 * A clock is read when its figure is first asked for: most borrows ask for one at most, and the monotonic one is dear.
 */
export class PoolClock implements Time {
  private readonly source: ClockSource
  private latestMonotonic = -Infinity
  private latestWall = -Infinity
  private monotonicLag = 0
  private wallLag = 0
  private monotonicIsRead = false
  private wallIsRead = false

  constructor(source: ClockSource) {
    this.source = source
  }

  /** Another moment: what was read before no longer holds. */
  read(): Time {
    this.monotonicIsRead = false
    this.wallIsRead = false
    return this
  }

  get monotonic(): number {
    if (this.monotonicIsRead) return this.latestMonotonic
    this.monotonicIsRead = true
    // in whole microseconds, since whole milliseconds of a test clock are to stay whole
    const time = Math.round(Number(this.source.unsafeCurrentTimeNanos()) / 1e3) / 1e3 + this.monotonicLag
    if (time < this.latestMonotonic) this.monotonicLag += this.latestMonotonic - time
    else this.latestMonotonic = time
    return this.latestMonotonic
  }

  get wall(): number {
    if (this.wallIsRead) return this.latestWall
    this.wallIsRead = true
    const time = this.source.unsafeCurrentTimeMillis() + this.wallLag
    if (time < this.latestWall) this.wallLag += this.latestWall - time
    else this.latestWall = time
    return this.latestWall
  }
}
