import { Endpoint, type EndpointEntry } from "./endpoint.js"
import type { BalancePolicy } from "./policy.js"

/** The endpoints: those of the latest list, and removed ones as long as they have sessions or attempts. */
export class EndpointList<D extends EndpointEntry, F> {
  /** The best rank first. */
  listed: ReadonlyArray<Endpoint<D, F>> = []
  private readonly removed = new Set<Endpoint<D, F>>()
  private readonly balance: BalancePolicy["balance"]

  constructor(balance: BalancePolicy["balance"]) {
    this.balance = balance
  }

  /** Returns the endpoints that the new list does not have. */
  replace(entries: ReadonlyArray<D>, now: number): ReadonlyArray<Endpoint<D, F>> {
    const known = new Map([...this.known()].map((endpoint) => [endpoint.entry.key, endpoint]))
    const listed = entries.map((entry) => {
      const endpoint = known.get(entry.key) ?? new Endpoint<D, F>(entry, now)
      known.delete(entry.key)
      this.removed.delete(endpoint)
      endpoint.isListed = true
      endpoint.entry = entry
      return endpoint
    })
    // the sort keeps the order of the list among equals
    listed.sort((a, b) => a.entry.priority - b.entry.priority)
    listed.forEach((endpoint, place) => {
      endpoint.rank = this.balance === "ordered" ? place : endpoint.entry.priority
    })
    this.listed = listed
    const others = [...known.values()]
    for (const endpoint of others) {
      endpoint.isListed = false
      endpoint.belowSince = undefined
      this.removed.add(endpoint)
    }
    this.readmitSurplus(now)
    return others
  }

  *known(): Iterable<Endpoint<D, F>> {
    yield* this.listed
    yield* this.removed
  }

  /** Whether one more endpoint may be ejected: at most half of them, and so never the only one. */
  get mayEject(): boolean {
    return this.ejected.length < Math.floor(this.listed.length / 2)
  }

  /** Ends ejections above the limit, the first to end first. */
  private readmitSurplus(now: number): void {
    const { ejected } = this
    const surplus = ejected.length - Math.floor(this.listed.length / 2)
    ejected.sort((a, b) => a.ejectedUntil - b.ejectedUntil)
    for (const endpoint of ejected.slice(0, Math.max(0, surplus))) endpoint.readmit(now)
  }

  private get ejected(): Array<Endpoint<D, F>> {
    return this.listed.filter(({ health }) => health === "Ejected")
  }

  get hasSessions(): boolean {
    for (const { sessions } of this.known()) if (sessions.size > 0) return true
    return false
  }

  /** Whether nothing is known of an endpoint that is better than one with sessions. */
  isUnusedBetter({ provenAt, rank, sessions }: Endpoint<D, F>): boolean {
    return provenAt === undefined && sessions.size === 0 &&
      this.listed.some((other) => other.rank > rank && other.sessions.size > 0)
  }

  forgetUnused(): void {
    for (const endpoint of this.removed) {
      if (endpoint.sessions.size === 0 && endpoint.attempts.size === 0) this.removed.delete(endpoint)
    }
  }
}
