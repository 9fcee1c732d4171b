import { suite } from "../support/runtimes.js"

suite({
  name: "Deno",
  command: ["node_modules/.bin/deno", "run", "--allow-all", "--node-modules-dir=manual", "-"],
  protocol: "http2",
  untrusted: "self-signed"
})
