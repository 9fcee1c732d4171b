/**
 * Everything that reaches into `@fails-components/webtransport` (1.6.8, pinned exactly): loading it without a word,
 * telling its sessions what the HTTP/2 client under them knows, and freeing what its `close()` leaves. Each access is
 * checked; where the shape is another one, the session goes without.
 */
import type * as Api from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"

interface Module {
  readonly WebTransport: new(url: string, options: Record<string, unknown>) => Api.NativeWebTransport
  readonly quicheLoaded: Promise<unknown>
}

// -----------------------------------------------------------------------------
// Loading
// -----------------------------------------------------------------------------

const nativePackage = "@fails-components/webtransport-transport-http3-quiche"

const isNoise = (first: unknown): boolean =>
  first === "http3 loader:" || first === "Problem loading http3-quiche transport" ||
  first === `Did you install ${nativePackage}?`

/** Without the native package, importing prints some 30 lines. Everything else passes. */
const filterConsole = (method: "log" | "error"): () => void => {
  const original = console[method]
  let isLoading = true
  const filter = (...args: Array<unknown>) => {
    if (!isLoading || !isNoise(args[0])) original.apply(console, args)
  }
  console[method] = filter
  return () => {
    isLoading = false
    if (console[method] === filter) console[method] = original
  }
}

const loadQuietly = async (): Promise<Loaded> => {
  const restore = [filterConsole("log"), filterConsole("error")]
  try {
    const module = await import("@fails-components/webtransport") as unknown as Module
    await module.quicheLoaded
    const hasHttp3 = await import(nativePackage).then(() => true, () => false)
    // Its server half prints on its own, perhaps later.
    await new Promise((resolve) => setImmediate(resolve))
    return { module, hasHttp3 }
  } finally {
    for (const undo of restore) undo()
  }
}

export interface Loaded {
  readonly module: Module
  /** Whether the native package is there, which it needs for HTTP/3. */
  readonly hasHttp3: boolean
}

let loaded: Promise<Loaded> | undefined

/** Once per process. */
export const load = (): Promise<Loaded> => loaded ??= loadQuietly()

// -----------------------------------------------------------------------------
// Constructing
// -----------------------------------------------------------------------------

export type Protocol = "http2" | "http3" | "http3-or-http2"

/** Its own time limits cannot be cancelled from outside and leave the socket: they come after the caller's. */
const ownTimeout = (connectTimeout: number) => Math.min(connectTimeout + 1000, 0x7fff_ffff)

export const construct = (
  module: Module,
  protocol: Protocol,
  url: string,
  options: Api.NativeOptions,
  connectTimeout: number
): Api.NativeWebTransport => {
  const { headers, ...others } = options
  const native = new module.WebTransport(url, {
    ...others,
    forceReliable: protocol === "http2",
    ...(protocol === "http3" ? { requireUnreliable: true } : undefined),
    // HTTP/2 is tried when this is over.
    quicConnectTimeout: protocol === "http3-or-http2" ? connectTimeout / 2 : ownTimeout(connectTimeout),
    webTransportConnectTimeout: ownTimeout(connectTimeout)
  })
  hold(native, options)
  const isWatched = watch(native, headers ?? [])
  if (!isWatched) watchFallback(native, options)
  if (!isWatched && headers !== undefined) {
    // Without its headers a request may be another one's: it is not sent at all.
    abandon(native)
    throw new WebTransportError({
      reason: "Unsupported",
      detail: "this version of @fails-components/webtransport takes no headers",
      advice: "install 1.6.8"
    })
  }
  return native
}

// -----------------------------------------------------------------------------
// Freeing
// -----------------------------------------------------------------------------

interface Emitter {
  on?(event: string, listener: (...args: Array<never>) => void): unknown
  once(event: string, listener: (...args: Array<never>) => void): unknown
}

