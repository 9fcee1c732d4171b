/** Callers of Effect's RPC that share one stream of a pool, over a link that is too slow for their time limits. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import { arithmetic, serverMain } from "#test/rpc"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Ready } from "../../../examples/support/serve.js"
import * as Network from "../../chaos/network.js"
import { fromHex } from "../../support/bytes.js"
import * as Processes from "../../support/processes.js"
import { failure, soon } from "../../support/streamPools.js"
import { assert, describe, it } from "../../support/vitest.js"

/** Bytes a second. */
const rate = 200_000
const callers = 8
/** The large headers of a call. */
const headers = { much: "x".repeat(100_000) }

const startServer = Effect.gen(function*() {
  const { child } = yield* Effect.acquireRelease(
    Effect.sync(() => Processes.run(serverMain, [])),
    (running) => Effect.promise(() => running.kill())
  )
  const [line] = yield* Effect.promise(() => once(createInterface({ input: child.stdout }), "line"))
  return JSON.parse(line) as Ready
})

describe("a client of Effect's RPC over StreamPool.makeSocket", () => {
  it.scopedLive("serves its next callers after others gave up while their requests were written", () =>
    Effect.gen(function*() {
      const server = yield* startServer
      const proxy = yield* Network.start("tcp", server.port)
      const sessionPool = yield* SessionPool.make({
        url: `https://127.0.0.1:${proxy.port}/rpc`,
        connect: { serverCertificateHashes: [{ value: fromHex(server.hash) }] },
        maxSize: 1
      })
      const pool = yield* StreamPool.make({ sessionPool })
      const client = yield* arithmetic(pool.makeSocket)
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
        if (Exit.isFailure(exit)) assert.strictEqual(failure(exit)._tag, Cause.timeoutTag)
        else assert.strictEqual(exit.value, 6)
      }
      const quotients = Effect.forEach([1, 2, 3, 4], divide, { concurrency: "unbounded" })
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(yield* soon(quotients), [12, 6, 4, 3])
    }).pipe(Effect.provide(NodeWebTransport.layerHttp2)))
})
