/**
 * Performs the commands of the balance machine: opens, races and closes sessions with several endpoints, follows the list of
 * endpoints, and tells the machine what happens to the sessions. It decides nothing.
 */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen, callback, type CloseableScope, provideScope, timeoutFail } from "#effect/effect"
import { type AnyFiber, interruptFiber, spanOf, withFiber } from "#effect/fiber"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { BalanceMachine } from "../core/balance/balanceMachine.js"
import type { BalanceCommand } from "../core/balance/commands.js"
import type { ConnectAttempt, Endpoint, SessionCreation } from "../core/balance/endpoint.js"
import type { BalancePolicy } from "../core/balance/policy.js"
import type { Reason } from "../core/pool/item.js"
import type { Restore } from "../engine/borrowing.js"
import type { PoolEngine } from "../engine/resourcePool.js"
import { Sleeper } from "../time/sleeper.js"
import { viewCore } from "../transport/session.js"
import type { News, SessionCore } from "../transport/sessionCore.js"
import { failureOfCreation } from "./endpointFailure.js"
import {
  decodeList,
  type EndpointOption,
  type EndpointsOption,
  type Failure,
  type ListedEndpoint
} from "./endpointList.js"
import { EndpointReports } from "./endpointReports.js"

type Attempt = ConnectAttempt<ListedEndpoint, Failure>
type Creation = SessionCreation<ListedEndpoint, Failure>
type Place = Endpoint<ListedEndpoint, Failure>
type Command = BalanceCommand<ListedEndpoint, Failure>

export interface EndpointsSettings extends BalancePolicy {
  readonly endpoints: EndpointsOption<any>
  readonly connectTimeout: number
  /** How long the loser of a race may take to close. */
  readonly closeTimeout: number
  /** Opens a session, within the connect timeout. */
  readonly openAt: (url: URL) => Effect.Effect<WebTransport.Session, WebTransportError, any>
}

/** A session with its scope. */
export interface OpenSession {
  readonly scope: CloseableScope
  readonly session: WebTransport.Session
  readonly core: SessionCore
}

/** An attempt, from its beginning until the pool has taken its session, or everything of it is closed. */
class AttemptRun {
  readonly attempt: Attempt
  readonly over = makeDeferred<void>()
  fiber: AnyFiber | undefined = undefined
  /** Ends the wait for the closing. */
  limit: AnyFiber | undefined = undefined
  open: OpenSession | undefined = undefined
  /** A random number in [0, 1), for the backoff after its failure. */
  chance = 0.5
  /** Bytes heard when a session of the endpoint failed last. */
  heard = 0

  constructor(attempt: Attempt) {
    this.attempt = attempt
  }
}

export class Endpoints {
  private readonly machine: BalanceMachine<ListedEndpoint, Failure>
  private readonly settings: EndpointsSettings
  private readonly pool: PoolEngine<WebTransport.Session, WebTransportError>
  private readonly sleeper: Sleeper
  /** The attempts that are not over. */
  private readonly runs = new Map<Attempt, AttemptRun>()
  /** Also of the attempts that are over, for as long as the machine knows them. */
  private readonly runOfAttempt = new WeakMap<Attempt, AttemptRun>()
  private readonly runOfSession = new WeakMap<SessionCore, AttemptRun>()
  private readonly waiting = new Map<Creation, () => void>()
  /** The spans of creations: those of their attempts are within. */
  private readonly spans = new WeakMap<Creation, Tracer.AnySpan>()
  /** The span of the creation that begins now. */
  private span: Tracer.AnySpan | undefined = undefined
  readonly reports: EndpointReports
  private readonly firstList = makeDeferred<void>()
  private lister: AnyFiber | undefined = undefined
  private isClosed = false

  constructor(settings: EndpointsSettings, pool: PoolEngine<WebTransport.Session, WebTransportError>) {
    this.settings = settings
    this.pool = pool
    this.machine = new BalanceMachine<ListedEndpoint, Failure>(settings, pool, (command) => this.perform(command))
    this.reports = new EndpointReports(this.machine, pool)
    this.sleeper = new Sleeper(
      pool.clock,
      (effect) => pool.fork(effect),
      Effect.sync(() => this.machine.tick(pool.now()))
    )
    pool.demandListeners.add(this.onDemand)
    const { endpoints } = settings
    if (Array.isArray(endpoints)) this.setList(endpoints)
    else this.lister = pool.fork(this.follow(endpoints as Stream.Stream<ReadonlyArray<EndpointOption>>))
  }

  private readonly onDemand = (): void => this.machine.demandChanged(this.pool.now())

  // --- the list

