/** Connections of HTTP/2 whose end Node does not tell, between the client and the server, through a proxy. */
import * as Effect from "#test/Effect"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
import * as WebTransport from "effect-pools/WebTransport"
import * as Stream from "effect/Stream"
import { EventEmitter } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { inject, vi } from "vitest"
import { endAtRepeat, endWhenDead } from "../../src/internal/platform/fails/deadConnections.js"
import { internals } from "../../src/internal/platform/fails/internals.js"
import { client } from "../support/implementation.js"
import { listen } from "../support/ports.js"
import { soon, until } from "../support/streamPools.js"
import { assert, it } from "../support/vitest.js"

/** Passes bytes on; resets all connections on both sides. */
const startProxy = (target: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const sockets = new Set<Socket>()
        const server = await listen(
          createServer((from) => {
            const to = connect(target, "127.0.0.1")
            for (const [a, b] of [[from, to], [to, from]] as const) {
              sockets.add(a)
              a.on("error", () => {})
              a.pipe(b)
            }
          }),
          0
        )
        const resetAll = () => {
          for (const socket of sockets) socket.resetAndDestroy()
          sockets.clear()
        }
        return { port: (server.address() as AddressInfo).port, resetAll, server }
      }),
      ({ resetAll, server }) =>
        Effect.sync(() => {
          resetAll()
          server.close()
        })
    ),
    ({ port, resetAll }) => ({ port, resetAll })
  )

/** A client that pings without pause, so that both sides always write control frames. */
const pinging = Effect.map(WebTransport.WebTransportConstructor, (constructor) => ({
  ...constructor,
  construct: (...input: Parameters<typeof constructor.construct>) => {
    const native = constructor.construct(...input)
    const http2 = internals(native)!.client as unknown as {
      readonly destroyed: boolean
      ping(then: () => void): boolean
      once(event: "connect", listener: () => void): void
    }
    http2.once("connect", () => {
      const timer = setInterval(() => http2.destroyed ? clearInterval(timer) : http2.ping(() => {}), 2)
    })
    return native
  }
}))

const period = 251
/** Its bytes go on in the next one. */
const chunk = Uint8Array.from({ length: 80 * period }, (_, i) => i % period)

if (inject("protocol") === "http2") {
  it.live("client and server notice a reset that comes while they write, and get no wrong byte", () =>
    Effect.gen(function*() {
      let wrong = 0
      const inOrder = () => {
        let at = 0
        return (bytes: Uint8Array) =>
          Effect.sync(() => {
            for (const byte of bytes) if (byte !== at++ % period) wrong++
          })
      }
      const server = yield* NodeWebTransportServer.make({ certificate: "self-signed" })
      let atServer = 0
      yield* Effect.fork(server.serve((session) =>
        Effect.acquireUseRelease(
          Effect.sync(() => atServer++),
          () => session.serveStreams((stream) => Stream.run(Stream.tap(stream.stream, inOrder()), stream.sink)),
          () => Effect.sync(() => atServer--)
        )
      ))
      const proxy = yield* startProxy(server.address.port)
      const serverCertificateHashes = [{ value: server.certificateHash }]
      const open = Effect.gen(function*() {
        const session = yield* WebTransport.connect(`https://127.0.0.1:${proxy.port}/`, { serverCertificateHashes })
        const stream = yield* session.createBidirectionalStream()
        return { session, stream }
      }).pipe(Effect.provideServiceEffect(WebTransport.WebTransportConstructor, pinging))
      for (let round = 0; round < 2; round++) {
        const opened = yield* Effect.replicateEffect(open, 10)
        yield* until(Effect.sync(() => atServer), (n) => n === 10)
        for (const { stream } of opened) {
          yield* Effect.fork(Effect.forever(stream.write(chunk)))
          yield* Effect.fork(Stream.runForEach(stream.stream, inOrder()))
        }
        yield* Effect.sleep(20 + 20 * round)
        proxy.resetAll()
        yield* until(
          Effect.forEach(opened, ({ session }) => session.isOpen),
          (open) => !open.includes(true)
        )
        yield* until(Effect.sync(() => atServer), (n) => n === 0)
      }
      assert.strictEqual(wrong, 0)
    }).pipe(Effect.scoped, Effect.provide(client), soon))
}

it("a connection ends that was silent for 30 seconds, and no other", () => {
  vi.useFakeTimers()
  try {
    const errors: Array<string> = []
    const socket = Object.assign(new EventEmitter(), {
      bytesRead: 0,
      _handle: { getpeername: () => 0 },
      destroy: (error: Error) => {
        errors.push(error.message)
        socket.emit("close")
      }
    })
    endWhenDead({ socket })
    for (let second = 0; second < 100; second++) {
      socket.bytesRead += second % 30 === 0 ? 1 : 0
      vi.advanceTimersByTime(1_000)
    }
    // the latest byte came 9 seconds ago
    vi.advanceTimersByTime(20_000)
    assert.deepStrictEqual(errors, [])
    vi.advanceTimersByTime(1_000)
    assert.deepStrictEqual(errors, ["nothing came on the connection for 30 seconds"])
    assert.strictEqual(vi.getTimerCount(), 0)
  } finally {
    vi.useRealTimers()
  }
})

it("a stream ends at bytes that Node gives it again", () => {
  const events: Array<string> = []
  const stream = {
    push: (chunk: Uint8Array | null) => {
      events.push(chunk === null ? "end" : Buffer.from(chunk).toString())
      return true
    },
    destroy: (error?: Error) => {
      events.push(error!.message)
    }
  }
  endAtRepeat(stream)
  const read = new TextEncoder().encode("0123456789")
  for (const [from, to] of [[1, 3], [4, 8]]) stream.push(read.subarray(from, to))
  stream.push(read.slice(0, 2))
  stream.push(null)
  stream.push(read.subarray(4, 8))
  assert.deepStrictEqual(events, ["12", "4567", "01", "end", "4567"])
  events.length = 0
  stream.push(read.subarray(4, 8))
  assert.deepStrictEqual(events, ["Node gave bytes of the session twice"])
})
