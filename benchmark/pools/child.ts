import { measureFor } from "../harness/child.js"
import { pools } from "./suite.js"

await measureFor(pools)
