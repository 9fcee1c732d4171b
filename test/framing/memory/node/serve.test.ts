/** The details of serving requests that no real server shows: single writes, scopes, interruption, what is not read. */
import { makeDeferred } from "#effect/deferred"
import * as Cause from "#test/Cause"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Either from "#test/Either"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as Framing from "effect-pools/Framing"
import type { FramingError } from "effect-pools/FramingError"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Deferred from "effect/Deferred"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concat } from "../../../support/bytes.js"
import { withLogs } from "../../../support/logs.js"
import { soon } from "../../../support/soon.js"
import { bytes, quiet, silentSession, type StreamInMemory, text } from "../../../support/streams.js"
import { assert, describe, it } from "../../../support/vitest.js"

const frame = (message: Uint8Array | string, id: number) =>
  Either.getOrThrow(Framing.encode(typeof message === "string" ? bytes(message) : message, { id }))

/** What the peer has received, as ids and texts. */
const answersOf = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<readonly [id: number, message: string]> =>
  Effect.runSync(
    Stream.fromIterable(chunks).pipe(
      Framing.decode(),
      Stream.map((payload) => {
        const { id, message } = Either.getOrThrow(Framing.splitId(payload))
        return [id, text(message)] as const
      }),
      Stream.runCollect,
      Effect.map((all) => [...all])
    )
  )

type Failure = FramingError | WebTransportError

/** A stream that is served, and its client. */
const serving = <R>(
  handler: Parameters<typeof Framing.serve<R>>[1],
  options?: Framing.ServeOptions
) =>
  Effect.gen(function*() {
    const { open, server } = yield* silentSession()
    const client: StreamInMemory = yield* open
    const fiber = yield* Effect.fork(Framing.serve(client.stream, handler, options))
    yield* quiet
    const ask = (...requests: ReadonlyArray<readonly [id: number, message: string]>) =>
      Effect.andThen(
        Effect.sync(() => client.send(concat(requests.map(([id, message]) => frame(message, id))))),
        quiet
      )
    return { ...client, ask, fiber, server }
  })

const reasonOf = (exit: Exit.Exit<void, Failure>) =>
  Exit.isSuccess(exit) ? "Success" : Option.match(Cause.failureOption(exit.cause), {
    onNone: () => String(exit),
    onSome: ({ reason }) => reason
  })

const ended = (fiber: Fiber.Fiber<void, Failure>) => soon(Effect.map(Fiber.await(fiber), reasonOf))

/** Requests that run until they are told to answer, and what became of each. */
const gated = () => {
  const gates = new Map<string, Deferred.Deferred<Uint8Array>>()
  const scopes: Array<string> = []
  const gate = (request: string) => {
    let one = gates.get(request)
    if (one === undefined) gates.set(request, one = makeDeferred<Uint8Array>())
    return one
  }
  return {
    /** The requests whose scopes have closed, and how. */
    scopes,
    open: (request: string, answer: Uint8Array = bytes(request)) =>
      Effect.andThen(Deferred.succeed(gate(request), answer), quiet),
    handler: (message: Uint8Array) => {
      const request = text(message)
      return Effect.andThen(
        Effect.addFinalizer((exit) => Effect.sync(() => scopes.push(`${request} ${exit._tag}`))),
        Deferred.await(gate(request))
      )
    }
  }
}

