/** The server over each protocol, with real clients on loopback. */
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import type * as Logger from "#test/Logger"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as Framing from "effect-pools/Framing"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
import * as RequestPool from "effect-pools/RequestPool"
import * as SessionPool from "effect-pools/SessionPool"
import * as WebTransport from "effect-pools/WebTransport"
import { isWebTransportError, type WebTransportError } from "effect-pools/WebTransportError"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { createSocket } from "node:dgram"
import { connect as connectHttp2 } from "node:http2"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { inject } from "vitest"
import { can } from "../support/capabilities.js"
import { makeCertificate } from "../support/certificate.js"
import { wrongCapsules } from "../support/connectServer.js"
import { client } from "../support/implementation.js"
import { withLogs } from "../support/logs.js"
import { runChild } from "../support/resources.js"
import { bytes, echo, failure, soon, text, turn, until } from "../support/streamPools.js"
import { flow, onTestClock, pass } from "../support/time.js"
import { expect, it } from "../support/vitest.js"
import { wideWindows, windowSettings, windowsOf } from "../support/windows.js"

type Server = NodeWebTransportServer.Service
type Options = Partial<NodeWebTransportServer.Options>

const protocol = inject("protocol") === "http3" ? "http3" : "http2"
// the server needs what this module adds to Node
if (protocol === "http3") await import("../support/moq.js")

const start = (options: Options = {}) =>
  NodeWebTransportServer.make({ protocol, certificate: "self-signed", ...options })

const optionsOf = (server: Server, path: string) => ({
  url: `https://127.0.0.1:${server.address.port}${path}`,
  connect: { serverCertificateHashes: [{ value: server.certificateHash }] }
})

const connect = (server: Server, path = "/", options: WebTransport.ConnectOptions = {}) => {
  const { connect, url } = optionsOf(server, path)
  return WebTransport.connect(url, { ...connect, ...options })
}

const echoes = (session: NodeWebTransportServer.ServerSession) =>
  session.serveStreams((stream) => Stream.run(stream.stream, stream.sink))

