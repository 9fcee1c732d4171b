/** Runs the option `permit` for each permit that a pool's machine asks for, and watches the permits that the pool has. */
import { hasDies, isInterruptedOnly } from "#effect/cause"
import { andThen, attempt, type CloseableScope, provideScope } from "#effect/effect"
import { type AnyFiber, interruptFiber } from "#effect/fiber"
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Permit as FleetPermit, PermitSource } from "../../ResourcePoolOptions.js"
import { FleetDemand } from "../core/pool/fleetDemand.js"
import type { Permit, PermitPurpose, StandingNow } from "../core/pool/item.js"
import type { PermitFigures } from "../observe/figures.js"
import { toldWait } from "../observe/permitWaits.js"
import { noPermit } from "../observe/poolTexts.js"
import { wrongAnswer } from "../options/optionChecks.js"
import type { GateWait } from "./contract.js"
import type { PoolEvents } from "./events.js"
import type { PoolParts } from "./parts.js"

/** A pool whose machine asks for permits. */
export interface PermitParts extends PoolParts<any, any, any> {
  readonly events: PoolEvents
}

/** The pools that ask at the desk. */
export interface PermitOwner<P extends Permit> {
  readonly partsOf: (permit: P) => PermitParts
  /** The pool may use the permit. */
  readonly granted: (permit: P) => void
  /** The permit cannot be had; the pool knows. */
  readonly failed?: (permit: P) => void
  /** Other processes want another number of permits than before. */
  readonly demandChanged: () => void
}

/** An ask, from its beginning until its permit goes back. */
interface Run {
  fiber: AnyFiber | undefined
  scope: CloseableScope | undefined
  wanted: Stream.Stream<number, unknown> | undefined
  isLost: boolean
  readonly watchers: Array<AnyFiber>
}

export class PermitDesk<P extends Permit> {
  readonly demand = new FleetDemand()
  private readonly permit: PermitSource<any, any>
  private readonly runtime: PoolRuntime
  private readonly owner: PermitOwner<P>
  private readonly runs = new Map<P, Run>()
  private held = 0
  private lostCount = 0
  /** Whether the log has told of the failures of hooks, which may be many. */
  private isStandingTold = false
  private isWantedTold = false
  /** The run whose `wanted` the pool follows. */
  private followed: Run | undefined = undefined
  private follower: AnyFiber | undefined = undefined

  constructor(permit: PermitSource<any, any>, runtime: PoolRuntime, owner: PermitOwner<P>) {
    this.permit = permit
    this.runtime = runtime
    this.owner = owner
  }

  get figures(): PermitFigures {
    const { demand: { givenBack }, held, lostCount } = this
    return { held, waiting: this.runs.size - held, lost: lostCount, givenBack }
  }

  /** What the borrowers wait for that wait for a permit. */
  get wait(): GateWait {
    const told = toldWait(this)
    return { wait: told ?? { detail: noPermit }, isTold: told !== undefined }
  }

  ask(permit: P, purpose: PermitPurpose): void {
    const run: Run = { fiber: undefined, scope: undefined, wanted: undefined, isLost: false, watchers: [] }
    this.runs.set(permit, run)
    const source = this.permit
    const program = Effect.flatMap(Scope.make(), (scope) => {
      const given: unknown = Effect.isEffect(source) ? source : attempt((purpose) => source(purpose, this), purpose)
      const effect = Effect.isEffect(given)
        ? given
        : Effect.die(wrongAnswer(this.owner.partsOf(permit).name, "permit", "an Effect", given))
      const asked = Effect.interruptible(provideScope(effect, scope)) as Effect.Effect<FleetPermit | void, unknown>
      return Effect.flatMap(
        Effect.zip(Effect.exit(asked), Random.next),
        ([exit, chance]) => this.answered(permit, run, scope, exit, chance) ? Effect.void : this.closing(permit, scope)
      )
    })
    run.fiber = fork(this.runtime, program)
  }

  /** The pool does not want the permit any more, which may be granted at this moment. */
  withdraw(permit: P): void {
    const run = this.runs.get(permit)
    if (run === undefined) return
    if (run.scope !== undefined) return this.giveBack(permit)
    this.runs.delete(permit)
    interruptFiber(run.fiber)
  }

  giveBack(permit: P): void {
    const run = this.runs.get(permit)
    if (run?.scope === undefined) return
    this.runs.delete(permit)
    this.held--
    for (const watcher of run.watchers) interruptFiber(watcher)
    if (this.followed === run) this.unfollow()
    fork(this.runtime, this.closing(permit, run.scope))
  }

