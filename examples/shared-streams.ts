/**
 * `npx tsx examples/shared-streams.ts`: ten requests at once on one shared stream, in one write, and a server that answers
 * them as they are ready.
 */
import { Console, Effect, Layer } from "effect"
import { Framing, RequestPool, SessionPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

/** The answer to a longer request takes longer; the others do not wait for it. */
const answer = (request: Uint8Array) =>
  Effect.delay(Effect.succeed(bytes(`${text(request)}!`)), `${request.length} millis`)

const SessionsLive = Layer.scoped(
  SessionPool.SessionPool,
  Effect.gen(function*() {
    const server = yield* NodeWebTransportServer.make({ certificate: "self-signed", paths: ["/greetings"] })
    yield* Effect.forkScoped(
      server.serve((session) => session.serveStreams((stream) => Framing.serve(stream, answer)))
    )
    return yield* SessionPool.make({
      url: `https://127.0.0.1:${server.address.port}/greetings`,
      connect: { serverCertificateHashes: [{ value: server.certificateHash }] }
    })
  })
)

const program = Effect.gen(function*() {
  const pool = yield* RequestPool.RequestPool
  const ask = (request: string) =>
    pool.request(bytes(request)).pipe(
      Effect.map(text),
      // a peer that hangs never answers
      Effect.timeout("5 seconds")
    )
  const greetings = Array.from({ length: 10 }, (_, i) => `hello ${i}`)
  const answers = yield* Effect.forEach(greetings, ask, { concurrency: "unbounded" })
  yield* Console.log(answers.join(" "))
  const { batches, sent, streams } = yield* pool.stats
  yield* Console.log(`${sent} requests on ${streams} stream, in ${batches} write`)
})

await program.pipe(
  Effect.provide(RequestPool.layer().pipe(Layer.provide(SessionsLive), Layer.provide(NodeWebTransport.layerHttp2))),
  Effect.runPromise
)
