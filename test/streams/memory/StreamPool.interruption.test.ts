/** Interruption at every point of every verb: no place, stream, waiter or fiber is left, and no answers are mixed up. */
import * as Cause from "#test/Cause"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { fiberCount } from "#test/fibers"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Scope from "#test/Scope"
import * as Socket from "#test/Socket"
import * as Framing from "effect-pools/Framing"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ByteStream } from "../../../src/internal/transport/byteStream.js"
import { viewCore } from "../../../src/internal/transport/session.js"
import { isClean } from "../../support/isClean.js"
import { withLogs } from "../../support/logs.js"
import { settle } from "../../support/pool.js"
import { sampled } from "../../support/sampled.js"
import { bytes, echo, soon, text, turn, until } from "../../support/streamPools.js"
import { assert, describe, it } from "../../support/vitest.js"

/** With fewer ops before a yield Effect 3 itself makes no progress. */
const budgets = sampled(Array.from({ length: 52 }, (_, i) => i + 13))
const pauses = [0, 1, 3, 8, 21, 55]

/** Calls `f` after a number of microtasks. */
const later = (microtasks: number, f: () => void): void => {
  if (microtasks === 0) f()
  else queueMicrotask(() => later(microtasks - 1, f))
}

const paused = Effect.andThen(turn, settle)

type Peer = TestWebTransport.ServerStream

const isEnded = ({ isCancelled, sending }: Peer): boolean => isCancelled && sending !== "Open"

const isUntouched = ({ isCancelled, sending }: Peer): boolean => !isCancelled && sending === "Open"

/** Echoes all chunks, except dirt and large ones, and leaves the end to the client. */
const answer = (peer: Peer): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    peer.read,
    Option.match({
      onNone: () => Effect.void,
      onSome: (message) => {
        const isAnswered = !text(message).startsWith("dirt") && message.length <= 1000
        return Effect.andThen(isAnswered ? peer.write(message) : Effect.void, Effect.suspend(() => answer(peer)))
      }
    })
  )

/** A session, the peers of its streams, a pool of two streams on it, and a scope to close. */
const makePool = (
  options: StreamPool.Options = {},
  behaviour: Omit<TestWebTransport.Behaviour, "onStream"> = {},
  spy: (constructor: WebTransport.ConstructorService) => WebTransport.ConstructorService = identity
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const peers: Array<Peer> = []
    const context = yield* Layer.buildWithScope(
      TestWebTransport.layer({
        ...behaviour,
        onStream: (peer) => {
          peers.push(peer)
          return answer(peer)
        }
      }),
      scope
    )
    const session = yield* WebTransport.connect("https://test/").pipe(
      Effect.provideService(
        WebTransport.WebTransportConstructor,
        spy(Context.get(context, WebTransport.WebTransportConstructor))
      ),
      Scope.extend(scope)
    )
    const pool = yield* Scope.extend(StreamPool.make({ session, maxSize: 2, ...options }), scope)
    return { scope, peers, session, pool }
  })

/** Not `zip` or `raceFirst`: in effect 3.22 they wait for ever if they are interrupted just before they start their fibers. */
const beside = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  f: (fiber: Fiber.RuntimeFiber<A, E>) => Effect.Effect<B, E2>
) => Effect.acquireUseRelease(Effect.fork(Effect.interruptible(effect)), f, Fiber.interrupt)