/** Serves until the test ends. */
const serving = <E, R>(
  handler: (session: NodeWebTransportServer.ServerSession) => Effect.Effect<unknown, E, R>,
  options: Options = {}
) =>
  Effect.gen(function*() {
    const server = yield* start(options)
    return { server, serving: yield* Effect.fork(server.serve(handler)) }
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): WebTransportError => {
  const error = failure(exit)
  if (!isWebTransportError(error)) throw new Error(`no WebTransportError: ${String(error)}`)
  return error
}

/** The status of the answer to a request for a session; "refused" if the client does not tell. */
const answerTo = (server: Server, path = "/") =>
  Effect.map(
    Effect.exit(Effect.scoped(connect(server, path))),
    (exit) => Exit.isSuccess(exit) ? 200 : errorOf(exit).status ?? "refused"
  )

const refusal = (status: number) => can("exchangesHeaders") ? status : "refused"

const live = (
  title: string,
  body: (logs: ReadonlyArray<Logger.Line>) => Effect.Effect<
    unknown,
    unknown,
    WebTransport.WebTransportConstructor | Scope.Scope
  >
) => it.live(title, () => withLogs((logs) => soon(Effect.provide(Effect.scoped(body(logs)), client))))

// -----------------------------------------------------------------------------
// Sessions
// -----------------------------------------------------------------------------

live(
  "gives a handler each session, with its path and, if the package tells them, its headers",
  () =>
    Effect.gen(function*() {
      const { server } = yield* serving((session) =>
        Effect.gen(function*() {
          const stream = yield* session.acceptBidirectionalStream
          yield* stream.write(bytes(`${session.path} ${session.headers["x-name"] ?? "one"}`))
          yield* stream.closeWrite
          yield* Effect.exit(session.closed)
        })
      )
      const headers = can("exchangesHeaders") ? { "X-Name": "one" } : {}
      const session = yield* connect(server, "/a/b?c=d", { headers })
      const stream = yield* session.createBidirectionalStream()
      yield* stream.write(bytes("?"))
      expect(text(yield* stream.readExactly("/a/b?c=d one".length))).toBe("/a/b?c=d one")
    })
)

live("answers 404 for a path that it does not serve, whatever the query", () =>
  Effect.gen(function*() {
    const { server } = yield* serving(echoes, { paths: ["/one", "/two"] })
    expect(yield* Effect.forEach(["/one", "/two?a", "/three", "/one/"], (path) => answerTo(server, path))).toEqual(
      [200, 200, refusal(404), refusal(404)]
    )
  }))

/** What a server logs about what it refuses. */
const refusalsIn = (logs: ReadonlyArray<Logger.Line>) =>
  logs.filter(({ annotations }) => annotations["event"] === "Refused").map(({ annotations, message }) => [
    annotations["reason"],
    String(message)
  ])

live("answers 503 while maxSessions are open, and logs it", (logs) =>
  Effect.gen(function*() {
    const { server } = yield* serving(echoes, { maxSessions: 2 })
    const first = yield* connect(server)
    yield* connect(server)
    expect(yield* answerTo(server)).toBe(refusal(503))
    yield* first.close()
    yield* until(answerTo(server), (answer) => answer === 200)
    expect(refusalsIn(logs)).toEqual([[
      "TooManySessions",
      "the server answered a request for a session with 503: maxSessions (2) are open"
    ]])
  }))

live("resets streams above maxStreams, logs it, and takes others once one has ended", (logs) =>
  Effect.gen(function*() {
    const { server } = yield* serving(echoes, { maxStreams: 2 })
    const session = yield* connect(server)
    const scope = yield* Scope.make()
    const held = yield* Effect.provideService(session.createBidirectionalStream(), Scope.Scope, scope)
    expect(yield* echo(held, "one")).toBe("one")
    expect(yield* echo(yield* session.createBidirectionalStream(), "two")).toBe("two")
    const third = yield* session.createBidirectionalStream()
    yield* third.write(bytes("three"))
    expect(failure(yield* Effect.exit(third.read)).reason).toBe("Read")
    expect(yield* echo(held, "more")).toBe("more")
    yield* Scope.close(scope, Exit.succeed(undefined))
    const another = Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => echo(stream, "four")))
    yield* until(Effect.exit(another), Exit.isSuccess)
    const [[reason, message] = []] = refusalsIn(logs)
    expect(reason).toBe("TooManyStreams")
    expect(message).toMatch(
      /^the server reset a stream: its session has more than maxStreams \(2\) open; raise maxStreams/
    )
  }))

live(
  "logs the streams that it ends since their clients break a limit of Framing, and names the option",
  (logs) =>
    Effect.gen(function*() {
      const { server } = yield* serving((session) =>
        session.path === "/plain"
          ? Effect.flatMap(session.acceptBidirectionalStream, (stream) => Framing.read(stream, { maxMessageSize: 8 }))
          : session.serveStreams((stream) =>
            Framing.serve(stream, Effect.succeed, { maxMessageSize: 8, concurrency: 1, maxBuffered: 8 })
          )
      )
      const session = yield* connect(server, "/rpc?token=secret")
      const send = (session: WebTransport.Session, message: Uint8Array) =>
        Effect.gen(function*() {
          const stream = yield* session.createBidirectionalStream()
          yield* stream.write(message)
          yield* Effect.exit(stream.read)
        })
      // both an id less, and one too large
      yield* send(session, Either.getOrThrow(Framing.encode(new Uint8Array(9), { id: 1 })))
      yield* send(session, Either.getOrThrow(Framing.encode(new Uint8Array(9), { id: 1 })))
      yield* send(session, Either.getOrThrow(Framing.encode(new Uint8Array(0))))
      yield* send(yield* connect(server, "/plain"), Either.getOrThrow(Framing.encode(new Uint8Array(9))))
      yield* until(Effect.sync(() => refusalsIn(logs).length), (n) => n === 2)
      const [oversized, malformed] = refusalsIn(logs)
      expect(oversized?.[0]).toBe("Oversized")
      expect(oversized?.[1]).toMatch(
        /^the server ended a stream: Oversized: .* and maxMessageSize is 8; .* raise maxMessageSize/
      )
      expect(malformed?.[0]).toBe("Malformed")
      expect(malformed?.[1]).toMatch(/^the server ended a stream: Malformed: .* begin every request with an id/)
      const { annotations } = logs.find(({ annotations }) => annotations["event"] === "Refused")!
      expect(annotations).toMatchObject({ module: "NodeWebTransportServer", limit: 8, path: "/rpc" })
    })
)

