import { LinkedList } from "../linkedList.js"
import type { LaneStream } from "./sessionLane.js"

/**
 * Milliseconds for the platform to complete the writes of a stream that is lent again; or to confirm the end of a stream,
 * after a reset or when it has taken all bytes.
 */
export const endingTimeout = 1_000

/** Streams that wait for the platform: it completes their writes, or confirms their end. Oldest first. */
export class StreamEndings {
  private readonly writing = new LinkedList<LaneStream<any, any>>()
  private readonly endings = new LinkedList<LaneStream<any, any>>()

  /** When the oldest stream becomes overdue. */
  get dueAt(): number {
    return Math.min(this.endings.first?.deadline ?? Infinity, this.writing.first?.deadline ?? Infinity)
  }

  awaitWrites(stream: LaneStream<any, any>, now: number): void {
    stream.deadline = now + endingTimeout
    this.writing.push(stream)
  }

  writesSettled(stream: LaneStream<any, any>): void {
    this.writing.remove(stream)
  }

  awaitEnd(stream: LaneStream<any, any>, now: number): void {
    stream.state = "Ending"
    stream.deadline = now + endingTimeout
    stream.takenAt = stream.lane.session.taken
    stream.lane.ending++
    this.endings.push(stream)
  }

  endConfirmed(stream: LaneStream<any, any>): void {
    if (stream.state !== "Ending") return
    stream.state = "Ended"
    stream.lane.ending--
    this.endings.remove(stream)
  }

  /** Returns a stream whose writes take too long, each of them once. */
  overdueWriter(now: number): LaneStream<any, any> | undefined {
    const stream = this.writing.first
    if (stream === undefined || stream.deadline > now) return undefined
    this.writing.remove(stream)
    return stream
  }

  /** Returns a stream whose end was not confirmed in time. */
  overdueEnd(now: number): LaneStream<any, any> | undefined {
    for (;;) {
      const stream = this.endings.first
      if (stream === undefined || stream.deadline > now) return undefined
      this.endConfirmed(stream)
      const { isSending, isWriting } = stream.stream
      // a reset waits for the write under way, which may take long on a slow session
      if (!isSending && (!isWriting || stream.takenAt === stream.lane.session.taken)) return stream
      this.awaitEnd(stream, now)
    }
  }
}
