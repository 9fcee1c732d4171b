import { withoutParentSpan } from "#effect/tracing"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as SessionPool from "../../SessionPool.js"
import * as WebTransport from "../../WebTransport.js"
import { isWebTransportError, WebTransportError } from "../../WebTransportError.js"
import { type LeaseAdapter, makeWith, type PoolEngine } from "../engine/resourcePool.js"
import { describeFailure } from "../observe/describeFailure.js"
import { checkedBy, countOrInfinity, described, duration } from "../options/poolConfig.js"
import { checkDuration, decode, type Problem, Reader } from "../options/poolOptions.js"
import { parseUrl } from "../transport/connect.js"
import {
  endView,
  type News,
  PingHandle,
  type SessionCore,
  SessionHandle,
  SessionView,
  viewCore
} from "../transport/session.js"
import { Leavers } from "./leavers.js"
import { pingsOf } from "./pingStream.js"

/** Datagrams that wait for `onDatagram`, for each session. */
const datagramBuffer = 64

const defaults = { name: "SessionPool", acquireTimeout: "30 seconds", overlap: true, maxStreamsOpened: 1_000 } as const

const defaultConnectTimeout = "10 seconds"

/** Borrowers get views; the pool knows a session by its core. */
const lending: LeaseAdapter<SessionCore, WebTransport.Session> = {
  view: (core) => new SessionView(core),
  end: (view, isSuccess) => {
    endView(view, isSuccess)
    return viewCore(view).isRetired ? "retire" : "keep"
  },
  core: (session) => session instanceof SessionHandle ? session.core : undefined,
  leaving: (core) => core.retire(),
  // the session tells in the same step; what it dies of is its failure, whichever way it ended
  watch: (core, control) => {
    const observe = (news: News) => {
      if (news !== "Leaving") return
      if (core.isRetired) control.retire()
      if (core.state === "Closed") control.lost(Cause.fail(core.gone))
    }
    core.observers.add(observe)
    observe("Leaving")
  }
}

const handle = (core: SessionCore): WebTransport.Session => new SessionHandle(core)

const checkUrl = (url: unknown): ReadonlyArray<Problem> => {
  if (Effect.isEffect(url)) return []
  const parsed = parseUrl(url as string | URL)
  return Either.isLeft(parsed)
    ? [{ option: "url", message: `url must be an absolute https: URL without a fragment, but ${parsed.left.detail}` }]
    : []
}

const checkMaxStreamsOpened = (count: number | undefined): ReadonlyArray<Problem> => {
  const read = new Reader()
  read.count("maxStreamsOpened", count, 1, Infinity)
  return read.problems
}

const asWebTransportError = (what: string) => (cause: unknown): WebTransportError =>
  isWebTransportError(cause) ? cause : new WebTransportError({
    reason: "Connect",
    detail: `${what} failed (${describeFailure(cause)})`,
    advice: "the cause says more",
    cause
  })

type Make = <E, R>(
  options: SessionPool.Options<E, R>
) => Effect.Effect<
  SessionPool.Service,
  never,
  WebTransport.WebTransportConstructor | Scope.Scope | Exclude<R, Scope.Scope>
>

/** Each time it is run it makes a pool of its own. */
export const make: Make = (options) => Effect.suspend(() => makeOne(options))

