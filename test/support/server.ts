/**
 * The main of a test server's process: WebTransport over HTTP/2 or HTTP/3 on loopback, and a port that never answers.
 *
 * Started as `node --import tsx server.ts '<ServerOptions as JSON>'`; prints `Ready` as one line of JSON, then answers
 * each line of JSON on stdin (`CommandLine`) with one on stdout (`AnswerLine`), and ends when stdin does.
 */
import { createHash } from "node:crypto"
import type { Server, Socket } from "node:net"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { type BidirectionalStream, parseTarget, type Target } from "./behaviour.js"
import { admit, behaviours, forEachChunk } from "./behaviours.js"
import { makeCertificate, withHash } from "./certificate.js"
import { readOn, requestsByPath, sendHeldAnswers, sendSecondAnswers } from "./framed.js"
import type { Request } from "./moq.js"
import { takeArrivals } from "./oneWay.js"
import { pattern } from "./pattern.js"
import { listen, serverPorts, udpSocket } from "./ports.js"
import type * as Protocol from "./protocol.js"

// The import of fails-components without its native package prints some 30 lines, and a deprecated member prints more.
for (const method of ["log", "info", "warn", "error", "debug", "trace"] as const) console[method] = () => {}

const print = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const report = (what: string) => (cause: unknown) => {
  process.stderr.write(`${what}: ${cause instanceof Error ? cause.stack : String(cause)}\n`)
}

// -----------------------------------------------------------------------------
// Sessions
// -----------------------------------------------------------------------------

