/** The windows that the other end of a connection of HTTP/2 grants before any data. Sizes are in bytes. */
import type { Http2Session } from "node:http2"

export const windowSettings = { sessionData: 0x2b61, streamData: 0x2b63 }

const large = 15 << 20

export const wideWindows = { connection: large, connect: large, sessionData: large, streamData: 256 << 10 }

/** `connect`: of the stream of a CONNECT request. The others but `connection` are those of draft-ietf-webtrans-http2. */
export const windowsOf = (
  { remoteSettings, state }: Http2Session
): { readonly [window in keyof typeof wideWindows]: number | undefined } => ({
  connection: state.remoteWindowSize,
  connect: remoteSettings.initialWindowSize,
  sessionData: remoteSettings.customSettings?.[windowSettings.sessionData],
  streamData: remoteSettings.customSettings?.[windowSettings.streamData]
})