live("takes many bytes and streams on one session", () =>
  Effect.gen(function*() {
    const { server } = yield* serving(echoes)
    const session = yield* connect(server)
    for (let i = 0; i < 120; i++) {
      expect(
        yield* Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => echo(stream, `${i}`)))
      ).toBe(`${i}`)
    }
    const large = new Uint8Array(1 << 20).fill(7)
    const stream = yield* session.createBidirectionalStream()
    yield* Effect.fork(stream.write(large))
    expect(Buffer.compare(yield* stream.readExactly(large.length), large)).toBe(0)
  }))

live("closes a session when its handler ends, and only that one", () =>
  Effect.gen(function*() {
    const { server } = yield* serving((session) => session.path === "/short" ? Effect.void : echoes(session))
    const long = yield* connect(server, "/long")
    const short = yield* connect(server, "/short")
    expect(yield* short.closed).toEqual({ closeCode: 0, reason: "" })
    expect(yield* echo(yield* long.createBidirectionalStream(), "still")).toBe("still")
  }))

live("goes on after a handler that fails or dies; a defect is a warning", (logs) =>
  Effect.gen(function*() {
    const { server } = yield* serving((session) =>
      session.path === "/die"
        ? Effect.die(new Error("broken"))
        : session.path === "/fail"
        ? Effect.fail("no")
        : session.serveStreams(() => Effect.die(new Error("broken stream")))
    )
    yield* Effect.exit((yield* connect(server, "/die")).closed)
    yield* Effect.exit((yield* connect(server, "/fail")).closed)
    const session = yield* connect(server, "/stream")
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(bytes("x"))
    expect(failure(yield* Effect.exit(stream.read)).reason).toBe("Read")
    expect(yield* session.isOpen).toBe(true)
    const lines = yield* until(
      Effect.sync(() => logs.filter(({ annotations }) => annotations["module"] === "NodeWebTransportServer")),
      (lines) => lines.length === 3
    )
    expect(lines.map(({ level, message }) => [level.toUpperCase(), String(message)])).toEqual([
      ["WARN", "the handler of a session failed; the session ends"],
      ["DEBUG", "the handler of a session failed; the session ends"],
      ["WARN", "the handler of a stream failed; the stream ends"]
    ])
  }))

live("gives the sessions as a stream, which ends when the server drains", () =>
  Effect.gen(function*() {
    const server = yield* start({ shutdownGrace: 0 })
    const paths: Array<string> = []
    const taking = yield* Effect.fork(
      Effect.scoped(Stream.runForEach(server.sessions, (session) => Effect.sync(() => paths.push(session.path))))
    )
    yield* connect(server, "/one")
    yield* connect(server, "/two")
    yield* until(Effect.sync(() => paths.length), (n) => n === 2)
    yield* server.drain
    yield* Fiber.join(taking)
    expect(paths).toEqual(["/one", "/two"])
  }))

// -----------------------------------------------------------------------------
// Draining
// -----------------------------------------------------------------------------

