/**
 * The decisions of a stream pool: which sessions it holds and what each of them grants, who waits for a stream, and when a
 * stream's end is confirmed. Plain and synchronous: time is an argument, failures are opaque, and what has to happen
 * outside is a command, performed after the transition.
 */
import { LinkedList } from "../linkedList.js"
import { Outbox } from "../outbox.js"
import { cleanliness } from "./cleanliness.js"
import {
  firstBackoff,
  type LaneStream,
  lastBackoff,
  type OpenStreamFacts,
  type SessionFacts,
  type SessionLane
} from "./sessionLane.js"
import type { Refusal, StreamCommand, StreamRequest } from "./streamCommands.js"

/** Milliseconds. */
export interface StreamMachineOptions {
  readonly maxStreamsPerSession: number
  readonly maxStreamsOpened: number
  readonly openTimeout: number
  readonly suspectAfter: number
}

/** What the pool of the streams wants. */
export interface StreamDemand {
  /** Borrowers in the queue. */
  readonly waiting: number
  /** Streams that borrowers in the queue call for. */
  readonly needed: number
  /** The same, and those missing from `minSize` and `minIdle`. */
  readonly wanted: number
}

/** Where sessions come from. */
export interface SessionSupply {
  /** Fixed: the caller's only session, which the machine neither retires nor gives back. */
  readonly isFixed: boolean
  /** False: the session pool drains or closes. */
  readonly isOpen: boolean
  /** Borrowers in the queue of the session pool, this machine's requests included. */
  readonly waiting: number
  /** How many sessions are to go, since there are more than `maxSize`. */
  readonly excess: number
}

export const fixedSupply: SessionSupply = { isFixed: true, isOpen: true, waiting: 0, excess: 0 }

/** What becomes of a stream that a borrower returned. */
export type ReturnVerdict = "keep" | "discard" | "retire"

/** Milliseconds the platform has to take what was written on a stream that is lent again, or to confirm an end. */
export const endingTimeout = 1_000
/** After so many ends that were not confirmed, the session is retired. */
export const maxUnconfirmed = 8

export class StreamMachine<Session extends SessionFacts, Stream extends OpenStreamFacts, F> {
  readonly options: StreamMachineOptions
  readonly lanes = new Set<SessionLane<Session>>()
  readonly requests = new LinkedList<StreamRequest>()
  state: "New" | "Open" | "Closed" = "New"
  private readonly supply: SessionSupply
  private readonly demand: StreamDemand
  private readonly outbox: Outbox<StreamCommand<F>>
  private readonly spare = new LinkedList<LaneStream<Stream, Session>>()
  private readonly writing = new LinkedList<LaneStream<Stream, Session>>()
  private readonly endings = new LinkedList<LaneStream<Stream, Session>>()
  /** Sessions asked for that have not come. */
  asked = 0
  /** When sessions may be asked for again. */
  sessionAt = -Infinity
  private sessionBackoff = firstBackoff
  private armedAt = Infinity
  /** Orders borrows, also within a millisecond. */
  private moment = 0

  constructor(
    options: StreamMachineOptions,
    supply: SessionSupply,
    demand: StreamDemand,
    perform: (command: StreamCommand<F>) => void
  ) {
    this.options = options
    this.supply = supply
    this.demand = demand
    this.outbox = new Outbox(perform)
  }

  /** Before that, requests wait. */
  start(fixed: SessionLane<Session> | undefined, now: number): void {
    this.state = "Open"
    if (fixed !== undefined) {
      this.lanes.add(fixed)
      this.lookAt(fixed, now)
    }
    this.settle(now)
  }

  /** After the pool of the streams has closed. */
  close(): void {
    this.state = "Closed"
    for (const lane of this.lanes) this.giveBack(lane)
    this.refuseAll({ _tag: "Closed" })
    this.outbox.flush()
  }

  // --- requests

