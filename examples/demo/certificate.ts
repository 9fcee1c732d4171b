import { createHash, X509Certificate } from "node:crypto"

/** A certificate that WebTransport accepts by its hash, and its key. */
export interface Certificate {
  /** PEM */
  readonly cert: string
  /** PEM, PKCS#8 */
  readonly key: string
  /** SHA-256 of the certificate's DER, in its own buffer, as `serverCertificateHashes` needs it. */
  readonly hash: Uint8Array<ArrayBuffer>
  readonly hashHex: string
}

const hour = 60 * 60 * 1000
const day = 24 * hour

/**
 * Creates a self-signed certificate for `127.0.0.1` and `localhost`.
 *
 * ECDSA P-256 and 13 days: WebTransport refuses RSA keys and more than 14 days when it checks by hash. The certificate is
 * valid from an hour ago, for clocks that disagree.
 */
export const makeCertificate = async (): Promise<Certificate> => {
  // Imported on demand: it takes 0.2 s, and a server with its own certificate does not need it.
  const { generate } = await import("selfsigned")
  const notBefore = Date.now() - hour
  const pem = await generate([{ name: "commonName", value: "localhost" }], {
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
  return withHash(pem.cert, pem.private)
}

/** The same record from an existing PEM. */
export const withHash = (cert: string, key: string): Certificate => {
  const digest = createHash("sha256").update(new X509Certificate(cert).raw).digest()
  return { cert, key, hash: new Uint8Array(digest), hashHex: digest.toString("hex") }
}
