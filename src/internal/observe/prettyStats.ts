/** Figures as a table. */
import type { RecyclingFigures, RequestFigures, TieredFigures, WaitingFigures } from "./figures.js"

type Column<S> = readonly [title: string, show: (stats: S) => number | string]

interface Row<S> {
  readonly label: string
  /** Blank if the row has no figure. */
  readonly show: (column: Column<S>) => number | string
}

const rowOf = <S>(label: string, stats: S): Row<S> => ({ label, show: ([, show]) => show(stats) })

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)}%`

const sum = (counts: object): number => Object.values(counts).reduce((total: number, count: number) => total + count, 0)

const waiting: ReadonlyArray<Column<WaitingFigures>> = [
  ["size", (stats) => stats.size],
  ["idle", (stats) => stats.idle],
  ["in use", (stats) => stats.inUse],
  ["creating", (stats) => stats.creating],
  ["waiters", (stats) => stats.waiters],
  ["max", (stats) => stats.max],
  ["peak", (stats) => stats.peak],
  ["acquisitions", (stats) => stats.acquisitions],
  ["reused", (stats) => percent(stats.reuseRatio)],
  ["timeouts", (stats) => stats.timeouts],
  ["rejections", (stats) => stats.rejections],
  ["failures", (stats) => stats.failures],
  ["lost", (stats) => stats.destroyed.lost]
]

const recycling: ReadonlyArray<Column<RecyclingFigures>> = [
  ["idle", (stats) => stats.size],
  ["in use", (stats) => stats.inUse],
  ["max", (stats) => stats.max],
  ["peak", (stats) => stats.peak],
  ["acquisitions", (stats) => stats.acquisitions],
  ["reused", (stats) => percent(stats.reuseRatio)],
  ["discarded", (stats) => sum(stats.discarded)],
  ["refused", (stats) => sum(stats.refused)],
  ["failures", (stats) => stats.failures]
]

const requests: ReadonlyArray<Column<RequestFigures>> = [
  ["streams", (stats) => stats.streams],
  ["max", (stats) => stats.max],
  ["in flight", (stats) => stats.inFlight],
  ["alone", (stats) => stats.exclusive],
  ["waiters", (stats) => stats.waiters],
  ["peak", (stats) => stats.peak],
  ["requests", (stats) => stats.requests],
  ["batches", (stats) => stats.batches],
  ["mean", (stats) => stats.meanBatch.toFixed(1)],
  ["late", (stats) => stats.lateAnswers],
  ["timeouts", (stats) => stats.timeouts],
  ["rejections", (stats) => stats.rejections],
  ["failures", (stats) => stats.failures]
]

/** Aligns names to the left, figures to the right. */
const table = <S>(columns: ReadonlyArray<Column<S>>, rows: ReadonlyArray<Row<S>>): string => {
  const cells = [
    ["pool", ...columns.map(([title]) => title)],
    ...rows.map(({ label, show }) => [label, ...columns.map((column) => String(show(column)))])
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
      .trimEnd()
  ).join("\n")
}

const rowsOf = (stats: RecyclingFigures | TieredFigures): ReadonlyArray<Row<RecyclingFigures>> => {
  if (!("tiers" in stats)) return [rowOf(stats.pool, stats)]
  return [
    rowOf(stats.pool, stats.all),
    ...stats.tiers.map((tier) => rowOf(`  ${tier.bufferSize} B`, tier.stats)),
    ...(stats.oversize === 0
      ? []
      : [{
        label: "  larger",
        show: ([title]: Column<RecyclingFigures>) => title === "acquisitions" ? stats.oversize : ""
      }])
  ]
}

/** Of all keys together. */
interface KeyedFigures {
  readonly all: WaitingFigures
  readonly byKey: object
}

type AnyFigures = WaitingFigures | RecyclingFigures | TieredFigures | RequestFigures | KeyedFigures

export const pretty = (...stats: ReadonlyArray<AnyFigures | ReadonlyArray<AnyFigures>>): string => {
  const waitingRows: Array<Row<WaitingFigures>> = []
  const recyclingRows: Array<Row<RecyclingFigures>> = []
  const requestRows: Array<Row<RequestFigures>> = []
  for (const one of stats.flat() as ReadonlyArray<AnyFigures>) {
    if ("byKey" in one) waitingRows.push(rowOf(one.all.pool, one.all))
    else if ("inFlight" in one) requestRows.push(rowOf(one.pool, one))
    else if ("waiters" in one) waitingRows.push(rowOf(one.pool, one))
    else recyclingRows.push(...rowsOf(one))
  }
  return [
    ...(waitingRows.length === 0 ? [] : [table(waiting, waitingRows)]),
    ...(recyclingRows.length === 0 ? [] : [table(recycling, recyclingRows)]),
    ...(requestRows.length === 0 ? [] : [table(requests, requestRows)])
  ].join("\n\n")
}