describe("answers", () => {
  it.scoped("of one turn of the event loop are one write", () =>
    Effect.gen(function*() {
      const { handler, open } = gated()
      const { ask, received } = yield* serving(handler)
      yield* ask([1, "a"], [2, "b"], [3, "c"])
      yield* Effect.all([open("b"), open("a")], { concurrency: 2 })
      yield* open("c")
      assert.deepStrictEqual(received.map((chunk) => answersOf([chunk])), [[[2, "b"], [1, "a"]], [[3, "c"]]])
    }))

  it.scoped("of handlers that are done at once are one write", () =>
    Effect.gen(function*() {
      const { ask, received } = yield* serving((request) => Effect.succeed(request))
      const requests = Array.from({ length: 100 }, (_, i) => [i, `request ${i}`] as const)
      yield* ask(...requests)
      assert.lengthOf(received, 1)
      assert.deepStrictEqual(answersOf(received), requests)
    }))

  it.scoped("of a stream come in its order, those of one group in one write", () =>
    Effect.gen(function*() {
      const { ask, received } = yield* serving(() => Stream.map(Stream.range(1, 6, 3), (i) => bytes(String(i))))
      yield* ask([7, "a"])
      assert.deepStrictEqual(answersOf(received), [1, 2, 3, 4, 5, 6].map((i) => [7, String(i)]))
      assert.isAtMost(received.length, 2)
    }))

  it.scoped("are copied when they are taken: the handler's scope may reuse their buffer", () =>
    Effect.gen(function*() {
      const { ask, received } = yield* serving((request) =>
        Effect.acquireRelease(Effect.succeed(request), (buffer) => Effect.sync(() => buffer.fill(0)))
      )
      yield* ask([1, "hello"])
      assert.deepStrictEqual(answersOf(received), [[1, "hello"]])
    }))

  it.scoped("wait while 64 KiB of them wait for the transport, and so does the request's scope", () =>
    Effect.gen(function*() {
      const { handler, open, scopes } = gated()
      const { ask, peer, received } = yield* serving(handler)
      yield* ask([1, "a"], [2, "b"], [3, "c"], [4, "d"])
      yield* peer.stall
      const large = new Uint8Array(64 * 1024)
      for (const request of ["a", "b", "c", "d"]) yield* open(request, large)
      // the transport has accepted the first, and the second fills the room
      assert.deepStrictEqual(scopes, ["a Success", "b Success"])
      yield* peer.resume
      yield* quiet
      assert.deepStrictEqual(scopes, ["a Success", "b Success", "c Success", "d Success"])
      assert.deepStrictEqual(answersOf(received).map(([id]) => id), [1, 2, 3, 4])
    }))
})

describe("a request", () => {
  it.scoped("has a scope of its own, which closes when its answer is taken", () =>
    Effect.gen(function*() {
      const { handler, open, scopes } = gated()
      const { ask } = yield* serving(handler)
      yield* ask([1, "a"], [2, "b"])
      assert.deepStrictEqual(scopes, [])
      yield* open("b")
      assert.deepStrictEqual(scopes, ["b Success"])
      yield* open("a")
      assert.deepStrictEqual(scopes, ["b Success", "a Success"])
    }))

  it.scoped("is handled with the services of the fiber that serves", () => {
    class Name extends Context.Tag("effect-pools/test/Name")<Name, string>() {}
    return Effect.gen(function*() {
      const { ask, received } = yield* serving(() => Effect.map(Name, bytes))
      yield* ask([1, "a"])
      assert.deepStrictEqual(answersOf(received), [[1, "the name"]])
    }).pipe(Effect.provideService(Name, "the name"))
  })

  it.scoped("is in its own buffer", () =>
    Effect.gen(function*() {
      const requests: Array<Uint8Array> = []
      const { ask } = yield* serving((request) => {
        requests.push(request)
        return Effect.never
      })
      yield* ask([1, "a"], [2, "b"])
      requests[0]!.fill(0)
      assert.deepStrictEqual(requests.map(text), ["\0", "b"])
      assert.notStrictEqual(requests[0]!.buffer, requests[1]!.buffer)
    }))
})

