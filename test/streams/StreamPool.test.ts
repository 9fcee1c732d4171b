import * as Effect from "#test/Effect"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as WebTransport from "effect-pools/WebTransport"
import { live } from "../support/implementation.js"
import { allBack } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { assert, describe, layer } from "../support/vitest.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const echo = (stream: WebTransport.BidirectionalStream, message: string) =>
  Effect.map(Effect.andThen(stream.write(bytes(message)), stream.readExactly(message.length)), text)

const connect = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

const sessionOptions = (server: TestServer.Service, path: string) => ({
  url: server.url(path),
  connect: { serverCertificateHashes: [{ value: server.hash }] }
})

const Live = live()

describe("StreamPool", () => {
  layer(Live, { excludeTestServices: true })("of one session", (it) => {
    it.scoped("lends the same stream to one borrower after the other", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* connect(server, "/echo?reuse")
        const pool = yield* StreamPool.make({ session, maxSize: 1 })
        for (let i = 0; i < 20; i++) {
          assert.strictEqual(yield* pool.use((stream) => echo(stream, `message ${i}`)), `message ${i}`)
        }
        assert.strictEqual((yield* server.statsOf("/echo?reuse")).streamsAccepted, 1)
        assert.deepInclude(yield* allBack(pool), { created: 1, acquisitions: 20, reuses: 19, idle: 1 })
      }))
  })

  layer(Live, { excludeTestServices: true })("across a session pool", (it) => {
    it.scoped("spreads streams over sessions and holds one lease of each", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo?spread"), maxSize: 4 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 16, maxStreamsPerSession: 4 })
        const answers = yield* Effect.forEach(
          Array.from({ length: 400 }, (_, i) => `request ${i}`),
          (message) => pool.use((stream) => echo(stream, message)),
          { concurrency: 32 }
        )
        assert.deepStrictEqual(answers, Array.from({ length: 400 }, (_, i) => `request ${i}`))
        const stats = yield* server.statsOf("/echo?spread")
        assert.isAtMost(stats.sessionsAccepted, 4)
        assert.isAtMost(stats.streamsAccepted, 16)
      }))

    it.scoped("answers requests", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo?requests"), maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 8 })
        assert.strictEqual(text(yield* pool.request(bytes("hello"))), "hello")
        assert.strictEqual(text(yield* pool.request(bytes("hello"), { correlate: true })), "hello")
      }))
  })
})
