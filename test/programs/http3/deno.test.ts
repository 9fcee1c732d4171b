/** Deno's own WebTransport, with what browsers load. */
import { suite } from "../../support/runtimes.js"

suite({
  name: "Deno",
  command: ["node_modules/.bin/deno", "run", "--no-config", "--unstable-net", "--allow-net=127.0.0.1", "-"],
  protocol: "http3",
  untrusted: "UnknownIssuer; pin the server's current certificate"
})
