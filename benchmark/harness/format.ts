/** Formats numbers and tables for people. The tables are Markdown, to copy into a page. */
import { isMet, type Requirement, type Summary } from "./model.js"

export const none = "–"

/** Shows three significant digits, or all digits before the point. */
export const number = (value: number | undefined): string => {
  if (value === undefined) return none
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export const whole = (value: number | undefined): string =>
  value === undefined ? none : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })

export const spread = (summary: Summary | undefined): string =>
  // a single sample has no spread
  summary === undefined || summary.samples.length < 2 ? none : `${(summary.spread * 100).toFixed(1)} %`

export const times = (value: number | undefined): string => value === undefined ? none : `${number(value)} ×`

export const seconds = (limit: number): string => `> ${limit} s`

export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]!.length)))
  // aligns the first column to the left, figures to the right
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map(cell).join(" | ")} |`
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":")
  return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n")
}

const bound = ({ bound, unit }: Requirement): string => {
  const [words, value] = "atLeast" in bound
    ? ["at least", bound.atLeast]
    : "atMost" in bound
    ? ["at most", bound.atMost]
    : ["below", bound.below]
  return `${words} ${withUnit(String(value), unit)}`
}

const withUnit = (text: string, unit: Requirement["unit"]) => unit === "" ? text : `${text} ${unit}`

const measured = ({ figure, unit }: Requirement): string =>
  figure === undefined ? none : withUnit(unit === "" ? whole(figure) : number(figure), unit)

export const requirementTable = (requirements: ReadonlyArray<Requirement>): string =>
  table(
    ["required", "measured", "bound", "verdict"],
    requirements.map((requirement) => {
      const met = isMet(requirement)
      return [
        requirement.what,
        measured(requirement),
        bound(requirement),
        met === undefined ? "not measured" : met ? "ok" : "short"
      ]
    })
  )
