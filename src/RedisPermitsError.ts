/**
 * The error of `RedisPermits`: why no permit came from Redis, and what to do about it.
 *
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/**
 * Marks every {@link RedisPermitsError}, across copies of this package.
 *
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("effect-pools/RedisPermitsError")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * What went wrong.
 *
 * - `Unsupported`: the package `ioredis` is not installed.
 * - `Unreachable`: there is no connection to Redis, or Redis did not answer in time.
 * - `Refused`: Redis answered with an error: it lacks memory, the user may not do that, it is a replica, a key
 *   holds something else, and so on.
 * - `Closed`: the scope of the permits has closed.
 *
 * @since 0.2.0
 * @category models
 */
export type Reason = "Unsupported" | "Unreachable" | "Refused" | "Closed"

const advice: Record<Reason, string> = {
  Unsupported: "npm install ioredis",
  Unreachable:
    "check the URL, and that Redis runs; permits that the process has are good until their time to live ends",
  Refused: "the user of Redis needs EVALSHA, EVAL, INFO, PUBLISH and SUBSCRIBE, and the keys and channels of the limit",
  Closed: "let the scope of the permits outlive the pools that use them"
}

/**
 * No permit came. `reason` tells the cases apart, `cause` is the error of the client or of Redis, and `message` names
 * Redis' host and says what to do.
 *
 * @since 0.2.0
 * @category errors
 */
export class RedisPermitsError extends Data.TaggedError("RedisPermitsError")<{
  /** The case. */
  readonly reason: Reason
  /** What happened, in a few words, with the host and port of Redis. */
  readonly detail: string
  /** What to do, where the reason alone does not tell. */
  readonly advice?: string | undefined
  /** The error of the client, or of Redis. */
  readonly cause?: unknown
}> {
  /**
   * Marks the error, across copies of this package.
   *
   * @since 0.2.0
   */
  readonly [TypeId]: TypeId = TypeId

  /** @since 0.2.0 */
  override get message(): string {
    return `${this.reason}: ${this.detail}; ${this.advice ?? advice[this.reason]}`
  }

  /**
   * The members and the message, for logs.
   *
   * @since 0.2.0
   */
  override toJSON(): object {
    return { ...(super.toJSON() as object), message: this.message }
  }
}

/**
 * Whether a value is a {@link RedisPermitsError}, even one from another copy of this package.
 *
 * @since 0.2.0
 * @category guards
 */
export const isRedisPermitsError = (u: unknown): u is RedisPermitsError => Predicate.hasProperty(u, TypeId)
