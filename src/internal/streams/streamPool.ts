import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as StreamPool from "../../StreamPool.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { cleanliness, isUnfit } from "../core/streams/cleanliness.js"
import { engineOf, type LeaseAdapter, makeWith, type SyncLease } from "../engine/resourcePool.js"
import { checkedBy, countOrInfinity, described, duration } from "../options/poolConfig.js"
import { decode, type Problem, Reader } from "../options/poolOptions.js"
import { SessionHandle } from "../transport/session.js"
import { requestOn, requestStreamOn } from "./request.js"
import { makeSocket } from "./socket.js"
import { type Failure, type Lane, PooledStream, type SourceOptions, StreamSource } from "./streamSource.js"
import { type StreamPoolContext, StreamView } from "./streamView.js"

export const defaults = {
  name: "StreamPool",
  maxSize: 100,
  acquireTimeout: "30 seconds",
  maxStreamsPerSession: 100,
  maxStreamsOpened: 500,
  openTimeout: 1_000,
  suspectAfter: 2,
  quarantine: 0,
  clientSpeaksFirst: true
} as const

interface Decoded extends SourceOptions {
  readonly acquireTimeout: number
  readonly quarantine: number
  readonly problems: ReadonlyArray<Problem>
}

/** The options that are not the engine's, and those of the engine that depend on them. */
export const decodeOptions = (options: StreamPool.CommonOptions & Partial<StreamPool.Hooks<any, any>>): Decoded => {
  const read = new Reader()
  const acquireTimeout = options.acquireTimeout ?? defaults.acquireTimeout
  const engine = decode({ ...options, acquireTimeout, maxSize: options.maxSize ?? defaults.maxSize })
  read.flag("clientSpeaksFirst", options.clientSpeaksFirst, defaults.clientSpeaksFirst)
  const quarantine = read.duration("quarantine", options.quarantine, defaults.quarantine)
  if (quarantine >= engine.machine.checkTimeout) {
    read.refuse("quarantine", options.quarantine, `below checkTimeout (${engine.machine.checkTimeout}ms)`)
  }
  return {
    acquireTimeout: engine.machine.acquireTimeout,
    quarantine,
    maxStreamsPerSession: read.count(
      "maxStreamsPerSession",
      options.maxStreamsPerSession,
      1,
      defaults.maxStreamsPerSession,
      true
    ),
    maxStreamsOpened: read.count("maxStreamsOpened", options.maxStreamsOpened, 1, defaults.maxStreamsOpened, true),
    openTimeout: read.duration("openTimeout", options.openTimeout, defaults.openTimeout),
    suspectAfter: read.count("suspectAfter", options.suspectAfter, 1, defaults.suspectAfter, true),
    streamOptions: options.sendOrder === undefined ? undefined : { sendOrder: options.sendOrder },
    problems: [...engine.problems, ...read.problems]
  }
}

const lendingOf = (context: StreamPoolContext): LeaseAdapter<PooledStream, WebTransport.BidirectionalStream> => ({
  view: (pooled) => {
    // on a retired session the stream is good for this use alone, and no borrower who waits may count on it
    if (context.source.machine.lanes.isLeaving(pooled.lane)) pooled.control!.retire()
    return new StreamView(context, pooled)
  },
  end: (view, isSuccess) => (view as StreamView).end(isSuccess),
  later: (view, then) => context.source.awaitWrites((view as StreamView).pooled, then),
  core: (view) => view instanceof StreamView ? view.current : undefined,
  watch: (pooled, control) => {
    pooled.control = control
    const { stream } = pooled
    const { clientSpeaksFirst } = context
    const onChange = () => {
      // the session's end is told by the machine
      if (stream.session.state === "Closed" && pooled.isItem) return
      if (pooled.holder !== undefined) return pooled.holder.onChange()
      const isFresh = pooled.uses === 0
      const holder = isFresh && !control.isIdle() ? "OnItsWay" : "Idle"
      if (isUnfit(stream, { clientSpeaksFirst, isFresh }, holder)) control.lost()
    }
    stream.watcher = onChange
    // what happened before the pool had the stream
    onChange()
    context.source.machine.becameItem(pooled)
  }
})

