/**
 * The error of a request over a pooled stream.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import type { FramingError } from "./FramingError.js"
import type { PoolError } from "./PoolError.js"
import type { WebTransportError } from "./WebTransportError.js"

/**
 * Marks every `RequestError`.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-pools/RequestError")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * What went wrong:
 *
 * - `Borrow`: no stream was available; the cause says why
 * - `Transport`: writing or reading failed
 * - `Framing`: the message is too large, or the answer is not a message
 * - `NoAnswer`: the peer finished the stream instead of answering
 * - `Overflow`: answers came faster than the consumer took them, and more than `maxBuffered` bytes waited; or one answer
 *   is larger than that (since 0.2.0)
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "Borrow" | "Transport" | "Framing" | "NoAnswer" | "Overflow"

const summaries: Record<Reason, string> = {
  Borrow: "there was no stream to send it on",
  Transport: "the stream broke",
  Framing: "a message was invalid",
  NoAnswer: "the peer finished the stream instead of answering",
  Overflow: "more bytes of answers waited for the consumer than maxBuffered allows"
}

/**
 * A request failed. `sent` says whether the peer may have received it. `"no"`: no byte was handed to the transport, so
 * you can send the request again. `"maybe"`: send it again only if doing it twice does no harm.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestError extends Data.TaggedError("RequestError")<{
  readonly reason: Reason
  readonly sent: "no" | "maybe"
  /** The error of the pool, the transport or the framing; absent with `NoAnswer` and `Overflow`. */
  readonly cause?: PoolError | WebTransportError | FramingError | undefined
}> {
  /**
   * Marks the error, across copies of this package.
   *
   * @since 0.1.0
   */
  readonly [TypeId]: TypeId = TypeId

  /** @since 0.1.0 */
  override get message(): string {
    const why = this.cause === undefined ? "" : ` (${this.cause.message})`
    if (this.sent === "no" && this.reason === "Framing") return `${this.reason}: ${summaries[this.reason]}${why}`
    const then = this.sent === "no"
      ? "nothing was sent, so you can send it again"
      : "the peer may have received it: send it again only if that does no harm"
    return `${this.reason}: ${summaries[this.reason]}${why}; ${then}`
  }

  /**
   * The members and the message, for logs.
   *
   * @since 0.1.0
   */
  override toJSON(): object {
    return { ...(super.toJSON() as object), message: this.message }
  }
}

/**
 * Whether a value is a `RequestError`, even one from another copy of this package.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRequestError = (u: unknown): u is RequestError => Predicate.hasProperty(u, TypeId)
