/**
 * The decisions of a stream pool: the sessions it holds and the streams each of them grants, the requests that wait, and the
 * ends that the platform confirms. Plain and synchronous: time is an argument, failures are opaque, and the shell performs
 * the machine's commands after the transition.
 */
import { Outbox } from "../outbox.js"
import { cleanliness } from "./cleanliness.js"
import { Lanes } from "./lanes.js"
import { isUsedUp } from "./refusals.js"
import { RequestQueue } from "./requestQueue.js"
import type { LaneStream, OpenStreamFacts, SessionFacts, SessionLane } from "./sessionLane.js"
import { SessionReturns } from "./sessionReturns.js"
import { SessionAsking, type SessionSupply, type StreamDemand } from "./sessionSupply.js"
import type {
  StreamCommand,
  StreamMachineOptions,
  StreamRefusal,
  StreamRequest,
  StreamVerdict
} from "./streamCommands.js"
import { StreamEndings } from "./streamEndings.js"

/** `Stream` and `Request` are the shell's own records; they come back in the commands. */
export class StreamMachine<
  Session extends SessionFacts,
  Stream extends LaneStream<OpenStreamFacts, Session>,
  Request extends StreamRequest<Stream>,
  F
> {
  readonly options: StreamMachineOptions
  readonly lanes: Lanes<Session>
  private readonly requests: RequestQueue<F>
  private readonly endings = new StreamEndings()
  private readonly asking: SessionAsking
  readonly returns: SessionReturns<Session>
  state: "New" | "Open" | "Closed" = "New"
  private readonly supply: SessionSupply
  private readonly demand: StreamDemand
  private readonly outbox: Outbox<StreamCommand<F>>
  private armedAt = Infinity
  /** Counts moments: orders borrows, also within a millisecond. */
  private moment = 0

  constructor(
    options: StreamMachineOptions,
    supply: SessionSupply,
    demand: StreamDemand,
    perform: (command: StreamCommand<F, Stream, SessionLane<Session>, Request>) => void
  ) {
    this.options = options
    this.supply = supply
    this.demand = demand
    this.outbox = new Outbox((command) => {
      // all records come from the shell
      perform(command as StreamCommand<F, Stream, SessionLane<Session>, Request>)
      if (command._tag === "GiveSessionBack") this.returns.gaveBack()
    })
    this.requests = new RequestQueue(this.outbox)
    this.asking = new SessionAsking(supply)
    this.lanes = new Lanes(supply, options.maxStreamsPerSession)
    this.returns = new SessionReturns(supply, demand, this.lanes, this.asking, this.outbox)
  }

  /** Opens the machine. Requests wait until then. */
  start(fixed: SessionLane<Session> | undefined, now: number): void {
    this.state = "Open"
    if (fixed !== undefined) {
      this.lanes.add(fixed)
      this.lookAt(fixed, now)
    }
    this.settle(now)
  }

  /** Call it after the pool of streams has closed. */
  close(): void {
    this.state = "Closed"
    for (const lane of this.lanes) this.returns.giveBack(lane)
    this.requests.refuseAll({ _tag: "Closed" })
    this.outbox.flush()
  }

  // --- requests

  request(request: Request, now: number): void {
    this.requests.add(request)
    if (this.state === "Closed") this.requests.refuseAll({ _tag: "Closed" })
    this.settle(now)
  }

  /** The creation no longer wants its stream, which may already be granted. */
  abandon(request: Request, now: number): void {
    const stream = this.requests.abandon(request)
    if (stream !== undefined) this.placeSpare(stream, now)
    this.settle(now)
  }

  get hasRequests(): boolean {
    return this.requests.length > 0
  }

  // --- openings

  opened(stream: Stream, now: number): void {
    const { lane } = stream
    const isInTime = lane.opening === "UnderWay"
    lane.endOpening()
    if (this.state === "Closed") {
      this.outbox.push({ _tag: "EndStream", stream, how: "finish" })
      return this.outbox.flush()
    }
    lane.granted()
    // the session grants streams: its predecessors' refusals no longer count
    if (lane.opened === 1) this.asking.forgetDelay()
    lane.streams.add(stream)
    if (lane.session.streamsOpened >= this.options.maxStreamsOpened) this.returns.retire(lane)
    if (isInTime && this.hasRequests) this.requests.grant(stream)
    else if (lane.isGivingWay) this.endStream(stream, now)
    else this.placeSpare(stream, now)
    this.settle(now)
  }

  /** `isRefusal`: the session grants no more streams for now. */
  openFailed(lane: SessionLane<Session>, isRefusal: boolean, failure: F, now: number): void {
    const wasLate = lane.opening === "Late"
    lane.endOpening()
    if (!wasLate && this.state === "Open") this.afterRefusal(lane, isRefusal, { _tag: "Failed", failure }, now)
    this.settle(now)
  }

  /** Refuses the first request unless another attempt makes sense. */
  private afterRefusal(lane: SessionLane<Session>, isRefusal: boolean, refusal: StreamRefusal<F>, now: number): void {
    // requests use other sessions, or are refused because the only session is gone
    if (lane.isGone) return
    if (!isRefusal) return this.refuseUnserved(refusal)
    lane.refused(now)
    const { ending, mayBeOwed, streams } = lane
    if (!isUsedUp({ open: streams.size, ending, mayBeOwed }, () => this.isPingToBlame(lane, now))) return
    if (this.supply.isFixed) {
      if (now >= lane.freedAt + this.options.openTimeout) this.refuseUnserved(refusal)
      return
    }
    this.returns.retire(lane, lane.opening === "Late" ? "ungranted" : "leaving")
    if (lane.session.streamsOpened > 0) return
    // the session never granted a stream, and its successor may be no better
    this.asking.delay(now)
    if (!this.lanes.hasUsable) this.refuseUnserved(refusal)
  }

  private isPingToBlame(lane: SessionLane<Session>, now: number): boolean {
    const isToBlame = lane.isPingToBlame(now)
    if (!isToBlame && lane.session.isPingLatest) this.outbox.push({ _tag: "ForgetPing", lane })
    return isToBlame
  }

  /** A stream without a request goes to the first request that waits; without one, the pool may take it. */
  private placeSpare(stream: LaneStream<any, Session>, now: number): void {
    this.requests.addSpare(stream)
    this.serve(now)
    if (!this.requests.isSpare(stream)) return
    if (this.returns.wantedBack > 0) this.endStream(stream, now)
    else this.outbox.push({ _tag: "PrepareItem", stream })
  }

  /** Answers `PrepareItem`. `isPrepared`: the pool makes an item of the spare stream. */
  prepared(stream: Stream, isPrepared: boolean, now: number): void {
    if (isPrepared || stream.state !== "Spare") return
    this.endStream(stream, now)
    this.settle(now)
  }

  // --- grants

  private settle(now: number): void {
    if (this.state === "Open") {
      this.serve(now)
      if (this.unserved > 0) this.wantSessions(now)
      const isAwaited = this.unserved > 0
      for (const lane of this.lanes) this.returns.giveBackIfIdle(lane, isAwaited, this.options.openTimeout, now)
      // sessions without streams go first
      for (const lane of this.lanes) this.returns.yieldToWaiters(lane)
      this.arm(now)
    }
    this.outbox.flush()
  }

  private serve(now: number): void {
    for (let stream = this.requests.takeSpare(); stream !== undefined; stream = this.requests.takeSpare()) {
      if (cleanliness(stream.stream) === "Clean" && !this.lanes.isLeaving(stream.lane)) this.requests.grant(stream)
      else this.endStream(stream, now)
    }
    while (this.unserved > 0) {
      const lane = this.lanes.choose(this.wantedStreams > 0, now)
      if (lane === undefined) return
      lane.beginOpening(now + this.options.openTimeout)
      this.outbox.push({ _tag: "OpenStream", lane })
    }
  }

  private refuseUnserved(refusal: StreamRefusal<F>): void {
    if (this.unserved > 0) this.requests.refuseFirst(refusal)
  }

  /** The number of requests without a stream on its way. */
  private get unserved(): number {
    return Math.max(0, this.requests.length - this.lanes.openings)
  }

  // --- sessions

  sessionCame(lane: SessionLane<Session>, now: number): void {
    this.asking.asked--
    lane.beginLease()
    if (this.state === "Closed") {
      this.returns.giveBack(lane)
      return this.outbox.flush()
    }
    this.lanes.add(lane)
    this.settle(now)
  }

  sessionFailed(failure: F, now: number): void {
    this.asking.asked--
    // the other sessions may still serve the requests
    if (!this.lanes.hasUsable && this.asking.asked === 0) this.requests.refuseAll({ _tag: "Failed", failure })
    else this.asking.delay(now)
    this.settle(now)
  }

  /** Asks for new sessions, only if the present sessions have no room. */
  private wantSessions(now: number): void {
    if (this.supply.isFixed) {
      for (const lane of this.lanes) if (lane.isGone) this.requests.refuseAll({ _tag: "Gone", lane })
      return
    }
    if (this.lanes.hasMoreRoom || now < this.asking.readyAt) return
    const streams = this.wantedStreams
    // without a known limit, one session serves any number of streams
    const wanted = streams === 0 ? 0 : Math.max(1, Math.ceil(streams / this.lanes.expectedCapacity))
    while (this.asking.asked < wanted) {
      this.asking.asked++
      this.outbox.push({ _tag: "AskForSession" })
    }
  }

  /**
   * Requests of borrowers that still wait. A request whose borrower was served or left counts only if `minSize` needs it, and
   * not while others wait for sessions.
   */
  private get wantedStreams(): number {
    const { needed, wanted } = this.demand
    return Math.min(this.unserved, this.requests.personal + (this.asking.isContended ? needed : wanted))
  }

  /** The session is retired, closes, or is closed. */
  sessionChanged(lane: SessionLane<Session>, now: number): void {
    if (!this.lanes.has(lane)) return
    this.lookAt(lane, now)
    this.settle(now)
  }

  private lookAt(lane: SessionLane<Session>, now: number): void {
    const { gone, state } = lane.session
    if (gone === undefined && !this.lanes.isRetired(lane)) return
    if (this.supply.isFixed) this.outbox.push({ _tag: "BreakDown", lane })
    const isDead = state === "Closed"
    for (const stream of [...lane.streams]) {
      if (stream.state === "Spare") this.endStream(stream, now)
      else if (stream.isItem) this.outbox.push({ _tag: isDead ? "LoseItem" : "RetireItem", stream })
    }
    if (isDead) this.returns.giveBack(lane)
  }

  /** A stream of the session has ended, the pool's or any other. */
  streamFreed(lane: SessionLane<Session>, now: number): void {
    lane.freed(now)
    if (lane.isFull && this.hasRequests) this.settle(now)
  }

  /** The demand of the pool of streams, or of the session pool, has changed. */
  demandChanged(now: number): void {
    if (!this.supply.isOpen) { for (const lane of this.lanes) this.returns.retireItems(lane) }
    this.settle(now)
  }

  // --- borrows

  /** The stream is an item of the pool. */
  becameItem(stream: Stream): void {
    stream.isItem = true
    if (!this.supply.isOpen) this.outbox.push({ _tag: "RetireItem", stream })
    // its borrower may have been served meanwhile, and other borrowers may wait for the session
    else this.returns.yieldToWaiters(stream.lane)
    this.outbox.flush()
  }

  /** A borrower or a check gets the stream. Returns the moment. */
  lent(stream: Stream): number {
    stream.lane.lent++
    return ++this.moment
  }

  /** `silentSince`: since this moment the borrower waited for bytes, and none came on the whole session. */
  returned(stream: Stream, isSpoiled: boolean, silentSince: number | undefined): void {
    const { lane } = stream
    lane.lent--
    stream.isSpoiled = isSpoiled
    if (silentSince === undefined) return
    const unanswered = lane.mark(silentSince, ++this.moment)
    if (unanswered < this.options.suspectAfter) return
    this.returns.suspect(lane, unanswered)
    this.outbox.flush()
  }

  /** Decides on a stream that came back. */
  verdictOf(stream: Stream, isFit: boolean): StreamVerdict {
    const { lane } = stream
    const isGoing = this.lanes.isLeaving(lane) || this.returns.yieldToWaiters(lane)
    this.outbox.flush()
    return isFit ? isGoing ? "retire" : "keep" : "discard"
  }

  /** The stream is clean except for its writes. `written` follows; after too long, the command `StopAwaitingWrites`. */
  awaitWrites(stream: Stream, now: number): void {
    if (stream.state !== "Open") return
    this.endings.awaitWrites(stream, now)
    this.arm(now)
    this.outbox.flush()
  }

  /** The platform has completed the writes of the stream, or the pool no longer waits for them. */
  written(stream: Stream): StreamVerdict {
    this.endings.writesSettled(stream)
    return this.verdictOf(stream, stream.state === "Open" && cleanliness(stream.stream) === "Clean")
  }

  // --- ends

  /** Ends a stream that is not lent again. The platform confirms the end later. */
  discard(stream: Stream, now: number): void {
    if (stream.state === "Ending" || stream.state === "Ended") return
    this.endStream(stream, now)
    this.settle(now)
  }

  private endStream(stream: LaneStream<any, Session>, now: number): void {
    const { lane } = stream
    this.requests.removeSpare(stream)
    this.endings.writesSettled(stream)
    lane.streams.delete(stream)
    lane.freed(now)
    stream.state = "Ended"
    // on a session that is gone nothing confirms an end
    if (!lane.isGone) this.endings.awaitEnd(stream, now)
    this.outbox.push({ _tag: "EndStream", stream, how: stream.isSpoiled ? "reset" : "finish" })
  }

  /** `wasGivenUp`: the stream was reset with bytes to send, most often since the transport took none for too long. */
  ended(stream: Stream, wasGivenUp: boolean, now: number): void {
    this.endings.endConfirmed(stream)
    if (wasGivenUp) this.returns.unconfirmed(stream.lane)
    this.settle(now)
  }

  // --- time

  tick(now: number): void {
    this.armedAt = Infinity
    if (this.state === "Closed") return
    for (let stream = this.endings.overdueWriter(now); stream !== undefined; stream = this.endings.overdueWriter(now)) {
      // the stream is not lent again: it sends the remaining bytes and ends, outside the places of the pool
      this.outbox.push({ _tag: "StopAwaitingWrites", stream })
    }
    for (let stream = this.endings.overdueEnd(now); stream !== undefined; stream = this.endings.overdueEnd(now)) {
      this.returns.unconfirmed(stream.lane)
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
    const isAwaited = this.unserved > 0
    const at = Math.min(
      this.endings.dueAt,
      this.lanes.dueAt(isAwaited && this.wantedStreams > 0, now),
      isAwaited && this.asking.readyAt > now ? this.asking.readyAt : Infinity
    )
    // an early `tick` is harmless, and sets the alarm again
    if (at >= this.armedAt) return
    this.armedAt = at
    this.outbox.push({ _tag: "WakeAt", at })
  }
}
