import type { Moment } from "./requestCommands.js"
import type { RequestSession } from "./sharedStream.js"

/** A session that owes answers. */
interface Watched {
  readonly session: RequestSession
  /** Requests without an answer. */
  owed: number
  /** When the session began to owe answers, or when it was last judged by a ping. */
  since: number
  /** When the session counts as silent, if no bytes come until then. */
  silentAt: number
}

/** Decides when a session is silent: it owes answers, and no bytes have come on it for `timeout`. */
export class Silence {
  private readonly timeout: number
  private readonly watched = new Map<RequestSession, Watched>()
  /** The pings that are out, with the session's `bytesReceived` before each. */
  private readonly pings = new Map<RequestSession, number>()

  constructor(timeout: number) {
    this.timeout = timeout
  }

  private get isOn(): boolean {
    return this.timeout !== Infinity
  }

  get dueAt(): number {
    let at = Infinity
    for (const { silentAt } of this.watched.values()) at = Math.min(at, silentAt)
    return at
  }

  /** The session owes the answers of `count` more requests. */
  owes(session: RequestSession, count: number, now: Moment): void {
    if (!this.isOn) return
    let watched = this.watched.get(session)
    if (watched === undefined) {
      const since = now.monotonic
      watched = { session, owed: 0, since, silentAt: since + this.timeout }
      this.watched.set(session, watched)
    }
    watched.owed += count
  }

  /** The session owes one request no more answers. */
  answered(session: RequestSession): void {
    if (!this.isOn) return
    const watched = this.watched.get(session)!
    watched.owed--
    if (watched.owed === 0) this.watched.delete(session)
  }

  /** Bytes put nothing off when they come, so that they cost no more than a look at the clock. */
  private lookAgain(watched: Watched): void {
    watched.silentAt = Math.max(watched.since, watched.session.heardAt) + this.timeout
  }

  /** The sessions that have just become silent, each of them once. */
  takeSilent(now: number): ReadonlyArray<RequestSession> {
    const silent: Array<RequestSession> = []
    for (const watched of this.watched.values()) {
      if (watched.silentAt > now) continue
      this.lookAgain(watched)
      if (watched.silentAt > now) continue
      watched.silentAt = Infinity
      const { session } = watched
      if (this.pings.has(session)) continue
      this.pings.set(session, session.bytesReceived)
      silent.push(session)
    }
    return silent
  }

  /** The ping has ended. Returns whether the session is to be given up: no bytes came during a ping that failed. */
  pinged(session: RequestSession, isAlive: boolean, now: number): boolean {
    const before = this.pings.get(session)
    this.pings.delete(session)
    const watched = this.watched.get(session)
    if (watched === undefined) return false
    const isLost = !isAlive && before === session.bytesReceived
    if (isAlive || isLost) watched.since = now
    this.lookAgain(watched)
    return isLost
  }
}
