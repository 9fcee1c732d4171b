/** The permits of one process: runs the commands of its holder, over two connections to Redis. */
import { sourceOf } from "#effect/clock"
import { complete, makeDeferred } from "#effect/deferred"
import { announced, type Listener } from "#effect/events"
import { fork, type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import type { Permit } from "../../ResourcePoolOptions.js"
import { PoolClock } from "../core/clock.js"
import { type Answer, type HeldPermit, type HolderCommand, PermitHolder, type Report } from "../core/permits/holder.js"
import { Sleeper } from "../time/sleeper.js"
import { sync } from "./scripts.js"

export interface RedisSettings<F> {
  readonly url: string
  readonly key: string
  readonly limit: number
  readonly timeToLive: number
  readonly closeTimeout: number
  /** The failure of an ask, whose command failed. */
  readonly failure: (cause: unknown) => F
  /** Other processes have another limit. */
  readonly limitsDiffer: (lowest: number) => Effect.Effect<void>
}

/** The signals of a permit. */
interface Signals<F> {
  readonly granted: Deferred.Deferred<void, F>
  readonly lost: Deferred.Deferred<void>
  readonly expired: Deferred.Deferred<void>
}

export interface FleetPermits<F> {
  readonly permit: Effect.Effect<Permit, F, Scope.Scope>
  readonly figures: () => { readonly held: number; readonly waiting: number; readonly commands: number }
}

type SyncCommand = (...args: ReadonlyArray<string | number>) => Promise<[string, string, number, number, number, number]>

class RedisPermits<F> implements FleetPermits<F> {
  private readonly settings: RedisSettings<F>
  private readonly runtime: PoolRuntime
  private readonly process = randomUUID()
  private readonly keys: ReadonlyArray<string>
  private readonly channel: string
  private readonly client: Redis
  private readonly ear: Redis
  private readonly time: PoolClock
  private readonly sleeper: Sleeper
  private readonly holder: PermitHolder<F>
  private readonly signals = new Map<HeldPermit, Signals<F>>()
  private readonly listeners = new Set<Listener<number>>()
  private readonly wanted: Stream.Stream<number>
  private wantedNow = 0
  private commands = 0
  private epoch = ""
  private warnedOf = Infinity
  private isClosed = false

  constructor(settings: RedisSettings<F>, runtime: PoolRuntime) {
    const { closeTimeout, key, timeToLive, url } = settings
    this.settings = settings
    this.runtime = runtime
    this.keys = ["leases", "held", "limits", "asks", "queue", "reserved", "facts"].map((part) => `{${key}}:${part}`)
    this.channel = `{${key}}:news`
    this.time = new PoolClock(sourceOf(runtime.clock))
    this.holder = new PermitHolder({ timeToLive, closeTimeout }, (command) => this.perform(command), this.time.read())
    const wake = Effect.sync(() => this.holder.tick(this.time.read()))
    this.sleeper = new Sleeper(runtime.clock, (effect) => fork(runtime, effect), wake)
    // a command that is not answered soon is asked anew, with the state of then; none waits for a connection
    const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: Math.ceil(timeToLive / 9) }
    const connection = { connectTimeout: Math.ceil(timeToLive / 9), retryStrategy: (times: number) => Math.min(times * 50, 1_000) }
    this.client = new Redis(url, { ...options, ...connection })
    this.ear = new Redis(url, { ...connection, maxRetriesPerRequest: null })
    this.client.defineCommand("permitsSync", { numberOfKeys: this.keys.length, lua: sync })
    // failures show in the commands
    for (const one of [this.client, this.ear]) one.on("error", () => undefined)
    this.client.on("ready", () => this.told())
    this.ear.on("message", (_channel: string, process: string) => {
      if (process === "*" || process === this.process) this.told()
    })
    this.ear.subscribe(this.channel).catch(() => undefined)
    this.wanted = Stream.suspend(() =>
      Stream.concat(
        Stream.make(this.wantedNow),
        announced<number>(1, (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        })
      )
    )
  }

  private told(): void {
    if (!this.isClosed) this.holder.told(this.time.read())
  }

  readonly permit: Effect.Effect<Permit, F, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const held = this.holder.ask(this.time.read(), (permit) => this.signals.set(permit, this.makeSignals()))
      const { expired, granted, lost } = this.signals.get(held)!
      const giveBack = Effect.sync(() => {
        this.signals.delete(held)
        this.holder.giveBack(held, this.time.read())
      })
      return Effect.flatMap(Effect.addFinalizer(() => giveBack), () =>
        Effect.as(restore(Deferred.await(granted)), {
          lost: Deferred.await(lost),
          expired: Deferred.await(expired),
          wanted: this.wanted
        }))
    })
  )

  private makeSignals(): Signals<F> {
    return { granted: makeDeferred(), lost: makeDeferred(), expired: makeDeferred() }
  }

  private perform(command: HolderCommand<F>): void {
    switch (command._tag) {
      case "Send":
        return this.send(command.report)
      case "WakeAt":
        if (command.at === Infinity) this.sleeper.cancel()
        else this.sleeper.sleep(command.at - this.time.read().monotonic)
        return
      case "Wanted":
        if (command.count === this.wantedNow) return
        this.wantedNow = command.count
        for (const listener of this.listeners) listener.offer(command.count)
        return
      case "Granted":
        return complete(this.signals.get(command.permit)!.granted, Exit.void)
      case "Failed":
        return complete(this.signals.get(command.permit)!.granted, Exit.fail(command.failure))
      case "Lost":
        return this.tell(command.permit, "lost")
      case "Expired":
        this.tell(command.permit, "lost")
        this.tell(command.permit, "expired")
    }
  }

  private tell(permit: HeldPermit, what: "lost" | "expired"): void {
    const signals = this.signals.get(permit)
    if (signals !== undefined) complete(signals[what], Exit.void)
  }

  private send({ asks, held }: Report): void {
    const { limit, timeToLive } = this.settings
    this.commands++
    const { permitsSync } = this.client as unknown as { readonly permitsSync: SyncCommand }
    const answer = permitsSync.call(
      this.client,
      ...this.keys,
      ...[this.process, limit, timeToLive, held, asks.join(","), this.epoch, this.channel]
    )
    answer.then(
      ([epoch, granted, wanted, share, again, lowest]) => {
        this.epoch = epoch
        this.answered({
          granted: granted === "" ? [] : granted.split(",").map(Number),
          wanted,
          share,
          again: again < 0 ? Infinity : again
        })
        this.compareLimits(lowest)
      },
      (cause: unknown) => this.holder.failed(this.settings.failure(cause), this.time.read())
    )
  }

  private answered(answer: Answer): void {
    this.holder.answered(answer, this.time.read())
  }

  private compareLimits(lowest: number): void {
    if (lowest < this.settings.limit && lowest !== this.warnedOf) {
      this.warnedOf = lowest
      fork(this.runtime, this.settings.limitsDiffer(lowest))
    }
  }

  figures() {
    const { commands, holder: { held, waiting } } = this
    return { held, waiting, commands }
  }

  /** Gives everything back, as far as Redis can be reached. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    this.sleeper.cancel()
    const { limit, timeToLive } = this.settings
    const { permitsSync } = this.client as unknown as { readonly permitsSync: SyncCommand }
    const last = () =>
      permitsSync.call(this.client, ...this.keys, this.process, limit, timeToLive, 0, "", this.epoch, this.channel)
        .catch(() => undefined)
    return Effect.andThen(
      Effect.promise(last),
      Effect.sync(() => {
        this.client.disconnect()
        this.ear.disconnect()
      })
    )
  })
}

export const make = <F>(settings: RedisSettings<F>): Effect.Effect<FleetPermits<F>, never, Scope.Scope> =>
  Effect.flatMap(poolRuntime, (runtime) =>
    Effect.acquireRelease(
      Effect.sync(() => new RedisPermits(settings, runtime)),
      (permits) => permits.close
    ))
