/** The library's own certificate, in the words of Node. */
import { loadCertificate } from "../../src/internal/platform/fails/certificate.js"

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

export const makeCertificate = async (): Promise<Certificate> => {
  const { cert, hash, privKey } = await loadCertificate("self-signed")
  return { cert, key: privKey, hash, hashHex: Buffer.from(hash).toString("hex") }
}
