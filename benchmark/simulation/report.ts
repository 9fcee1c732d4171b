/** The tables of the simulation. */
import { number, table, whole } from "../harness/format.js"
import type { Outcome } from "./outcome.js"
import type { Scenario } from "./scenario.js"

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

const seconds = (value: number | undefined): string => value === undefined ? "never" : number(value)

/** One row for each variant. */
export const report = ({ from, until }: Scenario, outcomes: ReadonlyArray<Outcome>): string =>
  table(
    [
      `trouble from ${from} s to ${until} s`,
      "dials in it",
      "dials after it",
      "most in 0.1 s, late in it",
      "most in 0.1 s after it",
      "wasted handshakes",
      "served",
      "longest wait (s)",
      "recovers after (s)",
      "sessions back after (s)",
      "fairness",
      "fullest replica"
    ],
    outcomes.map(({ figures, variant }) => [
      variant,
      whole(figures.dialsDuring),
      whole(figures.dialsAfter),
      whole(figures.peakDuring),
      whole(figures.peakAfter),
      whole(figures.wasted),
      percent(figures.served),
      number(figures.longestWait),
      seconds(figures.recovery),
      seconds(figures.restored),
      figures.fairness.toFixed(3),
      `${number(figures.fullestBefore)} ×, ${number(figures.fullest)} ×`
    ])
  )

/** Why borrowers were not served. */
export const failures = (outcomes: ReadonlyArray<Outcome>): string =>
  outcomes.map(({ figures, variant }) => {
    const reasons = Object.entries(figures.failures).map(([why, count]) => `${whole(count)} ${why}`)
    return `${variant}: ${reasons.length === 0 ? "every borrower was served" : reasons.join(", ")}`
  }).join("\n")
