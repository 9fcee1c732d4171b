/** How a session ends: the application's code and reason. */
import type * as Effect from "effect/Effect"
import type { CloseInfo } from "../../WebTransportConstructor.js"
import { closeOptions } from "../options/connectOptions.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { decodeAll } from "../options/optionTable.js"

export const closeInfoOf = (info: Partial<CloseInfo> | undefined): CloseInfo => ({
  closeCode: info?.closeCode ?? 0,
  reason: info?.reason ?? ""
})

/** The first HTTP/3 code that stands for an application's code (draft-ietf-webtrans-http3, "Resetting Data Streams"). */
const firstCode = 0x52e4_a40f_a8db

/** The application's own code: Deno (2.9) tells HTTP/3's code, of which every 31st is reserved. */
export const applicationInfo = (info: CloseInfo): CloseInfo => {
  const index = info.closeCode - firstCode
  return index < 0 ? info : { ...info, closeCode: index - Math.floor(index / 31) }
}

/** Dies of an invalid code or reason. */
export const checkCloseInfo = (info: Partial<CloseInfo> | undefined): Effect.Effect<void> =>
  dieOfProblems("WebTransport", decodeAll(closeOptions, info ?? {}).problems)

export const describeCloseInfo = (info: CloseInfo): string =>
  `code ${info.closeCode}${info.reason === "" ? "" : `, ${JSON.stringify(info.reason)}`}`