/** What a borrower does; the test interrupts it at some point. */
const verbs: Record<string, (pool: StreamPool.Service) => Effect.Effect<unknown, unknown>> = {
  use: (pool) => pool.use((stream) => echo(stream, "hello")),
  "use of two exchanges": (pool) => pool.use((stream) => Effect.andThen(echo(stream, "hello"), echo(stream, "again"))),
  "use that fails": (pool) =>
    Effect.ignore(pool.use((stream) => Effect.andThen(echo(stream, "hello"), Effect.fail("no")))),
  "use that leaves bytes": (pool) =>
    pool.use((stream) => Effect.andThen(stream.write(bytes("hello")), stream.readExactly(1))),
  "use that closes": (pool) => pool.use((stream) => Effect.andThen(echo(stream, "hello"), stream.closeWrite)),
  "use that reads first": (pool) =>
    pool.use((stream) =>
      beside(
        stream.readExactly(5),
        (reading) =>
          Effect.yieldNow().pipe(Effect.andThen(stream.write(bytes("hello"))), Effect.andThen(Fiber.join(reading)))
      )
    ),
  get: (pool) => Effect.scoped(Effect.flatMap(pool.get, (stream) => echo(stream, "hello"))),
  tryGet: (pool) =>
    Effect.andThen(
      pool.use((stream) => echo(stream, "hello")),
      Effect.scoped(
        Effect.flatMap(pool.tryGet, (stream) => Option.isSome(stream) ? echo(stream.value, "again") : Effect.yieldNow())
      )
    ),
  acquire: (pool) =>
    Effect.acquireUseRelease(pool.acquire, ({ value }) => echo(value, "hello"), (lease, exit) => lease.release(exit)),
  request: (pool) => pool.request(bytes("hello")),
  "request with an id": (pool) => pool.request(bytes("hello"), { correlate: true }),
  requestStream: (pool) => Stream.runDrain(pool.requestStream(bytes("hello"), { isLast: () => true })),
  "requestStream, given up": (pool) => Stream.runDrain(Stream.take(pool.requestStream(bytes("hello")), 1)),
  socket: (pool) =>
    Effect.flatMap(Effect.map(pool.makeSocket, Socket.runner), (socket) =>
      beside(
        Effect.ignore(socket.run(() => Effect.fail("done"))),
        () => Effect.scoped(Effect.flatMap(socket.writer, (write) => write("hello")))
      )),
  "socket, and use": (pool) =>
    Effect.andThen(
      pool.use((stream) => echo(stream, "hello")),
      Effect.ignore(
        Effect.flatMap(pool.makeSocket, (socket) => Socket.runner(socket).run(() => {}, { onOpen: Effect.interrupt }))
      )
    ),
  "clear, and use": (pool) => Effect.andThen(pool.clear, pool.use((stream) => echo(stream, "hello")))
}

const sweep = (verb: (pool: StreamPool.Service) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    let acquisitions = 0
    let opened = 0
    for (const budget of budgets) {
      for (const pause of pauses) {
        const where = `budget ${budget}, pause ${pause}`
        const fibers = yield* fiberCount
        const run = Effect.gen(function*() {
          const { peers, pool, scope, session } = yield* makePool()
          // enough borrowers that some wait
          const borrowers = yield* Effect.replicateEffect(
            Effect.fork(Effect.withMaxOpsBeforeYield(Effect.forever(verb(pool)), budget)),
            4
          )
          yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
          yield* Fiber.interruptAll(borrowers)
          yield* paused
          const stats = yield* pool.stats
          assert.deepInclude(stats, { leases: 0, inUse: 0, waiters: 0, creating: 0, closing: 0 }, where)
          acquisitions += stats.acquisitions
          opened += peers.length
          assert.deepInclude((yield* pool.sessions)[0], { streams: stats.size, inUse: 0 }, where)
          assert.lengthOf(peers.filter(isUntouched), stats.size, where)
          assert.lengthOf(peers.filter(isEnded), peers.length - stats.size, where)
          assert.isTrue([...viewCore(session).streams].every((stream) => isClean(stream)), where)
          assert.strictEqual(viewCore(session).openings.size, 0, where)
          // every place is free: all can be borrowed at once
          const next = Effect.flatMap(pool.get, (stream) => echo(stream, "next"))
          assert.deepStrictEqual(
            yield* soon(Effect.scoped(Effect.all([next, next], { concurrency: 2 }))),
            ["next", "next"],
            where
          )
          yield* Scope.close(scope, Exit.void)
          yield* paused
          assert.lengthOf(peers.filter(isEnded), peers.length, where)
        })
        yield* fibers.within(run)
        yield* paused
        assert.strictEqual(yield* fibers.running, 0, `${where}: fibers left`)
      }
    }
    return { acquisitions, opened }
  })

