import * as Cause from "#test/Cause"
import * as ConfigProvider from "#test/ConfigProvider"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Scope from "#test/Scope"
import * as SessionPool from "effect-pools/SessionPool"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { can, where } from "../support/capabilities.js"
import { client, live, startServer } from "../support/implementation.js"
import { soon } from "../support/soon.js"
import { fill, until, untilStats } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { flow, onTestClock, pass, within } from "../support/time.js"
import { recordingTracer } from "../support/tracer.js"
import { assert, describe, it, layer } from "../support/vitest.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const echo = (session: WebTransport.Session, message = "hello") =>
  Effect.gen(function*() {
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(bytes(message))
    return text(yield* stream.readExactly(message.length))
  }).pipe(Effect.scoped)

/** The credit of a stream that the peer finishes first does not come back (fails-components 1.6.8 over HTTP/2). */
const toTheEnd = (session: WebTransport.Session) =>
  Effect.gen(function*() {
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(bytes("x"))
    yield* stream.closeWrite
    while (Option.isSome(yield* stream.read));
  }).pipe(Effect.scoped)

const options = (server: TestServer.Service, path: string) => ({
  url: server.url(path),
  connect: { serverCertificateHashes: [{ value: server.hash }] }
})

/** Options with a short connect timeout, for addresses without a listener. */
const impatient = (server: TestServer.Service, path: string) => {
  const { connect, url } = options(server, path)
  return { url, connect: can("hearsRefusal") ? connect : { ...connect, connectTimeout: 300 } }
}

const refused = can("hearsRefusal") ? "Connect" : "ConnectTimeout"

const stats = (pool: SessionPool.Service) => pool.stats

/** For tests that provoke warnings. */
const silent = Logger.minimumLogLevel(LogLevel.None)
const QuietClient = Layer.merge(client, silent)

const Live = live()

