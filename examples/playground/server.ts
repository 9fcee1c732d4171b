/**
 * The main module of an echo server's process: WebTransport over HTTP/3 on a port of this machine.
 *
 * Reads lines from stdin: first `Options` as JSON, then one `Fault` per line. Prints a line once it is ready, and ends
 * when stdin does.
 */
import { Effect, Stream } from "effect"
import type { WebTransport } from "effect-pools"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
import { createInterface } from "node:readline"

// Its package, and what that needs. A bundler drops a static import of a module for its effects.
await import("../support/moq.js")

export interface Options {
  readonly port: number
  /** PEM, as the key. */
  readonly cert: string
  readonly key: string
}

/** A fault for any one open session, or any one open stream. */
export type Fault = "close-session" | "reset-stream"

// Ctrl-C reaches every process of a terminal; the parent decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})

const sessions = new Set<NodeWebTransportServer.ServerSession>()
const streams = new Set<WebTransport.BidirectionalStream>()

/** Keeps the session, or the stream, in the set while it is served. */
const among = <A>(all: Set<A>, one: A) => <B, E, R>(serving: Effect.Effect<B, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => all.add(one)),
    () => serving,
    () => Effect.sync(() => all.delete(one))
  )

const withAnyOf = <A>(all: ReadonlySet<A>, f: (one: A) => Effect.Effect<void>) =>
  Effect.suspend(() => {
    const one = [...all][Math.floor(Math.random() * all.size)]
    return one === undefined ? Effect.void : f(one)
  })

const faults: Readonly<Record<Fault, Effect.Effect<void>>> = {
  "close-session": withAnyOf(sessions, (one) => one.close({ closeCode: 1, reason: "a fault of the playground" })),
  "reset-stream": withAnyOf(streams, (one) => one.reset(0))
}

const listen = ({ cert, key, port }: Options) =>
  Effect.gen(function*() {
    const server = yield* NodeWebTransportServer.make({
      port,
      protocol: "http3",
      certificate: { cert, privKey: key }
    })
    process.stdout.write("ready\n")
    yield* server.serve((session) =>
      session.serveStreams((stream) => Stream.run(stream.stream, stream.sink).pipe(among(streams, stream))).pipe(
        among(sessions, session)
      )
    )
  }).pipe(Effect.scoped)

let isListening = false
createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (isListening) return void Effect.runFork(faults[line as Fault])
    isListening = true
    Effect.runFork(listen(JSON.parse(line)))
  })
  .on("close", () => process.exit())
