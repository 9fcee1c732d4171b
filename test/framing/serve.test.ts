/** Requests on shared streams, with this library on both sides. */
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import * as Exit from "#test/Exit"
import * as Framing from "effect-pools/Framing"
import * as StreamPool from "effect-pools/StreamPool"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Option from "effect/Option"
import { concat } from "../support/bytes.js"
import { can } from "../support/capabilities.js"
import { live } from "../support/implementation.js"
import { pattern } from "../support/pattern.js"
import type { Served } from "../support/protocol.js"
import { soon } from "../support/soon.js"
import { bytes, connect, text, turn, until } from "../support/streamPools.js"
import * as TestServer from "../support/TestServer.js"
import { assert, describe, layer } from "../support/vitest.js"

const Live = live()

const at = (path: string) =>
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const session = yield* connect(server, path)
    const stream = yield* session.createBidirectionalStream()
    const served = server.command("served", { path })
    return {
      path,
      server,
      session,
      stream,
      served,
      answerHeld: server.command("heldAnswers", { path }),
      /** Waits until the server's counts are so. */
      untilServed: (predicate: (served: Served) => boolean) => soon(until(served, predicate))
    }
  })

type Stream = WebTransport.BidirectionalStream

const frames = (requests: ReadonlyArray<string>, hasIds = true) =>
  concat(requests.map((request, id) => Either.getOrThrow(Framing.encode(bytes(request), hasIds ? { id } : {}))))

/** Sends all requests in one chunk, with ids from 0. */
const send = (stream: Stream, ...requests: ReadonlyArray<string>) => stream.write(frames(requests))

const sendWithoutIds = (stream: Stream, ...requests: ReadonlyArray<string>) => stream.write(frames(requests, false))

/** The next answer, or none at the FIN. */
const next = (stream: Stream) =>
  soon(Effect.gen(function*() {
    const payload = yield* Framing.read(stream)
    if (Option.isNone(payload)) return "FIN" as const
    const { id, message } = Either.getOrThrow(Framing.splitId(payload.value))
    return [id, text(message)] as const
  }))

const nextWithoutId = (stream: Stream) =>
  soon(Effect.map(Framing.read(stream), Option.match({ onNone: () => "FIN", onSome: text })))

