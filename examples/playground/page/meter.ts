/** Measures rates and waits since the last reading. */
export class Meter {
  /** Since the start. */
  answered = 0
  failed = 0
  private waits: Array<number> = []
  private since = { time: performance.now(), answered: 0, failed: 0 }

  /** A request that is over, and the milliseconds that it waited for a stream, if it borrowed one. */
  add(wait: number | undefined, isAnswered: boolean): void {
    if (wait !== undefined) this.waits.push(wait)
    if (isAnswered) this.answered++
    else this.failed++
  }

  /** Per second, and milliseconds. */
  take() {
    const time = performance.now()
    const seconds = (time - this.since.time) / 1000
    const waits = this.waits.sort((a, b) => a - b)
    const quantile = (q: number) => waits[Math.ceil(q * waits.length) - 1] ?? null
    const taken = {
      answered: (this.answered - this.since.answered) / seconds,
      failed: (this.failed - this.since.failed) / seconds,
      median: quantile(0.5),
      p99: quantile(0.99)
    }
    this.since = { time, answered: this.answered, failed: this.failed }
    this.waits = []
    return taken
  }
}

export type Sample = ReturnType<Meter["take"]>