/** The HTTP/2 session of `node:http2`, and the object that awaits its news. */
export interface Internals {
  readonly client: Emitter & {
    readonly socket: Emitter | undefined
    /** Until TLS stands. */
    readonly connecting: boolean
    readonly remoteSettings?: { readonly enableConnectProtocol?: boolean | undefined } | undefined
    request?(headers: Fields, ...others: ReadonlyArray<unknown>): ConnectStream
    removeAllListeners(event: string): unknown
    close(): void
    destroy(): void
  }
  readonly parent: {
    onClientConnected(event: { success: boolean }): void
    onClientWebTransportSupport(event: object): void
  }
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null
const has = (u: unknown, ...methods: ReadonlyArray<string>): boolean =>
  isObject(u) && methods.every((method) => typeof u[method] === "function")

const sessionOf = (native: unknown): Record<string, unknown> | undefined => {
  const session = isObject(native) ? native["sessionint"] : undefined
  return isObject(session) ? session : undefined
}

const parentOf = (native: unknown): Record<string, unknown> | undefined => {
  const parent = sessionOf(native)?.["parentobj"]
  return has(parent, "onClientConnected", "onClientWebTransportSupport") ? parent as Record<string, unknown> : undefined
}

/** There right after `new` over HTTP/2; undefined over HTTP/3, and where the shape is not that of 1.6.8. */
export const internals = (native: unknown): Internals | undefined => {
  const parent = parentOf(native)
  const transport = parent?.["transportInt"]
  const client = isObject(transport) ? transport["clientInt"] : undefined
  return has(client, "once", "removeAllListeners", "close", "destroy")
    ? { client, parent } as unknown as Internals
    : undefined
}

interface Socket {
  readonly destroyed: boolean
  readonly bytesRead?: number | undefined
  /** Whether its certificate is trusted, or has a hash that was given. */
  readonly authorized?: boolean | undefined
  readonly secureConnecting?: boolean | undefined
  getPeerCertificate?(): Certificate
  removeAllListeners?(event: string): unknown
  destroy(): void
}

interface Certificate {
  /** SHA-256: hexadecimal pairs with colons between them. */
  readonly fingerprint256: string
  readonly valid_from: string
  readonly valid_to: string
}

interface Held {
  readonly socket: Socket
  readonly freed: Promise<void>
}

const held = new WeakMap<object, Held>()

/** What is known of failures; the library (1.6.8) tells no more than "Opening handshake failed." */
const explained = new WeakMap<object, Api.Explanation>()

/** The first reason is the one that counts. */
const note = (native: Api.NativeWebTransport, explanation: Api.Explanation | undefined): void => {
  if (explanation !== undefined && !explained.has(native)) explained.set(native, explanation)
}

const hold = (native: Api.NativeWebTransport, options: Api.NativeOptions): void => {
  try {
    const client = internals(native)?.client
    const proxy = client?.socket
    if (client === undefined || proxy === undefined) return
    let socket: unknown
    // The TLS socket itself, from behind a proxy that refuses `destroy`: `once` returns what it was called on.
    const freed = new Promise<void>((resolve) => {
      socket = proxy.once("close", resolve)
    })
    if (!has(socket, "destroy")) return
    const one: Held = { socket: socket as Socket, freed }
    held.set(native, one)
    client.once("error", (error: Error) => note(native, explainError(error)))
    // after the library's own listener, which has compared the hashes
    proxy.once("secureConnect", () => {
      const { serverCertificateHashes: hashes } = options
      if (hashes === undefined || one.socket.authorized !== false) return
      note(native, explainCertificate(one.socket.getPeerCertificate?.(), hashes))
    })
  } catch {
    // Nothing held: `freed`, `explain` and `abandon` do with less.
  }
}

// -----------------------------------------------------------------------------
// Watching
// -----------------------------------------------------------------------------

type Fields = Readonly<Record<string, number | string | ReadonlyArray<string> | undefined>>

/** The stream of the CONNECT. */
interface ConnectStream extends Emitter {
  close(code: number): void
  end(): void
}

interface Closable extends Record<string, unknown> {
  onClose(event: { readonly errorcode: number; readonly error: string }): void
}

/** The last stream in a GOAWAY that only announces another one (RFC 9113, section 6.8). */
const notice = 0x7fff_ffff
const noError = 0
const cancel = 8

const addFields = (fields: Fields, headers: ReadonlyArray<readonly [string, string]>): Fields => {
  const all: Record<string, Fields[string]> = { ...fields }
  const given: Record<string, Array<string>> = {}
  for (const [name, value] of headers) (given[name] ??= []).push(value)
  for (const [name, values] of Object.entries(given)) all[name] = values.length === 1 ? values[0] : values
  return all
}

const fieldsOf = (fields: Fields): ReadonlyArray<readonly [string, string]> =>
  Object.entries(fields).flatMap(([name, value]) =>
    name.startsWith(":") || value === undefined
      ? []
      : [value].flat().map((one) => [name, String(one)] as const)
  )

/**
 * Sends the headers with the CONNECT, and passes on to the session what the library (1.6.8) leaves to its HTTP/2 client:
 * the headers and the status of the answer, GOAWAY, and the end of the CONNECT's stream. Whether the headers will be sent.
 */
const watch = (native: Api.NativeWebTransport, headers: ReadonlyArray<readonly [string, string]>): boolean => {
  const client = internals(native)?.client
  const session = sessionOf(native) as Closable | undefined
  if (client === undefined || session === undefined || !has(client, "request", "on") || !has(session, "onClose")) {
    return false
  }
  let stream: ConnectStream | undefined
  let isAnswered = false
  let isLeaving = false

  const drain = keepOpenWhileDraining(session)
  // The library makes its request by itself (1.6.8), with headers of its own alone, and keeps the stream of it.
  const request = client.request!.bind(client)
  client.request = (fields, ...others) => {
    const sent = request(addFields(fields, headers), ...others)
    if (has(sent, "once", "close", "end")) watchConnect(stream = sent)
    return sent
  }

  const watchConnect = (connect: ConnectStream): void => {
    connect.once("response", (fields: Fields) => {
      const status = fields[":status"]
      if (!("responseHeaders" in native)) Object.assign(native, { responseHeaders: fieldsOf(fields) })
      if (status !== 200) return typeof status === "number" ? note(native, explainStatus(status)) : undefined
      isAnswered = true
      if (isLeaving) drain()
    })
    // The library's own handler does nothing (1.6.8): a session that ends without a capsule would live on for ever.
    connect.once("end", () => {
      if (session["state"] === "closed" || session["state"] === "failed") return
      note(native, endedEarly)
      // The same as to be closed with code 0 and no words (draft-ietf-webtrans-http3, section 6).
      session.onClose({ errorcode: 0, error: "" })
      connect.end()
    })
  }

  // The library does not listen to it (1.6.8).
  client.on!("goaway", (code: number, lastStream: number) => {
    isLeaving = true
    if (isAnswered) return code === noError ? drain() : undefined
    note(native, goesAway)
    // With an error node ends all streams by itself, and without one those that it rejects. What it only has not answered
    // yet would at best become a session that nobody should use.
    if (code === noError && lastStream !== notice) stream?.close(cancel)
  })
  return true
}

/** Where HTTP/2 is tried after HTTP/3 its client is made only then (1.6.8). */
const watchFallback = (native: Api.NativeWebTransport, options: Api.NativeOptions): void => {
  const parent = parentOf(native)
  const fallBack = parent?.["transportIntSwitchToReliable"]
  if (parent === undefined || typeof fallBack !== "function") return
  parent["transportIntSwitchToReliable"] = () => {
    fallBack()
    hold(native, options)
    watch(native, [])
  }
}

/**
 * Tells that a session drains. The library (1.6.8) then takes it for one that was never open: its end would reject
 * `closed`, and leave its streams pending.
 */
const keepOpenWhileDraining = (session: Record<string, unknown>): () => void => {
  const resolve = session["drainingResolve"]
  if (typeof resolve !== "function") return () => {}
  const drain = () => void resolve(undefined)
  session["onGoAwayReceived"] = drain
  return drain
}

// -----------------------------------------------------------------------------
// Explaining
// -----------------------------------------------------------------------------

const noListener = {
  detail: "nobody listens there",
  advice: "start the server, or check the port; a server of HTTP/3 alone (UDP) is not found over HTTP/2 (TCP)"
}

const noAddress = { detail: "its name has no address", advice: "check the host name, and the network's name server" }

const noHttp2 = { detail: "it does not speak HTTP/2", advice: "check that the port is that of a WebTransport server" }

/** By the code of Node's error. */
const explanations: Record<string, Api.Explanation> = {
  ECONNREFUSED: noListener,
  ENOTFOUND: noAddress,
  EAI_AGAIN: noAddress,
  ERR_SSL_WRONG_VERSION_NUMBER: { ...noHttp2, detail: "it does not speak TLS" },
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: noHttp2
}

const isAboutCertificate = /CERT|SIGNATURE|ISSUER|REVOKED/

const explainError = (error: Error & { readonly code?: unknown }): Api.Explanation => {
  const code = String(error.code)
  const known = explanations[code]
  if (known !== undefined) return { ...known, cause: error }
  if (!isAboutCertificate.test(code)) return { detail: error.message, cause: error }
  return {
    detail: `its certificate is not trusted: ${error.message}`,
    advice: "pin it with serverCertificateHashes, or have Node trust its authority (NODE_EXTRA_CA_CERTS)",
    cause: error
  }
}

const hex = (bytes: ArrayBuffer | ArrayBufferView): string =>
  Array.from(
    ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes),
    (byte) => byte.toString(16).padStart(2, "0")
  ).join("")

