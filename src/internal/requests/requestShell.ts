/** Performs the commands of the request machine: borrows streams, writes, resumes callers, pings, sleeps. It decides nothing. */
import { sourceOf } from "#effect/clock"
import { complete, makeDeferred } from "#effect/deferred"
import { timeoutFail } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { fork, forkScoped, type PoolRuntime } from "#effect/poolRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { RequestPoolStats } from "../../PoolStats.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { PoolClock } from "../core/clock.js"
import type { Moment, RequestCommand, RequestMachineOptions } from "../core/requests/requestCommands.js"
import { RequestMachine } from "../core/requests/requestMachine.js"
import type { RequestSession } from "../core/requests/sharedStream.js"
import type { SyncLease } from "../engine/resourcePool.js"
import type { StatsObservers } from "../engine/statsObservers.js"
import { PingHandle } from "../sessions/sessionPings.js"
import type { StreamPoolContext, StreamView } from "../streams/streamView.js"
import { Sleeper } from "../time/sleeper.js"
import { atEndOfTurn } from "../transport/endOfTurn.js"
import type { SessionCore } from "../transport/sessionCore.js"
import type { Call } from "./calls.js"
import { type GuestHost, GuestStream } from "./guestStream.js"
import { type Trouble, Troubles } from "./trouble.js"

type Ping = (session: WebTransport.Session) => Effect.Effect<unknown, unknown, Scope.Scope>

export interface ShellOptions extends RequestMachineOptions {
  readonly name: string
  readonly maxMessageSize: number
  readonly checkTimeout: number
  readonly ping: Ping | undefined
}

const spokeFirst = () =>
  new WebTransportError({
    reason: "StreamOpen",
    detail: "the peer sent bytes on a new stream before any request",
    advice: "the peer of a request pool only answers"
  })

export class RequestShell implements GuestHost {
  readonly machine: RequestMachine<GuestStream, Trouble>
  readonly troubles: Troubles
  readonly maxMessageSize: number
  readonly runtime: PoolRuntime
  readonly whenDrained = makeDeferred<void>()
  readonly whenClosed = makeDeferred<void>()
  /** Made for the first caller of `awaitStats`. */
  observers: StatsObservers<RequestPoolStats> | undefined = undefined
  /** Ends the requests on streams of their own. */
  endExclusive: (silent: RequestSession | undefined) => void = () => {}
  /** The pool no longer shows metrics. */
  hideMetrics: () => void = () => {}
  private readonly options: ShellOptions
  private readonly streams: StreamPoolContext
  private readonly clock: PoolClock
  private readonly sleeper: Sleeper
  private readonly openings = new Map<object, RunningFiber<unknown, unknown> | undefined>()
  private readonly pings = new Map<SessionCore, RunningFiber<unknown, unknown>>()

  constructor(options: ShellOptions, runtime: PoolRuntime, streams: StreamPoolContext) {
    this.options = options
    this.runtime = runtime
    this.streams = streams
    this.maxMessageSize = options.maxMessageSize
    this.clock = new PoolClock(sourceOf(runtime.clock))
    const wantedBack = () =>
      streams.source.isSessionWanted || streams.pool.waiting > this.openings.size ||
      streams.pool.excess > 0
    const supply = {
      get isOpen() {
        return streams.pool.isOpen
      },
      get isWanted() {
        return wantedBack()
      }
    }
    this.machine = new RequestMachine(options, supply, (command) => this.perform(command))
    this.troubles = new Troubles(options.name, this.machine, streams.pool)
    this.sleeper = new Sleeper(
      runtime.clock,
      (effect) => fork(runtime, effect),
      Effect.sync(() => this.machine.tick(this.now()))
    )
    streams.pool.demandListeners.add(this.onDemand)
    streams.source.demandListeners.add(this.onDemand)
  }

  private readonly onDemand = (): void => this.machine.demandChanged(this.now())

  now(): Moment {
    return this.clock.read()
  }

  /** Notes when bytes come on the session, if silence is a fault. */
  watch(session: SessionCore): void {
    if (this.options.silenceTimeout !== Infinity) session.clock ??= () => this.now().monotonic
  }