/** Node's own client: a connection that has no session yet. */
const openConnection = (server: Server) =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof connectHttp2>>((resume) => {
      const connection = connectHttp2(`https://127.0.0.1:${server.address.port}`, {
        rejectUnauthorized: false,
        remoteCustomSettings: Object.values(windowSettings)
      })
      connection.on("error", () => {})
      connection.once("remoteSettings", () => resume(Effect.succeed(connection)))
    }),
    (connection) => Effect.sync(() => connection.destroy())
  )

const connectFields = {
  ":method": "CONNECT",
  ":protocol": "webtransport",
  ":scheme": "https",
  ":authority": "127.0.0.1",
  ":path": "/"
}

const requestOn = (connection: ReturnType<typeof connectHttp2>) =>
  Effect.async<unknown>((resume) => {
    const stream = connection.request(connectFields)
    stream.on("error", () => {})
    stream.once("response", (fields) => resume(Effect.succeed(fields[":status"])))
  })

// QUIC has windows of its own
if (protocol === "http2") {
  live("takes a large message without a round trip within it", () =>
    Effect.gen(function*() {
      const connection = yield* openConnection(yield* start())
      yield* until(Effect.sync(() => windowsOf(connection)), (windows) => isDeepStrictEqual(windows, wideWindows))
    }))

  for (const [what, capsule] of Object.entries({ ...wrongCapsules, dataTo: wrongCapsules.dataTo("server") })) {
    live(
      `ends the session of a client that sends a wrong capsule (${what}), and serves the others`,
      () =>
        Effect.gen(function*() {
          const { server } = yield* serving(echoes)
          const connection = yield* openConnection(server)
          yield* Effect.async<void>((resume) => {
            const stream = connection.request(connectFields, { endStream: false })
            stream.on("error", () => {})
            stream.once("response", () => stream.write(capsule))
            stream.once("close", () => resume(Effect.void))
            stream.resume()
          })
          expect(yield* answerTo(server)).toBe(200)
        })
    )
  }
}

live(
  "drains: no new sessions, answers for all requests that it accepted, and then nothing is open",
  () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      let begun = 0
      const answer = (request: Uint8Array) =>
        Effect.suspend(() => {
          begun++
          return Effect.as(Deferred.await(gate), request)
        })
      const { server, serving: served } = yield* serving(
        (session) => session.serveStreams((stream) => Framing.serve(stream, answer)),
        { shutdownGrace: "1 hour" }
      )
      const sessionPool = yield* SessionPool.make({ ...optionsOf(server, "/"), maxSize: 2 })
      const pool = yield* RequestPool.make({ sessionPool, maxStreams: 4, maxInFlight: 16 })
      const watched = yield* connect(server, "/watched")
      const idle = protocol === "http2" ? yield* openConnection(server) : undefined
      const requests = Array.from({ length: 64 }, (_, i) => `request ${i}`)
      const asking = yield* Effect.forEach(requests, (request) => Effect.fork(pool.request(bytes(request))))
      yield* until(Effect.sync(() => begun), (n) => n === 64)

      const draining = yield* Effect.fork(server.drain)
      if (idle === undefined) yield* until(answerTo(server), (answer) => answer === "refused")
      else {
        yield* watched.draining
        expect(yield* requestOn(idle)).toBe(503)
        expect(errorOf(yield* Effect.exit(connect(server))).reason).toBe("Connect")
      }
      yield* Deferred.succeed(gate, undefined)
      const answers = yield* Effect.forEach(asking, (one) => Fiber.join(one))
      expect(answers.map(text)).toEqual(requests)

      // without the grace it ends when the clients have left
      yield* watched.close()
      yield* Effect.forkDaemon(pool.close)
      yield* Effect.forkDaemon(sessionPool.close)
      yield* Fiber.join(draining)
      yield* Fiber.join(served)
      yield* Effect.async<void>((resume) => {
        if (idle?.destroyed !== false) resume(Effect.void)
        else idle.once("close", () => resume(Effect.void))
      })
    })
)

