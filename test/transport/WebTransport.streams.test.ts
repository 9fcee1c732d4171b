import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Scope from "#test/Scope"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ByteStream } from "../../src/internal/transport/byteStream.js"
import { viewCore } from "../../src/internal/transport/session.js"
import * as WebTransport from "../../src/WebTransport.js"
import type { WebTransportError } from "../../src/WebTransportError.js"
import { concat, sha256 } from "../support/bytes.js"
import { can, where } from "../support/capabilities.js"
import { endings, live, startServer } from "../support/implementation.js"
import { isClean } from "../support/isClean.js"
import { pattern } from "../support/pattern.js"
import { soon } from "../support/soon.js"
import { fill } from "../support/streams.js"
import * as TestServer from "../support/TestServer.js"
import { expect, layer } from "../support/vitest.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const sessionTo = (server: TestServer.Service, path: string, options?: WebTransport.ConnectOptions) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }], ...options })

/** A session to the shared server. */
const connect = (path: string) => Effect.flatMap(TestServer.TestServer, (server) => sessionTo(server, path))

const open = (path: string) => Effect.flatMap(connect(path), (session) => session.createBidirectionalStream())

const failure = (exit: Exit.Exit<unknown, WebTransportError>): WebTransportError =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

/** Writes until the peer, which is stopped or does not read, has taken no bytes for half a second; then waits. */
const writeUntilBlocked = (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    let writes = 0
    const write = Effect.map(stream.write(new Uint8Array(64 * 1024)), () => writes++)
    const writing = yield* Effect.fork(Effect.forever(write))
    for (let seen = 0, still = 0; still < 100; seen = writes) {
      yield* Effect.sleep(5)
      still = writes === seen ? still + 1 : 0
    }
    return { writing, written: () => writes * 64 * 1024 }
  })

const defect = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.dieOption),
    () => new Error(`no defect: ${String(exit)}`)
  )

