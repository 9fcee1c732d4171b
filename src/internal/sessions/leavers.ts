import type { DurationInput } from "#effect/duration"
import { andThen, forkDetach } from "#effect/effect"
import type { RunningFiber } from "#effect/fiber"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SessionCore } from "../transport/sessionCore.js"

/**
 * Sessions that have left the pool with bytes still to send, written in success. They stay open until the bytes are sent, for
 * at most `retireGrace`, and at most until the pool has closed; the same limits as for a replaced session that is still lent.
 */
export class Leavers {
  private readonly leaving = new Map<SessionCore, RunningFiber<void, never>>()
  private readonly grace: DurationInput

  constructor(grace: DurationInput) {
    this.grace = grace
  }

  /** Closes the session later, on a fiber that no caller waits for. */
  leave(core: SessionCore, close: Effect.Effect<void>): Effect.Effect<void> {
    core.hasLeftPool = true
    return core.ends.untilDelivered.pipe(
      Effect.timeoutOption(this.grace),
      Effect.interruptible,
      Effect.exit,
      andThen(Effect.sync(() => core.ends.cutShort())),
      andThen(close),
      Effect.ensuring(Effect.sync(() => this.leaving.delete(core))),
      forkDetach,
      Effect.map((fiber) => {
        this.leaving.set(core, fiber)
      })
    )
  }

  /** Closes the remaining sessions, at the latest after `within`. */
  closeAll(within: DurationInput): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.leaving.size === 0) return Effect.void
      const gone = Effect.asVoid(Fiber.awaitAll([...this.leaving.values()]))
      const cut = Effect.suspend(() => {
        for (const core of this.leaving.keys()) core.ends.cutShort()
        return gone
      })
      return andThen(Effect.timeoutOption(Effect.interruptible(gone), within), cut)
    })
  }
}
