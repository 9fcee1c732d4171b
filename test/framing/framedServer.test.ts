/** The tests' own server of requests on shared streams does what it says, for the tests that rely on it. */
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import * as Framing from "effect-pools/Framing"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Option from "effect/Option"
import { can } from "../support/capabilities.js"
import { live } from "../support/implementation.js"
import { pattern } from "../support/pattern.js"
import { soon } from "../support/soon.js"
import { bytes, connect, text } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { assert, layer } from "../support/vitest.js"

const Live = live()

const at = (path: string) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const session = yield* connect(server, path)
    const stream = yield* session.createBidirectionalStream()
    return { path, server, stream }
  })

type Stream = WebTransport.BidirectionalStream

/** Sends all requests in one chunk, with ids from 1. */
const send = (stream: Stream, ...requests: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const frames = requests.map((request, i) => Either.getOrThrow(Framing.encode(bytes(request), { id: i + 1 })))
    yield* stream.write(Uint8Array.from(frames.flatMap((frame) => [...frame])))
  })

const next = (stream: Stream) =>
  soon(Effect.gen(function*() {
    const payload = Option.getOrThrow(yield* Framing.read(stream))
    const { id, message } = Either.getOrThrow(Framing.splitId(payload))
    return [id, text(message)] as const
  }))

const answers = (stream: Stream, n: number) => Effect.replicateEffect(next(stream), n)

layer(Live, { excludeTestServices: true })("the framed server", (it) => {
  it.scoped("answers others while one request waits", () =>
    Effect.gen(function*() {
      const { path, server, stream } = yield* at("/framed?ids=1&hold")
      yield* send(stream, "hold a", "hold b", "c")
      assert.deepStrictEqual(yield* next(stream), [3, "c"])
      assert.deepStrictEqual(yield* server.command("heldAnswers", { path }), { sent: 2 })
      assert.deepStrictEqual(yield* answers(stream, 2), [[2, "hold b"], [1, "hold a"]])
    }))

  it.scoped("answers after the delay in the request, and each message of several", () =>
    Effect.gen(function*() {
      const { stream } = yield* at("/framed?ids=1&after")
      yield* send(stream, "after 50 a", "each 2 1 b", "peak")
      assert.deepStrictEqual(yield* next(stream), [3, "3"])
      assert.sameDeepMembers(yield* answers(stream, 3), [[1, "after 50 a"], [2, "0 each 2 1 b"], [2, "1 each 2 1 b"]])
    }))

  it.scoped("answers the requests of a chunk in one write, the last one first", () =>
    Effect.gen(function*() {
      const { stream } = yield* at("/framed?ids=1&batch=reverse")
      yield* send(stream, "a", "size 3", "chunks")
      const [last, second, first] = yield* answers(stream, 3)
      assert.deepStrictEqual(first, [1, "a"])
      assert.deepStrictEqual(second, [2, text(pattern(0, 3))])
      assert.strictEqual(last![0], 3)
      if (can("deliversTogether")) assert.strictEqual(last![1], "1")
    }))

  it.scoped("answers under an id that is no request's, and without one", () =>
    Effect.gen(function*() {
      const { stream } = yield* at("/framed?ids=1&unknown")
      yield* send(stream, "unknownId", "noId")
      assert.deepStrictEqual(yield* next(stream), [0x3fff_fffe, "unknownId"])
      assert.strictEqual(Option.getOrThrow(yield* soon(Framing.read(stream))).length, 0)
    }))

  it.scoped("reads nothing from `pause` to `readOn`", () =>
    Effect.gen(function*() {
      const { path, server, stream } = yield* at("/framed?ids=1&pause")
      yield* send(stream, "pause")
      assert.deepStrictEqual(yield* next(stream), [1, "pause"])
      yield* send(stream, "a")
      assert.notProperty(yield* server.command("requests", { path }), "a")
      assert.deepStrictEqual(yield* server.command("readOn", { path }), { streams: 1 })
      assert.deepStrictEqual(yield* next(stream), [1, "a"])
    }))
})
