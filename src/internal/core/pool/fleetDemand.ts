/** How many permits of this pool other processes want. */
export class FleetDemand {
  /** The latest number. */
  wanted = 0
  /** Of these, how many the pool has not given back since the number came, or is about to. */
  owed = 0
  /** Permits that the pool gave back while they were wanted. */
  givenBack = 0
  /** Permits of items that are being closed: they go back soon. */
  private readonly closing = new Set<object>()

  set(wanted: number): void {
    this.wanted = wanted
    this.owed = Math.max(0, wanted - this.closing.size)
  }

  /** An item of the pool leaves, and with it a permit. */
  left(): void {
    if (this.owed === 0) return
    this.owed--
    this.givenBack++
  }

  /** The item of the permit is being closed. */
  closes(permit: object): void {
    this.closing.add(permit)
  }

  /** The permit goes back. */
  returned(permit: object): void {
    this.closing.delete(permit)
  }
}
