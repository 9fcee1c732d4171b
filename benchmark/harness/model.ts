/** What the parts of the benchmark say to each other. */

export interface Settings {
  readonly quick: boolean
  /** How often each contestant gets a process of its own. */
  readonly rounds: number
  /** How many samples are taken in a process. */
  readonly samples: number
  readonly sampleMillis: number
  readonly warmupMillis: number
  /** `cpu`: the processor time of the process, which other processes do not lengthen. */
  readonly clock: "wall" | "cpu"
}

/** Samples by the name of what they are samples of. */
export type Figures = Record<string, ReadonlyArray<number>>

/** One contestant in one case: what a child process measures. */
export interface Entry {
  readonly peer: string
  /** The size at which it is measured, where a case has several. */
  readonly at?: number
  /** Where a measurement is long: the most rounds. */
  readonly rounds?: number
  /** Seconds after which it is given up. */
  readonly limit: number
  readonly measure: (settings: Settings) => Promise<Figures>
}

/** What the child processes of a group share and none of them may bring along: a server, say. */
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

/** Contestants beside each other, in units of ours: 2 means twice as slow, or twice as much. */
export interface Chart {
  readonly title: string
  /** What is measured, and what 1 stands for. */
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

/** What runs child processes. */
export interface Runtime {
  readonly execPath: string
  readonly execArgv: ReadonlyArray<string>
  /** Why this machine cannot run them; undefined if it can. */
  readonly problem?: () => string | undefined
}

export interface Suite {
  readonly name: string
  readonly title: string
  /** The packages whose versions belong to the result. */
  readonly packages: ReadonlyArray<string>
  readonly groups: ReadonlyArray<Group>
  /** If it is not the node of this process, without further arguments. */
  readonly runtime?: Runtime
}

export interface Requirement {
  readonly what: string
  /** `undefined`: not measured in this run. */
  readonly figure: number | undefined
  readonly bound: { readonly atLeast: number } | { readonly atMost: number } | { readonly below: number }
  readonly unit: "×" | "MB" | "ns" | ""
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

/** What the child processes measured, of all rounds together. */
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

  /** The seconds after which it was given up. */
  limit(group: string, peer: string, at?: number): number | undefined {
    return this.entries.get(Results.key(group, peer, at))?.limit
  }

  /** From what `toJSON` returned. */
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

/** `undefined` where one of the two was not measured. */
export const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b
