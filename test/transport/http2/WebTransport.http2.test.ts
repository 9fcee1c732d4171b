/** The parts of a client that HTTP/2 shows: its TCP connections, its frames, and its internals. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Deferred from "effect/Deferred"
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2"
import type { AddressInfo } from "node:net"
import { createServer, type Server, type TLSSocket } from "node:tls"
import { isDeepStrictEqual } from "node:util"
import { internals } from "../../../src/internal/platform/fails/internals.js"
import * as WebTransport from "../../../src/WebTransport.js"
import { makeCertificate } from "../../support/certificate.js"
import { live, socketsClosed, startServer } from "../../support/implementation.js"
import { openSockets } from "../../support/sockets.js"
import { connect, failure, soon, until } from "../../support/streamPools.js"
import * as TestServer from "../../support/TestServer.js"
import { onTestClock, within } from "../../support/time.js"
import { expect, layer } from "../../support/vitest.js"
import { wideWindows, windowSettings, windowsOf } from "../../support/windows.js"

/** A TLS server that sends nothing by itself. */
const tlsServer = (onSocket: (socket: TLSSocket) => void, ALPNProtocols = ["h2"]) =>
  Effect.gen(function*() {
    const { cert, hash, key } = yield* Effect.promise(makeCertificate)
    const server = yield* Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        const server = createServer({ cert, key, ALPNProtocols }, onSocket)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    return { hash, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` }
  })

/** An HTTP/2 server without WebTransport, its first connection, and a signal when a client has received its settings. */
const http2Server = Effect.gen(function*() {
  const { cert, hash, key } = yield* Effect.promise(makeCertificate)
  const heard = yield* Deferred.make<void>()
  const connection = yield* Deferred.make<ServerHttp2Session>()
  const server = yield* Effect.acquireRelease(
    Effect.async<Http2SecureServer>((resume) => {
      const server = createSecureServer({ cert, key, remoteCustomSettings: Object.values(windowSettings) })
      server.on("session", (session) => {
        session.on("localSettings", () => Effect.runSync(Deferred.succeed(heard, undefined)))
        Effect.runSync(Deferred.succeed(connection, session))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  return {
    hash,
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    heard: Deferred.await(heard),
    connection: Deferred.await(connection)
  }
})

/** The types of the frames after a client's preface. */
const frameTypes = (bytes: Buffer): ReadonlyArray<number> => {
  const types: Array<number> = []
  for (let at = 24; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes.readUInt8(at + 3))
  return types
}

layer(live(), { excludeTestServices: true })("over HTTP/2", (it) => {
  it.scoped("a session closes when the connection breaks, and leaves no socket", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const before = yield* openSockets
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* connect(server, "/echo")
        yield* server.command("destroySockets")
        yield* soon(Effect.exit(session.closed))
      }))
      yield* socketsClosed(before, server)
    }))

  it.scoped("connect says that it met a server of another kind", () =>
    Effect.gen(function*() {
      const web = yield* tlsServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"), ["http/1.1"])
      const other = yield* http2Server
      const messageOf = ({ hash, url }: { readonly hash: Uint8Array<ArrayBuffer>; readonly url: string }) =>
        Effect.map(
          Effect.exit(WebTransport.connect(url, { serverCertificateHashes: [{ value: hash }] })),
          (exit) => failure(exit).message
        )
      expect(yield* soon(messageOf(web))).toContain("does not speak HTTP/2")
      const message = yield* Effect.fork(messageOf(other))
      yield* soon(other.heard)
      expect(yield* Fiber.join(message).pipe(within(10_000))).toContain("does not offer WebTransport")
    }).pipe(onTestClock))

  it.scoped("a client takes a large message without a round trip within it", () =>
    Effect.gen(function*() {
      const server = yield* http2Server
      const connecting = yield* Effect.fork(
        Effect.scoped(WebTransport.connect(server.url, { serverCertificateHashes: [{ value: server.hash }] }))
      )
      const granted = Effect.map(server.connection, windowsOf)
      yield* until(granted, (windows) => isDeepStrictEqual(windows, wideWindows))
      yield* Fiber.interrupt(connecting)
    }).pipe(soon))

  it.scoped("connect fails at once where the peer ends the connection before it says anything", () =>
    Effect.gen(function*() {
      const { hash, url } = yield* tlsServer((socket) => socket.end())
      const failed = yield* Effect.exit(WebTransport.connect(url, {
        serverCertificateHashes: [{ value: hash }],
        connectTimeout: "1 hour"
      }))
      expect(failure(failed).reason).toBe("Connect")
    }))

  // A Node server whose connection is only reset may keep its socket for ever.
  it.scoped("connect says goodbye on a connection that stands, when it is interrupted", () =>
    Effect.gen(function*() {
      const accepted = yield* Deferred.make<TLSSocket>()
      const { hash, url } = yield* tlsServer((socket) => Effect.runSync(Deferred.succeed(accepted, socket)))
      const fiber = yield* Effect.fork(
        Effect.scoped(WebTransport.connect(url, { serverCertificateHashes: [{ value: hash }] }))
      )
      const socket = yield* Deferred.await(accepted)
      const said = yield* Effect.fork(Effect.async<Buffer>((resume) => {
        const chunks: Array<Buffer> = []
        socket.on("data", (chunk) => chunks.push(chunk))
        socket.on("error", (error) => resume(Effect.die(error)))
        socket.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
      }))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      const goaway = 7
      expect(frameTypes(yield* Fiber.join(said)).at(-1)).toBe(goaway)
    }).pipe(soon))

  // Bun finishes the handshake of a destroyed socket, and the library throws an uncaught error
  it.scoped("an attempt that is given up before TLS stands hears nothing of it any more", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const service = yield* WebTransport.WebTransportConstructor
      const native = service.construct(server.silentUrl("/"), {}, 5000)
      native.ready.catch(() => {})
      native.closed.catch(() => {})
      // the socket behind a proxy that does not show `destroyed`
      const socket = internals(native)!.client.socket!.once("close", () => {}) as TLSSocket
      expect(socket.listenerCount("secureConnect")).toBeGreaterThan(0)
      service.abandon!(native)
      expect([socket.destroyed, socket.listenerCount("secureConnect")]).toEqual([true, 0])
    }))

  it.scoped("connect stays pinned to a client with the known internal shape", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const before = yield* openSockets
      const service = yield* WebTransport.WebTransportConstructor
      const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: server.hash }] }
      const native = service.construct(server.url("/echo"), options, 5000)
      native.ready.catch(() => {})
      native.closed.catch(() => {})
      const found = internals(native)!
      expect(found).toBeDefined()
      const { transportInt, webtransportProm, quicconnectedProm } = found.parent as any
      expect(found.client.constructor.name).toBe("ClientHttp2Session")
      expect(transportInt.clientInt).toBe(found.client)
      expect(found.client.connecting).toBe(true)
      // The callbacks for events of the whole session.
      const { drainingResolve, onClose, onGoAwayReceived } = (native as any).sessionint
      for (const one of [drainingResolve, onClose, onGoAwayReceived]) expect(one).toBeTypeOf("function")
      expect(Object.hasOwn(found.client, "request")).toBe(true)
      // The two waits that `abandon` ends.
      expect(quicconnectedProm.reject).toBeTypeOf("function")
      expect(webtransportProm.resolve).toBeTypeOf("function")
      // At the moment when it is connected, and its events are on their way.
      yield* Effect.async<void>((resume) => {
        found.client.socket!.once("secureConnect", () => {
          service.abandon!(native)
          resume(Effect.void)
        })
      })
      expect((found.client as any).destroyed).toBe(true)
      // The property that its pings check until the connection is gone.
      expect((found.client as any).closed).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => native.ready)))).toBe(true)
      yield* socketsClosed(before, server)
      // An object of another shape: no throw, only `close`.
      let closed = 0
      service.abandon!({ close: () => closed++ } as any)
      service.abandon!({ close: () => closed++, sessionint: { parentobj: { transportInt: {} } } } as any)
      expect(closed).toBe(2)
      // Over HTTP/3 an attempt is ended as the library ends it.
      const events: Array<unknown> = []
      const parentobj = {
        onClientConnected: (event: unknown) => events.push(event),
        onClientWebTransportSupport: () => {}
      }
      service.abandon!({ close: () => closed++, sessionint: { parentobj } } as any)
      expect(events).toEqual([{ success: false }])
      expect(closed).toBe(3)
    }))
})
