/** What a process tells the store of permits, and what the store answers. */

/** The whole state of the process, for the store. */
export interface Report {
  /** Permits whose items may be open, those included that are being closed. */
  readonly held: number
  /** The asks of borrowers, in their order. */
  readonly asks: ReadonlyArray<number>
  /** The asks that come after all borrowers of all processes. They have no place in the queue. */
  readonly spare: ReadonlyArray<number>
}

/** What the store answers. */
export interface Answer {
  /** The asks that have their permits now. */
  readonly granted: ReadonlyArray<number>
  /** How many permits other processes want of this process. */
  readonly wanted: number
  /** How many permits this process may keep while others wait. */
  readonly share: number
  /** How many of those above its share the others need of this process, those included that are on their way back. */
  readonly yields: number
  /** When to ask again, in case no news comes; `Infinity` if no borrower waits. */
  readonly again: number
}
