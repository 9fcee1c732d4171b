/**
 * The main of a test server's process: WebTransport over HTTP/2 or HTTP/3 on loopback, and a port that never answers.
 *
 * Started as `node --import tsx server.ts '<ServerOptions as JSON>'`; prints `Ready` as one line of JSON, then answers
 * each line of JSON on stdin (`CommandLine`) with one on stdout (`AnswerLine`), and ends when stdin does.
 */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import { createHash } from "node:crypto"
import type { AddressInfo, Socket } from "node:net"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import type { ConnectRequest, Listen } from "../../src/internal/platform/server/listener.js"
import { makeAround } from "../../src/internal/platform/server/server.js"
import { type BidirectionalStream, parseTarget, type Target } from "./behaviour.js"
import { admit, behaviours, forEachChunk } from "./behaviours.js"
import { readOn, requestsByPath, sendHeldAnswers, sendSecondAnswers } from "./framed.js"
import { takeArrivals } from "./oneWay.js"
import { pattern } from "./pattern.js"
import { listen, onPort, udpSocket } from "./ports.js"
import type * as Protocol from "./protocol.js"
import * as Served from "./served.js"

const print = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const report = (what: string) => (cause: unknown) => {
  process.stderr.write(`${what}: ${cause instanceof Error ? cause.stack : String(cause)}\n`)
}

// -----------------------------------------------------------------------------
// Sessions
// -----------------------------------------------------------------------------

/** The used part of a native session: fails-components' over HTTP/2, moq's over HTTP/3. */
interface NativeSession {
  readonly closed: Promise<unknown>
  readonly incomingBidirectionalStreams: ReadableStream<BidirectionalStream>
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>
    readonly writable: WritableStream<Uint8Array>
    readonly createWritable?: () => WritableStream<Uint8Array>
  }
  readonly createBidirectionalStream: () => Promise<BidirectionalStream>
  readonly createUnidirectionalStream: () => Promise<WritableStream<Uint8Array>>
  readonly close: (info: { readonly closeCode: number; readonly reason: string }) => void
}

interface Live {
  readonly session: NativeSession
  readonly path: string
  readonly datagrams: WritableStreamDefaultWriter<Uint8Array>
  streamsOpen: number
  readonly streams: Set<Held>
}

/** A stream that a client opened, for commands. */
interface Held {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>
  readonly writer: WritableStreamDefaultWriter<Uint8Array>
  isStopped: boolean
}

type Counts = { -readonly [K in Exclude<keyof Protocol.PathStats, "sessionsOpen" | "streamsOpen">]: number }

const live = new Set<Live>()
const received: Array<Protocol.Received> = []
const countsByPath = new Map<string, Counts>()

const noCounts = (): Counts => ({
  requests: 0,
  sessionsAccepted: 0,
  streamsAccepted: 0,
  streamsFinished: 0,
  streamsReset: 0,
  unidirectionalAccepted: 0,
  datagramsReceived: 0,
  bytesReceived: 0
})

const countsOf = (path: string): Counts => {
  let counts = countsByPath.get(path)
  if (counts === undefined) {
    counts = noCounts()
    countsByPath.set(path, counts)
  }
  return counts
}

const forEachIncoming = async <A>(incoming: ReadableStream<A>, f: (a: A) => void): Promise<void> => {
  const reader = incoming.getReader()
  for (;;) {
    const next = await reader.read()
    if (next.done) return
    f(next.value)
  }
}

const counted = (readable: ReadableStream<Uint8Array>, counts: Counts): ReadableStreamDefaultReader<Uint8Array> => {
  const reader = readable.getReader()
  const read = reader.read.bind(reader)
  reader.read = async () => {
    const next = await read()
    if (!next.done) counts.bytesReceived += next.value.byteLength
    return next
  }
  return reader
}

