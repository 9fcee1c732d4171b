/** The measurements in the child processes: time and memory per operation. */
import { Bench } from "tinybench"
import type { Figures, Settings } from "./model.js"

/** Runs an operation `operations` times, with no pauses but the operation's own. */
export type Run = (operations: number) => void | Promise<void>

/** Milliseconds. */
export const clockOf = ({ clock }: Settings): () => number =>
  clock === "wall"
    ? () => performance.now()
    : () => {
      const { system, user } = process.cpuUsage()
      return (system + user) / 1_000
    }

/** Warms up, and finds how many operations make a sample: enough that its start and end do not matter. */
const calibrate = async (run: Run, now: () => number, settings: Settings): Promise<number> => {
  const { sampleMillis, warmupMillis } = settings
  const start = now()
  let operations = 16
  for (;;) {
    const begin = now()
    await run(operations)
    const millis = now() - begin
    if (millis > sampleMillis / 2 && now() - start > warmupMillis) {
      return Math.max(1, Math.round(operations * sampleMillis / millis))
    }
    if (millis < sampleMillis) {
      operations = Math.ceil(operations * Math.min(8, Math.max(1.1, sampleMillis / Math.max(millis, 0.001))))
    }
  }
}

/** Nanoseconds per operation. */
export const nanos = async (run: Run, settings: Settings): Promise<ReadonlyArray<number>> => {
  const now = clockOf(settings)
  const operations = await calibrate(run, now, settings)
  const iterations = settings.samples
  const bench = new Bench({ now, iterations, time: 0, warmup: false, retainSamples: true, throws: true })
  bench.add("operation", () => run(operations))
  const [task] = await bench.run()
  if (task?.result.state !== "completed") throw new Error(`the measurement did not complete: ${task?.result.state}`)
  return task.result.latency.samples!.map((millis) => millis * 1e6 / operations)
}

export const collect = (): void => {
  if (globalThis.gc === undefined) throw new Error("to be started with --expose-gc")
  globalThis.gc()
}

/**
 * Bytes allocated per operation: the growth of the heap between two collections. The operations are so few that no
 * collection comes in between, with a young generation of 16 MB; the median discards samples with a collection.
 */
export const bytes = async (run: Run, settings: Settings): Promise<ReadonlyArray<number>> => {
  const once = async (operations: number) => {
    collect()
    const before = process.memoryUsage().heapUsed
    await run(operations)
    return (process.memoryUsage().heapUsed - before) / operations
  }
  const guess = await once(256)
  const operations = Math.min(100_000, Math.max(256, Math.floor(4e6 / Math.max(guess, 1))))
  const samples: Array<number> = []
  for (let i = 0; i < settings.samples; i++) samples.push(await once(operations))
  return samples
}

export const perOperation = async (run: Run, settings: Settings): Promise<Figures> => ({
  ns: await nanos(run, settings),
  bytes: await bytes(run, settings)
})