/** A hook of the user's, on a stream that nobody has. Fails if it leaves the stream in another state. */
const checking = <A, E, R>(
  context: StreamPoolContext,
  pooled: PooledStream,
  check: (stream: WebTransport.BidirectionalStream) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | "unclean", R> =>
  Effect.suspend(() => {
    const view = new StreamView(context, pooled, false)
    let isClean = false
    return Effect.suspend(() => check(view)).pipe(
      Effect.zipLeft(pooled.stream.written),
      Effect.onExit((exit) => Effect.sync(() => isClean = view.endCheck(exit))),
      Effect.filterOrFail(() => isClean, () => "unclean" as const)
    )
  })

export const make = <E, R>(
  options: StreamPool.MakeOptions<E, R>
): Effect.Effect<StreamPool.Service, never, Scope.Scope | Exclude<R, Scope.Scope>> => {
  const { keepAlive, onRelease, session, sessionPool, validate } = options
  const name = options.name ?? defaults.name
  return Effect.gen(function*() {
    const decoded = decodeOptions(options)
    if (decoded.problems.length > 0) {
      return yield* Effect.dieMessage(`[${name}] ${decoded.problems.map(({ message }) => message).join("; ")}`)
    }
    if ((session === undefined) === (sessionPool === undefined)) {
      return yield* Effect.dieMessage(`[${name}] one of session and sessionPool is needed`)
    }
    if (session !== undefined && !(session instanceof SessionHandle)) {
      return yield* Effect.dieMessage(
        `[${name}] session was not made by WebTransport.connect or WebTransport.fromNative`
      )
    }
    const sessions = sessionPool === undefined ? undefined : engineOf(sessionPool)
    if (sessionPool !== undefined && sessions === undefined) {
      return yield* Effect.dieMessage(`[${name}] sessionPool was not made by SessionPool.make`)
    }
    const { quarantine } = decoded
    const leaving = yield* Deferred.make<void>()
    const { adapter, pool } = yield* makeWith<
      PooledStream,
      Failure,
      R | Scope.Scope,
      WebTransport.BidirectionalStream,
      { readonly context: StreamPoolContext }
    >(
      {
        name,
        minSize: options.minSize,
        maxSize: options.maxSize ?? defaults.maxSize,
        minIdle: options.minIdle,
        order: options.order,
        acquireTimeout: options.acquireTimeout ?? defaults.acquireTimeout,
        maxWaiters: options.maxWaiters,
        // its session pool has that; and without one nothing comes back
        rideOut: 0,
        checkTimeout: options.checkTimeout,
        validateAfterIdle: options.validateAfterIdle,
        idleTimeToLive: options.idleTimeToLive,
        maxLifetime: options.maxLifetime,
        maxUses: options.maxUses,
        createConcurrency: options.createConcurrency,
        // to be refused by a session costs nothing, nor does asking a pool that has a pause of its own after a failure;
        // and whoever comes later is not to wait for the same
        createBackoff: options.createBackoff ?? { initial: 1, max: 100 },
        // each opening has a limit of its own, and waiting for a session's grant is no failure
        createTimeout: Duration.infinity,
        shutdownGrace: options.shutdownGrace,
        exhaustedThreshold: options.exhaustedThreshold,
        leakThreshold: options.leakThreshold,
        histograms: options.histograms,
        metrics: options.metrics,
        validate,
        keepAlive
      },
      (engine) => {
        const source = new StreamSource(decoded, sessions, session, engine)
        const clientSpeaksFirst = options.clientSpeaksFirst ?? defaults.clientSpeaksFirst
        const context: StreamPoolContext = { source, clientSpeaksFirst, pool: engine }
        if (quarantine > 0) {
          engine.demand.add(() => engine.isOpen ? undefined : Deferred.unsafeDone(leaving, Exit.void))
        }
        return {
          ...lendingOf(context),
          context,
          trouble: () => sessions?.lastFailure,
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
                // a pool that closes does not wait for streams that nobody has
                if (quarantine > 0) yield* Effect.timeoutOption(Deferred.await(leaving), Duration.millis(quarantine))
                return cleanliness(pooled.stream) === "Clean" ? "keep" : "discard"
              })
        }
      },
      "StreamPool"
    )
    const { context } = adapter
    const { source } = context
    const service = Object.assign(pool, {
      request: requestOn(pool),
      requestStream: requestStreamOn(pool),
      makeSocket: Effect.sync(() => makeSocket(fresh(context, decoded.acquireTimeout))),
      sessions: Effect.sync(() => Array.from(source.machine.lanes, (lane) => infoOf(source, lane)))
    })
    // whatever it meets besides is a PoolError, which every pool's borrowers may meet
    return service as typeof service & ResourcePool.ResourcePool<WebTransport.BidirectionalStream, WebTransportError>
  })
}

