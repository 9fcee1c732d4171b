/** `npm run bench -- pools --effect 4`: waiting pools against Effect 4's own. */
import type { Suite } from "../harness/model.js"
import { borrow } from "./borrow.js"
import { contention } from "./contention.js"
import { outage } from "./outage.js"
import { waiters } from "./waiters.js"

export const poolsOnEffect4: Suite = {
  name: "pools",
  title: "Waiting pools on Effect 4",
  effect: 4,
  child: "pools/childOnEffect4.ts",
  packages: ["effect"],
  groups: [borrow(4), contention(4), waiters(4), outage(4)]
}