layer(Live, { excludeTestServices: true })("Framing.serve", (it) => {
  describe("answers", () => {
    it.scoped("every request by its id, in whatever order answers are ready", () =>
      Effect.gen(function*() {
        const { answerHeld, stream } = yield* at("/served?by-id")
        yield* send(stream, "hold a", "hold b", "c")
        assert.deepStrictEqual(yield* next(stream), [2, "c"])
        assert.deepStrictEqual(yield* answerHeld, { sent: 2 })
        assert.deepStrictEqual([yield* next(stream), yield* next(stream)], [[1, "hold b"], [0, "hold a"]])
      }))

    it.scoped("in the order of the requests without ids", () =>
      Effect.gen(function*() {
        const { answerHeld, stream, untilServed } = yield* at("/served?ids=0&in-order")
        yield* sendWithoutIds(stream, "hold a", "b", "hold c", "d")
        yield* untilServed(({ begun }) => begun === 4)
        assert.deepStrictEqual(yield* answerHeld, { sent: 2 })
        assert.deepStrictEqual(yield* Effect.replicateEffect(nextWithoutId(stream), 4), ["hold a", "b", "hold c", "d"])
      }))

    it.scoped("with many messages, and finishes when the client has", () =>
      Effect.gen(function*() {
        const { stream, untilServed } = yield* at("/served?many")
        yield* send(stream, "many 8")
        yield* stream.closeWrite
        for (let i = 0; i < 8; i++) assert.deepStrictEqual(yield* next(stream), [0, `${i} many 8`])
        assert.strictEqual(yield* next(stream), "FIN")
        const { ended, running } = yield* untilServed(({ ended }) => ended.length > 0)
        assert.deepStrictEqual({ ended, running }, { ended: ["Success"], running: 0 })
      }))

    it.scoped("in chunks that hold the answers of one turn", () =>
      Effect.gen(function*() {
        const { stream, untilServed } = yield* at("/served?chunks")
        const requests = Array.from({ length: 100 }, (_, i) => `request ${i}`)
        yield* send(stream, ...requests)
        yield* untilServed(({ begun }) => begun === 100)
        const expected = frames(requests)
        let chunks = 0
        let received = new Uint8Array(0)
        while (received.length < expected.length) {
          chunks++
          received = concat([received, Option.getOrThrow(yield* soon(stream.read))])
        }
        assert.deepStrictEqual(received, expected)
        if (can("deliversTogether")) assert.strictEqual(chunks, 1)
      }))

    it.scoped("large requests with large answers", () =>
      Effect.gen(function*() {
        const { stream } = yield* at("/served?large")
        const large = "x".repeat(500_000)
        yield* Effect.fork(send(stream, large, "size 1000000", "small"))
        const answers = [yield* next(stream), yield* next(stream), yield* next(stream)]
        assert.sameDeepMembers(answers, [[0, large], [1, text(pattern(0, 1_000_000))], [2, "small"]])
      }))

    it.scoped("the requests of a StreamPool", () =>
      Effect.gen(function*() {
        const { session } = yield* at("/served?stream-pool")
        const pool = yield* StreamPool.make({ session, maxSize: 2 })
        const requests = Array.from({ length: 20 }, (_, i) => `request ${i}`)
        const ask = (request: string) => Effect.map(pool.request(bytes(request), { correlate: true }), text)
        assert.deepStrictEqual(yield* soon(Effect.forEach(requests, ask, { concurrency: 4 })), requests)
      }))

    it.scoped("what came before the client's FIN, however late", () =>
      Effect.gen(function*() {
        const { answerHeld, stream, untilServed } = yield* at("/served?late")
        yield* send(stream, "hold a")
        yield* stream.closeWrite
        yield* untilServed(({ begun }) => begun === 1)
        yield* answerHeld
        assert.deepStrictEqual(yield* next(stream), [0, "hold a"])
        assert.strictEqual(yield* next(stream), "FIN")
      }))
  })

  describe("limits", () => {
    it.scoped("how many requests run at once", () =>
      Effect.gen(function*() {
        const { answerHeld, stream, untilServed } = yield* at("/served?concurrency=2")
        yield* send(stream, "hold a", "hold b", "hold c", "hold d", "hold e")
        for (const begun of [2, 4, 5]) {
          yield* untilServed((served) => served.begun === begun)
          yield* answerHeld
        }
        for (let i = 0; i < 5; i++) yield* next(stream)
        const { peak } = yield* untilServed(({ running }) => running === 0)
        assert.strictEqual(peak, 2)
      }))

    it.scoped("how many bytes wait: it holds the client back, or resets the stream where it cannot", () =>
      Effect.gen(function*() {
        const { answerHeld, session, stream, untilServed } = yield* at("/served?concurrency=1&maxBuffered=100000")
        yield* send(stream, "hold a")
        yield* untilServed(({ begun }) => begun === 1)
        const piece = frames(Array.from({ length: 10 }, () => "x".repeat(10_000)))
        let written = 0
        const write = Effect.andThen(stream.write(piece), Effect.sync(() => written++))
        const flood = Effect.replicateEffect(write, 100, { discard: true })
        if (!can("holdsBack")) {
          yield* Effect.ignore(flood)
          const { ended, interrupted } = yield* untilServed(({ ended }) => ended.length > 0)
          assert.deepStrictEqual({ ended, interrupted }, { ended: ["Flooded"], interrupted: 1 })
          return assert.isTrue(Exit.isFailure(yield* Effect.exit(next(stream))))
        }
        yield* Effect.fork(flood)
        // its writes come to rest before the last, while other streams of the session go on
        const other = yield* session.createBidirectionalStream()
        for (let round = 0, before = -1; round < 50; round++) {
          yield* send(other, "b")
          yield* next(other)
          if (written > before) round = 0
          before = written
        }
        assert.isBelow(written, 100)
        // what is held back arrives in the end
        yield* answerHeld
        for (let i = 0; i < 1001; i++) yield* next(stream)
        assert.deepStrictEqual((yield* untilServed(({ running }) => running === 0)).ended, [])
      }))
  })

  describe("a client that goes away", () => {
    const leaves: ReadonlyArray<
      readonly [how: string, leave: (client: Effect.Success<ReturnType<typeof at>>) => Effect.Effect<unknown>]
    > = [
      ["resets its stream", ({ stream }) => stream.reset(1)],
      ["closes its session", ({ session }) => session.close()],
      [
        "closes its session after it has finished the stream",
        ({ session, stream }) => Effect.andThen(Effect.ignore(stream.closeWrite), session.close())
      ]
    ]
    for (const [how, leave] of leaves) {
      it.scoped(`and ${how} interrupts its handlers`, () =>
        Effect.gen(function*() {
          const client = yield* at(`/served?${encodeURIComponent(how)}`)
          yield* send(client.stream, "stuck a", "stuck b", "c")
          assert.deepStrictEqual(yield* next(client.stream), [2, "c"])
          yield* leave(client)
          const { ended, interrupted, logs, running } = yield* client.untilServed(({ ended }) => ended.length > 0)
          assert.deepStrictEqual({ interrupted, running, logs }, { interrupted: 2, running: 0, logs: [] })
          assert.include(["Read", "Write", "SessionClosed"], ended[0])
        }))
    }
  })

  describe("a handler that fails", () => {
    for (const request of ["die", "throw", "size 2000", "manyDie 0"]) {
      it.scoped(`by "${request}" leaves only its own request without an answer`, () =>
        Effect.gen(function*() {
          const path = `/served?maxMessageSize=1000&failing=${encodeURIComponent(request)}`
          const { answerHeld, stream, untilServed } = yield* at(path)
          yield* send(stream, "hold a", request, "b")
          assert.deepStrictEqual(yield* next(stream), [2, "b"])
          yield* answerHeld
          yield* stream.closeWrite
          assert.deepStrictEqual(yield* next(stream), [0, "hold a"])
          assert.strictEqual(yield* next(stream), "FIN")
          yield* untilServed(({ ended }) => ended[0] === "Success")
        }))
    }

    it.scoped("without ids ends the stream, after the answers before it", () =>
      Effect.gen(function*() {
        const { answerHeld, stream, untilServed } = yield* at("/served?ids=0&failing")
        yield* sendWithoutIds(stream, "hold a", "die", "b", "stuck c")
        yield* untilServed(({ running }) => running >= 2)
        yield* answerHeld
        assert.strictEqual(yield* nextWithoutId(stream), "hold a")
        assert.strictEqual(yield* nextWithoutId(stream), "FIN")
        const { ended, running } = yield* untilServed(({ ended }) => ended.length > 0)
        assert.deepStrictEqual({ ended, running }, { ended: ["Success"], running: 0 })
      }))

    it.scoped("after some of its answers leaves the client with those", () =>
      Effect.gen(function*() {
        const { stream, untilServed } = yield* at("/served?some-answers")
        yield* send(stream, "manyDie 4")
        for (let i = 0; i < 4; i++) assert.deepStrictEqual(yield* next(stream), [0, `${i} manyDie 4`])
        yield* untilServed(({ running }) => running === 0)
      }))

    it.scoped("is none if it succeeds without an answer", () =>
      Effect.gen(function*() {
        const { served, stream } = yield* at("/served?none")
        yield* send(stream, "none", "a")
        assert.deepStrictEqual(yield* next(stream), [1, "a"])
        assert.deepStrictEqual((yield* served).logs, [])
      }))
  })

  describe("a client that breaks the rules", () => {
    const broken: ReadonlyArray<readonly [reason: string, bytes: ReadonlyArray<number>, fin: boolean]> = [
      // no id
      ["Malformed", [0], false],
      // an id of two bytes of which one came
      ["Malformed", [1, 0x40], false],
      // 1 TiB
      ["Oversized", [0xc0, 0, 1, 0, 0, 0, 0, 0], false],
      ["Truncated", [5, 1], true],
      ["Truncated", [0x40], true]
    ]
    for (const [reason, raw, fin] of broken) {
      it.scoped(`(${reason}, ${raw.join(" ")}) is reset, and its handlers are interrupted`, () =>
        Effect.gen(function*() {
          const { stream, untilServed } = yield* at(`/served?broken=${raw.join("-")}`)
          yield* send(stream, "stuck a", "b")
          assert.deepStrictEqual(yield* next(stream), [1, "b"])
          yield* stream.write(Uint8Array.from(raw))
          if (fin) yield* stream.closeWrite
          const { ended, interrupted } = yield* untilServed(({ ended }) => ended.length > 0)
          assert.deepStrictEqual({ ended, interrupted }, { ended: [reason], interrupted: 1 })
          assert.isTrue(Exit.isFailure(yield* Effect.exit(next(stream))))
          yield* turn
        }))
    }
  })
})
