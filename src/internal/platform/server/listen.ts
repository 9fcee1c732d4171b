/** Which package a server listens with. */
import { WebTransportError } from "../../../WebTransportError.js"
import * as Fails from "../fails/listen.js"
import * as Moq from "../moq/listen.js"
import type { Listen } from "./listener.js"

const missing = new WebTransportError({
  reason: "Unsupported",
  detail: "the native package for HTTP/3 is missing",
  advice: "install @fails-components/webtransport-transport-http3-quiche or @moq/web-transport, or serve over HTTP/2"
})

const required = async <A>(listening: Promise<A | undefined>): Promise<A> => {
  const found = await listening
  if (found === undefined) throw missing
  return found
}

export const listenWith: Readonly<Record<Fails.Protocol, Listen>> = {
  http2: (options) => required(Fails.listen("http2", options)),
  http3: (options) => required(Fails.listen("http3", options).then((listening) => listening ?? Moq.listen(options)))
}