  /**
   * A stream that fails is run again, after a backoff, which begins anew when the stream had brought a list and run for the
   * longest backoff. When it ends, the last list stays.
   */
  private follow(lists: Stream.Stream<ReadonlyArray<EndpointOption>, unknown>): Effect.Effect<void> {
    const { factor, initial, max } = this.settings.backoff
    const run = (delay: number): Effect.Effect<void> => {
      const next = Math.min(max, Math.max(1, delay * factor))
      const began = this.pool.now()
      let isGood = false
      const once = Stream.runForEach(lists, (list) =>
        Effect.sync(() => {
          if (this.setList(list)) isGood = true
        }))
      return Effect.matchCauseEffect(Effect.interruptible(once), {
        onSuccess: () => Effect.sync(() => this.reports.badList("it ended")),
        onFailure: (cause) =>
          Effect.suspend(() => {
            if (this.isClosed) return Effect.void
            this.reports.badList("it failed", Cause.squash(cause))
            const pause = isGood && this.pool.now() - began >= max ? Math.max(1, initial) : next
            const paused = Effect.interruptible(this.pool.clock.sleep(Duration.millis(pause)))
            return andThen(paused, Effect.suspend(() => run(pause)))
          })
      })
    }
    return run(initial / factor)
  }

  /** Returns whether the list is of use. */
  private setList(list: ReadonlyArray<EndpointOption>): boolean {
    if (this.isClosed) return false
    if (!Array.isArray(list)) {
      this.reports.badList("it is no array")
      return false
    }
    const { entries, problems } = decodeList(list)
    if (entries.length === 0) {
      this.reports.badList(problems.length === 0 ? "it is empty" : problems.join(", "))
      return false
    }
    if (problems.length > 0) this.reports.badEntries(problems)
    this.machine.setEndpoints(entries, this.pool.now())
    this.reports.listChanged()
    complete(this.firstList, Exit.void)
    return true
  }

  // --- creations

  /** A session with one of the endpoints, in a scope that the caller closes. */
  acquire(restore: Restore): Effect.Effect<OpenSession, WebTransportError> {
    const { connectTimeout } = this.settings
    const listed = timeoutFail(Deferred.await(this.firstList), {
      duration: connectTimeout,
      onTimeout: () =>
        new WebTransportError({
          reason: "ConnectTimeout",
          detail: `the stream of endpoints emitted no list within ${Duration.format(Duration.millis(connectTimeout))}`,
          advice: "check the source of the list: the first list has to come at once"
        })
    })
    return andThen(
      Effect.suspend(() => this.machine.listed.length > 0 ? Effect.void : restore(listed)),
      Effect.flatMap(
        Random.next,
        (chance) => withFiber((fiber) => this.create(restore, chance, Option.getOrUndefined(spanOf(fiber))))
      )
    )
  }

  private create(
    restore: Restore,
    chance: number,
    span: Tracer.AnySpan | undefined
  ): Effect.Effect<OpenSession, WebTransportError> {
    this.span = span
    const creation = this.machine.create(this.pool.now(), chance)
    this.span = undefined
    if (span !== undefined) this.spans.set(creation, span)
    const isOver = () => creation.state === "Won" || creation.state === "Failed"
    const answer = callback<void>((resume) => {
      if (isOver()) resume(Effect.void)
      else this.waiting.set(creation, () => resume(Effect.void))
    })
    return Effect.matchCauseEffect(restore(answer), {
      onFailure: (cause) =>
        Effect.suspend(() => {
          this.waiting.delete(creation)
          const winner = creation.state === "Won" ? creation.winner : undefined
          this.machine.abandon(creation, this.pool.now())
          if (winner !== undefined) this.close(this.runs.get(winner)!)
          return andThen(this.untilOver(creation), Effect.failCause(cause))
        }),
      onSuccess: () =>
        Effect.suspend(() => {
          this.waiting.delete(creation)
          if (creation.state === "Won") return Effect.succeed(this.handOver(creation.winner!))
          const failure = failureOfCreation(creation)
          return andThen(this.untilOver(creation), Effect.failCause(failure))
        })
    })
  }

  private handOver(winner: Attempt): OpenSession {
    const run = this.runs.get(winner)!
    this.runs.delete(winner)
    return run.open!
  }

  /** Waits until the attempts of the creation are closed. */
  private untilOver(creation: Creation): Effect.Effect<void> {
    const runs = [...this.runs.values()].filter(({ attempt }) => attempt.creation === creation)
    return Effect.forEach(runs, ({ over }) => Deferred.await(over), { discard: true })
  }

  // --- attempts

  private perform(command: Command): void {
    switch (command._tag) {
      case "Open":
        return this.open(command.attempt)
      case "Cancel":
        return this.cancel(this.runs.get(command.attempt)!)
      case "Won":
      case "Failed":
        return this.waiting.get(command.creation)?.()
      case "Retire":
        return this.runOfAttempt.get(command.session.attempt)!.open!.core.retire()
      case "Troubled":
        return this.reports.troubled(command.endpoint, command.why)
      case "Ejected":
        return this.reports.ejected(command.endpoint, command.duration)
      case "Back":
        return this.reports.back(command.endpoint, command.wasEjected)
      case "WakeAt":
        if (command.at === Infinity) this.sleeper.cancel()
        else this.sleeper.sleep(command.at - this.pool.now())
    }
  }

