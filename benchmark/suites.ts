/** The suites of `npm run bench`. */
import type { Suite } from "./harness/model.js"
import { memory } from "./memory/suite.js"
import { pools } from "./pools/suite.js"
import { poolsOnEffect4 } from "./pools/suiteOnEffect4.js"
import { postgres } from "./postgres/suite.js"
import { http3, transport } from "./transport/suite.js"

export const suites: ReadonlyArray<Suite> = [pools, poolsOnEffect4, memory, transport, http3, postgres]
