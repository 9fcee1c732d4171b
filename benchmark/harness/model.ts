/** The types that the parts of the benchmark share. */

export interface Settings {
  readonly quick: boolean
  /** How many processes each contestant gets, one after the other. */
  readonly rounds: number
  /** The number of samples per process. */
  readonly samples: number
  readonly sampleMillis: number
  readonly warmupMillis: number
  /** `cpu`: the processor time of the process, which other processes do not lengthen. */
  readonly clock: "wall" | "cpu"
}

/** Samples by name of the measured figure. */
export type Figures = Record<string, ReadonlyArray<number>>

/** One contestant in one case, measured by a child process. */
export interface Entry {
  readonly peer: string
  /** The size of the measurement, if a case has several sizes. */
  readonly at?: number
  /** The maximum number of rounds, for long measurements. */
  readonly rounds?: number
  /** Seconds after which the measurement is given up. */
  readonly limit: number
  readonly measure: (settings: Settings) => Promise<Figures>
}

/** A resource that the child processes of a group share and must not start themselves, such as a server. */
export interface Fixture {
  /** For the environment of the child processes. */
  readonly env: Readonly<Record<string, string>>
  readonly stop: () => Promise<unknown>
}

export interface Bar {
  readonly contestant: string
  readonly isOurs: boolean
  /** `undefined`: not measured in this run. */
  readonly ratio: number | undefined
}

/** Contestants side by side, relative to this library: 2 means twice as slow, or twice as much. */
export interface Chart {
  readonly title: string
  /** The measured figure, and the meaning of 1. */
  readonly subtitle: string
  /** From the top. */
  readonly bars: ReadonlyArray<Bar>
}

export interface Group {
  readonly name: string
  readonly title: string
  /** Runs in the parent process, before the first measurement. */
  readonly start?: () => Promise<Fixture>
  readonly entries: (settings: Settings) => ReadonlyArray<Entry>
  readonly report: (results: Results) => ReadonlyArray<string>
  readonly requirements: (results: Results) => ReadonlyArray<Requirement>
  readonly charts?: (results: Results) => ReadonlyArray<Chart>
}

/** The runtime of child processes. */
export interface Runtime {
  readonly execPath: string
  readonly execArgv: ReadonlyArray<string>
  /** Why this machine cannot run child processes; undefined if it can. */
  readonly problem?: () => string | undefined
}

export interface Suite {
  readonly name: string
  readonly title: string
  /** The major of Effect that the child processes run. The parent process runs nothing in Effect. */
  readonly effect: 3 | 4
  /** The main of the child processes, in the folder of the benchmark. */
  readonly child: string
  /** The packages whose versions belong to the result. */
  readonly packages: ReadonlyArray<string>
  readonly groups: ReadonlyArray<Group>
  /** Set if it is not the Node of this process, without further arguments. */
  readonly runtime?: Runtime
}

export interface Requirement {
  readonly what: string
  /** `undefined`: not measured in this run. */
  readonly figure: number | undefined
  readonly bound: { readonly atLeast: number } | { readonly atMost: number } | { readonly below: number }
  readonly unit: "×" | "MB" | "ns" | "ms" | ""
}

export const isMet = ({ bound, figure }: Requirement): boolean | undefined => {
  if (figure === undefined) return undefined
  if ("atLeast" in bound) return figure >= bound.atLeast
  return "atMost" in bound ? figure <= bound.atMost : figure < bound.below
}

export interface Summary {
  readonly median: number
  /** Half the distance between the quartiles, as a share of the median. */
  readonly spread: number
  readonly samples: ReadonlyArray<number>
}

const quantile = (sorted: ReadonlyArray<number>, q: number): number => {
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at))
}

export const summarize = (samples: ReadonlyArray<number>): Summary => {
  const sorted = samples.toSorted((a, b) => a - b)
  const median = quantile(sorted, 0.5)
  const spread = median === 0 ? 0 : (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / median
  return { median, spread, samples }
}

interface Measured {
  readonly figures: Record<string, Array<number>>
  limit: number | undefined
}

/** The measurements of the child processes, of all rounds together. */
export class Results {
  private readonly entries = new Map<string, Measured>()

  private static key(group: string, peer: string, at: number | undefined): string {
    return at === undefined ? `${group} | ${peer}` : `${group} | ${peer} | ${at}`
  }

  private entry(key: string): Measured {
    const known = this.entries.get(key)
    if (known !== undefined) return known
    const entry: Measured = { figures: {}, limit: undefined }
    this.entries.set(key, entry)
    return entry
  }

  add(group: string, { at, peer }: Entry, figures: Figures): void {
    const entry = this.entry(Results.key(group, peer, at))
    for (const [name, samples] of Object.entries(figures)) (entry.figures[name] ??= []).push(...samples)
  }

  giveUp(group: string, { at, limit, peer }: Entry): void {
    this.entry(Results.key(group, peer, at)).limit = limit
  }

  get(group: string, peer: string, figure: string, at?: number): Summary | undefined {
    const samples = this.entries.get(Results.key(group, peer, at))?.figures[figure]
    return samples === undefined ? undefined : summarize(samples)
  }

  median(group: string, peer: string, figure: string, at?: number): number | undefined {
    return this.get(group, peer, figure, at)?.median
  }

  /** The seconds after which a measurement was given up. */
  limit(group: string, peer: string, at?: number): number | undefined {
    return this.entries.get(Results.key(group, peer, at))?.limit
  }

  /** Reads the result of `toJSON`. */
  static fromJSON(json: Record<string, Record<string, Summary | number>>): Results {
    const results = new Results()
    for (const [key, { givenUpAfterSeconds, ...figures }] of Object.entries(json)) {
      const entry = results.entry(key)
      entry.limit = givenUpAfterSeconds as number | undefined
      for (const [name, summary] of Object.entries(figures)) entry.figures[name] = [...(summary as Summary).samples]
    }
    return results
  }

  toJSON(): unknown {
    return Object.fromEntries(
      [...this.entries].map(([key, { figures, limit }]) => [key, {
        ...(limit === undefined ? {} : { givenUpAfterSeconds: limit }),
        ...Object.fromEntries(Object.entries(figures).map(([name, samples]) => [name, summarize(samples)]))
      }])
    )
  }
}

/** `undefined` if one of the two was not measured. */
export const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b
