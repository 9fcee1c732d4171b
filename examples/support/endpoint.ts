/** The demo's echo server, as options of a pool. Your own server with a certificate that the platform trusts needs only its `url`. */
import { Effect } from "effect"
import { startEchoServer } from "../demo/echoServer.js"

export const startEndpoint = Effect.map(startEchoServer, ({ hash, port }) => ({
  url: `https://127.0.0.1:${port}/echo`,
  connect: { serverCertificateHashes: [{ value: Buffer.from(hash, "hex") }] }
}))