describe("reading", () => {
  it.scoped("stops at the limits, and goes on when a request has ended", () =>
    Effect.gen(function*() {
      const { handler, open } = gated()
      const { ask, fiber, internals, peer, received } = yield* serving(handler, { concurrency: 1, maxBuffered: 4 })
      yield* ask([1, "a"])
      yield* ask([2, "b"], [3, "c"])
      assert.isTrue(internals.isInboxEmpty)
      yield* ask([4, "d"])
      yield* ask([5, "e"])
      assert.isFalse(internals.isInboxEmpty)
      for (const request of ["a", "b", "c", "d", "e"]) yield* open(request)
      assert.isTrue(internals.isInboxEmpty)
      yield* peer.finish
      assert.strictEqual(yield* ended(fiber), "Success")
      assert.deepStrictEqual(answersOf(received).map(([id]) => id), [1, 2, 3, 4, 5])
    }))

  it.scoped("that has stopped does not hide that the client is gone", () =>
    Effect.gen(function*() {
      const { handler, scopes } = gated()
      const { ask, fiber, internals, peer } = yield* serving(handler, { concurrency: 1, maxBuffered: 0 })
      yield* ask([1, "a"])
      yield* ask([2, "b"])
      assert.isFalse(internals.isInboxEmpty)
      yield* peer.reset
      assert.strictEqual(yield* ended(fiber), "Read")
      assert.deepStrictEqual(scopes, ["a Failure"])
    }))
})

describe("the end", () => {
  it.scoped("is a FIN when the client has finished and everything is answered", () =>
    Effect.gen(function*() {
      const { handler, open } = gated()
      const { ask, fiber, peer, received } = yield* serving(handler)
      yield* ask([1, "a"])
      yield* peer.finish
      yield* quiet
      assert.strictEqual(peer.sending, "Open")
      yield* open("a")
      assert.strictEqual(yield* ended(fiber), "Success")
      assert.strictEqual(peer.sending, "Finished")
      assert.deepStrictEqual(answersOf(received), [[1, "a"]])
    }))

  const ends: ReadonlyArray<
    readonly [
      what: string,
      reason: string,
      end: (client: Effect.Success<ReturnType<typeof serving<Scope.Scope>>>) => Effect.Effect<unknown>
    ]
  > = [
    ["the client resets its half", "Read", ({ peer }) => peer.reset],
    ["the client reads no more", "Write", ({ peer }) => peer.stopSending],
    ["the client reads no more, after its FIN", "Write", ({ peer }) => Effect.andThen(peer.finish, peer.stopSending)],
    ["the session dies", "SessionClosed", ({ server }) => server.die],
    [
      "the session dies after the client's FIN",
      "SessionClosed",
      ({ peer, server }) => Effect.andThen(Effect.andThen(peer.finish, quiet), server.die)
    ],
    ["the client sends no frames", "Malformed", ({ send }) => Effect.sync(() => send(Uint8Array.of(0)))]
  ]
  for (const [what, reason, end] of ends) {
    it.scoped(`interrupts the handlers and resets the stream when ${what}`, () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const { handler, scopes } = gated()
          const client = yield* serving(handler)
          yield* client.ask([1, "a"], [2, "b"])
          yield* end(client)
          assert.strictEqual(yield* ended(client.fiber), reason)
          assert.deepStrictEqual(scopes, ["a Failure", "b Failure"])
          yield* quiet
          assert.notStrictEqual(client.peer.sending, "Open")
          assert.deepStrictEqual(logs.filter(({ annotations }) => annotations["package"] !== undefined), [])
        })
      ))
  }

  it.scoped("waits for the handlers, and interruption does too", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { ask, fiber, peer } = yield* serving(() =>
        Effect.andThen(Effect.addFinalizer(() => Deferred.await(gate)), Effect.never)
      )
      yield* ask([1, "a"])
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* quiet
      assert.isTrue(Option.isNone(yield* Fiber.poll(interruption)))
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Exit.isInterrupted(yield* soon(Fiber.join(interruption))))
      yield* quiet
      assert.strictEqual(peer.sending, "Reset")
      assert.isTrue(peer.isCancelled)
    }))

  it.scoped("leaves no handler behind, wherever the interruption comes", () =>
    Effect.gen(function*() {
      for (let budget = 13; budget <= 64; budget++) {
        let running = 0
        const { open } = yield* silentSession()
        const { received, send, stream } = yield* open
        const serve = Framing.serve(stream, (request) =>
          Effect.andThen(
            Effect.acquireRelease(Effect.sync(() => running++), () => Effect.sync(() => running--)),
            request.length > 1 ? Effect.never : Effect.succeed(request)
          ))
        const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(serve, budget))
        send(concat([frame("a", 1), frame("stuck", 2), frame("b", 3)]))
        for (let turns = 0; turns < budget % 5; turns++) yield* Effect.yieldNow()
        if (budget % 2 === 0) yield* quiet
        yield* soon(Fiber.interrupt(fiber))
        assert.strictEqual(running, 0)
        // whole answers, or none
        answersOf(received)
      }
    }))
})

