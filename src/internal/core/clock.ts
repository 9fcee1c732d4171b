import type { Time } from "./pool/item.js"

/** Where a clock's time comes from: Effect's `Clock` is one. */
export interface ClockSource {
  unsafeCurrentTimeMillis(): number
  unsafeCurrentTimeNanos(): bigint
}

/** Time that never goes back: where its source does, it stands still, and then goes on from there. */
export class SteadyTime {
  private latest = -Infinity
  private lag = 0

  /** What the source says now; returns what it is taken for. */
  pass(time: number): number {
    const steady = time + this.lag
    if (steady < this.latest) this.lag += this.latest - steady
    else this.latest = steady
    return this.latest
  }
}

/**
 * Reads both clocks of a source, and hides that one is set back. One object, whose figures change with each `read`. A
 * clock is read when its figure is first asked for: most borrows ask for one at most, and the monotonic one is expensive.
 */
export class PoolClock implements Time {
  private readonly source: ClockSource
  private readonly monotonicTime = new SteadyTime()
  private readonly wallTime = new SteadyTime()
  private latestMonotonic = -Infinity
  private latestWall = -Infinity
  private monotonicIsRead = false
  private wallIsRead = false

  constructor(source: ClockSource) {
    this.source = source
  }

  /** Begins another moment: figures that were read before no longer hold. */
  read(): Time {
    this.monotonicIsRead = false
    this.wallIsRead = false
    return this
  }

  get monotonic(): number {
    if (this.monotonicIsRead) return this.latestMonotonic
    this.monotonicIsRead = true
    // in whole microseconds, so that whole milliseconds of a test clock stay whole
    const time = Math.round(Number(this.source.unsafeCurrentTimeNanos()) / 1e3) / 1e3
    return this.latestMonotonic = this.monotonicTime.pass(time)
  }

  get wall(): number {
    if (this.wallIsRead) return this.latestWall
    this.wallIsRead = true
    return this.latestWall = this.wallTime.pass(this.source.unsafeCurrentTimeMillis())
  }
}
