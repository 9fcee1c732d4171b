import { assert, describe, layer } from "@effect/vitest"
import * as RequestPool from "effect-pools/RequestPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as Effect from "effect/Effect"
import { live } from "../support/implementation.js"
import { bytes, connect, soon, text } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"

const Live = live()

describe("RequestPool", () => {
  layer(Live, { excludeTestServices: true })("smoke", (it) => {
    it.scoped("answers", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* connect(server, "/framed?ids=1&batch=1")
        const streamPool = yield* StreamPool.make({ session, maxSize: 8 })
        const pool = yield* RequestPool.make({ streamPool })
        const requests = Array.from({ length: 2000 }, (_, i) => `request ${i}`)
        const answers = yield* soon(Effect.forEach(requests, (r) => Effect.map(pool.request(bytes(r)), text), {
          concurrency: 64
        }))
        assert.deepStrictEqual(answers, requests)
        console.log(String(yield* pool.stats))
        const t0 = performance.now()
        for (let i = 0; i < 1; i++) {
          yield* Effect.forEach(Array.from({ length: 20000 }), () => pool.request(bytes("x".repeat(100))), {
            concurrency: 64,
            discard: true
          })
        }
        console.log("64 fibers", 20000 / (performance.now() - t0) * 1000)
        const t1 = performance.now()
        for (let i = 0; i < 2000; i++) yield* pool.request(bytes("x".repeat(100)))
        console.log("1 fiber", 2000 / (performance.now() - t1) * 1000)
        const t2 = performance.now()
        for (let i = 0; i < 2000; i++) yield* streamPool.request(bytes("x".repeat(100)), { correlate: true })
        console.log("1 fiber, exclusive", 2000 / (performance.now() - t2) * 1000)
        console.log(String(yield* pool.stats))
      }))
  })
})
