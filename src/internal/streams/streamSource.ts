/**
 * Performs the commands of the stream machine: opens and ends streams, borrows sessions, sleeps. It decides nothing.
 *
 * A stream's life, between the pool machine (whose items are streams) and the stream machine (whose lanes are sessions):
 *
 * ```text
 * pool machine            StreamSource                   stream machine         Opening, ByteStream
 *  Create ──────────────▶ open ──── request ───────────▶
 *                         openStream ◀─────── OpenStream                       (a session has room)
 *                              └───────────────────────────────────────────▶   new Opening
 *                         opened ◀─────────────────────────────────────────    the session granted a stream
 *                              └───────────────────────▶ opened
 *                         the request's answer ◀── Grant
 *  created ◀───────────── a PooledStream, until its scope closes
 *  watch ───────────────▶ control, watcher ────────────▶ becameItem
 *  lend, return ────────▶ StreamView ──────────────────▶ lent, returned, verdictOf
 *  Destroy ─────────────▶ discard ─────────────────────▶
 *                         endStream ◀────────── EndStream
 *                              └───────────────────────────────────────────▶   end
 *                         ended ◀──────────────────────────────────────────    the platform confirmed the end
 *                              └───────────────────────▶ ended
 * ```
 *
 * A stream that no request waits for goes the other way: `PrepareItem` → `engine.prepare` → `Create` → `open`, whose request
 * gets the stream. `RetireItem` and `LoseItem` go to the item's control, which leads to `Destroy`.
 */
import { callback } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { LaneStream, SessionLane } from "../core/streams/sessionLane.js"
import { fixedSupply } from "../core/streams/sessionSupply.js"
import {
  type StreamCommand,
  type StreamMachineOptions,
  type StreamRefusal,
  StreamRequest
} from "../core/streams/streamCommands.js"
import { StreamMachine } from "../core/streams/streamMachine.js"
import type { ItemControl, PoolEngine, ReturnVerdict, SyncLease } from "../engine/resourcePool.js"
import { suspectSession } from "../observe/poolTexts.js"
import { Sleeper } from "../time/sleeper.js"
import type { ByteStream } from "../transport/byteStream.js"
import { Opening } from "../transport/opening.js"
import type { SessionHandle } from "../transport/session.js"
import type { News, SessionCore } from "../transport/sessionCore.js"

export interface SourceOptions extends StreamMachineOptions {
  readonly streamOptions: WebTransport.StreamOptions | undefined
}

export type Failure = WebTransportError | PoolError

export type Lane = SessionLane<SessionCore>

type Sessions = PoolEngine<WebTransport.Session, WebTransportError>

/** The view of the borrower or the check that has a stream. */
interface StreamUser {
  onChange(): void
  onLeaving(): void
}

/** A stream of the pool. */
export class PooledStream extends LaneStream<ByteStream, SessionCore> {
  holder: StreamUser | undefined = undefined
  /** How often a borrower or a check has had the stream. */
  uses = 0
  /** The stream's place in the pool is gone, too. */
  isOver = false
  /** The stream that took the place of this stream. */
  successor: PooledStream | undefined = undefined
  control: ItemControl | undefined = undefined
}

/** A request whose creation waits for the answer. */
class AwaitedRequest extends StreamRequest<PooledStream> {
  refusal: StreamRefusal<Cause.Cause<Failure>, Lane> | undefined = undefined
  private resume: ((effect: Effect.Effect<void>) => void) | undefined = undefined

  readonly answer: Effect.Effect<void> = callback<void>((resume) => {
    if (this.state === "Waiting") this.resume = resume
    else resume(Effect.void)
  })

  answered(): void {
    this.resume?.(Effect.void)
  }
}

type Command = StreamCommand<Cause.Cause<Failure>, PooledStream, Lane, AwaitedRequest>

/** How a silent session is returned: its pool does not count the borrow as proof that the session is alive. */
const nothingCame = Exit.fail("nothing came on the session")

export class StreamSource {
  readonly machine: StreamMachine<SessionCore, PooledStream, AwaitedRequest, Cause.Cause<Failure>>
  private readonly options: SourceOptions
  /** The session pool, unless the only session is the caller's. */
  private readonly sessions: Sessions | undefined
  /** The pool of streams. */
  private readonly pool: PoolEngine<WebTransport.BidirectionalStream, Failure>
  private readonly sleeper: Sleeper
  /** All lanes so far, also of sessions that other borrowers have now. */
  private readonly known = new WeakMap<SessionCore, Lane>()
  private readonly handles = new Map<Lane, SessionHandle>()
  private readonly leases = new Map<Lane, SyncLease<WebTransport.Session>>()
  private readonly openings = new Map<Lane, Opening>()
  private readonly observers = new Map<Lane, (news: News) => void>()
  private readonly acquirers = new Set<RunningFiber<unknown, unknown>>()
  /** Called when other borrowers begin to wait for a session, and when the session pool shrinks or drains. */
  readonly demandListeners = new Set<() => void>()

