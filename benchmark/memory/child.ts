import { measureFor } from "../harness/child.js"
import { memory } from "./suite.js"

await measureFor(memory)
