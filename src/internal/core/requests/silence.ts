import type { RequestSession } from "./sharedStream.js"

/** A session that owes answers. */
export interface Watched {
  readonly session: RequestSession
  /** Requests without an answer. */
  owed: number
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

  get isOn(): boolean {
    return this.timeout !== Infinity
  }

  get dueAt(): number {
    let at = Infinity
    for (const { silentAt } of this.watched.values()) at = Math.min(at, silentAt)
    return at
  }

  /** Whether the session owes nothing so far. */
  isNew(session: RequestSession): boolean {
    return !this.watched.has(session)
  }

  begin(session: RequestSession, now: number): void {
    this.watched.set(session, { session, owed: 0, silentAt: now + this.timeout })
  }

  /** The session owes more answers, or less. */
  owes(session: RequestSession, count: number): void {
    const watched = this.watched.get(session)!
    watched.owed += count
    if (watched.owed === 0) this.watched.delete(session)
  }

  /** A session that has just become silent, each of them once. */
  next(now: number): RequestSession | undefined {
    for (const watched of this.watched.values()) {
      const { session } = watched
      if (watched.silentAt > now) continue
      watched.silentAt = session.heardAt + this.timeout
      // bytes put nothing off when they come, so that they cost no more than a look at the clock
      if (watched.silentAt > now) continue
      watched.silentAt = Infinity
      if (this.pings.has(session)) continue
      this.pings.set(session, session.bytesReceived)
      return session
    }
    return undefined
  }

  /** The ping has ended. Returns whether the session is to be given up: no bytes came during a ping that failed. */
  pinged(session: RequestSession, isAlive: boolean, now: number): boolean {
    const before = this.pings.get(session)
    this.pings.delete(session)
    const watched = this.watched.get(session)
    if (watched === undefined) return false
    if (!isAlive && before === session.bytesReceived) return true
    watched.silentAt = (isAlive ? now : session.heardAt) + this.timeout
    return false
  }
}