  /** Whether the ask has its permit, in one step. */
  private answered(
    permit: P,
    run: Run,
    scope: CloseableScope,
    exit: Exit.Exit<FleetPermit | void, unknown>,
    chance: number
  ): boolean {
    if (this.runs.get(permit) !== run) return false
    if (Exit.isFailure(exit)) {
      const { machine, time } = this.owner.partsOf(permit)
      this.runs.delete(permit)
      machine.permitFailed(permit, exit.cause as Cause.Cause<any>, time.read(), chance)
      this.owner.failed?.(permit)
      return false
    }
    const { expired, lost, standing, wanted } = exit.value ?? {}
    permit.standing = standing && this.guarded(permit, standing)
    run.scope = scope
    run.wanted = wanted
    this.held++
    this.watch(permit, run, "lost", lost)
    this.watch(permit, run, "expired", expired)
    this.follow()
    this.owner.granted(permit)
    return true
  }

  /**
   * `standing` is called within a transition of the machine, which it must not break. Without its answer, the signals of
   * the permit tell.
   */
  private guarded(permit: P, standing: StandingNow): StandingNow {
    const { log, name } = this.owner.partsOf(permit)
    return (instant) => {
      try {
        const told = standing(instant)
        if (told === "Valid" || told === "Lost" || told === "Expired") return told
        throw wrongAnswer(name, "permit.standing", "Valid, Lost or Expired", told)
      } catch (defect) {
        if (!this.isStandingTold) {
          log.permitHookFailed("permit.standing", Cause.die(defect), "lost and expired tell alone")
        }
        this.isStandingTold = true
        return "Valid"
      }
    }
  }

  private watch(permit: P, run: Run, what: "lost" | "expired", signal: FleetPermit["lost"]): void {
    if (signal === undefined) return
    const told = Effect.map(Effect.exit(Effect.interruptible(signal)), (exit) => {
      if (this.runs.get(permit) === run) this.over(permit, run, what, exit)
    })
    run.watchers.push(fork(this.runtime, told))
  }

  private over(permit: P, run: Run, what: "lost" | "expired", exit: Exit.Exit<unknown, unknown>): void {
    const { events, log, machine, time } = this.owner.partsOf(permit)
    if (Exit.isFailure(exit) && !isInterruptedOnly(exit.cause)) {
      log.hookFailed(`permit.${what}`, exit.cause, hasDies(exit.cause))
    }
    if (!run.isLost) {
      run.isLost = true
      this.lostCount++
      log.permitLost()
      events.announce({ _tag: "PermitLost" })
    }
    if (what === "lost") machine.permitLost(permit, time.read())
    else machine.permitExpired(permit, time.read())
  }

  /** Follows the demand that one of the permits tells. */
  private follow(): void {
    if (this.followed !== undefined) return
    for (const [permit, run] of this.runs) {
      const { wanted } = run
      if (run.scope === undefined || wanted === undefined) continue
      this.followed = run
      const follow = Stream.runForEach(wanted, (count) => Effect.sync(() => this.want(run, count)))
      this.follower = fork(
        this.runtime,
        Effect.map(Effect.exit(Effect.interruptible(follow)), (exit) => {
          if (Exit.isFailure(exit)) this.wantedFailed(permit, run, exit.cause)
        })
      )
      return
    }
  }

  /** What a failed stream told last may be true no more: another permit tells, or nothing is wanted. */
  private wantedFailed(permit: P, run: Run, cause: Cause.Cause<unknown>): void {
    if (this.followed !== run || isInterruptedOnly(cause)) return
    run.wanted = undefined
    const { log } = this.owner.partsOf(permit)
    if (!this.isWantedTold) log.permitHookFailed("permit.wanted", cause, "the next permit tells what others want")
    this.isWantedTold = true
    this.unfollow()
    this.owner.demandChanged()
  }

  private unfollow(): void {
    interruptFiber(this.follower)
    this.followed = undefined
    this.follow()
    if (this.followed === undefined) this.demand.set(0)
  }

  private want(run: Run, count: number): void {
    if (this.followed !== run) return
    this.demand.set(count > 0 ? Math.floor(count) : 0)
    this.owner.demandChanged()
  }

  private closing(permit: P, scope: CloseableScope): Effect.Effect<void> {
    const closed = Effect.ensuring(Scope.close(scope, Exit.void), Effect.sync(() => this.demand.returned(permit)))
    return Effect.matchCauseEffect(closed, {
      onSuccess: () => Effect.void,
      onFailure: (cause) => andThen(this.owner.partsOf(permit).log.permitNotReturned(cause), Effect.void)
    })
  }
}