if (protocol === "http2") {
  live(
    "another server may listen at its port while it drains, and no request of a pool fails",
    () =>
      Effect.gen(function*() {
        const certificate = yield* NodeWebTransportServer.selfSigned
        const gate = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        const old = yield* start({ certificate, shutdownGrace: "1 hour" })
        const slow = (request: Uint8Array) =>
          Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as(request))
        yield* Effect.fork(old.serve((session) => session.serveStreams((stream) => Framing.serve(stream, slow))))
        const sessionPool = yield* SessionPool.make({ ...optionsOf(old, "/"), rideOut: "1 hour", concurrency: 2 })
        const pool = yield* RequestPool.make({ sessionPool })
        const told = yield* Effect.fork(sessionPool.use((session) => session.draining))
        const first = yield* Effect.fork(pool.request(bytes("first")))
        yield* Deferred.await(begun)
        const draining = yield* Effect.fork(old.drain)

        const listening = start({ certificate, port: old.address.port })
        const another = yield* until(Effect.exit(listening), Exit.isSuccess)
        if (Exit.isFailure(another)) throw new Error("no other server")
        const answer = () => Effect.succeed(bytes("from the new server"))
        yield* Effect.fork(
          another.value.serve((session) => session.serveStreams((stream) => Framing.serve(stream, answer)))
        )
        yield* Fiber.join(told)
        expect(text(yield* pool.request(bytes("second")))).toBe("from the new server")
        yield* Deferred.succeed(gate, undefined)
        expect(text(yield* Fiber.join(first))).toBe("first")
        yield* Fiber.join(draining)
      })
  )
}

const frame = (id: number, request: string) => Either.getOrThrow(Framing.encode(bytes(request), { id }))

/** The next answer, or the FIN. */
const nextOn = (stream: WebTransport.BidirectionalStream) =>
  Effect.map(
    Framing.read(stream),
    Option.match({
      onNone: () => "FIN",
      onSome: (message) => text(Either.getOrThrow(Framing.splitId(message)).message)
    })
  )

/** A server that drains, with a client that does not heed it and asks on. The grace is 10 seconds. */
const drainingBeside = Effect.gen(function*() {
  const gate = yield* Deferred.make<void>()
  const begun: Array<string> = []
  const answer = (request: Uint8Array) =>
    Effect.suspend(() => {
      begun.push(text(request))
      return Effect.as(Deferred.await(gate), request)
    })
  const server = yield* start({ shutdownGrace: "10 seconds" })
  const serving = yield* Effect.fork(
    server.serve((session) => session.serveStreams((stream) => Framing.serve(stream, answer)))
  )
  const session = yield* connect(server)
  const stream = yield* session.createBidirectionalStream()
  const asks = (id: number, request: string) =>
    Effect.andThen(
      stream.write(frame(id, request)),
      until(Effect.sync(() => begun), (begun) => begun.includes(request))
    )
  yield* asks(1, "one")
  const draining = yield* Effect.fork(server.drain)
  if (can("hearsDraining")) yield* session.draining
  else yield* until(answerTo(server), (answer) => answer === "refused")
  yield* asks(2, "two")
  yield* pass(1_000)
  return { begun, draining, gate, serving, session, stream }
})

const onTestClockToo = <A, E>(test: Effect.Effect<A, E, Scope.Scope | WebTransport.WebTransportConstructor>) =>
  Effect.provide(onTestClock(test), client)

