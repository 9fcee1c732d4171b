/** The places of requests on streams of their own. A request that waits for a place is behind all that have waited longer. */
export class ExclusivePlaces<Call> {
  private readonly limit: () => number
  private readonly placed = new Set<Call>()
  private readonly waiting = new Set<Call>()

  /** `limit`: the places, as of now. */
  constructor(limit: () => number) {
    this.limit = limit
  }

  private get isFull(): boolean {
    return this.placed.size >= Math.max(1, this.limit())
  }

  has(call: Call): boolean {
    return this.placed.has(call)
  }

  /** Whether the request has a place at once. Otherwise it waits for one. `leave` follows. */
  take(call: Call): boolean {
    const hasPlace = this.waiting.size === 0 && !this.isFull
    if (hasPlace) this.placed.add(call)
    else this.waiting.add(call)
    return hasPlace
  }

  /** The request has ended, or no longer waits. Returns the requests that have got a place by that. */
  leave(call: Call): ReadonlyArray<Call> {
    this.placed.delete(call)
    this.waiting.delete(call)
    const next: Array<Call> = []
    for (const first of this.waiting) {
      if (this.isFull) break
      this.waiting.delete(first)
      this.placed.add(first)
      next.push(first)
    }
    return next
  }
}
