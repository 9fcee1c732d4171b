/** The log lines of a server about what it refuses. */
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import { OncePerMinute } from "./oncePerMinute.js"
import { annotated, type Details } from "./poolLog.js"

/** What was wrong. Sizes are in bytes. */
interface Broken {
  readonly reason: string
  readonly message: string
  readonly size?: number | undefined
  readonly limit?: number | undefined
}

/** A client may be refused a thousand times a second: one line a minute for each reason, the first one at once. */
export class RefusalLog {
  private readonly lines = new OncePerMinute()

  /** A handler failed, since its client broke a rule of `Framing`. */
  framing(runtime: PoolRuntime, what: "session" | "stream", why: Broken, details: Details): void {
    const { limit, message, reason, size } = why
    const figures = { ...(size === undefined ? {} : { size }), ...(limit === undefined ? {} : { limit }) }
    this.warn(runtime, reason, `the server ended a ${what}: ${message}`, { ...figures, ...details })
  }

  tooManyStreams(runtime: PoolRuntime, maxStreams: number, details: Details): void {
    const message = `the server reset a stream: its session has more than maxStreams (${maxStreams}) open; ` +
      "raise maxStreams, or let the client have fewer open"
    this.warn(runtime, "TooManyStreams", message, details)
  }

  tooManySessions(runtime: PoolRuntime, maxSessions: number, details: Details): void {
    const message = `the server answered a request for a session with 503: maxSessions (${maxSessions}) are open`
    this.warn(runtime, "TooManySessions", message, details)
  }

  private warn(runtime: PoolRuntime, reason: string, message: string, details: Details): void {
    const since = this.lines.due(runtime.clock, reason)
    if (since === undefined) return
    const origin = { module: "NodeWebTransportServer" }
    fork(runtime, annotated(Effect.logWarning(message), origin, "Refused", { reason, ...details, ...since }))
  }
}