const explainCertificate = (
  certificate: Certificate | undefined,
  hashes: NonNullable<Api.NativeOptions["serverCertificateHashes"]>
): Api.Explanation | undefined => {
  if (certificate === undefined) return undefined
  const hash = certificate.fingerprint256.replaceAll(":", "").toLowerCase()
  if (!hashes.some(({ value }) => hex(value) === hash)) {
    return {
      detail: `its certificate is none of serverCertificateHashes: its SHA-256 is ${hash}`,
      advice: "pin the certificate that the server has now; many make a new one at each start"
    }
  }
  return {
    detail: `its certificate is valid from ${certificate.valid_from} to ${certificate.valid_to}`,
    advice: "a pinned certificate has to be valid now, and for 14 days at most"
  }
}

const adviceOf = (status: number): string => {
  switch (status) {
    case 401:
    case 403:
      return "check what the server knows the client by: its headers, or the query of the URL"
    case 404:
    case 405:
      return "check the path: it serves no WebTransport under this one"
    case 429:
    case 503:
      return "it has too much to do, or restarts: try again later"
    default:
      return "the server refused the session: see what it logs"
  }
}

const explainStatus = (status: number): Api.Explanation => ({
  detail: `the server answered ${status}`,
  advice: adviceOf(status),
  status
})

