/** Runs a WebTransport server over HTTP/2 as a process, on a free port of this machine. */
import { makeCertificate } from "../demo/certificate.js"

export interface Ready {
  readonly port: number
  /** SHA-256 of the certificate, hexadecimal. */
  readonly hash: string
}

/** A stream that a client opened. */
export interface ServedStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

const ignore = () => {}

/**
 * Prints `Ready` as one line of JSON. Ends when stdin does, so it ends with its parent process, however that ends.
 */
export const serve = async (path: string, onStream: (stream: ServedStream) => void): Promise<void> => {
  process.stdin.on("end", () => process.exit()).resume()
  // Ctrl-C reaches every process of a terminal; the parent decides when this one ends.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, ignore)
  // Importing the server's library without its native package for HTTP/3 prints some 30 lines.
  for (const method of ["log", "info", "warn", "error"] as const) console[method] = ignore

  const { Http2Server } = await import("@fails-components/webtransport")
  const { cert, hashHex, key } = await makeCertificate()

  const options = {
    host: "127.0.0.1",
    port: 0,
    secret: "demo",
    cert,
    privKey: key,
    defaultDatagramsReadableMode: "default" as const,
    // By default a session stalls after 16 KiB, and grants 100 streams in its whole life.
    initialSessionFlowControlWindow: 15 << 20,
    initialBidirectionalStreams: 1_000_000
  }
  const server = new Http2Server(options)
  const sessions = server.sessionStream(path)
  server.startServer()
  await server.ready

  const ready: Ready = { port: server.address()!.port, hash: hashHex }
  process.stdout.write(`${JSON.stringify(ready)}\n`)

  for await (const session of sessions) {
    session.ready.catch(ignore)
    session.closed.catch(ignore)
    session.incomingBidirectionalStreams.pipeTo(new WritableStream({ write: onStream })).catch(ignore)
  }
}
