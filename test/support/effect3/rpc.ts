/** A client of `@effect/rpc` over a socket. */
import * as Socket from "@effect/platform/Socket"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import { Arithmetic } from "../../../examples/rpc/procedures.js"

export const serverMain = fileURLToPath(new URL("../../../examples/rpc/server.ts", import.meta.url))

export const arithmetic = <E, R>(socket: Effect.Effect<Socket.Socket, E, R>) =>
  Effect.gen(function*() {
    const protocol = RpcClient.layerProtocolSocket().pipe(
      Layer.provide([Layer.effect(Socket.Socket, socket), RpcSerialization.layerNdjson])
    )
    return yield* Effect.provide(RpcClient.make(Arithmetic), yield* Layer.build(protocol))
  })
