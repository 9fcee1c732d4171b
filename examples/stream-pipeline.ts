/**
 * `npx tsx examples/stream-pipeline.ts`: sends a hundred numbers through an Effect `Stream`, at most eight at a time, each
 * on a pooled stream, and adds up the answers.
 */
import { Console, Effect, Stream } from "effect"
import { SessionPool, StreamPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEndpoint } from "./support/endpoint.js"

const program = Effect.gen(function*() {
  const sessionPool = yield* SessionPool.make({ ...yield* startEndpoint, maxSize: 2, concurrency: 4 })
  const streams = yield* StreamPool.make({ sessionPool, maxSize: 8 })

  const echo = (n: number) =>
    Effect.gen(function*() {
      const stream = yield* streams.get
      yield* stream.write(Uint8Array.of(n))
      const [answer] = yield* stream.readExactly(1)
      return answer!
      // a scope for each element; otherwise every stream would stay open until the pipeline ends
    }).pipe(Effect.scoped, Effect.timeout("5 seconds"))

  const sum = yield* Stream.range(1, 100).pipe(
    Stream.mapEffect(echo, { concurrency: 8, unordered: true }),
    Stream.runSum
  )
  yield* Console.log(`The sum is ${sum}.`)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeWebTransport.layerHttp2)))
