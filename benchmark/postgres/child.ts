import { measureFor } from "../harness/child.js"
import { postgres } from "./suite.js"

await measureFor(postgres)
