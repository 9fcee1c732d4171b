/** Attributes of spans, in the words of OpenTelemetry. */

/** The address without the brackets of the URL. */
const addressOf = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1")

/** OpenTelemetry's attributes, without the query, which may contain tokens. */
export const urlAttributes = (url: URL): Record<string, unknown> => ({
  "server.address": addressOf(url.hostname),
  "server.port": url.port === "" ? 443 : Number(url.port),
  "url.path": url.pathname,
  "url.scheme": "https"
})

/** Only HTTP/3 has unreliable datagrams. */
export const protocolAttributes = (reliability: string | undefined): Record<string, unknown> => {
  const http = { "network.protocol.name": "http" }
  switch (reliability) {
    case "supports-unreliable":
      return { ...http, "network.protocol.version": "3", "network.transport": "quic" }
    case "reliable-only":
      return { ...http, "network.protocol.version": "2", "network.transport": "tcp" }
    default:
      return {}
  }
}
