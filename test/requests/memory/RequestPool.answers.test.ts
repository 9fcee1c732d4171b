/** Answers find their requests, and batches leave together: against peers that a test drives by hand. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Scope from "#test/Scope"
import { isFramingError } from "effect-pools/FramingError"
import { isPoolError } from "effect-pools/PoolError"
import * as RequestPool from "effect-pools/RequestPool"
import { isWebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { left } from "../../support/collectGarbage.js"
import { failureOf } from "../../support/pool.js"
import { ask, collect, error, inMemory, isNumber, joinAll, rawPeers } from "../../support/requestPools.js"
import { bytes, text } from "../../support/streamPools.js"
import { quiet } from "../../support/streams.js"
import { assert, describe, it } from "../../support/vitest.js"

/** A pool whose peers answer when the test says so. */
const withPeers = (options: RequestPool.Options<unknown, never> = {}, writeRoom = 1) =>
  Effect.gen(function*() {
    const { onStream, peers } = rawPeers()
    const parts = yield* inMemory({ pool: { maxStreams: 1, ...options }, behaviour: { onStream, writeRoom } })
    return { ...parts, peers }
  })

/** Forks a request, and lets it go as far as it can. */
const begin = (pool: RequestPool.Service, request: string) => Effect.tap(Effect.fork(ask(pool, request)), () => quiet)

