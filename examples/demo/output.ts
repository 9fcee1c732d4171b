/** What the demo prints. */
import { type Options, Presets, SingleBar } from "cli-progress"
import Table from "cli-table3"
import { Effect } from "effect"
import type { Row } from "./load.js"

const whole = (n: number) => n.toLocaleString("en", { maximumFractionDigits: 0 })

interface Progress {
  readonly update: (done: number) => void
  readonly stop: () => void
}

const bar = (title: string, total: number): Progress => {
  const options: Options = { format: `${title} [{bar}] {value} of {total}`, formatValue: whole }
  const bar = new SingleBar(options, Presets.legacy)
  bar.start(total, 0)
  return bar
}

const lines = (title: string, total: number): Progress => {
  const every = Math.ceil(total / 4)
  return {
    update: (done) => {
      if (done % every === 0 || done === total) console.error(`${title}: ${whole(done)} of ${whole(total)}`)
    },
    stop: () => {}
  }
}

/** A bar on stderr while the effect runs; a few lines if stderr is not a terminal. */
export const withProgress = <A, E, R>(
  title: string,
  total: number,
  run: (onProgress: (done: number) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.stderr.isTTY ? bar(title, total) : lines(title, total)),
    (progress) => run((done) => progress.update(done)),
    (progress) => Effect.sync(() => progress.stop())
  )

export const printTable = (rows: Readonly<Record<string, Row>>): void => {
  const table = new Table({
    head: ["", "requests", "sessions opened", "requests/s", "median", "p99", "reuse ratio"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] }
  })
  for (const [title, row] of Object.entries(rows)) {
    table.push([
      title,
      whole(row.requests),
      whole(row.sessionsOpened),
      whole(row.requestsPerSecond),
      `${row.median.toFixed(1)} ms`,
      `${row.p99.toFixed(1)} ms`,
      row.reuseRatio.toFixed(3)
    ])
  }
  console.log(table.toString())
}
