/**
 * `npx tsx examples/file-copy.ts`: copies files of several sizes to an echo server and checks the answer. It reads each
 * part of a file into a pooled buffer of the smallest size that holds it.
 */
import { Console, Effect } from "effect"
import { SessionPool, StreamPool, TieredBufferPool, type WebTransport } from "effect-pools"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import { createHash, randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import os from "node:os"
import path from "node:path"
import { startEndpoint } from "./support/endpoint.js"

const partSize = 64 * 1024
const sizes = [100, 5_000, 70_000, 4_000_000]

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const folder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(path.join(os.tmpdir(), "file-copy-"))),
  (folder) => Effect.promise(() => fs.rm(folder, { recursive: true }))
)

const send = Effect.fnUntraced(function*(name: string, stream: WebTransport.BidirectionalStream) {
  const buffers = yield* TieredBufferPool.TieredBufferPool
  const file = yield* Effect.acquireRelease(
    Effect.promise(() => fs.open(name)),
    (file) => Effect.promise(() => file.close())
  )
  let left = (yield* Effect.promise(() => file.stat())).size
  while (left > 0) {
    left -= yield* buffers.use(Math.min(left, partSize), (bytes, lease) =>
      Effect.gen(function*() {
        const { bytesRead } = yield* Effect.promise(() => file.read(bytes))
        if (bytesRead === 0) return yield* Effect.dieMessage(`${name} became shorter`)
        // when this is done, the pool may lend the buffer again
        yield* stream.write(bytes.subarray(0, bytesRead))
        return bytesRead
      }).pipe(
        // an interrupted read or write may continue, in this buffer
        Effect.onInterrupt(() => Effect.sync(() => lease.discard()))
      ))
  }
}, Effect.scoped)

const program = Effect.gen(function*() {
  const sessionPool = yield* SessionPool.make({ ...yield* startEndpoint, maxSize: 1, concurrency: 4 })
  const streams = yield* StreamPool.make({ sessionPool, maxSize: 4 })
  const parent = yield* folder
  for (const size of sizes) {
    const name = path.join(parent, `${size}`)
    const content = randomBytes(size)
    yield* Effect.promise(() => fs.writeFile(name, content))
    const copy = yield* streams.use((stream) =>
      Effect.gen(function*() {
        // concurrent with the read, so that neither side keeps a whole file
        yield* Effect.forkScoped(send(name, stream))
        return yield* stream.readExactly(size)
      }).pipe(Effect.scoped, Effect.timeout("20 seconds"))
    )
    yield* Console.log(`${size} bytes: ${sha256(copy) === sha256(content) ? "the same" : "DIFFERENT"}`)
  }
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide([TieredBufferPool.layer({ zero: "never" }), NodeWebTransport.layerHttp2])
  )
)