  request(request: StreamRequest, now: number): void {
    this.requests.push(request)
    if (this.state === "Closed") this.refuseAll({ _tag: "Closed" })
    this.settle(now)
  }

  /** The creation does not want its stream any more, though the stream may have been granted. */
  abandon(request: StreamRequest, now: number): void {
    this.requests.remove(request)
    const { state, stream } = request
    request.state = "Abandoned"
    if (state === "Granted") this.keepSpare(stream!, now)
    this.settle(now)
  }

  // --- openings

  opened(stream: LaneStream<Stream, Session>, now: number): void {
    const { lane } = stream
    const isInTime = lane.opening === "UnderWay"
    lane.endOpening()
    if (this.state === "Closed") {
      this.outbox.push({ _tag: "EndStream", stream, how: "finish" })
      return this.outbox.flush()
    }
    lane.granted()
    // the session is no early refuser
    if (lane.opened === 1) this.forgetDelay()
    lane.streams.add(stream)
    if (lane.session.streamsOpened >= this.options.maxStreamsOpened) this.retire(lane)
    if (isInTime && this.requests.first !== undefined) this.grant(this.requests.first, stream)
    else if (lane.isGivingWay) this.end(stream, now)
    else this.keepSpare(stream, now)
    this.settle(now)
  }

  /** `isRefusal`: the session grants no more streams than it has. */
  openFailed(lane: SessionLane<Session>, isRefusal: boolean, failure: F, now: number): void {
    const wasLate = lane.opening === "Late"
    lane.endOpening()
    if (!wasLate && this.state === "Open") this.afterRefusal(lane, isRefusal, { _tag: "Failed", failure }, now)
    this.settle(now)
  }

  /** Refuses the first request unless another attempt makes sense. */
  private afterRefusal(lane: SessionLane<Session>, isRefusal: boolean, refusal: Refusal<F>, now: number): void {
    // requests go on to other sessions, or are refused because the only one is gone
    if (lane.isGone) return
    if (!isRefusal) return this.refuseUnserved(refusal)
    lane.refused(now)
    if (lane.streams.size > 0) return
    // the session has no stream and grants none; but the credit of one that ended may be on its way
    if (lane.ending > 0 || this.isPingToBlame(lane)) return
    if (this.supply.isFixed) {
      if (now >= lane.freedAt + this.options.openTimeout) this.refuseUnserved(refusal)
      return
    }
    this.retire(lane)
    if (lane.session.streamsOpened > 0) return
    // the session never granted any, and its successor may be no better
    this.delaySessions(now)
    if (!this.hasUsable) this.refuseUnserved(refusal)
  }

  /** Whether a ping may have had the stream that the session would grant. */
  private isPingToBlame(lane: SessionLane<Session>): boolean {
    const blame = lane.blamePing()
    if (blame === "Forget") this.outbox.push({ _tag: "ForgetPing", lane })
    return blame === "Yes"
  }

  /** The first request takes a stream that came when no request waited; without one, the pool may. */
  private keepSpare(stream: LaneStream<Stream, Session>, now: number): void {
    if (stream.state !== "Open") return
    stream.state = "Spare"
    this.spare.push(stream)
    this.serve(now)
    if (stream.list !== this.spare) return
    if (this.sessionsWantedBack > 0) this.end(stream, now)
    else this.outbox.push({ _tag: "PrepareItem", stream })
  }

  /** Whether the pool makes an item of the spare stream. */
  prepared(stream: LaneStream<Stream, Session>, isPrepared: boolean, now: number): void {
    if (isPrepared || stream.state !== "Spare") return
    this.end(stream, now)
    this.settle(now)
  }

  // --- who gets what

  private settle(now: number): void {
    if (this.state === "Open") {
      this.serve(now)
      if (this.unserved > 0) this.wantSessions(now)
      for (const lane of this.lanes) {
        this.settleLane(lane, now)
        this.yieldToWaiters(lane)
      }
      this.arm(now)
    }
    this.outbox.flush()
  }

