/** `npm run bench -- pools`: waiting pools against other libraries. */
import type { Suite } from "../harness/model.js"
import { borrow } from "./borrow.js"
import { contention } from "./contention.js"
import { keyed } from "./keyed.js"
import { observing } from "./observing.js"
import { size } from "./size.js"
import { waiters } from "./waiters.js"

export const pools: Suite = {
  name: "pools",
  title: "Waiting pools",
  packages: ["effect", "generic-pool", "tarn", "lightning-pool"],
  groups: [borrow, keyed, observing, contention, waiters, size]
}
