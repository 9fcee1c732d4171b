/** Behaviour that a test cannot cause in the real client: a fake of the W3C's shape, and Effect's clock. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as TestClock from "#test/TestClock"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import { viewCore } from "../../../../src/internal/transport/session.js"
import * as NodeWebTransport from "../../../../src/NodeWebTransport.js"
import * as WebTransport from "../../../../src/WebTransport.js"
import type { WebTransportError } from "../../../../src/WebTransportError.js"
import * as TestServer from "../../../support/TestServer.js"
import { describe, expect, it } from "../../../support/vitest.js"

const failure = (exit: Exit.Exit<unknown, WebTransportError>): WebTransportError =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

const promiseOf = <A>() => {
  let resolve!: (a: A) => void
  let reject!: (cause: unknown) => void
  const promise = new Promise<A>((res, rej) => {
    resolve = res
    reject = rej
  })
  return { promise, resolve, reject }
}

const tick = Effect.replicateEffect(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  3,
  { discard: true }
)

/** Until the scope closes, the platform calls itself Firefox. */
const inFirefox = Effect.acquireRelease(
  Effect.sync(() => {
    const userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
    vi.stubGlobal("navigator", { userAgent })
  }),
  () => Effect.sync(() => vi.unstubAllGlobals())
)

class FakeStream {
  cancelled: Array<unknown> = []
  aborted: Array<unknown> = []
  closes = 0
  incoming!: ReadableStreamDefaultController<Uint8Array>
  readonly order: Array<string> = []
  readonly readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      this.incoming = controller
    },
    cancel: (reason) => {
      this.order.push("cancel")
      this.cancelled.push(reason)
    }
  })
  readonly writable = new WritableStream<Uint8Array>({
    close: () => {
      this.order.push("close")
      this.closes++
    },
    abort: (reason) => {
      this.order.push("abort")
      this.aborted.push(reason)
    }
  })
}

/** Without any optional member. */
class Fake implements WebTransport.NativeWebTransport {
  readonly url: string
  readonly options: WebTransport.NativeOptions | undefined
  readonly whenReady = promiseOf<void>()
  readonly whenClosed = promiseOf<unknown>()
  readonly ready = this.whenReady.promise
  readonly closed = this.whenClosed.promise
  readonly closes: Array<unknown> = []
  readonly created: Array<ReturnType<typeof promiseOf<FakeStream>>> = []
  readonly streamOptions: Array<unknown> = []
  create: () => Promise<FakeStream> = () => {
    const creation = promiseOf<FakeStream>()
    this.created.push(creation)
    return creation.promise
  }
  incoming!: ReadableStreamDefaultController<FakeStream>
  readonly incomingBidirectionalStreams = new ReadableStream<FakeStream>({
    start: (controller) => {
      this.incoming = controller
    }
  })
  readonly incomingUnidirectionalStreams = new ReadableStream<ReadableStream<Uint8Array>>()
  readonly sent: Array<Uint8Array> = []
  readonly datagrams: WebTransport.NativeDatagrams & Record<string, unknown> = {
    readable: new ReadableStream<Uint8Array>(),
    writable: new WritableStream<Uint8Array>({ write: (chunk) => void this.sent.push(chunk) }),
    incomingHighWaterMark: 1,
    outgoingMaxBufferedDatagrams: 1,
    outgoingHighWaterMark: 1,
    incomingMaxAge: null
  }

  constructor(url: string, options?: WebTransport.NativeOptions) {
    this.url = url
    this.options = options
    fakes.push(this)
  }

  createBidirectionalStream(options?: unknown): Promise<FakeStream> {
    this.streamOptions.push(options)
    return this.create()
  }

  createUnidirectionalStream(): Promise<WritableStream<Uint8Array>> {
    throw new Error("not now")
  }

  close(info?: unknown): void {
    this.closes.push(info)
    this.whenClosed.resolve(info)
  }
}

let fakes: Array<Fake> = []
const url = "https://example.com/path"

const ready = Effect.gen(function*() {
  const fake = new Fake(url)
  fake.whenReady.resolve()
  return { fake, session: yield* WebTransport.fromNative(fake) }
})

