import { onPath } from "../../examples/support/chromium.js"

/** The executable of a Bun: `BUN`, or one on the path; undefined if there is none. */
export const bun = (): string | undefined => process.env["BUN"] || onPath(["bun"])
