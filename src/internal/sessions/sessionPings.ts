/** The pings of a pooled session: bytes that come make them needless, and a ping may be why the session goes. */
import { isInterruptedOnly } from "#effect/cause"
import { complete, into, makeDeferred } from "#effect/deferred"
import { forkDetach } from "#effect/effect"
import { interruptFiber } from "#effect/fiber"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ItemControl } from "../engine/resourcePool.js"
import { describeFailure } from "../observe/describeFailure.js"
import { SessionHandle } from "../transport/session.js"
import type { SessionCore } from "../transport/sessionCore.js"

/** The handle for a ping. */
export class PingHandle extends SessionHandle {
  override readonly streams = this.core.pings
  override readonly isPing = true
}

/** The pings of a pooled session. */
class SessionPings {
  private readonly core: SessionCore
  /** Ends the ping under way: bytes came. */
  private passPing: (() => void) | undefined = undefined
  /** The session's `bytesHeard` at the last ping. */
  private heard = 0
  private isUnanswered = false
  private failed: string | undefined = undefined

  constructor(core: SessionCore) {
    this.core = core
  }

  /** Why the session goes, if a ping is the reason. */
  get failure(): string | undefined {
    if (this.failed !== undefined) return this.failed
    return this.isUnanswered && this.heard === this.core.bytesHeard
      ? "nothing came within checkTimeout of a ping"
      : undefined
  }

  /** Tells the pool of the bytes that come on the session: until an interval after them, it sends no ping. */
  watch(control: ItemControl): void {
    this.core.whenHeard = () => {
      control.heard()
      this.passPing?.()
    }
  }

  /** Passes also as soon as any bytes come on the session: they prove as much, and a pong may be queued behind them for long. */
  heardOr<E, R>(ping: Effect.Effect<unknown, E, R>): Effect.Effect<unknown, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      const outcome = makeDeferred<unknown, E>()
      this.heard = this.core.bytesHeard
      this.isUnanswered = true
      this.passPing = () => complete(outcome, Exit.void)
      // on its own fiber: the check does not wait for the end of an abandoned ping
      return Effect.flatMap(
        forkDetach(into(restore(ping), outcome)),
        (fiber) =>
          restore(Deferred.await(outcome)).pipe(
            Effect.onExit((exit) => {
              this.passPing = undefined
              if (Exit.isSuccess(exit)) this.isUnanswered = false
              else if (!isInterruptedOnly(exit.cause)) {
                this.failed = `keepAlive.ping failed (${describeFailure(Cause.squash(exit.cause))})`
              }
              return Effect.sync(() => interruptFiber(fiber))
            })
          )
      )
    })
  }
}

const known = new WeakMap<SessionCore, SessionPings>()

export const pingsOf = (core: SessionCore): SessionPings => {
  let pings = known.get(core)
  if (pings === undefined) known.set(core, pings = new SessionPings(core))
  return pings
}
