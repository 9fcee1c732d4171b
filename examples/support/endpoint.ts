/** The embedded servers, as options of a pool. Your own server with a certificate that the platform trusts needs only its `url`. */
import { Effect } from "effect"
import { startEchoServer } from "../demo/echoServer.js"
import type { Ready } from "./serve.js"

/** Where a server of this machine is that shows its certificate. */
export const endpointOf = (path: string) => ({ hash, port }: Ready) => ({
  url: `https://127.0.0.1:${port}${path}`,
  connect: { serverCertificateHashes: [{ value: Buffer.from(hash, "hex") }] }
})

export const startEndpoint = Effect.map(startEchoServer, endpointOf("/echo"))
