/** The server: which sessions it grants, who serves them, and how it drains. */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen, callback } from "#effect/effect"
import { type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import { repeatEffectOption } from "#effect/stream"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ConstructorService, NativeWebTransport } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import { RefusalLog } from "../../observe/refusalLog.js"
import { dieOfProblems } from "../../options/optionChecks.js"
import { decodeAll, type Decoded } from "../../options/optionTable.js"
import { adopt } from "../../transport/connect.js"
import { atMost } from "../../transport/endings.js"
import { IncomingQueue, takeNext } from "../../transport/incoming.js"
import { LastCall } from "../../transport/lastCall.js"
import { type Certificate, loadCertificate } from "../fails/certificate.js"
import type { ServerService } from "./contract.js"
import { Fibers } from "./fibers.js"
import { listenWith } from "./listen.js"
import { type ConnectRequest, type Listen, type Listening, pathOf } from "./listener.js"
import { ServedSession, type StreamLimits } from "./servedSession.js"
import { type ServerOptions, serverOptions } from "./serverOptions.js"

/** A session that was granted. */
interface Arrival {
  readonly native: NativeWebTransport
  readonly request: ConnectRequest
}

/** How to free a session of the server. */
const serviceOf = ({ abandon, retainsWrites }: Listening): ConstructorService => ({
  construct: () => {
    throw new Error("a server does not connect")
  },
  abandon,
  retainsWrites
})

/** How many streams of each kind a client may open on a session in its whole life: `maxStreams` limits those open at once. */
const credit = { bidirectional: 1_000_000, unidirectional: 1_000_000 }

/** How long clients have to hear that the server drains, in milliseconds. */
const hearWithin = 1_000

/** How long clients have to end their connections after the last session. */
const farewellWithin = 500

const noMore = new WebTransportError({ reason: "SessionClosed", detail: "the server is closed" })

class Server {
  private readonly options: Decoded<typeof serverOptions>
  private readonly paths: ReadonlySet<string> | undefined
  private listening: Listening | undefined = undefined
  private service: ConstructorService | undefined = undefined
  private state: "Open" | "Draining" = "Open"
  /** Requests that were granted, whose sessions have yet to come. A client that leaves at once has none. */
  private readonly granted = new Set<ConnectRequest>()
  private readonly live = new Set<NativeWebTransport>()
  private whenNone: () => void = () => {}
  private arrivals: ReadableStreamDefaultController<Arrival> | undefined = undefined
  private readonly queue: IncomingQueue<Arrival>
  private readonly handlers = new Set<Fibers>()
  private readonly limits: StreamLimits
  private drained: Deferred.Deferred<void> | undefined = undefined
  readonly certificateHash: Uint8Array<ArrayBuffer>

  constructor(options: Decoded<typeof serverOptions>, certificate: Certificate, runtime: PoolRuntime) {
    this.options = options
    const { maxStreams } = options
    this.limits = { maxStreams, lastCall: new LastCall(), refusals: new RefusalLog(), runtime }
    this.paths = options.paths === undefined ? undefined : new Set(options.paths)
    this.certificateHash = certificate.hash
    const start = (controller: ReadableStreamDefaultController<Arrival>) => {
      this.arrivals = controller
    }
    this.queue = new IncomingQueue(new ReadableStream<Arrival>({ start }), 1)
  }

  async start(certificate: Certificate, listen: Listen): Promise<void> {
    const { host, port } = this.options
    this.listening = await listen({
      host,
      port,
      certificate,
      credit,
      admit: (request) => this.admit(request),
      onSession: (native, request) => this.arrived(native, request),
      onNoSession: (request) => this.granted.delete(request)
    })
    this.service = serviceOf(this.listening)
  }

  get address() {
    return this.listening!.address
  }

  // --- which sessions

  private admit(request: ConnectRequest): number {
    if (this.state !== "Open") return 503
    if (this.paths?.has(pathOf(request)) === false) return 404
    const { maxSessions } = this.options
    if (this.live.size + this.granted.size >= maxSessions) {
      const { refusals, runtime } = this.limits
      refusals.tooManySessions(runtime, maxSessions, { path: pathOf(request) })
      return 503
    }
    this.granted.add(request)
    return 200
  }

  private arrived(native: NativeWebTransport, request: ConnectRequest): void {
    this.granted.delete(request)
    this.live.add(native)
    const end = () => {
      this.live.delete(native)
      if (this.live.size === 0) this.whenNone()
    }
    native.closed.then(end, end)
    if (this.state === "Open") this.arrivals!.enqueue({ native, request })
    else native.close()
  }

  // --- who serves them

  private readonly accept: Effect.Effect<Arrival, WebTransportError> = Effect.suspend(() =>
    takeNext(this.queue, () => noMore, Effect.succeed, (arrival) => arrival)
  )

