/**
 * The error of messages on a byte stream.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/**
 * Marks every {@link FramingError}, across copies of this package.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-pools/FramingError")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * What was wrong:
 *
 * - `Truncated`: the stream ended within a message; `received` and `size` say where
 * - `Oversized`: a message, or the length that precedes it, is above `maxMessageSize`; `size` and `limit` say by how
 *   much
 * - `Malformed`: a message does not begin with a correlation id, although it should
 * - `Flooded` (since 0.2.0): `Framing.serve` got requests faster than it ends them, over a transport that does not hold
 *   the client back; `size` bytes waited, and `limit` is `maxBuffered`
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "Truncated" | "Oversized" | "Malformed" | "Flooded"

/**
 * A message could not be read or written. `reason` tells the cases apart, `message` says what to do.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Framing, type WebTransport } from "effect-pools"
 *
 * export const send = (stream: WebTransport.SendStream, message: Uint8Array) =>
 *   Framing.write(stream, message, { maxMessageSize: 1024 }).pipe(
 *     Effect.catchTag("FramingError", (error) => Effect.logError(`${error.size} bytes are too many`))
 *   )
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class FramingError extends Data.TaggedError("FramingError")<{
  /** The case. */
  readonly reason: Reason
  /** Whether the message came from the peer or was for the peer. */
  readonly operation: "read" | "write"
  /** Bytes in the message, as announced or given; absent if the stream ended before the length arrived. */
  readonly size?: number | undefined
  /** `Oversized`: the maximum bytes of a message. `Flooded`: those of all requests that wait. */
  readonly limit?: number | undefined
  /** `Truncated`: the bytes of the message that arrived. */
  readonly received?: number | undefined
  /** What happened, if the reason does not say it. */
  readonly detail?: string | undefined
}> {
  /**
   * Marks the error, across copies of this package.
   *
   * @since 0.1.0
   */
  readonly [TypeId]: TypeId = TypeId

  /**
   * What happened, and what to do.
   *
   * @since 0.1.0
   */
  override get message(): string {
    switch (this.reason) {
      case "Truncated":
        return `Truncated: the peer finished the stream ${
          this.size === undefined
            ? "within the length that precedes a message"
            : `after ${this.received} of ${this.size} bytes of a message`
        }; send the request again, on another stream`
      case "Oversized":
        return this.operation === "read"
          ? `Oversized: the peer announces a message of ${this.size} bytes, and maxMessageSize is ${this.limit}; ` +
            "check that the peer sends frames, raise maxMessageSize, or end the stream"
          : `Oversized: the message has ${this.size} bytes, and maxMessageSize is ${this.limit}; ` +
            "nothing was sent: send less at once, or raise maxMessageSize here and at the peer"
      case "Malformed":
        return `Malformed: ${this.detail ?? "the message does not begin with a correlation id"}; ` +
          "the peer must begin every request with an id, and every answer with the id of its request, as Framing.withId does"
      case "Flooded":
        return `Flooded: ${this.size} bytes of requests wait for others to end, and maxBuffered is ${this.limit}; ` +
          "raise concurrency or maxBuffered, or let the client have fewer requests in flight"
    }
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
 * Whether a value is a {@link FramingError}, even one from another copy of this package.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFramingError = (u: unknown): u is FramingError => Predicate.hasProperty(u, TypeId)