/** Padding: adds steps, so that the fiber yields at each of the following steps in turn. */
const pad = (steps: number): Effect.Effect<void> =>
  steps === 0 ? Effect.void : Effect.flatMap(Effect.void, () => pad(steps - 1))

describe("StreamPool, interrupted anywhere", () => {
  for (const [name, verb] of Object.entries(verbs)) {
    it.live(name, () =>
      Effect.map(sweep(verb), ({ acquisitions, opened }) => {
        // the borrower was not always interrupted before it had a stream
        assert.isAbove(opened, budgets.length)
        assert.isAbove(acquisitions, budgets.length)
      }))
  }
})

/** Observes the step in which bytes are handed to the platform. */
const spyOnWrites = (
  onWrite: (stream: WebTransport.NativeBidirectionalStream, bytes: Uint8Array) => void
) =>
(constructor: WebTransport.ConstructorService): WebTransport.ConstructorService => ({
  ...constructor,
  construct: (...args) => {
    const native = constructor.construct(...args)
    const create = native.createBidirectionalStream.bind(native)
    native.createBidirectionalStream = async (...args) => {
      const stream = await create(...args)
      const getWriter = stream.writable.getWriter.bind(stream.writable)
      stream.writable.getWriter = () => {
        const writer = getWriter()
        const write = writer.write.bind(writer)
        writer.write = (bytes) => {
          if (bytes !== undefined) onWrite(stream, bytes)
          return write(bytes)
        }
        return writer
      }
      return stream
    }
    return native
  }
})

/** A pool with room for one stream, which was used once; and a hook for every write. */
const usedPool = Effect.gen(function*() {
  const writes = { on: (_bytes: Uint8Array, _stream: ByteStream) => {} }
  const made: Effect.Success<ReturnType<typeof makePool>> = yield* makePool(
    { maxSize: 1 },
    {},
    spyOnWrites((native, bytes) => {
      const internals = [...viewCore(made.session).streams].find((stream) => stream.native === native)
      if (internals !== undefined) writes.on(bytes, internals)
    })
  )
  yield* made.pool.use((stream) => echo(stream, "hello"))
  return { ...made, writes }
})