  constructor(
    options: SourceOptions,
    sessions: Sessions | undefined,
    only: SessionHandle | undefined,
    pool: PoolEngine<WebTransport.BidirectionalStream, Failure>
  ) {
    this.options = options
    this.sessions = sessions
    this.pool = pool
    const supply = sessions === undefined ? fixedSupply : {
      isFixed: false,
      get isOpen() {
        return sessions.isOpen
      },
      get waiting() {
        return sessions.waiting
      },
      get excess() {
        return sessions.excess
      }
    }
    this.machine = new StreamMachine(options, supply, pool, (command) => this.perform(command))
    this.sleeper = new Sleeper(
      pool.clock,
      (effect) => pool.fork(effect),
      Effect.sync(() => this.machine.tick(pool.now()))
    )
    sessions?.demandListeners.add(this.onDemand)
    // a stream that was requested for another borrower may serve the new waiter
    if (sessions !== undefined) pool.demandListeners.add(this.onStreamDemand)
    this.machine.start(only === undefined ? undefined : this.hold(new SessionLane(only.core), only), pool.now())
  }

  /** Call it after the pool has closed. */
  close(): void {
    this.sleeper.cancel()
    this.sessions?.demandListeners.delete(this.onDemand)
    for (const fiber of this.acquirers) interruptFiber(fiber)
    this.machine.close()
  }

  private readonly onDemand = (): void => {
    this.machine.demandChanged(this.pool.now())
    for (const listener of this.demandListeners) listener()
  }

  /** Whether other borrowers wait for a session. */
  get isSessionWanted(): boolean {
    return this.machine.returns.wantedBack > 0
  }

  private readonly onStreamDemand = (): void => {
    if (this.machine.hasRequests) this.machine.demandChanged(this.pool.now())
  }

  // --- requests

  /** A new stream, until the scope closes. Waits while no session grants a stream. */
  readonly open: Effect.Effect<PooledStream, Failure, Scope.Scope> = Effect.suspend(() => this.request(false))

