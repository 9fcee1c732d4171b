import type { SessionFacts, SessionLane } from "./sessionLane.js"
import type { SessionSupply } from "./sessionSupply.js"

/** The sessions that the pool holds, and questions about them. It changes only the set. */
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

  /** Whether the session goes back when its streams have ended. The fixed session never does. */
  isRetired(lane: SessionLane<Session>): boolean {
    return !this.supply.isFixed && lane.isRetired
  }

  /** Whether the session gets no new streams: each of its streams is in its last use. */
  isLeaving(lane: SessionLane<Session>): boolean {
    return !this.supply.isOpen || this.isRetired(lane)
  }

  /** Whether the session may open a stream. A session that was retired when it came, in its last use, may open one. */
  isUsable(lane: SessionLane<Session>): boolean {
    if (lane.isGone || (this.isLeaving(lane) && lane.opened > 0)) return false
    return lane.standing === undefined || lane.standing() === "Valid"
  }

  get hasUsable(): boolean {
    for (const lane of this.all) if (this.isUsable(lane)) return true
    return false
  }

  /** The number of streams that are being opened. */
  get openings(): number {
    let count = 0
    for (const lane of this.all) if (lane.opening === "UnderWay" && !lane.isGone) count++
    return count
  }

  /** The number of sessions whose streams end so that the session goes back. */
  get givingWay(): number {
    let count = 0
    for (const lane of this.all) if (lane.isGivingWay) count++
    return count
  }

  /** The least loaded session with room, suspect sessions last. `probes`: a full session may be asked again. */
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

  /** Whether a session that is opening a stream has room for one more. */
  get hasMoreRoom(): boolean {
    for (const lane of this.all) {
      const isOpening = lane.opening === "UnderWay" && this.isUsable(lane)
      if (isOpening && lane.streams.size + 1 < Math.min(this.maxStreams, lane.capacity)) return true
    }
    return false
  }

  /** How many streams a new session grants, judged by the others. */
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