it.live("a second after it began to drain it takes no more requests, answers those that have come, and closes", () =>
  onTestClockToo(Effect.gen(function*() {
    const { begun, draining, gate, serving, session, stream } = yield* drainingBeside
    yield* stream.write(frame(3, "three"))
    const late = yield* session.createBidirectionalStream()
    yield* late.write(frame(4, "four"))
    expect(failure(yield* soon(Effect.exit(late.read))).reason).toBe("Read")
    yield* Deferred.succeed(gate, undefined)
    const answers = yield* soon(Effect.replicateEffect(nextOn(stream), 3))
    expect(new Set(answers)).toEqual(new Set(["one", "two", "FIN"]))
    expect(begun).toEqual(["one", "two"])
    // no request is left: the rest of the grace is not needed
    // the end of the session may come before the FIN is confirmed
    yield* Effect.exit(stream.closeWrite)
    yield* soon(Effect.exit(session.closed))
    yield* flow(Fiber.join(draining))
    yield* Fiber.join(serving)
  })))

it.live("does not wait beyond shutdownGrace for a client that takes no notice of the end of its streams", () =>
  onTestClockToo(Effect.gen(function*() {
    const { draining, gate, session, stream } = yield* drainingBeside
    yield* Deferred.succeed(gate, undefined)
    yield* soon(Effect.replicateEffect(nextOn(stream), 3))
    yield* TestClock.adjust("8 seconds")
    expect(yield* session.isOpen).toBe(true)
    yield* flow(Fiber.join(draining))
    yield* soon(Effect.exit(session.closed))
  })))

it.scoped("interrupts handlers after shutdownGrace, not before, and closes all sessions", () =>
  Effect.gen(function*() {
    let interrupted = 0
    const begun = yield* Deferred.make<void>()
    const server = yield* start({ shutdownGrace: "10 seconds" })
    const serving = yield* Effect.fork(
      server.serve(() =>
        Effect.onInterrupt(
          Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
          () => Effect.sync(() => void interrupted++)
        )
      )
    )
    const session = yield* connect(server)
    yield* Deferred.await(begun)
    const interruption = yield* Effect.fork(Fiber.interrupt(serving))
    if (can("hearsDraining")) yield* session.draining
    else yield* until(answerTo(server), (answer) => answer === "refused")
    yield* TestClock.adjust("1 second")
    for (let i = 0; i < 5; i++) yield* turn
    yield* TestClock.adjust("8 seconds")
    for (let i = 0; i < 5; i++) yield* turn
    expect(interrupted).toBe(0)
    expect(yield* session.isOpen).toBe(true)
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(interruption)
    expect(interrupted).toBe(1)
    yield* Effect.exit(session.closed)
  }).pipe(Effect.provide(client), soon))

live("the end of its scope closes sessions that nobody took", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const server = yield* Effect.provideService(start({ shutdownGrace: 0 }), Scope.Scope, scope)
    const session = yield* connect(server)
    yield* Scope.close(scope, Exit.succeed(undefined))
    yield* Effect.exit(session.closed)
    // over HTTP/3 this would take 30 s
    if (can("hearsRefusal")) expect(errorOf(yield* Effect.exit(connect(server))).reason).toBe("Connect")
  }))

// -----------------------------------------------------------------------------
// Starting
// -----------------------------------------------------------------------------

live("serves with a given certificate, whose hash it tells; as a layer, too", () =>
  Effect.gen(function*() {
    const { cert, hash, key } = yield* Effect.promise(makeCertificate)
    const layer = NodeWebTransportServer.layer({ protocol, certificate: { cert, privKey: key }, port: 0 })
    yield* Effect.gen(function*() {
      const server = yield* NodeWebTransportServer.NodeWebTransportServer
      expect(server.certificateHash).toEqual(hash)
      expect(server.address.host).toBe("127.0.0.1")
      expect(yield* answerTo(server)).toBe(200)
    }).pipe(Effect.provide(Layer.fresh(layer)))
  }))

live("makes a certificate that servers share", () =>
  Effect.gen(function*() {
    const certificate = yield* NodeWebTransportServer.selfSigned
    const servers = yield* Effect.replicateEffect(start({ certificate }), 2)
    for (const server of servers) {
      expect(server.certificateHash).toEqual(certificate.hash)
      expect(yield* answerTo(server)).toBe(200)
    }
    expect((yield* NodeWebTransportServer.selfSigned).hash).not.toEqual(certificate.hash)
  }))