describe("RequestPool", () => {
  it.scoped("sends the requests of a turn in one write", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const first = yield* Effect.forEach(["a", "b", "c"], (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      assert.deepStrictEqual(peers[0]!.requests, ["a", "b", "c"])
      assert.strictEqual(peers[0]!.chunks, 1)
      const second = yield* Effect.forEach(["d", "e"], (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      assert.strictEqual(peers[0]!.chunks, 2)
      for (const n of [4, 1, 0, 3, 2]) yield* peers[0]!.answer(n)
      assert.deepStrictEqual(yield* joinAll([...first, ...second]), ["a", "b", "c", "d", "e"])
      const stats = yield* pool.stats
      assert.deepInclude(stats, { sent: 5, batches: 2, largestBatch: 3, inFlight: 0, peak: 5 })
      assert.strictEqual(stats.meanBatch, 2.5)
    }))

  it.scoped("gives each answer to its request, in any order, in pieces of any size", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const fibers = yield* Effect.forEach(["", "b", "c"], (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      const [peer] = peers
      // both answers, byte by byte
      const frames = Uint8Array.of(3, 2, 0x78, 0x79, 1, 0, 2, 1, 0x7a)
      for (const byte of frames) yield* peer!.stream.write(Uint8Array.of(byte))
      assert.deepStrictEqual(yield* joinAll(fibers), ["", "z", "xy"])
    }))

  it.scoped("gives an answer in its own buffer", () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory()
      const [first] = yield* Effect.all([pool.request(bytes("a")), pool.request(bytes("b"))], { concurrency: 2 })
      assert.strictEqual(first!.buffer.byteLength, 1)
    }))

  it.scoped("counts in turn without ids", () =>
    Effect.gen(function*() {
      const { pool } = yield* inMemory({ pool: { correlate: false } })
      const requests = Array.from({ length: 200 }, (_, i) => `request ${i}`)
      const answers = yield* Effect.forEach(requests, (request) => ask(pool, request), { concurrency: 50 })
      assert.deepStrictEqual(answers, requests)
    }))

  it.scoped("keeps no message that was sent", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const sent: Array<WeakRef<object>> = []
      const request = Effect.suspend(() => {
        const message = bytes(`request ${sent.length}`)
        sent.push(new WeakRef(message))
        return pool.request(message)
      })
      const fibers = yield* Effect.replicateEffect(Effect.fork(request), 50)
      yield* quiet
      assert.strictEqual(peers[0]!.requests.length, 50)
      assert.isBelow(yield* left(sent), 5)
      yield* Fiber.interruptAll(fibers)
    }))

  it.scoped("does not touch the bytes of a message once its request has ended", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const message = bytes("first")
      const first = yield* Effect.fork(pool.request(message))
      yield* quiet
      yield* peers[0]!.stream.stall
      // one is taken by the transport, and not written; the other is in a batch
      for (const letter of ["s", "b"]) {
        message.fill(letter.charCodeAt(0))
        const fiber = yield* Effect.fork(pool.request(message))
        if (letter === "s") yield* quiet
        else yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      message.fill(0)
      yield* peers[0]!.stream.resume
      yield* quiet
      assert.deepStrictEqual(peers[0]!.requests, ["first", "sssss"])
      yield* peers[0]!.answer(0)
      yield* Fiber.join(first)
    }))

  it.scoped("dies where a message is detached before it is sent, and sends the others", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const message = bytes("detached")
      const requests = [bytes("a"), message, bytes("b")]
      const fibers = yield* Effect.forEach(requests, (request) => Effect.fork(Effect.exit(pool.request(request))))
      yield* Effect.yieldNow()
      structuredClone(message, { transfer: [message.buffer] })
      yield* quiet
      assert.deepStrictEqual(peers[0]!.requests, ["a", "b"])
      yield* peers[0]!.answer(0)
      yield* peers[0]!.answer(1)
      const [first, detached, last] = yield* joinAll(fibers)
      assert.deepStrictEqual([first, last], [Exit.succeed(bytes("a")), Exit.succeed(bytes("b"))])
      assert.include(failureOf(detached!), "message must keep its bytes until it is sent")
      assert.deepInclude(yield* pool.stats, { sent: 2, inFlight: 0, waiters: 0 })
    }))

  // --- interruption

  it.scoped("never sends a request that is interrupted before its batch has left", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const first = yield* begin(pool, "first")
      const second = yield* Effect.fork(ask(pool, "second"))
      yield* Effect.yieldNow()
      assert.deepInclude(yield* pool.stats, { inFlight: 2 })
      yield* Fiber.interrupt(second)
      const third = yield* begin(pool, "third")
      assert.deepStrictEqual(peers[0]!.requests, ["first", "third"])
      assert.deepInclude(yield* pool.stats, { inFlight: 2, forgotten: 0, abandoned: 1 })
      yield* peers[0]!.answer(0)
      yield* peers[0]!.answer(1)
      assert.deepStrictEqual(yield* joinAll([first, third]), ["first", "third"])
    }))

  it.scoped("frees the place of an interrupted request at once, and drops its late answer", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxInFlight: 2 })
      const [a, b] = [yield* begin(pool, "a"), yield* begin(pool, "b")]
      const c = yield* begin(pool, "c")
      assert.deepInclude(yield* pool.stats, { inFlight: 2, waiters: 1 })
      yield* Fiber.interrupt(a)
      yield* quiet
      assert.deepStrictEqual(peers[0]!.requests, ["a", "b", "c"])
      assert.deepInclude(yield* pool.stats, { inFlight: 2, waiters: 0, forgotten: 1, lateAnswers: 0 })
      for (const n of [0, 2, 1]) yield* peers[0]!.answer(n)
      assert.deepStrictEqual(yield* joinAll([b, c]), ["b", "c"])
      assert.deepInclude(yield* pool.stats, { forgotten: 0, lateAnswers: 1, streams: 1 })
      // a second answer is late, too
      yield* peers[0]!.answer(1)
      yield* quiet
      assert.deepInclude(yield* pool.stats, { lateAnswers: 2, streams: 1 })
    }))

  it.scoped("takes no new request on a stream with maxInFlight forgotten ids, and discards it when it is empty", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxInFlight: 2 })
      const [a, b] = [yield* begin(pool, "a"), yield* begin(pool, "b")]
      yield* Fiber.interrupt(a)
      const c = yield* begin(pool, "c")
      yield* Fiber.interrupt(b)
      const d = yield* begin(pool, "d")
      assert.deepStrictEqual(peers.map(({ requests }) => requests), [["a", "b", "c"], ["d"]])
      assert.strictEqual(peers[0]!.stream.sending, "Open")
      yield* peers[0]!.answer(2)
      assert.strictEqual(yield* Fiber.join(c), "c")
      yield* quiet
      assert.strictEqual(peers[0]!.stream.sending, "Reset")
      yield* peers[1]!.answer(0)
      assert.strictEqual(yield* Fiber.join(d), "d")
    }))

  it.scoped("keeps the place of an interrupted request without ids until its answer has passed", () =>
    Effect.gen(function*() {
      const { held, pool, release, seen } = yield* inMemory({
        pool: { correlate: false, maxInFlight: 1, maxStreams: 1 }
      })
      const a = yield* begin(pool, "hold a")
      yield* Fiber.interrupt(a)
      const b = yield* begin(pool, "b")
      assert.deepStrictEqual(seen, ["hold a"])
      assert.deepInclude(yield* pool.stats, { inFlight: 0, forgotten: 1, waiters: 1 })
      assert.strictEqual(held.size, 1)
      yield* release("hold a")
      assert.strictEqual(yield* Fiber.join(b), "b")
      assert.deepInclude(yield* pool.stats, { lateAnswers: 1, streams: 1 })
    }))

  // --- hostile peers

  const hostile = [
    ["an id that was never given out", Uint8Array.of(2, 9, 0x78), "Malformed"],
    ["an id that is cut off", Uint8Array.of(1, 0xc0), "Malformed"],
    ["an empty message", Uint8Array.of(0), "Malformed"],
    ["an id above 2^53", Uint8Array.of(8, 0xff, 255, 255, 255, 255, 255, 255, 255), "Malformed"],
    ["too large an answer", Uint8Array.of(0x80, 0x20, 0, 0), "Oversized"],
    ["an absurd length", Uint8Array.of(0xff, 255, 255, 255, 255, 255, 255, 255), "Oversized"]
  ] as const

  for (const [what, answer, reason] of hostile) {
    it.scoped(`ends the stream, not the pool, for ${what}`, () =>
      Effect.gen(function*() {
        const { peers, pool } = yield* withPeers()
        const fibers = [yield* begin(pool, "a"), yield* begin(pool, "b")]
        yield* peers[0]!.stream.write(answer)
        for (const fiber of fibers) {
          const { cause, reason: why, sent } = error(yield* Fiber.await(fiber))
          assert.deepStrictEqual([why, sent], ["Framing", "maybe"])
          assert.isTrue(isFramingError(cause) && cause.reason === reason, String(cause))
        }
        yield* quiet
        assert.strictEqual(peers[0]!.stream.sending, "Reset")
        const next = yield* begin(pool, "next")
        yield* peers[1]!.answer(0)
        assert.strictEqual(yield* Fiber.join(next), "next")
        assert.deepInclude(yield* pool.stats, { failures: 2, streams: 1 })
      }))
  }

  it.scoped("ends a stream on which an answer comes though nothing was asked", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const a = yield* begin(pool, "a")
      yield* peers[0]!.answer(0)
      yield* Fiber.join(a)
      yield* peers[0]!.send(1, "unasked")
      yield* quiet
      assert.strictEqual(peers[0]!.stream.sending, "Reset")
      assert.deepInclude(yield* pool.stats, { streams: 0, failures: 0 })
    }))

  it.scoped("says how a stream was lost, and that its requests may have arrived", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const ends = [
        ["NoAnswer", (n: number) => peers[n]!.stream.finish],
        ["Framing", (n: number) =>
          Effect.andThen(peers[n]!.stream.write(Uint8Array.of(5, 0, 1)), peers[n]!.stream.finish)],
        ["Transport", (n: number) =>
          peers[n]!.stream.reset],
        ["Transport", (n: number) => peers[n]!.stream.stopSending]
      ] as const
      for (const [n, [reason, end]] of ends.entries()) {
        const fiber = yield* begin(pool, "a")
        yield* end(n)
        const { reason: why, sent } = error(yield* Fiber.await(fiber))
        assert.deepStrictEqual([why, sent], [reason, "maybe"])
      }
    }))

  it.scoped("tells apart what was sent and what was not when the session dies", () =>
    Effect.gen(function*() {
      const { peers, pool, server } = yield* withPeers({ maxInFlight: 2 })
      const sent = [yield* begin(pool, "a"), yield* begin(pool, "b")]
      const waiting = yield* begin(pool, "c")
      yield* server.die
      for (const fiber of sent) {
        const { cause, reason, sent } = error(yield* Fiber.await(fiber))
        assert.deepStrictEqual([reason, sent], ["Transport", "maybe"])
        assert.isTrue(isWebTransportError(cause) && cause.reason === "SessionClosed", String(cause))
      }
      const unsent = error(yield* Fiber.await(waiting))
      assert.deepStrictEqual([unsent.reason, unsent.sent], ["Borrow", "no"])
      assert.deepStrictEqual(peers[0]!.requests, ["a", "b"])
    }))

  it.scoped("sends a request elsewhere whose stream broke before its batch left", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const first = yield* begin(pool, "first")
      // the reset arrives in the turn in which the request joins the batch
      yield* peers[0]!.stream.reset
      const second = yield* Effect.fork(ask(pool, "second"))
      assert.strictEqual(error(yield* Fiber.await(first)).sent, "maybe")
      yield* quiet
      assert.deepStrictEqual(peers.map(({ requests }) => requests), [["first"], ["second"]])
      yield* peers[1]!.answer(0)
      assert.strictEqual(yield* Fiber.join(second), "second")
    }))

  // --- sizes

  it.scoped("hands no request to a stream that has no room", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const first = yield* begin(pool, "first")
      yield* peers[0]!.stream.stall
      const fibers = [first, yield* begin(pool, "second"), yield* begin(pool, "third"), yield* begin(pool, "fourth")]
      // the write of the second is not completed
      assert.deepInclude(yield* pool.stats, { inFlight: 2, waiters: 2 })
      yield* peers[0]!.stream.resume
      yield* quiet
      assert.deepInclude(yield* pool.stats, { inFlight: 4, waiters: 0 })
      assert.strictEqual(peers[0]!.chunks, 3)
      for (const n of [0, 1, 2, 3]) yield* peers[0]!.answer(n)
      yield* joinAll(fibers)
    }))

  it.scoped("writes at most maxBatch bytes at once, and has no more of them unwritten", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxBatch: 1000 }, 4)
      const first = yield* begin(pool, "first")
      yield* peers[0]!.stream.stall
      const requests = ["a", "b", "c", "d", "e"].map((letter) => letter.repeat(400))
      const fibers = yield* Effect.forEach(requests, (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      assert.deepInclude(yield* pool.stats, { inFlight: 3, waiters: 3 })
      yield* peers[0]!.stream.resume
      yield* quiet
      assert.deepStrictEqual(peers[0]!.requests, ["first", ...requests])
      assert.strictEqual(peers[0]!.chunks, 4)
      for (let n = 0; n < 6; n++) yield* peers[0]!.answer(n)
      yield* joinAll([first, ...fibers])
    }))

  it.scoped("gives a message above maxBatch a stream of its own, with an id", () =>
    Effect.gen(function*() {
      const { peers, pool, streamPool } = yield* withPeers({ maxBatch: 100 })
      const small = yield* begin(pool, "s".repeat(100))
      const large = yield* begin(pool, "l".repeat(101))
      assert.deepStrictEqual(peers.map(({ requests }) => requests), [["s".repeat(100)], ["l".repeat(101)]])
      assert.deepInclude(yield* pool.stats, { inFlight: 1, exclusive: 1 })
      for (const peer of peers) yield* peer.answer(0)
      yield* joinAll([small, large])
      yield* quiet
      assert.deepInclude(yield* streamPool.stats, { size: 2, idle: 1 })
      assert.deepInclude(yield* pool.stats, { requests: 2, sent: 1, exclusive: 0 })
    }))

  it.scoped("refuses a message above maxMessageSize, with its id, unsent", () =>
    Effect.gen(function*() {
      const { pool, seen } = yield* inMemory({ pool: { maxMessageSize: 20 } })
      assert.strictEqual(yield* ask(pool, "x".repeat(16)), "x".repeat(16))
      const large = bytes("x".repeat(17))
      for (const failing of [Effect.asVoid(pool.request(large)), Effect.asVoid(collect(pool.requestStream(large)))]) {
        const { cause, reason, sent } = error(yield* Effect.exit(failing))
        assert.deepStrictEqual([reason, sent], ["Framing", "no"])
        assert.isTrue(isFramingError(cause) && cause.reason === "Oversized" && cause.operation === "write")
      }
      assert.lengthOf(seen, 1)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.request("text" as never))))
    }))

  // --- many answers

  it.scoped("gives a request for many answers a stream of its own, unless it is shared", () =>
    Effect.gen(function*() {
      const { pool, server } = yield* inMemory()
      assert.deepStrictEqual(
        yield* collect(pool.requestStream(bytes("many 3"), { isLast: isNumber(2) })),
        ["0 many 3", "1 many 3", "2 many 3"]
      )
      assert.deepInclude(yield* pool.stats, { sent: 0, requests: 1 })
      const shared = collect(pool.requestStream(bytes("many 4"), { shared: true, isLast: isNumber(3) }))
      const [answers, other] = yield* Effect.all([shared, ask(pool, "other")], { concurrency: 2 })
      assert.deepStrictEqual(answers, [0, 1, 2, 3].map((n) => `${n} many 4`))
      assert.strictEqual(other, "other")
      assert.deepInclude(yield* pool.stats, { sent: 2, requests: 3, inFlight: 0, streams: 1, exclusive: 0 })
      assert.strictEqual(server.streams.length, 1)
    }))

  it.scoped("fails a shared request whose consumer is too slow, and drops the rest of its answers", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxBuffered: 10 })
      const taken: Array<string> = []
      const slow = yield* Effect.fork(Stream.runForEach(
        pool.requestStream(bytes("slow"), { shared: true, isLast: (message) => text(message) === "last" }),
        (message) => Effect.andThen(Effect.sync(() => taken.push(text(message))), Effect.never)
      ))
      const other = yield* Effect.andThen(quiet, begin(pool, "other"))
      const [peer] = peers
      yield* peer!.answer(0, "taken")
      yield* quiet
      assert.deepStrictEqual(taken, ["taken"])
      yield* peer!.answer(0, "12345")
      yield* peer!.answer(0, "67890")
      yield* quiet
      assert.deepInclude(yield* pool.stats, { inFlight: 2, failures: 0 })
      yield* peer!.answer(0, "!")
      yield* quiet
      assert.deepInclude(yield* pool.stats, { inFlight: 1, forgotten: 1, failures: 1 })
      for (const answer of ["dropped", "last"]) yield* peer!.answer(0, answer)
      yield* peer!.answer(1)
      assert.strictEqual(yield* Fiber.join(other), "other")
      yield* quiet
      assert.deepInclude(yield* pool.stats, { forgotten: 0, lateAnswers: 2, streams: 1 })
      yield* Fiber.interrupt(slow)
    }))

  it.scoped("tells a slow consumer so after the answers that it can still have", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxBuffered: 3 })
      const taken: Array<string> = []
      let isReading = true
      const slow = yield* Effect.fork(Stream.runForEach(
        pool.requestStream(bytes("slow"), { shared: true, isLast: () => false }),
        (message) =>
          Effect.andThen(
            Effect.sync(() => taken.push(text(message))),
            Effect.repeat(Effect.promise(() => new Promise((resolve) => setImmediate(resolve))), {
              until: () => isReading
            })
          )
      ))
      yield* quiet
      isReading = false
      yield* peers[0]!.answer(0, "a")
      yield* quiet
      for (const answer of ["b", "c", "d", "e"]) yield* peers[0]!.answer(0, answer)
      yield* quiet
      isReading = true
      const { reason, sent } = error(yield* Fiber.await(slow))
      assert.deepStrictEqual([reason, sent], ["Overflow", "maybe"])
      assert.deepStrictEqual(taken, ["a", "b", "c", "d"])
    }))

  it.scoped("fails a shared request for an answer above maxBuffered, however quick its consumer is", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxBuffered: 3 })
      const quick = yield* Effect.fork(collect(pool.requestStream(bytes("a"), { shared: true, isLast: () => true })))
      yield* quiet
      yield* peers[0]!.answer(0, "four")
      const { reason, sent } = error(yield* Fiber.await(quick))
      assert.deepStrictEqual([reason, sent], ["Overflow", "maybe"])
      assert.deepInclude(yield* pool.stats, { failures: 1, streams: 1 })
    }))

  it.scoped("forgets a shared request whose consumer stops", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const two = yield* Effect.fork(collect(Stream.take(
        pool.requestStream(bytes("some"), { shared: true, isLast: (message) => text(message) === "z" }),
        2
      )))
      yield* quiet
      for (const answer of ["a", "b"]) yield* peers[0]!.answer(0, answer)
      assert.deepStrictEqual(yield* Fiber.join(two), ["a", "b"])
      assert.deepInclude(yield* pool.stats, { inFlight: 0, forgotten: 1 })
      for (const answer of ["y", "z"]) yield* peers[0]!.answer(0, answer)
      yield* quiet
      assert.deepInclude(yield* pool.stats, { forgotten: 0, lateAnswers: 2, streams: 1 })
    }))

  it.scoped("dies where isLast dies, and goes on with the other requests", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers()
      const bad = yield* Effect.fork(collect(pool.requestStream(bytes("bad"), {
        shared: true,
        isLast: () => {
          throw new Error("no idea")
        }
      })))
      const good = yield* Effect.andThen(quiet, begin(pool, "good"))
      yield* peers[0]!.answer(0)
      yield* peers[0]!.answer(1)
      assert.strictEqual(yield* Fiber.join(good), "good")
      const exit = yield* Fiber.await(bad)
      assert.include(failureOf(exit), "no idea")
    }))

  // --- limits

  it.scoped("serves the requests in the order in which they came", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxInFlight: 1 })
      const requests = Array.from({ length: 20 }, (_, i) => `${i}`)
      const fibers = yield* Effect.forEach(requests, (request) => Effect.fork(ask(pool, request)))
      for (const n of requests.keys()) {
        yield* quiet
        yield* peers[0]!.answer(n)
      }
      assert.deepStrictEqual(yield* joinAll(fibers), requests)
      assert.deepStrictEqual(peers[0]!.requests, requests)
    }))

  it.scoped("opens another stream only when the others have no room, up to maxStreams", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxInFlight: 2, maxStreams: 2 })
      const fibers = yield* Effect.forEach(["a", "b"], (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      assert.lengthOf(peers, 1)
      const more = yield* Effect.forEach(["c", "d", "e"], (request) => Effect.fork(ask(pool, request)))
      yield* quiet
      assert.deepStrictEqual(peers.map(({ requests }) => requests), [["a", "b"], ["c", "d"]])
      assert.deepInclude(yield* pool.stats, { streams: 2, inFlight: 4, waiters: 1 })
      yield* peers[1]!.answer(0)
      yield* quiet
      assert.deepStrictEqual(peers[1]!.requests, ["c", "d", "e"])
      for (const n of [0, 1]) yield* peers[0]!.answer(n)
      for (const n of [1, 2]) yield* peers[1]!.answer(n)
      yield* joinAll([...fibers, ...more])
    }))

  it.scoped("refuses a request when maxWaiters wait already", () =>
    Effect.gen(function*() {
      const { peers, pool } = yield* withPeers({ maxInFlight: 1, maxWaiters: 1 })
      const fibers = [yield* begin(pool, "a"), yield* begin(pool, "b")]
      const { cause, reason, sent } = error(yield* Effect.exit(ask(pool, "c")))
      assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
      assert.isTrue(isPoolError(cause) && cause.reason === "QueueFull", String(cause))
      assert.include(String(cause), "maxStreams times maxInFlight")
      assert.include(String(cause), "maxWaiters 1")
      assert.deepInclude(yield* pool.stats, { rejections: 1 })
      yield* peers[0]!.answer(0)
      yield* quiet
      yield* peers[0]!.answer(1)
      yield* joinAll(fibers)
    }))

  it.scoped("counts requests that wait for a stream of their own among them", () =>
    Effect.gen(function*() {
      const { pool, streamPool } = yield* inMemory({
        pool: { maxStreams: 1, maxWaiters: 3, maxBatch: 100 },
        streams: { maxSize: 2 }
      })
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      yield* Scope.extend(Effect.andThen(streamPool.get, streamPool.get), scope)
      const large = "x".repeat(101)
      const many = collect(pool.requestStream(bytes("many 1"), { isLast: isNumber(0) }))
      const first = yield* begin(pool, large)
      const second = yield* Effect.fork(many)
      const third = yield* begin(pool, "small")
      const requests: ReadonlyArray<Effect.Effect<unknown, unknown>> = [ask(pool, large), many, ask(pool, "small")]
      for (const request of requests) {
        const fiber = yield* Effect.fork(request)
        yield* quiet
        const exit = Option.getOrThrow(yield* Fiber.poll(fiber))
        const { cause, reason, sent } = error(exit)
        assert.deepStrictEqual([reason, sent], ["Borrow", "no"])
        assert.isTrue(isPoolError(cause) && cause.reason === "QueueFull", String(cause))
      }
      assert.deepInclude(yield* pool.stats, { rejections: 3, exclusive: 2, waiters: 1 })
      // one that leaves makes a place, and so does each that gets its stream
      yield* Fiber.interrupt(first)
      const next = yield* begin(pool, large)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(second), ["0 many 1"])
      assert.deepStrictEqual(yield* joinAll([third, next]), ["small", large])
      yield* Effect.forEach([large, large, large], (request) => ask(pool, request), { concurrency: "unbounded" })
      assert.deepInclude(yield* pool.stats, { rejections: 3, exclusive: 0, waiters: 0 })
    }))
})
