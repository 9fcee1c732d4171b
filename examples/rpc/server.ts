/** The main module of the RPC server's process: every stream that a client opens carries RPCs. */
import { Socket, SocketServer } from "@effect/platform"
import { RpcSerialization, RpcServer } from "@effect/rpc"
import { Effect, Layer, Queue, Stream } from "effect"
import { serve, type ServedStream } from "../support/serve.js"
import { Arithmetic, DivisionByZero } from "./procedures.js"

const isPrime = (n: number): boolean => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return n > 1
}

const ArithmeticLive = Arithmetic.toLayer({
  Divide: ({ dividend, divisor }) => divisor === 0 ? new DivisionByZero() : Effect.succeed(dividend / divisor),
  Primes: ({ below }) => Stream.filter(Stream.range(2, below - 1), isPrime)
})

/** The streams of all sessions, as sockets of one server. */
const SocketServerLive = Layer.effect(
  SocketServer.SocketServer,
  Effect.gen(function*() {
    const streams = yield* Queue.unbounded<ServedStream>()
    yield* Effect.promise(() => serve("/rpc", (stream) => void streams.unsafeOffer(stream))).pipe(Effect.forkDaemon)
    return SocketServer.SocketServer.of({
      address: { _tag: "TcpAddress", hostname: "127.0.0.1", port: 0 },
      run: (handler) =>
        Queue.take(streams).pipe(
          Effect.flatMap((stream) => Socket.fromTransformStream(Effect.succeed(stream))),
          // if a client leaves in the middle of an answer, the server continues
          Effect.flatMap((socket) => Effect.forkDaemon(Effect.exit(handler(socket)))),
          Effect.forever
        )
    })
  })
)

await RpcServer.layer(Arithmetic).pipe(
  Layer.provide([ArithmeticLive, RpcServer.layerProtocolSocketServer]),
  Layer.provide([SocketServerLive, RpcSerialization.layerNdjson]),
  Layer.launch,
  Effect.runPromise
)