layer(live(), { excludeTestServices: true })(
  "streams",
  (it) => {
    it.scoped("carry bytes both ways, and end with the peer's FIN", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        yield* stream.write(bytes("hello"))
        expect(text(yield* stream.readExactly(5))).toBe("hello")
        yield* stream.write(new Uint8Array(0))
        yield* stream.closeWrite
        yield* stream.closeWrite
        expect(Option.isNone(yield* stream.read)).toBe(true)
        expect(Option.isNone(yield* stream.read)).toBe(true)
        yield* soon(stream.lost)
        expect(failure(yield* Effect.exit(stream.write(bytes("late")))).reason).toBe("Write")
      }))

    it.scoped("carry 10 MB there whole, with one buffer used again and again", () =>
      Effect.gen(function*() {
        const stream = yield* open("/sink")
        const buffer = new Uint8Array(64 * 1024)
        for (let i = 0; i < 160; i++) {
          buffer.set(pattern(i * buffer.length, buffer.length))
          yield* stream.write(buffer)
        }
        buffer.fill(0)
        yield* stream.closeWrite
        const answer = yield* Stream.runCollect(stream.stream)
        expect(JSON.parse(text(concat(answer)))).toEqual({
          bytes: 160 * buffer.length,
          sha256: yield* sha256([pattern(0, 160 * buffer.length)])
        })
      }))

    it.scoped("carry 10 MB back whole, chunk by chunk or in exact pieces", () =>
      Effect.gen(function*() {
        const size = 10 * 1024 * 1024
        const expected = yield* sha256([pattern(0, size)])
        const session = yield* connect(`/source/${size}`)
        const chunked = yield* session.createBidirectionalStream()
        expect(yield* sha256(yield* Stream.runCollect(chunked.stream))).toBe(expected)
        const exact = yield* session.createBidirectionalStream()
        const pieces: Array<Uint8Array> = []
        for (let left = size, piece = 1; left > 0; left -= piece, piece = Math.min(left, piece * 3)) {
          pieces.push(yield* exact.readExactly(piece))
        }
        expect(yield* sha256(pieces)).toBe(expected)
        expect(Option.isNone(yield* exact.read)).toBe(true)
      }))

    it.scoped("take a whole Stream through their sink", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        yield* Stream.run(Stream.make(bytes("ab"), bytes("cd"), bytes("ef")), stream.sink)
        expect(text(yield* stream.readExactly(6))).toBe("abcdef")
      }))

    where("returnsCredit", it.scoped)(
      "come 1,000 one after another within a credit of 50, or 100",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 50 })
          const session = yield* sessionTo(server, "/echo")
          for (let i = 0; i < 1000; i++) {
            const answer = yield* Effect.scoped(Effect.gen(function*() {
              const stream = yield* session.createBidirectionalStream({ waitUntilAvailable: true })
              yield* stream.write(bytes(`${i}`))
              const answer = text(yield* stream.readExactly(`${i}`.length))
              if (!can("limitsStreams")) {
                // the server would leave a stopped stream to its garbage collector
                yield* stream.closeWrite
                expect(Option.isNone(yield* stream.read)).toBe(true)
              }
              return answer
            })).pipe(soon)
            expect(answer).toBe(`${i}`)
          }
          const core = viewCore(session)
          expect(core.streams.size).toBe(0)
          expect(core.openings.size).toBe(0)
          yield* soon(server.until((stats) => stats.streamsOpen === 0))
          expect(core.ends.unconfirmed.size).toBe(0)
        })
    )

    it.scoped("refuse two reads at once as a defect, and go on", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        const fiber = yield* Effect.fork(stream.read)
        yield* Effect.yieldNow()
        expect(String(defect(yield* Effect.exit(stream.read)))).toContain("Two concurrent reads")
        expect(String(defect(yield* Effect.exit(stream.readExactly(1))))).toContain("Two concurrent reads")
        yield* stream.write(bytes("x"))
        expect(Option.isSome(yield* Fiber.join(fiber))).toBe(true)
      }))

    it.scoped("refuse sizes and codes that are none as a defect", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          expect(defect(yield* Effect.exit(stream.readExactly(size)))).toBeInstanceOf(RangeError)
        }
        for (const code of [-1, 256, 0.5, Number.NaN]) {
          expect(defect(yield* Effect.exit(stream.reset(code)))).toBeInstanceOf(RangeError)
        }
        expect((yield* stream.readExactly(0)).length).toBe(0)
      }))

    it.scoped("lose nothing when a read is interrupted before its bytes came", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        const count = 100
        yield* Effect.fork(Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => Effect.andThen(Effect.yieldNow(), stream.write(Uint8Array.of(i, i, i))),
          { discard: true }
        ))
        const received: Array<number> = []
        for (let round = 0; received.length < 3 * count; round++) {
          const piece = Math.min(1 + round % 5, 3 * count - received.length)
          const attempt = round % 3 === 0 ? Effect.map(stream.read, Option.getOrThrow) : stream.readExactly(piece)
          const fiber = yield* Effect.fork(attempt)
          for (let i = 0; i < round % 7; i++) yield* Effect.yieldNow()
          const exit = yield* Fiber.interrupt(fiber)
          if (Exit.isSuccess(exit)) received.push(...exit.value)
          else yield* Effect.promise(() => new Promise(setImmediate))
        }
        expect(received).toEqual(Array.from({ length: 3 * count }, (_, i) => Math.floor(i / 3)))
      }).pipe(soon))

    it.scoped("lose nothing when a read is interrupted between any two of its steps", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        const internals = stream as unknown as ByteStream
        // padding, so that the fiber yields at each of the read's own steps in turn
        const pad = (steps: number): Effect.Effect<void> =>
          steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))
        let interrupted = 0
        // Nothing may come after the read: a fiber that is interrupted at its next step has taken the bytes.
        const reads: ReadonlyArray<Effect.Effect<Uint8Array | Option.Option<Uint8Array>, WebTransportError>> = [
          stream.read,
          stream.readExactly(2)
        ]
        for (const read of reads) {
          for (let steps = 0; steps < 30; steps++) {
            for (let yields = 0; yields < 4; yields++) {
              yield* stream.write(Uint8Array.of(steps, yields))
              while (internals.receiver.inbox.isEmpty) yield* Effect.promise(() => new Promise(setImmediate))
              const fiber = yield* Effect.fork(Effect.andThen(pad(steps), read))
              for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
              const exit = yield* Fiber.interrupt(fiber)
              if (Exit.isFailure(exit)) interrupted++
              const got = Exit.isSuccess(exit) ? exit.value : yield* stream.readExactly(2)
              expect(Option.isOption(got) ? Option.getOrThrow(got) : got).toEqual(Uint8Array.of(steps, yields))
            }
          }
        }
        expect(interrupted).toBeGreaterThan(60)
      }).pipe(Effect.withMaxOpsBeforeYield(13), soon))

    it.scoped("keep what an interrupted readExactly has gathered", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        yield* stream.write(bytes("abc"))
        yield* stream.readExactly(1)
        const fiber = yield* Effect.fork(stream.readExactly(10))
        yield* stream.write(bytes("de"))
        while ((stream as unknown as ByteStream).receiver.inbox.keptSize < 4) yield* Effect.sleep(1)
        yield* Fiber.interrupt(fiber)
        yield* stream.write(bytes("fghijk"))
        expect(text(yield* stream.readExactly(10))).toBe("bcdefghijk")
      }))

    it.scoped("say how much came when they end within readExactly, and keep it", () =>
      Effect.gen(function*() {
        const stream = yield* open("/echo")
        yield* stream.write(bytes("abc"))
        yield* stream.closeWrite
        const error = failure(yield* Effect.exit(stream.readExactly(10)))
        expect(error.reason).toBe("Read")
        expect(error.message).toContain("3 of 10 bytes")
        expect(text(yield* stream.readExactly(3))).toBe("abc")
        expect(Option.isNone(yield* stream.read)).toBe(true)
      }))

    it.scoped("fail to read what the peer resets", () =>
      Effect.gen(function*() {
        const stream = yield* open("/reset?code=42")
        yield* stream.write(bytes("x"))
        yield* soon(stream.lost)
        expect(failure(yield* Effect.exit(stream.read)).reason).toBe("Read")
        expect(failure(yield* Effect.exit(stream.readExactly(1))).reason).toBe("Read")
      }))

    it.scoped("fail to write what the peer stops", () =>
      Effect.gen(function*() {
        const stream = yield* open("/stop?code=42")
        yield* stream.write(bytes("x"))
        if (!can("hearsStop")) {
          yield* Effect.exit(Effect.forever(Effect.andThen(Effect.sleep(1), stream.write(bytes("y")))))
        }
        yield* soon(stream.lost)
        expect(failure(yield* Effect.exit(stream.write(bytes("y")))).reason).toBe("Write")
        expect(failure(yield* Effect.exit(stream.closeWrite)).reason).toBe("Write")
      }))

    it.scoped("are lost at the peer's FIN, and can be written all the same", () =>
      Effect.gen(function*() {
        const stream = yield* open("/fin")
        yield* soon(stream.lost)
        expect(Option.isNone(yield* stream.read)).toBe(true)
        yield* stream.write(bytes("x"))
      }))

    it.scoped("are finished when their scope closes with success, and reset otherwise", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/silent?endings"
        const session = yield* sessionTo(server, path)
        const send = (message: string) =>
          Effect.flatMap(session.createUnidirectionalStream(), (stream) => stream.write(bytes(message)))
        // The server records only streams that it read to the FIN.
        yield* Effect.scoped(Effect.andThen(send("failed"), Effect.fail("no"))).pipe(Effect.exit)
        yield* Effect.scoped(Effect.andThen(send("interrupted"), Effect.interrupt)).pipe(Effect.exit)
        yield* Effect.scoped(send("whole"))
        const read = Effect.map(server.command("received", { path }), (all) => all.map((one) => one.text))
        expect(yield* soon(Effect.repeat(read, { until: (all) => all.length > 0 }))).toEqual(["whole"])
        yield* soon(server.until(() => viewCore(session).ends.unconfirmed.size === 0))
        expect(yield* read).toEqual(["whole"])
      }))

    it.scoped("can be given up with a code, after which nothing works", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/silent?given-up"
        const session = yield* sessionTo(server, path)
        const stream = yield* session.createBidirectionalStream()
        yield* stream.write(bytes("x"))
        const reading = yield* Effect.fork(stream.read)
        yield* Effect.yieldNow()
        yield* stream.reset(42)
        yield* soon(stream.lost)
        expect(failure(yield* Fiber.await(reading)).reason).toBe("Read")
        expect(failure(yield* Effect.exit(stream.write(bytes("y")))).reason).toBe("Write")
        yield* soon(server.until((stats) => stats.paths[path]?.streamsOpen === 0))
      }))

    it.scoped("wake a waiting reader when their scope closes", () =>
      Effect.gen(function*() {
        const session = yield* connect("/echo")
        const scope = yield* Scope.make()
        const stream = yield* Scope.extend(session.createBidirectionalStream(), scope)
        const reading = yield* Effect.fork(stream.readExactly(1))
        yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        const error = failure(yield* Fiber.await(reading))
        expect(error.reason).toBe("Read")
        expect(error.message).toContain("scope")
        yield* soon(stream.lost)
      }))

    it.scoped("hold writes back while the peer takes nothing; an interrupted write hands nothing over", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const path = "/silent"
        const session = yield* sessionTo(server, path)
        const stream = yield* session.createBidirectionalStream()
        yield* stream.write(bytes("x"))
        yield* server.stop
        const { writing, written } = yield* writeUntilBlocked(stream)
        yield* Fiber.interrupt(writing)
        yield* server.resume
        yield* soon(stream.write(bytes("y")))
        yield* soon(stream.closeWrite)
        yield* soon(server.until(({ paths }) => paths[path]?.streamsFinished === 1))
        expect((yield* server.statsOf(path)).bytesReceived).toBe(1 + written() + 1)
      }))

    it.scoped("free a blocked write when the session ends", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const session = yield* sessionTo(server, can("noticesDeath") ? "/silent" : "/deaf")
        const stream = yield* session.createBidirectionalStream()
        if (can("noticesDeath")) yield* server.stop
        const { writing } = yield* writeUntilBlocked(stream)
        const closing = yield* Effect.fork(stream.closeWrite)
        yield* Effect.yieldNow()
        yield* can("noticesDeath") ? server.kill : server.command("closeSessions")
        expect(failure(yield* soon(Fiber.await(writing))).reason).toMatch(/SessionClosed|Write/)
        const closed = yield* soon(Fiber.await(closing))
        // a browser takes the FIN at once, too
        if (can("writesLater")) expect(failure(closed).reason).toBe("SessionClosed")
      }))

    for (const [ending, end] of endings) {
      it.scoped(`fail with SessionClosed when the peer ${ending}`, () =>
        Effect.gen(function*() {
          const server = yield* startServer()
          const session = yield* sessionTo(server, "/echo")
          const stream = yield* session.createBidirectionalStream()
          const reading = yield* Effect.fork(stream.read)
          const idle = yield* session.createBidirectionalStream()
          yield* end(server)
          expect(failure(yield* soon(Fiber.await(reading))).reason).toBe("SessionClosed")
          yield* soon(stream.lost)
          yield* soon(idle.lost)
          expect(failure(yield* Effect.exit(idle.read)).reason).toBe("SessionClosed")
          expect(failure(yield* Effect.exit(idle.write(bytes("x")))).reason).toBe("SessionClosed")
          expect(failure(yield* Effect.exit(idle.closeWrite)).reason).toBe("SessionClosed")
          expect(failure(yield* Effect.exit(session.createBidirectionalStream())).reason).toBe("SessionClosed")
        }))
    }

    where("refusesStreams", it.scoped)(
      "are refused with StreamLimit above the peer's limit, and granted again after some ended",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 3 })
          const session = yield* sessionTo(server, "/echo")
          const first = yield* Scope.make()
          yield* Scope.extend(fill(session), first)
          const refused = failure(yield* Effect.exit(session.createBidirectionalStream()))
          expect(refused.reason).toBe("StreamLimit")
          expect(refused.cause).toBeDefined()
          if (!can("waitsForStreams")) return
          const waiting = yield* Effect.fork(
            session.createBidirectionalStream({ waitUntilAvailable: true, sendOrder: 1 })
          )
          yield* Effect.yieldNow()
          yield* Scope.close(first, Exit.void)
          const stream = yield* soon(Fiber.join(waiting))
          yield* stream.write(bytes("x"))
          expect(text(yield* stream.readExactly(1))).toBe("x")
        })
    )

    where("waitsForStreams", it.scoped)(
      "late streams without a waiting reader are destroyed",
      () =>
        Effect.gen(function*() {
          const server = yield* startServer({ initialBidirectionalStreams: 1 })
          const session = yield* sessionTo(server, "/echo")
          const core = viewCore(session)
          const first = yield* Scope.make()
          yield* Scope.extend(fill(session), first)
          const others = core.openings.size
          const fiber = yield* Effect.fork(session.createBidirectionalStream({ waitUntilAvailable: true }))
          yield* Effect.yieldNow()
          expect(core.openings.size).toBe(others + 1)
          yield* Fiber.interrupt(fiber)
          expect(core.openings.size).toBe(others)
          yield* Scope.close(first, Exit.void)
          yield* soon(server.until(({ streamsAccepted, streamsOpen }) =>
            (streamsAccepted === 2 || !can("limitsStreams")) && streamsOpen === 0 && core.ends.unconfirmed.size === 0
          ))
          expect(core.streams.size).toBe(0)
          // The credit of the late stream came back, too.
          yield* soon(session.createBidirectionalStream({ waitUntilAvailable: true }))
        })
    )

    it.scoped("leave nothing behind when their opening is interrupted at any moment", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const path = "/echo?opening"
        const session = yield* sessionTo(server, path)
        for (let budget = 13; budget <= 64; budget++) {
          for (let yields = 0; yields < 6; yields++) {
            const attempt = Effect.scoped(Effect.andThen(session.createBidirectionalStream(), Effect.never))
            const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(attempt, budget))
            for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
            yield* Fiber.interrupt(fiber)
          }
        }
        const core = viewCore(session)
        yield* soon(server.until((stats) => stats.paths[path]?.streamsOpen === 0 && core.ends.unconfirmed.size === 0))
        expect(core.streams.size).toBe(0)
        expect(core.openings.size).toBe(0)
      }))

    it.scoped("know whether they are as good as new", () =>
      Effect.gen(function*() {
        const session = yield* connect("/echo")
        const echoing = (yield* session.createBidirectionalStream()) as unknown as ByteStream
        expect(isClean(echoing)).toBe(true)
        const writing = yield* Effect.fork(echoing.write(bytes("ab")))
        yield* Effect.yieldNow()
        expect(isClean(echoing)).toBe(false)
        yield* Fiber.join(writing)
        yield* echoing.readExactly(1)
        expect(isClean(echoing)).toBe(false)
        yield* echoing.read
        yield* echoing.written
        expect(isClean(echoing)).toBe(true)
        expect(echoing.bytesReceived).toBe(2)
        expect(viewCore(session).bytesReceived).toBe(2)
        yield* echoing.closeWrite
        expect(isClean(echoing)).toBe(false)
        const surprised = (yield* open("/unsolicited?when=accept")) as unknown as ByteStream
        while (isClean(surprised)) yield* Effect.sleep(1)
        expect(surprised.bytesReceived).toBe("unsolicited".length)
      }).pipe(soon))
  }
)
