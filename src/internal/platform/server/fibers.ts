/** The fibers of a server's handlers. */
import { findError, hasDies, isInterruptedOnly } from "#effect/cause"
import { callback } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { fork, forkScoped, type PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type FramingError, isFramingError } from "../../../FramingError.js"

/** Whether the client sent what it may not; one that left within a message is no news. */
const isRefusal = ({ operation, reason }: FramingError): boolean => operation === "read" && reason !== "Truncated"

export class Fibers {
  private readonly runtime: PoolRuntime
  private readonly running = new Set<RunningFiber<unknown, unknown>>()
  private waiting: Array<{ readonly max: number; readonly wake: () => void }> = []
  private readonly refused: (why: FramingError) => void

  /** `refused` tells of a handler that failed since its client broke a limit. */
  constructor(runtime: PoolRuntime, refused: (why: FramingError) => void) {
    this.runtime = runtime
    this.refused = refused
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
    const error = findError(cause)
    if (Option.isSome(error) && isFramingError(error.value) && isRefusal(error.value)) this.refused(error.value)
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
