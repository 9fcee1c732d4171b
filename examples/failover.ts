/**
 * `npx tsx examples/failover.ts`: one pool over three servers, each in its own process. While borrowers send requests, one
 * server is killed; then another one takes its place in the list.
 */
import { Console, Effect, Exit, Fiber, Logger, LogLevel, Scope, SubscriptionRef } from "effect"
import { SessionPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEchoServer } from "./demo/echoServer.js"
import { endpointOf } from "./support/endpoint.js"

/** The server ends with the program, or by `kill` before that. */
const start = (name: string) =>
  Effect.gen(function*() {
    const scope = yield* Effect.acquireRelease(Scope.make(), Scope.close)
    const { connect, url } = endpointOf("/echo")(yield* Scope.extend(startEchoServer, scope))
    return { name, url, hashes: connect.serverCertificateHashes, kill: Scope.close(scope, Exit.void) }
  })

const program = Effect.gen(function*() {
  const [a, b, c, d] = yield* Effect.all([start("a"), start("b"), start("c"), start("d")], { concurrency: "unbounded" })

  // A list that changes, as one from a service discovery does.
  const list = yield* SubscriptionRef.make([a, b, c])

  const pool = yield* SessionPool.make({
    endpoints: list.changes,
    connect: { serverCertificateHashes: [a, b, c, d].flatMap(({ hashes }) => hashes) },
    minSize: 6,
    maxSize: 6,
    concurrency: 4,
    keepAlive: { interval: "1 second", ping: SessionPool.pingStream() },
    checkTimeout: "500 millis",
    failbackAfter: "1 second"
  })

  const request = pool.use((session) =>
    Effect.gen(function*() {
      const stream = yield* session.createBidirectionalStream()
      yield* stream.write(new TextEncoder().encode("hello"))
      return yield* stream.readExactly(5)
    }).pipe(Effect.scoped)
  ).pipe(Effect.timeout("5 seconds"))

  /** The sessions of each server, once these have equally many. */
  const spread = (servers: ReadonlyArray<typeof a>) =>
    Effect.map(Effect.delay(pool.endpoints, "50 millis"), (endpoints) =>
      servers.map(({ name, url }) => ({
        name,
        sessions: endpoints.find(({ endpoint }) => endpoint === new URL(url).host)?.sessions
      }))).pipe(
        Effect.repeat({ until: (all) => all.every(({ sessions }) => sessions === 6 / servers.length) }),
        Effect.map((all) => all.map(({ name, sessions }) => `${name} ${sessions}`).join(", "))
      )

  /** 16 borrowers send 1,000 requests, while something happens. */
  const row = (event: string, happens: Effect.Effect<void>, servers: ReadonlyArray<typeof a>) =>
    Effect.gen(function*() {
      const requests = yield* Effect.fork(
        Effect.replicateEffect(Effect.isSuccess(request), 1_000).pipe(Effect.withConcurrency(16))
      )
      yield* happens
      const answered = (yield* Fiber.join(requests)).filter((isAnswered) => isAnswered).length
      return { event, answered, lost: 1_000 - answered, sessions: yield* spread(servers) }
    })

  yield* pool.ready
  yield* Console.table([
    yield* row("three servers", Effect.void, [a, b, c]),
    yield* row("b is killed", Effect.delay(b.kill, "50 millis"), [a, c]),
    yield* row("d takes its place", SubscriptionRef.set(list, [a, c, d]), [a, c, d])
  ])
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(NodeWebTransport.layerHttp2),
    // the pool warns of the killed server
    Logger.withMinimumLogLevel(LogLevel.Error)
  )
)
