/** What the parser of `@fails-components/webtransport` (1.6.8) lets a peer do over HTTP/2 with what is no stream's data. */
import { has } from "./internals.js"

/** What brings a session's bytes: the stream of its CONNECT request, or the socket of a WebSocket. */
export interface Carrier {
  on?(event: string, listener: (...args: Array<never>) => void): unknown
  destroy?(error?: Error): void
}

interface Parser {
  parseData(data: Uint8Array): void
  /** The beginning of a capsule whose end has not come. */
  readonly saveddata?: Uint8Array | undefined
  readonly stream: Carrier
}

/** A capsule that is no stream's data: a datagram of the package has at most 16 KiB, all others are smaller. */
const largestCapsule = 32 * 1024

/**
 * Ends the session whose peer sends what the parser throws at: for example bytes of a stream that this side has never opened.
 * Otherwise that would end the process. Call it before the parser listens.
 */
export const endAtThrow = (carrier: Carrier): void => {
  if (!has(carrier, "on", "destroy")) return
  const on = carrier.on!.bind(carrier)
  carrier.on = (event, listener) =>
    on(
      event,
      event !== "readable" ? listener : () => {
        try {
          listener()
        } catch (cause) {
          carrier.destroy!(cause instanceof Error ? cause : new Error(String(cause)))
        }
      }
    )
}

/**
 * Ends the session whose peer sends a huge capsule. The parser joins its pieces anew with each piece: a datagram of 59 MiB kept
 * a server busy for more than half a minute.
 */
export const limitCapsules = (session: unknown): void => {
  const parser = (session as { readonly capsParser?: Parser } | undefined)?.capsParser
  if (!has(parser, "parseData") || !has(parser!.stream, "destroy")) return
  const parse = parser!.parseData.bind(parser)
  parser!.parseData = (data) => {
    parse(data)
    if ((parser!.saveddata?.byteLength ?? 0) > largestCapsule) {
      parser!.stream.destroy!(new Error(`the peer sent a capsule of more than ${largestCapsule} bytes`))
    }
  }
}