const withFakes = Effect.provide(Layer.unwrapEffect(Effect.sync(() => {
  fakes = []
  return WebTransport.layerConstructor(Fake)
})))

describe("connecting", () => {
  it.scoped("passes through what was given, and nothing else", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(WebTransport.connect(new URL(url), {
        serverCertificateHashes: [],
        protocols: ["a", "b"],
        congestionControl: "low-latency",
        requireUnreliable: true,
        allowPooling: true,
        datagrams: { incomingMaxBuffered: 5, outgoingMaxBuffered: 6, incomingMaxAge: "2 seconds", outgoingMaxAge: 1 }
      }))
      yield* tick
      const fake = fakes[0]!
      expect(fake.url).toBe(url)
      expect(fake.options).toEqual({
        protocols: ["a", "b"],
        congestionControl: "low-latency",
        requireUnreliable: true,
        allowPooling: true
      })
      expect(fake.datagrams).toMatchObject({
        incomingHighWaterMark: 5,
        outgoingMaxBufferedDatagrams: 6,
        outgoingHighWaterMark: 1,
        incomingMaxAge: 2000
      })
      expect("outgoingMaxAge" in fake.datagrams).toBe(false)
      fake.whenReady.resolve()
      yield* Fiber.join(fiber)
    }).pipe(withFakes))

  it.scoped("fails when the constructor throws, or says that it cannot", () =>
    Effect.gen(function*() {
      for (const [name, reason] of [["Error", "Connect"], ["NotSupportedError", "Unsupported"]]) {
        const layer = WebTransport.layerConstructor(
          class extends Fake {
            constructor(url: string) {
              super(url)
              throw new DOMException("no", name)
            }
          }
        )
        const exit = yield* Effect.exit(Effect.provide(Effect.scoped(WebTransport.connect(url)), layer))
        expect(failure(exit).reason).toBe(reason)
        expect(failure(exit).cause).toBeDefined()
      }
    }))

  it.scoped("fails whichever of ready and closed settles first, and lets neither go unhandled", () =>
    Effect.gen(function*() {
      const settlements: ReadonlyArray<(fake: Fake) => void> = [
        (fake) => fake.whenReady.reject(new Error("ready")),
        (fake) => fake.whenClosed.reject(new Error("closed")),
        (fake) => fake.whenClosed.resolve(undefined),
        (fake) => {
          fake.whenClosed.reject(new Error("closed"))
          fake.whenReady.reject(new Error("ready"))
        }
      ]
      for (const settle of settlements) {
        const fiber = yield* Effect.fork(Effect.scoped(WebTransport.connect(url)))
        yield* tick
        const fake = fakes.at(-1)!
        settle(fake)
        expect(failure(yield* Fiber.await(fiber)).reason).toBe("Connect")
        expect(fake.closes.length).toBeGreaterThan(0)
        fake.whenReady.reject(new Error("later"))
        yield* tick
      }
    }).pipe(withFakes))

  it.scoped("frees a session that became ready in the moment of the interruption", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.scoped(WebTransport.connect(url)))
      yield* tick
      const fake = fakes[0]!
      fake.whenReady.resolve()
      yield* Fiber.interrupt(fiber)
      expect(fake.closes.length).toBeGreaterThan(0)
    }).pipe(withFakes))

  /** Whether an attempt was closed when it was given up, and when it became ready later. */
  const closesOf = Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.scoped(WebTransport.connect(url)))
    yield* tick
    const fake = fakes.at(-1)!
    yield* Fiber.interrupt(fiber)
    const atOnce = fake.closes.length
    fake.whenReady.resolve()
    yield* tick
    return { atOnce: atOnce > 0, later: fake.closes.length > atOnce }
  })

  it.scoped("closes an attempt that becomes ready after it was given up", () =>
    Effect.gen(function*() {
      expect(yield* closesOf).toEqual({ atOnce: true, later: true })
    }).pipe(withFakes))

  it.scoped("does not close before it is ready in Firefox, where that leaves it out of reach", () =>
    Effect.gen(function*() {
      yield* inFirefox
      expect(yield* closesOf).toEqual({ atOnce: false, later: true })
    }).pipe(withFakes))

  it.scoped("fails with what ready says, also where closed has settled a moment before", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.scoped(WebTransport.connect(url)))
      yield* tick
      const fake = fakes.at(-1)!
      fake.whenClosed.resolve(undefined)
      yield* Effect.promise(() => fake.closed)
      fake.whenReady.reject(new Error("invalid peer certificate: UnknownIssuer"))
      const { message } = failure(yield* Fiber.await(fiber))
      expect(message).toContain("UnknownIssuer")
      expect(message).toContain("pin")
    }).pipe(withFakes))

  it.scoped("gives up after 10 seconds of the Effect Clock, or what connectTimeout says", () =>
    Effect.gen(function*() {
      for (const [options, millis] of [[{}, 10_000], [{ connectTimeout: "3 seconds" }, 3000]] as const) {
        const done = yield* Deferred.make<Exit.Exit<unknown, WebTransportError>>()
        const attempt = Effect.exit(Effect.scoped(WebTransport.connect(url, options)))
        yield* Effect.fork(Effect.flatMap(attempt, (exit) => Deferred.succeed(done, exit)))
        yield* TestClock.adjust(millis - 1)
        expect(yield* Deferred.isDone(done)).toBe(false)
        yield* TestClock.adjust(1)
        expect(failure(yield* Deferred.await(done)).reason).toBe("ConnectTimeout")
        expect(fakes.at(-1)!.closes.length).toBeGreaterThan(0)
      }
    }).pipe(withFakes))

  it.scoped("gives up on a real peer by the Effect Clock alone", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start()
      const fiber = yield* Effect.fork(Effect.exit(Effect.scoped(WebTransport.connect(server.silentUrl("/")))))
      yield* server.until((stats) => stats.silentSocketsAccepted > 0)
      yield* TestClock.adjust("10 seconds")
      expect(failure(yield* Fiber.join(fiber)).reason).toBe("ConnectTimeout")
    }).pipe(Effect.provide(NodeWebTransport.layer)))
})