/** Counts how the client ended the stream. A behaviour must not take `stop` for the client's FIN. */
const watched = (held: Held, counts: Counts): ReadableStreamDefaultReader<Uint8Array> => {
  const { reader } = held
  const read = reader.read.bind(reader)
  reader.read = async () => {
    const next = await read().catch((cause: unknown) => {
      counts.streamsReset++
      throw cause
    })
    if (!next.done) return next
    if (held.isStopped) return new Promise(() => {})
    counts.streamsFinished++
    return next
  }
  return reader
}

const serveBidirectional = async (one: Live, target: Target, counts: Counts, stream: BidirectionalStream) => {
  counts.streamsAccepted++
  one.streamsOpen++
  const reader = counted(stream.readable, counts)
  const writer = stream.writable.getWriter()
  const held: Held = { reader, writer, isStopped: false }
  one.streams.add(held)
  try {
    await behaviours[target.name]!(watched(held, counts), writer, target)
  } catch {
    // As `pipeTo` does: a stream that broke in one direction breaks in the other, too.
    void Promise.allSettled([reader.cancel(), writer.abort()])
  } finally {
    one.streams.delete(held)
    one.streamsOpen--
  }
}

const serveUnidirectional = async (one: Live, target: Target, counts: Counts, stream: ReadableStream<Uint8Array>) => {
  counts.unidirectionalAccepted++
  const hash = createHash("sha256")
  const chunks: Array<Uint8Array> = []
  await forEachChunk(counted(stream, counts), (chunk) => {
    hash.update(chunk)
    chunks.push(chunk)
  })
  const all = Buffer.concat(chunks)
  received.push({
    path: one.path,
    bytes: all.byteLength,
    sha256: hash.digest("hex"),
    text: all.subarray(0, 1024).toString()
  })
  if (target.number("uni", 0) === 0) return
  const answer = (await one.session.createUnidirectionalStream()).getWriter()
  await answer.write(new Uint8Array(all))
  await answer.close()
}

/** The library's count (1.6.8) of the streams that a client may open. */
interface Credit {
  readonly incomingActualMaxStreams: bigint
  readonly incomingAdvertisedMaxStreams: bigint
  maybeSendMaxStreamsFrame(): void
}

const batchCredit = (session: NativeSession, size: number) => {
  const credit = (session as unknown as { readonly objint: { readonly streamIdMngrBi: Credit } }).objint.streamIdMngrBi
  const send = credit.maybeSendMaxStreamsFrame.bind(credit)
  credit.maybeSendMaxStreamsFrame = () => {
    if (credit.incomingActualMaxStreams - credit.incomingAdvertisedMaxStreams >= size) send()
  }
}

/** A session is there: its client may know that already. */
const begin = (session: NativeSession, target: Target) => {
  const batch = target.number("creditBatch", 1)
  if (batch > 1 && options.protocol !== "http3") batchCredit(session, batch)
  const counts = countsOf(target.path)
  const datagrams = (session.datagrams.createWritable?.() ?? session.datagrams.writable).getWriter()
  const one: Live = { session, path: target.path, datagrams, streamsOpen: 0, streams: new Set() }
  counts.sessionsAccepted++
  live.add(one)
  const end = () => live.delete(one)
  session.closed.then(end, end)
  if (target.name === "served") return
  const ignore = () => {}
  forEachIncoming(session.incomingBidirectionalStreams, (stream) => {
    serveBidirectional(one, target, counts, stream).catch(report(target.path))
  }).catch(ignore)
  forEachIncoming(session.incomingUnidirectionalStreams, (stream) => {
    serveUnidirectional(one, target, counts, stream).catch(ignore)
  }).catch(ignore)
  forEachIncoming(session.datagrams.readable, (datagram) => {
    counts.datagramsReceived++
    if (target.name === "echo") one.datagrams.write(datagram).catch(ignore)
  }).catch(ignore)
  if (target.name === "close") {
    setTimeout(() => {
      session.close({ closeCode: target.number("code", 0), reason: target.text("reason", "") })
    }, target.number("afterMs", 0))
  }
}

// -----------------------------------------------------------------------------
// The servers
// -----------------------------------------------------------------------------

const options: Protocol.ServerOptions = JSON.parse(process.argv[2] ?? "{}")

