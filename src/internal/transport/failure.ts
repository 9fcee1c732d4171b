/** Errors of the transport, and the meaning of the platforms' own errors. */
import { FramingError } from "../../FramingError.js"
import type { CloseInfo, Explanation } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import type { FrameProblem } from "../core/bytes/frameCodec.js"
import type { Flooded } from "../core/serving/serveMachine.js"
import { describeFailure } from "../observe/describeFailure.js"
import { describeCloseInfo } from "./closeInfo.js"

export const framingError = (problem: FrameProblem | Flooded): FramingError => {
  switch (problem._tag) {
    case "Oversized": {
      const { operation, size, limit } = problem
      return new FramingError({ reason: "Oversized", operation, size, limit })
    }
    case "Truncated": {
      const { received, size } = problem
      return new FramingError({ reason: "Truncated", operation: "read", size, received })
    }
    case "Malformed": {
      const { detail, size } = problem
      return new FramingError({ reason: "Malformed", operation: "read", size, detail })
    }
    case "Flooded": {
      const { limit, size } = problem
      return new FramingError({ reason: "Flooded", operation: "read", size, limit })
    }
  }
}

/** The check uses the platform's name, since nothing else tells. */
export const isFirefox = (): boolean => /\bFirefox\//.test(globalThis.navigator?.userAgent ?? "")

/**
 * Runs `run` when the session has told its own end, if the session ends: a dying session first fails its streams and
 * datagrams, and tells its end later, in the same task. Firefox (153) tells it in a later task, after errors that name no
 * source.
 */
export const afterSessionEnd = (cause: unknown, run: () => void): void => {
  const isToldLater = cause instanceof TypeError && !("source" in cause) && isFirefox()
  if (isToldLater) setTimeout(run, 0)
  else queueMicrotask(run)
}

/** Whether a stream failed because its session did. Checks names and messages if the platform has no `source`. */
export const isSessionEnd = (cause: unknown): boolean => {
  if (!(cause instanceof Error)) return false
  // Chromium throws InvalidStateError when a stream is opened
  return (cause as { readonly source?: unknown }).source === "session" || cause.name === "InvalidStateError" ||
    // Deno 2.9 when a stream is read
    cause.name === "NotConnected" ||
    // @moq/web-transport 0.1.4
    /^(session|webtransport|connection) error: /.test(cause.message)
}

/**
 * What platforms throw when the session grants no more streams. Platforms that are not listed wait for a stream (Firefox
 * 153, @moq/web-transport 0.1.4). The message counts if the name is too common.
 */
const streamLimits: ReadonlyArray<readonly [name: string, message?: RegExp]> = [
  // the standard, and fails-components 1.6.8
  ["QuotaExceededError"],
  // Chromium 156
  ["NetworkError"],
  // Deno 2.9: "Connection has reached the maximum number of concurrent outgoing bidirectional streams"
  ["RangeError", /maximum number of concurrent/]
]

export const isStreamLimit = (cause: unknown): boolean => {
  const { message, name } = (cause ?? {}) as { readonly name?: unknown; readonly message?: unknown }
  return streamLimits.some(([one, words]) => one === name && (words === undefined || words.test(String(message))))
}

/** Why a connect failed, if the platform's message tells. Without the query, which may contain tokens. */
export const explainCause = (cause: unknown): Explanation => {
  const detail = describeFailure(cause).replaceAll(/\?[^\s"')]*/g, "")
  return /certificate/i.test(detail)
    ? {
      detail,
      advice: "pin the server's current certificate with serverCertificateHashes, or have the platform trust it"
    }
    : { detail }
}

// -----------------------------------------------------------------------------
// Sessions
// -----------------------------------------------------------------------------

export const connectFailure = (where: string, why: Explanation, cause: unknown): WebTransportError => {
  const { advice, status } = why
  const detail = `no session with ${where}: ${why.detail}`
  return new WebTransportError({ reason: "Connect", detail, advice, status, cause: why.cause ?? cause })
}

export const endedBeforeReady = (where: string, info: CloseInfo): WebTransportError =>
  new WebTransportError({
    reason: "Connect",
    detail: `the session with ${where} ended before it was ready (${describeCloseInfo(info)})`
  })

export const endedByPeer = (info: CloseInfo): WebTransportError =>
  new WebTransportError({
    reason: "SessionClosed",
    detail: `the peer or the network ended the session (${describeCloseInfo(info)})`
  })

/** `because`: why the pool closed the session, if it did. */
export const closedHere = (because: string | undefined, info?: CloseInfo): WebTransportError => {
  const how = info === undefined ? "" : ` (${describeCloseInfo(info)})`
  return new WebTransportError({ reason: "SessionClosed", detail: because ?? `this side closed the session${how}` })
}
