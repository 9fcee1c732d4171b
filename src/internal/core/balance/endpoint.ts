/** The records of a pool with several endpoints: endpoints, creations of sessions, their attempts to connect, sessions. */
import { jittered, nextDelay } from "../backoff.js"
import { type BalancePolicy, multiplierStep, slowStartStep, slowStartSteps } from "./policy.js"

/** An endpoint of the user's list. */
export interface EndpointEntry {
  /** Identifies the endpoint in later lists. */
  readonly key: string
  readonly weight: number
  /** 0 is best. */
  readonly priority: number
}

/**
 * - `Well`: creations open sessions to it
 * - `Failing`: the last attempt to connect failed, was late and lost its race, or a session died young; only a probe, or a
 *   creation that has no other endpoint, tries it
 * - `Ejected`: too many of its sessions failed in a row; the same, and the probe waits until the ejection is over
 */
export type Health = "Well" | "Failing" | "Ejected"

/** A step is over when the sum is reached: an alarm is set to the sum, and a difference of fractions may differ. */
const stepsSince = (start: number, now: number): number => {
  const steps = Math.floor((now - start) / slowStartStep)
  return start + (steps + 1) * slowStartStep <= now ? steps + 1 : steps
}

export class Endpoint<D extends EndpointEntry = EndpointEntry, F = unknown> {
  /** Replaced by a new list. */
  entry: D
  /** The lowest comes first: the priority; with `ordered`, the place in the list. */
  rank = 0
  /** Whether the latest list has the endpoint. */
  isListed = true

  health: Health = "Well"
  /** Whether only a session that proves good ends the trouble; otherwise a session that opens does. */
  needsProof = false
  /** When the next probe may begin; if sessions died young, also the next attempt of a creation. */
  retryAt = -Infinity
  ejectedUntil = -Infinity
  /** Whether the current trouble includes an ejection. */
  wasEjected = false
  /** The number of the last attempt that had begun when the trouble began. Earlier attempts prove nothing. */
  troubleTurn = 0
  /** When the trouble ended, or the endpoint was listed for the first time. */
  wellSince: number
  /** When a session proved good since the endpoint is well; `undefined`: none did. */
  provenAt: number | undefined = undefined
  /** Since when the endpoint has had too few sessions. */
  belowSince: number | undefined = undefined
  lastFailure: F | undefined = undefined
  /** Sessions that failed in a row. */
  failures = 0
  /** The usual time to connect; 0: unknown. */
  usualConnect = 0
  /** The number of the last attempt that chose the endpoint. */
  chosenTurn = 0

  /** The sessions that the pool lends. */
  readonly sessions = new Set<EndpointSession<D, F>>()
  /** The attempts under way, the oldest first. */
  readonly attempts = new Set<ConnectAttempt<D, F>>()
  /** The attempts under way that are for a creation. */
  openings = 0
  /** The probe: an attempt under way, or a session that has not proved good yet. */
  probe: ConnectAttempt<D, F> | undefined = undefined

  // since the endpoint was listed
  opened = 0
  failed = 0
  ejections = 0

  /** The last backoff, without jitter. */
  private delay: number | undefined = undefined
  private multiplier = 0
  private backSince = -Infinity

  constructor(entry: D, now: number) {
    this.entry = entry
    this.wellSince = now
  }

  /** Sessions for its weight, those being opened included. */
  get load(): number {
    return (this.sessions.size + this.openings) / this.entry.weight
  }

  /** When a probe tries it. Creations that have no other endpoint try the first that is due. */
  get dueAt(): number {
    return Math.max(this.retryAt, this.ejectedUntil)
  }

  /** How many openings may be under way. */
  allowance(now: number): number {
    if (this.health !== "Well" || this.provenAt === undefined) return 1
    const steps = stepsSince(this.provenAt, now)
    return steps >= slowStartSteps ? Infinity : 2 ** (steps + 1)
  }

  /** When the allowance grows, as long as there is one. */
  allowanceGrowsAt(now: number): number {
    if (this.health !== "Well" || this.provenAt === undefined) return Infinity
    return this.provenAt + (stepsSince(this.provenAt, now) + 1) * slowStartStep
  }

  hasRoom(now: number): boolean {
    return this.attempts.size < this.allowance(now)
  }

  /** How long an attempt may take before another endpoint is tried beside it. */
  attemptDelay({ attemptDelay }: BalancePolicy): number {
    return this.usualConnect > attemptDelay ? 2 * this.usualConnect : attemptDelay
  }

  /** When the oldest attempt under way is late. */
  get lateAt(): number {
    for (const attempt of this.attempts) return attempt.lateAt
    return Infinity
  }

  /** The sessions whose age proves the endpoint good, now or later. */
  unproven(): Array<EndpointSession<D, F>> {
    const isWanted = this.health !== "Well" || this.provenAt === undefined
    return [...(isWanted ? this.sessions : []), ...(this.probe?.session === undefined ? [] : [this.probe.session])]
      .filter((session) => session.turn > this.troubleTurn && !session.isProven)
  }

