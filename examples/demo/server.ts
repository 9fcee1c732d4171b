/**
 * The main of the demo server's process. At `/echo`, whatever comes on a stream goes back. At `/requests`, each request of
 * a shared stream is its own answer.
 */
import { Effect } from "effect"
import { Framing } from "effect-pools"
import { nativeStreams, serve } from "../support/serve.js"

await serve({
  "/echo": nativeStreams(({ readable, writable }) => {
    readable.pipeTo(writable).catch(() => {})
  }),
  "/requests": (session) => session.serveStreams((stream) => Framing.serve(stream, Effect.succeed))
})
