/** What a run of a simulation shows. */
import type { Backend } from "./backend.js"
import type { FleetPool } from "./fleetPool.js"
import type { Ledger } from "./ledger.js"
import type { Scenario, Variant } from "./scenario.js"

export interface Outcome {
  readonly scenario: string
  readonly variant: string
  /** In each second. */
  readonly dials: ReadonlyArray<number>
  /** Which part of the borrowers that came in each second was served. */
  readonly share: ReadonlyArray<number>
  /** At the beginning of each second. */
  readonly sessions: ReadonlyArray<number>
  readonly figures: Figures
}

/** Times are seconds. The trouble is that of the scenario. */
export interface Figures {
  /** Dials in the trouble, and after it. */
  readonly dialsDuring: number
  readonly dialsAfter: number
  /** Dials in a tenth of a second, at most: in the second half of the trouble, and after it. */
  readonly peakDuring: number
  readonly peakAfter: number
  /** Handshakes for pools that had given up. */
  readonly wasted: number
  /** Which part of the borrowers was served that came in the trouble, or up to 10 s after it. */
  readonly served: number
  /** Of any borrower. */
  readonly longestWait: number
  /** How long after the trouble nearly all borrowers were served again; `undefined`: never. */
  readonly recovery: number | undefined
  /** How long after the trouble nearly all sessions were there again; `undefined`: never. */
  readonly restored: number | undefined
  /** Jain's index of the part that each pool had served: 1 if all had the same part, 1/n if one had all. */
  readonly fairness: number
  /** Sessions of the fullest replica, for the mean: before the trouble, and at the end. */
  readonly fullestBefore: number
  readonly fullest: number
  readonly failures: Readonly<Record<string, number>>
  /** Borrowers that were neither served nor failed. */
  readonly lost: number
  readonly events: number
}

/** "Nearly all". */
const most = 0.95
/** For so many seconds in a row. */
const calm = 5

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const highest = (values: ReadonlyArray<number>): number => values.reduce((a, b) => Math.max(a, b), 0)

const fullest = (counts: ReadonlyArray<number>): number => highest(counts) * counts.length / sum(counts)

/** Jain's index. */
export const fairness = (shares: ReadonlyArray<number>): number => {
  const squares = sum(shares.map((share) => share * share))
  return squares === 0 ? 1 : sum(shares) ** 2 / (shares.length * squares)
}

/** The seconds from `from` until the figure of a second, and those of the next, are high enough. */
const reaches = (figures: ReadonlyArray<number>, from: number, bound: number): number | undefined => {
  for (let second = from; second + calm <= figures.length; second++) {
    if (figures.slice(second, second + calm).every((figure) => figure >= bound)) return second - from
  }
  return undefined
}

export const outcomeOf = ({ after, backend, before, events, ledger, pools, scenario, sessions, variant }: {
  readonly scenario: Scenario
  readonly variant: Variant
  readonly ledger: Ledger
  readonly sessions: ReadonlyArray<number>
  /** Sessions of each replica: before the trouble, and at the end. */
  readonly before: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
  readonly pools: ReadonlyArray<FleetPool>
  readonly backend: Backend
  readonly events: number
}): Outcome => {
  const { from, until } = scenario
  const { dials, offered, served } = ledger
  const share = offered.map((count, second) => count === 0 ? 1 : served[second]! / count)
  const judged = pools.filter(({ offered }) => offered > 0)
  const usual = sessions[from - 1]!
  const middle = Math.floor((from + until) / 2)
  return {
    scenario: scenario.name,
    variant: variant.name,
    dials: share.map((_, second) => sum(dials.slice(second * 10, second * 10 + 10))),
    share: share.map((value) => Math.round(value * 1_000) / 1_000),
    sessions,
    figures: {
      dialsDuring: sum(dials.slice(from * 10, until * 10)),
      dialsAfter: sum(dials.slice(until * 10)),
      peakDuring: highest(dials.slice(middle * 10, until * 10)),
      peakAfter: highest(dials.slice(until * 10)),
      wasted: backend.wasted,
      served: sum(judged.map(({ served }) => served)) / sum(judged.map(({ offered }) => offered)),
      longestWait: ledger.longestWait / 1_000,
      recovery: reaches(share, until, most),
      restored: reaches(sessions, until, most * usual),
      fairness: fairness(judged.map(({ offered, served }) => served / offered)),
      fullestBefore: fullest(before),
      fullest: fullest(after),
      failures: Object.fromEntries(ledger.failures),
      lost: ledger.open,
      events
    }
  }
}
