/** `npm run bench -- memory`: recycling pools against new objects, and against other libraries. */
import type { Suite } from "../harness/model.js"
import { buffers } from "./buffers.js"
import { collections } from "./collections.js"
import { objects } from "./objects.js"
import { garbage } from "./pauses.js"

export const memory: Suite = {
  name: "memory",
  title: "Recycling pools",
  effect: 3,
  child: "memory/child.ts",
  packages: ["effect", "reusify", "@thi.ng/malloc"],
  groups: [objects, buffers, collections, garbage]
}
