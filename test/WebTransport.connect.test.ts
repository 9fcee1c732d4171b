import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { createSecureServer, type Http2SecureServer } from "node:http2"
import type { AddressInfo } from "node:net"
import { createServer, type Server, type TLSSocket } from "node:tls"
import { inject } from "vitest"
import { internals } from "../src/internal/failsComponents.js"
import { protocolAttributes } from "../src/internal/tracing.js"
import * as WebTransport from "../src/WebTransport.js"
import type { WebTransportError } from "../src/WebTransportError.js"
import { can, where } from "./support/capabilities.js"
import { makeCertificate } from "./support/certificate.js"
import { live, startServer } from "./support/implementation.js"
import { openSockets } from "./support/resources.js"
import * as TestServer from "./support/TestServer.js"
import { recordingTracer } from "./support/tracer.js"

const hashes = (server: TestServer.Service) => [{ algorithm: "sha-256", value: server.hash }]

const connect = (server: TestServer.Service, url: string, options?: WebTransport.ConnectOptions) =>
  WebTransport.connect(url, { serverCertificateHashes: hashes(server), ...options })

/**
 * Nothing of the client is left: neither here nor at the server. The silent server reads nothing, so it does not see
 * the end of its connections.
 */
const noSockets = (server: TestServer.Service) =>
  Effect.zipRight(
    server.until((stats) => stats.socketsOpen === 0),
    Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), Effect.sync(openSockets)), { until: (n) => n === 0 })
  ).pipe(Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error("sockets are left") }))

/** One that says nothing by itself. */
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

