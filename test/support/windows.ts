/** The windows that the other end of a connection of HTTP/2 grants for WebTransport. Sizes are in bytes. */
import type { Http2Session } from "node:http2"

/** By their numbers (draft-ietf-webtrans-http2). */
export const windowSettings = { sessionData: 0x2b61, streamData: 0x2b63 }

export const wideWindows = { sessionData: 15 << 20, streamData: 256 << 10 }

export const windowsOf = (
  { remoteSettings }: Http2Session
): { readonly [window in keyof typeof wideWindows]: number | undefined } => ({
  sessionData: remoteSettings.customSettings?.[windowSettings.sessionData],
  streamData: remoteSettings.customSettings?.[windowSettings.streamData]
})
