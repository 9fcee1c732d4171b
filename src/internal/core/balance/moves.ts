/** Which session is retired so that its place goes to another endpoint: failback, rebalancing, removed endpoints. */
import type { Endpoint, EndpointEntry, EndpointSession } from "./endpoint.js"
import type { BalancePolicy, SessionDemand } from "./policy.js"

/** Retirements come this often in a `failbackAfter`. */
const movesPerFailback = 10

export class Moves<D extends EndpointEntry, F> {
  private readonly policy: BalancePolicy
  private readonly demand: SessionDemand
  private movedAt = -Infinity
  /** When `next` has to be asked again. */
  dueAt = Infinity

  constructor(policy: BalancePolicy, demand: SessionDemand) {
    this.policy = policy
    this.demand = demand
  }

  /** The session that has to go now, if any. */
  next(known: Iterable<Endpoint<D, F>>, now: number): EndpointSession<D, F> | undefined {
    this.dueAt = Infinity
    const endpoints = [...known]
    const well = endpoints.filter(({ health, isListed }) => isListed && health === "Well")
    const giver = this.giver(endpoints, well, now)
    if (giver === undefined) return undefined
    const total = endpoints.reduce((sum, { sessions }) => sum + sessions.size, 0)
    const pause = this.policy.failbackAfter / movesPerFailback
    // not the last session while borrowers wait
    const at = this.demand.waiting > 0 && total <= 1 ? now + Math.max(1, pause) : this.movedAt + pause
    if (now < at) {
      this.dueAt = Math.min(this.dueAt, at)
      return undefined
    }
    this.movedAt = now
    // the oldest session has the least to lose
    for (const session of giver.sessions) return session
    return undefined
  }

  private giver(
    endpoints: ReadonlyArray<Endpoint<D, F>>,
    well: ReadonlyArray<Endpoint<D, F>>,
    now: number
  ): Endpoint<D, F> | undefined {
    const givers = endpoints.filter(({ sessions }) => sessions.size > 0)
    return this.removed(givers, well) ?? this.worse(givers, well, now) ?? this.fullest(well, now)
  }

  /** An endpoint that left the list. Its sessions stay as long as nothing else is well. */
  private removed(
    givers: ReadonlyArray<Endpoint<D, F>>,
    well: ReadonlyArray<Endpoint<D, F>>
  ): Endpoint<D, F> | undefined {
    return well.length === 0 ? undefined : givers.find(({ isListed }) => !isListed)
  }

  /** The endpoint of the worst rank, if a better one has proved good and has been well for `failbackAfter`. */
  private worse(
    givers: ReadonlyArray<Endpoint<D, F>>,
    well: ReadonlyArray<Endpoint<D, F>>,
    now: number
  ): Endpoint<D, F> | undefined {
    let worst: Endpoint<D, F> | undefined = undefined
    for (const endpoint of givers) {
      const isWorse = worst === undefined ||
        (endpoint.rank - worst.rank || endpoint.load - worst.load || worst.chosenTurn - endpoint.chosenTurn) > 0
      if (endpoint.isListed && isWorse) worst = endpoint
    }
    if (worst === undefined) return undefined
    for (const { provenAt, rank, wellSince } of well) {
      if (rank >= worst.rank || provenAt === undefined) continue
      const at = wellSince + this.policy.failbackAfter
      if (at <= now) return worst
      this.dueAt = Math.min(this.dueAt, at)
    }
    return undefined
  }

  /** The fullest endpoint of a rank, of equals the one whose turn is longest ago, if for `failbackAfter` it could spare a session for an emptier one. */
  private fullest(well: ReadonlyArray<Endpoint<D, F>>, now: number): Endpoint<D, F> | undefined {
    const fullestOf = new Map<number, Endpoint<D, F>>()
    for (const endpoint of well) {
      const fullest = fullestOf.get(endpoint.rank)
      const isFuller = fullest === undefined ||
        (loadWithout(endpoint) - loadWithout(fullest) || fullest.chosenTurn - endpoint.chosenTurn) > 0
      if (isFuller) fullestOf.set(endpoint.rank, endpoint)
    }
    let giver: Endpoint<D, F> | undefined = undefined
    for (const endpoint of well) {
      const fullest = fullestOf.get(endpoint.rank)!
      // the endpoint would still have no more than the fullest, for its weight
      if (loadWith(endpoint) > loadWithout(fullest)) {
        endpoint.belowSince = undefined
        continue
      }
      const at = (endpoint.belowSince ??= now) + this.policy.failbackAfter
      if (at <= now) giver ??= fullest
      else this.dueAt = Math.min(this.dueAt, at)
    }
    return giver
  }
}

const loadWith = ({ entry, openings, sessions }: Endpoint<any, any>): number =>
  (sessions.size + openings + 1) / entry.weight

const loadWithout = ({ entry, sessions }: Endpoint<any, any>): number => (sessions.size - 1) / entry.weight