/** One that has other things to offer than WebTransport. */
const http2Server = Effect.gen(function*() {
  const { cert, hash, key } = yield* Effect.promise(makeCertificate)
  const server = yield* Effect.acquireRelease(
    Effect.async<Http2SecureServer>((resume) => {
      const server = createSecureServer({ cert, key })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  return { hash, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` }
})

/** The types of the frames after a client's preface. */
const frameTypes = (bytes: Buffer): ReadonlyArray<number> => {
  const types: Array<number> = []
  for (let at = 24; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes.readUInt8(at + 3))
  return types
}

const failure = (exit: Exit.Exit<unknown, WebTransportError>): WebTransportError =>
  Option.getOrThrowWith(
    Option.flatMap(Exit.causeOption(exit), Cause.failureOption),
    () => new Error(`no failure: ${String(exit)}`)
  )

layer(live(), { excludeTestServices: true })(
  "connect",
  (it) => {
    it.scoped("connects, says how, and closes with its scope", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* connect(server, server.url("/echo?open"))
          expect(yield* session.isOpen).toBe(true)
          expect(session.reliability).toBe(can("hasStats") ? "reliable-only" : undefined)
          expect(session.protocol).toBe(undefined)
          expect(WebTransport.isSession(session)).toBe(true)
          expect((yield* server.statsOf("/echo?open")).sessionsOpen).toBe(1)
          return session
        }))
        expect(yield* session.isOpen).toBe(false)
        expect(failure(yield* Effect.exit(Effect.scoped(session.createBidirectionalStream()))).reason).toBe(
          "SessionClosed"
        )
        yield* noSockets(server)
      }))

    it.scoped("takes the URL and the hashes from Effects, once per connect", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        let runs = 0
        const attempt = Effect.scoped(WebTransport.connect(
          Effect.sync(() => new URL(server.url(`/echo?token=${++runs}`))),
          { serverCertificateHashes: Effect.sync(() => hashes(server)) }
        ))
        yield* attempt
        yield* attempt
        const { paths } = yield* server.stats
        expect(paths["/echo?token=1"]?.sessionsAccepted).toBe(1)
        expect(paths["/echo?token=2"]?.sessionsAccepted).toBe(1)
      }))

    it.scoped("takes a hash as any view of bytes", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const larger = new Uint8Array(100)
        larger.set(server.hash, 7)
        const views: ReadonlyArray<ArrayBuffer | ArrayBufferView> = [
          server.hash.slice().buffer,
          larger.subarray(7, 39),
          new DataView(larger.buffer, 7, 32),
          Buffer.from(server.hash)
        ]
        for (const value of views) {
          yield* Effect.scoped(WebTransport.connect(server.url("/echo"), { serverCertificateHashes: [{ value }] }))
        }
      }))

    it.scoped("refuses what is no URL for WebTransport, and never repeats its query", () =>
      Effect.gen(function*() {
        const wrong = [
          "nonsense?secret",
          "http://127.0.0.1/?secret",
          "wss://127.0.0.1/?secret",
          "https://127.0.0.1/?secret#fragment",
          "https://?secret"
        ]
        for (const url of wrong) {
          const error = failure(yield* Effect.exit(Effect.scoped(WebTransport.connect(url))))
          expect(error.reason).toBe("InvalidUrl")
          expect(Cause.pretty(Cause.fail(error), { renderErrorCause: true })).not.toContain("secret")
          expect(JSON.stringify(error)).not.toContain("secret")
        }
      }))

    it.scoped("refuses hashes together with allowPooling as a defect that names both", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const exit = yield* Effect.exit(Effect.scoped(connect(server, server.url("/echo"), { allowPooling: true })))
        const defect = Exit.isFailure(exit) ? Option.getOrThrow(Cause.dieOption(exit.cause)) : undefined
        expect(String(defect)).toContain("serverCertificateHashes")
        expect(String(defect)).toContain("allowPooling")
      }))

    it.scoped("refuses requireUnreliable where it cannot be kept", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const attempt = connect(server, server.url("/echo"), { requireUnreliable: true })
        if (can("isUnreliable")) return expect(yield* (yield* attempt).isOpen).toBe(true)
        const error = failure(yield* Effect.exit(Effect.scoped(attempt)))
        expect(error.reason).toBe("Unsupported")
        expect(error.message).toContain("HTTP/3")
      }))

    where("showsConnections", it.scoped)(
      "fails at once where the peer ends the connection before it says anything",
      () =>
        Effect.gen(function*() {
          const { hash, url } = yield* tlsServer((socket) => socket.end())
          const failed = yield* Effect.exit(WebTransport.connect(url, {
            serverCertificateHashes: [{ value: hash }],
            connectTimeout: "1 hour"
          }))
          expect(failure(failed).reason).toBe("Connect")
        })
    )

    it.scoped("fails where nobody listens, serves the path, shows that certificate, or wants to", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const wrongHash = { serverCertificateHashes: [{ value: new Uint8Array(32) }] }
        const shortHash = { serverCertificateHashes: [{ value: new Uint8Array(31) }] }
        const attempts = [
          ...(can("hearsRefusal") ? [connect(server, `https://127.0.0.1:${yield* TestServer.deadPort}/echo`)] : []),
          connect(server, server.url("/nothing")),
          connect(server, server.url("/refuse?secret")),
          connect(server, server.url("/echo"), wrongHash),
          connect(server, server.url("/echo"), shortHash),
          WebTransport.connect(server.url("/echo"))
        ]
        for (const attempt of attempts) {
          // In a scope that stays open: what a failed attempt held is freed all the same.
          const error = failure(yield* Effect.exit(attempt))
          expect(error.reason).toBe("Connect")
          expect(error.message).not.toContain("secret")
        }
        yield* noSockets(server)
      }))

    it.scoped("says why, as far as the platform knows, and what to do about it", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const wrongHash = connect(server, server.url("/echo"), {
          serverCertificateHashes: [{ value: new Uint8Array(32) }]
        })
        const address = `127.0.0.1:${server.port}/echo: `
        const dead = `127.0.0.1:${yield* TestServer.deadPort}/`
        const web = yield* tlsServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"), ["http/1.1"])
        const other = yield* http2Server
        const soon = { connectTimeout: 200 }
        const nowhere = connect(server, "https://nowhere.invalid/")
        const nothing = connect(server, server.url("/nothing?secret"))
        const failures: Record<string, ReadonlyArray<readonly [typeof nothing, ...ReadonlyArray<string>]>> = {
          http2: [
            [connect(server, `https://${dead}`), `${dead}: nobody listens`, "the port"],
            [nowhere, "no address", "check the host name"],
            [nothing, "/nothing: the server answered 404", "path"],
            [connect(server, server.url("/refuse?status=503")), "the server answered 503", "logs"],
            [wrongHash, address, server.hashHex, "at each start"],
            [WebTransport.connect(server.url("/echo")), address, "self-signed", "serverCertificateHashes"],
            [connect(server, web.url), "does not speak HTTP/2"],
            [connect(server, server.silentUrl("/echo"), soon), "within 200ms: TLS does not stand yet"],
            [connect(server, server.url("/never"), soon), "has not answered for this path"],
            [
              connect(server, other.url, { ...soon, serverCertificateHashes: [{ value: other.hash }] }),
              "does not offer WebTransport"
            ]
          ],
          http3: [
            [wrongHash, address, "invalid peer certificate", "pin"],
            [nowhere, "invalid DNS name"],
            [nothing, "/nothing: ", "this path"]
          ]
        }
        for (const [attempt, ...parts] of failures[inject("protocol")]!) {
          const { message } = failure(yield* Effect.exit(attempt))
          for (const part of parts) expect(message).toContain(part)
          expect(message).not.toContain("secret")
        }
      }))

    it.scoped("fails within connectTimeout where the peer does not answer, and frees what it held", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        for (const url of [server.url("/never"), server.silentUrl("/echo"), server.url("/slow?ms=20000")]) {
          const error = failure(yield* Effect.exit(connect(server, url, { connectTimeout: "100 millis" })))
          expect(error.reason).toBe("ConnectTimeout")
        }
        yield* noSockets(server)
      }))

    it.scoped("waits for a slow answer within connectTimeout", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* connect(server, server.url("/slow?ms=200"), { connectTimeout: "10 seconds" })
        expect(yield* session.isOpen).toBe(true)
      }))

    it.scoped("fails within connectTimeout where the peer hangs", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        yield* server.stop
        const error = failure(
          yield* Effect.exit(connect(server, server.url("/echo"), { connectTimeout: "100 millis" }))
        )
        expect(error.reason).toBe("ConnectTimeout")
        yield* server.resume
        yield* noSockets(server)
      }))

    it.scoped("leaves nothing of a failed attempt in a scope that lives on", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const scope = yield* Scope.make()
        const url = server.url("/refuse")
        for (let i = 0; i < 10; i++) yield* Effect.exit(Scope.extend(connect(server, url), scope))
        expect((scope as any).state.finalizers.size).toBe(0)
      }))

    it.scoped("fails at once when its scope closes before it is ready", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        for (const url of [server.url("/never"), server.silentUrl("/echo")]) {
          const before = yield* server.stats
          const scope = yield* Scope.make()
          const fiber = yield* Effect.fork(Scope.extend(connect(server, url), scope))
          yield* server.until((stats) =>
            stats.requests > before.requests || stats.silentSocketsAccepted > before.silentSocketsAccepted ||
            (!can("showsConnections") && url === server.silentUrl("/echo"))
          )
          yield* Scope.close(scope, Exit.void)
          expect(failure(yield* Fiber.await(fiber)).reason).toBe("Connect")
        }
        yield* noSockets(server)
      }).pipe(Effect.timeout("10 seconds")))

    // A node server that is only reset may keep its socket for ever.
    where("showsConnections", it.scoped)(
      "says goodbye on a connection that stands, when it is interrupted",
      () =>
        Effect.gen(function*() {
          const accepted = yield* Deferred.make<TLSSocket>()
          const { hash, url } = yield* tlsServer((socket) => Deferred.unsafeDone(accepted, Exit.succeed(socket)))
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
        }).pipe(Effect.timeout("10 seconds"))
    )

    it.scoped("names host and path in its span, never the query", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const { named, tracer } = recordingTracer()
        const session = yield* Effect.scoped(connect(server, server.url("/echo?secret"))).pipe(
          Effect.withTracer(tracer)
        )
        const [span] = named("WebTransport.connect")
        expect(Object.fromEntries(span!.attributes)).toEqual({
          "server.address": "127.0.0.1",
          "server.port": server.port,
          "url.path": "/echo",
          "url.scheme": "https",
          ...protocolAttributes(session.reliability)
        })
        expect(JSON.stringify([...span!.attributes.values()].map(String))).not.toContain("secret")
      }))

    for (const path of ["/echo?swept", "/never?swept", "silent"]) {
      it.scoped(`can be interrupted at any moment, and leaves nothing: ${path}`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.TestServer
          const url = path === "silent" ? server.silentUrl("/") : server.url(path)
          const attempt = Effect.scoped(Effect.zipRight(connect(server, url), Effect.never))
          for (let yields = 0; yields < 60; yields++) {
            const fiber = yield* Effect.fork(attempt)
            for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
            yield* Fiber.interrupt(fiber).pipe(Effect.timeout("5 seconds"))
          }
          for (let millis = 0; millis < 40; millis += 1) {
            const fiber = yield* Effect.fork(attempt)
            yield* Effect.sleep(millis)
            yield* Fiber.interrupt(fiber).pipe(Effect.timeout("5 seconds"))
          }
          yield* noSockets(server)
        }))
    }

    it.scoped("wraps a native session that exists, and frees it where the context knows how", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const service = yield* WebTransport.WebTransportConstructor
        const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: server.hash }] }
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* WebTransport.fromNative(service.construct(server.url("/echo"), options, 5000))
          expect(yield* session.isOpen).toBe(true)
        }))
        const never = service.construct(server.url("/never"), options, 5000)
        const exit = yield* Effect.exit(WebTransport.fromNative(never, { connectTimeout: "100 millis" }))
        expect(failure(exit).reason).toBe("ConnectTimeout")
        yield* noSockets(server)
      }))

    where("showsConnections", it.scoped)(
      "stays pinned to a client whose insides have the known shape",
      () =>
        Effect.gen(function*() {
          const server = yield* TestServer.TestServer
          const service = yield* WebTransport.WebTransportConstructor
          const options = {
            serverCertificateHashes: hashes(server).map(({ value }) => ({ algorithm: "sha-256", value }))
          }
          const native = service.construct(server.url("/echo"), options, 5000)
          native.ready.catch(() => {})
          native.closed.catch(() => {})
          const found = internals(native)!
          expect(found).toBeDefined()
          const { transportInt, webtransportProm, quicconnectedProm } = found.parent as any
          expect(found.client.constructor.name).toBe("ClientHttp2Session")
          expect(transportInt.clientInt).toBe(found.client)
          expect(found.client.connecting).toBe(true)
          // The two waits that `abandon` ends.
          expect(quicconnectedProm.reject).toBeTypeOf("function")
          expect(webtransportProm.resolve).toBeTypeOf("function")
          // In the moment when it is connected, and its news are on their way.
          yield* Effect.async<void>((resume) => {
            found.client.socket!.once("secureConnect", () => {
              service.abandon!(native)
              resume(Effect.void)
            })
          })
          expect((found.client as any).destroyed).toBe(true)
          // What its pings look at, which come until the connection is gone.
          expect((found.client as any).closed).toBe(true)
          expect(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => native.ready)))).toBe(true)
          yield* noSockets(server)
          // Of another shape: no throw, only `close`.
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
        })
    )
  }
)
