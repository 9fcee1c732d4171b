/**
 * Snapshots of the figures of request pools. `PoolStats` has the same export.
 *
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"

/**
 * The figures of a `RequestPool` at one moment. Reading them is O(1) and changes nothing.
 *
 * Every request ends in one figure: `requests` = `answered` + `failures` + `timeouts` + `rejections` + `abandoned`, and those
 * that go on: `inFlight` + `exclusive` + `waiters`.
 *
 * @since 0.2.0
 * @category models
 */
export class RequestPoolStats extends Data.Class<{
  /** The pool's name. */
  readonly pool: string
  /** Shared streams that the pool has. */
  readonly streams: number
  /** Shared streams that are being opened. */
  readonly opening: number
  /** `maxStreams`: the maximum number of shared streams that take requests. */
  readonly max: number
  /** Requests on shared streams whose callers wait for an answer. */
  readonly inFlight: number
  /** Requests on shared streams whose callers have left; their answers may still come. */
  readonly forgotten: number
  /** Requests that have a stream of their own, or wait for one. */
  readonly exclusive: number
  /** Requests that wait for a shared stream with room. */
  readonly waiters: number
  /** Requests since the start, on shared streams and on streams of their own, sent or not. */
  readonly requests: number
  /** Requests that had their answer, or the last of their answers. */
  readonly answered: number
  /** Requests since the start that were sent on shared streams. */
  readonly sent: number
  /** Writes of requests since the start. */
  readonly batches: number
  /** The maximum number of requests in one write. */
  readonly largestBatch: number
  /** Answers that came when no caller waited for them any more, and were dropped. */
  readonly lateAnswers: number
  /** Requests that waited for a stream until `acquireTimeout`. */
  readonly timeouts: number
  /** Requests refused by `maxWaiters`, of this pool or of its `StreamPool`. */
  readonly rejections: number
  /** Requests, sent or not, whose callers left before the last answer: most were interrupted. */
  readonly abandoned: number
  /** Requests that failed in another way, sent or not: no stream could be had, or it broke, or the pool was closed. */
  readonly failures: number
  /** The maximum of `inFlight`. */
  readonly peak: number
}> {
  /**
   * How many requests left in one write: `sent` / `batches`; 0 before the first one.
   *
   * @since 0.2.0
   */
  get meanBatch(): number {
    return this.batches === 0 ? 0 : this.sent / this.batches
  }

  /**
   * The figures and the mean, as plain data.
   *
   * @since 0.2.0
   */
  toJSON(): unknown {
    return { _id: "RequestPoolStats", ...this, meanBatch: this.meanBatch }
  }

  /**
   * The same as text, in one line.
   *
   * @since 0.2.0
   */
  override toString(): string {
    return JSON.stringify(this.toJSON())
  }

  /**
   * The output of Node's `inspect`.
   *
   * @since 0.2.0
   */
  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}
