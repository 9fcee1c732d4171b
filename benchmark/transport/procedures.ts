/** What the server of `@effect/rpc` and its client agree on. */
import { Rpc, RpcGroup } from "@effect/rpc"
import * as Schema from "effect/Schema"

export class Echo extends RpcGroup.make(
  Rpc.make("Echo", { payload: Schema.Uint8ArrayFromSelf, success: Schema.Uint8ArrayFromSelf })
) {}
