import type { RequestSession, SharedRequest, SharedStream } from "./sharedStream.js"

/** Milliseconds after which an unused stream goes back. */
export const idleTime = 1_000

/**
 * Milliseconds that requests wait for a stream whose write is under way, before they want another stream. A transport that
 * has room completes a write within a few turns of the event loop, also of a busy one. One that takes longer is held back by
 * its peer; waiting for it longer would delay requests by more than a round trip.
 */
export const writeTime = 20

/** Milliseconds between a failed opening and the next, while other streams are open. */
export const firstPause = 10
export const lastPause = 1_000

/** A moment of the monotonic clock, in milliseconds. The clock is read on access. */
export interface Moment {
  readonly monotonic: number
}

/** Times are milliseconds, sizes bytes. */
export interface RequestMachineOptions {
  readonly maxStreams: number
  readonly maxInFlight: number
  /** Whether answers have ids, and come in any order; otherwise they come in turn. */
  readonly correlate: boolean
  readonly maxBatch: number
  readonly maxBuffered: number
  readonly maxWaiters: number
  readonly acquireTimeout: number
  /** `Infinity`: a silent session is no fault. */
  readonly silenceTimeout: number
  readonly shutdownGrace: number
}

/** The pool that the streams are borrowed from. */
export interface StreamSupply {
  /** False when it drains or closes. */
  readonly isOpen: boolean
  /** Other borrowers wait for a stream, or for a session. */
  readonly isWanted: boolean
}

/** `Clean`: the stream may be lent again. `Silent`: its session did not answer, either. */
export type GivenBack = "Clean" | "Spoiled" | "Silent"

/**
 * Why a request was not sent. `QueueFull`: too many requests wait. `AcquireTimeout`: no stream had room in time.
 * `NoStream`: no stream could be borrowed. `PoolClosed`: the pool takes no requests. `Changed`: its message no longer has the
 * size that it had.
 */
export type Refusal<F> =
  | { readonly _tag: "QueueFull" }
  | { readonly _tag: "AcquireTimeout" }
  | { readonly _tag: "NoStream"; readonly failure: F }
  | { readonly _tag: "PoolClosed" }
  | { readonly _tag: "Changed" }

/**
 * Why a request that was sent gets no answer. `Broken`: its stream is lost. `Silent`: its session is silent, and a ping
 * failed. `Overflow`: too many answers wait for the consumer. `GraceOver`: the pool closed, and `shutdownGrace` is over.
 */
export type Loss<F> =
  | { readonly _tag: "Broken"; readonly failure: F }
  | { readonly _tag: "Silent" }
  | { readonly _tag: "Overflow" }
  | { readonly _tag: "GraceOver" }

/**
 * The figure that a request ends in. `timeouts`: no stream had room in time. `rejections`: too many waited. `abandoned`: its
 * caller left. `failures`: any other end without the last answer.
 */
export type RequestEnd = "answered" | "failures" | "timeouts" | "rejections" | "abandoned"

/** When batches are written: before other events are handled, or after all events of this turn of the event loop. */
export type FlushTime = "Now" | "EndOfTurn"

/** The commands of the machine to its shell, after the transition. */
export type RequestCommand<F> =
  /** Answered by `opened` or `openFailed`. */
  | { readonly _tag: "OpenStream" }
  /** Answered by `flush`. */
  | { readonly _tag: "Flush"; readonly when: FlushTime }
  /** Hands the requests over in one write. Answered by `handedOver`, and later by `written`. */
  | {
    readonly _tag: "Write"
    readonly stream: SharedStream<any>
    readonly requests: ReadonlyArray<SharedRequest>
    readonly size: number
  }
  | { readonly _tag: "GiveBack"; readonly stream: SharedStream<any>; readonly how: GivenBack }
  /** The request was not sent. */
  | { readonly _tag: "Refuse"; readonly request: SharedRequest; readonly refusal: Refusal<F> }
  /** The peer may have received the request. */
  | { readonly _tag: "Fail"; readonly request: SharedRequest; readonly loss: Loss<F> }
  /** Answered by `pinged`. */
  | { readonly _tag: "Ping"; readonly session: RequestSession }
  /**
   * Ends the requests that have a stream of their own: those on the silent session, or all, as the pool closes and they have
   * no time left.
   */
  | { readonly _tag: "EndExclusive"; readonly silent: RequestSession | undefined }
  /** No request waits, and none is in flight. */
  | { readonly _tag: "Drained" }
  /** No stream is awaited any longer. One that comes nevertheless is told by `opened`. */
  | { readonly _tag: "Closed" }
  /** Figures may have changed. Only while the pool is observed. */
  | { readonly _tag: "Changed" }
  /** Answered by `tick`. The machine sends it only to wake earlier than before. */
  | { readonly _tag: "WakeAt"; readonly at: number }

/** What happened since the start. A request that began is live, or has ended in one of the figures of `RequestEnd`. */
export class RequestCounters implements Record<RequestEnd, number> {
  /** Requests on shared streams, and on streams of their own. */
  begun = 0
  /** Requests that were sent on shared streams. */
  sent = 0
  batches = 0
  /** The maximum number of requests in a batch. */
  largestBatch = 0
  /** Answers that no caller waited for. */
  late = 0
  answered = 0
  failures = 0
  timeouts = 0
  rejections = 0
  abandoned = 0
  /** The maximum number of requests in flight at once. */
  peak = 0

  wrote(requests: number, inFlight: number): void {
    this.sent += requests
    this.batches++
    this.largestBatch = Math.max(this.largestBatch, requests)
    this.peak = Math.max(this.peak, inFlight)
  }
}
