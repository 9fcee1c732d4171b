import { type Decoded, duration, nested, positive, type Row, value } from "./optionTable.js"

const maxCloseCode = 0xffff_ffff
/** The maximum length of the reason, in bytes of UTF-8 (draft-ietf-webtrans-http3, section 6). */
const maxReason = 1024

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength

const reason: Row<string, string, undefined, undefined> = {
  ...value<string, string>(
    `a string of at most ${maxReason} bytes of UTF-8`,
    (reason) => typeof reason === "string" && bytesOf(reason) <= maxReason,
    ""
  ),
  fault: (reason) => typeof reason === "string" ? `has ${bytesOf(reason)}` : `is of type ${typeof reason}`
}

/** How a session ends: the application's code and reason. */
export const closeOptions = {
  closeCode: value<number, number>(
    `a whole number from 0 to ${maxCloseCode}`,
    (code) => Number.isInteger(code) && code >= 0 && code <= maxCloseCode,
    0
  ),
  reason
}

type CloseInfo = Decoded<typeof closeOptions>

const closeInfo: Row<Partial<CloseInfo>, CloseInfo | undefined, undefined, undefined> = nested(closeOptions)

/** The connect options that a session, or its pool when it is made, checks. */
export const connectOptions = {
  connectTimeout: positive(10_000, "How long connecting may take"),
  closeTimeout: duration(5_000),
  closeInfo
}
