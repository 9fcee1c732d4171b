/** The suites of `npm run bench`. */
import type { Suite } from "./harness/model.js"
import { memory } from "./memory/suite.js"
import { pools } from "./pools/suite.js"
import { http3, transport } from "./transport/suite.js"

export const suites: ReadonlyArray<Suite> = [pools, memory, transport, http3]