const taking = () =>
  Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
    if (protocol === "http2") {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { readonly port: number }
        resume(Effect.succeed({ port, close: () => server.close() }))
      })
    } else {
      const socket = createSocket("udp4").bind(0, "127.0.0.1", () => {
        resume(Effect.succeed({ port: socket.address().port, close: () => socket.close() }))
      })
    }
  })

const portInUse = Effect.map(
  Effect.acquireRelease(Effect.suspend(taking), ({ close }) => Effect.sync(close)),
  ({ port }) => port
)

live("says why it cannot start: the port, the host, the certificate", () =>
  Effect.gen(function*() {
    const port = yield* portInUse
    const one = yield* Effect.promise(makeCertificate)
    const other = yield* Effect.promise(makeCertificate)
    const problem = (options: Options) => Effect.map(Effect.exit(Effect.scoped(start(options))), errorOf)
    expect((yield* problem({ port })).message).toMatch(/^Listen: port \d+ of 127.0.0.1 is in use; choose another one/)
    expect((yield* problem({ host: "192.0.2.1" })).message).toMatch(/^Listen: 192.0.2.1 is no address of this machine/)
    for (
      const certificate of [
        { cert: "nothing", privKey: one.key },
        { cert: one.cert, privKey: "nothing" },
        { cert: one.cert, privKey: other.key }
      ]
    ) {
      const { message, reason } = yield* problem({ certificate })
      expect(reason).toBe("Listen")
      expect(message).toMatch(/the certificate and its key are no pair in PEM: .*; give the texts of both files/)
      expect(message).not.toContain(one.key)
    }
  }))

live("dies of options that make no sense, without the key", () =>
  Effect.gen(function*() {
    const options = { port: 70_000, certificate: { cert: 1, privKey: "secret" }, paths: ["a?b"], maxStreams: 0 }
    const exit = yield* Effect.exit(Effect.scoped(start(options as unknown as Options)))
    const text = String(Exit.isFailure(exit) && exit.cause)
    for (const name of ["port", "certificate", "paths", "maxStreams"]) expect(text).toContain(`${name} must be`)
    expect(text).not.toContain("secret")
  }))

const child = fileURLToPath(new URL("./fixtures/server.ts", import.meta.url))

it.live("prints nothing, and leaves nothing that keeps the process alive", () =>
  Effect.gen(function*() {
    const result = yield* runChild(child, ["echo", protocol])
    expect(result).toMatchObject({ exitCode: 0, timedOut: false, stdout: "", stderr: "" })
  }))

it.live("says what to install if the package for its certificate is missing", () =>
  Effect.gen(function*() {
    const result = yield* runChild(child, ["missing", protocol])
    expect(result).toMatchObject({ exitCode: 0, stderr: "" })
    expect(result.stdout).toMatch(/^Unsupported: a self-signed certificate needs the package selfsigned; npm install/)
  }))

it.live("says what to install if the packages for HTTP/3 are missing", () =>
  Effect.gen(function*() {
    const result = yield* runChild(child, ["missingHttp3", "http3"])
    expect(result).toMatchObject({ exitCode: 0, stderr: "" })
    expect(result.stdout).toMatch(/^Unsupported: the native package for HTTP\/3 is missing; install @fails-components/)
  }))

it.live("on SIGTERM answers every request that it accepted, of many clients in its own process", () =>
  Effect.gen(function*() {
    const result = yield* runChild(child, ["term", protocol])
    expect(result).toMatchObject({ exitCode: 0, timedOut: false, stderr: "" })
    const { answered, begun, sessions } = JSON.parse(result.stdout.split("\n")[0]!)
    expect(sessions).toBe(16)
    expect(begun).toBeGreaterThan(0)
    expect(answered).toBe(begun)
  }))