const makeOne: Make = <E, R>(options: SessionPool.Options<E, R>) => {
  const {
    concurrency,
    connect,
    keepAlive,
    maxStreamsOpened,
    onDatagram,
    onIncoming,
    onOpen,
    onRelease,
    url,
    validate,
    ...engine
  } = options
  const unwanted = { streams: 0, datagrams: 0 }
  const limit = connect?.connectTimeout ?? defaultConnectTimeout
  const overlap = engine.overlap ?? defaults.overlap
  const settings = { closeTimeout: engine.closeTimeout, ...connect }
  const { machine } = decode(engine)

  const open = Effect.suspend(() => {
    let step = "connecting"
    const opened = Effect.gen(function*() {
      const session = yield* Effect.mapError(
        WebTransport.connect(url, settings),
        asWebTransportError("resolving the address")
      )
      if (onOpen !== undefined) {
        step = "onOpen"
        yield* Effect.mapError(onOpen(session), asWebTransportError("onOpen"))
      }
      return session
    })
    // who connects keeps the limit, and can say more about it
    const isEffectful = [url, connect?.serverCertificateHashes, connect?.headers].some(Effect.isEffect)
    if (onOpen === undefined && !isEffectful) return opened
    return Effect.timeoutFail(opened, {
      duration: limit,
      onTimeout: () => {
        const what = onOpen === undefined ? "connecting" : "connecting and onOpen together"
        const detail = `${what} took longer than ${
          Duration.format(Duration.decode(limit))
        }, and it was ${step} that hung`
        return new WebTransportError({ reason: "ConnectTimeout", detail })
      }
    })
  })

  const warn = (what: string, pool: string) => (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
    Cause.isInterruptedOnly(cause)
      ? Effect.void
      : Effect.annotateLogs(Effect.logWarning(`${what} failed`, cause), {
        package: "effect-pools",
        module: "SessionPool",
        pool,
        event: "HookFailure"
      })
  const name = engine.name ?? defaults.name

  /** One stream after the other, each handled on a fiber of its own until the session is gone. */
  const streams = <A extends WebTransport.BidirectionalStream | WebTransport.ReceiveStream>(
    session: WebTransport.Session,
    accept: Effect.Effect<A, WebTransportError, Scope.Scope>
  ): Effect.Effect<never, WebTransportError, R | Scope.Scope> =>
    Effect.forever(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const stream = yield* restore(Scope.extend(accept, scope)).pipe(
            Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
          )
          if (onIncoming === undefined) {
            unwanted.streams++
            yield* stream.reset(0)
            return yield* Scope.close(scope, Exit.void)
          }
          yield* restore(Effect.suspend(() => onIncoming(stream, session))).pipe(
            Scope.extend(scope),
            Effect.tapErrorCause(warn("onIncoming", name)),
            Effect.onExit((exit) => Scope.close(scope, exit)),
            Effect.exit,
            Effect.interruptible,
            Effect.forkScoped
          )
        })
      )
    )

  const datagrams = (
    session: WebTransport.Session
  ): Effect.Effect<never, WebTransportError, R | Scope.Scope> => {
    const receive = Effect.tap(
      session.datagrams.receive,
      (datagram) => Effect.sync(() => viewCore(session).received(datagram.byteLength))
    )
    if (onDatagram === undefined) {
      return Effect.forever(Effect.tap(receive, () => Effect.sync(() => unwanted.datagrams++)))
    }
    return Effect.gen(function*() {
      const queue = yield* Queue.sliding<Uint8Array>(datagramBuffer)
      yield* Queue.take(queue).pipe(
        Effect.flatMap((datagram) =>
          Effect.catchAllCause(Effect.suspend(() => onDatagram(datagram, session)), warn("onDatagram", name))
        ),
        Effect.forever,
        Effect.forkScoped
      )
      return yield* Effect.forever(
        Effect.flatMap(receive, (datagram) => {
          if (queue.unsafeSize().pipe((size) => size._tag === "Some" && size.value >= datagramBuffer)) {
            unwanted.datagrams++
          }
          return Queue.offer(queue, datagram)
        })
      )
    })
  }

  const leavers = new Leavers(machine.retireGrace)

  /** Closes it with the item; later, if it has something to deliver and its time is not over. */
  const opened = Effect.flatMap(
    Effect.acquireRelease(
      Effect.map(Scope.make(), (scope) => ({ scope, core: undefined as SessionCore | undefined })),
      ({ core, scope }, exit) => {
        const close = Scope.close(scope, exit)
        if (core === undefined || !core.hasToDeliver) return close
        // under its borrowers
        if (core.views > 0) core.cutShort()
        return core.views > 0 || !overlap ? close : leavers.leave(core, close)
      }
    ),
    (own) =>
      Effect.map(Scope.extend(open, own.scope), (session) => {
        own.core = viewCore(session)
        return session
      })
  )

  type Engine = PoolEngine<WebTransport.Session, WebTransportError>

  const acquire = (pool: Engine) =>
    Effect.gen(function*() {
      const session = yield* opened
      const core = viewCore(session)
      const limit = maxStreamsOpened ?? (core.retainsStreams ? defaults.maxStreamsOpened : Infinity)
      // it may have opened some already, in onOpen
      core.limitStreams(limit)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => core.closedBecause = `its pool, ${name}, closed it: ${why(pool, core)}`)
      )
      const incoming = [
        streams(session, session.acceptBidirectionalStream),
        streams(session, session.acceptUnidirectionalStream),
        datagrams(session)
      ]
      // they end by failing, when the session is gone
      yield* Effect.forEach(incoming, (loop) => Effect.forkScoped(withoutParentSpan(Effect.exit(loop))), {
        discard: true
      })
      return core
    })

  /** For whoever has it still. */
  const why = (pool: Engine, core: SessionCore): string => {
    if (!pool.isOpen) return "the pool is closing, and shutdownGrace is over"
    if (core.isRetired) return "it was to be replaced, and retireGrace is over"
    return pingsOf(core).failure ?? "it was not to be lent again"
  }

  return Effect.gen(function*() {
    const problems = [
      ...checkUrl(url),
      ...checkDuration("connect.connectTimeout", limit),
      ...checkDuration("connect.closeTimeout", connect?.closeTimeout ?? "5 seconds"),
      ...decode({
        ...engine,
        concurrency: typeof concurrency === "number" ? concurrency : undefined,
        keepAlive,
        validate
      }).problems,
      ...checkMaxStreamsOpened(maxStreamsOpened)
    ]
    if (problems.length > 0) {
      return yield* Effect.dieMessage(`[${name}] ${problems.map((problem) => problem.message).join("; ")}`)
    }
    const { engine: inner, pool } = yield* makeWith<
      SessionCore,
      WebTransportError,
      R | WebTransport.WebTransportConstructor | Scope.Scope,
      WebTransport.Session
    >(
      {
        ...engine,
        name,
        acquireTimeout: engine.acquireTimeout ?? defaults.acquireTimeout,
        // the connect timeout is the one that counts; this is for hooks that ignore it
        createTimeout: engine.createTimeout ?? Duration.sum(limit, "5 seconds"),
        overlap,
        concurrency,
        validate,
        keepAlive,
        onRelease
      },
      (inner) => ({
        ...lending,
        acquire: acquire(inner),
        concurrency: typeof concurrency === "function" ? (core) => concurrency(handle(core)) : undefined,
        validate: validate && ((core, info) => validate(handle(core), info)),
        ping: keepAlive && ((core) => pingsOf(core).unlessHeard(keepAlive.ping(new PingHandle(core)))),
        onRelease: onRelease && ((core, exit, info) => onRelease(handle(core), exit, info))
      }),
      "SessionPool"
    )
    const { close } = pool
    return Object.assign(pool, {
      unwanted: Effect.sync((): SessionPool.Unwanted => ({ ...unwanted })),
      close: Effect.suspend(() => {
        const until = inner.now() + machine.shutdownGrace
        return Effect.zipRight(close, Effect.suspend(() => leavers.end(Math.max(0, until - inner.now()))))
      })
    })
  })
}

