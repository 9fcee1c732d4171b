/**
 * The common limit of all keys, written only to be obviously right: one list of places, every figure counted anew, every
 * choice made by looking at all places.
 */
export interface ModelPlace {
  readonly id: number
  readonly key: number
  stage: "asked" | "held" | "leaving" | "closing" | "gone"
  isCreating: boolean
  readonly purpose: "borrower" | "spare"
  readonly turn: number
  /** When the item became idle, or was retired while idle. */
  idleTurn: number | undefined
  isSpent: boolean
}

export class LimitModel {
  readonly places: Array<ModelPlace> = []
  /** The arrivals of the borrowers that wait for a place, by key. */
  readonly waiting: Array<Array<number>> = []
  private turns = 0
  private readonly maxTotal: number
  private readonly createConcurrency: number

  constructor(maxTotal: number, createConcurrency: number) {
    this.maxTotal = maxTotal
    this.createConcurrency = createConcurrency
  }

  in(...stages: ReadonlyArray<ModelPlace["stage"]>): Array<ModelPlace> {
    return this.places.filter(({ stage }) => stages.includes(stage))
  }

  asks(purpose: ModelPlace["purpose"]): Array<ModelPlace> {
    return this.in("asked").filter((place) => place.purpose === purpose)
  }

  get total(): number {
    return this.in("held", "leaving", "closing").length
  }

  get creating(): number {
    return this.places.filter(({ isCreating }) => isCreating).length
  }

  heldBy(key: number): number {
    return this.in("held").filter((place) => place.key === key).length
  }

  get keys(): number {
    return new Set([...this.in("held"), ...this.asks("borrower")].map(({ key }) => key)).size
  }

  get share(): number {
    return Math.max(1, Math.floor(this.maxTotal / this.keys))
  }

  /** Places that are free, or come free when the items that are being closed are gone. */
  private get coming(): number {
    return this.maxTotal - this.total + this.in("closing").length
  }

  ask(key: number, purpose: ModelPlace["purpose"]): ModelPlace {
    const place: ModelPlace = {
      id: this.places.length,
      key,
      stage: "asked",
      isCreating: false,
      purpose,
      turn: ++this.turns,
      idleTurn: undefined,
      isSpent: false
    }
    this.places.push(place)
    return place
  }

  end(place: ModelPlace): void {
    place.stage = "gone"
    place.isCreating = false
    place.idleTurn = undefined
  }

  idle(place: ModelPlace, isSpent: boolean): void {
    place.idleTurn = ++this.turns
    place.isSpent = isSpent
  }

  /** The keys that wait for a place, the one that has waited longest first. */
  private get askers(): Array<number> {
    const keys = [...new Set(this.asks("borrower").map(({ key }) => key))]
    return keys.sort((a, b) => this.waiting[a]![0]! - this.waiting[b]![0]!)
  }

  claims(key: number, arrival: number | undefined): boolean {
    const asks = this.asks("borrower")
    if (asks.length <= this.coming) return false
    if (arrival === undefined) return true
    const { coming, share } = this
    // what the keys below their share would take
    const wanted = this.askers
      .filter((other) => this.heldBy(other) < share)
      .map((other) => Math.min(asks.filter((ask) => ask.key === other).length, share - this.heldBy(other)))
      .reduce((sum, lacking) => sum + lacking, 0)
    if (this.heldBy(key) > share && wanted > coming) return true
    const empty = this.askers.filter((other) => this.heldBy(other) === 0)
    return this.keys > this.maxTotal && empty.length > coming && this.waiting[empty[0]!]![0]! < arrival
  }

  next(): string | undefined {
    const asks = this.asks("borrower")
    const [idle] = this.places.filter(({ idleTurn }) => idleTurn !== undefined)
      .sort((a, b) => Number(b.isSpent) - Number(a.isSpent) || a.idleTurn! - b.idleTurn!)
    if (idle !== undefined && asks.length > this.coming) return `evict ${idle.id}`
    if (this.total >= this.maxTotal || this.creating >= this.createConcurrency) return undefined
    const { askers } = this
    const key = askers.find((key) => this.heldBy(key) < this.share) ?? askers[0]
    const place = asks.find((ask) => ask.key === key) ?? this.asks("spare")[0]
    if (place === undefined) return undefined
    place.stage = "held"
    place.isCreating = true
    return `grant ${place.id}`
  }
}
