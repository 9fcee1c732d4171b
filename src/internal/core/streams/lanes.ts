import type { SessionFacts, SessionLane } from "./sessionLane.js"
import type { SessionSupply } from "./sessionSupply.js"

/** The sessions that the pool holds, and what can be asked about them. Changes nothing but the set. */
export class Lanes<Session extends SessionFacts> {
  private readonly supply: SessionSupply
  private readonly maxStreams: number
  private readonly all = new Set<SessionLane<Session>>()

  constructor(supply: SessionSupply, maxStreams: number) {
    this.supply = supply
    this.maxStreams = maxStreams
  }

  [Symbol.iterator](): Iterator<SessionLane<Session>> {
    return this.all[Symbol.iterator]()
  }

  has(lane: SessionLane<Session>): boolean {
    return this.all.has(lane)
  }

  add(lane: SessionLane<Session>): void {
    this.all.add(lane)
  }

  /** The fixed session stays. */
  remove(lane: SessionLane<Session>): void {
    if (!this.supply.isFixed) this.all.delete(lane)
  }

  /** Whether the streams lent of the session are the last of it. */
  isLeaving(lane: SessionLane<Session>): boolean {
    return !this.supply.isOpen || (!this.supply.isFixed && lane.isRetired)
  }

  /** A session that was retired when it came, in its last use, is good for one stream all the same. */
  isUsable(lane: SessionLane<Session>): boolean {
    return !lane.isGone && (!this.isLeaving(lane) || lane.opened === 0)
  }

  get hasUsable(): boolean {
    for (const lane of this.all) if (this.isUsable(lane)) return true
    return false
  }

  /** Streams that are on their way. */
  get openings(): number {
    let count = 0
    for (const lane of this.all) if (lane.opening === "UnderWay" && !lane.isGone) count++
    return count
  }

  /** Sessions whose streams end so that they go back. */
  get givingWay(): number {
    let count = 0
    for (const lane of this.all) if (lane.isGivingWay) count++
    return count
  }

  /** The least loaded session with room, suspect ones last. `probes`: a full one may be asked again. */
  choose(probes: boolean, now: number): SessionLane<Session> | undefined {
    let best: SessionLane<Session> | undefined
    for (const lane of this.all) {
      if (lane.opening !== "None" || !this.isUsable(lane) || !lane.hasRoom(this.maxStreams, now)) continue
      if (lane.isFull && !probes) continue
      const isBetter = best === undefined || (best.isSuspect && !lane.isSuspect) ||
        (best.isSuspect === lane.isSuspect && lane.streams.size < best.streams.size)
      if (isBetter) best = lane
    }
    return best
  }

  /** Whether a session with a stream on its way has room for another one after that. */
  get hasMoreRoom(): boolean {
    for (const lane of this.all) {
      const isOpening = lane.opening === "UnderWay" && this.isUsable(lane)
      if (isOpening && lane.streams.size + 1 < Math.min(this.maxStreams, lane.capacity)) return true
    }
    return false
  }

  /** How many streams a new session grants, as far as the others tell. */
  get expectedCapacity(): number {
    let expected = this.maxStreams
    for (const lane of this.all) expected = Math.max(1, Math.min(expected, lane.capacity))
    return expected
  }

  /** When the next opening takes too long, or, with `probes`, a full session may be asked again. */
  dueAt(probes: boolean, now: number): number {
    let at = Infinity
    for (const lane of this.all) {
      at = Math.min(at, lane.lateAt)
      if (probes && lane.probeAt > now && this.isUsable(lane)) at = Math.min(at, lane.probeAt)
    }
    return at
  }
}
