import { firstPause, lastPause, type Moment } from "./requestCommands.js"

/** The streams that the pool has asked for, and the pause after a failure. */
export class StreamAsking {
  /** Streams that are awaited. */
  asked = 0
  /** When the pool may ask again; `-Infinity`: now. */
  private readyAt = -Infinity
  private pause = firstPause

  /** A time in the past does not count. */
  dueAt(now: Moment): number {
    return this.readyAt !== -Infinity && this.readyAt > now.monotonic ? this.readyAt : Infinity
  }

  isReady(now: Moment): boolean {
    return this.readyAt === -Infinity || now.monotonic >= this.readyAt
  }

  came(): void {
    this.asked--
    this.pause = firstPause
    this.readyAt = -Infinity
  }

  delay(now: Moment): void {
    this.readyAt = now.monotonic + this.pause
    this.pause = Math.min(lastPause, this.pause * 2)
  }
}
