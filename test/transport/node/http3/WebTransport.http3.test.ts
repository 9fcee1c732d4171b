import * as Effect from "#test/Effect"
import * as WebTransport from "effect-pools/WebTransport"
import { Session } from "../../../support/moq.js"
import * as TestServer from "../../../support/TestServer.js"
import { describe, expect, it } from "../../../support/vitest.js"

const http3 = WebTransport.layerConstructor(Session)

const echo = (server: TestServer.Service, text: string) =>
  Effect.gen(function*() {
    const session = yield* WebTransport.connect(server.url("/echo"), {
      serverCertificateHashes: [{ algorithm: "sha-256", value: server.hash }]
    })
    const stream = yield* session.createBidirectionalStream()
    yield* stream.write(new TextEncoder().encode(text))
    return new TextDecoder().decode(yield* stream.readExactly(text.length))
  }).pipe(Effect.scoped, Effect.provide(http3))

describe("WebTransport over HTTP/3", () => {
  it.scopedLive("echoes, also after the server was killed and started again", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start({ protocol: "http3" })
      expect(yield* echo(server, "hello")).toBe("hello")
      yield* server.restart
      expect(yield* echo(server, "again")).toBe("again")
      expect(yield* server.statsOf("/echo")).toMatchObject({ requests: 1, sessionsAccepted: 1, streamsAccepted: 1 })
      expect(yield* server.stderr).toBe("")
    }))

  it.scopedLive("serves the behaviour that the path names", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start({ protocol: "http3" })
      const connect = (path: string) =>
        WebTransport.connect(server.url(path), {
          serverCertificateHashes: [{ algorithm: "sha-256", value: server.hash }]
        }).pipe(Effect.provide(http3))
      const session = yield* connect("/source/1000")
      const stream = yield* session.createBidirectionalStream()
      // The peer sees a stream only after the first write.
      yield* stream.write(Uint8Array.of(1))
      expect((yield* stream.readExactly(1000)).byteLength).toBe(1000)
      expect((yield* Effect.flip(connect("/refuse"))).reason).toBe("Connect")
    }))
})
