import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import type * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as NodeWebTransport from "../../src/NodeWebTransport.js"
import * as SessionPool from "../../src/SessionPool.js"
import * as StreamPool from "../../src/StreamPool.js"
import * as TestWebTransport from "../../src/TestWebTransport.js"
import * as WebTransport from "../../src/WebTransport.js"
import type { WebTransportError } from "../../src/WebTransportError.js"
import { withLogs } from "../support/logs.js"
import { soon } from "../support/soon.js"
import * as TestServer from "../support/TestServer.js"
import { describe, expect, it, layer } from "../support/vitest.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const behaviours: Record<string, TestWebTransport.Behaviour> = {
  "/echo": {},
  "/refuse?status=405": { connect: "refuse", status: 405 },
  "/never": { connect: "ignore" },
  "/close?code=7&reason=bye&afterMs=50": {
    onStream: (_stream, session) => Effect.delay(session.closeWith({ closeCode: 7, reason: "bye" }), "50 millis")
  },
  "/fin": { onStream: (stream) => stream.finish },
  "/reset?code=42": { onStream: (stream) => Effect.andThen(stream.read, stream.reset) },
  "/stop?code=42": { onStream: (stream) => Effect.andThen(stream.read, stream.stopSending) },
  "/unsolicited?when=accept&text=unsolicited": { onStream: (stream) => stream.write(bytes("unsolicited")) }
}

/** A session to the server under test, with the behaviour of its path. */
class Connect extends Context.Tag("effect-pools/test/Connect")<
  Connect,
  (
    path: string,
    options?: WebTransport.ConnectOptions
  ) => Effect.Effect<WebTransport.Session, WebTransportError, Scope.Scope>
>() {}

const connect = (path: string, options?: WebTransport.ConnectOptions) =>
  Effect.flatMap(Connect, (connect) => connect(path, options))

const real = Layer.effect(
  Connect,
  Effect.gen(function*() {
    const server = yield* TestServer.TestServer
    const constructor = yield* WebTransport.WebTransportConstructor
    return (path, options) =>
      WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }], ...options }).pipe(
        Effect.provideService(WebTransport.WebTransportConstructor, constructor)
      )
  })
).pipe(Layer.provide([TestServer.layer(), NodeWebTransport.layerHttp2]))

const inMemory = Layer.effect(
  Connect,
  Effect.gen(function*() {
    const { behave } = yield* TestWebTransport.TestWebTransport
    const constructor = yield* WebTransport.WebTransportConstructor
    return (path, options) =>
      Effect.andThen(behave(behaviours[path]!), WebTransport.connect(`https://test${path}`, options)).pipe(
        Effect.provideService(WebTransport.WebTransportConstructor, constructor)
      )
  })
).pipe(Layer.provide(TestWebTransport.layer()))

