import type { Outbox } from "../outbox.js"
import type { Lanes } from "./lanes.js"
import type { SessionFacts, SessionLane } from "./sessionLane.js"
import type { SessionAsking, SessionSupply, StreamDemand } from "./sessionSupply.js"
import type { StreamCommand } from "./streamCommands.js"

/** After this many ends without a confirmation the session is retired. */
export const maxUnconfirmed = 8

/** Decides when a session is retired, goes back, or yields to other borrowers. The fixed session does none of that. */
export class SessionReturns<Session extends SessionFacts> {
  private readonly supply: SessionSupply
  private readonly demand: StreamDemand
  private readonly lanes: Lanes<Session>
  private readonly asking: SessionAsking
  private readonly outbox: Outbox<StreamCommand<any>>
  /** Sessions on their way back, before the session pool counts them. */
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

  /** `unanswered`: how many borrowers in a row gave up waiting for bytes. */
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

  /** The session pool has the session. */
  gaveBack(): void {
    this.underWay--
  }

  /** A session without streams goes back when the ends of its streams are confirmed, unless a request may use it. */
  giveBackIfIdle(lane: SessionLane<Session>, areRequestsWaiting: boolean, openTimeout: number, now: number): void {
    if (this.supply.isFixed || lane.streams.size > 0 || lane.opening === "UnderWay") return
    if (lane.opening === "None" && areRequestsWaiting && this.lanes.isUsable(lane)) return
    // the next borrower of the session needs the credit of these streams
    if (lane.ending > 0) return
    if (lane.opening === "Late") {
      // a ping's stream may have the missing credit, or the peer owes credit to the session
      if ((lane.session.pings.size > 0 || lane.mayBeOwed) && lane.lateAt === Infinity) lane.lateAt = now + openTimeout
      if (lane.lateAt < Infinity) return
      // the session grants no streams at all
      this.outbox.push({ _tag: "AbandonOpening", lane })
      lane.endOpening()
      this.retire(lane, "ungranted")
    }
    this.giveBack(lane)
  }

  /** How many sessions are wanted back, without those that already go. */
  get wantedBack(): number {
    const wanted = this.asking.wantedBack
    return wanted > 0 ? wanted - this.lanes.givingWay - this.underWay : 0
  }

  /** Whether the session goes back now: it has no lent stream, and other borrowers want it. */
  yieldToWaiters(lane: SessionLane<Session>): boolean {
    if (lane.isGivingWay) return true
    // a late stream may never come, so the session does not wait for it
    if (lane.lent > 0 || lane.opening === "UnderWay" || this.wantedBack <= 0) return false
    // borrowers of streams come first, unless there are too many sessions
    if (this.demand.waiting > 0 && this.supply.excess === 0) return false
    // a stream that is not an item yet may have just been granted to a borrower
    for (const stream of lane.streams) if (!stream.isItem) return false
    lane.isGivingWay = true
    this.retireItems(lane)
    return true
  }

  retireItems(lane: SessionLane<Session>): void {
    for (const stream of lane.streams) if (stream.isItem) this.outbox.push({ _tag: "RetireItem", stream })
  }
}
