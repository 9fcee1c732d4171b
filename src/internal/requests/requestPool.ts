import { dieMessage } from "#effect/effect"
import { type RunningFiber, withFiber } from "#effect/fiber"
import { FiberFrame, push } from "#effect/fiberFrame"
import { InspectableClass } from "#effect/inspect"
import { poolRuntime } from "#effect/poolRuntime"
import { repeatEffectOption, unwrap } from "#effect/stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { RequestPoolStats } from "../../PoolStats.js"
import { RequestError } from "../../RequestError.js"
import { isBytes, notBytes } from "../core/kinds.js"
import { maxIdSize } from "../core/requests/batch.js"
import { StatsObservers } from "../engine/statsObservers.js"
import { register, requestPool } from "../observe/poolMetrics.js"
import { dieOfProblems, eitherOr } from "../options/optionChecks.js"
import { requestOn, requestStreamOn } from "../streams/request.js"
import { contextOf, make as makeStreams } from "../streams/streamPool.js"
import { framingError } from "../transport/failure.js"
import { type Call, ManyCall, SingleCall } from "./calls.js"
import type { RequestPoolOptions, RequestPoolService } from "./contract.js"
import { ExclusiveStreams } from "./exclusiveStreams.js"
import { decodeRequest } from "./requestOptions.js"
import { RequestShell, type ShellOptions } from "./requestShell.js"

/** The streams that requests of their own may take, if the pool makes the streams itself. */
const exclusiveStreams = 100

/** Gives the request up when its fiber leaves the wait without an answer. */
class AbandonFrame extends FiberFrame {
  private readonly shell: RequestShell
  private readonly call: Call

  constructor(shell: RequestShell, call: Call) {
    super()
    this.shell = shell
    this.call = call
  }

  protected passed(): void {
    const { call } = this
    if (call.state !== "Ended") this.shell.abandon(call)
  }
}

class RequestPoolImpl extends InspectableClass implements RequestPoolService {
  readonly name: string
  private readonly shell: RequestShell
  private readonly exclusive: ExclusiveStreams
  private readonly requestAlone: RequestPoolService["request"]
  private readonly streamAlone: RequestPoolService["requestStream"]
  private readonly maxMessageSize: number
  private readonly idSize: number
  private readonly maxBatch: number

  constructor(name: string, shell: RequestShell, exclusive: ExclusiveStreams) {
    super()
    const { correlate, maxBatch } = shell.machine.options
    const { maxMessageSize } = shell
    this.name = name
    this.shell = shell
    this.exclusive = exclusive
    this.maxMessageSize = maxMessageSize
    this.maxBatch = maxBatch
    this.idSize = correlate ? maxIdSize : 0
    const requestAlone = requestOn(exclusive)
    const streamAlone = requestStreamOn(exclusive)
    this.requestAlone = (message) => requestAlone(message, { correlate, maxMessageSize })
    this.streamAlone = (message, options) =>
      streamAlone(message, { correlate, maxMessageSize, isLast: options?.isLast })
  }

  readonly request = (message: Uint8Array): Effect.Effect<Uint8Array, RequestError> =>
    withFiber((fiber: RunningFiber<Uint8Array, RequestError>) => {
      const problem = this.problemOf(message)
      if (problem !== undefined) return problem
      if (message.byteLength > this.maxBatch) return this.requestAlone(message)
      const { shell } = this
      const call = new SingleCall(message)
      if (!shell.runtime.hasFrames) return this.guarded(call)
      shell.begin(call)
      if (call.outcome !== undefined) return call.outcome
      push(fiber, new AbandonFrame(shell, call))
      return call.wait
    })

