import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export * from "effect/Clock"

export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()
export const nanosOf = (clock: Clock.Clock): bigint => clock.unsafeCurrentTimeNanos()

export interface Changes {
  /** The wall clock. */
  readonly millis?: () => number
  /** The monotonic clock. */
  readonly nanos?: () => bigint
  readonly sleep?: (duration: Duration.Duration) => Effect.Effect<void>
}

/** The same clock, except for the changes. */
export const changed = (clock: Clock.Clock, { millis, nanos, sleep }: Changes): Clock.Clock =>
  Object.assign(
    Object.create(clock),
    millis && { unsafeCurrentTimeMillis: millis, currentTimeMillis: Effect.sync(millis) },
    // its own would be made of the changed milliseconds
    { unsafeCurrentTimeNanos: nanos ?? (() => nanosOf(clock)) },
    nanos && { currentTimeNanos: Effect.sync(nanos) },
    sleep && { sleep }
  )