describe("sessions", () => {
  it.scoped("do without every optional member", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      expect(session.reliability).toBe(undefined)
      expect(session.protocol).toBe(undefined)
      expect(session.native).toBe(fake)
      expect(Option.isNone(yield* session.stats)).toBe(true)
      expect(session.datagrams.maxSize).toBe(Number.POSITIVE_INFINITY)
      const draining = yield* Effect.fork(session.draining)
      yield* session.datagrams.send(Uint8Array.of(1))
      expect(fake.sent).toEqual([Uint8Array.of(1)])
      expect(Option.isNone(yield* Fiber.poll(draining))).toBe(true)
      yield* Fiber.interrupt(draining)
    }))

  it.scoped("tell when the peer drains, and when they break without a word", () =>
    Effect.gen(function*() {
      const draining = promiseOf<void>()
      const fake = Object.assign(new Fake(url), { draining: draining.promise })
      fake.whenReady.resolve()
      const session = yield* WebTransport.fromNative(fake)
      const drained = yield* Effect.fork(session.draining)
      draining.resolve()
      yield* Fiber.join(drained)
      expect(yield* session.isOpen).toBe(true)
      const incoming = yield* Effect.fork(Stream.runDrain(session.incomingBidirectionalStreams))
      yield* tick
      fake.whenClosed.reject(new Error("broken"))
      const error = failure(yield* Effect.exit(session.closed))
      expect(error.reason).toBe("SessionClosed")
      expect(String(error.cause)).toContain("broken")
      expect(failure(yield* Fiber.await(incoming)).reason).toBe("SessionClosed")
    }).pipe(Effect.scoped))

  it.scoped("have the application's code, also where the platform tells HTTP/3's", () =>
    Effect.gen(function*() {
      const first = 0x52e4_a40f_a8db
      for (const [closeCode, code] of [[7, 7], [first, 0], [first + 7, 7], [first + 29, 29], [first + 31, 30]]) {
        const { fake, session } = yield* ready
        fake.whenClosed.resolve({ closeCode, reason: "" })
        expect((yield* session.closed).closeCode).toBe(code)
      }
    }))

  it.scoped("fail what waits for a platform that says nothing more", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      const opening = yield* Effect.fork(session.createBidirectionalStream())
      yield* tick
      const other = yield* Effect.fork(session.createBidirectionalStream())
      yield* tick
      fake.created[0]!.resolve(new FakeStream())
      const stream = yield* Fiber.join(opening)
      const reading = yield* Effect.fork(stream.read)
      const accepting = yield* Effect.fork(session.acceptBidirectionalStream)
      const receiving = yield* Effect.fork(session.datagrams.receive)
      yield* tick
      fake.whenClosed.resolve({ closeCode: 1, reason: "over" })
      for (const fiber of [other, reading, accepting, receiving]) {
        expect(failure(yield* Fiber.await(fiber as Fiber.Fiber<unknown, WebTransportError>)).reason).toBe(
          "SessionClosed"
        )
      }
      yield* stream.lost
    }))

  it.scoped("await endings for a second, and the closing for half of one, at most", () =>
    Effect.gen(function*() {
      const fake = new Fake(url)
      fake.whenReady.resolve()
      fake.close = (info) => void fake.closes.push(info)
      const readable = new ReadableStream<Uint8Array>({ cancel: () => new Promise(() => {}) })
      fake.create = () => Promise.resolve(Object.assign(new FakeStream(), { readable }))
      const using = Effect.gen(function*() {
        const session = yield* WebTransport.fromNative(fake, { closeInfo: { reason: "done" } })
        yield* Effect.scoped(session.createBidirectionalStream())
        expect(viewCore(session).ends.unconfirmed.size).toBe(1)
        return yield* Effect.fork(session.closed)
      }).pipe(Effect.scoped)
      const fiber = yield* Effect.fork(using)
      yield* tick
      yield* TestClock.adjust("999 millis")
      expect(fake.closes).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(fake.closes).toEqual([{ closeCode: 0, reason: "done" }])
      yield* tick
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(fiber)
    }))
})

