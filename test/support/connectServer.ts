/** HTTP/2 servers whose answer to a CONNECT a test defines, which no embedded server of WebTransport allows. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream
} from "node:http2"
import type { AddressInfo } from "node:net"
import { createServer, type Server, type TLSSocket } from "node:tls"
import { makeCertificate } from "./certificate.js"

export interface ConnectServer {
  readonly url: string
  readonly hash: Uint8Array<ArrayBuffer>
}

const listening = (server: Server, hash: Uint8Array<ArrayBuffer>): Effect.Effect<ConnectServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => ({ hash, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` })
  )

/**
 * Node's own server, with the stream of each CONNECT. Piping the stream back echoes all streams: their capsules are the same
 * in both directions.
 */
export const connectServer = (
  onConnect: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, index: number) => void,
  onSession: (session: ServerHttp2Session) => void = () => {}
): Effect.Effect<ConnectServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { cert, hash, key } = yield* Effect.promise(makeCertificate)
    // `enableConnectProtocol` is missing in Node's types
    const settings: object = { enableConnectProtocol: true }
    const server = createSecureServer({ cert, key, settings })
    const sessions = new Set<ServerHttp2Session>()
    let index = 0
    server.on("session", (session) => {
      sessions.add(session)
      session.on("error", () => {})
      session.on("close", () => sessions.delete(session))
      onSession(session)
    })
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {})
      onConnect(stream, headers, index++)
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const session of sessions) session.destroy()
      })
    )
    return yield* listening(server as unknown as Server, hash)
  })

const frame = (type: number, flags: number, stream: number, payload: ReadonlyArray<number> = []): Buffer => {
  const bytes = Buffer.alloc(9 + payload.length)
  bytes.writeUIntBE(payload.length, 0, 3)
  bytes.writeUInt8(type, 3)
  bytes.writeUInt8(flags, 4)
  bytes.writeUInt32BE(stream, 5)
  bytes.set(payload, 9)
  return bytes
}

const uint32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]

/** Frames of a server (RFC 9113). Node's own server never names a last stream that it has not taken. */
export const frames = {
  goaway: (lastStream: number, code: number) => frame(7, 0, 0, [...uint32(lastStream), ...uint32(code)]),
  /** RST_STREAM of the first stream. */
  reset: (code: number) => frame(3, 0, 1, uint32(code)),
  /** `:status: 200` for the first stream, by its index in HPACK's table. */
  ok: frame(1, 4, 1, [0x88])
}

/** A server that answers the first CONNECT with these frames, each after the client has taken the frame before. */
export const framesServer = (answer: ReadonlyArray<Buffer>): Effect.Effect<ConnectServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { cert, hash, key } = yield* Effect.promise(makeCertificate)
    const enableConnectProtocol = [0, 8, 0, 0, 0, 1]
    const ping = frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])
    const onSocket = (socket: TLSSocket) => {
      let received = Buffer.alloc(0)
      let at = 24 // the client's preface
      const unsaid = [...answer]
      const say = () => {
        const next = unsaid.shift()
        if (next !== undefined) socket.write(Buffer.concat([next, ping]))
      }
      socket.on("error", () => {})
      socket.write(frame(4, 0, 0, enableConnectProtocol))
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk])
        while (received.length >= at + 9 && received.length >= at + 9 + received.readUIntBE(at, 3)) {
          const type = received.readUInt8(at + 3)
          const isAck = (received.readUInt8(at + 4) & 1) === 1
          if (type === 4 && !isAck) socket.write(frame(4, 1, 0))
          if (type === 1 || (type === 6 && isAck)) say()
          at += 9 + received.readUIntBE(at, 3)
        }
      })
    }
    return yield* listening(createServer({ cert, key, ALPNProtocols: ["h2"] }, onSocket), hash)
  })

/** A capsule without a payload that asks for no more streams (draft-ietf-webtrans-http2, section 6: WT_DRAIN_SESSION). */
export const drainCapsule = Buffer.from([0x80, 0, 0x78, 0xae, 0])

/** A capsule that closes the session. */
export const closeCapsule = (code: number, reason: string) => {
  const words = Buffer.from(reason)
  return Buffer.from([0x68, 0x43, 4 + words.length, ...uint32(code), ...words])
}

/** Capsules at which a session ends. */
export const wrongCapsules = {
  /** A byte of a stream, which the receiver would have to open. The library gives a server even ids. */
  dataTo: (receiver: "client" | "server") => Buffer.from([0x99, 0x0b, 0x4d, 0x3b, 2, receiver === "server" ? 0 : 1, 0]),
  /** The first 128 KiB of a datagram of 59 MiB. */
  hugeDatagram: Buffer.concat([Buffer.from([0, 0x83, 0xb0, 0, 0]), Buffer.alloc(128 * 1024)])
}