  private open(attempt: Attempt): void {
    const run = new AttemptRun(attempt)
    this.runs.set(attempt, run)
    this.runOfAttempt.set(attempt, run)
    const opening = Effect.suspend(() => this.settings.openAt(attempt.endpoint.entry.url)) as Effect.Effect<
      WebTransport.Session,
      WebTransportError,
      Scope.Scope
    >
    const { creation } = attempt
    const span = creation === undefined ? undefined : this.spans.get(creation) ?? this.span
    const traced = span === undefined ? opening : Effect.withParentSpan(opening, span)
    const program = Effect.flatMap(Scope.make(), (scope) =>
      Effect.flatMap(
        Effect.zip(Effect.exit(Effect.interruptible(provideScope(traced, scope))), Random.next),
        ([exit, chance]) => {
          run.chance = chance
          if (Exit.isSuccess(exit)) {
            run.open = { scope, session: exit.value, core: viewCore(exit.value) }
            if (this.opened(run, run.open)) return Effect.void
          } else {
            this.machine.failed(attempt, exit.cause, this.pool.now(), chance)
          }
          return this.closing(run, scope)
        }
      ))
    run.fiber = this.pool.fork(program)
  }

  /** Returns whether the session is wanted. */
  private opened(run: AttemptRun, { core }: OpenSession): boolean {
    const { attempt } = run
    if (attempt.state !== "Opening") return false
    this.runOfSession.set(core, run)
    const observe = (news: News) => {
      if (news === "Leaving" && attempt.session !== undefined) this.left(run, core)
    }
    core.observers.add(observe)
    core.whenUsed = () => this.used(run)
    this.machine.opened(attempt, this.pool.now())
    // it may have ended before it was observed
    if (core.gone !== undefined || core.isRetired) observe("Leaving")
    return true
  }

  private cancel(run: AttemptRun): void {
    const { attempt } = run
    // an opening that ignores the interruption, or a session that does not close, keeps no creation waiting
    if (attempt.creation !== undefined) {
      const limit = this.pool.clock.sleep(Duration.millis(this.settings.closeTimeout))
      run.limit = this.pool.fork(
        andThen(Effect.interruptible(limit), Effect.sync(() => this.machine.closed(attempt, this.pool.now())))
      )
    }
    if (run.open === undefined) interruptFiber(run.fiber)
    else this.close(run)
  }

  private close(run: AttemptRun): void {
    this.pool.fork(this.closing(run, run.open!.scope))
  }

  private closing(run: AttemptRun, scope: CloseableScope): Effect.Effect<void> {
    return andThen(
      Effect.exit(Scope.close(scope, Exit.void)),
      Effect.sync(() => {
        this.runs.delete(run.attempt)
        interruptFiber(run.limit)
        this.machine.closed(run.attempt, this.pool.now())
        complete(run.over, Exit.void)
      })
    )
  }

  // --- sessions

  /** A borrower has used the session with success. On the path of every return. */
  private used({ attempt: { session } }: AttemptRun): void {
    if (session === undefined || (session.isProven && session.endpoint.failures === 0)) return
    this.machine.proved(session, this.pool.now())
  }

  /** The session passed a check. */
  proved(core: SessionCore): void {
    const run = this.runOfSession.get(core)
    if (run !== undefined) this.used(run)
  }

  /** The session takes no new borrower, or is dead. */
  private left(run: AttemptRun, core: SessionCore): void {
    const how = core.state === "Closed" ? "Died" : core.isSuspect ? "Suspect" : "Other"
    this.ended(run, core, how)
  }

  /** The pool closes the session. */
  destroyed(core: SessionCore, reason: Reason): void {
    const run = this.runOfSession.get(core)
    if (run === undefined) return
    this.ended(run, core, reason !== "lost" ? "Other" : core.state === "Closed" ? "Died" : "CheckFailed")
  }

  private ended(run: AttemptRun, core: SessionCore, how: "Died" | "CheckFailed" | "Suspect" | "Other"): void {
    const { attempt, chance } = run
    const { endpoint, session } = attempt
    if (session === undefined || session.isOver) return
    const isProbe = endpoint.probe === attempt
    if (how !== "Other") this.proveHeard(endpoint)
    const failure = core.gone === undefined ? undefined : Cause.fail(core.gone)
    this.machine.ended(session, how, failure, this.pool.now(), chance)
    // the session is nobody's
    if (isProbe && attempt.state === "Over") this.close(run)
  }

  /** Bytes that came on the endpoint's other sessions prove it as good as a borrower's success. */
  private proveHeard({ sessions }: Place): void {
    for (const session of sessions) {
      const run = this.runOfAttempt.get(session.attempt)!
      const { core } = run.open!
      if (core.bytesHeard <= run.heard || core.gone !== undefined) continue
      run.heard = core.bytesHeard
      this.machine.proved(session, this.pool.now())
    }
  }

  // --- the end

  /** The pool closes: cancels what is under way. */
  stop(): void {
    if (this.isClosed) return
    this.isClosed = true
    interruptFiber(this.lister)
    this.pool.demandListeners.delete(this.onDemand)
    this.machine.close()
    this.sleeper.cancel()
    this.reports.stop()
  }
}
