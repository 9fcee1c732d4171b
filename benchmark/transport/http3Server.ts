/** The main of the echo server's process for HTTP/3: the same server as the demo's over HTTP/2. */
import { nativeStreams, serve } from "../../examples/support/serve.js"
// its package, and what that needs
import "../../test/support/moq.js"

await serve({
  "/echo": nativeStreams(({ readable, writable }) => {
    // a client that has its answers stops the stream; then a finish fails, and the credit would come back only with the
    // next garbage collection (moq 0.1.4)
    readable.pipeTo(writable, { preventClose: true }).then(() => writable.abort()).catch(() => {})
  })
}, "http3")
