/** What client and server agree on. */
import { Rpc, RpcGroup } from "@effect/rpc"
import { Schema } from "effect"

export class DivisionByZero extends Schema.TaggedError<DivisionByZero>()("DivisionByZero", {}) {}

export class Arithmetic extends RpcGroup.make(
  Rpc.make("Divide", {
    payload: { dividend: Schema.Number, divisor: Schema.Number },
    success: Schema.Number,
    error: DivisionByZero
  }),
  Rpc.make("Primes", { payload: { below: Schema.Number }, success: Schema.Number, stream: true })
) {}
