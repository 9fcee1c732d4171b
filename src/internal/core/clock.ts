/** Milliseconds of two clocks that never go back. The monotonic clock measures waiting, the wall clock measures age. */
export interface Time {
  /** Never jumps. */
  readonly monotonic: number
  /** Continues while the computer is suspended. */
  readonly wall: number
  /** What the wall clock shows, steps back included: another figure tells that time may have passed. */
  readonly instant?: number
}

/** The source of a clock's time, such as Effect's `Clock`. */
export interface ClockSource {
  unsafeCurrentTimeMillis(): number
  unsafeCurrentTimeNanos(): bigint
}

/** Time that never goes back. When the source goes back, this time stands still, then continues from there. */
export class SteadyTime {
  private latest = -Infinity
  private lag = 0

  /** Takes the time of the source; returns the steady time. */
  pass(time: number): number {
    const steady = time + this.lag
    if (steady < this.latest) this.lag += this.latest - steady
    else this.latest = steady
    return this.latest
  }
}

/**
 * Reads both clocks of a source, and hides steps back. It is one object, whose figures change with each `read`. A clock
 * is read on first access: most borrows need at most one clock, and the monotonic clock is expensive.
 */
export class PoolClock implements Time {
  private readonly source: ClockSource
  private readonly monotonicTime = new SteadyTime()
  private readonly wallTime = new SteadyTime()
  private latestMonotonic = -Infinity
  private latestWall = -Infinity
  private latestInstant = -Infinity
  private monotonicIsRead = false
  private wallIsRead = false

  constructor(source: ClockSource) {
    this.source = source
  }

  /** Begins a new moment: earlier figures are no longer valid. */
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
    this.readWall()
    return this.latestWall
  }

  get instant(): number {
    this.readWall()
    return this.latestInstant
  }

  private readWall(): void {
    if (this.wallIsRead) return
    this.wallIsRead = true
    this.latestInstant = this.source.unsafeCurrentTimeMillis()
    this.latestWall = this.wallTime.pass(this.latestInstant)
  }
}
