/** The main module of the RPC server's process: every stream that a client opens carries RPCs. */
import { RpcSerialization, RpcServer } from "@effect/rpc"
import { Effect, Layer, Stream } from "effect"
import { Arithmetic, DivisionByZero } from "./procedures.js"
import { streamsAsSockets } from "./sockets.js"

const isPrime = (n: number): boolean => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return n > 1
}

const ArithmeticLive = Arithmetic.toLayer({
  Divide: ({ dividend, divisor }) => divisor === 0 ? new DivisionByZero() : Effect.succeed(dividend / divisor),
  Primes: ({ below }) => Stream.filter(Stream.range(2, below - 1), isPrime)
})

await RpcServer.layer(Arithmetic).pipe(
  Layer.provide([ArithmeticLive, RpcServer.layerProtocolSocketServer]),
  Layer.provide([streamsAsSockets("/rpc"), RpcSerialization.layerNdjson]),
  Layer.launch,
  Effect.runPromise
)
