/** The histograms of a pool: the duration of waits, creations and borrows. */
import { nanosOf } from "#effect/clock"
import type * as Clock from "effect/Clock"
import type { Times } from "../observe/poolMetrics.js"

/** Without histograms it measures nothing. */
export interface PoolTimer {
  readonly start: () => bigint
  /** A borrower got an item without a wait. */
  readonly lentAtOnce: () => void
  readonly waited: (since: bigint) => void
  readonly created: (since: bigint) => void
  readonly used: (since: bigint) => void
}

const nothing = () => undefined

export const noTimer: PoolTimer = {
  start: () => 0n,
  lentAtOnce: nothing,
  waited: nothing,
  created: nothing,
  used: nothing
}

export const timerOf = (times: Times, clock: Clock.Clock): PoolTimer => {
  const start = () => nanosOf(clock)
  const seconds = (since: bigint) => Number(start() - since) / 1e9
  return {
    start,
    lentAtOnce: () => times.wait(0),
    waited: (since) => times.wait(seconds(since)),
    created: (since) => times.create(seconds(since)),
    used: (since) => times.use(seconds(since))
  }
}
