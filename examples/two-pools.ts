/** `npx tsx examples/two-pools.ts`: two pools of sessions, to two servers, under your own tags. */
import { Console, Context, Effect, Layer } from "effect"
import { SessionPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEndpoint } from "./support/endpoint.js"

// The tag `SessionPool.SessionPool` can stand for only one endpoint.
class Orders extends Context.Tag("example/Orders")<Orders, SessionPool.Service>() {}
class Telemetry extends Context.Tag("example/Telemetry")<Telemetry, SessionPool.Service>() {}

const pool = (options: { readonly name: string; readonly maxSize: number }) =>
  Effect.flatMap(startEndpoint, (endpoint) => SessionPool.make({ ...endpoint, ...options }))

// Bound to constants: each call of `Layer.scoped` is a new pool.
const OrdersLive = Layer.scoped(Orders, pool({ name: "orders", maxSize: 4 }))
const TelemetryLive = Layer.scoped(Telemetry, pool({ name: "telemetry", maxSize: 1 }))

const send = (pool: SessionPool.Service, text: string) =>
  pool.use((session) =>
    Effect.gen(function*() {
      const stream = yield* session.createBidirectionalStream()
      const bytes = new TextEncoder().encode(text)
      yield* stream.write(bytes)
      return new TextDecoder().decode(yield* stream.readExactly(bytes.length))
    }).pipe(Effect.scoped)
  ).pipe(Effect.timeout("5 seconds"))

const program = Effect.gen(function*() {
  const orders = yield* Orders
  const telemetry = yield* Telemetry
  yield* Console.log(yield* send(orders, "an order"))
  yield* Console.log(yield* send(telemetry, "a measurement"))
})

await Effect.runPromise(
  program.pipe(Effect.provide([OrdersLive, TelemetryLive]), Effect.provide(NodeWebTransport.layerHttp2))
)