  private serve(now: number): void {
    if (this.state !== "Open") return
    for (let stream = this.spare.first; stream !== undefined && this.requests.first; stream = this.spare.first) {
      if (cleanliness(stream.stream) !== "Clean" || this.isLeaving(stream.lane)) {
        this.end(stream, now)
        continue
      }
      this.spare.remove(stream)
      stream.state = "Open"
      this.grant(this.requests.first, stream)
    }
    while (this.unserved > 0) {
      const lane = this.choose(now)
      if (lane === undefined) return
      lane.beginOpening(now + this.options.openTimeout)
      this.outbox.push({ _tag: "OpenStream", lane })
    }
  }

  private grant(request: StreamRequest, stream: LaneStream<Stream, Session>): void {
    this.requests.remove(request)
    request.state = "Granted"
    request.stream = stream
    this.outbox.push({ _tag: "Grant", request, stream })
  }

  private refuse(request: StreamRequest, refusal: Refusal<F>): void {
    this.requests.remove(request)
    request.state = "Refused"
    this.outbox.push({ _tag: "Refuse", request, refusal })
  }

  private refuseUnserved(refusal: Refusal<F>): void {
    if (this.unserved > 0) this.refuse(this.requests.first!, refusal)
  }

  private refuseAll(refusal: Refusal<F>): void {
    while (this.requests.first !== undefined) this.refuse(this.requests.first, refusal)
  }

  /** Requests for which no stream is on its way. */
  private get unserved(): number {
    let openings = 0
    for (const lane of this.lanes) if (lane.opening === "UnderWay" && !lane.isGone) openings++
    return Math.max(0, this.requests.length - openings)
  }

  /** The least loaded lane with room, suspect ones last. */
  private choose(now: number): SessionLane<Session> | undefined {
    let best: SessionLane<Session> | undefined
    for (const lane of this.lanes) {
      if (lane.opening !== "None" || !this.isUsable(lane)) continue
      if (!lane.hasRoom(this.options.maxStreamsPerSession, now)) continue
      // a full session is probed for waiting borrowers only
      if (lane.isFull && this.wantedStreams === 0) continue
      const isBetter = best === undefined || (best.isSuspect && !lane.isSuspect) ||
        (best.isSuspect === lane.isSuspect && lane.streams.size < best.streams.size)
      if (isBetter) best = lane
    }
    return best
  }

  /** A session that was retired when it came, in its last use, is good for one stream all the same. */
  private isUsable(lane: SessionLane<Session>): boolean {
    return !lane.isGone && (!this.isLeaving(lane) || lane.opened === 0)
  }

  private get hasUsable(): boolean {
    for (const lane of this.lanes) if (this.isUsable(lane)) return true
    return false
  }

  /** Whether the streams lent of the session are the last of it. */
  isLeaving(lane: SessionLane<Session>): boolean {
    return this.isOver || (!this.supply.isFixed && lane.isRetired)
  }

  /** The session pool drains or closes. */
  get isOver(): boolean {
    return !this.supply.isOpen
  }

  // --- sessions

  sessionCame(lane: SessionLane<Session>, now: number): void {
    this.asked--
    lane.begin()
    if (this.state === "Closed") {
      this.outbox.push({ _tag: "GiveSessionBack", lane, hasReceived: lane.hasReceived })
      return this.outbox.flush()
    }
    this.lanes.add(lane)
    this.lookAt(lane, now)
    this.settle(now)
  }

  sessionFailed(failure: F, now: number): void {
    this.asked--
    if (this.state === "Closed") return
    // the sessions that are there may still serve the requests
    if (!this.hasUsable && this.asked === 0) this.refuseAll({ _tag: "Failed", failure })
    else this.delaySessions(now)
    this.settle(now)
  }

