/** The windows that the other end of a connection of HTTP/2 grants before any data. Sizes are in bytes. */
import type { Http2Session } from "node:http2"

export const windowSettings = { sessionData: 0x2b61, streamData: 0x2b63 }

const onTheWay = 128 << 10

export const wideWindows = {
  connection: onTheWay,
  connect: onTheWay,
  sessionData: 15 << 20,
  streamData: 256 << 10
}

/** `connect`: of the stream of a CONNECT request. The others but `connection` are those of draft-ietf-webtrans-http2. */
export const windowsOf = (
  { remoteSettings, state }: Http2Session
): { readonly [window in keyof typeof wideWindows]: number | undefined } => ({
  connection: state.remoteWindowSize,
  connect: remoteSettings.initialWindowSize,
  sessionData: remoteSettings.customSettings?.[windowSettings.sessionData],
  streamData: remoteSettings.customSettings?.[windowSettings.streamData]
})
