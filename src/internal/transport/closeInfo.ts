/** How a session ends: the application's code and reason. */
import * as Effect from "effect/Effect"
import type { CloseInfo } from "./shape.js"

/** The maximum length of the reason, in bytes of UTF-8 (draft-ietf-webtrans-http3, section 6). */
const longestReason = 1024

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
export const checkCloseInfo = (info: Partial<CloseInfo> | undefined): Effect.Effect<void> => {
  const { closeCode, reason } = closeInfoOf(info)
  if (!Number.isInteger(closeCode) || closeCode < 0 || closeCode > 0xffff_ffff) {
    return Effect.die(new RangeError(`closeCode must be a whole number from 0 to 4294967295, not ${String(closeCode)}`))
  }
  if (typeof reason !== "string") return Effect.die(new TypeError(`reason must be a string, not ${String(reason)}`))
  const size = new TextEncoder().encode(reason).byteLength
  if (size <= longestReason) return Effect.void
  return Effect.die(new RangeError(`reason must have ${longestReason} bytes of UTF-8 at most, not ${size}`))
}

export const describeCloseInfo = (info: CloseInfo): string =>
  `code ${info.closeCode}${info.reason === "" ? "" : `, ${JSON.stringify(info.reason)}`}`
