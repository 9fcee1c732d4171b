import { onPath } from "../../examples/support/chromium.js"

/** The executable of a Firefox: `FIREFOX`, or one on the path; undefined if there is none. */
export const firefox = (): string | undefined => process.env["FIREFOX"] || onPath(["firefox-esr", "firefox"])
