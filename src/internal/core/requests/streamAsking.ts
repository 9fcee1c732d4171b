import { firstPause, lastPause, type Moment, type RequestMachineOptions } from "./requestCommands.js"
import type { SharedStreams } from "./sharedStreams.js"

/** The streams that the pool has asked for, and the pause after a failure. */
export class StreamAsking {
  private readonly options: RequestMachineOptions
  /** Streams that are awaited. */
  asked = 0
  /** When the pool may ask again; `-Infinity`: now. */
  private readyAt = -Infinity
  private pause = firstPause

  constructor(options: RequestMachineOptions) {
    this.options = options
  }

  /**
   * How many more streams the waiting requests need. Streams that leave have their places beside the others, as many
   * again.
   */
  missing(waiting: number, streams: SharedStreams<any>, now: Moment): number {
    if (waiting === 0) return 0
    const { maxInFlight, maxStreams } = this.options
    const room = Math.min(maxStreams - streams.open, 2 * maxStreams - streams.size)
    const wanted = Math.min(Math.ceil((waiting - streams.expected(now)) / maxInFlight), room)
    return this.isReady(now) ? Math.max(0, wanted - this.asked) : 0
  }

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