describe("streams", () => {
  it.scoped("that the platform refuses by throwing fail to open", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      expect(failure(yield* Effect.exit(session.createUnidirectionalStream())).reason).toBe("StreamOpen")
      const errors = [
        [new DOMException("full", "QuotaExceededError"), "StreamLimit"],
        [new DOMException("full", "NetworkError"), "StreamLimit"],
        [
          new RangeError("Connection has reached the maximum number of concurrent outgoing bidirectional streams"),
          "StreamLimit"
        ],
        [new RangeError("Invalid array length"), "StreamOpen"],
        [undefined, "StreamOpen"]
      ] as const
      for (const [error, reason] of errors) {
        fake.create = () => {
          throw error
        }
        expect(failure(yield* Effect.exit(session.createBidirectionalStream())).reason).toBe(reason)
      }
    }))

  it.scoped("are asked for with the options that were given", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      fake.create = () => Promise.resolve(new FakeStream())
      yield* session.createBidirectionalStream()
      yield* session.createBidirectionalStream({ sendOrder: 3 })
      yield* session.createBidirectionalStream({ waitUntilAvailable: true, sendOrder: undefined })
      expect(fake.streamOptions).toEqual([undefined, { sendOrder: 3 }, { waitUntilAvailable: true }])
    }))

  it.scoped("that settle late are destroyed", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      const fiber = yield* Effect.fork(session.createBidirectionalStream())
      yield* tick
      yield* Fiber.interrupt(fiber)
      const late = new FakeStream()
      fake.created[0]!.resolve(late)
      yield* tick
      expect(late.cancelled.length).toBe(1)
      expect(late.aborted.length).toBe(1)
      expect(viewCore(session).ends.unconfirmed.size).toBe(0)
    }))

  it.scoped("end by cancel and close in this order, or by cancel and abort after a failure", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      const native = new FakeStream()
      fake.create = () => Promise.resolve(native)
      yield* Effect.scoped(session.createBidirectionalStream())
      yield* tick
      expect(native.order).toEqual(["cancel", "close"])
      const failed = new FakeStream()
      fake.create = () => Promise.resolve(failed)
      yield* Effect.exit(Effect.scoped(Effect.andThen(session.createBidirectionalStream(), Effect.fail("no"))))
      yield* tick
      expect(failed.order).toEqual(["cancel", "abort"])
      const reset = new FakeStream()
      fake.create = () => Promise.resolve(reset)
      yield* Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => stream.reset(42)))
      yield* tick
      expect(reset.order).toEqual(["cancel", "abort"])
      expect(reset.aborted[0]).toMatchObject({ code: 42, streamErrorCode: 42 })
    }))

  it.scoped("copy what is written where the platform goes on using it, also where it is a Buffer", () =>
    Effect.gen(function*() {
      const fake = new Fake(url)
      fake.whenReady.resolve()
      const session = yield* WebTransport.fromNative(fake)
      const written: Array<Uint8Array> = []
      const writable = new WritableStream<Uint8Array>({ write: (chunk) => void written.push(chunk) })
      fake.create = () => Promise.resolve(Object.assign(new FakeStream(), { writable }))
      const stream = yield* session.createBidirectionalStream()
      for (const buffer of [Uint8Array.of(1), Buffer.of(1)]) {
        yield* stream.write(buffer)
        yield* session.datagrams.send(buffer)
        buffer[0] = 2
      }
      expect([...written, ...fake.sent].map((bytes) => bytes[0])).toEqual([1, 1, 1, 1])
    }).pipe(
      Effect.provideService(WebTransport.WebTransportConstructor, {
        construct: () => new Fake(url),
        retainsWrites: true
      })
    ))

  it.scoped("give what came before they broke", () =>
    Effect.gen(function*() {
      const { fake, session } = yield* ready
      const native = new FakeStream()
      fake.create = () => Promise.resolve(native)
      const stream = yield* session.createBidirectionalStream()
      native.incoming.enqueue(new Uint8Array(0))
      native.incoming.enqueue(Uint8Array.of(1, 2))
      yield* tick
      native.incoming.error(new Error("reset"))
      yield* stream.lost
      expect(yield* stream.readExactly(2)).toEqual(Uint8Array.of(1, 2))
      expect(failure(yield* Effect.exit(stream.read)).reason).toBe("Read")
    }))
})

