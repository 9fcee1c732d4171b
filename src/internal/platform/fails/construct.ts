/** Makes a session of `@fails-components/webtransport` (1.6.8). */
import type { NativeOptions, NativeWebTransport } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import { abandon } from "./abandon.js"
import { hold } from "./connection.js"
import type { Module } from "./load.js"
import { watch, watchFallback } from "./watch.js"
import { windows } from "./windows.js"

export type Protocol = "http2" | "http3" | "http3-or-http2"

/** The library's own time limits cannot be cancelled, and leave the socket open, so they come after the caller's. */
const ownTimeout = (connectTimeout: number) => Math.min(connectTimeout + 1000, 0x7fff_ffff)

export const construct = (
  module: Module,
  protocol: Protocol,
  url: string,
  options: NativeOptions,
  connectTimeout: number
): NativeWebTransport => {
  const { headers, ...others } = options
  const native = new module.WebTransport(url, {
    ...others,
    ...windows,
    forceReliable: protocol === "http2",
    ...(protocol === "http3" ? { requireUnreliable: true } : undefined),
    // After this time the library tries HTTP/2.
    quicConnectTimeout: protocol === "http3-or-http2" ? connectTimeout / 2 : ownTimeout(connectTimeout),
    webTransportConnectTimeout: ownTimeout(connectTimeout)
  })
  hold(native, options)
  const isWatched = watch(native, headers ?? [])
  if (!isWatched) watchFallback(native, options)
  if (!isWatched && headers !== undefined) {
    // Without its headers the request could act for another user: it is not sent at all.
    abandon(native)
    throw new WebTransportError({
      reason: "Unsupported",
      detail: "this version of @fails-components/webtransport takes no headers",
      advice: "install 1.6.8"
    })
  }
  return native
}
