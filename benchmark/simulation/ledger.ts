/** Counts what happens in a simulation, by the second. */
import type { Agenda } from "./agenda.js"

/** By whom the fairness between pools is judged: each counts its borrowers that came in the trouble. */
interface Party {
  offered: number
  served: number
}

/** Why a borrower was not served: a refusal of the pool, or a session that ended under it. */
type Failure = string

/** Dials are also counted by the tenth of a second. */
const tenths = 10

const zeros = (length: number): Array<number> => Array.from({ length }, () => 0)

export class Ledger {
  /** In each tenth of a second. */
  readonly dials: Array<number>
  /** By the second in which the borrower came. */
  readonly offered: Array<number>
  readonly served: Array<number>
  readonly failures = new Map<Failure, number>()
  /** The longest wait of a borrower for a session or a refusal, in milliseconds. */
  longestWait = 0
  /** Borrowers that have neither been served nor failed. */
  open = 0
  private readonly agenda: Agenda
  private readonly origin: number
  private readonly judged: readonly [from: number, until: number]

  /** Nothing counts before `origin`. `judged`: when the borrowers come by which the fairness is judged, after `origin`. */
  constructor(agenda: Agenda, origin: number, seconds: number, judged: readonly [from: number, until: number]) {
    this.agenda = agenda
    this.origin = origin
    this.judged = judged
    this.dials = zeros(seconds * tenths)
    this.offered = zeros(seconds)
    this.served = zeros(seconds)
  }

  private place(time: number, perSecond: number): number {
    return Math.floor((time - this.origin) / 1_000 * perSecond)
  }

  private isJudged(asked: number): boolean {
    const [from, until] = this.judged
    return asked - this.origin >= from && asked - this.origin < until
  }

  dialled(): void {
    const place = this.place(this.agenda.now, tenths)
    if (place >= 0 && place < this.dials.length) this.dials[place]!++
  }

  came(pool: Party, asked: number): void {
    this.open++
    if (asked < this.origin) return
    this.offered[this.place(asked, 1)]!++
    if (this.isJudged(asked)) pool.offered++
  }

  /** A borrower has got a session. */
  lent(asked: number, waited: number): void {
    if (asked >= this.origin) this.longestWait = Math.max(this.longestWait, waited)
  }

  completed(pool: Party, asked: number): void {
    this.open--
    if (asked < this.origin) return
    this.served[this.place(asked, 1)]!++
    if (this.isJudged(asked)) pool.served++
  }

  /** `waited`: for the refusal; `undefined`: the borrower had a session. */
  failed(asked: number, waited: number | undefined, why: Failure): void {
    this.open--
    if (asked < this.origin) return
    if (waited !== undefined) this.longestWait = Math.max(this.longestWait, waited)
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1)
  }
}
