/** The pool as a socket of Effect: a fresh stream for each run. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Ndjson from "#test/Ndjson"
import * as Scope from "#test/Scope"
import * as Socket from "#test/Socket"
import { isPoolError } from "effect-pools/PoolError"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import type * as TestWebTransport from "effect-pools/TestWebTransport"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { where } from "../support/capabilities.js"
import { live, startServer } from "../support/implementation.js"
import { allBack, bytes, echo, failure, poolAt, sessionOptions, soon, text, until } from "../support/streamPools.js"
import { fill, sessionInMemory } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { onTestClock, within } from "../support/time.js"
import { assert, describe, layer } from "../support/vitest.js"

const Live = live()

/** Sends each text, and closes its side when the last text has come back. */
const converse = (socket: Socket.Runner, texts: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const expected = texts.join("")
    let received = ""
    const isDone = yield* Deferred.make<void>()
    const writing = Effect.scoped(Effect.flatMap(socket.writer, (write) =>
      Effect.andThen(Effect.forEach(texts, write, { discard: true }), Deferred.await(isDone))))
    const running = socket.run((chunk) => {
      received += text(chunk)
      return received.length === expected.length ? Deferred.succeed(isDone, undefined) : Effect.void
    })
    yield* Effect.zip(running, writing, { concurrent: true })
    return received
  })

/** For tests that provoke warnings. */
const silent = Logger.withMinimumLogLevel(LogLevel.None)

const socketError = (exit: Exit.Exit<unknown, unknown>): Socket.Failure => {
  const error = failure(exit)
  assert.isTrue(Socket.isSocketError(error), String(error))
  return Socket.failureOf(error as Socket.SocketError)
}

/** A run that has its stream, and a fiber that reads on it. */
const begin = (socket: Socket.Runner) =>
  Effect.gen(function*() {
    const isOpen = yield* Deferred.make<void>()
    const run = yield* Effect.fork(socket.run(() => {}, { onOpen: Effect.asVoid(Deferred.succeed(isOpen, undefined)) }))
    yield* Deferred.await(isOpen)
    yield* Effect.yieldNow()
    return run
  })

