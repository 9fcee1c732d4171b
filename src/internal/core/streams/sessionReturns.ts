import type { Outbox } from "../outbox.js"
import type { Lanes } from "./lanes.js"
import type { SessionFacts, SessionLane } from "./sessionLane.js"
import type { SessionAsking, SessionSupply, StreamDemand } from "./sessionSupply.js"
import type { StreamCommand } from "./streamCommands.js"

/** After so many ends that were not confirmed, the session is retired. */
export const maxUnconfirmed = 8

/** When a session is retired, goes back, or gives way to others who wait for it. The fixed session does none of that. */
export class SessionReturns<Session extends SessionFacts> {
  private readonly supply: SessionSupply
  private readonly demand: StreamDemand
  private readonly lanes: Lanes<Session>
  private readonly asking: SessionAsking
  private readonly outbox: Outbox<StreamCommand<any>>
  /** Sessions on their way back, which the session pool does not count yet. */
  private underWay = 0

  constructor(
    supply: SessionSupply,
    demand: StreamDemand,
    lanes: Lanes<Session>,
    asking: SessionAsking,
    outbox: Outbox<StreamCommand<any>>
  ) {
    this.supply = supply
    this.demand = demand
    this.lanes = lanes
    this.asking = asking
    this.outbox = outbox
  }

  retire(lane: SessionLane<Session>, why: "leaving" | "ungranted" = "leaving"): void {
    if (this.supply.isFixed || lane.isRetired) return
    lane.isRetiring = true
    this.outbox.push({ _tag: "RetireSession", lane, isUngranted: why === "ungranted" })
  }

  /** `unanswered`: so many borrowers, one after the other, waited for bytes in vain. */
  suspect(lane: SessionLane<Session>, unanswered: number): void {
    if (this.supply.isFixed || lane.isRetired) return
    this.outbox.push({ _tag: "WarnSuspect", lane, unanswered })
    this.retire(lane)
  }

  /** The platform did not confirm the end of a stream. */
  unconfirmed(lane: SessionLane<Session>): void {
    if (++lane.unconfirmed >= maxUnconfirmed) this.retire(lane)
  }

  giveBack(lane: SessionLane<Session>): void {
    this.lanes.remove(lane)
    this.underWay++
    this.outbox.push({ _tag: "GiveSessionBack", lane, hasReceived: lane.hasReceived })
  }

  /** The session pool has it. */
  gaveBack(): void {
    this.underWay--
  }

  /** A session without a stream goes back once the ends of its streams are confirmed, unless requests wait for another one. */
  giveBackIfIdle(lane: SessionLane<Session>, areRequestsWaiting: boolean, openTimeout: number, now: number): void {
    if (this.supply.isFixed || lane.streams.size > 0 || lane.opening === "UnderWay") return
    if (lane.opening === "None" && areRequestsWaiting && this.lanes.isUsable(lane)) return
    // the next borrower of the session finds the credit of its streams back
    if (lane.ending > 0) return
    if (lane.opening === "Late") {
      // a ping has a stream, which may be the one that is missing; or the session is owed credit
      if ((lane.session.pings.size > 0 || lane.mayBeOwed) && lane.lateAt === Infinity) lane.lateAt = now + openTimeout
      if (lane.lateAt < Infinity) return
      // the session grants no stream at all
      this.outbox.push({ _tag: "AbandonOpening", lane })
      lane.endOpening()
      this.retire(lane, "ungranted")
    }
    this.giveBack(lane)
  }

  /** How many sessions are wanted back, apart from those that go already. */
  get wantedBack(): number {
    const wanted = this.asking.wantedBack
    return wanted > 0 ? wanted - this.lanes.givingWay - this.underWay : 0
  }

  /** Whether a session of which nothing is lent goes back now, since it is wanted back. */
  yieldToWaiters(lane: SessionLane<Session>): boolean {
    if (lane.isGivingWay) return true
    // a late stream may never come: it keeps the session from no borrower
    if (this.supply.isFixed || lane.lent > 0 || lane.opening === "UnderWay" || this.wantedBack <= 0) return false
    // borrowers of streams come first, unless there are too many sessions
    if (this.demand.waiting > 0 && this.supply.excess === 0) return false
    // a stream that has just been granted is somebody's, as far as is known yet
    for (const stream of lane.streams) if (!stream.isItem) return false
    lane.isGivingWay = true
    this.retireItems(lane)
    return true
  }

  retireItems(lane: SessionLane<Session>): void {
    for (const stream of lane.streams) if (stream.isItem) this.outbox.push({ _tag: "RetireItem", stream })
  }
}