describe("a handler that fails", () => {
  const failing = (request: Uint8Array): Effect.Effect<Uint8Array> => {
    switch (text(request)) {
      case "die":
        return Effect.dieMessage("a bug")
      case "interrupt":
        return Effect.interrupt
      case "no bytes":
        return Effect.succeed("text" as unknown as Uint8Array)
      case "fail":
        return Effect.fail("an error") as unknown as Effect.Effect<never>
      default:
        return Effect.succeed(request)
    }
  }

  for (const request of ["die", "interrupt", "no bytes", "fail"]) {
    it.scoped(`(${request}) is logged, once`, () =>
      withLogs((logs) =>
        Effect.gen(function*() {
          const { ask, fiber, peer, received } = yield* serving(failing)
          yield* ask([1, request], [2, "a"])
          yield* peer.finish
          assert.strictEqual(yield* ended(fiber), "Success")
          assert.deepStrictEqual(answersOf(received), [[2, "a"]])
          assert.deepStrictEqual(
            logs.map(({ annotations, level, message }) => ({ annotations, level, message: message.split(",")[0] })),
            [{
              annotations: { package: "effect-pools", module: "Framing", event: "HandlerFailure" },
              level: "WARN",
              message: "the handler of a request failed; the request gets no answer"
            }]
          )
        })
      ))
  }

  it.scoped("after its answer, in a finalizer, has answered", () =>
    withLogs((logs) =>
      Effect.gen(function*() {
        const { ask, fiber, peer, received } = yield* serving(
          (request) => Effect.as(Effect.addFinalizer(() => Effect.dieMessage("a bug")), request),
          { correlate: false }
        )
        yield* ask([1, "a"], [2, "b"])
        yield* peer.finish
        assert.strictEqual(yield* ended(fiber), "Success")
        assert.deepStrictEqual(answersOf(received), [[1, "a"], [2, "b"]])
        assert.deepStrictEqual(logs.map(({ message }) => message.split(",")[0]), [
          "a finalizer of a request failed after the answer"
        ])
      })
    ))

  it.scoped("again and again is logged at once, then once a minute, with the latest cause and the number between", () =>
    Effect.suspend(() => {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.jsonLogger, (line) => void lines.push(line))
      return Effect.gen(function*() {
        const dies = (request: Uint8Array) => Effect.dieMessage(text(request))
        const { ask } = yield* serving(dies)
        yield* ask([1, "first"], [2, "second"])
        // a broken handler breaks the requests of all streams
        const other = yield* serving(dies)
        yield* other.ask([1, "third"])
        yield* TestClock.adjust("1 minute")
        yield* ask([3, "fourth"])
        assert.deepStrictEqual(lines.map((line) => JSON.parse(line).annotations.since), [undefined, 2])
        assert.include(lines[0], "first")
        assert.include(lines[1], "fourth")
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }))
})

describe("what makes no sense is a defect", () => {
  const died = <E>(effect: Effect.Effect<unknown, E>) =>
    Effect.map(
      Effect.exit(effect),
      (exit) => Exit.isFailure(exit) ? String(Option.getOrUndefined(Cause.dieOption(exit.cause))) : "success"
    )

  const echo = (request: Uint8Array) => Effect.succeed(request)

  it.scoped("an option", () =>
    Effect.gen(function*() {
      const { open } = yield* silentSession()
      const { stream } = yield* open
      const options: ReadonlyArray<readonly [options: Framing.ServeOptions, message: string]> = [
        [{ concurrency: 0 }, "RangeError: concurrency must be a whole number, at least 1, but was 0"],
        [{ concurrency: 1.5 }, "RangeError: concurrency must be a whole number, at least 1, but was 1.5"],
        [{ maxBuffered: -1 }, "RangeError: maxBuffered must be a whole number, at least 0, but was -1"],
        [{ maxBuffered: NaN }, "RangeError: maxBuffered must be a whole number, at least 0, but was NaN"]
      ]
      for (const [option, message] of options) {
        assert.strictEqual(yield* died(Framing.serve(stream, echo, option)), message)
      }
    }))

  it.scoped("a stream of a pool", () =>
    Effect.gen(function*() {
      const { session } = yield* silentSession()
      const pool = yield* StreamPool.make({ session })
      const stream = yield* pool.get
      assert.include(yield* died(Framing.serve(stream, echo)), "or it belongs to a pool")
    }))
})

describe("TestWebTransport.serve", () => {
  const connected = <A, E>(
    behaviour: TestWebTransport.Behaviours,
    test: (session: WebTransport.Session) => Effect.Effect<A, E, TestWebTransport.TestWebTransport | Scope.Scope>
  ) =>
    Effect.flatMap(WebTransport.connect("https://test/"), test).pipe(
      Effect.provide(TestWebTransport.layer(behaviour))
    )

  it.scoped("answers requests by their ids, on the test's clock", () =>
    connected({
      onStream: TestWebTransport.serve((request) =>
        Effect.delay(Effect.succeed(request), `${text(request)} seconds` as "1 second")
      )
    }, (session) =>
      Effect.gen(function*() {
        const stream = yield* session.createBidirectionalStream()
        yield* Effect.forEach(["3", "1", "2"], (seconds, id) => Framing.write(stream, bytes(seconds), { id }))
        const next = Effect.map(
          Framing.read(stream),
          Option.map((payload) => answersOf([frame(payload.subarray(1), payload[0]!)])[0])
        )
        for (const answer of [[1, "1"], [2, "2"], [0, "3"]] as const) {
          const fiber = yield* Effect.fork(next)
          yield* quiet
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* Fiber.join(fiber), Option.some(answer))
        }
        yield* stream.closeWrite
        assert.deepStrictEqual(yield* next, Option.none())
      })))

  it.scoped("answers the requests of a StreamPool, with and without ids", () =>
    connected(
      { onStream: TestWebTransport.serve((request) => Effect.succeed(request), { correlate: false }) },
      (session) =>
        Effect.gen(function*() {
          const pool = yield* StreamPool.make({ session })
          assert.strictEqual(text(yield* pool.request(bytes("a"))), "a")
          assert.strictEqual(text(yield* pool.request(bytes("b"))), "b")
        })
    ))

  it.scoped("resets the stream of a client that sends too much", () =>
    connected(
      { onStream: TestWebTransport.serve(() => Effect.never, { concurrency: 1, maxBuffered: 3 }) },
      (session) =>
        Effect.gen(function*() {
          const stream = yield* session.createBidirectionalStream()
          for (const id of [1, 2]) yield* Framing.write(stream, bytes("a"), { id })
          yield* quiet
          assert.isTrue(yield* Effect.isSuccess(Framing.write(stream, bytes("a"), { id: 3 })))
          yield* quiet
          assert.strictEqual((yield* Effect.flip(stream.read))._tag, "WebTransportError")
        })
    ))

  it.scoped("interrupts its handlers when the client goes away", () => {
    let interrupted = 0
    const handler = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    return connected({ onStream: TestWebTransport.serve(handler) }, (session) =>
      Effect.gen(function*() {
        const stream = yield* session.createBidirectionalStream()
        yield* Framing.write(stream, bytes("a"), { id: 1 })
        yield* quiet
        yield* stream.reset(0)
        yield* quiet
        assert.strictEqual(interrupted, 1)
      }))
  })
})
