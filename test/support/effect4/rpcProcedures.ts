/** What client and server agree on. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export class Arithmetic extends RpcGroup.make(
  Rpc.make("Divide", {
    payload: { dividend: Schema.Number, divisor: Schema.Number },
    success: Schema.Number
  })
) {}
