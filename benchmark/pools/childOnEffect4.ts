import { measureFor } from "../harness/child.js"
import { poolsOnEffect4 } from "./suiteOnEffect4.js"

await measureFor(poolsOnEffect4)
