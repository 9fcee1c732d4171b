/** Performs the machine's commands: creates, watches and closes items, wakes borrowers, passes on the rest. */
import { andThen, type CloseableScope, provideScope } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { fork } from "#effect/poolRuntime"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Time } from "../core/clock.js"
import type { Command } from "../core/pool/commands.js"
import type { Reason } from "../core/pool/item.js"
import { concurrencyAnswer } from "../options/engineOptions.js"
import { formatProblems } from "../options/optionChecks.js"
import { decodeOne } from "../options/optionTable.js"
import type { CheckRunner } from "./checkRunner.js"
import type { PoolEnds } from "./ends.js"
import type { PoolEvents } from "./events.js"
import { explain, runHook, takeHandle } from "./itemHooks.js"
import type { PoolParts } from "./parts.js"
import { wake } from "./queue.js"
import type { ItemHandle, PoolData, PoolItem } from "./records.js"
import type { Reports } from "./reports.js"
import type { Returns } from "./returns.js"
import type { PoolSpans } from "./spans.js"
import type { Ticker } from "./ticker.js"
import type { PoolTimer } from "./timer.js"

export interface LifecycleParts<A, E, V> extends PoolParts<A, E, V> {
  readonly checks: CheckRunner<A, E, V>
  readonly returns: Returns<A, E, V>
  readonly ends: PoolEnds<A, E, V>
  readonly events: PoolEvents
  readonly reports: Reports<A, E, V>
  readonly spans: PoolSpans
  readonly ticker: Ticker
  readonly timer: PoolTimer
  /** Figures may have changed. */
  changed(): void
}

const noWatchers: ItemHandle["watchers"] = []

export class Lifecycle<A, E, V> {
  /** The number of items whose finalizers failed or took too long. */
  finalizerFailures = 0
  private readonly parts: LifecycleParts<A, E, V>
  /** The number of items that the closing pool closed under their borrowers. */
  private forced = 0

  constructor(parts: LifecycleParts<A, E, V>) {
    this.parts = parts
  }

  perform(command: Command<A, Cause.Cause<E>, PoolData>): void {
    const { adapter, checks, ends, reports, returns, ticker } = this.parts
    switch (command._tag) {
      case "Wake":
        return wake(command.waiter)
      case "WakeAt":
        return ticker.wakeAt(command.at)
      case "Rest":
        return ticker.rest()
      case "Create":
        return this.create(command.item)
      case "CancelCreation":
        return interruptFiber(command.item.running)
      case "Check":
        return checks.start(command.check)
      case "CancelCheck":
        return checks.cancel(command.check)
      case "CheckTimedOut":
        return checks.timedOut(command.check)
      case "Heard":
        return adapter.alive?.(command.item.value)
      case "ReleaseTimedOut":
        return returns.timedOut(command.release)
      case "Destroy":
        return this.destroy(command.item, command.reason)
      case "Leaving":
        return adapter.leaving?.(command.item.value)
      case "LeaveBehind":
        return this.leaveBehind()
      case "Reached":
        return ends.reached(command.refusal)
      case "Backoff":
        return reports.backoff(command.refusal, command.delay)
      case "Recovered":
        return reports.recovered()
      case "Paused":
        return this.parts.log.earlyDeath(command.delay)
      case "Exhausted":
        return reports.exhausted(command.waited)
      case "Overdue":
        return reports.overdue(command.record)
      case "DrainsSlowly":
        return reports.drainsSlowly(command.waited)
      case "Drained":
        return ends.drained()
      case "Unused":
        return this.parts.whole?.unused()
      case "Changed":
        return this.parts.changed()
      case "Closed":
        return this.close()
      default:
        return this.parts.whole?.perform(command)
    }
  }

  // --- creation

  private create(item: PoolItem<A>): void {
    const { adapter, machine, runtime, spans, time, timer } = this.parts
    const acquire = spans.create(adapter.acquire, machine.waiters.first?.borrower)
    const program = Effect.flatMap(Scope.make(), (scope) => {
      const start = timer.start()
      return Effect.flatMap(
        Effect.zip(Effect.exit(Effect.interruptible(provideScope(acquire, scope))), Random.next),
        ([exit, chance]) => {
          if (this.admit(item, scope, exit, chance)) return Effect.sync(() => timer.created(start))
          const gone = Effect.sync(() => machine.gone(item, time.read()))
          return andThen(this.closeScope(scope, exit), gone)
        }
      )
    })
    const fiber = fork(runtime, program)
    // with a scheduler that runs at once, the creation may be over already
    if (item.state === "Creating" || item.state === "Outdated") item.running = fiber
  }

