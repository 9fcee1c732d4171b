import { complete } from "#effect/deferred"
import { dieMessage, timeoutFail } from "#effect/effect"
import { makeSocket } from "#effect/socket"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { cleanliness, isUnfit } from "../core/streams/cleanliness.js"
import { engineOf, type LeaseAdapter, makeWith, type SyncLease } from "../engine/resourcePool.js"
import { stillOpening } from "../observe/poolTexts.js"
import { engineSettings } from "../options/engineOptions.js"
import { dieOfProblems, eitherOr } from "../options/optionChecks.js"
import { SessionHandle } from "../transport/session.js"
import type { SessionInfo, StreamPoolOptions, StreamPoolService } from "./contract.js"
import { requestOn, requestStreamOn } from "./request.js"
import { decodeStream } from "./streamOptions.js"
import { type Failure, type Lane, type PooledStream, StreamSource } from "./streamSource.js"
import { type StreamPoolContext, StreamView } from "./streamView.js"

const leaseAdapter = (context: StreamPoolContext): LeaseAdapter<PooledStream, WebTransport.BidirectionalStream> => ({
  view: (pooled) => {
    // the session is retired: this is the stream's last use, and no waiter may count on it
    if (context.source.machine.lanes.isLeaving(pooled.lane)) pooled.control!.retire()
    return new StreamView(context, pooled)
  },
  end: (view, isSuccess) => (view as StreamView).end(isSuccess),
  later: (view, then) => context.source.awaitWrites((view as StreamView).pooled, then),
  core: (view) => view instanceof StreamView ? view.current : undefined,
  leaving: (pooled) => pooled.holder?.onLeaving(),
  standing: (pooled) => pooled.lane.standing,
  watch: (pooled, control) => {
    pooled.control = control
    const { stream } = pooled
    const { clientSpeaksFirst } = context
    const onChange = () => {
      if (pooled.holder !== undefined) return pooled.holder.onChange()
      const isFresh = pooled.uses === 0
      const holder = isFresh && !control.isIdle() ? "OnItsWay" : "Idle"
      if (isUnfit(stream, { clientSpeaksFirst, isFresh }, holder)) control.lost()
    }
    stream.watcher = onChange
    // for changes before the pool had the stream
    onChange()
    context.source.machine.becameItem(pooled)
  }
})

