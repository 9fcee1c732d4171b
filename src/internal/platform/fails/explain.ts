/** Explains why a session failed to connect: from errors of Node, certificates, and the status of an answer. */
import type { Explanation, NativeOptions } from "../../transport/shape.js"
import type { FailsInternals } from "./internals.js"

export interface Certificate {
  /** SHA-256: hexadecimal pairs with colons between them. */
  readonly fingerprint256: string
  readonly valid_from: string
  readonly valid_to: string
}

const noListener = {
  detail: "nobody listens there",
  advice: "start the server, or check the port; a server of HTTP/3 alone (UDP) is not found over HTTP/2 (TCP)"
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

export const explainStatus = (status: number): Explanation => ({
  detail: `the server answered ${status}`,
  advice: adviceOf(status),
  status
})

export const goesAway: Explanation = {
  detail: "the server goes away (GOAWAY)",
  advice: "connect again: another one may take its place"
}

export const endedEarly: Explanation = {
  detail: "the server ended the session before it was ready",
  advice: "see what it logs"
}

/** Explains how far a pending attempt has come. */
export const explainWaiting = ({ client }: FailsInternals): Explanation => {
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