  begin(call: Call): void {
    this.machine.request(call, this.now())
  }

  abandon(call: Call): void {
    this.machine.abandon(call, this.now())
  }

  // --- commands

  private perform(command: RequestCommand<Trouble>): void {
    switch (command._tag) {
      case "OpenStream":
        return this.openStream()
      case "Flush":
        return command.when === "Now" ? queueMicrotask(this.flushNow) : atEndOfTurn(this.flushAtEnd)
      case "Write":
        return (command.stream.facts as GuestStream).write(command.requests as ReadonlyArray<Call>, command.size)
      case "GiveBack":
        return (command.stream.facts as GuestStream).giveBack(command.how)
      case "Refuse": {
        const call = command.request as Call
        return call.failed(this.troubles.refused(call, command.refusal, this.now().monotonic))
      }
      case "Fail":
        return (command.request as Call).failed(this.troubles.failed(command.loss))
      case "Ping":
        return this.ping(command.session)
      case "EndExclusive":
        return this.endExclusive(command.silent)
      case "Drained":
        return complete(this.whenDrained, Exit.void)
      case "Closed":
        return this.close()
      case "Changed":
        return this.observers?.changed()
      case "WakeAt":
        return this.sleeper.sleep(command.at - this.now().monotonic)
    }
  }

  private readonly flushNow = (): void => this.machine.flush("Now", this.now())
  private readonly flushAtEnd = (): void => this.machine.flush("EndOfTurn", this.now())

  private close(): void {
    this.sleeper.cancel()
    this.streams.pool.demandListeners.delete(this.onDemand)
    this.streams.source.demandListeners.delete(this.onDemand)
    for (const fiber of [...this.openings.values(), ...this.pings.values()]) interruptFiber(fiber)
    this.hideMetrics()
    this.observers?.changed()
    complete(this.whenClosed, Exit.void)
  }

  // --- streams

  private openStream(): void {
    let lease: SyncLease<StreamView> | undefined
    const opening = {}
    this.openings.set(opening, undefined)
    const borrowing = this.streams.pool.lend(
      (lent) => {
        lease = lent as SyncLease<StreamView>
      },
      "shared",
      "unwatched"
    )
    const fiber = fork(
      this.runtime,
      Effect.matchCause(Effect.interruptible(borrowing), {
        onSuccess: () => {
          this.openings.delete(opening)
          this.onStream(lease!)
        },
        onFailure: (cause) => {
          this.openings.delete(opening)
          if (lease === undefined) this.machine.openFailed({ _tag: "Borrow", cause }, this.now())
          else this.onStream(lease)
        }
      })
    )
    // with a scheduler that runs at once, it may be over already
    if (this.openings.has(opening)) this.openings.set(opening, fiber)
  }

  private onStream(lease: SyncLease<StreamView>): void {
    const { pooled } = lease.value
    const guest = new GuestStream(this, lease)
    if (lease.value.welcome(guest)) {
      const isLeaving = this.streams.source.machine.lanes.isLeaving(pooled.lane)
      return this.machine.opened(guest.record, isLeaving, this.now())
    }
    const { gone } = pooled.lane.session
    lease.giveBack(Exit.fail("the stream is not like new"))
    // a used stream broke while it was idle: the next one is another
    if (pooled.uses > 1 && this.machine.state !== "Closed") return this.openStream()
    this.machine.openFailed({ _tag: "Borrow", cause: Cause.fail(gone ?? spokeFirst()) }, this.now())
  }

  // --- pings

  private ping(session: RequestSession): void {
    const core = session as SessionCore
    const { checkTimeout, ping } = this.options
    const pinging = timeoutFail(Effect.suspend(() => ping!(new PingHandle(core))), {
      duration: checkTimeout,
      onTimeout: () => "no answer within checkTimeout"
    })
    this.pings.set(
      core,
      forkScoped(this.runtime, pinging, (exit) => {
        this.pings.delete(core)
        this.machine.pinged(core, Exit.isSuccess(exit), this.now())
      })
    )
  }
}
