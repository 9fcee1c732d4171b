import type { PoolStats, RecyclingPoolStats, TieredBufferPoolStats } from "../PoolStats.js"

type Column<S> = readonly [title: string, show: (stats: S) => number | string]

interface Row<S> {
  readonly label: string
  readonly stats: S
}

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)}%`

const sum = (counts: object): number => Object.values(counts).reduce((total: number, count: number) => total + count, 0)

const waiting: ReadonlyArray<Column<PoolStats>> = [
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

const recycling: ReadonlyArray<Column<RecyclingPoolStats>> = [
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

/** Names to the left, figures to the right. */
const table = <S>(columns: ReadonlyArray<Column<S>>, rows: ReadonlyArray<Row<S>>): string => {
  const cells = [
    ["pool", ...columns.map(([title]) => title)],
    ...rows.map(({ label, stats }) => [label, ...columns.map(([, show]) => String(show(stats)))])
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
  ).join("\n")
}

const rowsOf = (stats: RecyclingPoolStats | TieredBufferPoolStats): ReadonlyArray<Row<RecyclingPoolStats>> =>
  "tiers" in stats
    ? [
      { label: stats.pool, stats: stats.all },
      ...stats.tiers.map((tier) => ({ label: `  ${tier.bufferSize} B`, stats: tier.stats }))
    ]
    : [{ label: stats.pool, stats }]

export const pretty = (...stats: ReadonlyArray<PoolStats | RecyclingPoolStats | TieredBufferPoolStats>): string => {
  const waitingRows: Array<Row<PoolStats>> = []
  const recyclingRows: Array<Row<RecyclingPoolStats>> = []
  for (const one of stats) {
    if ("waiters" in one) waitingRows.push({ label: one.pool, stats: one })
    else recyclingRows.push(...rowsOf(one))
  }
  return [
    ...(waitingRows.length === 0 ? [] : [table(waiting, waitingRows)]),
    ...(recyclingRows.length === 0 ? [] : [table(recycling, recyclingRows)])
  ].join("\n\n")
}
