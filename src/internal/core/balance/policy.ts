import type { Backoff } from "../backoff.js"

/** The rules of a pool with several endpoints. Times are milliseconds. */
export interface BalancePolicy {
  /** `even`: the endpoint with the fewest sessions for its weight. `ordered`: the first that can be had. */
  readonly balance: "even" | "ordered"
  /** How long a creation waits for its first attempt before it begins a second one beside it. */
  readonly attemptDelay: number
  /**
   * How many attempts of one creation may be under way: 2; or 1, where each session needs a permit. Then no endpoint is
   * probed beside the creations: one that is due for it is the first that a creation tries.
   */
  readonly maxAttempts: 1 | 2
  /** How many sessions of an endpoint must fail in a row before the endpoint is ejected. */
  readonly consecutiveFailures: number
  readonly baseEjectionTime: number
  readonly maxEjectionTime: number
  /** How long a better or emptier endpoint must have been well before sessions move to it. */
  readonly failbackAfter: number
  /** Between attempts to connect to the same endpoint. */
  readonly backoff: Backoff
}

/** A session that lives for this long has proved that its endpoint accepts sessions. */
export const aliveProof = 5_000

/** Once an endpoint has proved good, it may have twice as many openings at a time after each interval. */
export const slowStartStep = 1_000

/** After how many steps an endpoint has no limit of openings any more. */
export const slowStartSteps = 10

/** The multiplier of `baseEjectionTime` falls by one after each such interval without ejection. */
export const multiplierStep = 10_000

/** What the machine needs to know of the pool of sessions. */
export interface SessionDemand {
  /** Borrowers in the queue. */
  readonly waiting: number
}