/** The used part of a server session: fails-components' over HTTP/2, moq's over HTTP/3. */
interface ServerSession {
  readonly ready: Promise<unknown>
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
  readonly session: ServerSession
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

const batchCredit = (session: ServerSession, size: number) => {
  const credit = (session as unknown as { readonly objint: { readonly streamIdMngrBi: Credit } }).objint.streamIdMngrBi
  const send = credit.maybeSendMaxStreamsFrame.bind(credit)
  credit.maybeSendMaxStreamsFrame = () => {
    if (credit.incomingActualMaxStreams - credit.incomingAdvertisedMaxStreams >= size) send()
  }
}

const serve = (session: ServerSession, target: Target) => {
  const batch = target.number("creditBatch", 1)
  if (batch > 1 && options.protocol !== "http3") batchCredit(session, batch)
  const counts = countsOf(target.path)
  const datagrams = (session.datagrams.createWritable?.() ?? session.datagrams.writable).getWriter()
  const one: Live = { session, path: target.path, datagrams, streamsOpen: 0, streams: new Set() }
  counts.sessionsAccepted++
  live.add(one)
  const end = () => live.delete(one)
  session.closed.then(end, end)
  session.ready.catch(() => {})
  const ignore = () => {}
  if (target.name === "served") {
    import("./served.js").then(({ serveSession }) => serveSession(session, target)).catch(report(target.path))
    return
  }
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
const certificate = options.cert === undefined || options.key === undefined
  ? await makeCertificate()
  : withHash(options.cert, options.key)

const startHttp2 = async (port: number) => {
  const { Http2Server } = await import("@fails-components/webtransport")
  const init = {
    port,
    host: "127.0.0.1",
    secret: "test",
    cert: certificate.cert,
    privKey: certificate.key,
    defaultDatagramsReadableMode: "default" as const,
    // Without this a session stalls for ever after 16 KiB.
    initialSessionFlowControlWindow: 15 << 20,
    // Without this a session grants 100 streams in its whole life.
    initialBidirectionalStreams: options.initialBidirectionalStreams ?? 1_000_000,
    initialUnidirectionalStreams: options.initialUnidirectionalStreams ?? 1_000_000
  }
  const server = new Http2Server(init)
  // A callback that throws would leave the client pending: this one never throws, on any path.
  server.setRequestCallback(async (request: { readonly header: Readonly<Record<string, string>> }) => {
    const path = request.header[":path"] ?? "/"
    countsOf(path).requests++
    try {
      const target = parseTarget(path)
      return { status: await admit(target), path: "*", userData: { target } }
    } catch (cause) {
      report(path)(cause)
      return { status: 500, path: "*" }
    }
  })
  const sessions = server.sessionStream("*") as unknown as ReadableStream<
    ServerSession & { readonly userData: { readonly target: Target } }
  >
  server.startServer()
  // The library keeps Node's server here (1.6.8).
  const tcp = (server as unknown as { readonly transportInt: { readonly serverInt: Server } }).transportInt.serverInt
  await server.ready
  forEachIncoming(sessions, (session) => serve(session, session.userData.target)).catch(report("sessions"))
  return tcp
}

/** The ports and sockets of the servers. HTTP/3 has no sockets to count. */
interface Ports {
  readonly port: number
  readonly silentPort: number
  readonly tracked?: Tracked
  readonly trackedSilent?: Tracked
}

type Tracked = ReturnType<typeof track>

const track = (server: Server) => {
  const sockets = new Set<Socket>()
  let accepted = 0
  server.on("connection", (socket: Socket) => {
    accepted++
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  return {
    sockets,
    accepted: () => accepted,
    open: () =>
      new Promise<number>((resolve, reject) => {
        server.getConnections((error, count) => error === null ? resolve(count) : reject(error))
      })
  }
}

/** Reads without an answer: unread bytes would hide that the client is gone. */
const hear = (socket: Socket) => void socket.resume()

const http2Ports = async (): Promise<Ports> => {
  const [webTransport, port] = await serverPorts(options.port ?? 0, startHttp2)
  const [silentServer, silentPort] = await serverPorts(
    options.silentPort ?? 0,
    (port) => listen(createServer(hear), port)
  )
  return { port, silentPort, tracked: track(webTransport), trackedSilent: track(silentServer) }
}

/** Requests without an answer: a garbage collection would refuse them. */
const unanswered = new Set<unknown>()

/** Sessions that are being established: their clients may know them already. */
const establishing = new Set<Promise<void>>()

const answerRequest = async (request: Request): Promise<void> => {
  unanswered.add(request)
  const { pathname, search } = new URL(await request.url)
  const path = pathname + search
  countsOf(path).requests++
  const target = parseTarget(path)
  const status = await admit(target)
  unanswered.delete(request)
  if (status !== 200) return request.reject(status)
  const established = request.ok().then((session) => serve(session as unknown as ServerSession, target))
  establishing.add(established)
  await established.finally(() => establishing.delete(established))
}

const http3Ports = async (): Promise<Ports> => {
  const { Server } = await import("./moq.js")
  const reserved = await udpSocket(options.port ?? 0)
  const { port } = reserved.address()
  await new Promise<void>((resolve) => reserved.close(resolve))
  const server = Server.bind(`127.0.0.1:${port}`, Buffer.from(certificate.cert), Buffer.from(certificate.key))
  const accept = async () => {
    for (;;) {
      const request = await server.accept()
      if (request === null) return
      answerRequest(request).catch(report("request"))
    }
  }
  accept().catch(report("accept"))
  const silent = await udpSocket(options.silentPort ?? 0)
  return { port, silentPort: silent.address().port }
}

const { port, silentPort, tracked, trackedSilent } = await (options.protocol === "http3" ? http3Ports() : http2Ports())

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
      socketsOpen: await tracked?.open() ?? 0,
      silentSocketsOpen: await trackedSilent?.open() ?? 0,
      silentSocketsAccepted: trackedSilent?.accepted() ?? 0
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
  served: async ({ path }) => (await import("./served.js")).countsOf(path),
  heldAnswers: async ({ path }) => ({ sent: await sendHeldAnswers(path) }),
  readOn: async ({ path }) => ({ streams: await readOn(path) }),
  destroySockets: async () => {
    const sockets = [...tracked?.sockets ?? []]
    for (const socket of sockets) socket.destroy()
    return { sockets: sockets.length }
  }
}

const answer = async (line: Protocol.CommandLine): Promise<Protocol.AnswerLine> => {
  try {
    await Promise.allSettled(establishing)
    const run = commands[line.command] as (input: unknown) => Promise<unknown>
    return { id: line.id, output: await run(line.input) }
  } catch (cause) {
    return { id: line.id, error: String(cause) }
  }
}

// From now on every failure is reported on stderr, and the server continues.
process.on("uncaughtException", report("uncaught exception"))
process.on("unhandledRejection", report("unhandled rejection"))

print({ port, silentPort, hashHex: certificate.hashHex } satisfies Protocol.Ready)

createInterface({ input: process.stdin })
  .on("line", (line) => void answer(JSON.parse(line)).then(print))
  .on("close", () => process.exit(0))
