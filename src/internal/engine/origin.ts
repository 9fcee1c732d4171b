/** Where a pool comes from. The pools of all keys have one origin, so that a key costs little. */
import { sourceOf } from "#effect/clock"
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import { PoolClock } from "../core/clock.js"
import { PoolLog } from "../observe/poolLog.js"
import { timesOf } from "../observe/poolMetrics.js"
import type { EngineSettings } from "../options/engineOptions.js"
import { PoolSpans } from "./spans.js"
import { Ticks } from "./ticker.js"
import { noTimer, type PoolTimer, timerOf } from "./timer.js"

export interface Origin {
  readonly settings: EngineSettings
  readonly runtime: PoolRuntime
  readonly time: PoolClock
  readonly log: PoolLog
  readonly spans: PoolSpans
  readonly timer: PoolTimer
  readonly ticks: Ticks
}

/** `module`: the public module of the pool. */
export const originOf = (module: string, settings: EngineSettings, runtime: PoolRuntime): Origin => {
  const { histograms, name } = settings
  const time = new PoolClock(sourceOf(runtime.clock))
  return {
    settings,
    runtime,
    time,
    log: new PoolLog(module, name, (effect) => fork(runtime, effect)),
    spans: new PoolSpans(module, name, runtime.isTraced),
    timer: histograms ? timerOf(timesOf([["pool", name]], runtime), runtime.clock) : noTimer,
    ticks: new Ticks(runtime, time)
  }
}
