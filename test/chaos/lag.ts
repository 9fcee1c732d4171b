/** How late this process is by itself: what a busy machine does to timers is nobody's failure. */

const interval = 20
/** Milliseconds for which lateness is remembered. */
const memory = 10_000

export interface Lag {
  /** The sum of what timers have been late by since a time of `performance.now()`, in milliseconds. */
  readonly since: (time: number) => number
  readonly worst: () => number
  readonly stop: () => void
}

export const watchLag = (): Lag => {
  let last = performance.now()
  let worst = 0
  let late: Array<{ readonly at: number; readonly by: number }> = []
  const timer = setInterval(() => {
    const now = performance.now()
    const by = now - last - interval
    last = now
    worst = Math.max(worst, by)
    if (by > interval) late = [...late.filter(({ at }) => at > now - memory), { at: now, by }]
  }, interval)
  const since = (time: number) => {
    // one that is late now has not been told yet
    const pending = Math.max(0, performance.now() - last - interval)
    return late.reduce((sum, { at, by }) => at < time ? sum : sum + by, pending)
  }
  return { since, worst: () => worst, stop: () => clearInterval(timer) }
}
