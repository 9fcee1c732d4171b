/**
 * The main of the echo server's process for HTTP/3: the same server as the demo's over HTTP/2.
 *
 * Prints `Ready` as one line of JSON, and ends when stdin ends, so it always ends with the process that started it.
 */
import { makeCertificate } from "../../examples/demo/certificate.js"
import type { Ready } from "../../examples/support/serve.js"
import { type Request, Server } from "../../test/support/moq.js"
import { udpSocket } from "../../test/support/ports.js"

process.stdin.on("end", () => process.exit()).resume()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})

const { cert, hashHex, key } = await makeCertificate()
// the library does not tell its port
const reserved = await udpSocket(0)
const { port } = reserved.address()
await new Promise<void>((resolve) => reserved.close(resolve))
const server = Server.bind(`127.0.0.1:${port}`, Buffer.from(cert), Buffer.from(key))

const ready: Ready = { port, hash: hashHex }
process.stdout.write(`${JSON.stringify(ready)}\n`)

const ignore = () => {}
const serve = async (request: Request) => {
  const session = await request.ok()
  const echo = new WritableStream({
    write: ({ readable, writable }: { readable: ReadableStream; writable: WritableStream }) => {
      // a client that has its answers stops the stream; then a finish fails, and the credit would come back only with the
      // next garbage collection (moq 0.1.4)
      readable.pipeTo(writable, { preventClose: true }).then(() => writable.abort()).catch(ignore)
    }
  })
  await session.incomingBidirectionalStreams.pipeTo(echo)
}
for (;;) {
  const request = await server.accept()
  if (request === null) break
  serve(request).catch(ignore)
}
