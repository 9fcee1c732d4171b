/** How late this process is by itself: delays of timers on a busy machine are not a failure. */

const interval = 20

export interface Lag {
  /** The sum of the timers' delays between two times of `performance.now()`, in milliseconds. */
  readonly between: (from: number, to: number) => number
  readonly worst: () => number
  readonly stop: () => void
}

export const watchLag = (): Lag => {
  let last = performance.now()
  let worst = 0
  const late: Array<{ readonly at: number; readonly by: number }> = []
  const timer = setInterval(() => {
    const now = performance.now()
    const by = now - last - interval
    last = now
    worst = Math.max(worst, by)
    if (by > interval) late.push({ at: now, by })
  }, interval)
  const between = (from: number, to: number) => {
    // the latest first, since nearly every question is about the recent past; begins with a timer that is late now
    let sum = Math.max(0, Math.min(to, performance.now()) - last - interval)
    for (let i = late.length - 1; i >= 0 && late[i]!.at >= from; i--) if (late[i]!.at <= to) sum += late[i]!.by
    return sum
  }
  return { between, worst: () => worst, stop: () => clearInterval(timer) }
}
