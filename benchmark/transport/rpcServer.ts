/** The main of the process of `@effect/rpc`'s server: it answers with the bytes of the request. */
import { RpcSerialization, RpcServer } from "@effect/rpc"
import { Effect, Layer } from "effect"
import { streamsAsSockets } from "../../examples/rpc/sockets.js"
import { Echo } from "./procedures.js"

await RpcServer.layer(Echo).pipe(
  Layer.provide([Echo.toLayer({ Echo: (bytes) => Effect.succeed(bytes) }), RpcServer.layerProtocolSocketServer]),
  Layer.provide([streamsAsSockets("/rpc"), RpcSerialization.layerMsgPack]),
  Layer.launch,
  Effect.runPromise
)
