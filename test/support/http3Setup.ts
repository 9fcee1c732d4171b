import { http3Node } from "./http3.js"

// Under a newer C library `execPath` is the loader, which does not start Node.
process.execPath = http3Node()
