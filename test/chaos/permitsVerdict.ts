/** What the soak of a fleet's limit saw, and what of that is wrong. Times are milliseconds of the wall clock. */

/** A stretch in which the server had more sessions than the limit. */
export interface Excess {
  readonly from: number
  to: number
  most: number
}

/** Something of one process, from its beginning to its end. */
export interface Span {
  readonly member: number
  readonly from: number
  readonly to: number
}

export interface Observed {
  readonly excesses: ReadonlyArray<Excess>
  /** Waits of borrowers. */
  readonly waits: ReadonlyArray<Span>
  /** Stretches longer than `closeTimeout` in which a process got no turn, though nobody had stopped it. */
  readonly stalls: ReadonlyArray<Span>
  readonly faults: ReadonlyArray<{ readonly from: number; readonly to: number }>
  /** The answers that each process got. */
  readonly answers: ReadonlyArray<number>
  /** How long a process that starved beside idle ones waited for its share; `undefined`: it did not get it. */
  readonly starved: number | undefined
  /** After the end of all processes: how long until all permits were granted anew; `undefined`: they were not. */
  readonly back: number | undefined
}

export interface Bounds {
  readonly limit: number
  readonly timeToLive: number
  /** How long the server may see more sessions than `limit`: it hears late of those that closed. */
  readonly lag: number
  /** The longest wait for a session while nothing fails. */
  readonly longestWait: number
  /** How long the consequences of a fault may last. */
  readonly aftermath: number
}

/** Watches the number of sessions. */
export class LimitWatch {
  readonly excesses: Array<Excess> = []
  /** The most sessions at once while the limit held. */
  most = 0
  private readonly limit: number
  private current: Excess | undefined = undefined

  constructor(limit: number) {
    this.limit = limit
  }

  see(open: number, now: number): void {
    if (open <= this.limit) {
      this.most = Math.max(this.most, open)
      this.current = undefined
    } else if (this.current === undefined) {
      this.excesses.push(this.current = { from: now, to: now, most: open })
    } else {
      this.current.to = now
      this.current.most = Math.max(this.current.most, open)
    }
  }
}

export interface Verdict {
  readonly wrong: ReadonlyArray<string>
  /** What other work on the machine can cause, too. */
  readonly late: ReadonlyArray<string>
}

const seconds = (millis: number) => `${(millis / 1_000).toFixed(2)} s`

/** Whether nothing failed, or had failed, in this time. */
export const isCalm = ({ from, to }: Span, { faults }: Pick<Observed, "faults">, { aftermath }: Bounds): boolean =>
  faults.every((fault) => to < fault.from || from > fault.to + aftermath)

export const judge = (observed: Observed, bounds: Bounds, start: number): Verdict => {
  const { answers, back, excesses, stalls, starved, waits } = observed
  const { lag, limit, longestWait, timeToLive } = bounds
  const wrong: Array<string> = []
  const late: Array<string> = []
  for (const { from, most, to } of excesses) {
    if (to - from <= lag) continue
    const text = `up to ${most} sessions from ${seconds(from - start)} to ${seconds(to - start)}, the limit is ${limit}`
    // a process that gets no turn is like one that is stopped: it closes its sessions so much later
    const stall = stalls.find((stall) =>
      stall.from < to && stall.to > from - timeToLive && stall.to - stall.from >= to - from - lag
    )
    if (stall === undefined) wrong.push(text)
    else late.push(`${text}; process ${stall.member} got no turn for ${seconds(stall.to - stall.from)}`)
  }
  for (const [member, count] of answers.entries()) if (count === 0) wrong.push(`process ${member} got no answer`)
  for (const wait of waits) {
    if (wait.to - wait.from <= longestWait || !isCalm(wait, observed, bounds)) continue
    late.push(`process ${wait.member} waited ${seconds(wait.to - wait.from)} until ${seconds(wait.to - start)}`)
  }
  if (starved === undefined) wrong.push("a process starved beside idle ones")
  else if (starved > 2 * timeToLive / 3) late.push(`a process starved for ${seconds(starved)} beside idle ones`)
  if (back === undefined) wrong.push("not all permits came back after the end")
  else if (back > timeToLive + lag) late.push(`the permits came back ${seconds(back)} after the end`)
  return { wrong, late }
}