describe("StreamPool, pausing anywhere", () => {
  const paddings = sampled(Array.from({ length: 20 }, (_, i) => i))

  it.live("never writes first on a stream on which something has come", () =>
    // an item that dies before a borrower succeeded with it is logged
    withLogs(() =>
      Effect.gen(function*() {
        const dirty: Array<string> = []
        let replaced = 0
        const write: Record<string, (stream: WebTransport.BidirectionalStream) => Effect.Effect<unknown, unknown>> = {
          write: (stream) => stream.write(bytes("hello")),
          message: (stream) => Framing.write(stream, bytes("hello")),
          "much at once": (stream) => stream.write(new Uint8Array(100_000))
        }
        for (const [name, first] of Object.entries(write)) {
          for (let budget = 13; budget < 20; budget++) {
            for (const steps of paddings) {
              for (const microtasks of [0, 1, 2, 3, 5, 8]) {
                const where = `${name}, budget ${budget}, ${steps} steps, ${microtasks} microtasks`
                const { peers, pool, scope, writes } = yield* usedPool
                writes.on = (_, stream) => {
                  if (!stream.receiver.inbox.isEmpty) dirty.push(where)
                }
                const borrower = pool.use((stream) => {
                  later(microtasks, () => Effect.runSync(peers[0]!.write(bytes("dirt"))))
                  return Effect.andThen(pad(steps), first(stream))
                })
                yield* Effect.withMaxOpsBeforeYield(borrower, budget)
                if (peers.length > 1) replaced++
                yield* Scope.close(scope, Exit.void)
              }
            }
          }
        }
        assert.deepStrictEqual(dirty, [])
        // some replacements came in time
        assert.isAbove(replaced, 5 * paddings.length)
      })
    ))

  it.live("never lets what a fiber of the last borrower does touch the next exchange", () =>
    Effect.gen(function*() {
      const leftover: Record<string, (stream: WebTransport.BidirectionalStream) => Effect.Effect<unknown, unknown>> = {
        write: (stream) => stream.write(bytes("dirt!")),
        "much at once": (stream) => stream.write(bytes("dirt!".repeat(1000))),
        message: (stream) => Framing.write(stream, bytes("dirt!".repeat(1000))),
        read: (stream) => stream.read,
        readExactly: (stream) => stream.readExactly(5),
        readMessage: (stream) => Framing.read(stream),
        closeWrite: (stream) => stream.closeWrite
      }
      const touched: Array<string> = []
      let refused = 0
      for (const [name, act] of Object.entries(leftover)) {
        for (let budget = 13; budget < 20; budget++) {
          for (const steps of paddings) {
            for (const yields of [0, 1]) {
              const where = `${name}, budget ${budget}, ${steps} steps, ${yields} yields`
              const { pool, scope, writes } = yield* usedPool
              let isOver = false
              writes.on = (written) => {
                if (isOver && text(written).includes("dirt")) touched.push(where)
              }
              const late = yield* pool.use((stream) =>
                Effect.andThen(stream.write(bytes("x")), stream.readExactly(1)).pipe(
                  Effect.andThen(Effect.withMaxOpsBeforeYield(
                    Effect.forkDaemon(Effect.exit(Effect.andThen(pad(steps), act(stream)))),
                    budget
                  )),
                  Effect.tap(Effect.replicateEffect(Effect.yieldNow(), yields + 1, { discard: true }))
                )
              )
              isOver = true
              assert.strictEqual(yield* soon(pool.use((stream) => echo(stream, "mine"))), "mine", where)
              const exit = yield* soon(Fiber.join(late))
              if (Exit.isFailure(exit) && String(exit).includes("returned to its pool")) refused++
              yield* Scope.close(scope, Exit.void)
            }
          }
        }
      }
      assert.deepStrictEqual(touched, [])
      // some were too late
      assert.isAbove(refused, 5 * paddings.length)
    }))
})

describe("StreamPool, when its streams are spoilt as they are handed over", () => {
  /** Hands the used stream to the waiter, and lets dirt come in the same moment. */
  const handOver = <A, E>(borrower: (pool: StreamPool.Service) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const { peers, pool, scope } = yield* usedPool
      const lease = yield* pool.acquire
      const fiber = yield* Effect.fork(borrower(pool))
      yield* until(pool.stats, ({ waiters }) => waiters === 1)
      yield* peers[0]!.write(bytes("dirt"))
      yield* lease.release()
      const answer = yield* soon(Fiber.join(fiber))
      yield* paused
      assert.lengthOf(peers, 2)
      const stats = yield* pool.stats
      assert.deepInclude(stats, { leases: 0, inUse: 0, waiters: 0 })
      assert.isTrue(isEnded(peers[0]!))
      yield* Scope.close(scope, Exit.void)
      return { answer, stats, replacement: peers[1]! }
    })

  it.live("gives a request another one, which goes on", () =>
    Effect.gen(function*() {
      const { answer, stats } = yield* handOver((pool) => Effect.map(pool.request(bytes("mine")), text))
      assert.strictEqual(answer, "mine")
      assert.deepInclude(stats, { idle: 1 })
    }))

  it.live("does not use that one again after a consumer that stopped early", () =>
    Effect.gen(function*() {
      const { stats } = yield* handOver((pool) =>
        Stream.runDrain(Stream.take(pool.requestStream(bytes("mine"), { isLast: () => false }), 1))
      )
      assert.deepInclude(stats, { size: 0 })
    }))

  it.live("uses it again after a consumer that went on to the last", () =>
    Effect.gen(function*() {
      const { stats } = yield* handOver((pool) =>
        Stream.runDrain(pool.requestStream(bytes("mine"), { isLast: () => true }))
      )
      assert.deepInclude(stats, { idle: 1 })
    }))
})

