/**
 * Runs one bundle of tests after another: to start a process for each of them takes longer than its tests. The main program
 * starts a new runner when this one ends itself.
 */
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"

export interface Task {
  readonly bundle: string
  /** Variables of the environment; without a value they are not set. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The tests that run, in this order; all of them without it. */
  readonly tests: ReadonlyArray<TestLimit> | undefined
}

export interface TestLimit {
  readonly number: number
  /** Milliseconds of processor time, since a busy machine must not kill a mutant. */
  readonly limit: number
}

export interface Result {
  readonly failure: string | undefined
  /** The processor time of each test that passed, in milliseconds, in the order in which they ran. */
  readonly spent: ReadonlyArray<number>
}

/** Processor time of this process, in milliseconds. */
const processor = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

// an endless loop does not look at the time, so another thread does
const limit = new Float64Array(new SharedArrayBuffer(8)).fill(Infinity)
const watch = `
const { workerData: limit } = require("node:worker_threads")
setInterval(() => {
  const { system, user } = process.cpuUsage()
  if ((system + user) / 1000 > limit[0]) process.kill(process.pid, "SIGKILL")
}, 200)`
new Worker(watch, { eval: true, workerData: limit }).unref()

let runs = 0

const run = async ({ bundle, env, tests: limited }: Task): Promise<Result> => {
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  const spent: Array<number> = []
  let name = "its start"
  let failure: string | undefined = undefined
  try {
    const { tests } = await import(`${pathToFileURL(bundle).href}?${++runs}`) as {
      readonly tests: ReadonlyArray<{ readonly name: string; readonly run: () => Promise<void> }>
    }
    for (const { limit: millis, number } of limited ?? tests.map((_, number) => ({ number, limit: Infinity }))) {
      const test = tests[number]!
      name = test.name
      const before = processor()
      limit[0] = before + millis
      await test.run()
      spent.push(processor() - before)
    }
  } catch (error) {
    failure = `${name}: ${String(error)}`
  }
  limit[0] = Infinity
  return { failure, spent }
}

process.on("message", (task: Task) => {
  void run(task).then((result) => process.send!(result))
})
