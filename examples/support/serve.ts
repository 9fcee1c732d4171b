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

/**
 * Prints `Ready` as one line of JSON. Ends when stdin does, so it ends with its parent process, however that ends.
 *
 * `onStream` gets the platform's own streams: benchmarks measure clients against this server.
 */
export const serve = (
  path: string,
  onStream: (stream: ServedStream) => void,
  protocol: "http2" | "http3" = "http2"
): Promise<void> => {
  process.stdin.on("end", () => process.exit()).resume()
  // Ctrl-C reaches every process of a terminal; the parent decides when this one ends.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, ignore)
  return Effect.gen(function*() {
    const server = yield* NodeWebTransportServer.make({ certificate: "self-signed", paths: [path], protocol })
    const ready: Ready = {
      port: server.address.port,
      hash: Buffer.from(server.certificateHash).toString("hex")
    }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
    yield* server.serve(({ native }) =>
      Effect.promise(() =>
        native.incomingBidirectionalStreams.pipeTo(new WritableStream({ write: onStream })).catch(ignore)
      )
    )
  }).pipe(Effect.scoped, Effect.runPromise)
}
