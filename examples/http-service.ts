/**
 * `npx tsx examples/http-service.ts`: an HTTP service whose handlers share one pool of sessions. `GET /echo/hello` asks the
 * backend at `SESSION_POOL_URL`, or an embedded one if that is not set; `SESSION_POOL_MAX_SIZE` and so on
 * configure the pool. On SIGTERM the service answers every accepted request, then ends.
 */
import { HttpApp, HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, ConfigProvider, Console, Duration, Effect, Layer, Option, Schema } from "effect"
import { SessionPool, SessionPoolLive } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { createServer } from "node:http"
import { startEchoServer } from "./demo/echoServer.js"

// --- the service

const requestTimeout = Config.duration("REQUEST_TIMEOUT").pipe(Config.withDefault(Duration.seconds(5)), Effect.orDie)

const ask = Effect.fnUntraced(function*(question: string) {
  const pool = yield* SessionPool.SessionPool
  return yield* pool.use((session) =>
    Effect.gen(function*() {
      const stream = yield* session.createBidirectionalStream()
      const bytes = new TextEncoder().encode(question)
      yield* stream.write(bytes)
      return new TextDecoder().decode(yield* stream.readExactly(bytes.length))
    }).pipe(Effect.scoped)
  )
}, (asking) => Effect.flatMap(requestTimeout, (limit) => Effect.timeout(asking, limit)))

const status = (status: number) => HttpServerResponse.empty({ status })

const router = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/echo/:text",
    Effect.gen(function*() {
      const { text } = yield* HttpRouter.schemaPathParams(Schema.Struct({ text: Schema.String }))
      return yield* HttpServerResponse.text(yield* ask(text))
    }).pipe(
      Effect.catchTags({
        ParseError: () => status(400),
        // no session is available
        PoolError: () => status(503),
        // the backend failed, or does not answer
        WebTransportError: () => status(502),
        TimeoutException: () => status(504)
      })
    )
  )
)

// --- shutdown

let accepted = 0
let pending = 0
let isDraining = false
let isClosing = false

const server = createServer()
server.on("request", (_, response) => {
  accepted++
  pending++
  response.once("close", () => {
    pending--
    cutIdle()
  })
})

/** For a minute, Node counts a connection without any request as busy. */
const cutIdle = () => {
  if (isClosing && pending === 0) server.closeAllConnections()
}

/** Tells clients that keep a connection to open another one, elsewhere. */
const drainable = <E, R>(app: HttpApp.Default<E, R>) =>
  HttpApp.withPreResponseHandler(
    app,
    (_, response) =>
      Effect.succeed(isDraining ? HttpServerResponse.setHeader(response, "connection", "close") : response)
  )

/** Accepts new connections until `DRAIN_DELAY` is over, so that a load balancer can notice. Then ends with the last answer. */
const drain = Effect.gen(function*() {
  isDraining = true
  yield* Effect.sleep(yield* Config.withDefault(Config.duration("DRAIN_DELAY"), Duration.seconds(1)))
  yield* Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    isClosing = true
    cutIdle()
  })
  yield* Console.log(`${accepted} requests accepted`)
}).pipe(Effect.orDie)

// --- wiring. Layers end in reverse order: the drain, the server, the pool, the backend.

/** Starts an embedded server if there is no `SESSION_POOL_URL`. */
const EndpointLive = Layer.unwrapScoped(Effect.gen(function*() {
  const url = yield* Config.option(Config.string("SESSION_POOL_URL"))
  if (Option.isSome(url)) return Layer.empty
  const { hash, port } = yield* startEchoServer
  const embedded = ConfigProvider.fromMap(
    new Map([
      ["SESSION_POOL_URL", `https://127.0.0.1:${port}/echo`],
      ["SESSION_POOL_CERTIFICATE_HASHES", hash]
    ]),
    { pathDelim: "_" }
  )
  return Layer.setConfigProvider(ConfigProvider.orElse(ConfigProvider.fromEnv(), () => embedded))
}))

const HttpLive = HttpServer.serve(router, drainable).pipe(
  Layer.provideMerge(
    NodeHttpServer.layerConfig(
      () => server,
      Config.all({ port: Config.withDefault(Config.integer("PORT"), 3000), host: Config.succeed("127.0.0.1") })
    )
  )
)

const MainLive = Layer.scopedDiscard(Effect.gen(function*() {
  yield* Effect.addFinalizer(() => drain)
  yield* HttpServer.addressFormattedWith((address) => Console.log(`listening at ${address}`))
})).pipe(
  Layer.provide(HttpLive),
  Layer.provide(SessionPoolLive),
  Layer.provide(NodeWebTransport.layerHttp2),
  Layer.provide(EndpointLive)
)

NodeRuntime.runMain(Layer.launch(MainLive))