describe("streams that break a moment before their session says that it has ended", () => {
  const errors: Record<string, unknown> = {
    "Chromium": Object.assign(new Error("The session is closed."), { source: "session" }),
    "@moq/web-transport": new Error("session error: webtransport error: closed: code=7 reason=bye"),
    // Firefox does not say so, and tells the end of the session one timer turn later
    "Firefox": new TypeError("Error in input stream")
  }
  for (const [platform, error] of Object.entries(errors)) {
    const isFirefox = platform === "Firefox"
    it.scoped(`say that it is the session's end, as ${platform} does, and those that come in end in order`, () =>
      Effect.gen(function*() {
        if (isFirefox) yield* inFirefox
        const { fake, session } = yield* ready
        const native = new FakeStream()
        fake.create = () => Promise.resolve(native)
        const stream = yield* session.createBidirectionalStream()
        const reading = yield* Effect.fork(stream.read)
        const incoming = yield* Effect.fork(Effect.scoped(Stream.runCount(session.incomingBidirectionalStreams)))
        yield* tick
        const end = () => fake.close({ closeCode: 7, reason: "bye" })
        if (isFirefox) setTimeout(end, 0)
        native.incoming.error(error)
        fake.incoming.error(error)
        expect(failure(yield* Fiber.await(reading)).reason).toBe("SessionClosed")
        fake.create = () => Promise.reject(error)
        expect(failure(yield* Effect.exit(session.createBidirectionalStream())).reason).toBe("SessionClosed")
        end()
        expect(yield* Fiber.join(incoming)).toBe(0)
      }))
  }
})
