import * as Effect from "#test/Effect"
import { bun } from "../support/bun.js"
import { run, type Runtime, suite } from "../support/runtimes.js"
import { expect, it } from "../support/vitest.js"

const runtime: Runtime = {
  name: "Bun",
  command: [bun() ?? "bun", "run", "-"],
  protocol: "http2",
  untrusted: "unable to verify the first certificate; pin it"
}

suite(runtime)

it.effect("Bun runs the pools that need no connection, and WebTransport in memory", () =>
  Effect.gen(function*() {
    const output = yield* run(
      { ...runtime, protocol: "http3" },
      `import * as Effect from "#test/Effect"
      import { BufferPool, ObjectPool, ResourcePool, SessionPool, StreamPool } from "effect-pools"
      import * as TestWebTransport from "effect-pools/TestWebTransport"

      const main = Effect.gen(function*() {
        let made = 0
        const pool = yield* ResourcePool.make({ acquire: Effect.sync(() => ++made), maxSize: 4 })
        const borrow = pool.use((item) => Effect.as(Effect.yieldNow(), item))
        const borrowed = yield* Effect.replicateEffect(borrow, 1000, { concurrency: 100 })
        const buffers = yield* BufferPool.make({ bufferSize: 16 })
        const length = yield* buffers.useSync((buffer) => buffer.byteLength)
        const sessionPool = yield* SessionPool.make({ url: "https://test/" })
        const streams = yield* StreamPool.make({ sessionPool, maxSize: 2 })
        const ask = streams.use((stream) =>
          Effect.andThen(stream.write(Uint8Array.of(1, 2, 3)), stream.readExactly(3)))
        const answers = yield* Effect.replicateEffect(ask, 100, { concurrency: 10 })
        const bytes = answers.reduce((sum, answer) => sum + answer.length, 0)
        return { items: Math.max(...borrowed), borrows: borrowed.length, length, bytes }
      })
      const echo = { onStream: (stream) => Effect.forever(Effect.flatMap(stream.read, (chunk) => stream.write(chunk.value))) }
      Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(TestWebTransport.layer(echo))))
        .then((result) => console.log(JSON.stringify(result)))`
    )
    expect(output).toEqual({ items: 4, borrows: 1000, length: 16, bytes: 300 })
  }))
