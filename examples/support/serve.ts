/** Runs a WebTransport server as a process, on a free port of this machine. */
import { Effect } from "effect"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"

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

/** What the server does with a session. */
export type OnSession = (session: NodeWebTransportServer.ServerSession) => Effect.Effect<unknown, unknown>

/** Gives `onStream` the platform's own streams: benchmarks measure clients against such a server. */
export const nativeStreams = (onStream: (stream: ServedStream) => void): OnSession => ({ native }) =>
  Effect.promise(() =>
    native.incomingBidirectionalStreams.pipeTo(new WritableStream({ write: onStream })).catch(ignore)
  )

/** Serves these paths. Prints `Ready` as one line of JSON. Ends when stdin does, so with its parent, however that ends. */
export const serve = (
  paths: Readonly<Record<string, OnSession>>,
  protocol: "http2" | "http3" = "http2"
): Promise<void> => {
  process.stdin.on("end", () => process.exit()).resume()
  // Ctrl-C reaches every process of a terminal; the parent decides when this one ends.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, ignore)
  return Effect.gen(function*() {
    const server = yield* NodeWebTransportServer.make({
      certificate: "self-signed",
      paths: Object.keys(paths),
      protocol
    })
    const ready: Ready = {
      port: server.address.port,
      hash: Buffer.from(server.certificateHash).toString("hex")
    }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
    yield* server.serve((session) => paths[session.path.split("?")[0]!]!(session))
  }).pipe(Effect.scoped, Effect.runPromise)
}