  /** A new session is asked for only when all there are have no room. */
  private wantSessions(now: number): void {
    if (this.supply.isFixed) {
      for (const lane of this.lanes) if (lane.isGone) this.refuseAll({ _tag: "Gone", lane })
      return
    }
    const { maxStreamsPerSession: max } = this.options
    let expected = max
    for (const lane of this.lanes) {
      const isOpening = lane.opening === "UnderWay" && this.isUsable(lane)
      if (isOpening && lane.streams.size + 1 < Math.min(max, lane.capacity)) return
      expected = Math.max(1, Math.min(expected, lane.capacity))
    }
    if (now < this.sessionAt) return
    const streams = this.wantedStreams
    // where no limit is known, one session serves any number
    const wanted = streams === 0 ? 0 : Math.max(1, Math.ceil(streams / expected))
    while (this.asked < wanted) {
      this.asked++
      this.outbox.push({ _tag: "AskForSession" })
    }
  }

  /**
   * Streams that somebody wants: the borrowers of other requests were served meanwhile, or have left. Streams that are only
   * to be kept ready take no session from borrowers who wait for one.
   */
  private get wantedStreams(): number {
    const areSessionsAwaited = this.supply.waiting > this.asked
    let personal = 0
    for (let request = this.requests.first; request !== undefined; request = request.next) {
      if (request.isPersonal) personal++
    }
    return Math.min(this.unserved, personal + (areSessionsAwaited ? this.demand.needed : this.demand.wanted))
  }

  private delaySessions(now: number): void {
    this.sessionAt = now + this.sessionBackoff
    this.sessionBackoff = Math.min(lastBackoff, this.sessionBackoff * 2)
  }

  private forgetDelay(): void {
    this.sessionAt = -Infinity
    this.sessionBackoff = firstBackoff
  }

  /** The session is retired, closes, or is closed. */
  sessionChanged(lane: SessionLane<Session>, now: number): void {
    if (!this.lanes.has(lane)) return
    this.lookAt(lane, now)
    this.settle(now)
  }

  private lookAt(lane: SessionLane<Session>, now: number): void {
    const { gone, state } = lane.session
    if (gone === undefined && (this.supply.isFixed || !lane.isRetired)) return
    if (this.supply.isFixed) this.outbox.push({ _tag: "BreakDown", lane })
    const isDead = state === "Closed"
    for (const stream of [...lane.streams]) {
      if (stream.state === "Spare") this.end(stream, now)
      else if (stream.isItem) this.outbox.push({ _tag: isDead ? "LoseItem" : "RetireItem", stream })
    }
    if (isDead) this.giveBack(lane)
  }

  /** A stream of the session has ended, the pool's or another one. */
  streamFreed(lane: SessionLane<Session>, now: number): void {
    if (!lane.isFull || !this.lanes.has(lane)) return
    lane.freed(now)
    if (this.requests.first !== undefined) this.settle(now)
  }

  private retire(lane: SessionLane<Session>): void {
    if (this.supply.isFixed || lane.isRetired) return
    lane.isRetiring = true
    this.outbox.push({ _tag: "RetireSession", lane })
  }

  private giveBack(lane: SessionLane<Session>): void {
    if (!this.supply.isFixed) this.lanes.delete(lane)
    this.outbox.push({ _tag: "GiveSessionBack", lane, hasReceived: lane.hasReceived })
  }

  /** A session without a stream goes back once the ends of its streams are confirmed, unless it is asked for another one. */
  private settleLane(lane: SessionLane<Session>, now: number): void {
    if (this.supply.isFixed || lane.streams.size > 0 || lane.opening === "UnderWay") return
    if (lane.opening === "None" && this.unserved > 0 && this.isUsable(lane)) return
    // the next borrower of the session finds the credit of its streams back
    if (lane.ending > 0) return
    if (lane.opening === "Late") {
      // a ping has a stream, which may be the one that is missing
      if (lane.session.pings.size > 0 && lane.lateAt === Infinity) lane.lateAt = now + this.options.openTimeout
      if (lane.lateAt < Infinity) return
      // the session grants no stream at all
      this.outbox.push({ _tag: "AbandonOpening", lane })
      lane.endOpening()
      this.retire(lane)
    }
    this.giveBack(lane)
  }

