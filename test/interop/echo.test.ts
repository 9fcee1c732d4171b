/** What pools promise, as far as a server shows it that does nothing but echo: see README.md. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concat, isSame } from "../support/bytes.js"
import { live } from "../support/implementation.js"
import { pattern } from "../support/pattern.js"
import { bytes, connect, echo, sessionOptions, soon, text } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { assert, layer } from "../support/vitest.js"

const range = (length: number) => Array.from({ length }, (_, i) => i)
const requests = range(1_000).map((i) => `request ${i}`)

const pools = (sessions: number, streams: StreamPool.Options = {}) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: sessions })
    return { sessionPool, pool: yield* StreamPool.make({ sessionPool, ...streams }) }
  })

layer(live(), { excludeTestServices: true })("a server that echoes", (it) => {
  it.scoped("answers requests on pooled streams, each with its own bytes", () =>
    Effect.gen(function*() {
      const { pool } = yield* pools(4, { maxSize: 16 })
      const answers = Effect.forEach(requests, (request) => pool.use((stream) => echo(stream, request)), {
        concurrency: 32
      })
      assert.deepStrictEqual(yield* soon(answers), requests)
      assert.isAtMost((yield* pool.stats).created, 16)
    }))

  it.scoped("answers framed requests on a stream of each, and on shared streams", () =>
    Effect.gen(function*() {
      const { pool } = yield* pools(1, { maxSize: 8 })
      const shared = yield* RequestPool.make({ streamPool: pool })
      for (
        const ask of [
          (request: Uint8Array) => pool.request(request),
          (request: Uint8Array) => pool.request(request, { correlate: true }),
          shared.request
        ]
      ) {
        const answers = Effect.forEach(requests, (request) => Effect.map(ask(bytes(request)), text), {
          concurrency: 64
        })
        assert.deepStrictEqual(yield* soon(answers), requests)
      }
    }))

  it.scoped("echoes 4 MB on one stream as they come, and ends it after their end", () =>
    Effect.gen(function*() {
      const session = yield* connect(yield* TestServer.TestServer, "/echo")
      const stream = yield* session.createBidirectionalStream()
      const whole = pattern(0, 4 << 20)
      const chunks = Stream.map(Stream.range(0, 63), (i) => whole.subarray(i << 16, (i + 1) << 16))
      yield* Effect.fork(Effect.andThen(Stream.run(chunks, stream.sink), stream.closeWrite))
      assert.isTrue(isSame(concat(yield* soon(Stream.runCollect(stream.stream))), whole))
    }))

  it.scoped("gives back the credit of streams that end, one way or another", () =>
    Effect.gen(function*() {
      const session = yield* connect(yield* TestServer.TestServer, "/echo")
      const use = (end: "finish" | "reset" | "leave", i: number) =>
        Effect.scoped(Effect.gen(function*() {
          const stream = yield* session.createBidirectionalStream({ waitUntilAvailable: true })
          assert.strictEqual(yield* echo(stream, `stream ${i}`), `stream ${i}`)
          if (end === "reset") yield* stream.reset(7)
          if (end !== "finish") return
          yield* stream.closeWrite
          assert.isTrue(Option.isNone(yield* stream.read))
        }))
      for (const end of ["finish", "reset", "leave"] as const) {
        for (let i = 0; i < 150; i++) yield* soon(use(end, i))
      }
    }))

  it.scoped("serves as many borrowers as come, whatever a session grants", () =>
    Effect.gen(function*() {
      const { pool } = yield* pools(3, { maxSize: 240 })
      const borrow = (request: string) => pool.use((stream) => echo(stream, request))
      assert.deepStrictEqual(yield* soon(Effect.forEach(requests, borrow, { concurrency: 240 })), requests)
    }))

  it.scoped("gets no answer mixed up by borrowers that are interrupted at any moment", () =>
    Effect.gen(function*() {
      const { pool } = yield* pools(2, { maxSize: 4 })
      for (let yields = 0; yields < 100; yields++) {
        const interrupted = yield* Effect.fork(pool.use((stream) => echo(stream, `interrupted ${yields}`)))
        const other = yield* Effect.fork(pool.use((stream) => echo(stream, `other ${yields}`)))
        for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
        yield* soon(Fiber.interrupt(interrupted))
        assert.strictEqual(yield* soon(Fiber.join(other)), `other ${yields}`)
      }
      assert.strictEqual((yield* pool.stats).leases, 0)
    }))

  it.scoped("has sessions side by side, and ends them alone", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const sessions = yield* soon(Effect.replicateEffect(connect(server, "/echo"), 50, { concurrency: 10 }))
      const [first, ...others] = yield* Effect.forEach(sessions, (session) =>
        Effect.map(session.createBidirectionalStream(), (stream) => ({ session, stream })))
      const reading = yield* Effect.fork(first!.stream.read)
      yield* soon(first!.session.close({ closeCode: 3, reason: "enough" }))
      assert.isTrue(Exit.isFailure(yield* soon(Fiber.await(reading))))
      for (const { stream } of others) {
        assert.strictEqual(yield* soon(echo(stream)), "hello")
      }
    }))

  it.scoped("echoes datagrams", () =>
    Effect.gen(function*() {
      const { datagrams } = yield* connect(yield* TestServer.TestServer, "/echo")
      // some may get lost
      yield* Effect.fork(Effect.forever(Effect.andThen(datagrams.send(bytes("datagram")), Effect.sleep("50 millis"))))
      assert.strictEqual(text(yield* soon(datagrams.receive)), "datagram")
    }))
})
