/** A listening server of `@moq/web-transport` (0.1.4), without its quirks. */
import { Buffer } from "node:buffer"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { isIPv6 } from "node:net"
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import { listenFailure, type Listening, type ListenOptions, statusOf } from "../server/listener.js"

interface Request {
  readonly url: Promise<string>
  readonly ok: () => Promise<NativeWebTransport>
  readonly reject: (status: number) => Promise<void>
}

interface Server {
  readonly accept: () => Promise<Request | null>
  readonly close: () => void
}

interface Module {
  readonly default: new(url: string, options: object) => NativeWebTransport
  readonly Server: { readonly bind: (address: string, cert: Buffer, key: Buffer) => Server }
}

const name = "@moq/web-transport"

/** The package; undefined if it is not installed. */
const load = async (): Promise<Module | undefined> => {
  const loading: Promise<Module> = import(name)
  const module = await loading.catch((cause: unknown) => {
    if ((cause as { readonly code?: unknown } | undefined)?.code === "ERR_MODULE_NOT_FOUND") return undefined
    throw new WebTransportError({
      reason: "Unsupported",
      detail: `the package ${name} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      advice: "it consists of TypeScript: run the program with tsx, or bundle it; on Linux it needs glibc 2.38",
      cause
    })
  })
  if (module === undefined || "withResolvers" in Promise) return module
  throw new WebTransportError({
    reason: "Unsupported",
    detail: `the package ${name} needs Promise.withResolvers`,
    advice: "use Node 22, or a polyfill"
  })
}

/** The package does not tell its port, nor why it cannot have one. */
const portFor = async ({ host, port }: ListenOptions): Promise<number> => {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4")
  try {
    socket.bind(port, host)
    await once(socket, "listening")
    return socket.address().port
  } finally {
    await new Promise<void>((resolve) => socket.close(resolve))
  }
}

const ignore = () => {}

/** Answers requests until one comes when the server closes. */
const serve = async (server: Server, options: ListenOptions, isClosing: () => boolean): Promise<void> => {
  /** Without a reference, a garbage collection would refuse them. */
  const unanswered = new Set<Request>()
  const answer = async (native: Request): Promise<void> => {
    const { pathname, search } = new URL(await native.url)
    const request = { path: pathname + search, headers: {} }
    const status = await statusOf(options, request)
    if (status !== 200) return native.reject(status)
    try {
      options.onSession(await native.ok(), request)
    } catch {
      options.onNoSession(request)
    }
  }
  for (;;) {
    const request = await server.accept()
    if (request === null) return
    if (isClosing()) return request.reject(503)
    unanswered.add(request)
    answer(request).catch(ignore).finally(() => unanswered.delete(request))
  }
}

/** Asks for a session that nobody wants. */
const wake = ({ default: Session }: Module, host: string, port: number): void => {
  const session = new Session(`https://${host}:${port}/`, { serverCertificateDisableVerify: true })
  session.ready.catch(ignore)
  session.closed.catch(ignore)
}

/** The address at which a server reaches itself. */
const ownHost = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : isIPv6(host) ? `[${host}]` : host

/** Undefined if the package is not installed. */
export const listen = async (options: ListenOptions): Promise<Listening | undefined> => {
  const module = await load()
  if (module === undefined) return undefined
  const { certificate: { cert, privKey }, host } = options
  const port = await portFor(options).catch((cause: unknown) => {
    throw listenFailure(options, cause)
  })
  const server = module.Server.bind(
    `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    Buffer.from(cert),
    Buffer.from(privKey)
  )
  let isClosing = false
  const serving = serve(server, options, () => isClosing).catch(ignore)
  return {
    address: { host, port },
    sockets: new Set(),
    retainsWrites: false,
    // requests on a closed port would get no answer: its clients would wait for 30 s
    stop: ignore,
    // the package has no such thing
    goAway: ignore,
    abandon: (native) => {
      try {
        native.close()
      } catch {
        // the session is gone
      }
    },
    // Its `close` blocks the thread for ever while it waits for a request, and that wait keeps the process alive.
    close: async (within) => {
      isClosing = true
      wake(module, ownHost(host), port)
      let timer: ReturnType<typeof setTimeout> | undefined
      const tooLong = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(true), within)
      })
      if (!await Promise.race([serving.then(() => false), tooLong])) server.close()
      clearTimeout(timer)
    }
  }
}
