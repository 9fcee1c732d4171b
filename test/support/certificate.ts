/** The library's own certificates, in the words of Node. */
import { loadCertificate, type Pem } from "../../src/internal/platform/fails/certificate.js"

/** A certificate that WebTransport accepts by its hash, and its key. */
export interface Certificate {
  /** PEM */
  readonly cert: string
  /** PEM, PKCS#8 */
  readonly key: string
  /** SHA-256 of the certificate's DER, in its own buffer. */
  readonly hash: Uint8Array<ArrayBuffer>
  readonly hashHex: string
}

const load = async (given: Pem | "self-signed"): Promise<Certificate> => {
  const { cert, hash, privKey } = await loadCertificate(given)
  return { cert, key: privKey, hash, hashHex: Buffer.from(hash).toString("hex") }
}

export const makeCertificate = (): Promise<Certificate> => load("self-signed")

/** The same record from an existing PEM. */
export const withHash = (cert: string, key: string): Promise<Certificate> => load({ cert, privKey: key })
