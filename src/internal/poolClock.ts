import type { Time } from "./poolItem.js"

/** Where a clock's time comes from: Effect's `Clock` is one. */
export interface ClockSource {
  unsafeCurrentTimeMillis(): number
  unsafeCurrentTimeNanos(): bigint
}

/** Reads both clocks of a source, and hides where one is set back. One object, whose figures change with each reading. */
export class PoolClock implements Time {
  monotonic = -Infinity
  wall = -Infinity
  private readonly source: ClockSource
  private monotonicLag = 0
  private wallLag = 0
  /** What `read` made of the wall clock last, and when that was by the other one. */
  private latestWall = -Infinity
  private readAt = 0

  constructor(source: ClockSource) {
    this.source = source
    this.read()
  }

  read(): Time {
    const latest = this.wall
    this.readMonotonic()
    const wall = this.source.unsafeCurrentTimeMillis() + this.wallLag
    // a reckoned time has a fraction of a millisecond, which this clock has not
    if (latest - wall > 1) this.wallLag += latest - wall
    this.wall = this.latestWall = Math.max(wall, latest)
    this.readAt = this.monotonic
    return this
  }

  /** The cheaper half: the wall clock is reckoned, which misses a leap since the last `read`. */
  readMonotonic(): Time {
    // in whole microseconds, since whole milliseconds of a test clock are to stay whole
    const monotonic = Math.round(Number(this.source.unsafeCurrentTimeNanos()) / 1e3) / 1e3 + this.monotonicLag
    if (monotonic < this.monotonic) this.monotonicLag += this.monotonic - monotonic
    else this.monotonic = monotonic
    this.wall = this.latestWall + this.monotonic - this.readAt
    return this
  }
}
