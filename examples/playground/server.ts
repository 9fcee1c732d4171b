/**
 * The main module of an echo server's process: WebTransport over HTTP/3 on a port of this machine.
 *
 * Reads lines from stdin: first `Options` as JSON, then one `Fault` per line. Prints a line once it is ready, and ends
 * when stdin does.
 */
import { createInterface } from "node:readline"
import { Server } from "../support/moq.js"

export interface Options {
  readonly port: number
  /** PEM, as the key. */
  readonly cert: string
  readonly key: string
}

/** A fault for any one open session, or any one open stream. */
export type Fault = "close-session" | "reset-stream"

interface Stream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

interface Session {
  readonly closed: Promise<unknown>
  readonly incomingBidirectionalStreams: ReadableStream<Stream>
  readonly close: (info: { readonly closeCode: number; readonly reason: string }) => void
}

// Ctrl-C reaches every process of a terminal; the parent decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})

const sessions = new Set<Session>()
const streams = new Set<WritableStreamDefaultWriter<Uint8Array>>()
const ignore = () => {}

const anyOf = <A>(all: ReadonlySet<A>): A | undefined => [...all][Math.floor(Math.random() * all.size)]

const faults: Readonly<Record<Fault, () => void>> = {
  "close-session": () => anyOf(sessions)?.close({ closeCode: 1, reason: "a fault of the playground" }),
  "reset-stream": () => void anyOf(streams)?.abort().catch(ignore)
}

const echo = async ({ readable, writable }: Stream) => {
  const writer = writable.getWriter()
  streams.add(writer)
  try {
    for await (const chunk of readable) await writer.write(chunk)
    await writer.close()
  } catch {
    await writer.abort()
  } finally {
    streams.delete(writer)
  }
}

const serve = async (session: Session) => {
  sessions.add(session)
  const end = () => sessions.delete(session)
  session.closed.then(end, end)
  for await (const stream of session.incomingBidirectionalStreams) echo(stream).catch(ignore)
}

const listen = async ({ cert, key, port }: Options) => {
  const server = Server.bind(`127.0.0.1:${port}`, Buffer.from(cert), Buffer.from(key))
  process.stdout.write("ready\n")
  for (;;) {
    const request = await server.accept()
    if (request === null) return
    request.ok().then((session) => serve(session as Session)).catch(ignore)
  }
}

let isListening = false
createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (isListening) return faults[line as Fault]()
    isListening = true
    void listen(JSON.parse(line))
  })
  .on("close", () => process.exit())
