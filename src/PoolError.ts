/**
 * What a borrower of a waiting pool may meet besides the failure of the resource itself.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

/**
 * Marks every `PoolError`.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-pools/PoolError")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * Why there was no item:
 *
 * - `AcquireTimeout`: none came within `acquireTimeout`, or making one took longer than `createTimeout`
 * - `QueueFull`: `maxWaiters` were waiting already
 * - `PoolClosed`: the pool drains, closes, or is closed
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "AcquireTimeout" | "QueueFull" | "PoolClosed"

/**
 * No item could be borrowed. It carries the state of the pool at that moment, so that a log line tells whether the
 * pool was too small, the borrowers too slow, or the resource down.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoolError extends Data.TaggedError("PoolError")<{
  readonly reason: Reason
  /** The name of the pool. */
  readonly pool: string
  /** How long the borrower waited. */
  readonly waited: Duration.Duration
  /** Items that are live. */
  readonly size: number
  /** The most items that the pool may have. */
  readonly maxSize: number
  /** Items lent. */
  readonly inUse: number
  /** Items being made. */
  readonly creating: number
  /** Borrowers in the queue. */
  readonly waiters: number
  /** What happened, where the reason does not say it. */
  readonly detail?: string | undefined
}> {
  /**
   * Marks it, across copies of this package.
   *
   * @since 0.1.0
   */
  readonly [TypeId]: TypeId = TypeId

  private get advice(): string {
    return this.inUse === 0 && this.creating > 0
      ? "Making one has not come to an end: is the resource there, and does it answer?"
      : "Borrow for a shorter time, or raise maxSize or the time limit."
  }

  /**
   * What happened, the state of the pool, and what to do.
   *
   * @since 0.1.0
   */
  override get message(): string {
    const state = `${this.inUse} of ${this.size} items in use, at most ${this.maxSize}, ${this.creating} being made, ` +
      `${this.waiters} waiting`
    const pool = `Pool "${this.pool}"`
    switch (this.reason) {
      case "AcquireTimeout":
        return `${pool} had no item within ${Duration.format(this.waited)}: ${state}. ${this.detail ?? this.advice}`
      case "QueueFull":
        return `${pool} has its fill of waiters (${this.detail}): ${state}. ` +
          "Send less at once, or raise maxSize or maxWaiters."
      case "PoolClosed":
        return `${pool} is closed to borrowers: ${state}. Borrow within the lifetime of the layer or scope that made it.`
    }
  }

  /**
   * Its members and its message, for logs.
   *
   * @since 0.1.0
   */
  override toJSON(): object {
    return { ...(super.toJSON() as object), message: this.message }
  }
}

/**
 * Whether a value is a `PoolError`, also one of another copy of this package.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPoolError = (u: unknown): u is PoolError => Predicate.hasProperty(u, TypeId)
