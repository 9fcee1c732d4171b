/** `npx tsx examples/session-pool.ts`: ten requests, each on its own stream, over at most two sessions. */
import { Console, Effect } from "effect"
import { SessionPool } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { startEndpoint } from "./support/endpoint.js"

const program = Effect.gen(function*() {
  const pool = yield* SessionPool.make({ ...yield* startEndpoint, maxSize: 2 })

  const echo = (text: string) =>
    pool.use((session) =>
      Effect.gen(function*() {
        const stream = yield* session.createBidirectionalStream()
        const bytes = new TextEncoder().encode(text)
        yield* stream.write(bytes)
        return new TextDecoder().decode(yield* stream.readExactly(bytes.length))
        // the stream ends here, and the session goes back to the pool
      }).pipe(Effect.scoped)
    ).pipe(Effect.timeout("5 seconds"))

  const words = Array.from({ length: 10 }, (_, i) => `hello ${i}`)
  const answers = yield* Effect.forEach(words, echo, { concurrency: "unbounded" })
  yield* Console.log(answers.join(", "))
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeWebTransport.layerHttp2)))
