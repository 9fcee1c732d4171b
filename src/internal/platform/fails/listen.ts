/** A listening server of `@fails-components/webtransport` (1.6.8), without its quirks. */
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import { type ConnectRequest, listenFailure, type Listening, type ListenOptions, statusOf } from "../server/listener.js"
import { endAtThrow, limitCapsules } from "./capsules.js"
import { skipCloseBeforeDestroy } from "./closeOrder.js"
import { endAtRepeat, endWhenDead } from "./deadConnections.js"
import { has } from "./internals.js"
import { hasNativePackage, load, type ServerModule } from "./load.js"
import type { Connection, NodeServer, RequestFields, ServerSession, Socket } from "./serverShape.js"
import { widen, windows } from "./windows.js"

const requestOf = (fields: RequestFields): ConnectRequest => ({
  path: String(fields[":path"] ?? "/"),
  headers: Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      name.startsWith(":") || value === undefined ? [] : [[name, [value].flat().join(", ")]]
    )
  )
})

const settingsOf = ({ certificate: { cert, privKey }, credit, host, port }: ListenOptions) => ({
  host,
  port,
  cert,
  privKey,
  // for its protocol over HTTP/3; the library refuses to start without one
  secret: crypto.randomUUID(),
  defaultDatagramsReadableMode: "default",
  ...windows,
  // by default a session grants 100 streams in its whole life
  initialBidirectionalStreams: credit.bidirectional,
  initialUnidirectionalStreams: credit.unidirectional
})

export type Protocol = "http2" | "http3"

const make = (module: ServerModule, protocol: Protocol, options: ListenOptions) =>
  new (protocol === "http3" ? module.Http3Server : module.Http2Server)(settingsOf(options))

const answering = (options: ListenOptions) => async ({ header }: { readonly header: RequestFields }) => {
  const request = requestOf(header)
  const status = await statusOf(options, request)
  // the session comes in this turn, or never
  if (status === 200) setTimeout(() => options.onNoSession(request), 0)
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
  server?.on("session", widen)
  server?.on("session", endWhenDead)
  // before the library's own listeners
  server?.prependListener("stream", endAtThrow)
  server?.prependListener("stream", endAtRepeat)
  server?.prependListener("upgrade", (_, socket) => endAtThrow(socket))
  server?.on("session", keep(connections))
  server?.on("connection", keep(sockets))
  return { connections, sockets }
}

const isOver = ({ state }: ServerSession): boolean => state === "closed" || state === "failed"

/** Asks the client of a session to begin nothing new. The library's own `notifySessionDraining` does nothing over HTTP/2. */
const goAway = (native: NativeWebTransport): void => {
  try {
    const { objint } = native as ServerSession
    if (objint?.stream !== undefined) objint.stream.session?.goaway()
    else (objint as { notifySessionDraining?: () => void } | undefined)?.notifySessionDraining?.()
  } catch {
    // the connection is gone
  }
}

const abandon = (native: NativeWebTransport): void => {
  const session = native as ServerSession
  if (isOver(session)) return
  try {
    const stream = session.objint?.stream
    if (stream === undefined) native.close()
    else stream.destroy()
  } catch {
    // the session is gone
  }
}

/** Undefined if the native package, which HTTP/3 needs, is not installed. */
export const listen = async (protocol: Protocol, options: ListenOptions): Promise<Listening | undefined> => {
  if (protocol === "http3" && !await hasNativePackage()) return undefined
  const { module } = await load()
  const server = make(module, protocol, options)
  server.setRequestCallback(answering(options))
  const incoming = server.sessionStream("*")
  try {
    // `startServer` itself tells nobody that this fails.
    await server.createTransportInt()
    server.startServer()
    await server.ready
  } catch (cause) {
    throw listenFailure(options, cause)
  }
  const { connections, sockets } = track(server.transportInt?.serverInt)
  const onSession = (native: ServerSession) => {
    closeOnce(native)
    const stream = native.objint?.stream
    if (has(stream, "close")) skipCloseBeforeDestroy(stream!)
    limitCapsules(native.objint)
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
    if (protocol === "http2") await server.closed
    clearTimeout(timer)
  }
  return { address: { host, port }, sockets, retainsWrites: true, stop, goAway, abandon, close }
}
