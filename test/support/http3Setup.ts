import { http3Node } from "./http3.js"

// Under a newer C library `execPath` is the loader, which does not start Node.
process.execPath = http3Node()

// A worker whose vitest is gone can report nothing: it would go on trying, and grow without end.
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))