/** Behaviour that both servers share. */
describe.each([["a real server", real], ["the one in memory", inMemory]] as const)(
  "%s",
  (_name, server) => {
    layer(server, { excludeTestServices: true })((it) => {
      const open = (path: string) => Effect.flatMap(connect(path), (session) => session.createBidirectionalStream())

      it.scoped("echoes, and passes on the FIN", () =>
        Effect.gen(function*() {
          const stream = yield* open("/echo")
          yield* stream.write(bytes("hello"))
          expect(text(yield* stream.readExactly(5))).toBe("hello")
          yield* stream.closeWrite
          expect(yield* soon(stream.read)).toEqual(Option.none())
        }))

      it.scoped("copies what is written", () =>
        Effect.gen(function*() {
          const stream = yield* open("/echo")
          const buffer = bytes("hello")
          yield* stream.write(buffer)
          buffer.fill(0)
          expect(text(yield* stream.readExactly(5))).toBe("hello")
        }))

      it.scoped("refuses a session", () =>
        Effect.gen(function*() {
          const refused = yield* soon(Effect.flip(connect("/refuse?status=405")))
          expect(refused).toMatchObject({ reason: "Connect", status: 405 })
        }))

      it.scoped("never answers", () =>
        Effect.gen(function*() {
          const error = yield* soon(Effect.flip(connect("/never", { connectTimeout: "100 millis" })))
          expect(error.reason).toBe("ConnectTimeout")
        }))

      it.scoped("closes with code and reason, and takes the streams along", () =>
        Effect.gen(function*() {
          const session = yield* connect("/close?code=7&reason=bye&afterMs=50")
          const stream = yield* session.createBidirectionalStream()
          expect(yield* soon(session.closed)).toEqual({ closeCode: 7, reason: "bye" })
          yield* soon(stream.lost)
          expect((yield* Effect.flip(session.createBidirectionalStream())).reason).toBe("SessionClosed")
        }))

      it.scoped("finishes a stream", () =>
        Effect.gen(function*() {
          const stream = yield* open("/fin")
          expect(yield* soon(stream.read)).toEqual(Option.none())
          yield* soon(stream.lost)
        }))

      it.scoped("resets a stream", () =>
        Effect.gen(function*() {
          const stream = yield* open("/reset?code=42")
          yield* stream.write(bytes("hello"))
          expect((yield* soon(Effect.flip(stream.read))).reason).toBe("Read")
        }))

      it.scoped("stops what is sent", () =>
        Effect.gen(function*() {
          const stream = yield* open("/stop?code=42")
          yield* stream.write(bytes("hello"))
          yield* soon(stream.lost)
          expect((yield* Effect.flip(stream.write(bytes("more")))).reason).toBe("Write")
        }))

      it.scoped("the server sends streams and datagrams that the client did not ask for", () =>
        Effect.gen(function*() {
          const stream = yield* open("/unsolicited?when=accept&text=unsolicited")
          expect(text(yield* soon(stream.readExactly(11)))).toBe("unsolicited")
        }))
    })
  }
)

const connected = WebTransport.connect("https://test/")

it.scoped("takes its delays from the clock of the test", () =>
  Effect.gen(function*() {
    const connecting = yield* Effect.fork(connected)
    yield* TestClock.adjust("4 seconds")
    expect(Option.isNone(yield* Fiber.poll(connecting))).toBe(true)
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(connecting)
  }).pipe(Effect.provide(TestWebTransport.layer({ connectDelay: "5 seconds" }))))

it.scoped("loses the connection", () =>
  Effect.gen(function*() {
    const peer = yield* TestWebTransport.TestWebTransport
    const session = yield* connected
    const stream = yield* session.createBidirectionalStream()
    const [server] = yield* peer.sessions
    expect(server!.isOpen).toBe(true)
    yield* server!.die
    yield* stream.lost
    expect(server!.isOpen).toBe(false)
    expect((yield* Effect.flip(stream.read)).reason).toBe("SessionClosed")
  }).pipe(Effect.provide(TestWebTransport.layer())))

it.scoped("hangs: writes and new streams succeed, and are answered when it goes on", () =>
  Effect.gen(function*() {
    const peer = yield* TestWebTransport.TestWebTransport
    const session = yield* connected
    const [server] = yield* peer.sessions
    yield* server!.hang
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(bytes("hello"))
    const reading = yield* Effect.fork(stream.readExactly(5))
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    expect(Option.isNone(yield* Fiber.poll(reading))).toBe(true)
    yield* server!.resume
    expect(text(yield* Fiber.join(reading))).toBe("hello")
  }).pipe(Effect.provide(TestWebTransport.layer())))

it.scoped("refuses streams beyond the limit, and gives credit back in batches", () =>
  Effect.gen(function*() {
    const session = yield* connected
    const one = yield* session.createBidirectionalStream()
    const two = yield* session.createBidirectionalStream()
    expect((yield* Effect.flip(session.createBidirectionalStream())).reason).toBe("StreamLimit")
    yield* one.reset(0)
    expect(yield* Effect.isFailure(session.createBidirectionalStream())).toBe(true)
    yield* two.reset(0)
    yield* session.createBidirectionalStream()
    yield* session.createBidirectionalStream()
    expect((yield* Effect.flip(session.createBidirectionalStream())).reason).toBe("StreamLimit")
  }).pipe(Effect.provide(TestWebTransport.layer({ streamLimit: 2, creditBatch: 2 }))))

