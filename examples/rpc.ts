/**
 * `npx tsx examples/rpc.ts`: RPCs of `@effect/rpc` on one pooled WebTransport stream. One of them fails, one answers
 * with a stream. `examples/rpc/` has the procedures and the server.
 */
import { Socket } from "@effect/platform"
import { RpcClient, RpcSerialization } from "@effect/rpc"
import { Console, Effect, Layer, Stream } from "effect"
import { SessionPool, StreamPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startServer } from "./demo/echoServer.js"
import { Arithmetic } from "./rpc/procedures.js"
import { endpointOf } from "./support/endpoint.js"

const SessionsLive = Layer.scoped(
  SessionPool.SessionPool,
  startServer(new URL("./rpc/server.ts", import.meta.url)).pipe(
    Effect.map(endpointOf("/rpc")),
    Effect.flatMap((endpoint) => SessionPool.make({ ...endpoint, maxSize: 1 }))
  )
)

// The socket of the client. When its stream breaks, the client runs it again, on another stream.
const SocketLive = Layer.effect(Socket.Socket, Effect.flatMap(StreamPool.StreamPool, (pool) => pool.makeSocket))

const ProtocolLive = RpcClient.layerProtocolSocket().pipe(Layer.provide([SocketLive, RpcSerialization.layerNdjson]))

const program = Effect.gen(function*() {
  const client = yield* RpcClient.make(Arithmetic)

  const quotients = yield* Effect.forEach(
    [1, 2, 3, 4],
    (divisor) => client.Divide({ dividend: 12, divisor }),
    { concurrency: "unbounded" }
  )
  yield* Console.log(`12 divided by 1, 2, 3 and 4: ${quotients.join(", ")}`)

  const failure = yield* Effect.flip(client.Divide({ dividend: 1, divisor: 0 }))
  yield* Console.log(`1 divided by 0: ${failure._tag}`)

  const primes = yield* Stream.runCollect(client.Primes({ below: 30 }))
  yield* Console.log(`primes below 30: ${[...primes].join(", ")}`)

  const { created } = yield* Effect.flatMap(StreamPool.StreamPool, (pool) => pool.stats)
  yield* Console.log(`streams opened: ${created}`)
}).pipe(Effect.scoped, Effect.timeout("20 seconds"))

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      ProtocolLive.pipe(
        Layer.provideMerge(StreamPool.layer()),
        Layer.provide(SessionsLive),
        Layer.provide(NodeWebTransport.layerHttp2)
      )
    )
  )
)
