import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import { finalizersOf } from "#test/internals"
import * as Scope from "#test/Scope"
import * as Option from "effect/Option"
import { inject } from "vitest"
import { protocolAttributes } from "../../src/internal/transport/spanAttributes.js"
import * as WebTransport from "../../src/WebTransport.js"
import type { WebTransportError } from "../../src/WebTransportError.js"
import { can, where } from "../support/capabilities.js"
import { live, socketsClosed, startServer } from "../support/implementation.js"
import { openSockets } from "../support/sockets.js"
import { soon } from "../support/soon.js"
import * as TestServer from "../support/TestServer.js"
import { onTestClock, within } from "../support/time.js"
import { recordingTracer } from "../support/tracer.js"
import { expect, layer } from "../support/vitest.js"

const hashes = (server: TestServer.Service) => [{ algorithm: "sha-256", value: server.hash }]

const connect = (server: TestServer.Service, url: string, options?: WebTransport.ConnectOptions) =>
  WebTransport.connect(url, { serverCertificateHashes: hashes(server), ...options })

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
          const reliability = can("isUnreliable") ? "supports-unreliable" : "reliable-only"
          expect(session.reliability).toBe(can("hasReliability") ? reliability : undefined)
          expect(session.protocol).toBe(undefined)
          expect(WebTransport.isSession(session)).toBe(true)
          expect((yield* server.statsOf("/echo?open")).sessionsOpen).toBe(1)
          return session
        }))
        expect(yield* session.isOpen).toBe(false)
        expect(failure(yield* Effect.exit(Effect.scoped(session.createBidirectionalStream()))).reason).toBe(
          "SessionClosed"
        )
      }))

    it.scoped("has headers of the answer and the status of a refusal, and connects where there are none", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const headers = { authorization: "Bearer secret" }
        const session = yield* connect(server, server.url("/echo"), { headers })
        expect(yield* session.isOpen).toBe(true)
        expect(session.responseHeaders !== undefined).toBe(can("exchangesHeaders"))
        const refused = failure(yield* Effect.exit(connect(server, server.url("/refuse?status=403"), { headers })))
        expect(refused.reason).toBe("Connect")
        expect(refused.status).toBe(can("exchangesHeaders") ? 403 : undefined)
      }))

    it.scoped("has sockets that close with its scope", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const before = yield* openSockets
        const during = yield* Effect.scoped(Effect.andThen(connect(server, server.url("/echo")), openSockets))
        yield* socketsClosed(before, server)
        // `before` may count a socket of the test before that was about to close
        if (can("showsSockets")) {
          const look = Effect.delay(openSockets, "5 millis")
          yield* soon(Effect.repeat(look, { until: (now) => now.length < during.length }))
        }
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
          ...(globalThis.Buffer === undefined ? [] : [Buffer.from(server.hash)])
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

    it.scoped("fails if no server listens, or it lacks the path, shows another certificate, or refuses", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const before = yield* openSockets
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
          // In a scope that stays open: the resources of a failed attempt are freed nevertheless.
          const error = failure(yield* Effect.exit(attempt))
          expect(error.reason).toBe("Connect")
          expect(error.message).not.toContain("secret")
        }
        yield* socketsClosed(before, server)
      }))

    it.scoped("says why, as far as the platform knows, and what to do about it", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const wrongHash = connect(server, server.url("/echo"), {
          serverCertificateHashes: [{ value: new Uint8Array(32) }]
        })
        const address = `127.0.0.1:${server.port}/echo: `
        const dead = `127.0.0.1:${yield* TestServer.deadPort}/`
        const nowhere = connect(server, "https://nowhere.invalid/")
        const nothing = connect(server, server.url("/nothing?secret"))
        type Failures = ReadonlyArray<readonly [typeof nothing, ...ReadonlyArray<string>]>
        // a browser tells a page very little
        const inPage: Failures = [
          [wrongHash, address, "certificate"],
          [nothing, "/nothing: ", "serves this path"]
        ]
        const failures: Record<string, Failures> = {
          http2: [
            [connect(server, `https://${dead}`), `${dead}: no server listens`, "the port"],
            [nowhere, "no address", "check the host name"],
            [nothing, "/nothing: the server answered 404", "path"],
            [connect(server, server.url("/refuse?status=503")), "the server answered 503", "try again later"],
            [wrongHash, address, server.hashHex, "at each start"],
            [WebTransport.connect(server.url("/echo")), address, "self-signed", "serverCertificateHashes"],
            [
              connect(server, server.silentUrl("/echo"), { connectTimeout: 200 }),
              "within 200ms: the TLS handshake is not done"
            ]
          ],
          http3: [
            [wrongHash, address, "invalid peer certificate", "pin"],
            [nowhere, "invalid DNS name"],
            [nothing, "/nothing: ", "this path"]
          ],
          browser: inPage,
          firefox: inPage
        }
        for (const [attempt, ...parts] of failures[inject("protocol")]!) {
          const { message } = failure(yield* Effect.exit(attempt))
          for (const part of parts) expect(message).toContain(part)
          expect(message).not.toContain("secret")
        }
      }))

    where("showsConnections", it.effect)(
      "says that it is this path that the server has not answered for",
      () =>
        Effect.gen(function*() {
          const server = yield* TestServer.TestServer
          const path = "/never?why"
          const attempt = yield* Effect.fork(Effect.exit(connect(server, server.url(path), { connectTimeout: 200 })))
          yield* soon(server.until(({ paths }) => paths[path]?.requests === 1))
          const exit = yield* Fiber.join(attempt).pipe(within(200))
          expect(failure(exit).message).toContain("has not answered for this path")
        }).pipe(onTestClock)
    )

    it.scoped("fails within connectTimeout where the peer does not answer, and frees what it held", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const before = yield* openSockets
        for (const url of [server.url("/never"), server.silentUrl("/echo"), server.url("/slow?ms=20000")]) {
          const error = failure(yield* Effect.exit(connect(server, url, { connectTimeout: "100 millis" })))
          expect(error.reason).toBe("ConnectTimeout")
        }
        if (can("endsAttempts")) yield* socketsClosed(before, server)
      }))

    it.scoped("takes the algorithm of a hash in any case, and names one that WebTransport does not know", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const by = (algorithm: string) =>
          Effect.exit(connect(server, server.url("/echo"), {
            serverCertificateHashes: [{ algorithm, value: server.hash }]
          }))
        expect(Exit.isSuccess(yield* by("SHA-256"))).toBe(true)
        for (const algorithm of ["sha256", "sha-512"]) {
          const { message, reason } = failure(yield* by(algorithm))
          expect([reason, message]).toEqual(["Connect", expect.stringContaining(JSON.stringify(algorithm))])
        }
      }))

    it.scoped("waits for a slow answer within connectTimeout", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const session = yield* connect(server, server.url("/slow?ms=200"), { connectTimeout: "1 minute" })
        expect(yield* session.isOpen).toBe(true)
      }))

    it.scoped("fails within connectTimeout where the peer hangs", () =>
      Effect.gen(function*() {
        const server = yield* startServer()
        const before = yield* openSockets
        yield* server.stop
        const error = failure(
          yield* Effect.exit(connect(server, server.url("/echo"), { connectTimeout: "100 millis" }))
        )
        expect(error.reason).toBe("ConnectTimeout")
        yield* server.resume
        if (can("endsAttempts")) yield* socketsClosed(before, server)
      }))

    it.scoped("leaves nothing of a failed attempt in a scope that lives on", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const scope = yield* Scope.make()
        const url = server.url("/refuse")
        for (let i = 0; i < 10; i++) yield* Effect.exit(Scope.extend(connect(server, url), scope))
        expect(finalizersOf(scope)).toBe(0)
      }))

    it.scoped("fails at once when its scope closes before it is ready", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const before = yield* openSockets
        for (const url of [server.url("/never"), server.silentUrl("/echo")]) {
          const counted = yield* server.stats
          const scope = yield* Scope.make()
          const fiber = yield* Effect.fork(Scope.extend(connect(server, url), scope))
          yield* server.until((stats) =>
            stats.requests > counted.requests || stats.silentSocketsAccepted > counted.silentSocketsAccepted ||
            (!can("showsConnections") && url === server.silentUrl("/echo"))
          )
          yield* Scope.close(scope, Exit.void)
          expect(failure(yield* Fiber.await(fiber)).reason).toBe("Connect")
        }
        if (can("endsAttempts")) yield* socketsClosed(before, server)
      }).pipe(soon))

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
          const before = yield* openSockets
          const url = path === "silent" ? server.silentUrl("/") : server.url(path)
          const attempt = Effect.scoped(Effect.andThen(connect(server, url), Effect.never))
          for (let yields = 0; yields < 60; yields++) {
            const fiber = yield* Effect.fork(attempt)
            for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
            yield* soon(Fiber.interrupt(fiber))
          }
          for (let millis = 0; millis < 40; millis += 1) {
            const fiber = yield* Effect.fork(attempt)
            yield* Effect.sleep(millis)
            yield* soon(Fiber.interrupt(fiber))
          }
          if (can("endsAttempts")) yield* socketsClosed(before, server)
        }))
    }

    it.scoped("wraps a native session that exists, and frees it where the context knows how", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const before = yield* openSockets
        const service = yield* WebTransport.WebTransportConstructor
        const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: server.hash }] }
        yield* Effect.scoped(Effect.gen(function*() {
          const native = service.construct(server.url("/echo"), options, 60_000)
          const session = yield* WebTransport.fromNative(native, { connectTimeout: "1 minute" })
          expect(yield* session.isOpen).toBe(true)
        }))
        const never = service.construct(server.url("/never"), options, 60_000)
        const exit = yield* Effect.exit(WebTransport.fromNative(never, { connectTimeout: "100 millis" }))
        expect(failure(exit).reason).toBe("ConnectTimeout")
        if (can("endsAttempts")) yield* socketsClosed(before, server)
      }))
  }
)
