import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

/** One fiber that sleeps until something is due, and none while nothing is. */
export class Sleeper {
  private readonly clock: Clock.Clock
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<unknown, unknown>
  private readonly wake: Effect.Effect<void>
  private fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined

  constructor(
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<unknown, unknown>,
    wake: Effect.Effect<void>
  ) {
    this.clock = clock
    this.fork = fork
    this.wake = wake
  }

  /** In so many milliseconds. Replaces an earlier call. */
  sleep(delay: number): void {
    this.cancel()
    // whole ones: a clock that rounds down would wake it too early, for ever; and no more than Effect's clock can wait
    const millis = Math.min(Math.max(0, Math.ceil(delay)), 0x7fff_ffff)
    this.fiber = this.fork(
      Effect.zipRight(
        Effect.interruptible(this.clock.sleep(Duration.millis(millis))),
        Effect.suspend(() => {
          this.fiber = undefined
          return this.wake
        })
      )
    )
  }

  cancel(): void {
    this.fiber?.unsafeInterruptAsFork(FiberId.none)
    this.fiber = undefined
  }
}
