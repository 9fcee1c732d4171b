import { andThen } from "#effect/effect"
import { type AnyFiber, interruptFiber } from "#effect/fiber"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Sleeps on one fiber until the next due time. While nothing is due, it has no fiber. */
export class Sleeper {
  private readonly clock: Clock.Clock
  private readonly fork: (effect: Effect.Effect<void>) => AnyFiber
  private readonly wake: Effect.Effect<void>
  private fiber: AnyFiber | undefined

  constructor(
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<void>) => AnyFiber,
    wake: Effect.Effect<void>
  ) {
    this.clock = clock
    this.fork = fork
    this.wake = wake
  }

  /** Wakes after `delay` milliseconds. Replaces an earlier call. */
  sleep(delay: number): void {
    this.cancel()
    // whole milliseconds, since a clock that rounds down would wake too early, again and again; at most the longest wait of
    // Effect's clock
    const millis = Math.min(Math.max(0, Math.ceil(delay)), 0x7fff_ffff)
    this.fiber = this.fork(
      andThen(
        Effect.interruptible(this.clock.sleep(Duration.millis(millis))),
        Effect.suspend(() => {
          this.fiber = undefined
          return this.wake
        })
      )
    )
  }

  cancel(): void {
    interruptFiber(this.fiber)
    this.fiber = undefined
  }
}
