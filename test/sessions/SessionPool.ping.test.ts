/** Pings of sessions: what proves a session good, what happens to the others, and what a ping costs. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as TestClock from "#test/TestClock"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import type * as WebTransport from "effect-pools/WebTransport"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { can, where } from "../support/capabilities.js"
import { client, startServer } from "../support/implementation.js"
import { allBack } from "../support/streamPools.js"
import { bytes, connect, echo, fill, inMemory, quiet, sessionOptions, silent, soon } from "../support/streams.js"
import { assert, describe, it } from "../support/vitest.js"

const withClient = Effect.provide(Layer.merge(client, silent))

const url = "https://test/"

const range = (length: number) => Array.from({ length }, (_, i) => i)

/** Lets time pass in steps, and runs all fibers at each step. */
const pass = (millis: number, step: number) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust(step), quiet), Math.round(millis / step), { discard: true })

const server = Effect.flatMap(
  TestWebTransport.TestWebTransport,
  ({ sessions }) => Effect.map(sessions, ([one]) => one!)
)

/** The number of the latest stream of a session. */
const numberOf = (session: TestWebTransport.ServerSession) => session.streamCounts.granted

/** On the first stream the server sends a byte every 50 ms; it answers the others after 1.5 s. */
const busy: TestWebTransport.Behaviour = {
  onStream: (stream, session) =>
    numberOf(session) === 1
      ? Effect.forever(Effect.delay(stream.write(Uint8Array.of(1)), 50))
      : Effect.delay(TestWebTransport.echo(stream), 1_500)
}

const keepAlive = { interval: 1_000, ping: SessionPool.pingStream() }

