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
  private waiting: Array<{ readonly max: number; readonly wake: () => void }> = []

  constructor(runtime: PoolRuntime) {
    this.runtime = runtime
  }

  /** Runs a handler on a fiber and a scope of its own. `what` names it in logs. */
  run(handler: Effect.Effect<unknown, unknown, Scope.Scope>, what: "session" | "stream"): void {
    const fiber = forkScoped(this.runtime, handler, (exit) => {
      this.running.delete(fiber)
      if (Exit.isFailure(exit)) this.report(exit, what)
      this.wake()
    })
    this.running.add(fiber)
  }

  interrupt(): void {
    for (const fiber of this.running) interruptFiber(fiber)
  }

  /** Completes when no handler runs. */
  readonly empty: Effect.Effect<void> = callback<void>((resume) => this.whenAtMost(0, () => resume(Effect.void)))

  /** Calls back when no more than `max` run; at once if that is so. */
  whenAtMost(max: number, wake: () => void): void {
    this.waiting.push({ max, wake })
    this.wake()
  }

  private wake(): void {
    const due = this.waiting.filter(({ max }) => this.running.size <= max)
    if (due.length === 0) return
    this.waiting = this.waiting.filter(({ max }) => this.running.size > max)
    for (const { wake } of due) wake()
  }

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