const infoOf = (source: StreamSource, lane: Lane): StreamPool.SessionInfo => {
  const figures = {
    streams: lane.streams.size,
    inUse: lane.lent,
    opened: lane.session.streamsOpened,
    capacity: lane.capacity,
    isSuspect: lane.isSuspect,
    isRetired: source.machine.lanes.isLeaving(lane)
  }
  // not shown with the figures: it is large, and its URL may hold a token
  return Object.defineProperty(figures as typeof figures & StreamPool.SessionInfo, "native", {
    value: lane.session.native
  })
}

/** A stream that nobody has had and nobody will have after, under the limits of the pool. */
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
      // a new one, in the place of one that was used before
      lease!.value.end(true)
      const opened = context.source.openInstead(lease!.value.pooled).pipe(
        Effect.timeoutFail({
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

// -----------------------------------------------------------------------------
// Config
// -----------------------------------------------------------------------------

export const checked = checkedBy((options: StreamPool.ConfigOptions) => decodeOptions(options).problems)

export const config: Config.Config<StreamPool.ConfigOptions> = checked(Config.all({
  name: described(Config.string("NAME"), "The pool's name in logs, errors and stats", defaults.name),
  minSize: described(Config.integer("MIN_SIZE"), "Streams to keep open", 0),
  maxSize: described(Config.integer("MAX_SIZE"), "The most streams at once", defaults.maxSize),
  minIdle: described(Config.integer("MIN_IDLE"), "Streams to keep open that nobody has", 0),
  maxStreamsPerSession: described(
    countOrInfinity("MAX_STREAMS_PER_SESSION"),
    "The most streams of one session at once",
    defaults.maxStreamsPerSession
  ),
  maxStreamsOpened: described(
    countOrInfinity("MAX_STREAMS_OPENED"),
    "After how many streams a session is replaced",
    defaults.maxStreamsOpened
  ),
  order: described(
    Config.literal("lifo", "fifo")("ORDER"),
    "Which stream is lent: the one used last, or first",
    "lifo"
  ),
  acquireTimeout: described(
    duration("ACQUIRE_TIMEOUT"),
    "How long a borrower waits",
    Duration.decode(defaults.acquireTimeout)
  ),
  maxWaiters: described(countOrInfinity("MAX_WAITERS"), "How many borrowers may wait", Infinity),
  openTimeout: described(
    duration("OPEN_TIMEOUT"),
    "After how long without a stream a session counts as full",
    Duration.millis(defaults.openTimeout)
  ),
  clientSpeaksFirst: described(
    Config.boolean("CLIENT_SPEAKS_FIRST"),
    "Whether the peer only answers",
    defaults.clientSpeaksFirst
  ),
  quarantine: described(
    duration("QUARANTINE"),
    "How long a stream that came back is watched before it is lent again",
    Duration.zero
  ),
  suspectAfter: described(
    countOrInfinity("SUSPECT_AFTER"),
    "After how many answers that never came a session is replaced",
    defaults.suspectAfter
  ),
  idleTimeToLive: described(duration("IDLE_TIME_TO_LIVE"), "When an unused stream is ended", Duration.infinity),
  maxLifetime: described(duration("MAX_LIFETIME"), "When a stream is replaced", Duration.infinity),
  maxUses: described(countOrInfinity("MAX_USES"), "After how many borrows a stream is replaced", Infinity),
  shutdownGrace: described(
    duration("SHUTDOWN_GRACE"),
    "How long borrowers have when the pool closes",
    Duration.seconds(5)
  ),
  histograms: described(Config.boolean("HISTOGRAMS"), "Whether waiting, creating and use are timed", false),
  metrics: described(Config.boolean("METRICS"), "Whether the pool shows metrics", true)
}))
