/** How many permits of this pool other processes want. */
export class FleetDemand {
  /** The latest number. */
  wanted = 0
  /** Of these, how many the pool has not given back since the number came. */
  owed = 0
  /** Permits that the pool gave back while they were wanted. */
  givenBack = 0

  set(wanted: number): void {
    this.wanted = wanted
    this.owed = wanted
  }

  /** An item of the pool leaves, and with it a permit. */
  left(): void {
    if (this.owed === 0) return
    this.owed--
    this.givenBack++
  }
}