describe("what proves a session good", () => {
  it.scoped("anything that comes on it: it is not pinged then", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, concurrency: 2, keepAlive, checkTimeout: 1_000 })
      const session = yield* pool.get
      const stream = yield* session.createBidirectionalStream()
      const reading = yield* Effect.fork(Effect.forever(stream.read))
      yield* pass(10_000, 50)
      assert.strictEqual((yield* server).streamCounts.requested, 1)
      assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
      assert.isTrue(Option.isNone(yield* Fiber.poll(reading)))
      yield* (yield* server).hang
      yield* pass(2_000, 50)
      assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
      const error = yield* Effect.flip(Fiber.join(reading))
      assert.strictEqual(error.reason, "SessionClosed")
      assert.include(
        error.message,
        "the pool SessionPool closed the session: nothing came within checkTimeout of a ping"
      )
    }).pipe(Effect.provide(TestWebTransport.layer(busy))))

  for (const by of ["SessionPool", "StreamPool"]) {
    it.scoped(`its last byte: it is pinged an interval later, and lost after checkTimeout, by ${by}`, () =>
      Effect.gen(function*() {
        const sessionPool = yield* SessionPool.make({ url, concurrency: 2, keepAlive, checkTimeout: 500 })
        const reading = (stream: Pick<WebTransport.BidirectionalStream, "read" | "write">) =>
          Effect.andThen(stream.write(bytes("x")), Effect.forever(stream.read))
        const streamPool = yield* StreamPool.make({ sessionPool })
        yield* Effect.fork(
          by === "StreamPool"
            ? streamPool.use(reading)
            : sessionPool.use((session) => Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), reading)))
        )
        yield* quiet
        const peer = (yield* server).streams[0]!
        // before and after the first ping would be due, and just before the server hangs
        for (const millis of [600, 600, 300]) {
          yield* pass(millis, 50)
          yield* peer.write(Uint8Array.of(1))
          yield* quiet
        }
        yield* (yield* server).hang
        yield* pass(950, 50)
        assert.strictEqual((yield* server).streamCounts.requested, 1)
        yield* pass(50, 50)
        assert.strictEqual((yield* server).streamCounts.requested, 2)
        yield* pass(450, 50)
        assert.deepInclude(yield* sessionPool.stats, { created: 1, size: 1 })
        yield* pass(50, 50)
        assert.strictEqual((yield* sessionPool.stats).destroyed.lost, 1)
      }).pipe(Effect.provide(TestWebTransport.layer({ onStream: () => Effect.void })), Effect.provide(silent)))
  }

  it.scoped("anything that comes while it is pinged; the ping is given up then", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, concurrency: 2, keepAlive, checkTimeout: 1_000 })
      const session = yield* pool.get
      const stream = yield* session.createBidirectionalStream()
      const peer = (yield* server).streams[0]!
      const reading = yield* Effect.fork(Effect.forever(stream.read))
      yield* pass(1_000, 50)
      assert.strictEqual((yield* server).streams.length, 2)
      const [, ping] = (yield* server).streams
      yield* pass(900, 50)
      yield* peer.write(Uint8Array.of(1))
      yield* pass(500, 50)
      assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
      assert.deepInclude({ ...ping }, { sending: "Finished", isCancelled: false })
      // the stream is cancelled if its end does not come
      yield* Effect.replicateEffect(Effect.andThen(pass(500, 50), peer.write(Uint8Array.of(1))), 11, { discard: true })
      assert.deepInclude({ ...ping }, { sending: "Finished", isCancelled: true })
      assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
      yield* Fiber.interrupt(reading)
    }).pipe(Effect.provide(TestWebTransport.layer({ onStream: () => Effect.void }))))

  it.scoped("a datagram", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, minSize: 1, keepAlive, checkTimeout: 500 })
      yield* pool.ready
      const peer = yield* server
      for (let i = 0; i < 5; i++) {
        yield* pass(1_000, 500)
        yield* peer.sendDatagram(bytes("x"))
        yield* quiet
      }
      assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
      yield* pass(1_500, 500)
      assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
    }).pipe(Effect.provide(TestWebTransport.layer({ onStream: () => Effect.void }))))

  it.scoped("no answer to a ping: the next one is sent, and it is the ping that says what the answer means", () =>
    Effect.gen(function*() {
      let pings = 0
      const ping = (session: WebTransport.Session) =>
        Effect.scoped(Effect.gen(function*() {
          const stream = yield* session.createBidirectionalStream()
          yield* stream.write(bytes("ping"))
          yield* stream.readExactly(4)
          if (++pings === 5) return yield* Effect.fail("the answer was no")
        }))
      const pool = yield* SessionPool.make({ url, concurrency: 2, keepAlive: { interval: 1_000, ping } })
      const session = yield* pool.get
      const stream = yield* session.createBidirectionalStream()
      yield* pass(4_500, 500)
      assert.strictEqual(pings, 4)
      yield* pass(1_000, 500)
      assert.strictEqual((yield* pool.stats).destroyed.lost, 1)
      const error = yield* Effect.flip(stream.read)
      assert.strictEqual(error.reason, "SessionClosed")
      assert.include(
        error.message,
        "the pool SessionPool closed the session: keepAlive.ping failed (the answer was no)"
      )
    }).pipe(Effect.provide(TestWebTransport.layer())))

  it.scoped("a download under a pool of streams, behind which the pong waits", () =>
    Effect.gen(function*() {
      const sessionPool = yield* SessionPool.make({ url, keepAlive, checkTimeout: 1_000 })
      const pool = yield* StreamPool.make({ sessionPool })
      const reading = yield* Effect.fork(
        pool.use((stream) => Effect.andThen(stream.write(bytes("x")), stream.readExactly(80)))
      )
      yield* pass(5_000, 50)
      assert.strictEqual((yield* Fiber.join(reading)).length, 80)
      assert.strictEqual((yield* sessionPool.stats).created, 1)
    }).pipe(Effect.provide(TestWebTransport.layer(busy))))

  it.scopedLive("what comes while it is pinged, from a real server", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const pinged = yield* Queue.unbounded<void>()
      const sessionPool = yield* SessionPool.make({
        ...sessionOptions(server, "/echo"),
        keepAlive: { interval: 10, ping: () => Effect.andThen(Queue.offer(pinged, undefined), Effect.never) }
      })
      const pool = yield* StreamPool.make({ sessionPool })
      yield* pool.use((stream) =>
        Effect.replicateEffect(Effect.andThen(soon(Queue.take(pinged)), echo(stream)), 5, { discard: true })
      )
      assert.deepInclude(yield* sessionPool.stats, { created: 1, size: 1 })
    }).pipe(withClient))
})