it.scoped("keeps streams beyond the limit until one ended", () =>
  Effect.gen(function*() {
    const session = yield* connected
    const one = yield* session.createBidirectionalStream()
    const opening = yield* Effect.fork(session.createBidirectionalStream())
    yield* one.reset(0)
    yield* Fiber.join(opening)
  }).pipe(Effect.provide(TestWebTransport.layer({ streamLimit: 1, beyondLimit: "wait" }))))

it.scoped("serves a pool of streams", () =>
  Effect.gen(function*() {
    const peer = yield* TestWebTransport.TestWebTransport
    const pool = yield* StreamPool.make({ session: yield* connected, maxSize: 2 })
    const echo = (stream: WebTransport.BidirectionalStream) =>
      Effect.andThen(stream.write(bytes("hello")), stream.readExactly(5))
    yield* Effect.replicateEffect(pool.use(echo), 10)
    const [server] = yield* peer.sessions
    expect(server!.streams.length).toBe(1)
  }).pipe(Effect.provide(TestWebTransport.layer())))

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

it.scoped("holds streams back, and grants them when told to", () =>
  Effect.gen(function*() {
    const peer = yield* TestWebTransport.TestWebTransport
    const session = yield* connected
    const [server] = yield* peer.sessions
    yield* server!.holdStreams
    const opening = yield* Effect.all(
      [1, 2, 3].map(() => Effect.fork(Effect.exit(session.createBidirectionalStream())))
    )
    yield* turn
    expect(server!.streamCounts).toEqual({ requested: 3, granted: 0, refused: 0, pending: 3, mostPending: 3 })
    yield* server!.grantStreams
    yield* turn
    // as many as the credit allows
    expect(server!.streamCounts).toEqual({ requested: 3, granted: 2, refused: 0, pending: 1, mostPending: 3 })
    yield* server!.die
    const outcomes = yield* Effect.forEach(opening, Fiber.join)
    expect(outcomes.map(Exit.isSuccess)).toEqual([true, true, false])
    expect(server!.streamCounts).toMatchObject({ refused: 1, pending: 0 })
  }).pipe(Effect.provide(TestWebTransport.layer({ streamLimit: 2 }))))

it.scoped("lets writes wait while it takes none", () =>
  Effect.gen(function*() {
    const peer = yield* TestWebTransport.TestWebTransport
    const session = yield* connected
    const stream = yield* session.createBidirectionalStream()
    const [server] = yield* peer.sessions
    const [one] = server!.streams
    yield* one!.stall
    const writing = yield* Effect.fork(Effect.forEach(["a", "b", "c"], (message) => stream.write(bytes(message))))
    yield* turn
    expect(Option.isNone(yield* Fiber.poll(writing))).toBe(true)
    yield* one!.resume
    yield* Fiber.join(writing)
    expect(text(yield* stream.readExactly(3))).toBe("abc")
  }).pipe(Effect.provide(TestWebTransport.layer())))

it.scoped("shows how the client ended a stream", () =>
  Effect.gen(function*() {
    const ended: Array<TestWebTransport.ServerStream> = []
    const onStream = (stream: TestWebTransport.ServerStream) => Effect.sync(() => ended.push(stream))
    yield* Effect.gen(function*() {
      const session = yield* connected
      const [one, two] = [yield* session.createBidirectionalStream(), yield* session.createBidirectionalStream()]
      expect(ended.map(({ isCancelled, sending }) => [isCancelled, sending])).toEqual([[false, "Open"], [
        false,
        "Open"
      ]])
      yield* one.closeWrite
      yield* two.reset(7)
      expect(ended.map(({ isCancelled, sending }) => [isCancelled, sending])).toEqual([[false, "Finished"], [
        true,
        "Reset"
      ]])
    }).pipe(
      Effect.scoped,
      Effect.provide(TestWebTransport.layer({ onStream: (stream) => Effect.asVoid(onStream(stream)) }))
    )
  }))

