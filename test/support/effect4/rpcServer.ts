/** The main module of a server of `effect/rpc`: every stream that a client opens carries calls. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { nativeStreams, serve, type ServedStream } from "../../../examples/support/serve.js"
import { Arithmetic } from "./rpcProcedures.js"

const ArithmeticLive = Arithmetic.toLayer({
  Divide: ({ dividend, divisor }) => Effect.succeed(dividend / divisor)
})

/** The streams of all sessions, as sockets of one server. */
const SocketServerLive = Layer.effect(
  SocketServer.SocketServer,
  Effect.gen(function*() {
    const streams = yield* Queue.unbounded<ServedStream>()
    const onSession = nativeStreams((stream) => void Queue.offerUnsafe(streams, stream))
    yield* Effect.forkDetach(Effect.promise(() => serve({ "/rpc": onSession })))
    return SocketServer.SocketServer.of({
      address: NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, 0),
      run: (handler) =>
        Queue.take(streams).pipe(
          Effect.flatMap((stream) => Socket.fromTransformStream(Effect.succeed(stream))),
          // if a client leaves in the middle of an answer, the server continues
          Effect.flatMap((socket) => Effect.forkDetach(Effect.exit(handler(socket)))),
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
