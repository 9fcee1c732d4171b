import type { RequestSession } from "./sharedStream.js"

/** A session that owes answers. */
export interface Watched {
  readonly session: RequestSession
  /** Requests without an answer. */
  owed: number
  /** The session's `bytesReceived` at the last look. */
  received: number
  /** When the session counts as silent, if no bytes come until then. */
  silentAt: number
  isPinged: boolean
}

/**
 * Decides when a session is silent: it owes answers, and no bytes have come on it for `timeout`. Bytes count at the next
 * look, so that they cost nothing: a session is silent after twice the time at most.
 */
export class Silence {
  private readonly timeout: number
  private readonly watched = new Map<RequestSession, Watched>()

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
    const silentAt = now + this.timeout
    const received = session.bytesReceived
    this.watched.set(session, { session, owed: 0, received, silentAt, isPinged: false })
  }

  /** The session owes more answers, or less. */
  owes(session: RequestSession, count: number): void {
    const watched = this.watched.get(session)
    if (watched === undefined) return
    watched.owed += count
    if (watched.owed === 0) this.watched.delete(session)
  }

  /** A session that has just become silent, each of them once. */
  next(now: number): RequestSession | undefined {
    for (const watched of this.watched.values()) {
      if (watched.silentAt > now) continue
      if (this.hasHeard(watched)) {
        watched.silentAt = now + this.timeout
        continue
      }
      watched.silentAt = Infinity
      watched.isPinged = true
      return watched.session
    }
    return undefined
  }

  /** The ping has ended. Returns whether the session is to be given up. */
  pinged(session: RequestSession, isAlive: boolean, now: number): boolean {
    const watched = this.watched.get(session)
    // everything was answered meanwhile, and perhaps asked anew
    if (watched?.isPinged !== true) return false
    watched.isPinged = false
    if (!this.hasHeard(watched) && !isAlive) return true
    watched.silentAt = now + this.timeout
    return false
  }

  private hasHeard(watched: Watched): boolean {
    const { received, session } = watched
    watched.received = session.bytesReceived
    return session.bytesReceived !== received
  }
}
