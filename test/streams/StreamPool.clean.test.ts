/** A stream that is returned, idle or lent is clean, or it is gone. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Framing from "effect-pools/Framing"
import { isPoolError } from "effect-pools/PoolError"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import { isWebTransportError } from "effect-pools/WebTransportError"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { can } from "../support/capabilities.js"
import { endings, live, startServer } from "../support/implementation.js"
import { withLogs } from "../support/logs.js"
import type { OnStreams } from "../support/protocol.js"
import {
  allBack,
  bytes,
  connect,
  echo,
  failure,
  poolAt,
  sessionOptions,
  soon,
  text,
  turn,
  until
} from "../support/streamPools.js"
import { sessionInMemory } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { onTestClock, within } from "../support/time.js"
import { assert, describe, it, layer } from "../support/vitest.js"

type Borrower = (
  stream: WebTransport.BidirectionalStream,
  waiting: Effect.Effect<void>
) => Effect.Effect<unknown, unknown>

const Live = live()

/** More than the platform sends at once: of many writes behind it one waits. */
const large = new Uint8Array(8 << 20)

const writeMuch = (stream: WebTransport.BidirectionalStream) => stream.write(new Uint8Array(16 << 20))

/** Interrupts the borrower when it has announced its wait, and waits. */
const interrupted = (pool: StreamPool.Service, borrower: Borrower) =>
  Effect.gen(function*() {
    const waiting = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(
      pool.use((stream) => borrower(stream, Effect.asVoid(Deferred.succeed(waiting, undefined))))
    )
    yield* Deferred.await(waiting)
    yield* Effect.replicateEffect(Effect.yieldNow(), 6, { discard: true })
    assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
  })

const message = (stream: WebTransport.BidirectionalStream, request: string) =>
  Effect.andThen(Framing.write(stream, bytes(request)), Framing.read(stream))

/** Waits until the stream has unread bytes. */
const bringsMore = (stream: WebTransport.BidirectionalStream) =>
  until(Effect.sync(() => (stream as any).pooled.stream), ({ receiver }) => !receiver.inbox.hasRoom)

/** What a borrower may do to a stream so that no other borrower gets it, and how the peer sees its end. */
const unfit: Record<string, {
  readonly path?: string
  readonly how?: (pool: StreamPool.Service, borrower: Borrower) => Effect.Effect<unknown>
  readonly borrower: Borrower
  /** Undefined: after its own reset the server sees nothing more. */
  readonly ends: "streamsFinished" | "streamsReset" | undefined
}> = {
  "its borrower failed": {
    borrower: (stream) => Effect.andThen(echo(stream, "hello"), Effect.fail("no")),
    ends: "streamsReset"
  },
  "its borrower failed at once": { borrower: () => Effect.fail("no"), ends: "streamsReset" },
  "its borrower died": {
    borrower: (stream) => Effect.andThen(echo(stream, "hello"), Effect.die("no")),
    ends: "streamsReset"
  },
  "its borrower threw": {
    borrower: () => {
      throw new Error("no")
    },
    ends: "streamsReset"
  },
  "its borrower was interrupted while it read": {
    path: "/silent",
    how: interrupted,
    borrower: (stream, waiting) =>
      stream.write(bytes("hello")).pipe(Effect.andThen(waiting), Effect.andThen(stream.read)),
    ends: "streamsReset"
  },
  "its borrower was interrupted while it read a message": {
    path: "/silent",
    how: interrupted,
    borrower: (stream, waiting) =>
      Framing.write(stream, bytes("hello")).pipe(Effect.andThen(waiting), Effect.andThen(Framing.read(stream))),
    ends: "streamsReset"
  },
  "its borrower was interrupted while much was under way": {
    path: "/silent",
    how: interrupted,
    borrower: (stream, waiting) =>
      stream.write(large).pipe(
        Effect.andThen(waiting),
        Effect.andThen(stream.write(large)),
        Effect.andThen(Effect.never)
      ),
    ends: "streamsReset"
  },
  "its borrower was interrupted between two exchanges": {
    how: interrupted,
    borrower: (stream, waiting) => echo(stream, "hello").pipe(Effect.andThen(waiting), Effect.andThen(Effect.never)),
    ends: "streamsReset"
  },
  "a read was given up": {
    path: "/silent",
    borrower: (stream) => Effect.andThen(stream.write(bytes("hello")), Effect.timeoutOption(stream.read, 1)),
    ends: "streamsReset"
  },
  "a read of a message was given up": {
    path: "/silent",
    borrower: (stream) => Effect.timeoutOption(message(stream, "hello"), 1),
    ends: "streamsReset"
  },
  "a read goes on": {
    borrower: (stream) =>
      Effect.andThen(echo(stream, "hello"), Effect.andThen(Effect.forkDaemon(stream.read), Effect.yieldNow())),
    ends: "streamsFinished"
  },
  "bytes were left unread": {
    borrower: (stream) => Effect.andThen(stream.write(bytes("hello")), stream.readExactly(1)),
    ends: "streamsFinished"
  },
  "gathered bytes were left unread": {
    borrower: (stream) =>
      Effect.gen(function*() {
        yield* stream.write(bytes("hello"))
        const fiber = yield* Effect.fork(stream.readExactly(10))
        while ((stream as any).pooled.stream.receiver.inbox.keptSize < 5) yield* Effect.sleep(1)
        yield* Fiber.interrupt(fiber)
      }),
    ends: "streamsReset"
  },
  "part of a message was left": {
    path: "/framed",
    borrower: (stream) => message(stream, "partial message"),
    ends: "streamsFinished"
  },
  "whole messages were left": {
    path: "/framed",
    // no third message: the server would still be writing, and would not see how the stream ends
    borrower: (stream) => Effect.andThen(message(stream, "many 2 messages"), bringsMore(stream)),
    ends: "streamsFinished"
  },
  "its writing side was closed": {
    borrower: (stream) => stream.closeWrite,
    ends: "streamsFinished"
  },
  "its borrower reset it": {
    borrower: (stream) => Effect.andThen(echo(stream, "hello"), stream.reset(7)),
    ends: "streamsReset"
  },
  "its peer finished it": {
    path: "/framed",
    borrower: (stream) => Effect.andThen(message(stream, "manyFin 1"), stream.lost),
    ends: "streamsFinished"
  },
  "its peer reset it": {
    path: "/framed",
    borrower: (stream) => Effect.exit(message(stream, "reset")),
    ends: can("hearsAfterReset") ? "streamsFinished" : undefined
  }
}