  /** Puts a created item into the pool, in one step. False: the creation failed, or the pool no longer needs the item. */
  private admit(item: PoolItem<A>, scope: CloseableScope, exit: Exit.Exit<A, E>, chance: number): boolean {
    const { adapter, events, machine, time } = this.parts
    item.running = undefined
    // called first, since the hook may call back
    const concurrency: Exit.Exit<number, E> = Exit.isSuccess(exit)
      ? this.askConcurrency(exit.value)
      : Exit.failCause(exit.cause)
    if (item.state === "Outdated") {
      machine.endOutdated(item, time.read())
      return false
    }
    if (item.state !== "Creating") return false
    if (Exit.isFailure(concurrency)) {
      machine.createFailed(item, concurrency.cause, time.read(), chance)
      return false
    }
    const { value } = exit as Exit.Success<A, E>
    item.handle = { scope, watchers: this.watch(item, value, scope), cause: undefined, loan: undefined }
    if (adapter.standing !== undefined) item.standing = adapter.standing(value)
    machine.created(item, value, concurrency.value, time.read(), chance)
    events.announce({ _tag: "Created" })
    // last: if the item died meanwhile, this ends it at once
    adapter.watch?.(value, {
      isIdle: () => item.state === "Idle",
      lost: (cause) => {
        if (cause !== undefined && item.handle !== undefined) {
          explain(this.parts.log, "lost", item, Exit.failCause(cause))
        }
        machine.lost(item, time.read())
      },
      retire: () => machine.retire(item, time.read()),
      proven: () => machine.proven(item, time.read()),
      heard: () => machine.heard(item, time.read())
    })
    return true
  }

  private askConcurrency(item: A): Exit.Exit<number> {
    const { adapter, machine, name } = this.parts
    const ask = (): Exit.Exit<number> => {
      if (adapter.concurrency === undefined) return Exit.succeed(machine.policy.expectedConcurrency)
      const concurrency = adapter.concurrency(item)
      const { decoded, problems } = decodeOne(concurrencyAnswer, concurrency, "concurrency")
      return problems.length === 0
        ? Exit.succeed(decoded)
        : Exit.die(new RangeError(`[${name}] ${formatProblems(problems)}`))
    }
    return runHook(ask) as Exit.Exit<number>
  }

  private watch(item: PoolItem<A>, value: A, scope: Scope.Scope): ItemHandle["watchers"] {
    const { adapter: { lost, retire }, log, machine, runtime, time } = this.parts
    if (lost === undefined && retire === undefined) return noWatchers
    const watchers: Array<RunningFiber<unknown, unknown>> = []
    const start = (
      name: "lost" | "retire",
      hook: typeof lost,
      then: (item: PoolItem<A>, now: Time) => void
    ) => {
      if (hook === undefined) return
      const effect = Effect.suspend(() => hook(value)).pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.interruptible,
        Effect.exit,
        Effect.map((exit) => explain(log, name, item, exit)),
        // after the item's end the machine ignores this
        Effect.ensuring(Effect.sync(() => then(item, time.read())))
      )
      watchers.push(fork(runtime, effect))
    }
    start("lost", lost, (item, now) => machine.lost(item, now))
    start("retire", retire, (item, now) => machine.retire(item, now))
    return watchers
  }

  // --- closing

  private destroy(item: PoolItem<A>, reason: Reason): void {
    const { events, machine, runtime, spans, time } = this.parts
    const { cause, scope } = takeHandle(item)
    if (item.borrowers > 0) this.countForced(item, reason)
    this.parts.adapter.destroyed?.(item.value, reason)
    events.announce({ _tag: "Destroyed", reason, cause })
    const closing = spans.close(this.closeScope(scope, Exit.void), reason)
    fork(runtime, andThen(closing, Effect.sync(() => machine.gone(item, time.read()))))
  }

  private closeScope(scope: CloseableScope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.matchCauseEffect(Scope.close(scope, exit), {
      onSuccess: () => Effect.void,
      onFailure: (cause) => {
        this.finalizerFailures++
        return this.parts.log.finalizerFailed(cause)
      }
    })
  }

  /** The pool closes an item under its borrowers. A lost item does not count: it died by itself. */
  private countForced({ permit }: PoolItem<A>, reason: Reason): void {
    const { log, machine } = this.parts
    // one log line for all, when the pool is closed
    if (reason === "closed") this.forced++
    if (reason !== "retired") return
    if (permit?.hasExpired === true) log.forcedByPermit()
    else log.forcedByRetireGrace(machine.policy.retireGrace)
  }

  private leaveBehind(): void {
    this.finalizerFailures++
    this.parts.log.leftBehind(this.parts.machine.policy.closeTimeout)
  }

  private close(): void {
    const { adapter, ends, events, log, returns, ticker } = this.parts
    ticker.cancel()
    if (this.forced > 0) log.forcedByShutdown(this.forced)
    returns.close()
    events.end()
    adapter.closed?.()
    ends.closed()
    this.parts.whole?.closed()
  }
}