const sessions = Effect.flatMap(TestWebTransport.TestWebTransport, ({ sessions }) => sessions)

const isEchoed = (stream: WebTransport.BidirectionalStream) =>
  Effect.map(Effect.andThen(stream.write(bytes("hello")), stream.readExactly(5)), (got) => text(got) === "hello")

it.scoped("drains a session: the client knows, its streams go on, and a pool opens another one", () =>
  Effect.gen(function*() {
    const sessionPool = yield* SessionPool.make({ url: "https://test/" })
    const pool = yield* StreamPool.make({ sessionPool, maxSize: 4 })
    yield* pool.use((kept) =>
      Effect.gen(function*() {
        expect(yield* isEchoed(kept)).toBe(true)
        const [first] = yield* sessions
        yield* first!.drain
        expect(first!.isOpen).toBe(true)
        expect(yield* isEchoed(kept)).toBe(true)
        expect(yield* pool.use(isEchoed)).toBe(true)
        expect((yield* sessions).length).toBe(2)
        expect(first!.isOpen).toBe(true)
      })
    )
    expect(yield* pool.use(isEchoed)).toBe(true)
    expect((yield* sessions).length).toBe(2)
    yield* turn
    expect((yield* sessions).map(({ isOpen }) => isOpen)).toEqual([false, true])
  }).pipe(Effect.provide(TestWebTransport.layer())))

it.scoped("has headers in both directions, and refuses with a status", () =>
  Effect.gen(function*() {
    const { behave } = yield* TestWebTransport.TestWebTransport
    const connecting = WebTransport.connect("https://test/", { headers: { Authorization: "Bearer 1" } })
    const session = yield* connecting
    expect(session.responseHeaders).toEqual({ "x-shard": "3" })
    expect((yield* sessions)[0]!.headers).toEqual({ authorization: "Bearer 1" })
    yield* behave({ connect: "refuse", status: 401 })
    expect(yield* Effect.flip(connecting)).toMatchObject({ reason: "Connect", status: 401 })
    yield* behave({ connect: "refuse" })
    expect((yield* Effect.flip(connecting)).status).toBe(undefined)
  }).pipe(Effect.provide(TestWebTransport.layer({ responseHeaders: { "X-Shard": "3" } }))))

it.scoped("treats each session by its number", () =>
  Effect.gen(function*() {
    for (const isAccepted of [false, false, true]) {
      expect(yield* Effect.isSuccess(connected)).toBe(isAccepted)
    }
  }).pipe(Effect.provide(TestWebTransport.layer((index) => ({ connect: index < 2 ? "refuse" : "accept" })))))

it.effect("does not confirm the ends of streams, whereby closing takes as long as it may", () =>
  Effect.gen(function*() {
    const closing = yield* Effect.fork(
      Effect.scoped(Effect.flatMap(connected, (session) => session.createBidirectionalStream()))
    )
    yield* turn
    expect(Option.isNone(yield* Fiber.poll(closing))).toBe(true)
    for (let i = 0; i < 10; i++) {
      yield* TestClock.adjust("1 second")
      yield* turn
    }
    yield* Fiber.join(closing)
  }).pipe(Effect.provide(TestWebTransport.layer({ confirmEnds: false }))))

it.scoped("logs what its handler died of, which else only the client would see, as a reset", () =>
  withLogs((logs) =>
    Effect.gen(function*() {
      const handlers = [() => Effect.die(new Error("a bug")), () => {
        throw new Error("a bug")
      }]
      for (const onStream of handlers) {
        yield* Effect.gen(function*() {
          const session = yield* WebTransport.connect("https://test/")
          const stream = yield* session.createBidirectionalStream()
          expect((yield* Effect.flip(stream.read)).reason).toBe("Read")
        }).pipe(Effect.scoped, Effect.provide(TestWebTransport.layer({ onStream })))
      }
      expect(logs.map(({ level, message }) => [level, message])).toEqual(
        handlers.map(() => ["ERROR", "onStream of TestWebTransport died"])
      )
    })
  ))