describe("who closed a session, and why", () => {
  const reading = (session: WebTransport.Session) =>
    Effect.gen(function*() {
      const stream = yield* session.createBidirectionalStream()
      return yield* Effect.fork(Effect.flip(stream.read))
    })

  it.scoped("its pool, which replaced it", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, name: "mine", maxLifetime: 1_000, retireGrace: 1_000 })
      const error = yield* reading(yield* pool.get)
      yield* pass(3_000, 500)
      assert.include((yield* Fiber.join(error)).message, "the pool mine closed the session: it was retired")
    }).pipe(Effect.provide(inMemory()), Effect.provide(silent)))

  it.scoped("its pool, which closes", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, shutdownGrace: 1_000 })
      const error = yield* reading(yield* pool.get)
      const closing = yield* Effect.fork(pool.close)
      yield* pass(3_000, 500)
      yield* Fiber.join(closing)
      assert.include((yield* Fiber.join(error)).message, "closed the session: the pool is closing")
    }).pipe(Effect.provide(inMemory()), Effect.provide(silent)))

  it.scopedLive("its borrower, or its peer", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const pool = yield* SessionPool.make(sessionOptions(server, "/echo"))
      const session = yield* pool.get
      const stream = yield* session.createBidirectionalStream()
      assert.strictEqual(yield* soon(echo(stream)), "hello")
      yield* soon(session.close({ closeCode: 7, reason: "done" }))
      const own = yield* Effect.flip(session.createBidirectionalStream())
      assert.include(own.message, `this side closed the session (code 7, "done")`)
      const other = yield* pool.get
      yield* server.command("closeSessions", { code: 8, reason: "bye" })
      yield* soon(other.closed)
      const peers = yield* Effect.flip(other.createBidirectionalStream())
      assert.include(peers.message, `the peer or the network ended the session (code 8, "bye")`)
    }).pipe(withClient))
})

