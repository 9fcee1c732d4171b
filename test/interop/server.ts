/** The contract of README.md, spoken by this library's server over HTTP/2. */
import { Effect, Stream } from "effect"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"

const program = Effect.gen(function*() {
  const server = yield* NodeWebTransportServer.make({ certificate: "self-signed", paths: ["/echo"] })
  console.log(`export INTEROP_URL=https://127.0.0.1:${server.address.port}/echo`)
  console.log(`export INTEROP_CERTIFICATE_HASH=${Buffer.from(server.certificateHash).toString("hex")}`)
  yield* server.serve((session) =>
    Effect.all([
      session.serveStreams((stream) => Stream.run(stream.stream, stream.sink)),
      Stream.runForEach(session.datagrams.stream, (datagram) => session.datagrams.send(datagram))
    ], { concurrency: "unbounded" })
  )
})

await Effect.runPromise(Effect.scoped(program))
