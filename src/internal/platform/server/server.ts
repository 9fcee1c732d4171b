/** The server: which sessions it grants, who serves them, and how it drains. */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen, callback } from "#effect/effect"
import { poolRuntime } from "#effect/poolRuntime"
import { repeatEffectOption } from "#effect/stream"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ConstructorService } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import { dieOfProblems } from "../../options/optionChecks.js"
import { decodeAll, type Decoded } from "../../options/optionTable.js"
import { adopt } from "../../transport/connect.js"
import { atMost } from "../../transport/endings.js"
import { IncomingQueue, takeNext } from "../../transport/incoming.js"
import { type Certificate, loadCertificate } from "../fails/certificate.js"
import { abandon, type ConnectRequest, goAway, listen, type Listening } from "../fails/listen.js"
import type { ServerSession as NativeSession } from "../fails/serverShape.js"
import type { ServerService } from "./contract.js"
import { Fibers } from "./fibers.js"
import { ServedSession } from "./servedSession.js"
import { type ServerOptions, serverOptions } from "./serverOptions.js"

/** A session that was granted. */
interface Arrival {
  readonly native: NativeSession
  readonly request: ConnectRequest
}

/** How to free a session of the server. The library passes written buffers to the socket uncopied (1.6.8). */
const service: ConstructorService = {
  construct: () => {
    throw new Error("a server does not connect")
  },
  abandon: (native) => abandon(native as NativeSession),
  retainsWrites: true
}

/** How long clients have to end their connections after the last session. */
const farewellWithin = 500

const noMore = new WebTransportError({ reason: "SessionClosed", detail: "the server is closed" })

const pathOf = ({ path }: ConnectRequest): string => path.split("?", 1)[0]!

class Server {
  private readonly options: Decoded<typeof serverOptions>
  private readonly paths: ReadonlySet<string> | undefined
  private listening: Listening | undefined = undefined
  private state: "Open" | "Draining" = "Open"
  /** Requests that were granted, whose sessions have yet to come. A client that leaves at once has none. */
  private readonly granted = new Set<ConnectRequest>()
  private readonly live = new Set<NativeSession>()
  private whenNone: () => void = () => {}
  private arrivals: ReadableStreamDefaultController<Arrival> | undefined = undefined
  private readonly queue: IncomingQueue<Arrival>
  private readonly handlers = new Set<Fibers>()
  private drained: Deferred.Deferred<void> | undefined = undefined
  readonly certificateHash: Uint8Array<ArrayBuffer>

  constructor(options: Decoded<typeof serverOptions>, certificate: Certificate) {
    this.options = options
    this.paths = options.paths === undefined ? undefined : new Set(options.paths)
    this.certificateHash = certificate.hash
    const start = (controller: ReadableStreamDefaultController<Arrival>) => {
      this.arrivals = controller
    }
    this.queue = new IncomingQueue(new ReadableStream<Arrival>({ start }), 1)
  }

  async start(certificate: Certificate): Promise<void> {
    const { host, port, protocol } = this.options
    this.listening = await listen({
      protocol,
      host,
      port,
      certificate,
      admit: (request) => this.admit(request),
      onSession: (native, request) => this.arrived(native, request)
    })
  }

  get address() {
    return this.listening!.address
  }

  // --- which sessions

  private admit(request: ConnectRequest): number {
    if (this.state !== "Open") return 503
    if (this.paths?.has(pathOf(request)) === false) return 404
    if (this.live.size + this.granted.size >= this.options.maxSessions) return 503
    this.granted.add(request)
    // the session comes in this turn, or never
    setTimeout(() => this.granted.delete(request), 0)
    return 200
  }

  private arrived(native: NativeSession, request: ConnectRequest): void {
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
      adopt(native, service, {}),
      (handle) => new ServedSession(handle.core, request, this.options.maxStreams)
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
        const fibers = new Fibers(runtime)
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
    for (const native of this.live) goAway(native)
    return atMost(this.idle, Duration.millis(this.options.shutdownGrace))
  }).pipe(
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

export const make = (options: ServerOptions): Effect.Effect<ServerService, WebTransportError, Scope.Scope> =>
  Effect.gen(function*() {
    const { decoded, problems } = decodeAll(serverOptions, options)
    yield* dieOfProblems("NodeWebTransportServer", problems)
    const certificate = yield* Effect.tryPromise({
      try: () => loadCertificate(decoded.certificate),
      catch: orError
    })
    const server = new Server(decoded, certificate)
    return yield* Effect.acquireRelease(
      Effect.as(Effect.tryPromise({ try: () => server.start(certificate), catch: orError }), server),
      () => server.drain
    )
  })