describe("what a ping costs", () => {
  it.scopedLive("no credit: hundreds of pings, and there are as many streams as before", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ initialBidirectionalStreams: 20 })
      const session = yield* connect(server, "/echo")
      const ping = SessionPool.pingStream()
      yield* Effect.forEach(range(250), () => soon(ping(session)))
      yield* soon(server.until(({ streamsOpen }) => streamsOpen === 0))
      // the server grants more when half of its grant is used (fails-components 1.6.8), so that half of it is always there
      const streams = yield* soon(Effect.all(range(10).map(() => session.createBidirectionalStream())))
      assert.deepStrictEqual(
        yield* soon(Effect.forEach(streams, (stream) => echo(stream))),
        range(10).map(() => "hello")
      )
    }).pipe(withClient), 60_000)

  it.scoped("its stream is finished and read to its end, not cancelled", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, minSize: 1, keepAlive })
      yield* pool.ready
      yield* pass(1_000, 500)
      assert.strictEqual((yield* server).streamCounts.granted, 1)
      assert.deepStrictEqual(
        yield* Effect.map(Deferred.await(seen), ({ isCancelled, sending }) => [isCancelled, sending]),
        [
          false,
          "Finished"
        ]
      )
      assert.strictEqual((yield* server).streams.length, 0)
    }).pipe(Effect.provide(TestWebTransport.layer({
      onStream: (stream) => Effect.andThen(Deferred.succeed(seen, stream), TestWebTransport.echo(stream))
    }))))
  const seen = Effect.runSync(Deferred.make<TestWebTransport.ServerStream>())

  it.scoped("no stream of a borrower of a pool of streams, who has it once the ping has ended", () =>
    Effect.gen(function*() {
      const sessionPool = yield* SessionPool.make({ url, maxSize: 1, keepAlive: { ...keepAlive, interval: 300 } })
      const pool = yield* StreamPool.make({ sessionPool, acquireTimeout: 4_000 })
      const lease = yield* pool.acquire
      yield* pass(900, 100)
      assert.deepInclude((yield* server).streamCounts, { granted: 2, refused: 0 })
      const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
      yield* quiet
      assert.deepInclude((yield* server).streamCounts, { granted: 2, refused: 1 })
      // the ping began at 300 ms, and is answered after 1.5 s
      yield* pass(800, 100)
      assert.strictEqual((yield* server).streamCounts.granted, 2)
      yield* pass(100, 100)
      assert.strictEqual(yield* Fiber.join(borrower), "hello")
      yield* lease.release()
      assert.strictEqual((yield* sessionPool.stats).created, 1)
    }).pipe(Effect.provide(TestWebTransport.layer({
      streamLimit: 2,
      onStream: (stream, session) =>
        numberOf(session) === 2 ? Effect.delay(TestWebTransport.echo(stream), 1_500) : TestWebTransport.echo(stream)
    }))))

  for (const beyondLimit of ["refuse", "wait"] as const) {
    it.scoped(`no session either where it had the only stream, and others have to ${beyondLimit === "wait" ? "wait" : "ask again"}`, () =>
      Effect.gen(function*() {
        const sessionPool = yield* SessionPool.make({ url, maxSize: 1, minSize: 1, concurrency: 2, keepAlive })
        yield* sessionPool.ready
        // a borrower that opens nothing has the session, and it is pinged meanwhile
        const idler = yield* sessionPool.acquire
        yield* pass(1_000, 100)
        assert.strictEqual((yield* server).streamCounts.granted, 1)
        const direct = yield* Effect.fork(
          sessionPool.use((session) => Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), echo)))
        )
        yield* pass(2_500, 100)
        assert.strictEqual(yield* Fiber.join(direct), "hello")
        yield* idler.release()
        const pool = yield* StreamPool.make({ sessionPool })
        yield* pass(1_500, 100)
        const borrower = yield* Effect.fork(pool.use((stream) => echo(stream)))
        yield* pass(5_000, 100)
        assert.strictEqual(yield* Fiber.join(borrower), "hello")
        assert.strictEqual((yield* sessionPool.stats).created, 1)
      }).pipe(Effect.provide(TestWebTransport.layer({
        streamLimit: 1,
        beyondLimit,
        // the answer to the ping is slow, the others are not
        onStream: (stream) =>
          Effect.flatMap(
            stream.read,
            Option.match({
              onNone: () => stream.finish,
              onSome: (first) =>
                Effect.andThen(
                  Effect.delay(stream.write(first), first.length === 5 && first[0] === 4 ? 1_300 : 0),
                  TestWebTransport.echo(stream)
                )
            })
          )
      }))))
  }

  where("limitsStreams", it.scopedLive)(
    "no stream of a borrower who is refused one meanwhile",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 1 })
        const pinged = yield* Deferred.make<void>()
        const end = yield* Deferred.make<void>()
        const pool = yield* SessionPool.make({
          ...sessionOptions(server, "/echo"),
          maxSize: 1,
          concurrency: 2,
          keepAlive: {
            interval: 10,
            // only the first ping
            ping: (session) =>
              Effect.flatMap(Deferred.isDone(end), (isDone) =>
                isDone ? Effect.void : session.createBidirectionalStream().pipe(
                  Effect.andThen(Deferred.succeed(pinged, undefined)),
                  Effect.andThen(Deferred.await(end)),
                  Effect.scoped
                ))
          }
        })
        yield* pool.use((session) =>
          Effect.gen(function*() {
            yield* soon(Deferred.await(pinged))
            const opening = yield* Effect.fork(session.createBidirectionalStream())
            yield* quiet
            yield* Deferred.succeed(end, undefined)
            assert.strictEqual(yield* soon(Effect.flatMap(Fiber.join(opening), echo)), "hello")
          }).pipe(Effect.scoped)
        )
        assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
      }).pipe(withClient)
  )

  where("returnsCredit", it.scopedLive)(
    "nothing where the session is full, which says nothing of it",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 4 })
        const session = yield* connect(server, "/echo")
        yield* Effect.scoped(Effect.andThen(fill(session), soon(SessionPool.pingStream()(session))))
      }).pipe(withClient)
  )
})

