import { measureFor } from "../harness/child.js"
import { http3, transport } from "./suite.js"

await measureFor(http3, transport)