  /** What the pool of the streams or that of the sessions wants has changed. */
  demandChanged(now: number): void {
    if (this.isOver) { for (const lane of this.lanes) this.retireItems(lane) }
    this.settle(now)
  }

  /** How many sessions are wanted back, apart from those that go already. */
  private get sessionsWantedBack(): number {
    let wanted = Math.max(0, this.supply.waiting - this.asked) + this.supply.excess
    if (wanted > 0) { for (const lane of this.lanes) if (lane.isGivingWay) wanted-- }
    return wanted
  }

  /** Whether a session of which nothing is lent goes back now, since it is wanted back. */
  private yieldToWaiters(lane: SessionLane<Session>): boolean {
    if (lane.isGivingWay) return true
    // a late stream may never come: it keeps the session from no borrower
    if (this.supply.isFixed || lane.lent > 0 || lane.opening === "UnderWay" || this.sessionsWantedBack <= 0) {
      return false
    }
    // borrowers of streams come first, unless there are too many sessions
    if (this.demand.waiting > 0 && this.supply.excess === 0) return false
    // a stream that has just been granted is somebody's, as far as is known yet
    for (const stream of lane.streams) if (!stream.isItem) return false
    lane.isGivingWay = true
    this.retireItems(lane)
    return true
  }

  private retireItems(lane: SessionLane<Session>): void {
    for (const stream of lane.streams) if (stream.isItem) this.outbox.push({ _tag: "RetireItem", stream })
  }

  // --- borrows

  /** The pool has an item of the stream. */
  becameItem(stream: LaneStream<Stream, Session>): void {
    stream.isItem = true
    if (this.isOver) this.outbox.push({ _tag: "RetireItem", stream })
    // its borrower may have been served meanwhile, and others wait for the session
    else this.yieldToWaiters(stream.lane)
    this.outbox.flush()
  }

  /** A borrower or a check has the stream. Returns the moment. */
  lent(stream: LaneStream<Stream, Session>): number {
    stream.lane.lent++
    return ++this.moment
  }

  /** `silentSince`: the moment since when the borrower awaited bytes in vain, while none came on the whole session. */
  returned(stream: LaneStream<Stream, Session>, isSpoiled: boolean, silentSince: number | undefined): void {
    const { lane } = stream
    lane.lent--
    stream.isSpoiled = isSpoiled
    if (silentSince === undefined) return
    const unanswered = lane.mark(silentSince, ++this.moment)
    if (unanswered < this.options.suspectAfter || this.supply.isFixed || lane.isRetired) return
    this.outbox.push({ _tag: "WarnSuspect", lane, unanswered })
    this.retire(lane)
    this.outbox.flush()
  }

  /** What becomes of a stream that came back. */
  verdictOf(stream: LaneStream<Stream, Session>, isFit: boolean): ReturnVerdict {
    const { lane } = stream
    const isGoing = this.isLeaving(lane) || this.yieldToWaiters(lane)
    this.outbox.flush()
    return isFit ? isGoing ? "retire" : "keep" : "discard"
  }

  /** The stream is clean but for writes. `written` follows, or `StopAwaitingWrites` is asked for. */
  awaitWrites(stream: LaneStream<Stream, Session>, now: number): void {
    if (stream.state !== "Open") return
    stream.state = "Writing"
    stream.deadline = now + endingTimeout
    this.writing.push(stream)
    this.arm(now)
    this.outbox.flush()
  }

  /** The platform is done with the writes of the stream, or they are awaited no longer. */
  written(stream: LaneStream<Stream, Session>): ReturnVerdict {
    this.writing.remove(stream)
    if (stream.state === "Writing") stream.state = "Open"
    return this.verdictOf(stream, stream.state === "Open" && cleanliness(stream.stream) === "Clean")
  }

