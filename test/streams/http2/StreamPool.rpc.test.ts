/** Callers of `@effect/rpc` that share one stream of a pool, over a link that is too slow for their time limits. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Layer from "#test/Layer"
import * as Socket from "@effect/platform/Socket"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Arithmetic } from "../../../examples/rpc/procedures.js"
import { endpointOf } from "../../../examples/support/endpoint.js"
import type { Ready } from "../../../examples/support/serve.js"
import * as Network from "../../chaos/network.js"
import * as Processes from "../../support/processes.js"
import { failure, soon } from "../../support/streamPools.js"
import { assert, describe, it } from "../../support/vitest.js"

/** Bytes a second. */
const rate = 200_000
const callers = 8
/** The large headers of a call. */
const headers = { much: "x".repeat(100_000) }

const serverMain = fileURLToPath(new URL("../../../examples/rpc/server.ts", import.meta.url))

const startServer = Effect.gen(function*() {
  const { child } = yield* Effect.acquireRelease(
    Effect.sync(() => Processes.run(serverMain, [])),
    (running) => Effect.promise(() => running.kill())
  )
  const [line] = yield* Effect.promise(() => once(createInterface({ input: child.stdout }), "line"))
  return JSON.parse(line) as Ready
})

describe("a client of @effect/rpc over StreamPool.makeSocket", () => {
  it.scopedLive("serves its next callers after others gave up while their requests were written", () =>
    Effect.gen(function*() {
      const server = yield* startServer
      const proxy = yield* Network.start("tcp", server.port)
      const sessionPool = yield* SessionPool.make({
        ...endpointOf("/rpc")({ ...server, port: proxy.port }),
        maxSize: 1
      })
      const pool = yield* StreamPool.make({ sessionPool })
      const protocol = RpcClient.layerProtocolSocket().pipe(
        Layer.provide([Layer.effect(Socket.Socket, pool.makeSocket), RpcSerialization.layerNdjson])
      )
      const client = yield* Effect.provide(RpcClient.make(Arithmetic), yield* Layer.build(protocol))
      const divide = (divisor: number) => client.Divide({ dividend: 12, divisor })

      assert.strictEqual(yield* soon(divide(1)), 12)
      yield* proxy.set({ state: "open", delay: 0, rate })
      const impatient = client.Divide({ dividend: 12, divisor: 2 }, { headers }).pipe(
        Effect.timeout("1 second"),
        Effect.exit
      )
      const exits = yield* Effect.all(Array.from({ length: callers }, () => impatient), { concurrency: "unbounded" })
      // a defect is not a reached time limit
      for (const exit of exits) {
        if (Exit.isFailure(exit)) assert.strictEqual(failure(exit)._tag, "TimeoutException")
        else assert.strictEqual(exit.value, 6)
      }
      const quotients = Effect.forEach([1, 2, 3, 4], divide, { concurrency: "unbounded" })
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(yield* soon(quotients), [12, 6, 4, 3])
    }).pipe(Effect.provide(NodeWebTransport.layerHttp2)))
})