describe("maxStreamsOpened", () => {
  const open = (session: WebTransport.Session) =>
    Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), echo))

  it.scoped("replaces a session after so many, for the next borrower", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, maxSize: 1, maxStreamsOpened: 3 })
      yield* Effect.replicateEffect(pool.use(open), 7)
      yield* quiet
      assert.deepInclude(yield* pool.stats, { created: 3 })
      assert.strictEqual((yield* pool.stats).destroyed.retired, 2)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("also while it is lent: the borrower goes on within retireGrace, the others have another", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, maxSize: 1, maxStreamsOpened: 2 })
      yield* pool.use((session) =>
        Effect.gen(function*() {
          yield* Effect.replicateEffect(open(session), 5)
          assert.strictEqual(yield* pool.use(open), "hello")
        })
      )
      assert.strictEqual((yield* pool.stats).created, 2)
    }).pipe(Effect.provide(inMemory())))

  it.scoped("counts pings, and what the peer opens", () =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({ url, minSize: 1, maxStreamsOpened: 3, keepAlive })
      yield* pool.ready
      const peer = yield* server
      yield* peer.openUnidirectional
      yield* pass(1_000, 500)
      assert.deepInclude(yield* pool.stats, { created: 1 })
      yield* pass(1_000, 500)
      assert.deepInclude(yield* pool.stats, { created: 2, size: 1 })
    }).pipe(Effect.provide(inMemory())))

  for (const [sessions, streams] of [[3, 5], [5, 3], [3, Infinity]] as const) {
    it.scoped(`under a pool of streams the smaller limit counts: ${sessions} and ${streams}`, () =>
      Effect.gen(function*() {
        const sessionPool = yield* SessionPool.make({ url, maxSize: 1, maxStreamsOpened: sessions })
        const pool = yield* StreamPool.make({ sessionPool, maxUses: 1, maxStreamsOpened: streams })
        for (let i = 0; i < 7; i++) {
          assert.strictEqual(yield* pool.use((stream) => echo(stream)), "hello")
          yield* allBack(pool)
        }
        yield* quiet
        assert.strictEqual((yield* sessionPool.stats).created, 3)
      }).pipe(Effect.provide(inMemory())))
  }

  it.scopedLive(
    "is 1,000 where the client keeps something of each stream, and no limit elsewhere",
    () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const pool = yield* SessionPool.make({ ...sessionOptions(server, "/echo"), maxSize: 1 })
        const many = (count: number) =>
          pool.use((session) =>
            Effect.forEach(range(count), () =>
              Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) =>
                // read to its end, so that it takes no credit
                Effect.andThen(
                  stream.closeWrite,
                  can("retainsStreams") ? Effect.void : Effect.repeat(stream.read, { while: Option.isSome })
                ))), { discard: true })
          )
        yield* many(999)
        yield* pool.use(() =>
          Effect.void
        )
        assert.strictEqual((yield* pool.stats).created, 1)
        yield* many(1)
        yield* pool.use(() =>
          Effect.void
        )
        assert.strictEqual((yield* pool.stats).created, can("retainsStreams") ? 2 : 1)
      }).pipe(withClient),
    60_000
  )

  it.effect("has to be a whole number of 1 or more, or Infinity", () =>
    Effect.gen(function*() {
      for (const maxStreamsOpened of [0, -1, 1.5, NaN]) {
        const exit = yield* Effect.exit(Effect.scoped(SessionPool.make({ url, maxStreamsOpened })))
        assert.include(String(Exit.isFailure(exit) && exit.cause), "[SessionPool] maxStreamsOpened must be")
      }
      yield* Effect.scoped(SessionPool.make({ url, maxStreamsOpened: Infinity }))
    }).pipe(Effect.provide(inMemory())))
})
