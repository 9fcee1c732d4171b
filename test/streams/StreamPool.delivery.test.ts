/** Bytes that a borrower wrote in success, without waiting for them. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import { can } from "../support/capabilities.js"
import { live, startServer } from "../support/implementation.js"
import { messageOf } from "../support/oneWay.js"
import { connect, inMemory, quiet, sessionOptions, silent, soon, until } from "../support/streams.js"
import { assert, describe, it, layer } from "../support/vitest.js"

const pieces = 10
const much = new Uint8Array(pieces * 64 * 1024)

type Write = (stream: Pick<WebTransport.SendStream, "write">) => Effect.Effect<void, WebTransportError>

const writeMuch: Write = (stream) => stream.write(much)

const onSession = (session: WebTransport.Session, write: Write) =>
  Effect.scoped(Effect.flatMap(session.createUnidirectionalStream(), write))

describe("what was written in success", () => {
  /** A server that takes bytes only on command, and the streams that it has received. */
  const stalling = (behaviour: TestWebTransport.Behaviour = {}) => {
    const streams: Array<TestWebTransport.ServerStream> = []
    return {
      streams,
      layer: inMemory({
        ...behaviour,
        onStream: (stream) => Effect.andThen(stream.stall, Effect.sync(() => streams.push(stream)))
      })
    }
  }

  /** The server takes the bytes of one of the platform's writes. */
  const take = (stream: TestWebTransport.ServerStream) =>
    Effect.andThen(Effect.andThen(stream.resume, stream.stall), quiet)

  const pass = (seconds: number) =>
    Effect.replicateEffect(Effect.andThen(quiet, TestClock.adjust("1 second")), seconds, { discard: true }).pipe(
      Effect.andThen(quiet)
    )

  /** The server takes bytes every two seconds: slower than a limit on the whole transfer would allow. */
  const takeSlowly = (stream: TestWebTransport.ServerStream) =>
    Effect.replicateEffect(Effect.andThen(pass(2), take(stream)), pieces, { discard: true })

  const url = "https://test/"
  const streamsOf = (session: WebTransport.Session) =>
    Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), writeMuch))

  type Send = Effect.Effect<unknown, unknown, WebTransport.WebTransportConstructor | Scope.Scope>

  const sessionPoolWith = (options: SessionPool.CommonOptions): Send =>
    Effect.flatMap(SessionPool.make({ url, ...options }), (pool) => pool.use(streamsOf))

  const streamPoolWith = (options: SessionPool.CommonOptions): Send =>
    Effect.flatMap(
      SessionPool.make({ url, ...options }),
      (sessionPool) => Effect.flatMap(StreamPool.make({ sessionPool }), (pool) => pool.use(writeMuch))
    )

  const ways: Record<string, Send> = {
    "on a stream of a pool over sessions": streamPoolWith({}),
    "on a stream of a pool over sessions of one use": streamPoolWith({ maxUses: 1 }),
    "on a stream of a pool over sessions that age": streamPoolWith({ idleTimeToLive: 100 }),
    "on a stream of a pool over one session": Effect.flatMap(
      WebTransport.connect(url),
      (session) => Effect.flatMap(StreamPool.make({ session }), (pool) => pool.use(writeMuch))
    ),
    "on a pooled session": sessionPoolWith({}),
    "on a pooled session of one use": sessionPoolWith({ maxUses: 1 }),
    "on a pooled session of one use, without overlap": sessionPoolWith({
      maxUses: 1,
      overlap: false,
      closeTimeout: "1 minute"
    }),
    "on a pooled session that ages": sessionPoolWith({ idleTimeToLive: 100 }),
    "on a session": Effect.flatMap(WebTransport.connect(url), streamsOf),
    "on a session that closes": Effect.forkScoped(Effect.scoped(Effect.flatMap(WebTransport.connect(url), streamsOf)))
  }

  for (const [name, send] of Object.entries(ways)) {
    it.effect(`is delivered and finished, however long that takes: ${name}`, () => {
      const { layer, streams } = stalling()
      return Effect.gen(function*() {
        yield* send
        yield* quiet
        assert.lengthOf(streams, 1)
        yield* takeSlowly(streams[0]!)
        assert.strictEqual(streams[0]!.sending, "Finished")
        let received = 0
        while (received < much.length) received += Option.getOrThrow(yield* streams[0]!.read).length
        assert.isTrue(Option.isNone(yield* streams[0]!.read))
      }).pipe(Effect.scoped, Effect.provide([layer, silent]))
    })

    if (name.includes("without overlap")) continue
    it.effect(`is reset when the transport takes nothing for closeTimeout: ${name}`, () => {
      const { layer, streams } = stalling()
      return Effect.gen(function*() {
        yield* send
        yield* quiet
        yield* Effect.replicateEffect(Effect.andThen(pass(2), take(streams[0]!)), 3, { discard: true })
        assert.strictEqual(streams[0]!.sending, "Open")
        yield* pass(10)
        // its end waits for the write under way
        yield* streams[0]!.resume
        yield* quiet
        assert.strictEqual(streams[0]!.sending, "Reset")
      }).pipe(Effect.scoped, Effect.provide([layer, silent]))
    })
  }

  it.effect("takes no place of the pool: the next borrower has another stream after a second", () => {
    const { layer, streams } = stalling()
    return Effect.gen(function*() {
      const session = yield* WebTransport.connect(url)
      const pool = yield* StreamPool.make({ session, maxSize: 1 })
      for (let i = 1; i <= 4; i++) {
        const writing = yield* Effect.fork(pool.use(writeMuch))
        yield* quiet
        assert.lengthOf(streams, i)
        yield* Fiber.join(writing)
        assert.deepInclude(yield* pool.stats, { leases: 1, size: 1 })
        // for this long the stream may still be lent again
        yield* pass(1)
        assert.deepInclude(yield* pool.stats, { leases: 0, size: 0 })
      }
      yield* Effect.forEach(streams, (stream) => stream.resume)
      yield* quiet
      assert.deepStrictEqual(streams.map(({ sending }) => sending), ["Finished", "Finished", "Finished", "Finished"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("has the grace of a session that is replaced, and no more", () => {
    const { layer, streams } = stalling()
    return Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const pool = yield* SessionPool.make({ url, maxUses: 1, maxSize: 1, retireGrace: "5 seconds" })
      yield* pool.use(streamsOf)
      yield* quiet
      // its place is free
      yield* pool.use(() => Effect.void)
      assert.strictEqual((yield* sessions).length, 2)
      for (let i = 0; i < 2; i++) yield* Effect.andThen(pass(2), take(streams[0]!))
      assert.isTrue((yield* sessions)[0]!.isOpen)
      yield* Effect.andThen(pass(3), take(streams[0]!))
      assert.isFalse((yield* sessions)[0]!.isOpen)
      assert.strictEqual(streams[0]!.sending, "Reset")
    }).pipe(Effect.scoped, Effect.provide([layer, silent]))
  })

  for (const maxUses of [1, undefined]) {
    it.effect(`has the grace of a pool that closes, and no more (maxUses: ${maxUses})`, () => {
      const { layer, streams } = stalling()
      return Effect.gen(function*() {
        const { sessions } = yield* TestWebTransport.TestWebTransport
        const scope = yield* Scope.make()
        const pool = yield* Scope.extend(SessionPool.make({ url, maxUses, shutdownGrace: "5 seconds" }), scope)
        yield* pool.use(streamsOf)
        yield* quiet
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        for (let i = 0; i < 2; i++) yield* Effect.andThen(pass(2), take(streams[0]!))
        assert.isTrue((yield* sessions)[0]!.isOpen)
        yield* Effect.andThen(pass(3), take(streams[0]!))
        yield* pass(2)
        assert.isFalse((yield* sessions)[0]!.isOpen)
        assert.strictEqual(streams[0]!.sending, "Reset")
        yield* Fiber.join(closing)
      }).pipe(Effect.scoped, Effect.provide([layer, silent]))
    })
  }

  it.effect("has the grace of a session that grants no more streams", () => {
    const { layer, streams } = stalling({ streamLimit: 1, creditBatch: Infinity, beyondLimit: "wait" })
    return Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const sessionPool = yield* SessionPool.make({ url, maxSize: 1, retireGrace: "20 seconds" })
      const pool = yield* StreamPool.make({ sessionPool, maxUses: 1 })
      yield* pool.use((stream) => stream.write(new Uint8Array(1)))
      yield* quiet
      yield* streams[0]!.resume
      yield* quiet
      assert.strictEqual(streams[0]!.sending, "Finished")
      const next = yield* Effect.fork(pool.use((stream) => stream.write(new Uint8Array(1))))
      // the session is asked for a while, then replaced
      yield* pass(4)
      assert.lengthOf(yield* sessions, 1)
      yield* pass(6)
      yield* Fiber.join(next)
      assert.lengthOf(yield* sessions, 2)
      yield* pass(10)
      assert.isTrue((yield* sessions)[0]!.isOpen)
      yield* pass(15)
      assert.isFalse((yield* sessions)[0]!.isOpen)
    }).pipe(Effect.scoped, Effect.provide([layer, silent]))
  })

  it.effect("keeps borrowers of the only session waiting to their acquireTimeout while it may owe a stream", () => {
    const { layer, streams } = stalling({ streamLimit: 1, creditBatch: Infinity, beyondLimit: "wait" })
    return Effect.gen(function*() {
      const session = yield* WebTransport.connect(url)
      const pool = yield* StreamPool.make({ session, maxUses: 1, acquireTimeout: "20 seconds" })
      const write = pool.use((stream) => stream.write(new Uint8Array(1)))
      yield* write
      yield* quiet
      yield* streams[0]!.resume
      yield* quiet
      assert.strictEqual(streams[0]!.sending, "Finished")
      const next = yield* Effect.fork(Effect.flip(write))
      yield* pass(19)
      assert.strictEqual((yield* pool.stats).waiters, 1)
      yield* pass(1)
      assert.deepInclude(yield* Fiber.join(next), { _tag: "PoolError", reason: "AcquireTimeout" })
    }).pipe(Effect.scoped, Effect.provide([layer, silent]))
  })

  it.effect("keeps a session from its next use no longer than before", () => {
    const { layer, streams } = stalling()
    return Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      const pool = yield* SessionPool.make({ url })
      for (let i = 1; i <= 3; i++) yield* pool.use(streamsOf)
      assert.strictEqual((yield* sessions).length, 1)
      yield* Effect.forEach(streams, (stream) => stream.resume)
      yield* quiet
      assert.deepStrictEqual(streams.map(({ sending }) => sending), ["Finished", "Finished", "Finished"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  layer(live())("over a real transport", (it) => {
    /** More than all buffers between client and server hold. */
    const flood = new Uint8Array(16 << 20)

    /** `isLast`: the session closes after this stream. */
    const sends: Record<string, { readonly isLast: boolean; readonly options: SessionPool.CommonOptions }> = {
      "with a session that stays": { isLast: false, options: {} },
      "with a session of one use": { isLast: true, options: { maxUses: 1 } },
      "with a session that ages": { isLast: true, options: { idleTimeToLive: 100 } }
    }
    for (const [name, { isLast, options }] of Object.entries(sends)) {
      if (isLast && !can("deliversBeforeClose")) continue
      for (const by of ["SessionPool", "StreamPool"]) {
        it.scoped(`arrives whole though the peer takes nothing for seconds: by ${by}, ${name}`, () =>
          Effect.gen(function*() {
            const server = yield* startServer()
            const path = "/silent"
            const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), ...options })
            const streamPool = yield* StreamPool.make({ sessionPool })
            const write: Write = (stream) =>
              stream.write(new Uint8Array(1)).pipe(
                Effect.andThen(server.until(({ bytesReceived }) => bytesReceived === 1)),
                Effect.andThen(server.stop),
                Effect.andThen(stream.write(flood))
              )
            yield* soon(
              by === "StreamPool" ? streamPool.use(write) : sessionPool.use((session) => onSession(session, write))
            )
            for (let i = 0; i < 3; i++) yield* Effect.andThen(quiet, TestClock.adjust("1 second"))
            yield* server.resume
            const arrived = by === "StreamPool"
              ? Effect.map(server.statsOf(path), ({ streamsFinished }) => streamsFinished)
              : Effect.map(server.command("received", { path }), ({ length }) => length)
            yield* soon(until(arrived, (count) => count === 1))
            assert.deepInclude(yield* server.statsOf(path), { bytesReceived: 1 + flood.length, streamsReset: 0 })
          }))
      }
    }

    // a session that refuses is replaced; this is about those that wait
    if (can("waitsForStreams") && can("deliversLastWrites")) {
      it.scoped(
        "arrives whole though a peer that takes nothing for seconds grants no streams for more of it",
        () =>
          Effect.gen(function*() {
            const server = yield* startServer({ initialBidirectionalStreams: 100 })
            const path = "/oneway"
            const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 1 })
            const pool = yield* StreamPool.make({ sessionPool, maxUses: 1, maxStreamsOpened: Infinity })
            let sent = 0
            const send = Effect.suspend(() => pool.use((stream) => stream.write(messageOf(sent++, 20_000))))
            yield* soon(send)
            yield* soon(server.until(({ paths }) => paths[path]?.streamsFinished === 1))
            yield* server.stop
            const sending = yield* Effect.fork(Effect.replicateEffect(send, 129, { concurrency: 4 }))
            yield* soon(until(Effect.sync(() => sent), (sent) => sent > 90))
            for (let i = 0; i < 4; i++) yield* Effect.andThen(quiet, TestClock.adjust("1 second"))
            yield* server.resume
            // Time passes only while nothing is on its way: a busy machine may need longer than the pool's graces to go on.
            const pass = Effect.flatMap(
              server.statsOf(path),
              ({ streamsFinished }) => streamsFinished === sent ? TestClock.adjust(20) : Effect.void
            )
            yield* until(Effect.andThen(pass, Fiber.poll(sending)), Option.isSome)
            yield* Fiber.join(sending)
            let whole = 0
            const arrivals = Effect.map(server.command("arrivals", { path }), (arrivals) => {
              // on a busy machine the session is replaced, and a stream that it grants late is never used
              for (const arrival of arrivals.filter(({ bytes }) => bytes > 0)) {
                assert.deepInclude(arrival, { isWhole: true, isFinished: true })
                whole++
              }
              return whole
            })
            yield* until(arrivals, (whole) => whole === 130)
            // a replaced session waits for the credit of its streams, up to its grace
            yield* TestClock.adjust("5 minutes")
            // QUIC recovers in real time, which a busy machine may need more of than the graces on the TestClock give
          }),
        { retry: 2 }
      )
    }

    it.scoped("is flushed when the transport has taken it", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/silent")
        const stream = yield* session.createBidirectionalStream()
        yield* soon(Effect.andThen(stream.write(flood), stream.flushed))
        yield* stream.closeWrite
        yield* stream.flushed
        yield* soon(
          server.until(({ bytesReceived, streamsFinished }) => bytesReceived === flood.length && streamsFinished === 1)
        )
      }))
  })
})
