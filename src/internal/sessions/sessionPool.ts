import { andThen, type CloseableScope, provideScope, timeoutFail } from "#effect/effect"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { PermitSource } from "../../ResourcePoolOptions.js"
import * as WebTransport from "../../WebTransport.js"
import { isWebTransportError, WebTransportError } from "../../WebTransportError.js"
import { type LeaseAdapter, makeWith, type PoolEngine } from "../engine/resourcePool.js"
import { describeFailure } from "../observe/describeFailure.js"
import { engineSettings } from "../options/engineOptions.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { SessionHandle, viewCore } from "../transport/session.js"
import type { News, SessionCore } from "../transport/sessionCore.js"
import type { SessionPoolOptions, SessionPoolService } from "./contract.js"
import { Endpoints } from "./endpoints.js"
import { makeIncomingLoops } from "./incomingLoops.js"
import { Leavers } from "./leavers.js"
import { decodeSession } from "./sessionOptions.js"
import { PingHandle, pingsOf } from "./sessionPings.js"
import { SessionView } from "./sessionView.js"

/** The default of `maxStreamsOpened` if the transport retains memory of each stream until the session ends. */
const maxRetainedStreams = 1_000

/** Borrowers get views; the pool identifies a session by its core. */
const leaseAdapter: LeaseAdapter<SessionCore, WebTransport.Session> = {
  view: (core) => new SessionView(core),
  end: (view, isSuccess) => {
    if (view instanceof SessionView) view.end(isSuccess)
    const core = viewCore(view)
    if (isSuccess && core.whenUsed !== undefined) core.whenUsed()
    return core.isRetired ? "retire" : "keep"
  },
  core: (session) => session instanceof SessionHandle ? session.core : undefined,
  leaving: (core) => core.retire(),
  // the session tells in the same step; the failure is why it is gone, in every case
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

interface OwnScope {
  readonly scope: CloseableScope
  core?: SessionCore | undefined
}

const handle = (core: SessionCore): WebTransport.Session => new SessionHandle(core)

const asWebTransportError = (what: string) => (cause: unknown): WebTransportError =>
  isWebTransportError(cause) ? cause : new WebTransportError({
    reason: "Connect",
    detail: `${what} failed (${describeFailure(cause)})`,
    advice: "see the cause",
    cause
  })

const namedPermit = <R>(permit: PermitSource<any, R>): PermitSource<WebTransportError, R> => {
  const named = asWebTransportError("permit")
  if (Effect.isEffect(permit)) return Effect.mapError(permit, named)
  return (purpose, pool) => Effect.mapError(permit(purpose, pool), named)
}

type Make = <E, R>(
  options: SessionPoolOptions<E, R>
) => Effect.Effect<
  SessionPoolService,
  never,
  WebTransport.WebTransportConstructor | Scope.Scope | Exclude<R, Scope.Scope>
>

/** Each run makes its own pool. */
export const make: Make = (options) => Effect.suspend(() => makeOne(options))

const makeOne: Make = <E, R>(options: SessionPoolOptions<E, R>) => {
  const { concurrency, connect, endpoints, keepAlive, onOpen, onRelease, url, validate } = options
  const { decoded, problems } = decodeSession(options)
  const { maxStreamsOpened, name, overlap, retireGrace, shutdownGrace } = decoded
  const { connectTimeout } = decoded.connect
  const connectOptions = { closeTimeout: options.closeTimeout, ...connect }
  const { attemptDelay, baseEjectionTime, closeTimeout, consecutiveFailures, createBackoff, failbackAfter } = decoded
  const balance = {
    balance: decoded.balance,
    attemptDelay,
    consecutiveFailures,
    baseEjectionTime,
    maxEjectionTime: decoded.maxEjectionTime,
    failbackAfter,
    // each session has a permit: no attempt beside another
    maxAttempts: decoded.permit === undefined ? 2 as const : 1 as const,
    backoff: createBackoff,
    connectTimeout,
    closeTimeout
  }

  const openAt = (url: string | URL | Effect.Effect<string | URL, E, R>) =>
    Effect.suspend(() => {
      let step = "connecting"
      const opened = Effect.gen(function*() {
        const session = yield* Effect.mapError(
          WebTransport.connect(url, connectOptions),
          asWebTransportError("resolving the address")
        )
        if (onOpen !== undefined) {
          step = "onOpen"
          yield* Effect.mapError(onOpen(session), asWebTransportError("onOpen"))
        }
        return session
      })
      // `WebTransport.connect` has this limit itself, with a better error
      const isEffectful = [url, connect?.serverCertificateHashes, connect?.headers].some(Effect.isEffect)
      if (onOpen === undefined && !isEffectful) return opened
      return timeoutFail(opened, {
        duration: connectTimeout,
        onTimeout: () => {
          const what = onOpen === undefined ? "connecting" : "connecting and onOpen together"
          const detail = `${what} took longer than ${
            Duration.format(Duration.millis(connectTimeout))
          }, and it was ${step} that hung`
          return new WebTransportError({ reason: "ConnectTimeout", detail })
        }
      })
    })

  const leavers = new Leavers(retireGrace)
  const incoming = makeIncomingLoops(name, options)

  /** A session that closes with its item; or later, if bytes may still be on their way and it has time left. */
  const closeOwn = ({ core, scope }: OwnScope, exit: Exit.Exit<unknown, unknown>) => {
    const close = Scope.close(scope, exit)
    if (core === undefined || !(core.ends.hasToDeliver || core.ends.mayBeUnread)) return close
    // its borrowers still have it
    if (core.views > 0) core.ends.cutShort()
    return core.views > 0 || !overlap ? close : leavers.leave(core, close)
  }

  const openOwnAt = (url: string | URL | Effect.Effect<string | URL, E, R>) =>
    Effect.flatMap(
      Effect.acquireRelease(
        Effect.map(Scope.make(), (scope): OwnScope => ({ scope, core: undefined })),
        closeOwn
      ),
      (own) =>
        Effect.map(provideScope(openAt(url), own.scope), (session) => {
          own.core = viewCore(session)
          return session
        })
    )

  /** With several endpoints the session is open before it gets an owner. */
  const openOwnAtAny = (balanced: Endpoints) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        balanced.acquire(restore),
        (open) => Effect.as(Effect.acquireRelease(Effect.succeed<OwnScope>(open), closeOwn), open.session)
      )
    )

  type Engine = PoolEngine<WebTransport.Session, WebTransportError>

  const acquire = (pool: Engine, balanced: Endpoints | undefined) =>
    Effect.gen(function*() {
      const session = yield* (balanced === undefined ? openOwnAt(url!) : openOwnAtAny(balanced))
      const core = viewCore(session)
      // onOpen may have opened streams already
      core.limitStreams(maxStreamsOpened ?? (core.retainsStreams ? maxRetainedStreams : Infinity))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => core.closedBecause = `the pool ${name} closed the session: ${why(pool, core)}`)
      )
      yield* incoming.start(session)
      return core
    })

  /** Why the pool closed the session, for borrowers that still have it. */
  const why = (pool: Engine, core: SessionCore): string => {
    if (!pool.isOpen) return "the pool is closing, and shutdownGrace is over"
    if (core.isRetired) return "it was retired, and retireGrace is over"
    return pingsOf(core).failure ?? "the pool discarded it"
  }

  return Effect.gen(function*() {
    yield* dieOfProblems(name, problems)
    const { built: { balanced }, engine: inner, pool } = yield* makeWith<
      SessionCore,
      WebTransportError,
      R | WebTransport.WebTransportConstructor | Scope.Scope,
      WebTransport.Session,
      { readonly balanced: Endpoints | undefined }
    >(
      engineSettings({
        ...decoded,
        permit: decoded.permit && namedPermit(decoded.permit),
        // the connect timeout decides; this limit is for hooks that ignore it
        createTimeout: decoded.createTimeout ?? (endpoints === undefined ? connectTimeout + 5_000 : Infinity)
      }),
      (inner) => {
        const balanced = endpoints && new Endpoints({ ...balance, endpoints, openAt }, inner)
        // a failure dies with its check
        const tellPassed = (core: SessionCore, hasPassed: unknown) =>
          Effect.sync(() => hasPassed === false ? undefined : balanced?.proved(core))
        const watch: typeof leaseAdapter.watch = (core, control) => {
          if (keepAlive !== undefined) pingsOf(core).watch(control)
          leaseAdapter.watch!(core, control)
          // early deaths delay the next session of their endpoint, not of the pool
          if (balanced !== undefined) control.proven()
        }
        return {
          ...leaseAdapter,
          watch,
          ...(balanced === undefined ? {} : {
            alive: (core) => balanced.proved(core),
            destroyed: (core, reason) => balanced.destroyed(core, reason),
            closed: () => balanced.stop()
          } satisfies Partial<LeaseAdapter<SessionCore, WebTransport.Session>>),
          balanced,
          acquire: acquire(inner, balanced),
          concurrency: typeof concurrency === "function" ? (core) => concurrency(handle(core)) : undefined,
          validate: validate &&
            ((core, info) =>
              balanced === undefined
                ? validate(handle(core), info)
                : Effect.tap(validate(handle(core), info), (hasPassed) => tellPassed(core, hasPassed))),
          ping: keepAlive && ((core) => {
            const ping = pingsOf(core).heardOr(keepAlive.ping(new PingHandle(core)))
            return balanced === undefined ? ping : Effect.tap(ping, () => tellPassed(core, true))
          }),
          onRelease: onRelease && ((core, exit, info) => onRelease(handle(core), exit, info))
        }
      },
      "SessionPool"
    )
    const { close } = pool
    return Object.assign(pool, {
      endpoints: Effect.sync(() => balanced?.reports.stats() ?? []),
      unwanted: Effect.sync(incoming.unwanted),
      close: Effect.suspend(() => {
        const until = inner.now() + shutdownGrace
        balanced?.stop()
        return andThen(close, Effect.suspend(() => leavers.closeAll(Math.max(0, until - inner.now()))))
      })
    })
  })
}
