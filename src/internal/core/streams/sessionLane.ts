import type { Linked, LinkedList } from "../linkedList.js"
import type { StandingNow } from "../pool/item.js"
import type { StreamFacts } from "./cleanliness.js"
import { firstBackoff, lastBackoff, PingExplanation, type PingFacts } from "./refusals.js"

export type SessionState = "Connecting" | "Open" | "Closing" | "Closed"

/** The facts about a session that the machine reads. It does not manage the session's own state. */
export interface SessionFacts extends PingFacts {
  /** Why the session can open nothing any more; `undefined` while it can. */
  readonly gone: unknown
  readonly state: SessionState
  readonly isRetired: boolean
  readonly bytesReceived: number
  readonly streamsOpened: number
  /** How often the platform has taken written bytes. */
  readonly taken: number
  /** Credit may come late, after the bytes written on other streams. */
  readonly mayBeOwedCredit: boolean
}

/** The facts about a stream that the machine reads. */
export interface OpenStreamFacts extends StreamFacts {
  /** The stream ended in success, and the platform has not taken all bytes. */
  readonly isSending: boolean
  /** The platform has not completed a write. */
  readonly isWriting: boolean
}

/**
 * - `Open`: an item of the pool, or a creation under way, has the stream.
 * - `Spare`: it came when no request waited for it.
 * - `Ending`: its end has begun and is not confirmed.
 * - `Ended`: its end is confirmed, or no longer awaited.
 */
export type StreamState = "Open" | "Spare" | "Ending" | "Ended"

/** A stream of the pool. The shell adds its own fields in a subclass. */
export class LaneStream<Stream extends OpenStreamFacts, Session extends SessionFacts>
  implements Linked<LaneStream<any, any>>
{
  readonly stream: Stream
  readonly lane: SessionLane<Session>
  state: StreamState = "Open"
  /** The stream is an item of the pool. */
  isItem = false
  /** True: the pool resets the stream at the end; false: finishes it. */
  isSpoiled = false
  deadline = 0
  /** The session's `taken` when the machine last looked at this end. */
  takenAt = 0
  previous: LaneStream<any, any> | undefined = undefined
  next: LaneStream<any, any> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(stream: Stream, lane: SessionLane<Session>) {
    this.stream = stream
    this.lane = lane
  }
}

/** `Late`: no stream came within `openTimeout`; the stream may still come. */
export type OpeningState = "None" | "UnderWay" | "Late"

/** A session that opens streams for the pool. The record outlasts a lease of the session. */
export class SessionLane<Session extends SessionFacts> {
  readonly session: Session
  /** Whether the session may be lent on now, before its retirement or its end tells; `undefined` if it always may. */
  standing: StandingNow | undefined = undefined
  /** Idle and lent streams. */
  readonly streams = new Set<LaneStream<any, Session>>()
  /** The number of streams that a borrower or a check has. */
  lent = 0
  /** The number of streams whose end is not confirmed. */
  ending = 0
  /** The number of openings in this lease. */
  opened = 0
  /** The session's streams end so that the session goes back. */
  isGivingWay = false
  /** The machine has asked for the session's retirement. */
  isRetiring = false
  opening: OpeningState = "None"
  /** The deadline of the opening. */
  lateAt = Infinity
  /** How many streams the session grants, known after a refusal. */
  capacity = Infinity
  /** When a full session may be asked again. */
  probeAt = Infinity
  refusedAt = -Infinity
  freedAt = -Infinity
  backoff = firstBackoff
  /** The number of ends that were not confirmed. */
  unconfirmed = 0
  /** What a ping explains of the refusals since the last grant. */
  private readonly pinged = new PingExplanation()
  receivedBefore = 0
  marks = 0
  /** `NaN` before the first mark. */
  receivedAtMark = NaN
  markedAt = -1

  constructor(session: Session) {
    this.session = session
  }

  /** A lease of the session begins. Other borrowers may have had the session since the last lease. */
  beginLease(): void {
    this.receivedBefore = this.session.bytesReceived
    this.opened = 0
    this.isGivingWay = false
    this.granted()
  }

  /** Whether the session has proved good in this lease. */
  get hasReceived(): boolean {
    return this.session.bytesReceived > this.receivedBefore
  }

  get isGone(): boolean {
    return this.session.gone !== undefined
  }

  get isRetired(): boolean {
    return this.isRetiring || this.session.isRetired
  }

  /** A borrower gave up waiting for bytes, and none have come since on any stream of the session. */
  get isSuspect(): boolean {
    return this.receivedAtMark === this.session.bytesReceived
  }

  /**
   * A borrower that had a stream since `began` gave up waiting for bytes, at `moment`. Returns how often that happened in a
   * row. Borrows that overlap count once, since they met the same silence.
   */
  mark(began: number, moment: number): number {
    if (!this.isSuspect) this.marks = 0
    else if (began < this.markedAt) return this.marks
    this.marks++
    this.markedAt = moment
    this.receivedAtMark = this.session.bytesReceived
    return this.marks
  }

  get isFull(): boolean {
    return this.capacity !== Infinity
  }

  /** The session grants no more streams than it has now. */
  refused(now: number): void {
    this.capacity = this.streams.size
    this.refusedAt = now
    this.probeAt = now + this.backoff
    this.backoff = Math.min(lastBackoff, this.backoff * 2)
  }

  /** The session grants streams again. Credit may come in batches, so its limit is unknown. */
  granted(): void {
    this.capacity = Infinity
    this.probeAt = Infinity
    this.backoff = firstBackoff
    this.pinged.forget()
  }

  /** A stream of the session has ended: the session may grant another one before the backoff is over. */
  freed(now: number): void {
    this.freedAt = now
    if (this.isFull) this.probeAt = Math.min(this.probeAt, Math.max(now, this.refusedAt + firstBackoff))
  }

  /** A late stream may still be on its way. */
  get mayBeOwed(): boolean {
    return this.opening === "Late" && this.session.mayBeOwedCredit
  }

  hasRoom(max: number, now: number): boolean {
    return this.streams.size < max && (!this.isFull || now >= this.probeAt)
  }

  beginOpening(lateAt: number): void {
    this.isGivingWay = false
    this.opened++
    this.opening = "UnderWay"
    this.lateAt = lateAt
  }

  endOpening(): void {
    this.opening = "None"
    this.lateAt = Infinity
  }

  /** Whether a ping explains the refusal. If so, the session is soon asked again. */
  isPingToBlame(now: number): boolean {
    const pause = this.pinged.pauseAfterRefusal(this.session)
    if (pause === undefined) return false
    this.probeAt = now + pause
    return true
  }
}
