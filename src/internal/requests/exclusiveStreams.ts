/** Requests that take a stream of their own. The pool counts them, and ends them when it closes. */
import { findError, isInterruptedOnly } from "#effect/cause"
import { attempt, callback, timeoutFail } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { fork } from "#effect/poolRuntime"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { isPoolError } from "../../PoolError.js"
import type * as WebTransport from "../../WebTransport.js"
import { ExclusivePlaces } from "../core/requests/exclusivePlaces.js"
import type { RequestEnd } from "../core/requests/requestCommands.js"
import type { RequestSession } from "../core/requests/sharedStream.js"
import type { Restore } from "../engine/borrowing.js"
import type { SyncLease } from "../engine/resourcePool.js"
import type { Borrowable } from "../streams/request.js"
import type { Failure } from "../streams/streamSource.js"
import type { StreamPoolContext, StreamView } from "../streams/streamView.js"
import type { SessionCore } from "../transport/sessionCore.js"
import type { RequestShell } from "./requestShell.js"

/** A request that has a stream of its own, or waits for one. */
class ExclusiveCall {
  lease: SyncLease<StreamView> | undefined = undefined
  /** The session that owes the answer. */
  session: SessionCore | undefined = undefined
  isOver = false
  /** Set while it waits: borrows the stream, once there is a place. */
  start: (() => void) | undefined = undefined
  /** Ends the wait for a stream. */
  refuse: (() => void) | undefined = undefined
}

/** The figure of a request without an answer. */
const endOf = (cause: Cause.Cause<unknown>): RequestEnd => {
  if (isInterruptedOnly(cause)) return "abandoned"
  const error = Option.getOrUndefined(findError(cause))
  if (!isPoolError(error)) return "failures"
  return error.reason === "AcquireTimeout" ? "timeouts" : error.reason === "QueueFull" ? "rejections" : "failures"
}

const endIn = (answer: Option.Option<unknown>): RequestEnd => Option.isSome(answer) ? "answered" : "failures"

export class ExclusiveStreams implements Borrowable {
  private readonly shell: RequestShell
  private readonly streams: StreamPoolContext
  private readonly calls = new Set<ExclusiveCall>()
  private readonly places: ExclusivePlaces<ExclusiveCall>

  /** `kept`: how many streams of the pool are not for these requests. */
  constructor(shell: RequestShell, streams: StreamPoolContext, kept: number) {
    this.shell = shell
    this.streams = streams
    this.places = new ExclusivePlaces(() => streams.pool.maxSize - kept)
  }

  readonly use: Borrowable["use"] = (f) =>
    Effect.uninterruptibleMask((restore) =>
      this.borrow(restore, (call) =>
        Effect.onExit(
          restore(attempt(f, call.lease!.value as WebTransport.BidirectionalStream)),
          (exit) =>
            Effect.sync(() => this.end(call, exit, Exit.isFailure(exit) ? endOf(exit.cause) : endIn(exit.value)))
        ))
    )

  readonly get: Borrowable["get"] = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) =>
      this.borrow(restore, (call) =>
        Effect.as(
          Scope.addFinalizerExit(
            scope,
            (exit) => Effect.sync(() => this.end(call, exit, call.lease!.value.requestEnd ?? "abandoned"))
          ),
          call.lease!.value as WebTransport.BidirectionalStream
        )))
  )

  /** Runs in an uninterruptible region, except for the wait. */
  private borrow<A, E, R>(
    restore: Restore,
    lend: (call: ExclusiveCall) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Failure, R> {
    return Effect.suspend((): Effect.Effect<A, E | Failure, R> => {
      const { machine, troubles } = this.shell
      const mayBegin = machine.beginExclusive()
      this.shell.observers?.changed()
      if (!mayBegin) return Effect.fail(troubles.closed())
      const call = new ExclusiveCall()
      this.calls.add(call)
      if (this.places.take(call)) call.lease = this.streams.pool.lendReady() as SyncLease<StreamView> | undefined
      if (call.lease !== undefined) return this.lent(call, lend)
      if (!machine.waiting.beginAlone()) {
        this.end(call, Exit.void, "rejections")
        return Effect.fail(troubles.queueFull())
      }
      return Effect.matchCauseEffect(restore(this.inTime(call, this.awaitStream(call))), {
        onFailure: (cause) => {
          machine.waiting.endAlone()
          this.end(call, Exit.failCause(cause), endOf(cause))
          return Effect.failCause(cause)
        },
        onSuccess: () => {
          machine.waiting.endAlone()
          return this.lent(call, lend)
        }
      })
    })
  }

  private lent<A>(call: ExclusiveCall, lend: (call: ExclusiveCall) => A): A {
    const { shell } = this
    const { session } = call.lease!.value.pooled.lane
    shell.watch(session)
    shell.machine.lentExclusive(session, shell.now())
    call.session = session
    return lend(call)
  }

  private inTime(call: ExclusiveCall, borrowing: Effect.Effect<void, Failure>): Effect.Effect<void, Failure> {
    const { machine: { options: { acquireTimeout } }, troubles } = this.shell
    if (acquireTimeout === Infinity) return borrowing
    return timeoutFail(borrowing, {
      duration: acquireTimeout,
      onTimeout: () => troubles.noStreamAlone(acquireTimeout, this.places.has(call))
    })
  }

  /** Waits for a stream, on a fiber of the pool, so that the pool can end the wait. */
  private awaitStream(call: ExclusiveCall): Effect.Effect<void, Failure> {
    return callback<void, Failure>((resume) => {
      const { machine, runtime, troubles } = this.shell
      if (machine.state === "Closing") return resume(Effect.fail(troubles.closed()))
      const take = (lease: SyncLease<unknown>) => {
        if (call.isOver) lease.giveBack(Exit.void)
        else call.lease = lease as SyncLease<StreamView>
      }
      let fiber: RunningFiber<void, never> | undefined
      call.start = () => {
        fiber = fork(
          runtime,
          Effect.matchCause(Effect.interruptible(this.streams.pool.lend(take, "shared", "unwatched")), {
            onSuccess: () => resume(Effect.void),
            onFailure: (cause) => resume(Effect.failCause(cause))
          })
        )
      }
      if (this.places.has(call)) call.start()
      call.refuse = () => {
        resume(Effect.fail(troubles.closed()))
        interruptFiber(fiber)
      }
      return Effect.sync(() => interruptFiber(fiber))
    })
  }

  private end(call: ExclusiveCall, exit: Exit.Exit<unknown, unknown>, how: RequestEnd): void {
    if (call.isOver) return
    call.isOver = true
    this.calls.delete(call)
    if (call.lease !== undefined) {
      // an interruption says nothing about the peer, as on a shared stream
      call.lease.value.isPatient = true
      call.lease.giveBack(exit)
    }
    this.shell.machine.endExclusive(how, call.session, this.shell.now())
    for (const next of this.places.leave(call)) next.start?.()
  }

  /** Requests that wait for a stream fail. */
  refuseWaiting(): void {
    for (const call of this.calls) if (call.lease === undefined) call.refuse?.()
  }

  /** Requests that have a stream fail: those on a session that did not answer a ping, or all. */
  endLent(silent: RequestSession | undefined): void {
    const { troubles } = this.shell
    for (const { lease } of this.calls) {
      if (lease === undefined) continue
      const view = lease.value
      if (silent === undefined) view.cut(troubles.graceOver)
      else if (view.current.lane.session === silent) {
        view.markSilent()
        // a request that was not written yet gets a stream of another session
        view.current.stream.end(false, 0, troubles.silent)
      }
    }
  }
}