  private open({ native, request }: Arrival): Effect.Effect<ServedSession, WebTransportError, Scope.Scope> {
    return Effect.map(
      adopt(native, this.service, {}),
      (handle) => new ServedSession(handle.core, request, this.limits)
    )
  }

  /** The next session that is still there. */
  private readonly next: Effect.Effect<ServedSession, Option.Option<never>, Scope.Scope> = Effect.suspend(() =>
    Effect.matchEffect(this.accept, {
      onFailure: () => Effect.fail(Option.none()),
      onSuccess: (arrival) =>
        Effect.matchEffect(this.open(arrival), { onFailure: () => this.next, onSuccess: Effect.succeed })
    })
  )

  get sessions(): Stream.Stream<ServedSession, never, Scope.Scope> {
    return repeatEffectOption(this.next)
  }

  serve<E, R>(
    handler: (session: ServedSession) => Effect.Effect<unknown, E, R>
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(poolRuntime, (runtime) => {
        const fibers = new Fibers(runtime, (why) => this.limits.refusals.framing(runtime, "session", why, {}))
        const ended = makeDeferred<void>()
        this.handlers.add(fibers)
        const accept = () =>
          fibers.run(
            Effect.matchEffect(this.accept, {
              onFailure: () => Effect.sync(() => complete(ended, Exit.void)),
              onSuccess: (arrival) => {
                accept()
                return Effect.matchEffect(this.open(arrival), {
                  // the client has left
                  onFailure: () => Effect.void,
                  onSuccess: (session) => handler(session) as Effect.Effect<unknown, E, Scope.Scope>
                })
              }
            }),
            "session"
          )
        accept()
        return Effect.flatMap(
          Effect.exit(restore(Deferred.await(ended))),
          (exit) => andThen(this.drain, exit)
        )
      })
    )
  }

  // --- how it drains

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    if (this.drained !== undefined) return Deferred.await(this.drained)
    const drained = this.drained = makeDeferred<void>()
    return Effect.uninterruptible(
      Effect.ensuring(this.close, Effect.sync(() => complete(drained, Exit.void)))
    )
  })

  private readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.state = "Draining"
    this.listening!.stop()
    this.arrivals!.close()
    for (const native of this.live) this.listening!.goAway(native)
    return atMost(this.idle, Duration.millis(this.untilLastCall))
  }).pipe(
    andThen(Effect.suspend(() => {
      // for clients that were not told, or go on all the same
      this.limits.lastCall.call()
      return atMost(this.idle, Duration.millis(this.options.shutdownGrace - this.untilLastCall))
    })),
    andThen(Effect.suspend(() => {
      for (const fibers of this.handlers) fibers.interrupt()
      return this.handlersDone
    })),
    andThen(Effect.promise(() => {
      // nobody serves them
      for (const native of this.live) native.close()
      return this.listening!.close(farewellWithin)
    }))
  )

  private get untilLastCall(): number {
    return Math.min(hearWithin, this.options.shutdownGrace / 2)
  }

  /** Completes when no session is left, and no handler runs. */
  private get idle(): Effect.Effect<void> {
    return andThen(
      callback<void>((resume) => {
        if (this.live.size === 0) return resume(Effect.void)
        this.whenNone = () => resume(Effect.void)
      }),
      Effect.suspend(() => this.handlersDone)
    )
  }

  private get handlersDone(): Effect.Effect<void> {
    return Effect.forEach(this.handlers, (fibers) => fibers.empty, { discard: true })
  }
}

const orError = (cause: unknown): WebTransportError =>
  cause instanceof WebTransportError ? cause : new WebTransportError({ reason: "Listen", cause })

export const selfSigned: Effect.Effect<Certificate, WebTransportError> = /* @__PURE__ */ Effect.tryPromise({
  try: () => loadCertificate("self-signed"),
  catch: orError
})

/** `around` stands between the server and the package: only tests need one. */
export const makeAround = (
  options: ServerOptions,
  around: (listen: Listen) => Listen
): Effect.Effect<ServerService, WebTransportError, Scope.Scope> =>
  Effect.gen(function*() {
    const { decoded, problems } = decodeAll(serverOptions, options)
    yield* dieOfProblems("NodeWebTransportServer", problems)
    const certificate = yield* Effect.tryPromise({
      try: () => loadCertificate(decoded.certificate),
      catch: orError
    })
    const server = new Server(decoded, certificate, yield* poolRuntime)
    return yield* Effect.acquireRelease(
      Effect.as(
        Effect.tryPromise({
          try: () => server.start(certificate, around(listenWith[decoded.protocol])),
          catch: orError
        }),
        server
      ),
      () => server.drain
    )
  })

export const make = (options: ServerOptions): Effect.Effect<ServerService, WebTransportError, Scope.Scope> =>
  makeAround(options, (listen) => listen)
