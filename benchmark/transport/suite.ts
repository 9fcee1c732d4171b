/** `npm run bench -- transport`: requests over WebTransport, with and without pools, against an echo server. */
import type { Suite } from "../harness/model.js"
import { large, medium, small } from "./echo.js"
import { soak } from "./soak.js"

export const transport: Suite = {
  name: "transport",
  title: "Requests over WebTransport",
  packages: ["effect", "@fails-components/webtransport"],
  groups: [small, medium, large, soak]
}