describe("StreamPool.make, at any step", () => {
  const at = (
    step: (pool: Fiber.RuntimeFiber<StreamPool.Service>, server: TestWebTransport.ServerSession) => Effect.Effect<void>
  ) =>
    Effect.gen(function*() {
      const { sessions } = yield* TestWebTransport.TestWebTransport
      for (const budget of budgets) {
        for (const pause of [0, 1, 2, 3, 5, 8, 13, 21]) {
          const session = yield* WebTransport.connect("https://test/")
          const pool = StreamPool.make({ session, minSize: 1 })
          const making = yield* Effect.fork(Effect.withMaxOpsBeforeYield(pool, budget))
          yield* Effect.replicateEffect(Effect.yieldNow(), pause + 1, { discard: true })
          yield* step(making, (yield* sessions).at(-1)!)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(TestWebTransport.layer()), Logger.withMinimumLogLevel(LogLevel.None))

  it.live("is interrupted without a defect", () =>
    at((making) =>
      Effect.map(Fiber.interrupt(making), (exit) => {
        assert.isTrue(Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause), String(exit))
      })
    ))

  it.live("takes it that its session ends", () =>
    at((making, server) =>
      Effect.gen(function*() {
        yield* server.die
        const pool = yield* soon(Effect.orDie(Fiber.join(making)))
        const { cause, reason } = yield* soon(Effect.flip(pool.request(bytes("hello"))))
        assert.deepInclude({ reason, ...cause }, { reason: "SessionClosed" })
      }).pipe(Effect.orDie)
    ))
})

describe("StreamPool, when it closes", () => {
  it.live("ends a read that waits for the first write", () =>
    Effect.gen(function*() {
      const { pool, scope } = yield* makePool({ shutdownGrace: 0 })
      const borrower = yield* Effect.fork(Effect.flip(pool.use((stream) => stream.read)))
      yield* until(pool.stats, ({ inUse }) => inUse === 1)
      yield* paused
      yield* soon(Scope.close(scope, Exit.void))
      assert.deepInclude(yield* soon(Fiber.join(borrower)), { reason: "StreamOpen" })
      assert.strictEqual((yield* pool.stats).leases, 0)
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
})

describe("StreamPool.makeSocket, when the pool closes", () => {
  it.live("ends a run that waits for a new stream in the place of a used one", () =>
    Effect.gen(function*() {
      const { pool, scope } = yield* makePool({ shutdownGrace: 0 }, { streamLimit: 2, creditBatch: Infinity })
      // both streams were used, one is lent, and the session grants no more
      yield* Effect.scoped(Effect.flatMap(Effect.all([pool.get, pool.get]), (streams) =>
        Effect.forEach(streams, (stream) =>
          echo(stream, "hello"))))
      const lease = yield* pool.acquire
      const run = yield* Effect.fork(Effect.flatMap(pool.makeSocket, (socket) =>
        Socket.runner(socket).run(() => {})))
      yield* until(pool.stats, ({ inUse }) => inUse === 2)
      yield* paused
      assert.isTrue(Option.isNone(yield* Fiber.poll(run)))
      yield* soon(Scope.close(scope, Exit.void))
      assert.include(String(yield* soon(Fiber.await(run))), "Open")
      yield* lease.release()
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
})
