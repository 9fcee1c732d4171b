/** The certificates of servers: given, or self-signed by the package `selfsigned`. */
import { createHash, X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import { WebTransportError } from "../../../WebTransportError.js"
import { whenMissing } from "./missing.js"

/** A certificate and its key, both PEM. */
export interface Pem {
  readonly cert: string
  readonly privKey: string
}

export interface Certificate extends Pem {
  /** SHA-256 of the certificate's DER, in its own buffer. */
  readonly hash: Uint8Array<ArrayBuffer>
}

const hour = 60 * 60 * 1000
const day = 24 * hour

/** Imported on demand: it takes 0.2 s, and a server with its own certificate does not need it. */
const loadSelfsigned = () =>
  import("selfsigned").catch(
    whenMissing(
      "a self-signed certificate needs the package selfsigned",
      "npm install selfsigned@5, or give a certificate"
    )
  )

/**
 * ECDSA P-256 and 13 days: clients refuse RSA keys and more than 14 days when they check by hash. It is valid from an hour
 * ago, for clocks that disagree.
 */
const selfSigned = async (): Promise<Pem> => {
  const { generate } = await loadSelfsigned()
  const notBefore = Date.now() - hour
  const { cert, private: privKey } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(notBefore),
    notAfterDate: new Date(notBefore + 13 * day),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }, { type: 7, ip: "127.0.0.1" }] }
    ]
  })
  return { cert, privKey }
}

const wrong = (cause: unknown): WebTransportError =>
  new WebTransportError({
    reason: "Listen",
    detail: `the certificate and its key are no pair in PEM: ${cause instanceof Error ? cause.message : String(cause)}`,
    advice: "give the texts of both files, which begin with -----BEGIN",
    cause
  })

/** The certificate to serve with. Rejects with a `WebTransportError`: the library would never tell of a wrong one. */
export const loadCertificate = async (given: Pem | "self-signed"): Promise<Certificate> => {
  const { cert, privKey } = given === "self-signed" ? await selfSigned() : given
  try {
    createSecureContext({ cert, key: privKey })
    const hash = new Uint8Array(createHash("sha256").update(new X509Certificate(cert).raw).digest())
    return { cert, privKey, hash }
  } catch (cause) {
    throw wrong(cause)
  }
}
