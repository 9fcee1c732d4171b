import type { Linked, LinkedList } from "../linkedList.js"
import type { StreamFacts } from "./cleanliness.js"

/** Milliseconds between a refusal and the next attempt. */
export const firstBackoff = 10
export const lastBackoff = 1_000

/** After so many refusals that a ping's stream may explain, in a bit more than a second, the ping is no explanation. */
const maxVain = 7

/** What the machine reads of a session. The session's own life is not the machine's. */
export interface SessionFacts {
  /** Why nothing can be opened on it any more. */
  readonly gone: unknown
  readonly state: string
  readonly isRetired: boolean
  readonly bytesReceived: number
  readonly streamsOpened: number
  /** How often the platform has taken a piece of what was written. */
  readonly taken: number
  /** Open streams of pings. */
  readonly pings: { readonly size: number }
  /** Credit may come late, since it comes after what was written on other streams. */
  readonly mayBeOwedCredit: boolean
  /** The stream granted last was a ping's. */
  readonly isPingLatest: boolean
}

/** What the machine reads of a stream. */
export interface OpenStreamFacts extends StreamFacts {
  /** Ended in success, and the platform has not taken all of its bytes. */
  readonly isSending: boolean
  /** The platform is not done with a write. */
  readonly isWriting: boolean
}

/**
 * - `Open`: its item of the pool, or the creation that makes it, has the stream.
 * - `Spare`: it came when no request waited for it.
 * - `Writing`: it came back with writes that the platform is not done with.
 * - `Ending`: its end has begun, and is not confirmed.
 * - `Ended`: its end is confirmed, or no longer waited for.
 */
export type StreamState = "Open" | "Spare" | "Writing" | "Ending" | "Ended"

/** A stream of the pool. The shell keeps its own things in a subclass. */
export class LaneStream<Stream extends OpenStreamFacts, Session extends SessionFacts>
  implements Linked<LaneStream<any, any>>
{
  readonly stream: Stream
  readonly lane: SessionLane<Session>
  state: StreamState = "Open"
  /** The pool has an item of it. */
  isItem = false
  /** How the stream is ended: by a reset, or finished. */
  isSpoiled = false
  deadline = 0
  /** How much the session had taken when this end was last looked at. */
  takenAt = 0
  previous: LaneStream<any, any> | undefined = undefined
  next: LaneStream<any, any> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(stream: Stream, lane: SessionLane<Session>) {
    this.stream = stream
    this.lane = lane
  }
}

/** `Late`: no stream came within `openTimeout`; it may still come. */
export type OpeningState = "None" | "UnderWay" | "Late"

/** A session that streams of the pool are opened on. What is known of the session outlasts one lease of it. */
export class SessionLane<Session extends SessionFacts> {
  readonly session: Session
  /** Idle and lent streams. */
  readonly streams = new Set<LaneStream<any, Session>>()
  /** Streams that a borrower or a check has. */
  lent = 0
  /** Streams whose end is not confirmed. */
  ending = 0
  /** Streams asked for in this lease. */
  opened = 0
  /** Its streams end so that the session goes back. */
  isGivingWay = false
  /** The machine has asked for its retirement. */
  isRetiring = false
  opening: OpeningState = "None"
  /** When the opening takes longer than it may. */
  lateAt = Infinity
  /** How many streams the session grants, once it has refused one. */
  capacity = Infinity
  /** When it may be asked again. */
  probeAt = Infinity
  refusedAt = -Infinity
  freedAt = -Infinity
  backoff = firstBackoff
  /** Ends that were not confirmed. */
  unconfirmed = 0
  /** Refusals since the last grant that a ping's stream may explain. */
  vain = 0
  receivedBefore = 0
  marks = 0
  receivedAtMark = -1
  markedAt = -1

  constructor(session: Session) {
    this.session = session
  }

  /** A lease of the session begins. Other borrowers may have had it since the last one. */
  begin(): void {
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

  /** A borrower waited for bytes in vain, and none has come since on any stream of the session. */
  get isSuspect(): boolean {
    return this.marks > 0 && this.receivedAtMark === this.session.bytesReceived
  }

  /**
   * A borrower who had a stream since `began` gave up waiting for bytes, at `moment`. Returns how often that happened, one
   * after the other; borrows that overlap are one, since they met the same silence.
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

  /** The session grants no more than it has now. */
  refused(now: number): void {
    this.capacity = this.streams.size
    this.refusedAt = now
    this.probeAt = now + this.backoff
    this.backoff = Math.min(lastBackoff, this.backoff * 2)
  }

  /** The session grants streams again. Credit may come back in batches, so nothing is known of its limit. */
  granted(): void {
    this.capacity = Infinity
    this.probeAt = Infinity
    this.backoff = firstBackoff
    this.vain = 0
  }

  /** A stream of the session has ended: another one may be granted sooner than the backoff says. */
  freed(now: number): void {
    this.freedAt = now
    if (this.isFull) this.probeAt = Math.min(this.probeAt, Math.max(now, this.refusedAt + firstBackoff))
  }

  /** A late stream may be on its way still. */
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

  /** `Forget`: a ping's stream explains refusals no longer. */
  blamePing(): "Yes" | "No" | "Forget" {
    const { isPingLatest, pings } = this.session
    if (!isPingLatest) return "No"
    return pings.size === 0 && ++this.vain > maxVain ? "Forget" : "Yes"
  }
}
