/** `npm run bench -- pools`: waiting pools against other libraries. */
import type { Suite } from "../harness/model.js"
import { borrow } from "./borrow.js"
import { contention } from "./contention.js"
import { endpoints } from "./endpoints.js"
import { keyed } from "./keyed.js"
import { observing } from "./observing.js"
import { outage } from "./outage.js"
import { permits } from "./permits.js"
import { size } from "./size.js"
import { waiters } from "./waiters.js"

export const pools: Suite = {
  name: "pools",
  title: "Waiting pools",
  effect: 3,
  child: "pools/child.ts",
  packages: ["effect", "generic-pool", "tarn", "lightning-pool"],
  groups: [borrow(3), keyed, endpoints, observing, contention(3), waiters(3), size, outage(3), permits]
}