describe("StreamPool: clean or gone", () => {
  layer(Live, { excludeTestServices: true })("a stream that comes back is not lent again", (it) => {
    for (const [name, { borrower, ends, how, path = "/echo" }] of Object.entries(unfit)) {
      it.scoped(`when ${name}`, () =>
        Effect.gen(function*() {
          const { counts, pool } = yield* poolAt(`${path}?return=${encodeURIComponent(name)}`, { minSize: 1 })
          // the server might never see a stream that is reset at once
          yield* soon(until(counts, ({ streamsOpen }) => streamsOpen === 1))
          const lend = how ?? ((pool, borrower) => Effect.exit(pool.use((stream) => borrower(stream, Effect.void))))
          yield* soon(lend(pool, borrower))
          // with room for one stream, the next borrower shows that its place is free
          const next = (stream: WebTransport.BidirectionalStream) =>
            Effect.gen(function*() {
              assert.deepInclude(yield* pool.stats, { created: 2, size: 1, inUse: 1 })
              yield* stream.write(bytes("next"))
              const { streamsFinished, streamsReset } = yield* until(
                counts,
                ({ streamsAccepted, streamsFinished, streamsReset }) =>
                  streamsAccepted === 2 && (ends === undefined || streamsFinished + streamsReset > 0)
              )
              const none = { streamsFinished: 0, streamsReset: 0 }
              const seen = { streamsFinished, streamsReset }
              assert.deepStrictEqual(seen, ends === undefined ? none : { ...none, [ends]: 1 })
            })
          yield* soon(pool.use(next))
        }))
    }
  })

  describe("a stream to a peer that takes no bytes is not lent again", () => {
    /** The first write never completes, and the platform takes no second write. */
    const blocked = Effect.gen(function*() {
      const peers: Array<TestWebTransport.ServerStream> = []
      const { session } = yield* sessionInMemory({
        onStream: (peer) => Effect.andThen(peer.stall, Effect.sync(() => peers.push(peer)))
      })
      // otherwise the session would wait for the bytes at its end
      yield* Effect.addFinalizer(() => Effect.forEach(peers, (peer) => peer.resume, { discard: true }))
      return { peers, pool: yield* StreamPool.make({ session, maxSize: 1 }) }
    })

    const twoWrites = (stream: WebTransport.BidirectionalStream) =>
      Effect.andThen(stream.write(bytes("one")), stream.write(bytes("two")))

    const nextIsServed = (peers: ReadonlyArray<TestWebTransport.ServerStream>, pool: StreamPool.Service) =>
      Effect.gen(function*() {
        yield* soon(pool.use(() => Effect.void))
        yield* turn
        // its end waits for the write under way, which never completes
        assert.deepInclude(peers[0], { isCancelled: true, sending: "Open" })
        assert.lengthOf(peers, 2)
        assert.deepInclude(yield* pool.stats, { inUse: 0, leases: 0 })
      })

    it.scopedLive("when its borrower was interrupted while it wrote", () =>
      Effect.gen(function*() {
        const { peers, pool } = yield* blocked
        yield* interrupted(pool, (stream, waiting) =>
          stream.write(bytes("one")).pipe(Effect.andThen(waiting), Effect.andThen(stream.write(bytes("two")))))
        yield* nextIsServed(peers, pool)
      }))

    it.scopedLive("when a write was given up", () =>
      Effect.gen(function*() {
        const { peers, pool } = yield* blocked
        yield* pool.use((stream) => Effect.timeoutOption(twoWrites(stream), 1))
        yield* nextIsServed(peers, pool)
      }))

    it.scopedLive("unless it goes on in time: a write that was given up while it waited has left nothing", () =>
      Effect.gen(function*() {
        const { peers, pool } = yield* blocked
        yield* pool.use((stream) =>
          Effect.andThen(Effect.timeoutOption(twoWrites(stream), 1), Effect.suspend(() => peers[0]!.resume))
        )
        yield* soon(pool.use(() => Effect.void))
        assert.lengthOf(peers, 1)
      }))

    it.scopedLive("when a write was left to another fiber", () =>
      Effect.gen(function*() {
        const { peers, pool } = yield* blocked
        const late = yield* pool.use((stream) =>
          Effect.tap(
            Effect.forkDaemon(twoWrites(stream)),
            Effect.replicateEffect(Effect.yieldNow(), 6, { discard: true })
          )
        )
        // and that fiber gets an error
        assert.isTrue(isWebTransportError(failure(yield* soon(Fiber.await(late)))))
        yield* nextIsServed(peers, pool)
      }))
  })

  describe("a stream with a last write that is never taken", () => {
    const breaks: Record<string, (server: TestWebTransport.ServerSession) => Effect.Effect<void>> = {
      "its peer finishes it": ({ streams }) => streams[0]!.finish,
      "its peer resets it": ({ streams }) => streams[0]!.reset,
      "its session is closed": (server) => server.closeWith({ closeCode: 0, reason: "" })
    }
    for (const [name, breakIt] of Object.entries(breaks)) {
      it.scopedLive(`comes back once when ${name}`, () =>
        // an item that dies before a borrower succeeded with it is logged
        withLogs(() =>
          Effect.gen(function*() {
            const { server, session } = yield* sessionInMemory({ onStream: (stream) => stream.stall })
            // otherwise the session would wait for the bytes at its end
            yield* Effect.addFinalizer(() =>
              Effect.forEach(server.streams, (stream) => stream.resume, { discard: true })
            )
            const pool = yield* StreamPool.make({ session, maxSize: 1 })
            yield* pool.use((stream) => stream.write(bytes("one")))
            assert.deepInclude(yield* pool.stats, { size: 1, leases: 1 })
            yield* breakIt(server)
            yield* soon(until(pool.stats, ({ closing, size }) => size + closing === 0))
            assert.deepInclude(yield* pool.stats, { inUse: 0, leases: 0 })
          })
        ))
    }
  })

  layer(Live, { excludeTestServices: true })("with the session", (it) => {
    it.scoped("fails later borrowers at once after it died", () =>
      Effect.gen(function*() {
        const path = "/echo?session-died"
        const { pool, server } = yield* poolAt(path)
        const borrower = (stream: WebTransport.BidirectionalStream) =>
          echo(stream, "hello").pipe(
            Effect.andThen(server.command("closeSessions", { path, code: 7, reason: "bye" })),
            Effect.andThen(stream.lost)
          )
        yield* soon(pool.use(borrower))
        for (let i = 0; i < 3; i++) {
          const error = failure(yield* soon(Effect.exit(pool.use((stream) => echo(stream, "next")))))
          assert.isTrue(isWebTransportError(error) && error.reason === "SessionClosed", String(error))
          assert.include(String(error), "bye")
        }
        assert.deepInclude(yield* pool.stats, { size: 0, inUse: 0, leases: 0 })
      }))

    it.scoped("goes on with another one of a session pool after it died", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?session-died-of-a-pool"
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 1 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 1 })
        yield* soon(pool.use((stream) =>
          echo(stream, "hello").pipe(
            Effect.andThen(server.command("closeSessions", { path })),
            Effect.andThen(stream.lost)
          )
        ))
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 2)
        assert.deepInclude(yield* allBack(pool), { size: 1, inUse: 0, leases: 0 })
      }))

    for (const [ending, end] of endings) {
      it.scoped(`loses its idle streams when the server ${ending}`, () =>
        Effect.gen(function*() {
          const server = yield* startServer()
          const session = yield* connect(server, "/echo")
          const pool = yield* StreamPool.make({ session, maxSize: 3 })
          yield* Effect.all(Array.from({ length: 3 }, (_, i) => pool.use((stream) => echo(stream, `${i}`))), {
            concurrency: "unbounded"
          })
          const { size: idle } = yield* soon(
            until(pool.stats, ({ creating, leases }) => creating === 0 && leases === 0)
          )
          assert.isAtLeast(idle, 1)
          yield* end(server)
          const stats = yield* soon(until(pool.stats, ({ size }) => size === 0))
          assert.strictEqual(stats.destroyed.lost, idle)
          const error = failure(yield* soon(Effect.exit(pool.use((stream) => echo(stream, "next")))))
          assert.isTrue(isWebTransportError(error) && error.reason === "SessionClosed", String(error))
        }))
    }
  })

  const onPeersWhim = (["fin", "reset", "stop", "send"] satisfies ReadonlyArray<OnStreams["do"]>).filter((whim) =>
    whim !== "stop" || can("hearsStop")
  )

  layer(Live, { excludeTestServices: true })("an idle stream", (it) => {
    for (const whim of onPeersWhim) {
      it.scoped(`is gone before a borrower gets it when its peer does this: ${whim}`, () =>
        Effect.gen(function*() {
          const path = `/echo?idle=${whim}`
          const { counts, pool, server } = yield* poolAt(path)
          assert.strictEqual(yield* pool.use((stream) => echo(stream, "hello")), "hello")
          assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1 })
          assert.strictEqual((yield* server.command("onStreams", { path, do: whim })).streams, 1)
          const stats = yield* soon(until(pool.stats, ({ size }) => size === 0))
          assert.deepInclude(stats.destroyed, { lost: 1, discarded: 0 })
          const [session] = yield* soon(until(pool.sessions, ([session]) => session?.streams === 0))
          assert.deepInclude(session, { inUse: 0, opened: 1 })
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
          assert.strictEqual((yield* counts).streamsAccepted, 2)
        }))

      it.scoped(`an unused stream is gone when its peer does this: ${whim}`, () =>
        Effect.gen(function*() {
          const path = `/echo?new=${whim}`
          const { pool, server } = yield* poolAt(path, { minSize: 1 })
          yield* pool.ready
          yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 1))
          yield* server.command("onStreams", { path, do: whim })
          yield* soon(until(pool.stats, ({ destroyed, size }) => destroyed.lost === 1 && size === 1))
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
        }))
    }

    if (!can("hearsStop")) {
      it.scoped("that its peer has stopped is lent once more, and breaks when it is written on", () =>
        Effect.gen(function*() {
          const path = "/echo?idle=stopped"
          const { counts, pool, server } = yield* poolAt(path)
          assert.strictEqual(yield* pool.use((stream) => echo(stream, "hello")), "hello")
          yield* server.command("onStreams", { path, do: "stop" })
          const error = failure(
            yield* soon(Effect.exit(pool.use((stream) => Effect.forever(stream.write(bytes("x"))))))
          )
          assert.isTrue(isWebTransportError(error) && error.reason === "Write", String(error))
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
          assert.strictEqual((yield* counts).streamsAccepted, 2)
        }))
    }

    it.scoped("is gone when its peer closes the session with a code, and so is the session", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?idle=close"
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 1 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 4 })
        yield* Effect.all([1, 2, 3].map((i) => pool.use((stream) => echo(stream, `${i}`))), { concurrency: 3 })
        yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
        yield* soon(until(pool.stats, ({ size }) => size === 0))
        assert.lengthOf(yield* pool.sessions, 0)
        yield* soon(until(sessionPool.stats, ({ size }) => size === 0))
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
      }))
  })

  layer(Live, { excludeTestServices: true })("a stream that breaks, or brings something, once it is lent", (it) => {
    /** Lends a used stream, and lets the peer spoil it. */
    const spoilt = <A, E, R>(
      path: string,
      whim: OnStreams["do"],
      pool: StreamPool.Service,
      then: (stream: WebTransport.BidirectionalStream) => Effect.Effect<A, E, R>
    ) =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        yield* pool.use((stream) => echo(stream, "hello"))
        return yield* pool.use((stream) =>
          Effect.gen(function*() {
            yield* server.command("onStreams", { path, do: whim, text: "dirt!" })
            yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === 1))
            return yield* soon(then(stream))
          })
        )
      })

    for (const whim of onPeersWhim) {
      it.scoped(`is replaced before its borrower writes: ${whim}`, () =>
        Effect.gen(function*() {
          const path = `/echo?lent=${whim}`
          const { counts, pool } = yield* poolAt(path)
          const answers = yield* spoilt(path, whim, pool, (stream) =>
            Effect.all([echo(stream, "first"), echo(stream, "second")]))
          assert.deepStrictEqual(answers, ["first", "second"])
          assert.strictEqual((yield* counts).streamsAccepted, 2)
          // the second stream came back clean
          assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0 })
          assert.strictEqual(
            yield* soon(pool.use((stream) =>
              echo(stream, "next")
            )),
            "next"
          )
          assert.strictEqual((yield* counts).streamsAccepted, 2)
        }))

      it.scoped(`is replaced before its borrower writes a message: ${whim}`, () =>
        Effect.gen(function*() {
          const path = `/framed?lent=${whim}`
          const { pool, server } = yield* poolAt(path)
          yield* pool.request(bytes("hello"))
          const answer = yield* pool.use((stream) =>
            Effect.gen(function*() {
              yield* server.command("onStreams", { path, do: whim, text: "\u0004dirt" })
              yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === 1))
              return yield* soon(message(stream, "mine"))
            })
          )
          assert.deepStrictEqual(Option.map(answer, text), Option.some("mine"))
        }))
    }

    it.scoped("is replaced once, however many fibers of the borrower write", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-to-many"
        const { counts, pool } = yield* poolAt(path)
        const answer = yield* spoilt(path, "send", pool, (stream) =>
          Effect.andThen(
            Effect.all(Array.from("abc", (letter) => stream.write(bytes(letter))), { concurrency: "unbounded" }),
            stream.readExactly(3)
          ))
        assert.strictEqual(Array.from(text(answer)).sort().join(""), "abc")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("is replaced under a borrower that reads before it writes, and its dirt is not read", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-to-a-reader"
        const { counts, pool, server } = yield* poolAt(path)
        yield* pool.use((stream) => echo(stream, "hello"))
        const answer = yield* pool.use((stream) =>
          Effect.gen(function*() {
            const reading = yield* Effect.fork(stream.readExactly(5))
            yield* Effect.yieldNow()
            yield* server.command("onStreams", { path, do: "send", text: "dirt!" })
            yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === 1))
            yield* stream.write(bytes("mine!"))
            return yield* soon(Fiber.join(reading))
          })
        )
        assert.strictEqual(text(answer), "mine!")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
      }))

    it.scoped("is kept by a borrower that reads before it writes, if nothing is wrong with it", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?full-duplex")
        for (let i = 0; i < 3; i++) {
          const answer = yield* pool.use((stream) =>
            Effect.gen(function*() {
              const reading = yield* Effect.fork(stream.readExactly(5))
              yield* Effect.yieldNow()
              yield* stream.write(bytes("hello"))
              return yield* soon(Fiber.join(reading))
            })
          )
          assert.strictEqual(text(answer), "hello")
        }
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("is not replaced once the borrower has reset it", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?lent-and-reset")
        yield* pool.use((stream) => echo(stream, "hello"))
        const exit = yield* pool.use((stream) =>
          Effect.andThen(stream.reset(7), soon(Effect.exit(stream.write(bytes("more")))))
        )
        const error = failure(exit)
        assert.isTrue(isWebTransportError(error) && error.reason === "Write", String(error))
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("is replaced in its turn: those who waited before come first", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-while-others-wait"
        const { pool } = yield* poolAt(path)
        const order: Array<string> = []
        const waits = yield* Deferred.make<void>()
        yield* spoilt(path, "fin", pool, (stream) =>
          Effect.gen(function*() {
            const other = yield* Effect.fork(pool.use((stream) =>
              echo(stream, "other").pipe(
                Effect.tap(Deferred.await(waits)),
                Effect.tap(Effect.sync(() => order.push("other")))
              )
            ))
            yield* until(pool.stats, ({ inUse }) => inUse === 1)
            const own = yield* Effect.fork(Effect.tap(echo(stream, "own"), Effect.sync(() => order.push("own"))))
            yield* until(pool.stats, ({ waiters }) => waiters === 1)
            yield* Deferred.succeed(waits, undefined)
            yield* Effect.zip(Fiber.join(own), Fiber.join(other))
          }))
        assert.deepStrictEqual(order, ["other", "own"])
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0, waiters: 0 })
      }))

    it.scoped("leaves nothing behind when its borrower is interrupted while it waits for another", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-and-interrupted"
        const { pool } = yield* poolAt(path)
        yield* spoilt(path, "send", pool, (stream) =>
          Effect.gen(function*() {
            const other = yield* pool.acquire
            const own = yield* Effect.fork(stream.write(bytes("hello")))
            yield* until(pool.stats, ({ waiters }) => waiters === 1)
            assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(own)))
            assert.deepInclude(yield* pool.stats, { waiters: 0, inUse: 1, leases: 2 })
            yield* other.release()
            // and the borrower may try again
            assert.strictEqual(yield* echo(stream, "again"), "again")
          }))
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("is given back with its replacement: after a failure neither is lent again", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-and-failed"
        const { counts, pool } = yield* poolAt(path)
        const exit = yield* Effect.exit(
          spoilt(path, "send", pool, (stream) => Effect.andThen(echo(stream, "own"), Effect.fail("no")))
        )
        assert.strictEqual(failure(exit), "no")
        yield* soon(until(pool.stats, ({ size }) => size === 0))
        assert.deepInclude(yield* pool.stats, { inUse: 0, leases: 0 })
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
        assert.strictEqual((yield* counts).streamsAccepted, 3)
      }))

    it.scoped("fails its borrower when there is no other: the session is gone", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-and-session-gone"
        const { pool, server } = yield* poolAt(path)
        const [writing, reading] = yield* pool.use((stream) =>
          Effect.gen(function*() {
            yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
            yield* soon(stream.lost)
            return yield* soon(Effect.all([Effect.exit(stream.write(bytes("x"))), Effect.exit(stream.read)]))
          })
        )
        for (const error of [failure<unknown>(writing), failure<unknown>(reading)]) {
          assert.isTrue(isWebTransportError(error) && error.reason === "SessionClosed", String(error))
        }
      }))

    it.scoped("fails its borrower when there is no other: the pool closes", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-and-closing"
        const { pool } = yield* poolAt(path)
        yield* spoilt(path, "send", pool, (stream) =>
          Effect.gen(function*() {
            const closing = yield* Effect.fork(pool.close)
            yield* Effect.replicateEffect(Effect.yieldNow(), 6, { discard: true })
            const error = failure(yield* Effect.exit(stream.write(bytes("x"))))
            assert.isTrue(isWebTransportError(error) && error.reason === "StreamOpen", String(error))
            assert.isTrue(isPoolError(error.cause) && error.cause.reason === "PoolClosed", String(error))
            return closing
          })).pipe(Effect.flatMap(Fiber.join), soon)
        assert.deepInclude(yield* pool.stats, { size: 0, leases: 0 })
      }))

    it.scoped("fails its borrower when no other stream comes back in time", () =>
      Effect.gen(function*() {
        const path = "/echo?lent-and-none-in-time"
        const { pool } = yield* poolAt(path, { acquireTimeout: 50 })
        yield* spoilt(path, "send", pool, (stream) =>
          Effect.gen(function*() {
            const other = yield* pool.acquire
            const error = failure(yield* Effect.exit(stream.write(bytes("x"))).pipe(within(50)))
            assert.isTrue(isWebTransportError(error) && error.reason === "StreamOpen", String(error))
            assert.isTrue(isPoolError(error.cause) && error.cause.reason === "AcquireTimeout", String(error))
            yield* other.release()
          }))
        assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1, leases: 0, waiters: 0 })
      }).pipe(onTestClock))
  })

  layer(Live, { excludeTestServices: true })("a borrower that reads first", (it) => {
    it.scoped("is told what to do about a peer that greets, and gets none of it", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/unsolicited?when=accept&text=unexpected")
        const error = failure(yield* soon(Effect.exit(pool.use((stream) => stream.read))))
        assert.isTrue(isWebTransportError(error) && error.reason === "Read", String(error))
        assert.include(String(error), "clientSpeaksFirst: false")
      }))

    it.scoped("is told the same about one that finishes its streams at once", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/fin?read-first")
        const error = failure(yield* soon(Effect.exit(pool.use((stream) => stream.read))))
        assert.include(String(error), "clientSpeaksFirst: false")
      }))

    it.scoped("goes on with a stream of another session when the first one dies", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?read-first-session"
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 1 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 1 })
        const answer = yield* pool.use((stream) =>
          Effect.gen(function*() {
            const reading = yield* Effect.fork(stream.readExactly(5))
            yield* Effect.yieldNow()
            yield* server.command("closeSessions", { path })
            yield* soon(until(pool.stats, ({ destroyed }) => destroyed.lost === 1))
            yield* stream.write(bytes("hello"))
            return yield* soon(Fiber.join(reading))
          })
        )
        assert.strictEqual(text(answer), "hello")
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 2)
      }))

    it.scoped("may give up before it wrote: the stream is as good as before", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?read-first-and-give-up")
        for (let i = 0; i < 3; i++) {
          const read = yield* pool.use((stream) => Effect.timeoutOption(stream.read, 1))
          assert.isTrue(Option.isNone(read))
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "hello"))), "hello")
        }
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))
  })

  layer(Live, { excludeTestServices: true })("with clientSpeaksFirst: false", (it) => {
    const options = { clientSpeaksFirst: false }

    it.scoped("gives the greeting of a fresh stream to its first borrower", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/unsolicited?when=accept&text=greeting", options)
        const greeted = (stream: WebTransport.BidirectionalStream) =>
          Effect.map(stream.readExactly(8), text).pipe(Effect.zip(echo(stream, "hello")))
        assert.deepStrictEqual(yield* soon(pool.use(greeted)), ["greeting", "hello"])
        assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "again"))), "again")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("gives it also when it came long before there was a borrower", () =>
      Effect.gen(function*() {
        const { counts, pool, session } = yield* poolAt("/unsolicited?when=accept&text=welcome", {
          ...options,
          minSize: 1
        })
        yield* pool.ready
        yield* soon(until(Effect.sync(() => (session as any).core.bytesReceived), (received) => received === 7))
        assert.deepInclude(yield* pool.stats, { size: 1, idle: 1 })
        assert.strictEqual(text(yield* soon(pool.use((stream) => stream.readExactly(7)))), "welcome")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("does not lend a stream again with an unread greeting", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/unsolicited?when=accept&text=unread", options)
        const seen = yield* soon(pool.use((stream) => Effect.andThen(stream.write(bytes("x")), stream.readExactly(1))))
        assert.strictEqual(text(seen), "u")
        assert.strictEqual(text(yield* soon(pool.use((stream) => stream.readExactly(6)))), "unread")
      }))

    for (const whim of onPeersWhim) {
      it.scoped(`evicts a used stream that idles when its peer does this: ${whim}`, () =>
        Effect.gen(function*() {
          const path = `/echo?greeting-idle=${whim}`
          const { pool, server } = yield* poolAt(path, options)
          yield* pool.use((stream) => echo(stream, "hello"))
          yield* server.command("onStreams", { path, do: whim })
          yield* soon(until(pool.stats, ({ size }) => size === 0))
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "next"))), "next")
        }))
    }

    it.scoped("gives what comes to a used stream once it is lent to its borrower, greeting or not", () =>
      Effect.gen(function*() {
        const path = "/echo?greeting-lent"
        const { pool, server } = yield* poolAt(path, options)
        yield* pool.use((stream) => echo(stream, "hello"))
        const read = yield* pool.use((stream) =>
          Effect.andThen(
            server.command("onStreams", { path, do: "send", text: "news" }),
            soon(stream.readExactly(4))
          )
        )
        assert.strictEqual(text(read), "news")
      }))
  })

  layer(Live, { excludeTestServices: true })("a stream after its lease", (it) => {
    it.scoped("refuses everything, and does nothing to the exchange of the next borrower", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/framed?after")
        const old = yield* pool.use((stream) => Effect.as(message(stream, "hello"), stream))
        const given = [old.read, old.write(bytes("x")), old.closeWrite] as const
        const answer = yield* pool.use((stream) =>
          Effect.gen(function*() {
            yield* Framing.write(stream, bytes("mine"))
            const attempts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
              ...given,
              old.read,
              old.readExactly(1),
              old.write(bytes("x")),
              old.closeWrite,
              Framing.read(old),
              Framing.write(old, bytes("x")),
              Stream.runDrain(old.stream),
              Stream.runDrain(Framing.messages(old)),
              Stream.run(Stream.make(bytes("x")), old.sink)
            ]
            for (const attempt of attempts) {
              const error = failure(yield* soon(Effect.exit(attempt)))
              assert.isTrue(isWebTransportError(error), String(error))
              assert.include(String(error), "returned to its pool")
            }
            yield* old.reset(7)
            yield* soon(old.lost)
            return yield* Framing.read(stream)
          })
        )
        assert.deepStrictEqual(Option.map(answer, text), Option.some("mine"))
        assert.strictEqual((yield* counts).streamsAccepted, 1)
        assert.strictEqual(text(yield* pool.request(bytes("next"))), "next")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("refuses what a fiber of the last borrower was about to do", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?after-by-a-fiber")
        const late = yield* pool.use((stream) =>
          Effect.andThen(
            echo(stream, "hello"),
            Effect.forkDaemon(Effect.andThen(Effect.yieldNow(), Effect.exit(stream.write(bytes("dirt")))))
          )
        )
        assert.strictEqual(yield* pool.use((stream) => echo(stream, "mine")), "mine")
        assert.include(String(failure(yield* Fiber.join(late))), "returned to its pool")
        assert.strictEqual((yield* counts).streamsAccepted, 1)
      }))

    it.scoped("ends a read that a fiber of the last borrower waits in", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/silent?after-by-a-reader")
        const late = yield* pool.use((stream) => Effect.tap(Effect.forkDaemon(stream.read), Effect.yieldNow()))
        const error = failure(yield* soon(Fiber.await(late)))
        assert.isTrue(isWebTransportError(error) && error.reason === "Read", String(error))
      }))
  })

  layer(Live, { excludeTestServices: true })("a stream with a last write that the platform has not completed", (it) => {
    it.scoped("is lent again once it is, and not before", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/silent?written")
        // small enough that a busy machine needs less than a second for it
        const last = large.subarray(0, 1 << 18)
        yield* soon(pool.use((stream) => stream.write(last)))
        if (can("writesLater")) assert.deepInclude(yield* pool.stats, { leases: 1, idle: 0 })
        yield* soon(pool.use((stream) => stream.write(bytes("next"))))
        yield* soon(until(counts, ({ bytesReceived }) => bytesReceived === last.byteLength + 4))
        assert.deepInclude(yield* counts, { streamsAccepted: 1, streamsReset: 0 })
        assert.deepInclude(yield* pool.stats, { created: 1 })
      }))

    it.scoped("gives up its place when that takes longer than a second, and is sent all the same", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const path = "/silent"
        const { pool } = yield* Effect.provideService(poolAt(path), TestServer.TestServer, server)
        yield* soon(pool.use((stream) => stream.write(bytes("hello"))))
        yield* server.stop
        yield* soon(pool.use(writeMuch))
        yield* soon(until(pool.stats, ({ closing, size }) => size + closing === 0))
        assert.deepInclude(yield* pool.stats, { leases: 0, inUse: 0 })
        yield* server.resume
        yield* soon(until(server.statsOf(path), ({ streamsFinished }) => streamsFinished === 1))
        assert.deepInclude(yield* server.statsOf(path), { bytesReceived: 5 + (16 << 20), streamsReset: 0 })
      }))
  })
})