  /** For a version of Effect without frames. */
  private guarded(call: SingleCall): Effect.Effect<Uint8Array, RequestError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        this.shell.begin(call)
        if (call.outcome !== undefined) return call.outcome
        return Effect.onInterrupt(restore(call.wait), () => Effect.sync(() => this.shell.abandon(call)))
      })
    )
  }

  private problemOf(message: Uint8Array): Exit.Exit<never, RequestError> | undefined {
    if (!isBytes(message)) return Exit.die(notBytes("a message", message))
    const size = message.byteLength + this.idSize
    if (size <= this.maxMessageSize) return undefined
    const cause = framingError({ _tag: "Oversized", operation: "write", size, limit: this.maxMessageSize })
    return Exit.fail(new RequestError({ reason: "Framing", sent: "no", cause }))
  }

  readonly requestStream: RequestPoolService["requestStream"] = (message, options) =>
    unwrap(Effect.suspend(() => {
      const problem = this.problemOf(message)
      if (problem !== undefined) return problem
      if (options?.shared !== true || message.byteLength > this.maxBatch) {
        return Effect.succeed(this.streamAlone(message, options))
      }
      if (typeof options.isLast !== "function") return dieMessage("requestStream: shared requires isLast")
      const call = new ManyCall(message, options.isLast)
      return this.many(call)
    }))

  private many(call: ManyCall): Effect.Effect<Stream.Stream<Uint8Array, RequestError>, never, Scope.Scope> {
    return Effect.as(
      Effect.acquireRelease(
        Effect.sync(() => this.shell.begin(call)),
        () => Effect.sync(() => this.shell.abandon(call))
      ),
      repeatEffectOption(call.nextAnswer)
    )
  }

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    const { machine, whenDrained } = this.shell
    machine.drain(this.shell.now())
    return Deferred.await(whenDrained)
  })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const { machine, whenClosed } = this.shell
    machine.close(this.shell.now())
    this.exclusive.refuseWaiting()
    return Deferred.await(whenClosed)
  })

  readonly stats: Effect.Effect<RequestPoolStats> = Effect.sync(() => this.figures)

  readonly awaitStats: RequestPoolService["awaitStats"] = (predicate) =>
    Effect.suspend(() => {
      const { shell } = this
      const observe = (isObserved: boolean) => {
        shell.machine.isObserved = isObserved
      }
      const closed = () => shell.machine.state === "Closed" ? Effect.fail(shell.troubles.closed()) : undefined
      shell.observers ??= new StatsObservers(() => this.figures, observe, closed)
      return shell.observers.await(predicate)
    })

  get figures(): RequestPoolStats {
    const { asking, counters, exclusive, options, streams, waiting } = this.shell.machine
    return new RequestPoolStats({
      pool: this.name,
      streams: streams.size,
      opening: asking.asked,
      max: options.maxStreams,
      inFlight: streams.inFlight,
      forgotten: streams.forgotten,
      exclusive,
      waiters: waiting.length,
      requests: counters.begun,
      answered: counters.answered,
      sent: counters.sent,
      batches: counters.batches,
      largestBatch: counters.largestBatch,
      lateAnswers: counters.late,
      timeouts: counters.timeouts,
      rejections: counters.rejections,
      abandoned: counters.abandoned,
      failures: counters.failures,
      peak: counters.peak
    })
  }

  toJSON(): object {
    const { state } = this.shell.machine
    return { _id: "RequestPool", name: this.name, state, stats: this.figures.toJSON() }
  }
}

export const make = <E, R>(
  options: RequestPoolOptions<E, R>
): Effect.Effect<RequestPoolService, never, Scope.Scope | Exclude<R, Scope.Scope>> => {
  // `make` requires the hook's requirements: the fibers of the pool provide them
  const ping = options.keepAlive?.ping as ShellOptions["ping"]
  const { sessionPool, streamPool } = options
  return Effect.gen(function*() {
    const { decoded, problems } = decodeRequest(options)
    const { acquireTimeout, keepAlive, maxStreams, metrics, name, shutdownGrace, silenceTimeout } = decoded
    yield* dieOfProblems(name, problems)
    if ((streamPool === undefined) === (sessionPool === undefined)) {
      return yield* dieMessage(`[${name}] ${eitherOr("streamPool", "sessionPool", streamPool === undefined)}`)
    }
    const streams = streamPool ?? (yield* makeStreams<never, never>({
      sessionPool,
      name,
      maxSize: maxStreams + exclusiveStreams,
      acquireTimeout,
      shutdownGrace,
      metrics: false
    }))
    const context = contextOf(streams)
    if (context === undefined) return yield* dieMessage(`[${name}] streamPool was not made by StreamPool.make`)
    const { max } = yield* streams.stats
    if (maxStreams >= max) {
      return yield* dieMessage(
        `[${name}] maxStreams must be below the maxSize of streamPool (${max}), but was ${maxStreams}`
      )
    }
    const runtime = yield* poolRuntime
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        const shell = new RequestShell(
          { ...decoded, ping, silenceTimeout: keepAlive === undefined ? Infinity : silenceTimeout },
          runtime,
          context
        )
        // requests with streams of their own must not keep shared streams from opening
        const kept = streamPool === undefined ? maxStreams : 1
        const exclusive = new ExclusiveStreams(shell, context, kept)
        shell.endExclusive = (silent) => exclusive.endLent(silent)
        const pool = new RequestPoolImpl(name, shell, exclusive)
        if (metrics) {
          shell.hideMetrics = register(requestPool, [["pool", name]], runtime, () => pool.figures)
        }
        return pool
      }),
      (pool) => pool.close
    )
  })
}