  // --- ends

  /** The stream is not lent again; the platform confirms its end later. */
  discard(stream: LaneStream<Stream, Session>, now: number): void {
    if (stream.state === "Ending" || stream.state === "Ended") return
    this.end(stream, now)
    this.settle(now)
  }

  private end(stream: LaneStream<Stream, Session>, now: number): void {
    const { lane } = stream
    this.spare.remove(stream)
    this.writing.remove(stream)
    lane.streams.delete(stream)
    lane.freed(now)
    stream.state = "Ended"
    // nothing confirms the ends of a session that is gone
    if (!lane.isGone) this.awaitEnd(stream, now)
    this.outbox.push({ _tag: "EndStream", stream, how: stream.isSpoiled ? "reset" : "finish" })
  }

  private awaitEnd(stream: LaneStream<Stream, Session>, now: number): void {
    stream.state = "Ending"
    stream.deadline = now + endingTimeout
    stream.takenAt = stream.lane.session.taken
    stream.lane.ending++
    this.endings.push(stream)
  }

  /** `wasSilent`: the transport took nothing of the stream for so long that it was reset. */
  ended(stream: LaneStream<Stream, Session>, wasSilent: boolean, now: number): void {
    this.endSettled(stream)
    if (wasSilent) this.unconfirmed(stream.lane)
    this.settle(now)
  }

  private endSettled(stream: LaneStream<Stream, Session>): void {
    if (stream.state !== "Ending") return
    stream.state = "Ended"
    stream.lane.ending--
    this.endings.remove(stream)
  }

  private unconfirmed(lane: SessionLane<Session>): void {
    if (++lane.unconfirmed >= maxUnconfirmed) this.retire(lane)
  }

  // --- time

  tick(now: number): void {
    this.armedAt = Infinity
    if (this.state === "Closed") return
    for (let stream = this.writing.first; stream !== undefined && stream.deadline <= now; stream = this.writing.first) {
      this.writing.remove(stream)
      // the stream is not lent again: its end sends what is left, and takes no place of the pool
      this.outbox.push({ _tag: "StopAwaitingWrites", stream })
    }
    for (let stream = this.endings.first; stream !== undefined && stream.deadline <= now; stream = this.endings.first) {
      this.endSettled(stream)
      const { isSending, isWriting } = stream.stream
      // a reset comes after the write that is under way, which may take long on a slow session
      if (isSending || (isWriting && stream.takenAt !== stream.lane.session.taken)) this.awaitEnd(stream, now)
      else this.unconfirmed(stream.lane)
    }
    for (const lane of this.lanes) if (lane.lateAt <= now) this.openingLate(lane, now)
    this.settle(now)
  }

  private openingLate(lane: SessionLane<Session>, now: number): void {
    const isFirst = lane.opening === "UnderWay"
    lane.opening = "Late"
    lane.lateAt = Infinity
    if (isFirst && this.unserved > 0) this.afterRefusal(lane, true, { _tag: "Late" }, now)
    else lane.refused(now)
  }

  private arm(now: number): void {
    let at = Math.min(this.endings.first?.deadline ?? Infinity, this.writing.first?.deadline ?? Infinity)
    for (const lane of this.lanes) at = Math.min(at, lane.lateAt)
    if (this.unserved > 0) {
      if (this.sessionAt > now) at = Math.min(at, this.sessionAt)
      const isProbed = this.wantedStreams > 0
      for (const lane of this.lanes) {
        if (isProbed && lane.probeAt > now && this.isUsable(lane)) at = Math.min(at, lane.probeAt)
      }
    }
    // an early call of `tick` is harmless, and arms anew
    if (at >= this.armedAt) return
    this.armedAt = at
    this.outbox.push({ _tag: "WakeAt", at })
  }
}
