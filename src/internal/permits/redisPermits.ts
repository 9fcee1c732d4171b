/** The permits of one process: runs the commands of its holder. */
import { sourceOf } from "#effect/clock"
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import { announced, type Listener } from "#effect/events"
import { fork, type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { RedisPermitsError } from "../../RedisPermitsError.js"
import type { Permit } from "../../ResourcePoolOptions.js"
import { PoolClock } from "../core/clock.js"
import { DemandParts } from "../core/permits/demandParts.js"
import type { Report } from "../core/permits/exchange.js"
import { type FleetPermit, type HolderCommand, PermitHolder } from "../core/permits/holder.js"
import type { PermitPurpose, Standing } from "../core/pool/item.js"
import { PermitsLog } from "../observe/permitsLog.js"
import { tellWait } from "../observe/permitWaits.js"
import { limitReached, redisFails, redisIsEmpty, type Wait } from "../observe/poolTexts.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { Sleeper } from "../time/sleeper.js"
import type { PermitsService, PermitsStats } from "./contract.js"
import { decodePermits, type PermitsOptions, type PermitsSettings } from "./permitsOptions.js"
import { loadClient, RedisStore, type StoreAnswer } from "./redisStore.js"

/** The signals of a permit. */
interface Signals {
  readonly pool: object
  readonly granted: Deferred.Deferred<void, RedisPermitsError>
  readonly lost: Deferred.Deferred<void>
  readonly expired: Deferred.Deferred<void>
}

const makeSignals = (pool: object): Signals => ({
  pool,
  granted: makeDeferred(),
  lost: makeDeferred(),
  expired: makeDeferred()
})

/** A pool that was asked for permits and gives none has this many milliseconds, before other pools are asked. */
const patience = 1_000

class RedisPermits implements PermitsService {
  private readonly settings: PermitsSettings
  private readonly time: PoolClock
  private readonly sleeper: Sleeper
  private readonly log: PermitsLog
  private readonly store: RedisStore
  private readonly holder: PermitHolder<RedisPermitsError>
  private readonly signals = new Map<FleetPermit, Signals>()
  private readonly listeners = new Map<Listener<number>, object>()
  private readonly parts = new DemandParts<object>(patience, (pool, asked) => {
    for (const [listener, of] of this.listeners) if (of === pool) listener.offer(asked)
  })
  private wanted = 0
  private limit: number
  private failures = 0
  /** Why Redis does not answer. */
  private failure: RedisPermitsError | undefined = undefined
  /** When Redis grants permits again, by the monotonic clock, if it has just started. */
  private quietUntil: number | undefined = undefined
  private isClosed = false

  constructor(Client: Awaited<ReturnType<typeof loadClient>>, settings: PermitsSettings, runtime: PoolRuntime) {
    this.settings = settings
    this.limit = settings.limit
    this.log = new PermitsLog(settings.name, (effect) => fork(runtime, effect))
    this.time = new PoolClock(sourceOf(runtime.clock))
    this.holder = new PermitHolder(settings, (command) => this.perform(command), this.time.read())
    this.sleeper = new Sleeper(
      runtime.clock,
      (effect) => fork(runtime, effect),
      Effect.sync(() => this.holder.tick(this.time.read()))
    )
    const wait = Effect.map(Random.next, (chance) => this.holder.othersWait(this.time.read(), chance))
    this.store = new RedisStore(Client, settings, {
      called: () => this.holder.called(this.time.read()),
      othersWait: () => fork(runtime, wait)
    })
  }

  readonly permit = (purpose: PermitPurpose, pool?: object): Effect.Effect<Permit, RedisPermitsError, Scope.Scope> =>
    // those that do not tell their pool count as one
    Effect.uninterruptibleMask((restore) => Effect.suspend(() => this.ask(purpose, pool ?? this, restore)))

  private ask(
    purpose: PermitPurpose,
    pool: object,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Permit, RedisPermitsError, Scope.Scope> {
    if (this.isClosed) return Effect.fail(this.closed())
    tellWait(pool, this.wait)
    const signals = makeSignals(pool)
    const permit = this.holder.ask(purpose, this.time.read(), (permit) => this.signals.set(permit, signals))
    const giveBack = Effect.sync(() => {
      this.signals.delete(permit)
      // not if its ask failed, or was withdrawn
      if (permit.state !== "Waiting" && permit.state !== "Gone") this.parts.gaveBack(pool)
      this.holder.giveBack(permit, this.time.read())
      this.divide()
      // the fiber that waits may not be the one that closes the scope
      complete(signals.granted, Exit.fail(this.closed("the scope of a permit")))
    })
    const granted: Permit = {
      lost: Deferred.await(signals.lost),
      expired: Deferred.await(signals.expired),
      standing: (instant) => this.standing(permit, instant),
      wanted: announced(1, (listener) => this.listen(pool, listener))
    }
    return Effect.flatMap(
      Effect.addFinalizer(() => giveBack),
      () => Effect.as(restore(Deferred.await(signals.granted)), granted)
    )
  }

  readonly stats: Effect.Effect<PermitsStats> = Effect.sync(() => {
    const { failures, holder: { held, waiting }, limit, store: { commands }, wanted } = this
    return { held, waiting, wanted, limit, commands, failures }
  })

  /** Why no permit comes. */
  private readonly wait = (): Wait | undefined => {
    const { failure, holder, limit, quietUntil } = this
    if (failure !== undefined) return { detail: redisFails(failure), cause: failure }
    if (quietUntil !== undefined) return { detail: redisIsEmpty(Math.max(1, quietUntil - this.time.read().monotonic)) }
    return holder.unmet.length > 0 ? { detail: limitReached(limit) } : undefined
  }

  private standing(permit: FleetPermit, instant: number | undefined): Standing {
    const standing = this.holder.standing(permit, this.time.read(), instant)
    // in a machine that was suspended, the timers of the monotonic clock are late
    if (standing !== "Valid" && permit.state === "Held") this.sleeper.sleep(0)
    return standing
  }

  private listen(pool: object, listener: Listener<number>): () => void {
    this.listeners.set(listener, pool)
    listener.offer(this.parts.askedOf(pool))
    return () => this.listeners.delete(listener)
  }

  private perform(command: HolderCommand<RedisPermitsError>): void {
    switch (command._tag) {
      case "Send":
        return this.send(command.report)
      case "WakeAt":
        if (command.at === Infinity) return this.sleeper.cancel()
        return this.sleeper.sleep(command.at - this.time.read().monotonic)
      case "Wanted":
        this.wanted = command.count
        return this.divide()
      case "Granted": {
        const { granted, pool } = this.signals.get(command.permit)!
        this.parts.granted(pool)
        return complete(granted, Exit.void)
      }
      case "Failed":
        return complete(this.signals.get(command.permit)!.granted, Exit.fail(command.failure))
      case "Lost":
        return this.signal(command.permit, "lost")
      case "Expired":
        this.signal(command.permit, "lost")
        return this.signal(command.permit, "expired")
    }
  }

  private signal(permit: FleetPermit, what: "lost" | "expired"): void {
    const signals = this.signals.get(permit)
    if (signals !== undefined) complete(signals[what], Exit.void)
  }

  private send(report: Report): void {
    this.store.ask(report).then(
      (answer) => this.answered(answer),
      (cause: RedisPermitsError) => this.failed(cause)
    )
  }

  private answered(answer: StoreAnswer): void {
    if (this.failure !== undefined) this.log.back()
    this.failure = undefined
    // its facts also end when no process has asked for long
    if (answer.isNew && answer.quiet > 0) this.log.forgotten(answer.quiet)
    if (answer.limit !== this.limit) {
      this.limit = answer.limit
      if (answer.limit < this.settings.limit) this.log.limitsDiffer(this.settings.limit, answer.limit)
    }
    const now = this.time.read()
    this.quietUntil = answer.quiet > 0 ? now.monotonic + answer.quiet : undefined
    this.holder.answered(answer, now)
    this.divide()
  }

  /** Tells each pool what others want of it. While nothing is granted, other pools of this process want nothing. */
  private divide(): void {
    const own = this.quietUntil !== undefined
      ? []
      : this.holder.unmet.flatMap((permit) => this.signals.get(permit)?.pool ?? [])
    this.parts.set(this.wanted, this.time.read().monotonic, own)
  }

  private failed(failure: RedisPermitsError): void {
    this.failures++
    if (this.failure === undefined && !this.isClosed) this.log.failing(failure)
    this.failure = failure
    this.holder.failed(failure, this.time.read())
  }

  private closed(what = "the scope"): RedisPermitsError {
    return new RedisPermitsError({ reason: "Closed", detail: `${what} of ${this.settings.name} has closed` })
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    this.holder.end(this.closed(), this.time.read())
    for (const listener of this.listeners.keys()) listener.end()
    return Effect.promise(() => this.store.close())
  })
}

export const make = (options: PermitsOptions): Effect.Effect<PermitsService, RedisPermitsError, Scope.Scope> => {
  const { decoded, problems } = decodePermits(options)
  const load = Effect.tryPromise({ try: loadClient, catch: (cause) => cause as RedisPermitsError })
  const opened = Effect.flatMap(load, (Client) =>
    Effect.flatMap(poolRuntime, (runtime) =>
      Effect.acquireRelease(
        Effect.sync(() => new RedisPermits(Client, decoded, runtime)),
        (permits) => permits.close
      )))
  return andThen(dieOfProblems(decoded.name, problems), opened)
}