describe("what the server sends by itself", () => {
  const server = Effect.gen(function*() {
    const session = yield* connected
    const [peer] = yield* (yield* TestWebTransport.TestWebTransport).sessions
    return { session, peer: peer! }
  })

  it.scoped("opens streams in both directions", () =>
    Effect.gen(function*() {
      const { peer, session } = yield* server
      const there = yield* peer.openBidirectional
      const here = yield* session.acceptBidirectionalStream
      yield* there.write(bytes("hello"))
      expect(text(yield* here.readExactly(5))).toBe("hello")
      yield* here.write(bytes("world"))
      expect(text(Option.getOrThrow(yield* there.read))).toBe("world")
      expect(peer.streams.length).toBe(1)
      yield* here.closeWrite
      expect(yield* there.read).toEqual(Option.none())
      yield* there.finish
      expect(yield* here.read).toEqual(Option.none())
      expect(peer.streams.length).toBe(0)
      // the client did not ask for these streams
      expect(peer.streamCounts.requested).toBe(0)
    }).pipe(Effect.provide(TestWebTransport.layer({ streamLimit: 0 }))))

  it.scoped("opens streams that only it sends on", () =>
    Effect.gen(function*() {
      const { peer, session } = yield* server
      const there = [yield* peer.openUnidirectional, yield* peer.openUnidirectional, yield* peer.openUnidirectional]
      const here = yield* Effect.replicateEffect(session.acceptUnidirectionalStream, 3)
      yield* there[0]!.write(bytes("hello"))
      yield* there[0]!.finish
      expect(text(yield* here[0]!.readExactly(5))).toBe("hello")
      expect(yield* here[0]!.read).toEqual(Option.none())
      yield* there[1]!.reset
      expect((yield* Effect.flip(here[1]!.read)).reason).toBe("Read")
      yield* here[2]!.reset(0)
      expect(there.map(({ isCancelled }) => isCancelled)).toEqual([false, false, true])
    }).pipe(Effect.provide(TestWebTransport.layer())))

  it.scoped("sends datagrams, and receives them in their order", () =>
    Effect.gen(function*() {
      const { peer, session } = yield* server
      const receiving = yield* Effect.fork(session.datagrams.receive)
      yield* peer.sendDatagram(bytes("one"))
      expect(text(yield* Fiber.join(receiving))).toBe("one")
      const waiting = yield* Effect.fork(peer.receiveDatagram)
      yield* session.datagrams.send(bytes("two"))
      yield* session.datagrams.send(bytes("three"))
      expect(text(yield* Fiber.join(waiting))).toBe("two")
      expect(session.datagrams.maxSize).toBe(5)
      expect((yield* Effect.flip(session.datagrams.send(bytes("too large")))).reason).toBe("DatagramTooLarge")
      yield* peer.die
      expect(text(yield* peer.receiveDatagram)).toBe("three")
      expect((yield* Effect.flip(peer.receiveDatagram)).reason).toBe("SessionClosed")
      expect((yield* Effect.flip(peer.openUnidirectional)).reason).toBe("SessionClosed")
      yield* peer.sendDatagram(bytes("four"))
    }).pipe(Effect.provide(TestWebTransport.layer({ maxDatagramSize: 5 }))))

  it.scoped("hangs: its streams come when it goes on, its datagrams are lost", () =>
    Effect.gen(function*() {
      const { peer, session } = yield* server
      yield* peer.hang
      const there = yield* peer.openUnidirectional
      yield* peer.sendDatagram(bytes("lost"))
      yield* session.datagrams.send(bytes("lost, too"))
      const accepting = yield* Effect.fork(session.acceptUnidirectionalStream)
      yield* turn
      expect(Option.isNone(yield* Fiber.poll(accepting))).toBe(true)
      yield* peer.resume
      yield* there.write(bytes("hello"))
      expect(text(yield* (yield* Fiber.join(accepting)).readExactly(5))).toBe("hello")
      yield* session.datagrams.send(bytes("heard"))
      expect(text(yield* peer.receiveDatagram)).toBe("heard")
    }).pipe(Effect.provide(TestWebTransport.layer())))

  it.scoped("reaches onIncoming and onDatagram of a pool, which counts unwanted streams and datagrams", () =>
    Effect.gen(function*() {
      const received = yield* Queue.unbounded<string>()
      const handled = yield* SessionPool.make({
        url: "https://test/",
        minSize: 1,
        onIncoming: (stream) => Effect.flatMap(stream.readExactly(3), (chunk) => Queue.offer(received, text(chunk))),
        onDatagram: (datagram) => Queue.offer(received, text(datagram))
      })
      yield* handled.ready
      const unwanted = yield* SessionPool.make({ url: "https://test/", minSize: 1 })
      yield* unwanted.ready
      const sessions = yield* (yield* TestWebTransport.TestWebTransport).sessions
      const streams: Array<TestWebTransport.ServerStream> = []
      for (const peer of sessions) {
        yield* Effect.flatMap(peer.openUnidirectional, (stream) => stream.write(bytes("uni")))
        streams.push(yield* peer.openBidirectional)
        yield* streams.at(-1)!.write(bytes("bid"))
        yield* peer.sendDatagram(bytes("dat"))
      }
      expect(Array.from(yield* Queue.takeN(received, 3)).sort()).toEqual(["bid", "dat", "uni"])
      yield* Effect.replicateEffect(turn, 21, { discard: true })
      expect(yield* unwanted.unwanted).toEqual({ streams: 2, datagrams: 1 })
      // the first is finished by the handler's success, the second is refused
      expect(streams.map(({ sending }) => sending)).toEqual(["Finished", "Reset"])
    }).pipe(Effect.provide(TestWebTransport.layer())))
})

