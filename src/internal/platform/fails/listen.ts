/** A listening server of `@fails-components/webtransport` (1.6.8), without its quirks. */
import { WebTransportError } from "../../../WebTransportError.js"
import type { Certificate } from "./certificate.js"
import { skipCloseBeforeDestroy } from "./closeOrder.js"
import { has } from "./internals.js"
import { load, type ServerModule } from "./load.js"
import type { Connection, NodeServer, RequestFields, ServerSession, Socket } from "./serverShape.js"
import { windows } from "./windows.js"

/** A client's request for a session. */
export interface ConnectRequest {
  /** With the query. */
  readonly path: string
  /** Names in lower case, repeated values joined by `", "`. */
  readonly headers: Readonly<Record<string, string>>
}

export interface ListenOptions {
  readonly protocol: "http2" | "http3"
  readonly host: string
  readonly port: number
  readonly certificate: Certificate
  /** The status of the answer. */
  readonly admit: (request: ConnectRequest) => number | Promise<number>
  /** Gets each session that was granted. */
  readonly onSession: (native: ServerSession, request: ConnectRequest) => void
}

export interface Listening {
  readonly address: { readonly host: string; readonly port: number }
  /** New connections are refused. */
  readonly stop: () => void
  /** Closes all connections, at once those that do not end within this many milliseconds. */
  readonly close: (within: number) => Promise<void>
}

/** How many streams of each kind a client may open on a session in its whole life. */
const credit = 1_000_000

const requestOf = (fields: RequestFields): ConnectRequest => ({
  path: String(fields[":path"] ?? "/"),
  headers: Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      name.startsWith(":") || value === undefined ? [] : [[name, [value].flat().join(", ")]]
    )
  )
})

const settingsOf = ({ certificate: { cert, privKey }, host, port }: ListenOptions) => ({
  host,
  port,
  cert,
  privKey,
  // for its protocol over HTTP/3; the library refuses to start without one
  secret: crypto.randomUUID(),
  defaultDatagramsReadableMode: "default",
  ...windows,
  // by default a session grants 100 streams in its whole life
  initialBidirectionalStreams: credit,
  initialUnidirectionalStreams: credit
})

const whyNot = ({ host, port }: ListenOptions, cause: unknown): WebTransportError => {
  const { code, message } = cause as { readonly code?: string; readonly message?: string }
  const where = `${host}:${port}`
  const [detail, advice] = code === "EADDRINUSE"
    ? [
      `port ${port} of ${host} is in use`,
      "choose another one, 0 for any that is free, or end the process that has it"
    ]
    : code === "EACCES"
    ? [`this process may not listen at ${where}`, "ports below 1024 need the right to use them; choose a higher one"]
    : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
    ? [`${host} is no address of this machine`, "use 127.0.0.1, or 0.0.0.0 for all its addresses"]
    : [`the server cannot listen at ${where}: ${message ?? String(cause)}`, undefined]
  return new WebTransportError({ reason: "Listen", detail, advice, cause })
}

const make = (module: ServerModule, options: ListenOptions) =>
  new (options.protocol === "http3" ? module.Http3Server : module.Http2Server)(settingsOf(options))

/** A callback that throws, or rejects, would leave the client pending. */
const answering = ({ admit }: ListenOptions) => async ({ header }: { readonly header: RequestFields }) => {
  const request = requestOf(header)
  const status = await Promise.resolve(request).then(admit).catch(() => 500)
  return { status, path: "*", userData: request }
}

const ignore = () => {}

/** A second close would write after the end of the session's stream (1.6.8). */
const closeOnce = (native: ServerSession): void => {
  const close = native.close.bind(native)
  let isClosed = false
  Object.assign(native, {
    close: (info?: Parameters<typeof close>[0]) => {
      if (isClosed) return
      isClosed = true
      close(info)
    }
  })
}

const keep = <A extends { once(event: "close", listener: () => void): unknown }>(all: Set<A>) => (one: A) => {
  all.add(one)
  one.once("close", () => all.delete(one))
}

/** The connections of a server over HTTP/2, and the sockets under them, some without a connection yet. */
const track = (server: NodeServer | undefined) => {
  const connections = new Set<Connection>()
  const sockets = new Set<Socket>()
  server?.on("session", keep(connections))
  server?.on("connection", keep(sockets))
  return { connections, sockets }
}

/** Rejects with a `WebTransportError` if the server cannot start. */
export const listen = async (options: ListenOptions): Promise<Listening> => {
  const { hasHttp3, module } = await load()
  if (options.protocol === "http3" && !hasHttp3) {
    throw new WebTransportError({
      reason: "Unsupported",
      detail: "the native package for HTTP/3 is missing",
      advice: "install @fails-components/webtransport-transport-http3-quiche, or serve over HTTP/2"
    })
  }
  const server = make(module, options)
  server.setRequestCallback(answering(options))
  const incoming = server.sessionStream("*")
  try {
    // `startServer` itself tells nobody that this fails.
    await server.createTransportInt()
    server.startServer()
    await server.ready
  } catch (cause) {
    throw whyNot(options, cause)
  }
  const { connections, sockets } = track(server.transportInt?.serverInt)
  const onSession = (native: ServerSession) => {
    closeOnce(native)
    const stream = native.objint?.stream
    if (has(stream, "close")) skipCloseBeforeDestroy(stream!)
    // Both reject when a client leaves before the session is ready.
    native.ready.catch(ignore)
    native.closed.catch(ignore)
    options.onSession(native, native.userData as ConnectRequest)
  }
  incoming.pipeTo(new WritableStream({ write: onSession })).catch(ignore)
  const { host, port } = server.address() ?? options
  let isStopped = false
  const stop = () => {
    if (isStopped) return
    isStopped = true
    server.stopServer()
  }
  const close = async (within: number) => {
    stop()
    for (const connection of connections) connection.close()
    const timer = setTimeout(() => {
      // first what knows its socket
      for (const connection of connections) connection.destroy()
      for (const socket of sockets) socket.destroy()
    }, within)
    // over HTTP/3 the library does not tell
    if (options.protocol === "http2") await server.closed
    clearTimeout(timer)
  }
  return { address: { host, port }, stop, close }
}

const isOver = ({ state }: ServerSession): boolean => state === "closed" || state === "failed"

/** Asks the client of a session to begin nothing new. The library's own `notifySessionDraining` does nothing over HTTP/2. */
export const goAway = (native: ServerSession): void => {
  try {
    const { objint } = native
    if (objint?.stream !== undefined) objint.stream.session?.goaway()
    else (objint as { notifySessionDraining?: () => void } | undefined)?.notifySessionDraining?.()
  } catch {
    // the connection is gone
  }
}

/** Frees a session that does not end by itself. */
export const abandon = (native: ServerSession): void => {
  if (isOver(native)) return
  try {
    const stream = native.objint?.stream
    if (stream === undefined) native.close()
    else stream.destroy()
  } catch {
    // the session is gone
  }
}