const goesAway: Api.Explanation = {
  detail: "the server goes away (GOAWAY)",
  advice: "connect again: another one may take its place"
}

const endedEarly: Api.Explanation = {
  detail: "the server ended the session before it was ready",
  advice: "see what it logs"
}

/** How far an attempt is that has not failed. */
const explainWaiting = ({ client }: Internals): Api.Explanation => {
  if (client.connecting) {
    return { detail: "TLS does not stand yet", advice: "check the address, and what is on the way" }
  }
  if (client.remoteSettings?.enableConnectProtocol !== true) {
    return {
      detail: "it speaks HTTP/2, but does not offer WebTransport",
      advice: "check that the port is that of a WebTransport server"
    }
  }
  return { detail: "it speaks WebTransport, but has not answered for this path" }
}

export const explain = (native: Api.NativeWebTransport): Api.Explanation | undefined => {
  try {
    const known = explained.get(native)
    if (known !== undefined) return known
    const found = internals(native)
    const one = held.get(native)
    return found === undefined || one === undefined || one.socket.destroyed ? undefined : explainWaiting(found)
  } catch {
    return undefined
  }
}

// -----------------------------------------------------------------------------
// Abandoning
// -----------------------------------------------------------------------------

/** How long a connection has for its farewell. */
const farewellWithin = 100

/**
 * A connection that stands is left with a word (GOAWAY and TLS's close_notify): without one, a server on node (20) whose
 * first write then fails stops reading, never notices that the client is gone, and keeps its socket for ever.
 */
const leave = (client: Internals["client"], one: Held | undefined): void => {
  // The session alone would first let the handshake finish (node 20), and before TCP is connected wait for that. Bun (1.4)
  // says that it is connected before TLS is.
  if (client.connecting || one?.socket.secureConnecting === true) {
    // Bun finishes the handshake of a destroyed socket, too: the library's listener (1.6.8) would throw where nobody catches.
    one?.socket.removeAllListeners?.("secureConnect")
    one?.socket.destroy()
  } // Its pings (fails-components 1.6.8) look whether it is closed, and would throw on one that is only destroyed.
  else client.close()
  client.destroy()
  if (one === undefined || one.socket.destroyed) return
  // From here on the socket waits for the peer to end it, too.
  const timer = setTimeout(() => one.socket.destroy(), farewellWithin)
  timer.unref()
  void one.freed.then(() => clearTimeout(timer))
}

/** Settles when the connection under a session that was closed is gone, too: `closed` does not wait for a hung peer. */
export const freed = (native: Api.NativeWebTransport): Promise<void> | undefined => held.get(native)?.freed

/** How many bytes have come on the connection under a session. */
export const received = (native: Api.NativeWebTransport): number | undefined => held.get(native)?.socket.bytesRead

/**
 * Frees a session in any state: connecting (where `close()` is ignored), waiting for an answer, refused, established,
 * or closed with a peer that hangs.
 */
export const abandon = (native: Api.NativeWebTransport): void => {
  try {
    const found = internals(native)
    if (found === undefined) {
      // Over HTTP/3: what the library itself does when it cannot connect. Nothing if it has.
      const parent = parentOf(native) as Internals["parent"] | undefined
      parent?.onClientConnected({ success: false })
      return native.close()
    }
    // News on their way already would throw where nobody catches it: "Client connected with no pending promise".
    found.client.removeAllListeners("connect")
    leave(found.client, held.get(native))
    // Ends the wait for the connection, and with it the timer.
    found.parent.onClientConnected({ success: false })
    // Ends the wait for the peer's settings the same way; what comes after it fails on the destroyed client.
    found.parent.onClientWebTransportSupport({})
  } catch {
    // Of another shape after all: its own time limits are left.
  }
}
