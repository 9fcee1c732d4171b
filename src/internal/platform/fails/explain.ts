/** Explains why a session failed to connect: from errors of Node, certificates, and the status of an answer. */
import type { Explanation, NativeOptions } from "../../../WebTransportConstructor.js"
import type { FailsInternals } from "./internals.js"

export interface Certificate {
  /** SHA-256: hexadecimal pairs with colons between them. */
  readonly fingerprint256: string
  readonly valid_from: string
  readonly valid_to: string
}

const noListener = {
  detail: "no server listens there",
  advice: "start the server, or check the port; HTTP/2 (TCP) cannot reach a server that only speaks HTTP/3 (UDP)"
}

const noAddress = { detail: "its name has no address", advice: "check the host name, and the network's name server" }

const noHttp2 = { detail: "it does not speak HTTP/2", advice: "check that the port is that of a WebTransport server" }

/** Keys are the codes of Node's errors. */
const explanations: Record<string, Explanation> = {
  ECONNREFUSED: noListener,
  ENOTFOUND: noAddress,
  EAI_AGAIN: noAddress,
  ERR_SSL_WRONG_VERSION_NUMBER: { ...noHttp2, detail: "it does not speak TLS" },
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: noHttp2
}

const isAboutCertificate = /CERT|SIGNATURE|ISSUER|REVOKED/

export const explainError = (error: Error & { readonly code?: unknown }): Explanation => {
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

export const explainCertificate = (
  certificate: Certificate | undefined,
  hashes: NonNullable<NativeOptions["serverCertificateHashes"]>
): Explanation | undefined => {
  if (certificate === undefined) return undefined
  const hash = certificate.fingerprint256.replaceAll(":", "").toLowerCase()
  if (!hashes.some(({ value }) => hex(value) === hash)) {
    return {
      detail: `its certificate is not in serverCertificateHashes; its SHA-256 is ${hash}`,
      advice: "pin the server's current certificate; many servers create a new one at each start"
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
      return "check the credentials: the headers, or the query of the URL"
    case 404:
    case 405:
      return "check the path: the server has no WebTransport there"
    case 429:
    case 503:
      return "the server is overloaded or restarts: try again later"
    default:
      return "the server refused the session: see the server's log"
  }
}

export const explainStatus = (status: number): Explanation => ({
  detail: `the server answered ${status}`,
  advice: adviceOf(status),
  status
})

export const goesAway: Explanation = {
  detail: "the server is shutting down (GOAWAY)",
  advice: "connect again: another server may take over"
}

export const endedEarly: Explanation = {
  detail: "the server ended the session before it was ready",
  advice: "see the server's log"
}

/** Explains how far a pending attempt has come. */
export const explainWaiting = ({ client }: FailsInternals): Explanation => {
  if (client.connecting) {
    return {
      detail: "the TLS handshake is not done",
      advice: "check the address, and proxies and firewalls in between"
    }
  }
  if (client.remoteSettings?.enableConnectProtocol !== true) {
    return {
      detail: "it speaks HTTP/2, but does not offer WebTransport",
      advice: "check that the port is that of a WebTransport server"
    }
  }
  return { detail: "it speaks WebTransport, but has not answered for this path" }
}
