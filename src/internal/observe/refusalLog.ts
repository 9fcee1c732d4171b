/** The log lines of a server about what it refuses. */
import { nanosOf } from "#effect/clock"
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import { annotated, type Details } from "./poolLog.js"

/** For so many nanoseconds a reason is not told again. */
const quiet = 60_000_000_000n

/** What was wrong. Sizes are in bytes. */
interface Broken {
  readonly reason: string
  readonly message: string
  readonly size?: number | undefined
  readonly limit?: number | undefined
}

interface Told {
  readonly at: bigint
  /** How many were refused since, without a line. */
  since: number
}

/** A client may be refused a thousand times a second: one line a minute for each reason, the first one at once. */
export class RefusalLog {
  private readonly told = new Map<string, Told>()

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
    const at = nanosOf(runtime.clock)
    const last = this.told.get(reason)
    if (last !== undefined && at - last.at < quiet) {
      last.since++
      return
    }
    this.told.set(reason, { at, since: 0 })
    const since = last === undefined ? {} : { since: last.since }
    const origin = { module: "NodeWebTransportServer" }
    fork(runtime, annotated(Effect.logWarning(message), origin, "Refused", { reason, ...details, ...since }))
  }
}
