/**
 * The main of the echo server's process: WebTransport over HTTP/2 on a free port of this machine.
 *
 * Prints `Ready` as one line of JSON, and ends when stdin does: with the process that started it, however that ends.
 */
import { makeCertificate } from "./certificate.js"

export interface Ready {
  readonly port: number
  /** SHA-256 of the certificate, hexadecimal. */
  readonly hash: string
}

process.stdin.on("end", () => process.exit()).resume()
// Ctrl-C reaches every process of a terminal; who started this one says when it ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})
// Importing the server's library without its native package for HTTP/3 prints some 30 lines.
for (const method of ["log", "info", "warn", "error"] as const) console[method] = () => {}

const { Http2Server } = await import("@fails-components/webtransport")
const { cert, hashHex, key } = await makeCertificate()

const options = {
  host: "127.0.0.1",
  port: 0,
  secret: "demo",
  cert,
  privKey: key,
  defaultDatagramsReadableMode: "default" as const,
  // By default a session stalls after 16 KiB, and gives 100 streams in its whole life.
  initialSessionFlowControlWindow: 15 << 20,
  initialBidirectionalStreams: 1_000_000
}
const server = new Http2Server(options)
const sessions = server.sessionStream("/echo")
server.startServer()
await server.ready

const ready: Ready = { port: server.address()!.port, hash: hashHex }
process.stdout.write(`${JSON.stringify(ready)}\n`)

const ignore = () => {}
for await (const session of sessions) {
  session.ready.catch(ignore)
  session.closed.catch(ignore)
  const echo = new WritableStream({
    write: (stream: { readable: ReadableStream; writable: WritableStream }) => {
      stream.readable.pipeTo(stream.writable).catch(ignore)
    }
  })
  session.incomingBidirectionalStreams.pipeTo(echo).catch(ignore)
}
