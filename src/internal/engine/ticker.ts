/** One fiber that sleeps until the machine's next tick; no fiber while nothing is due. */
import { andThen } from "#effect/effect"
import { fork } from "#effect/poolRuntime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Sleeper } from "../time/sleeper.js"
import type { PoolParts } from "./parts.js"

/** A tick this many milliseconds late was held up, and answers that came in time may be held up, too. */
const heldUp = 100

export class Ticker<A, E, V> {
  private readonly parts: PoolParts<A, E, V>
  private readonly sleeper: Sleeper
  private dueAt = Infinity

  constructor(parts: PoolParts<A, E, V>) {
    const { machine, runtime, time } = parts
    this.parts = parts
    const tick = Effect.map(Random.next, (chance) => machine.tick(time.read(), chance))
    // one turn of I/O first: an answer may have arrived in time
    const late = andThen(runtime.clock.sleep(Duration.zero), tick)
    this.sleeper = new Sleeper(
      runtime.clock,
      (effect) => fork(runtime, effect),
      Effect.suspend(() => time.read().monotonic - this.dueAt > heldUp ? late : tick)
    )
  }

  wakeAt(at: number): void {
    this.dueAt = at
    this.sleeper.sleep(at - this.parts.time.read().monotonic)
  }

  /** Cancels the sleep when the fibers that run now are done: a new borrow may make something due. */
  rest(): void {
    const { machine, runtime, time } = this.parts
    const disarm = Effect.sync(() => {
      if (machine.disarm(time.read())) this.cancel()
    })
    fork(runtime, disarm)
  }

  cancel(): void {
    this.sleeper.cancel()
  }
}