it.scoped("reads streams that only the client sends on, by a handler of their own and within a limit of their own", () =>
  Effect.gen(function*() {
    const session = yield* connected
    const [peer] = yield* (yield* TestWebTransport.TestWebTransport).sessions
    yield* session.createBidirectionalStream()
    const stream = yield* session.createUnidirectionalStream()
    expect((yield* Effect.flip(session.createUnidirectionalStream())).reason).toBe("StreamLimit")
    yield* stream.write(bytes("stop"))
    yield* stream.lost
    expect((yield* Effect.flip(stream.write(bytes("more")))).reason).toBe("Write")
    // the stream's credit is back
    const second = yield* session.createUnidirectionalStream()
    yield* second.write(bytes("go on"))
    yield* second.closeWrite
    expect(peer!.streams.length).toBe(1)
    expect(peer!.streamCounts).toMatchObject({ requested: 4, granted: 3, refused: 1 })
  }).pipe(Effect.provide(TestWebTransport.layer({
    streamLimit: 1,
    onUnidirectional: (stream) =>
      Effect.flatMap(
        stream.read,
        (chunk) => text(Option.getOrThrow(chunk)) === "stop" ? stream.stopSending : Effect.void
      )
  }))))

it.scoped("reads such streams to their end where no handler is given", () =>
  Effect.gen(function*() {
    const session = yield* connected
    for (let i = 0; i < 3; i++) {
      const stream = yield* session.createUnidirectionalStream()
      yield* stream.write(bytes("hello"))
      yield* stream.closeWrite
    }
  }).pipe(Effect.provide(TestWebTransport.layer({ streamLimit: 1 }))))

it.scoped("says so when it is used after its layer was closed", () =>
  Effect.gen(function*() {
    const constructor = yield* Effect.provide(WebTransport.WebTransportConstructor, TestWebTransport.layer())
    const error = yield* Effect.flip(
      Effect.provideService(connected, WebTransport.WebTransportConstructor, constructor)
    )
    expect(error.message).toContain("provide it around the whole test")
  }))
