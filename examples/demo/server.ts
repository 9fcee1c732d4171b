/** The main of the echo server's process. */
import { serve } from "../support/serve.js"

await serve("/echo", ({ readable, writable }) => {
  readable.pipeTo(writable).catch(() => {})
})
