/** The fibers of a server's handlers. */
import { hasDies, isInterruptedOnly } from "#effect/cause"
import { callback } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { fork, forkScoped, type PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

export class Fibers {
  private readonly runtime: PoolRuntime
  private readonly running = new Set<RunningFiber<unknown, unknown>>()
  private waiting: Array<() => void> = []

  constructor(runtime: PoolRuntime) {
    this.runtime = runtime
  }

  /** Runs a handler on a fiber and a scope of its own. `what` names it in logs. */
  run(handler: Effect.Effect<unknown, unknown, Scope.Scope>, what: "session" | "stream"): void {
    const fiber = forkScoped(this.runtime, handler, (exit) => {
      this.running.delete(fiber)
      if (Exit.isFailure(exit)) this.report(exit, what)
      if (this.running.size > 0) return
      const { waiting } = this
      this.waiting = []
      for (const wake of waiting) wake()
    })
    this.running.add(fiber)
  }

  interrupt(): void {
    for (const fiber of this.running) interruptFiber(fiber)
  }

  /** Completes when no handler runs. */
  readonly empty: Effect.Effect<void> = callback<void>((resume) => {
    if (this.running.size === 0) return resume(Effect.void)
    this.waiting.push(() => resume(Effect.void))
  })

  /** An error is most often a client that left; a defect is a mistake. An interruption is the server's own doing. */
  private report({ cause }: Exit.Failure<unknown, unknown>, what: "session" | "stream"): void {
    if (isInterruptedOnly(cause)) return
    const text = `the handler of a ${what} failed; the ${what} ends`
    const line = hasDies(cause) ? Effect.logWarning(text, cause) : Effect.logDebug(text, cause)
    fork(
      this.runtime,
      Effect.annotateLogs(line, {
        package: "effect-pools",
        module: "NodeWebTransportServer",
        event: "HandlerFailure"
      })
    )
  }
}
