/** Checks of items: by `validate` before a borrow, by `keepAlive.ping` in the background. */
import { timeout } from "#effect/cause"
import { interruptFiber } from "#effect/fiber"
import { isDone } from "#effect/fiberFrame"
import { forkScoped } from "#effect/poolRuntime"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { CheckResult } from "../core/pool/item.js"
import { blame, explain, infoOf, runHook } from "./itemHooks.js"
import type { PoolParts } from "./parts.js"
import type { PoolCheck } from "./records.js"

const nameOf = ({ hook }: PoolCheck<any>): "validate" | "keepAlive.ping" => hook === "ping" ? "keepAlive.ping" : hook

export class CheckRunner<A, E, V> {
  private readonly parts: PoolParts<A, E, V>
  /** Whether a check has reached its time limit, and no check has passed since. */
  private meetTheirLimit = false

  constructor(parts: PoolParts<A, E, V>) {
    this.parts = parts
  }

  /** Calls the hook. The returned effect may be done already. */
  ask({ hook, item }: PoolCheck<A>): Effect.Effect<unknown, unknown, Scope.Scope> {
    const { adapter: { ping, validate }, time } = this.parts
    return runHook(() => hook === "ping" ? ping!(item.value) : validate!(item.value, infoOf(item, time)))
  }

  start(check: PoolCheck<A>): void {
    const effect = this.ask(check)
    if (isDone(effect)) this.tell(check, effect)
    else this.run(check, effect)
  }

  run(check: PoolCheck<A>, effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    check.running = forkScoped(this.parts.runtime, effect, (exit) => this.tell(check, exit))
  }

  private tell(check: PoolCheck<A>, exit: Exit.Exit<unknown, unknown>): void {
    const result = this.resultOf(check, exit)
    this.parts.machine.checked(check, result, this.parts.time.read())
  }

  resultOf(check: PoolCheck<A>, exit: Exit.Exit<unknown, unknown>): CheckResult {
    explain(this.parts.log, nameOf(check), check.item, exit)
    const passed = Exit.isSuccess(exit) && (check.hook === "ping" || exit.value === true)
    if (passed) this.meetTheirLimit = false
    return passed ? "passed" : "failed"
  }

  cancel(check: PoolCheck<A>): void {
    interruptFiber(check.running)
  }

  timedOut(check: PoolCheck<A>): void {
    const hook = nameOf(check)
    blame(check.item, timeout(`${hook} took longer than checkTimeout`))
    // a dead peer affects many items: one log line for all
    if (!this.meetTheirLimit) this.parts.log.hookTookTooLong(hook, this.parts.machine.policy.checkTimeout)
    this.meetTheirLimit = true
  }
}
