/** Milliseconds between a refusal and the next attempt. */
export const firstBackoff = 10
export const lastBackoff = 1_000

/** The facts about a session that has just refused a stream. */
export interface RefusalFacts {
  /** The number of its open streams. */
  readonly open: number
  /** The number of its ended streams whose end is not confirmed. */
  readonly ending: number
  /** Credit may come late, after the bytes written on ended streams. */
  readonly mayBeOwed: boolean
}

/**
 * Whether the session grants no stream any more: none is open that could end, no credit is on its way, and no ping has the
 * stream that the session would grant.
 */
export const isUsedUp = ({ ending, mayBeOwed, open }: RefusalFacts, isPingToBlame: () => boolean): boolean =>
  open === 0 && ending === 0 && !mayBeOwed && !isPingToBlame()

/** The facts about the pings of a session. */
export interface PingFacts {
  /** The most recently granted stream was a ping's. */
  readonly isPingLatest: boolean
  /** The open streams of pings. */
  readonly pings: { readonly size: number }
}

/** The longest pause in milliseconds between two attempts while a ping has a stream. */
const pingedPause = 80
/** When no ping has a stream any more, the latest one explains this many refusals, with pauses of 10 to 640 ms: 1.3 s. */
const maxExplained = 7

/** The refusals in a row that the latest ping explains. */
export class PingExplanation {
  private during = 0
  private after = 0

  /** The milliseconds until the next attempt; `undefined` if no ping explains the refusal. */
  pauseAfterRefusal({ isPingLatest, pings }: PingFacts): number | undefined {
    if (!isPingLatest) return undefined
    if (pings.size > 0) return Math.min(pingedPause, firstBackoff * 2 ** this.during++)
    return this.after < maxExplained ? firstBackoff * 2 ** this.after++ : undefined
  }

  /** The session has granted a stream. */
  forget(): void {
    this.during = 0
    this.after = 0
  }
}