  private request(isPersonal: boolean): Effect.Effect<PooledStream, Failure, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const request = new AwaitedRequest(isPersonal)
        this.machine.request(request, this.pool.now())
        return Effect.matchCauseEffect(restore(request.answer), {
          onFailure: (cause) => {
            this.machine.abandon(request, this.pool.now())
            return Effect.failCause(cause)
          },
          onSuccess: () =>
            request.refusal === undefined
              ? this.endWith(scope, request.stream!)
              : Effect.failCause(this.causeOf(request.refusal))
        })
      })
    )
  }

  private causeOf(refusal: StreamRefusal<Cause.Cause<Failure>, Lane>): Cause.Cause<Failure> {
    switch (refusal._tag) {
      case "Failed":
        return refusal.failure
      case "Gone":
        return Cause.fail(refusal.lane.session.gone!)
      case "Late":
        return Cause.fail(
          new WebTransportError({
            reason: "StreamLimit",
            detail: `the session granted no stream within ${this.options.openTimeout}ms`
          })
        )
      case "Closed":
        return Cause.fail(new WebTransportError({ reason: "StreamOpen", detail: "the pool of streams is closed" }))
    }
  }

  private endWith(scope: Scope.Scope, pooled: PooledStream): Effect.Effect<PooledStream> {
    const end = Effect.sync(() => {
      pooled.isOver = true
      this.discard(pooled)
      if (pooled.successor !== undefined) this.discard(pooled.successor)
    })
    return Effect.as(Scope.addFinalizer(scope, end), pooled)
  }

  /** A new stream in the place of `pooled`, until the place of `pooled` ends. */
  openInstead(pooled: PooledStream): Effect.Effect<PooledStream, Failure, Scope.Scope> {
    return Effect.suspend(() => {
      this.discard(pooled)
      return Effect.map(this.request(true), (successor) => {
        pooled.successor = successor
        if (pooled.isOver) this.discard(successor)
        return successor
      })
    })
  }

  private discard(pooled: PooledStream): void {
    this.machine.discard(pooled, this.pool.now())
  }

  /** Decides on a clean stream when the platform has completed its writes. */
  awaitWrites(pooled: PooledStream, then: (verdict: ReturnVerdict) => void): void {
    pooled.stream.whenWritten = () => then(this.machine.written(pooled))
    this.machine.awaitWrites(pooled, this.pool.now())
  }

  // --- commands

  private perform(command: Command): void {
    switch (command._tag) {
      case "OpenStream":
        return this.openStream(command.lane)
      case "AbandonOpening":
        this.openings.get(command.lane)?.abandon()
        this.openings.delete(command.lane)
        return
      case "AskForSession":
        return this.askForSession(this.sessions!)
      case "GiveSessionBack":
        return this.giveSessionBack(command.lane, command.hasReceived)
      case "RetireSession": {
        const { session } = command.lane
        return command.isUngranted ? session.retireUngranted() : session.retire()
      }
      case "ForgetPing":
        command.lane.session.isPingLatest = false
        return
      case "EndStream":
        return this.endStream(command.stream, command.how)
      case "StopAwaitingWrites":
        return command.stream.stream.allWritten()
      case "Grant":
        return command.request.answered()
      case "Refuse": {
        const request = command.request
        request.refusal = command.refusal
        return request.answered()
      }
      case "PrepareItem": {
        const isPrepared = this.pool.prepare()
        return this.machine.prepared(command.stream, isPrepared, this.pool.now())
      }
      case "RetireItem":
        return command.stream.control?.retire()
      case "LoseItem": {
        const pooled = command.stream
        pooled.holder?.onChange()
        return pooled.control?.lost()
      }
      case "BreakDown":
        return this.pool.breakDown(Cause.fail(command.lane.session.gone!))
      case "WarnSuspect": {
        const { lane, unanswered } = command
        lane.session.isSuspect = true
        return this.pool.warn(suspectSession(unanswered), "Suspect", { unanswered })
      }
      case "WakeAt":
        return this.sleeper.sleep(command.at - this.pool.now())
    }
  }

  private openStream(lane: Lane): void {
    const opening = new Opening(this.handles.get(lane)!, "Bidirectional", this.options.streamOptions)
    this.openings.set(lane, opening)
    opening.whenSettled(() => {
      if (this.openings.get(lane) !== opening) return
      this.openings.delete(lane)
      const { failure, stream } = opening
      if (stream !== undefined) return this.machine.opened(new PooledStream(stream, lane), this.pool.now())
      this.machine.openFailed(lane, failure!.reason === "StreamLimit", Cause.fail(failure!), this.pool.now())
    })
  }

  private endStream(pooled: PooledStream, how: "finish" | "reset"): void {
    const { stream } = pooled
    stream.watcher = undefined
    stream.onEnded = () => this.machine.ended(pooled, stream.wasGivenUp, this.pool.now())
    stream.end(how === "finish", 0, "the pool ended the stream")
    pooled.holder?.onChange()
  }

  // --- sessions

  private askForSession(sessions: Sessions): void {
    const borrowed = Effect.matchCause(
      Effect.interruptible(sessions.lend((lease) => this.onSession(lease), "exclusive")),
      {
        onSuccess: () => undefined,
        onFailure: (cause) => this.machine.sessionFailed(cause, this.pool.now())
      }
    )
    const fiber = sessions.fork(borrowed)
    this.acquirers.add(fiber)
    fiber.addObserver(() => this.acquirers.delete(fiber))
  }

  private onSession(lease: SyncLease<WebTransport.Session>): void {
    const handle = lease.value as SessionHandle
    let lane = this.known.get(handle.core)
    if (lane === undefined) this.known.set(handle.core, lane = new SessionLane(handle.core))
    this.leases.set(lane, lease)
    lane.standing = lease.standing
    this.machine.sessionCame(this.hold(lane, handle), this.pool.now())
  }

  /** Observes the session: it tells its retirement, its death, and the end of each stream, in the same step. */
  private hold(lane: Lane, handle: SessionHandle): Lane {
    const observer = (news: News) => {
      if (news === "Leaving") this.machine.sessionChanged(lane, this.pool.now())
      else this.machine.streamFreed(lane, this.pool.now())
    }
    lane.session.observers.add(observer)
    this.observers.set(lane, observer)
    this.handles.set(lane, handle)
    return lane
  }

  private giveSessionBack(lane: Lane, hasReceived: boolean): void {
    const observer = this.observers.get(lane)
    if (observer !== undefined) lane.session.observers.delete(observer)
    this.observers.delete(lane)
    this.handles.delete(lane)
    const lease = this.leases.get(lane)
    this.leases.delete(lane)
    lease?.giveBack(hasReceived ? Exit.void : nothingCame)
  }
}