describe("StreamPool.makeSocket", () => {
  layer(Live, { excludeTestServices: true })("a run", (it) => {
    it.scoped("carries bytes both ways, and finishes its stream after success", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?socket")
        assert.strictEqual(yield* soon(converse(pool.socket, ["hello", " ", "world"])), "hello world")
        const { streamsAccepted, streamsFinished, streamsReset } = yield* soon(
          until(counts, ({ streamsOpen }) => streamsOpen === 0)
        )
        assert.deepStrictEqual([streamsAccepted, streamsFinished, streamsReset], [1, 1, 0])
        assert.deepInclude(yield* pool.stats, { size: 0, inUse: 0, leases: 0 })
      }))

    it.scoped("has a stream of its own each time, one after another", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?socket-again")
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(yield* soon(converse(pool.socket, [`run ${i}`])), `run ${i}`)
        }
        assert.strictEqual((yield* counts).streamsAccepted, 5)
      }))

    it.scoped("has a new stream also where the pool has idle ones, and within maxSize", () =>
      Effect.gen(function*() {
        const { counts, pool, session } = yield* poolAt("/echo?socket-of-a-used-pool")
        for (let i = 1; i <= 3; i++) {
          assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "hello"))), "hello")
          assert.deepInclude(yield* allBack(pool), { size: 1, idle: 1 })
          const run = yield* begin(pool.socket)
          assert.deepInclude(yield* pool.stats, { size: 1, inUse: 1 })
          assert.deepInclude((yield* pool.sessions)[0], { streams: 1, inUse: 1 })
          assert.strictEqual((session as any).core.streams.size, 1)
          yield* soon(until(counts, ({ streamsAccepted }) => streamsAccepted === 2 * i))
          yield* Fiber.interrupt(run)
          assert.deepInclude((yield* pool.sessions)[0], { streams: 0, inUse: 0 })
        }
      }))

    it.scoped("waits for a place like any borrower", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?socket-waits")
        const lease = yield* pool.acquire
        const run = yield* Effect.fork(converse(pool.socket, ["hello"]))
        yield* soon(until(pool.stats, ({ waiters }) => waiters === 1))
        yield* lease.release()
        assert.strictEqual(yield* soon(Fiber.join(run)), "hello")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
      }))

    it.scoped("holds its place: others wait until it ends", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-holds")
        const run = yield* begin(pool.socket)
        const other = yield* Effect.fork(pool.use((stream) => echo(stream, "other")))
        yield* soon(until(pool.stats, ({ waiters }) => waiters === 1))
        yield* Fiber.interrupt(run)
        assert.strictEqual(yield* soon(Fiber.join(other)), "other")
      }))

    it.scoped("handles all that came before the peer finished, to its end", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/source/100000?socket")
        let handled = 0
        yield* soon(pool.socket.run((chunk) => Effect.delay(Effect.sync(() => handled += chunk.byteLength), 1)))
        assert.strictEqual(handled, 100_000)
      }))

    it.scoped("handles a stream that the peer ended before the pool looked at it", () =>
      Effect.gen(function*() {
        const { session } = yield* sessionInMemory({
          onStream: (peer) => Effect.andThen(peer.write(bytes("greeting")), peer.finish)
        })
        const pool = yield* StreamPool.make({ session, maxSize: 1 })
        const socket = Socket.runner(yield* pool.makeSocket)
        let handled = ""
        yield* soon(socket.run((chunk) => void (handled += text(chunk))))
        assert.strictEqual(handled, "greeting")
      }))

    it.scoped("takes the greeting of a peer that speaks first, for any clientSpeaksFirst", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/unsolicited?when=accept&text=greeting")
        const greeting = yield* Deferred.make<string>()
        const run = yield* Effect.fork(pool.socket.run((chunk) => Deferred.succeed(greeting, text(chunk))))
        assert.strictEqual(yield* soon(Deferred.await(greeting)), "greeting")
        yield* Fiber.interrupt(run)
      }))

    it.scoped("keeps to its own stream what its user writes, beside others", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-users", { maxSize: 3 })
        const users = ["A", "B", "C"].map((user) => [1, 2, 3].map((i) => `<${user}${i}>`))
        const answers = yield* soon(Effect.forEach(
          users,
          (texts) => Effect.flatMap(pool.makeSocket, (socket) => converse(Socket.runner(socket), texts)),
          { concurrency: "unbounded" }
        ))
        assert.deepStrictEqual(answers, users.map((texts) => texts.join("")))
      }))

    it.scoped("is refused beside another one of the same socket", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-twice", { maxSize: 2 })
        const first = yield* begin(pool.socket)
        const error = socketError(yield* soon(Effect.exit(pool.socket.run(() => {}))))
        assert.strictEqual(error.reason, "Open")
        assert.isTrue(Option.isNone(yield* Fiber.poll(first)))
        yield* Fiber.interrupt(first)
        assert.strictEqual(yield* soon(converse(pool.socket, ["again"])), "again")
      }))

    it.scoped("fails with Open when no session grants it a stream within acquireTimeout", () =>
      Effect.gen(function*() {
        const server = yield* startServer({ initialBidirectionalStreams: 2 })
        const { pool, session } = yield* Effect.provideService(
          poolAt("/fin", { maxSize: 2, acquireTimeout: "200 millis", clientSpeaksFirst: false }),
          TestServer.TestServer,
          server
        )
        yield* fill(session)
        const error = socketError(yield* Effect.exit(pool.socket.run(() => {})).pipe(within(200)))
        assert.strictEqual(error.reason, "Open")
      }).pipe(onTestClock))

    it.scoped("is over a session pool, too", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?socket-of-sessions"
        const sessionPool = yield* SessionPool.make({ ...sessionOptions(server, path), maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 2, maxStreamsPerSession: 1 })
        yield* Effect.all([1, 2].map((i) => pool.use((stream) => echo(stream, `${i}`))), { concurrency: 2 })
        const socket = Socket.runner(yield* pool.makeSocket)
        const texts = ["a", "b", "c", "d"]
        assert.deepStrictEqual(
          yield* soon(Effect.forEach(texts, (text) => converse(socket, [text]))),
          texts
        )
        assert.isAtMost((yield* server.statsOf(path)).sessionsAccepted, 2)
      }))
  })

  layer(Live, { excludeTestServices: true })("the end of a run", (it) => {
    /** The server may never see a stream that is reset before its first packet was sent. */
    const heard = (path: string) =>
      Effect.flatMap(
        TestServer.TestServer,
        (server) => soon(until(server.statsOf(path), ({ bytesReceived }) => bytesReceived === 5))
      )

    const endOf = (path: string) =>
      Effect.flatMap(TestServer.TestServer, (server) =>
        soon(until(
          server.statsOf(path),
          ({ streamsFinished, streamsReset }) => streamsFinished + streamsReset > 0
        )).pipe(Effect.map(({ streamsFinished }) => streamsFinished > 0 ? "FIN" : "reset")))

    it.scoped("is a reset after a handler failed, which is the run's failure", () =>
      Effect.gen(function*() {
        const path = "/echo?socket-handler-fails"
        const { pool } = yield* poolAt(path)
        const run = yield* Effect.fork(pool.socket.run(() => Effect.fail("no")))
        yield* Effect.scoped(
          Effect.flatMap(pool.socket.writer, (write) => Effect.andThen(write("hello"), Fiber.await(run)))
        )
        assert.strictEqual(failure(yield* Fiber.await(run)), "no")
        assert.strictEqual(yield* endOf(path), "reset")
        assert.deepInclude(yield* pool.stats, { size: 0, leases: 0 })
      }))

    it.scoped("is a reset after a handler died", () =>
      Effect.gen(function*() {
        const path = "/echo?socket-handler-dies"
        const { pool } = yield* poolAt(path)
        const run = yield* Effect.fork(pool.socket.run(() => Effect.die("no")))
        const exit = yield* Effect.scoped(
          Effect.flatMap(pool.socket.writer, (write) => Effect.andThen(write("hello"), Fiber.await(run)))
        )
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(yield* endOf(path), "reset")
      }))

    it.scoped("is a reset after its fiber was interrupted", () =>
      Effect.gen(function*() {
        const path = "/silent?socket-interrupted"
        const { pool } = yield* poolAt(path)
        const run = yield* begin(pool.socket)
        yield* Effect.scoped(
          Effect.flatMap(
            pool.socket.writer,
            (write) => write("hello").pipe(Effect.andThen(heard(path)), Effect.andThen(Fiber.interrupt(run)))
          )
        )
        assert.strictEqual(yield* endOf(path), "reset")
        assert.deepInclude(yield* pool.stats, { size: 0, leases: 0 })
      }))

    it.scoped("is FIN after a writer closed it with a clean code, and the session is not suspect", () =>
      Effect.gen(function*() {
        const path = "/silent?socket-close-event"
        const { pool, server } = yield* poolAt(path)
        for (let i = 1; i <= 3; i++) {
          const run = yield* begin(pool.socket)
          yield* Effect.scoped(
            Effect.flatMap(
              pool.socket.writer,
              (write) => Effect.andThen(write(new Socket.CloseEvent(1000, "done")), soon(Fiber.join(run)))
            )
          )
          assert.deepInclude((yield* pool.sessions)[0], { isSuspect: false, streams: 0, inUse: 0 })
          yield* soon(until(server.statsOf(path), ({ streamsFinished }) => streamsFinished === i))
        }
        assert.strictEqual((yield* server.statsOf(path)).streamsReset, 0)
      }))

    it.scoped("is a failure and a reset after a writer closed it with an error's code", () =>
      Effect.gen(function*() {
        const path = "/silent?socket-close-error"
        const { pool } = yield* poolAt(path)
        const run = yield* begin(pool.socket)
        yield* Effect.scoped(Effect.flatMap(pool.socket.writer, (write) =>
          write("hello").pipe(
            Effect.andThen(heard(path)),
            Effect.andThen(write(new Socket.CloseEvent(4001, "no"))),
            Effect.andThen(Fiber.await(run))
          )))
        const error = socketError(yield* soon(Fiber.await(run)))
        assert.isTrue(error.reason === "Close" && error.code === 4001 && error.closeReason === "no", error.reason)
        assert.strictEqual(yield* endOf(path), "reset")
      }))

    it.scoped("is a half close when the writer's scope ends: the run reads on", () =>
      Effect.gen(function*() {
        const path = "/sink?socket-half-close"
        const { pool } = yield* poolAt(path)
        let answer = ""
        const run = yield* Effect.fork(pool.socket.run((chunk) => void (answer += text(chunk))))
        yield* Effect.scoped(Effect.flatMap(pool.socket.writer, (write) => write("hello")))
        yield* soon(Fiber.join(run))
        assert.strictEqual(JSON.parse(answer).bytes, 5)
      }))

    it.scoped("comes with the pool's, also in the place of a stream that was used before", () =>
      Effect.gen(function*() {
        for (const isUsed of [false, true]) {
          const path = `/silent?socket-pool-closes=${isUsed}`
          const { pool } = yield* poolAt(path, { shutdownGrace: 0 })
          if (isUsed) yield* pool.use((stream) => stream.write(bytes("hello")))
          const run = yield* begin(pool.socket)
          yield* soon(pool.close)
          assert.strictEqual(socketError(yield* soon(Fiber.await(run))).reason, "Read", `used: ${isUsed}`)
        }
      }).pipe(silent))
  })

  layer(Live, { excludeTestServices: true })("errors", (it) => {
    it.scoped("say Open when there is no stream", () =>
      Effect.gen(function*() {
        const path = "/echo?socket-no-stream"
        const { pool, server, session } = yield* poolAt(path)
        yield* server.command("closeSessions", { path })
        yield* soon(session.closed)
        const error = socketError(yield* soon(Effect.exit(pool.socket.run(() => {}))))
        assert.strictEqual(error.reason, "Open")
        assert.include(String(error.cause), "SessionClosed")
      }))

    it.scoped("say Open when there is none in time", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-none-in-time", { acquireTimeout: 20 })
        const lease = yield* soon(pool.acquire)
        const error = socketError(yield* Effect.exit(pool.socket.run(() => {})).pipe(within(20)))
        assert.strictEqual(error.reason, "Open")
        const { cause } = error
        assert.isTrue(isPoolError(cause) && cause.reason === "AcquireTimeout", String(cause))
        yield* lease.release()
      }).pipe(onTestClock))

    it.scoped("say Read when the peer resets the stream", () =>
      Effect.gen(function*() {
        const path = "/echo?socket-reset"
        const { pool, server } = yield* poolAt(path)
        const run = yield* begin(pool.socket)
        yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 1))
        yield* server.command("onStreams", { path, do: "reset" })
        assert.strictEqual(socketError(yield* soon(Fiber.await(run))).reason, "Read")
      }))

    it.scoped("say Read when the session is gone", () =>
      Effect.gen(function*() {
        const path = "/echo?socket-session-gone"
        const { pool, server } = yield* poolAt(path)
        const run = yield* begin(pool.socket)
        yield* server.command("closeSessions", { path })
        const error = socketError(yield* soon(Fiber.await(run)))
        assert.strictEqual(error.reason, "Read")
        assert.include(String(error.cause), "SessionClosed")
      }))

    where("readsAfterStop", it.scoped)(
      "say Write when the peer stops the stream, in the run, too: no later write could succeed",
      () =>
        Effect.gen(function*() {
          const path = "/silent?socket-stop"
          const { pool, server } = yield* poolAt(path)
          const run = yield* begin(pool.socket)
          yield* soon(server.until(({ paths }) => paths[path]?.streamsOpen === 1))
          yield* server.command("onStreams", { path, do: "stop" })
          // until the run has ended: then the writer waits for the next run
          const writing = yield* Effect.fork(Effect.scoped(
            Effect.flatMap(
              pool.socket.writer,
              (write) => Effect.forever(Effect.andThen(write("x"), Effect.sleep("2 millis")))
            )
          ))
          assert.strictEqual(socketError(yield* soon(Fiber.await(run))).reason, "Write")
          const exit = yield* Fiber.interrupt(writing)
          if (!Exit.isInterrupted(exit)) assert.strictEqual(socketError(exit).reason, "Write")
          const again = yield* begin(pool.socket)
          yield* soon(Effect.scoped(Effect.flatMap(pool.socket.writer, (write) => write("again"))))
          yield* soon(until(server.statsOf(path), ({ streamsAccepted }) => streamsAccepted === 2))
          yield* Fiber.interrupt(again)
        })
    )
  })

  layer(Live, { excludeTestServices: true })("a writer", (it) => {
    it.scoped("waits for the run that comes after it", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-writer-first")
        const received = yield* Deferred.make<string>()
        const write = yield* pool.socket.writer
        const writing = yield* Effect.fork(write("early"))
        yield* Effect.replicateEffect(Effect.yieldNow(), 11, { discard: true })
        assert.isTrue(Option.isNone(yield* Fiber.poll(writing)))
        yield* Effect.fork(pool.socket.run((chunk) => Deferred.succeed(received, text(chunk))))
        assert.strictEqual(yield* soon(Deferred.await(received)), "early")
        yield* Fiber.join(writing)
      }))

    it.scoped("waits for the next run after one has ended", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?socket-writer-between")
        const write = yield* pool.socket.writer
        const run = yield* begin(pool.socket)
        yield* soon(until(counts, ({ streamsOpen }) => streamsOpen === 1))
        yield* Fiber.interrupt(run)
        const writing = yield* Effect.fork(write("between"))
        yield* Effect.replicateEffect(Effect.yieldNow(), 11, { discard: true })
        assert.isTrue(Option.isNone(yield* Fiber.poll(writing)))
        const received = yield* Deferred.make<string>()
        yield* Effect.fork(pool.socket.run((chunk) => Deferred.succeed(received, text(chunk))))
        assert.strictEqual(yield* soon(Deferred.await(received)), "between")
        assert.strictEqual((yield* counts).streamsAccepted, 2)
      }))

    it.scoped("that waits can be interrupted, and nothing of it is sent", () =>
      Effect.gen(function*() {
        const { pool } = yield* poolAt("/echo?socket-writer-interrupted")
        const write = yield* pool.socket.writer
        const early = yield* Effect.fork(write("early"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(early)
        const received = yield* Deferred.make<string>()
        yield* Effect.fork(pool.socket.run((chunk) => Deferred.succeed(received, text(chunk))))
        yield* write("later")
        assert.strictEqual(yield* soon(Deferred.await(received)), "later")
      }))

    /** A socket over a server that reads the streams of its first session only on command. */
    const stalled = (writeRoom = 1) =>
      Effect.gen(function*() {
        const peers: Array<TestWebTransport.ServerStream> = []
        const { session } = yield* sessionInMemory({
          writeRoom,
          onStream: (peer) => Effect.andThen(peer.stall, Effect.sync(() => peers.push(peer)))
        })
        const pool = yield* StreamPool.make({ session, maxSize: 2 })
        return { peers, socket: Socket.runner(yield* pool.makeSocket) }
      })

    it.scoped("an interrupted write to a peer that takes nothing hands over no byte, and the socket stays usable", () =>
      Effect.gen(function*() {
        const { peers, socket } = yield* stalled()
        const run = yield* begin(socket)
        const write = yield* socket.writer
        yield* write("under way ")
        const waiting = yield* Effect.forEach(["one ", "two ", "three "], (text) => Effect.fork(write(text)))
        yield* Effect.replicateEffect(Effect.yieldNow(), 11, { discard: true })
        yield* Fiber.interrupt(waiting[0]!)
        yield* Fiber.interrupt(waiting[2]!)
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting[1]!)))
        yield* peers[0]!.resume
        yield* soon(Fiber.join(waiting[1]!))
        yield* soon(write("four"))
        assert.isTrue(Option.isNone(yield* Fiber.poll(run)))
        let received = ""
        while (!received.endsWith("four")) received += text(Option.getOrThrow(yield* soon(peers[0]!.read)))
        assert.strictEqual(received, "under way two four")
        // otherwise the pool closes by its grace only
        yield* Fiber.interrupt(run)
      }))

    it.scoped("accepted bytes that are not sent after all end the run, so that the caller opens another", () =>
      Effect.gen(function*() {
        const { peers, socket } = yield* stalled(3)
        const run = yield* begin(socket)
        const write = yield* socket.writer
        yield* Effect.forEach(["one", "two"], write)
        yield* peers[0]!.stopSending
        assert.strictEqual(socketError(yield* soon(Fiber.await(run))).reason, "Write")
        const again = yield* begin(socket)
        yield* soon(write("three"))
        assert.strictEqual(text(Option.getOrThrow(yield* soon(peers[1]!.read))), "three")
        assert.isTrue(Option.isNone(yield* Fiber.poll(again)))
        yield* peers[1]!.resume
        yield* Fiber.interrupt(again)
      }))

    it.scoped("closes its scope at once also where the peer takes nothing", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const { pool } = yield* Effect.provideService(poolAt("/silent"), TestServer.TestServer, server)
        const run = yield* begin(pool.socket)
        yield* soon(server.until(({ streamsOpen }) => streamsOpen === 1))
        yield* server.stop
        const scope = yield* Scope.make()
        const write = yield* Scope.extend(pool.socket.writer, scope)
        // more than the transport takes
        const blocked = yield* Effect.fork(
          Effect.replicateEffect(write(new Uint8Array(16 << 20)), 9, { discard: true })
        )
        yield* Effect.replicateEffect(Effect.yieldNow(), 11, { discard: true })
        assert.isTrue(Option.isNone(yield* Fiber.poll(blocked)))
        yield* soon(Scope.close(scope, Exit.void))
        yield* Fiber.interruptAll([run, blocked])
      }))
  })

  const Question = Schema.Struct({ id: Schema.Number, text: Schema.String })
  const questions = Array.from({ length: 50 }, (_, id) => ({ id, text: `question ${id}`.repeat(id) }))

  layer(Live, { excludeTestServices: true })("carries the channels of Effect", (it) => {
    it.scoped("Ndjson", () =>
      Effect.gen(function*() {
        const { counts, pool } = yield* poolAt("/echo?ndjson")
        for (let i = 1; i <= 2; i++) {
          const answers = yield* Stream.fromIterable(questions).pipe(
            Stream.pipeThroughChannel(
              Ndjson.duplexSchema(Socket.toChannelWith<Ndjson.Failure>()(yield* pool.makeSocket), {
                inputSchema: Question,
                outputSchema: Question
              })
            ),
            Socket.toTheEnd,
            Stream.runCollect,
            soon
          )
          assert.deepStrictEqual([...answers], questions)
          assert.strictEqual((yield* counts).streamsAccepted, i)
        }
        yield* soon(until(counts, ({ streamsFinished }) => streamsFinished === 2))
      }))
  })
})