// --- Config

export const checked = checkedBy((options: SessionPool.ConfigOptions) => [
  ...checkUrl(options.url),
  ...checkDuration("connectTimeout", options.connectTimeout),
  ...decode(options).problems,
  ...checkMaxStreamsOpened(options.maxStreamsOpened)
])

export const fromConfig = <E, R>(
  { certificateHashes, connectTimeout, ...options }: SessionPool.ConfigOptions,
  hooks: SessionPool.Hooks<E, R> | undefined
): SessionPool.Options<E, R> => ({
  ...options,
  ...hooks,
  connect: {
    connectTimeout,
    serverCertificateHashes: certificateHashes?.map((value) => ({ value }))
  }
})

const parseHashes = (text: string): Either.Either<ReadonlyArray<Uint8Array>, ConfigError.ConfigError> =>
  Either.all(
    text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
      const hex = Either.getOrUndefined(Encoding.decodeHex(part.replaceAll(":", "")))
      return hex?.length === 32
        ? Either.right(hex)
        : Either.left(ConfigError.InvalidData(
          [],
          `a SHA-256 hash has 64 hexadecimal digits; ${JSON.stringify(part)} is none`
        ))
    })
  )

export const config: Config.Config<SessionPool.ConfigOptions> = checked(Config.all({
  url: Config.string("URL").pipe(Config.withDescription("Where to connect; https only")),
  name: described(Config.string("NAME"), "The pool's name in logs, errors and stats", defaults.name),
  minSize: described(Config.integer("MIN_SIZE"), "Sessions to keep open", 0),
  maxSize: described(Config.integer("MAX_SIZE"), "The most sessions at once", 10),
  concurrency: described(Config.integer("CONCURRENCY"), "Borrowers per session", 1),
  minIdle: described(Config.integer("MIN_IDLE"), "Sessions to keep open that nobody has", 0),
  order: described(
    Config.literal("lifo", "fifo")("ORDER"),
    "Which session is lent: the one used last, or first",
    "lifo"
  ),
  acquireTimeout: described(
    duration("ACQUIRE_TIMEOUT"),
    "How long a borrower waits",
    Duration.decode(defaults.acquireTimeout)
  ),
  maxWaiters: described(countOrInfinity("MAX_WAITERS"), "How many borrowers may wait", Infinity),
  rideOut: described(
    duration("RIDE_OUT"),
    "For how long connects go on failing before borrowers do",
    Duration.seconds(2)
  ),
  connectTimeout: described(
    duration("CONNECT_TIMEOUT"),
    "How long connecting may take",
    Duration.decode(defaultConnectTimeout)
  ),
  createConcurrency: described(Config.integer("CREATE_CONCURRENCY"), "How many connect at the same time", 8),
  certificateHashes: described(
    Config.mapOrFail(Config.string("CERTIFICATE_HASHES"), parseHashes),
    "SHA-256 hashes of trusted certificates, hexadecimal, comma-separated",
    []
  ),
  idleTimeToLive: described(
    duration("IDLE_TIME_TO_LIVE"),
    "When an unused session is closed",
    Duration.infinity
  ),
  maxLifetime: described(duration("MAX_LIFETIME"), "When a session is replaced", Duration.infinity),
  maxUses: described(countOrInfinity("MAX_USES"), "After how many borrows a session is replaced", Infinity),
  maxStreamsOpened: described(
    Config.map(countOrInfinity("MAX_STREAMS_OPENED"), (count): number | undefined => count),
    "After how many streams a session is replaced",
    undefined
  ),
  overlap: described(
    Config.boolean("OVERLAP"),
    "Whether a replaced session that is still lent gives up its place",
    defaults.overlap
  ),
  retireGrace: described(
    duration("RETIRE_GRACE"),
    "How long a borrower may keep a replaced session",
    Duration.seconds(30)
  ),
  closeTimeout: described(
    duration("CLOSE_TIMEOUT"),
    "How long a closing session may hold its place",
    Duration.seconds(5)
  ),
  shutdownGrace: described(
    duration("SHUTDOWN_GRACE"),
    "How long borrowers have when the pool closes",
    Duration.seconds(5)
  ),
  histograms: described(Config.boolean("HISTOGRAMS"), "Whether waiting, creating and use are timed", false),
  metrics: described(Config.boolean("METRICS"), "Whether the pool shows metrics", true)
}))