/** Runs a hook of the user on a stream that no borrower has. Fails if the hook does not leave the stream clean. */
const checking = <A, E, R>(
  context: StreamPoolContext,
  pooled: PooledStream,
  check: (stream: WebTransport.BidirectionalStream) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | "unclean", R> =>
  Effect.suspend(() => {
    const view = new StreamView(context, pooled, false)
    let isClean = false
    return Effect.suspend(() => check(view)).pipe(
      Effect.tap(() => pooled.stream.written),
      Effect.onExit((exit) => Effect.sync(() => isClean = view.endCheck(exit))),
      Effect.filterOrFail(() => isClean, () => "unclean" as const)
    )
  })

export const make = <E, R>(
  options: StreamPoolOptions<E, R>
): Effect.Effect<StreamPoolService, never, Scope.Scope | Exclude<R, Scope.Scope>> => {
  const { keepAlive, onRelease, session, sessionPool, validate } = options
  return Effect.gen(function*() {
    const { decoded, problems } = decodeStream(options)
    const { clientSpeaksFirst, name, quarantine, sendOrder } = decoded
    yield* dieOfProblems(name, problems)
    if ((session === undefined) === (sessionPool === undefined)) {
      return yield* dieMessage(`[${name}] ${eitherOr("session", "sessionPool", session === undefined)}`)
    }
    if (session !== undefined && !(session instanceof SessionHandle)) {
      return yield* dieMessage(
        `[${name}] session was not made by WebTransport.connect or WebTransport.fromNative`
      )
    }
    const sessions = sessionPool === undefined ? undefined : engineOf(sessionPool)
    if (sessionPool !== undefined && sessions === undefined) {
      return yield* dieMessage(`[${name}] sessionPool was not made by SessionPool.make`)
    }
    const streamOptions = sendOrder === undefined ? undefined : { sendOrder }
    const leaving = yield* Deferred.make<void>()
    const { built: { context }, pool } = yield* makeWith<
      PooledStream,
      Failure,
      R | Scope.Scope,
      WebTransport.BidirectionalStream,
      { readonly context: StreamPoolContext }
    >(
      engineSettings({
        ...decoded,
        // the session pool has this option; without a session pool, a lost session never comes back
        rideOut: 0,
        // each opening has its own limit, and waiting for a session's grant is not a failure
        createTimeout: Infinity
      }),
      (engine) => {
        const source = new StreamSource({ ...decoded, streamOptions }, sessions, session, engine)
        const context: StreamPoolContext = { source, clientSpeaksFirst, pool: engine }
        if (quarantine > 0) {
          engine.demandListeners.add(() => engine.isOpen ? undefined : complete(leaving, Exit.void))
        }
        return {
          ...leaseAdapter(context),
          context,
          below: sessions,
          stillCreating: stillOpening,
          closed: () => source.close(),
          acquire: source.open,
          validate: validate && ((pooled, info) => checking(context, pooled, (stream) => validate(stream, info))),
          ping: keepAlive && ((pooled) => checking(context, pooled, keepAlive.ping)),
          onRelease: onRelease === undefined && quarantine === 0 ?
            undefined :
            (pooled, exit, info) =>
              Effect.gen(function*() {
                if (onRelease !== undefined) {
                  const verdict = yield* checking(context, pooled, (stream) => onRelease(stream, exit, info))
                  if (verdict === "discard") return "discard"
                }
                // a pool that closes does not wait for streams in quarantine
                if (quarantine > 0) yield* Effect.timeoutOption(Deferred.await(leaving), Duration.millis(quarantine))
                return cleanliness(pooled.stream) === "Clean" ? "keep" : "discard"
              })
        }
      },
      "StreamPool"
    )
    const { source } = context
    const service = Object.assign(pool, {
      request: requestOn(pool),
      requestStream: requestStreamOn(pool),
      makeSocket: Effect.sync(() => makeSocket(fresh(context, decoded.acquireTimeout))),
      sessions: Effect.sync(() => Array.from(source.machine.lanes, (lane) => infoOf(source, lane)))
    })
    contexts.set(service, context)
    // other failures are PoolErrors, which borrowers of every pool may meet
    return service as typeof service & ResourcePool.ResourcePool<WebTransport.BidirectionalStream, WebTransportError>
  })
}

const contexts = new WeakMap<object, StreamPoolContext>()

/** The parts of a pool, for pools that are built on it; `undefined` for a pool of another package. */
export const contextOf = (pool: object): StreamPoolContext | undefined => contexts.get(pool)

const infoOf = (source: StreamSource, lane: Lane): SessionInfo => {
  const figures = {
    streams: lane.streams.size,
    inUse: lane.lent,
    opened: lane.session.streamsOpened,
    capacity: lane.capacity,
    isSuspect: lane.isSuspect,
    isRetired: source.machine.lanes.isLeaving(lane)
  }
  // not enumerable: it is large, and its URL may contain a token
  return Object.defineProperty(figures as typeof figures & SessionInfo, "native", {
    value: lane.session.native
  })
}

/** A stream for one borrower only, within the limits of the pool. */
const fresh = (context: StreamPoolContext, timeout: number): Effect.Effect<StreamView, Failure, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      let lease: SyncLease<StreamView> | undefined
      let wasLent = false
      yield* restore(context.pool.lend((lent) => {
        lease = lent as SyncLease<StreamView>
        wasLent = lease.value.pooled.uses > 1
        lease.value.own()
      })).pipe(Effect.onError(() => Effect.sync(() => lease?.giveBack(Exit.void))))
      yield* Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => lease!.giveBack(exit)))
      if (!wasLent) return lease!.value
      // a new stream, in the place of the used one
      lease!.value.end(true)
      const opened = context.source.openInstead(lease!.value.pooled).pipe(
        timeoutFail({
          duration: timeout,
          onTimeout: () =>
            new WebTransportError({ reason: "StreamOpen", detail: `no session granted a stream within ${timeout}ms` })
        })
      )
      const view = new StreamView(context, yield* restore(opened), false).own()
      yield* Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => view.endCheck(exit)))
      return view
    })
  )