  connected(took: number): void {
    this.opened++
    this.usualConnect = this.usualConnect === 0 ? took : 0.7 * this.usualConnect + 0.3 * took
  }

  /** Trouble begins, or goes on: the next attempt comes after a backoff. */
  fail(turn: number, { backoff }: BalancePolicy, now: number, chance: number): void {
    this.delay = nextDelay(backoff, this.delay)
    this.retryAt = now + jittered(this.delay, backoff, chance)
    this.beginTrouble(turn)
  }

  /** An attempt was late, and another endpoint was faster: no failure. */
  avoid(turn: number, now: number): void {
    this.retryAt = now
    this.beginTrouble(turn)
  }

  private beginTrouble(turn: number): void {
    this.troubleTurn = turn
    if (this.health === "Well") this.health = "Failing"
    this.provenAt = undefined
    this.belowSince = undefined
  }

  /** Returns for how long. */
  eject(turn: number, { baseEjectionTime, maxEjectionTime }: BalancePolicy, now: number): number {
    if (this.health !== "Ejected") {
      const falls = Math.floor((now - this.backSince) / multiplierStep)
      this.multiplier = Math.max(0, this.multiplier - falls)
    }
    this.multiplier++
    const duration = Math.min(this.multiplier * baseEjectionTime, Math.max(baseEjectionTime, maxEjectionTime))
    this.ejections++
    this.beginTrouble(turn)
    this.health = "Ejected"
    this.wasEjected = true
    this.needsProof = true
    this.ejectedUntil = now + duration
    this.failures = 0
    return duration
  }

  /** The ejection ends early: the list has become too short for it. A session must still prove good. */
  readmit(now: number): void {
    this.health = "Failing"
    this.ejectedUntil = -Infinity
    this.backSince = now
  }

  recover(now: number): void {
    if (this.health === "Ejected") this.backSince = now
    this.health = "Well"
    this.wasEjected = false
    this.needsProof = false
    this.retryAt = -Infinity
    this.ejectedUntil = -Infinity
    this.delay = undefined
    this.failures = 0
    this.wellSince = now
    this.lastFailure = undefined
  }
}

/** A creation: the pool needs a session, of whatever endpoint. */
export class SessionCreation<D extends EndpointEntry = EndpointEntry, F = unknown> {
  /** `Closing`: a session is open; the other attempt is closed first. */
  state: "Trying" | "Closing" | "Won" | "Failed" | "Abandoned" = "Trying"
  /** The endpoints that were tried, with their failure, if they failed in this creation. */
  readonly tried = new Map<Endpoint<D, F>, F | undefined>()
  /** Its attempts under way or being closed, the winner apart. */
  readonly attempts = new Set<ConnectAttempt<D, F>>()
  winner: ConnectAttempt<D, F> | undefined = undefined
  /** When another endpoint may be tried, beside an attempt under way or in place of a better one that has no room. */
  nextAt: number
  /** Which of equal endpoints it takes: a random number in [0, 1). */
  readonly chance: number

  constructor(nextAt: number, chance: number) {
    this.nextAt = nextAt
    this.chance = chance
  }
}

/** An attempt to connect to one endpoint: for a creation, or a probe. */
export class ConnectAttempt<D extends EndpointEntry = EndpointEntry, F = unknown> {
  state: "Opening" | "Open" | "Cancelled" | "Over" = "Opening"
  readonly endpoint: Endpoint<D, F>
  /** `undefined`: it is a probe. A creation that takes the probe's session over sets it. */
  creation: SessionCreation<D, F> | undefined
  readonly turn: number
  readonly startedAt: number
  readonly lateAt: number
  session: EndpointSession<D, F> | undefined = undefined

  constructor(
    endpoint: Endpoint<D, F>,
    creation: SessionCreation<D, F> | undefined,
    turn: number,
    now: number,
    delay: number
  ) {
    this.endpoint = endpoint
    this.creation = creation
    this.turn = turn
    this.startedAt = now
    this.lateAt = now + delay
  }
}

export class EndpointSession<D extends EndpointEntry = EndpointEntry, F = unknown> {
  readonly attempt: ConnectAttempt<D, F>
  readonly endpoint: Endpoint<D, F>
  /** The number of its attempt. */
  readonly turn: number
  readonly openedAt: number
  /** Whether it passed a check, came back from a borrower that succeeded, or has been open for 5 seconds. */
  isProven = false
  /** Whether the machine has forgotten it. */
  isOver = false

  constructor(attempt: ConnectAttempt<D, F>, now: number) {
    this.attempt = attempt
    this.endpoint = attempt.endpoint
    this.turn = attempt.turn
    this.openedAt = now
  }
}

/**
 * Why a session leaves the pool.
 *
 * - `Died`: it died by itself, or failed to become a session
 * - `CheckFailed`: a check of the pool failed
 * - `Suspect`: it did not answer its borrowers
 * - `Other`: too old, not needed, and so on; says nothing about its endpoint
 */
export type SessionEnd = "Died" | "CheckFailed" | "Suspect" | "Other"