/** Requests that were granted, without a session yet: their clients may know it already. */
const establishing = new Map<ConnectRequest, () => void>()
const established = new Set<Promise<void>>()

const grant = (request: ConnectRequest) => {
  const promise = new Promise<void>((resolve) => establishing.set(request, resolve))
  established.add(promise)
  void promise.then(() => established.delete(promise))
}

const settle = (request: ConnectRequest) => {
  establishing.get(request)?.()
  establishing.delete(request)
}

let sockets: ReadonlySet<{ destroy(): void }> = new Set()

/** The path decides the answer to a request, and what happens on the session's native streams, faults included. */
const byPath = (listen: Listen): Listen => async (given) => {
  const listening = await listen({
    ...given,
    credit: {
      bidirectional: options.initialBidirectionalStreams ?? given.credit.bidirectional,
      unidirectional: options.initialUnidirectionalStreams ?? given.credit.unidirectional
    },
    admit: async (request) => {
      countsOf(request.path).requests++
      const status = await admit(parseTarget(request.path))
      if (status !== 200) return status
      grant(request)
      return given.admit(request)
    },
    onSession: (native, request) => {
      begin(native as unknown as NativeSession, parseTarget(request.path))
      given.onSession(native, request)
      settle(request)
    },
    onNoSession: (request) => {
      given.onNoSession(request)
      settle(request)
    }
  })
  sockets = listening.sockets
  return listening
}

const certificate = options.cert === undefined || options.key === undefined
  ? "self-signed"
  : { cert: options.cert, privKey: options.key }

/** Serves until the process ends. */
const start = (port: number) =>
  new Promise<{ readonly port: number; readonly hashHex: string }>((resolve, reject) => {
    const serving = Effect.gen(function*() {
      const server = yield* makeAround({ port, protocol: options.protocol, certificate }, byPath)
      resolve({ port: server.address.port, hashHex: Buffer.from(server.certificateHash).toString("hex") })
      yield* server.serve((session) => {
        const target = parseTarget(session.path)
        return target.name === "served" ? Served.serve(session, target) : Effect.exit(session.closed)
      })
    }).pipe(Effect.scoped)
    void Effect.runPromiseExit(serving).then((exit) => {
      if (Exit.isFailure(exit)) reject(Cause.squash(exit.cause))
    })
  })

/** Reads without an answer: unread bytes would hide that the client is gone. */
const hear = (socket: Socket) => void socket.resume()

/** A port that never answers, and its TCP connections, if it has any. */
const startSilent = async () => {
  const port = options.silentPort ?? 0
  const opened = new Set<Socket>()
  if (options.protocol === "http3") {
    const socket = await udpSocket(port)
    return { silentPort: socket.address().port, opened, accepted: () => 0 }
  }
  let accepted = 0
  const server = createServer((socket) => {
    accepted++
    opened.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => opened.delete(socket))
    hear(socket)
  })
  await onPort(port, (port) => listen(server, port))
  return { silentPort: (server.address() as AddressInfo).port, opened, accepted: () => accepted }
}

// its package, and what that needs
if (options.protocol === "http3") await import("./moq.js")
const { hashHex, port } = await onPort(options.port ?? 0, start)
const { accepted, opened, silentPort } = await startSilent()

// -----------------------------------------------------------------------------
// Commands
// -----------------------------------------------------------------------------

const select = (input: Protocol.Select): ReadonlyArray<Live> =>
  [...live].filter((one) => input.path === undefined || input.path === one.path)

const statsOf = (counts: Counts, sessions: ReadonlyArray<Live>): Protocol.PathStats => ({
  ...counts,
  sessionsOpen: sessions.length,
  streamsOpen: sessions.reduce((sum, one) => sum + one.streamsOpen, 0)
})

const writeTo = async (writable: WritableStream<Uint8Array>, input: Protocol.OpenStreams) => {
  const writer = writable.getWriter()
  try {
    await writer.write(pattern(0, input.size ?? 5))
    if (input.fin === true) await writer.close()
  } catch {
    // the client did not want the session
  }
}