describe("SessionPool", () => {
  layer(Live, { excludeTestServices: true })("against a server", (it) => {
    it.scoped("lends the same session to one borrower after the other", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?reuse"), maxSize: 1 })
        for (let i = 0; i < 20; i++) {
          assert.strictEqual(yield* pool.use((session) => echo(session, `message ${i}`)), `message ${i}`)
        }
        assert.strictEqual((yield* server.statsOf("/echo?reuse")).sessionsAccepted, 1)
        assert.deepInclude(yield* stats(pool), { created: 1, acquisitions: 20, reuses: 19, idle: 1 })
      }))

    it.scoped("opens no more than maxSize sessions for many borrowers", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?many"), maxSize: 3 })
        const answers = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, i) => `request ${i}`),
          (message) => pool.use((session) => echo(session, message)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(answers).size, 60)
        assert.isAtMost((yield* server.statsOf("/echo?many")).sessionsAccepted, 3)
      }))

    it.scoped("shares a session between concurrent borrowers", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({
          ...options(server, "/echo?shared"),
          maxSize: 4,
          concurrency: 50,
          minSize: 1
        })
        yield* pool.ready
        yield* Effect.forEach(Array.from({ length: 50 }), (_, i) => pool.use((session) => echo(session, `r${i}`)), {
          concurrency: "unbounded"
        })
        assert.strictEqual((yield* server.statsOf("/echo?shared")).sessionsAccepted, 1)
        assert.strictEqual((yield* stats(pool)).created, 1)
      }))

    it.scoped("works by every verb: use, useSync, get, acquire and tryGet", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?verbs"), maxSize: 1 })
        assert.strictEqual(yield* Effect.scoped(Effect.flatMap(pool.get, echo)), "hello")
        const lease = yield* pool.acquire
        assert.strictEqual(yield* echo(lease.value), "hello")
        yield* lease.release()
        const found = yield* Effect.scoped(Effect.flatMap(
          pool.tryGet,
          Option.match({
            onNone: () => Effect.succeed("none"),
            onSome: echo
          })
        ))
        assert.strictEqual(found, "hello")
        assert.isTrue(yield* pool.useSync((session) => session.native === lease.value.native))
        assert.strictEqual((yield* stats(pool)).created, 1)
      }))

    it.scoped("ends every stream that the lease opened, in any scope", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?lease"
        const pool = yield* SessionPool.make({ ...options(server, path), maxSize: 1 })
        const longer = yield* Scope.make()
        const [session, stream] = yield* pool.use((session) =>
          Effect.gen(function*() {
            const stream = yield* Scope.extend(session.createBidirectionalStream(), longer)
            yield* stream.write(bytes("x"))
            yield* stream.readExactly(1)
            return [session, stream] as const
          })
        )
        yield* soon(stream.lost)
        yield* server.until((stats) => stats.paths[path]?.streamsOpen === 0)
        const error = yield* Effect.flip(echo(session))
        assert.strictEqual(error.reason, "SessionClosed")
        assert.include(error.message, "returned to its pool")
        // and the session itself lives on
        assert.strictEqual(yield* pool.use((session) => echo(session)), "hello")
        assert.strictEqual((yield* stats(pool)).created, 1)
        yield* Scope.close(longer, Exit.void)
      }))

    it.scoped("does not let a borrower take what comes in", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?taken"), maxSize: 1 })
        const error = yield* Effect.flip(pool.use((session) => Effect.scoped(session.acceptBidirectionalStream)))
        assert.strictEqual((error as WebTransportError).reason, "Unsupported")
      }))

    it.scoped("evicts an invalidated session when it comes back", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?invalid"), maxSize: 1 })
        yield* pool.use((session) => pool.invalidate(session))
        assert.strictEqual(yield* pool.use((session) => echo(session)), "hello")
        assert.strictEqual((yield* stats(pool)).destroyed.invalidated, 1)
        yield* server.until((stats) => stats.paths["/echo?invalid"]?.sessionsOpen === 1)
      }))

    it.scoped("never lends a session that died while idle", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?idle-death"
        const pool = yield* SessionPool.make({ ...options(server, path), maxSize: 1 })
        yield* pool.use((session) => echo(session))
        yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
        yield* untilStats(pool, (stats) => stats.size === 0)
        assert.strictEqual(yield* pool.use((session) => echo(session)), "hello")
        assert.deepInclude((yield* stats(pool)).destroyed, { lost: 1 })
      }))

    it.scoped("replaces a session that died while lent, for the next borrower", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?lent-death"
        const pool = yield* SessionPool.make({ ...options(server, path), maxSize: 1 })
        yield* pool.use((session) =>
          Effect.gen(function*() {
            yield* server.command("closeSessions", { path, code: 7, reason: "bye" })
            const info = yield* soon(session.closed)
            assert.deepStrictEqual({ ...info }, { closeCode: 7, reason: "bye" })
            // this borrower still has the session, and its place is free
            assert.strictEqual(yield* soon(pool.use((session) => echo(session))), "hello")
          })
        )
        assert.deepInclude(yield* stats(pool), { size: 1, idle: 1, leases: 0 })
      }))

    it.scoped("a borrower that closes its session affects no other borrower", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const pool = yield* SessionPool.make({ ...options(server, "/echo?closed-by-borrower"), maxSize: 1 })
        yield* pool.use((session) => session.close({ closeCode: 3, reason: "done" }))
        assert.strictEqual(yield* soon(pool.use((session) => echo(session))), "hello")
      }))

    it.scoped("runs onOpen once for each session, before it is lent", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const hellos: Array<string> = []
        const pool = yield* SessionPool.make({
          ...options(server, "/echo?hello"),
          maxSize: 1,
          onOpen: (session) => Effect.map(echo(session, "hi"), (answer) => hellos.push(answer))
        })
        yield* pool.use(() => Effect.sync(() => assert.deepStrictEqual(hellos, ["hi"])))
        yield* pool.use((session) => echo(session))
        assert.deepStrictEqual(hellos, ["hi"])
      }))

    it.scoped("a failing onOpen closes the session and fails the borrower with its error inside", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?bad-hello"
        const pool = yield* SessionPool.make({ ...options(server, path), onOpen: () => Effect.fail("wrong version") })
        const error = yield* Effect.flip(pool.use((session) => echo(session)))
        assert.strictEqual((error as WebTransportError).reason, "Connect")
        assert.strictEqual(error.cause, "wrong version")
        yield* server.until((stats) => stats.paths[path]?.sessionsOpen === 0)
        assert.deepInclude(yield* stats(pool), { size: 0, failures: 1 })
      }))

    it.scoped("an onOpen that hangs meets the connect timeout", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const { connect, url } = options(server, "/echo?hung-hello")
        const hangs = yield* Deferred.make<void>()
        const pool = yield* SessionPool.make({
          url,
          connect: { ...connect, connectTimeout: "300 millis" },
          onOpen: () => Effect.andThen(Deferred.succeed(hangs, undefined), Effect.never)
        })
        const borrowing = yield* Effect.fork(Effect.flip(pool.use((session) => echo(session))))
        yield* soon(Deferred.await(hangs))
        const error = yield* within(300)(Fiber.join(borrowing))
        assert.strictEqual((error as WebTransportError).reason, "ConnectTimeout")
        assert.include(error.message, "it was onOpen that hung")
      }).pipe(onTestClock))

    it.scoped("asks for the address and the hashes on every connect", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        let tokens = 0
        let hashes = 0
        const pool = yield* SessionPool.make({
          url: Effect.sync(() => server.url(`/echo?token=${++tokens}`)),
          connect: {
            serverCertificateHashes: Effect.sync(() => {
              hashes++
              return [{ value: server.hash }]
            })
          },
          maxSize: 1
        })
        yield* pool.use((session) => Effect.andThen(echo(session), pool.invalidate(session)))
        yield* pool.use((session) => echo(session))
        assert.deepStrictEqual([tokens, hashes], [2, 2])
        assert.strictEqual((yield* server.statsOf("/echo?token=2")).sessionsAccepted, 1)
      }))

    it.scoped("fails with the transport's error when the path is wrong or no server listens", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const wrong = yield* SessionPool.make(options(server, "/nothing-here"))
        assert.strictEqual((yield* soon(Effect.flip(wrong.use(() => Effect.void)))).reason, "Connect")
        const port = yield* TestServer.deadPort
        const dead = yield* SessionPool.make({ ...impatient(server, "/echo"), url: `https://127.0.0.1:${port}/` })
        const errors = yield* soon(Effect.all(
          Array.from({ length: 100 }, () => Effect.flip(dead.use(() => Effect.void))),
          { concurrency: "unbounded" }
        ))
        assert.isTrue(errors.every((error) => error.reason === refused))
        assert.isAtMost((yield* stats(dead)).failures, 10)
      }))

    it.scoped("hands the streams that the peer opens to onIncoming", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?incoming"
        const { named, tracer } = recordingTracer()
        const received = yield* Queue.unbounded<string>()
        const pool = yield* SessionPool.make({
          ...options(server, path),
          minSize: 1,
          onIncoming: (stream) =>
            Effect.flatMap(stream.readExactly(5), (chunk) => Queue.offer(received, text(chunk).length.toString())).pipe(
              Effect.withSpan("incoming")
            )
        }).pipe(Effect.withTracer(tracer))
        yield* pool.ready
        yield* server.command("openUnidirectional", { path, count: 2, size: 5, fin: true })
        assert.deepStrictEqual([yield* soon(Queue.take(received)), yield* soon(Queue.take(received))], ["5", "5"])
        yield* server.command("openBidirectional", { path, count: 2, size: 5 })
        assert.strictEqual(yield* soon(Queue.take(received)), "5")
        assert.deepStrictEqual(yield* pool.unwanted, { streams: 0, datagrams: 0 })
        assert.isAtLeast(named("incoming").length, 3)
        assert.isTrue(named("incoming").every(({ parent }) => Option.isNone(parent)))
      }))

    it.scoped("rejects and counts what comes in unwanted", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?unwanted"
        const pool = yield* SessionPool.make({ ...options(server, path), minSize: 1 })
        yield* pool.ready
        yield* server.command("openUnidirectional", { path, count: 3 })
        yield* server.command("openBidirectional", { path, count: 2 })
        yield* server.command("sendDatagrams", { path, count: 4 })
        const unwanted = yield* soon(
          until(pool.unwanted, ({ datagrams, streams }) => streams === 5 && datagrams === 4)
        )
        assert.deepStrictEqual(unwanted, { streams: 5, datagrams: 4 })
      }))

    where("keepsDatagrams", it.scoped)(
      "hands datagrams to onDatagram, and drops the oldest where it is too slow",
      () =>
        Effect.gen(function*() {
          const server = yield* TestServer.TestServer
          const path = "/echo?datagrams"
          const gate = yield* Deferred.make<void>()
          const seen: Array<number> = []
          const pool = yield* SessionPool.make({
            ...options(server, path),
            minSize: 1,
            onDatagram: (datagram) =>
              Effect.andThen(Deferred.await(gate), Effect.sync(() => seen.push(datagram.length)))
          })
          yield* pool.ready
          yield* server.command("sendDatagrams", { path, count: 100, size: 3 })
          // one datagram is being handled, 64 wait
          yield* soon(until(pool.unwanted, ({ datagrams }) => datagrams === 35))
          yield* Deferred.succeed(gate, undefined)
          yield* soon(until(Effect.sync(() => seen.length), (length) => length === 65))
        })
    )

    it.scoped("goes on when a handler fails", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?failing-handler"
        const handled = yield* Queue.unbounded<number>()
        const pool = yield* SessionPool.make({
          ...options(server, path),
          minSize: 1,
          onDatagram: (datagram) => Effect.andThen(Queue.offer(handled, datagram.length), Effect.die("boom"))
        }).pipe(Effect.provide(silent))
        yield* pool.ready
        yield* server.command("sendDatagrams", { path, count: 2, size: 3 })
        yield* soon(Queue.take(handled))
        yield* soon(Queue.take(handled))
      }))

    it.scoped("keeps minSize sessions, also after a loss", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?min"
        const pool = yield* SessionPool.make({ ...options(server, path), minSize: 2 })
        yield* soon(pool.ready)
        yield* server.command("closeSessions", { path })
        yield* untilStats(pool, (stats) => stats.destroyed.lost === 2 && stats.idle === 2)
      }))

    it.scoped("retires sessions after maxUses while borrowers are served on", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?uses"
        const pool = yield* SessionPool.make({ ...options(server, path), maxSize: 2, maxUses: 10 })
        yield* Effect.forEach(Array.from({ length: 100 }), (_, i) => pool.use((session) => echo(session, `${i}`)), {
          concurrency: 8
        })
        assert.isAtLeast((yield* stats(pool)).destroyed.retired, 8)
      }))

    it.scoped("a borrower interrupted while the session connects leaves it to the next one", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/slow?ms=200"
        const pool = yield* SessionPool.make({ ...options(server, path), maxSize: 1 })
        const fiber = yield* Effect.fork(pool.use((session) => echo(session)))
        yield* untilStats(pool, (stats) => stats.creating === 1)
        yield* soon(Fiber.interrupt(fiber))
        assert.strictEqual(yield* soon(pool.use((session) => echo(session))), "hello")
        assert.strictEqual((yield* stats(pool)).created, 1)
      }))

    it.effect("closes its sessions with its scope, and says why", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?scope"
        yield* Effect.scoped(Effect.gen(function*() {
          const pool = yield* SessionPool.make({ ...options(server, path), minSize: 3 })
          yield* pool.ready
        }))
        yield* server.until((stats) => stats.paths[path]?.sessionsOpen === 0)
        assert.strictEqual((yield* server.statsOf(path)).sessionsAccepted, 3)
      }))

    it.effect("leaves no connection attempt behind when it closes meanwhile", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        yield* soon(Effect.scoped(Effect.gen(function*() {
          const never = yield* SessionPool.make({ ...options(server, "/never"), minSize: 2 })
          const silent = yield* SessionPool.make({ ...options(server, "/"), url: server.silentUrl("/"), minSize: 2 })
          yield* untilStats(never, (stats) => stats.creating === 2)
          yield* untilStats(silent, (stats) => stats.creating === 2)
          if (can("showsConnections")) yield* server.until((stats) => stats.silentSocketsOpen >= 2)
        })))
        yield* server.until((stats) => stats.silentSocketsOpen === 0)
      }))

    it.scoped("is configured by a ConfigProvider and provided as SessionPoolLive", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const provider = ConfigProvider.fromMap(
          new Map([
            ["SESSION_POOL_URL", server.url("/echo?live")],
            ["SESSION_POOL_CERTIFICATE_HASHES", server.hashHex],
            ["SESSION_POOL_MAX_SIZE", "2"],
            ["SESSION_POOL_ACQUIRE_TIMEOUT", "20 seconds"]
          ]),
          { pathDelim: "_" }
        )
        const answer = Effect.gen(function*() {
          const pool = yield* SessionPool.SessionPool
          assert.strictEqual((yield* pool.stats).max, 2)
          return yield* pool.use((session) => echo(session))
        }).pipe(Effect.provide(SessionPool.SessionPoolLive), Effect.withConfigProvider(provider))
        assert.strictEqual(yield* answer, "hello")
      }))

    it.scoped("a second pool has a tag and a prefix of its own", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        class Telemetry extends Context.Tag("test/Telemetry")<Telemetry, SessionPool.Service>() {}
        const TelemetryLive = Layer.effect(Telemetry, SessionPool.SessionPool).pipe(
          Layer.provide(SessionPool.layerConfig(Config.nested(SessionPool.config, "TELEMETRY")))
        )
        const hashes = [{ value: server.hash }]
        const MainLive = SessionPool.layer({
          url: server.url("/echo?main"),
          connect: { serverCertificateHashes: hashes }
        })
        const provider = ConfigProvider.fromJson({
          TELEMETRY: { URL: server.url("/echo?telemetry"), CERTIFICATE_HASHES: server.hashHex, NAME: "telemetry" }
        })
        yield* Effect.gen(function*() {
          const main = yield* SessionPool.SessionPool
          const telemetry = yield* Telemetry
          yield* main.use((session) => echo(session))
          yield* telemetry.use((session) => echo(session))
          assert.deepStrictEqual([main.name, telemetry.name], ["SessionPool", "telemetry"])
        }).pipe(Effect.provide([MainLive, TelemetryLive]), Effect.withConfigProvider(provider))
        assert.strictEqual((yield* server.statsOf("/echo?main")).sessionsAccepted, 1)
        assert.strictEqual((yield* server.statsOf("/echo?telemetry")).sessionsAccepted, 1)
      }))
  })

  describe("pingStream", () => {
    const connect = (server: TestServer.Service, path: string) =>
      WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

    it.scopedLive("sends a framed message, and passes when one comes back", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* connect(server, "/echo")
        yield* soon(SessionPool.pingStream()(session))
        yield* soon(SessionPool.pingStream({ message: new Uint8Array(100_000) })(session))
        yield* soon(server.until((stats) => stats.streamsOpen === 0))
        const { bytesReceived, streamsAccepted } = yield* server.statsOf("/echo")
        assert.deepStrictEqual({ bytesReceived, streamsAccepted }, { bytesReceived: 5 + 100_004, streamsAccepted: 2 })
      }).pipe(Effect.provide(QuietClient)))

    it.scopedLive("fails when the peer finishes, resets, or answers no frame", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const ping = (path: string) =>
          Effect.scoped(
            Effect.flatMap(connect(server, path), (session) => Effect.flip(SessionPool.pingStream()(session)))
          )
        const finished = yield* soon(ping("/fin"))
        assert.strictEqual(finished.reason, "Read")
        assert.include(finished.message, "without an answer")
        assert.include(["Read", "Write"], (yield* soon(ping("/reset"))).reason)
        assert.strictEqual((yield* soon(ping("/unsolicited?text=%C3%BF%C3%BF%C3%BF%C3%BF"))).reason, "Oversized")
      }).pipe(Effect.provide(QuietClient)))

    where("refusesStreams", it.scopedLive)(
      "passes where the session is full, and fails where it grants nothing any more",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 1 })
          const session = yield* connect(server, "/echo")
          yield* Effect.scoped(Effect.gen(function*() {
            yield* fill(session)
            yield* soon(SessionPool.pingStream()(session))
          }))
          if (!can("limitsStreams")) return
          const exhausted = yield* connect(server, "/echo")
          yield* soon(toTheEnd(exhausted))
          const error = yield* soon(Effect.flip(SessionPool.pingStream()(exhausted)))
          assert.strictEqual(error.reason, "StreamLimit")
        }).pipe(Effect.provide(QuietClient))
    )

    it("refuses a message above 1 MiB", () => {
      assert.throws(() => SessionPool.pingStream({ message: new Uint8Array(1_048_577) }), "1048577")
    })
  })

  describe("when the server breaks", () => {
    where("limitsStreams", it.scopedLive)(
      "does not lend again a session that grants no more streams",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 5 })
          const pool = yield* SessionPool.make({ ...options(server, "/echo"), maxSize: 1 })
          const exits = yield* Effect.forEach(Array.from({ length: 24 }), () => Effect.exit(pool.use(toTheEnd)))
          // every sixth request is refused, and the next has a new session
          assert.deepStrictEqual(
            exits.map(Exit.isSuccess),
            Array.from({ length: 24 }, (_, i) => i % 6 !== 5)
          )
          yield* untilStats(pool, ({ destroyed }) => destroyed.retired === 4)
          assert.strictEqual((yield* stats(pool)).created, 4)
        }).pipe(Effect.provide(QuietClient))
    )

    it.effect("reconnects after it was killed and restarted", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const pool = yield* SessionPool.make({
          ...impatient(server, "/echo"),
          ...(can("noticesDeath") ? {} : {
            keepAlive: { interval: "50 millis", ping: SessionPool.pingStream() },
            checkTimeout: "500 millis"
          } as const),
          minSize: 2,
          maxSize: 4,
          createBackoff: { initial: "10 millis", max: "200 millis" },
          // so that a borrower fails with the first attempt
          rideOut: 0
        })
        yield* soon(pool.ready)
        yield* server.kill
        yield* flow(untilStats(pool, (stats) => stats.size === 0))
        const error = yield* flow(Effect.flip(pool.use((session) => echo(session))))
        assert.strictEqual(error.reason, refused)
        yield* server.restart
        yield* flow(untilStats(pool, (stats) => stats.idle === 2))
        assert.strictEqual(yield* soon(pool.use((session) => echo(session))), "hello")
      }).pipe(Effect.provide(QuietClient), onTestClock))

    it.effect(
      "loses a session whose server hangs by pinging it, and connects anew when it is back",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer()
          const pool = yield* SessionPool.make({
            ...options(server, "/echo"),
            minSize: 1,
            keepAlive: { interval: "20 millis", ping: SessionPool.pingStream() },
            checkTimeout: "500 millis"
          })
          yield* soon(pool.ready)
          for (const pings of [1, 2, 3]) {
            yield* pass(20)
            yield* soon(server.until((stats) => stats.streamsAccepted >= pings && stats.streamsOpen === 0))
          }
          assert.deepInclude(yield* stats(pool), { created: 1, size: 1 })
          yield* server.stop
          yield* untilStats(pool, (stats) => stats.destroyed.lost === 1).pipe(within(520))
          yield* server.resume
          yield* flow(untilStats(pool, (stats) => stats.idle === 1))
          assert.strictEqual(yield* soon(pool.use((session) => echo(session))), "hello")
        }).pipe(Effect.provide(QuietClient), onTestClock)
    )

    it.effect("closes in time while the server is stopped", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const scope = yield* Scope.make()
        const pool = yield* SessionPool.make({
          ...options(server, "/echo"),
          minSize: 2,
          shutdownGrace: "200 millis",
          closeTimeout: "500 millis"
        }).pipe(Scope.extend(scope))
        yield* soon(pool.ready)
        yield* server.stop
        yield* soon(pool.acquire)
        yield* Scope.close(scope, Exit.void).pipe(within(700))
      }).pipe(Effect.provide(QuietClient), onTestClock))
  })

  describe("options", () => {
    const refused = (options: SessionPool.Options) =>
      SessionPool.make(options).pipe(
        Effect.scoped,
        Effect.provide(QuietClient),
        Effect.exit,
        Effect.map((exit) => Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "accepted")
      )

    it.live("refuses an address that is not https, and never repeats its query", () =>
      Effect.gen(function*() {
        const message = yield* refused({ url: "http://127.0.0.1/?token=secret" })
        assert.include(message, "url")
        assert.include(message, "https")
        assert.notInclude(message, "secret")
        assert.include(yield* refused({ url: "nonsense" }), "url")
      }))

    it.live("refuses what the engine refuses, by name", () =>
      Effect.gen(function*() {
        assert.include(yield* refused({ url: "https://127.0.0.1/", maxSize: 0 }), "maxSize")
        assert.include(
          yield* refused({ url: "https://127.0.0.1/", connect: { connectTimeout: -1 } }),
          "connect.connectTimeout"
        )
      }))

    const configError = (entries: Record<string, string>) =>
      Effect.provide(SessionPool.SessionPool, SessionPool.SessionPoolLive).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "_" })),
        Effect.provide(QuietClient),
        Effect.flip,
        Effect.map(String)
      )

    const url = { SESSION_POOL_URL: "https://127.0.0.1:1/" }
    const cases: ReadonlyArray<readonly [string, Record<string, string>]> = [
      ["SESSION_POOL_URL", {}],
      ["SESSION_POOL_URL", { SESSION_POOL_URL: "http://127.0.0.1/" }],
      ["SESSION_POOL_MAX_SIZE", { ...url, SESSION_POOL_MAX_SIZE: "many" }],
      ["SESSION_POOL_MAX_SIZE", { ...url, SESSION_POOL_MAX_SIZE: "0" }],
      ["SESSION_POOL_MIN_SIZE", { ...url, SESSION_POOL_MIN_SIZE: "11" }],
      ["SESSION_POOL_CERTIFICATE_HASHES", { ...url, SESSION_POOL_CERTIFICATE_HASHES: "abc" }],
      ["SESSION_POOL_ACQUIRE_TIMEOUT", { ...url, SESSION_POOL_ACQUIRE_TIMEOUT: "soon" }],
      ["SESSION_POOL_CONNECT_TIMEOUT", { ...url, SESSION_POOL_CONNECT_TIMEOUT: "-3 seconds" }],
      ["SESSION_POOL_MAX_USES", { ...url, SESSION_POOL_MAX_USES: "many" }],
      ["SESSION_POOL_MAX_STREAMS_OPENED", { ...url, SESSION_POOL_MAX_STREAMS_OPENED: "many" }],
      ["SESSION_POOL_MAX_STREAMS_OPENED", { ...url, SESSION_POOL_MAX_STREAMS_OPENED: "0" }],
      ["SESSION_POOL_ORDER", { ...url, SESSION_POOL_ORDER: "random" }]
    ]
    for (const [key, entries] of cases) {
      it.live(`a ConfigError names ${key}: ${JSON.stringify(entries)}`, () =>
        Effect.gen(function*() {
          assert.include((yield* configError(entries)).replaceAll(/[."\][, ]+/g, "_"), key)
        }))
    }

    const connects: ReadonlyArray<readonly [string, WebTransport.ConnectOptions]> = [
      ["connect.connectTimeout must be a duration", { connectTimeout: -5 }],
      ["connect.closeTimeout must be a duration", { closeTimeout: "soon" as never }],
      ["connect.closeInfo.closeCode must be a whole number", { closeInfo: { closeCode: -1 } }],
      ["connect.closeInfo.reason must be a string", { closeInfo: { reason: "é".repeat(513) } }]
    ]
    for (const [problem, connect] of connects) {
      it.live(`a pool and a session are refused at once: ${problem}`, () =>
        Effect.gen(function*() {
          const url = "https://127.0.0.1:1/"
          const pool = yield* Effect.exit(SessionPool.make({ name: "mine", url, connect }))
          assert.include(String(Exit.isFailure(pool) && pool.cause), `[mine] ${problem}`)
          const session = yield* Effect.exit(WebTransport.connect(url, connect))
          const alone = problem.slice("connect.".length)
          assert.include(String(Exit.isFailure(session) && session.cause), `[WebTransport] ${alone}`)
        }).pipe(Effect.scoped, Effect.provide(QuietClient)))
    }

    it.live("takes infinity where there may be no limit", () =>
      Effect.gen(function*() {
        const options = yield* Effect.withConfigProvider(
          SessionPool.config,
          ConfigProvider.fromMap(
            new Map([
              ["URL", "https://127.0.0.1:1/"],
              ["IDLE_TIME_TO_LIVE", "infinity"],
              ["MAX_USES", "Infinity"],
              ["MAX_STREAMS_OPENED", "infinity"],
              ["MAX_WAITERS", "7"],
              ["MIN_IDLE", "3"],
              ["RIDE_OUT", "5 seconds"],
              ["METRICS", "false"]
            ])
          )
        )
        assert.deepInclude(options, {
          idleTimeToLive: Duration.infinity,
          maxUses: Infinity,
          maxStreamsOpened: Infinity,
          maxWaiters: 7,
          minIdle: 3,
          rideOut: Duration.seconds(5),
          metrics: false
        })
      }))

    it.live("has a default for everything but the address", () =>
      Effect.gen(function*() {
        const options = yield* Effect.withConfigProvider(
          SessionPool.config,
          ConfigProvider.fromMap(new Map([["URL", "https://127.0.0.1:1/"]]))
        )
        assert.deepInclude(options, { minSize: 0, maxSize: 10, concurrency: 1, maxWaiters: Infinity, overlap: true })
        assert.deepInclude(options, { minIdle: 0, metrics: true, rideOut: Duration.seconds(2) })
        // each transport has its own default
        assert.isUndefined(options.maxStreamsOpened)
        assert.strictEqual(Duration.toSeconds(options.acquireTimeout!), 30)
      }))
  })
})