const onEach = async (input: Protocol.OpenStreams, open: (one: Live) => Promise<void>) => {
  const sessions = select(input)
  const count = input.count ?? 1
  for (let i = 0; i < count; i++) await Promise.all(sessions.map(open))
  return { streams: sessions.length * count }
}

const onStream = async (held: Held, input: Protocol.OnStreams) => {
  const { reader, writer } = held
  switch (input.do) {
    case "fin":
      return writer.close()
    case "reset":
      return writer.abort({ code: 42 })
    case "stop":
      held.isStopped = true
      return reader.cancel({ code: 42 })
    case "send":
      return writer.write(new TextEncoder().encode(input.text ?? "unsolicited"))
  }
}

const commands: {
  readonly [C in Protocol.Command]: (input: Protocol.Input<C>) => Promise<Protocol.Output<C>>
} = {
  stats: async () => {
    const total = noCounts()
    for (const counts of countsByPath.values()) {
      for (const key of Object.keys(total) as Array<keyof Counts>) total[key] += counts[key]
    }
    const paths: Record<string, Protocol.PathStats> = {}
    for (const [path, counts] of countsByPath) paths[path] = statsOf(counts, select({ path }))
    return {
      ...statsOf(total, [...live]),
      paths,
      socketsOpen: sockets.size,
      silentSocketsOpen: opened.size,
      silentSocketsAccepted: accepted()
    }
  },
  received: async (input) => received.filter((one) => input.path === undefined || input.path === one.path),
  closeSessions: async (input) => {
    const sessions = select(input)
    for (const one of sessions) one.session.close({ closeCode: input.code ?? 0, reason: input.reason ?? "" })
    return { sessions: sessions.length }
  },
  openBidirectional: (input) =>
    onEach(input, async (one) => {
      const stream = await one.session.createBidirectionalStream()
      forEachChunk(counted(stream.readable, countsOf(one.path)), () => {}).catch(() => {})
      await writeTo(stream.writable, input)
    }),
  openUnidirectional: (input) =>
    onEach(input, async (one) => writeTo(await one.session.createUnidirectionalStream(), input)),
  sendDatagrams: async (input) => {
    const sessions = select(input)
    const count = input.count ?? 1
    for (let i = 0; i < count; i++) {
      await Promise.all(sessions.map((one) => one.datagrams.write(pattern(i, input.size ?? 5))))
    }
    return { datagrams: sessions.length * count }
  },
  onStreams: async (input) => {
    const streams = select(input).flatMap((one) => [...one.streams])
    // a stream that ends meanwhile needs no action
    await Promise.allSettled(streams.map((held) => onStream(held, input)))
    return { streams: streams.length }
  },
  requests: async ({ path }) => Object.fromEntries(requestsByPath.get(path) ?? []),
  arrivals: async ({ path }) => takeArrivals(path),
  secondAnswers: async ({ path }) => ({ sent: await sendSecondAnswers(path) }),
  served: async ({ path }) => Served.countsOf(path),
  heldAnswers: async ({ path }) => ({ sent: await sendHeldAnswers(path) }),
  readOn: async ({ path }) => ({ streams: await readOn(path) }),
  destroySockets: async () => {
    const all = [...sockets]
    for (const socket of all) socket.destroy()
    return { sockets: all.length }
  }
}

const answer = async (line: Protocol.CommandLine): Promise<Protocol.AnswerLine> => {
  try {
    await Promise.all(established)
    const run = commands[line.command] as (input: unknown) => Promise<unknown>
    return { id: line.id, output: await run(line.input) }
  } catch (cause) {
    return { id: line.id, error: String(cause) }
  }
}

// From now on every failure is reported on stderr, and the server continues.
process.on("uncaughtException", report("uncaught exception"))
process.on("unhandledRejection", report("unhandled rejection"))

print({ port, silentPort, hashHex } satisfies Protocol.Ready)

createInterface({ input: process.stdin })
  .on("line", (line) => void answer(JSON.parse(line)).then(print))
  .on("close", () => process.exit(0))
