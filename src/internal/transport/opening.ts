/** The opening of a stream, until the stream comes or is refused. */
import { findError } from "#effect/cause"
import { andThen, callback } from "#effect/effect"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { NativeWebTransport } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import type { StreamOptions } from "../../WebTransportSession.js"
import { PingExplanation, type PingFacts } from "../core/streams/refusals.js"
import { ByteStream } from "./byteStream.js"
import { afterSessionEnd, isStreamLimit } from "./failure.js"
import type { StreamHost } from "./streamHost.js"

export type Kind = "Bidirectional" | "Unidirectional"

/** The session, as its openings see it. */
export interface OpeningSession extends PingFacts {
  readonly native: NativeWebTransport
  readonly openings: Set<Opening>
  isPingLatest: boolean
  /** The session refused a stream. */
  refused(): void
  failure(reason: "StreamOpen", detail: string | undefined, cause: unknown): WebTransportError
}

/** The handle that opens a stream. */
export interface OpeningHandle {
  readonly core: OpeningSession
  /** The host of the new stream. */
  readonly host: StreamHost
  /** Why the handle can open nothing; `undefined` if it can. */
  readonly refusal: WebTransportError | undefined
  /** The session has granted a stream. */
  granted(): void
  /** Whether the handle is a ping's. */
  readonly isPing: boolean
}

/** An opening. A stream that comes after `abandon` is ended at once. */
export class Opening {
  readonly handle: OpeningHandle
  private readonly kind: Kind
  /** Set when the stream has come. */
  stream: ByteStream | undefined = undefined
  /** Why the stream did not come. */
  failure: WebTransportError | undefined = undefined
  private outcome: Effect.Effect<ByteStream, WebTransportError> | undefined = undefined
  private resume: ((outcome: Effect.Effect<ByteStream, WebTransportError>) => void) | undefined = undefined
  private isAbandoned = false

  constructor(handle: OpeningHandle, kind: Kind, options: StreamOptions | undefined) {
    this.handle = handle
    this.kind = kind
    const { core } = handle
    core.openings.add(this)
    try {
      const native = nativeStreamOptions(options)
      const promise: Promise<unknown> = kind === "Bidirectional"
        ? core.native.createBidirectionalStream(native)
        : core.native.createUnidirectionalStream(native)
      promise.then(this.onStream, this.onFailure)
    } catch (cause) {
      this.onFailure(cause)
    }
  }

  readonly settled: Effect.Effect<ByteStream, WebTransportError> = callback<ByteStream, WebTransportError>(
    (resume) => {
      if (this.outcome !== undefined) resume(this.outcome)
      else this.resume = resume
    }
  )

  /** Calls `then` in the step in which the opening settles, with or without a stream. Replaces `settled`. */
  whenSettled(then: () => void): void {
    if (this.outcome === undefined) this.resume = then
    else then()
  }

  abandon(): void {
    this.isAbandoned = true
    this.handle.core.openings.delete(this)
    this.stream?.end(false)
  }

  fail(error: WebTransportError): void {
    if (this.outcome !== undefined) return
    this.abandon()
    this.failure = error
    this.complete(Effect.fail(error))
  }

  private readonly onStream = (native: any): void => {
    const { core, host } = this.handle
    core.openings.delete(this)
    let stream: ByteStream
    try {
      stream = this.kind === "Bidirectional"
        ? new ByteStream(host, native, native.readable, native.writable)
        : new ByteStream(host, native, undefined, native)
    } catch (cause) {
      return this.onFailure(cause)
    }
    this.handle.granted()
    if (this.isAbandoned) return stream.end(false)
    this.stream = stream
    this.complete(Effect.succeed(stream))
  }

  private readonly onFailure = (cause: unknown): void => {
    afterSessionEnd(cause, () => this.fail(openFailure(this.handle, cause)))
  }

  private complete(outcome: Effect.Effect<ByteStream, WebTransportError>): void {
    this.outcome = outcome
    this.resume?.(outcome)
  }
}

const nativeStreamOptions = (options: StreamOptions | undefined) => {
  if (options?.sendOrder === undefined && options?.waitUntilAvailable === undefined) return undefined
  return {
    ...(options.sendOrder === undefined ? undefined : { sendOrder: options.sendOrder }),
    ...(options.waitUntilAvailable === undefined ? undefined : { waitUntilAvailable: options.waitUntilAvailable })
  }
}

const openFailure = ({ core, refusal }: OpeningHandle, cause: unknown): WebTransportError => {
  if (refusal !== undefined) return refusal
  if (!isStreamLimit(cause)) return core.failure("StreamOpen", undefined, cause)
  core.refused()
  return new WebTransportError({ reason: "StreamLimit", cause })
}

// -----------------------------------------------------------------------------
// In a scope
// -----------------------------------------------------------------------------

/** Ends the stream with the scope: with a FIN after success, with a reset otherwise. */
export const endWith = (scope: Scope.Scope, stream: ByteStream): Effect.Effect<ByteStream> =>
  Effect.as(
    Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => stream.end(Exit.isSuccess(exit)))),
    stream
  )

/** How long to wait until the next attempt, if a ping explains why there is no stream: it should cost a borrower none. */
const pauseAfter = (
  { core, isPing }: OpeningHandle,
  cause: Cause.Cause<WebTransportError>,
  pinged: PingExplanation
): number | undefined => {
  if (isPing || !Option.exists(findError(cause), ({ reason }) => reason === "StreamLimit")) return undefined
  const pause = pinged.pauseAfterRefusal(core)
  if (pause === undefined) core.isPingLatest = false
  return pause
}

/** Opens a stream, which ends with the scope. */
export const openStream = (
  handle: OpeningHandle,
  kind: Kind,
  options: StreamOptions | undefined
): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const pinged = new PingExplanation()
      const attempt = (): Effect.Effect<ByteStream, WebTransportError> => {
        const { refusal } = handle
        if (refusal !== undefined) return Effect.fail(refusal)
        const opening = new Opening(handle, kind, options)
        return Effect.matchCauseEffect(restore(opening.settled), {
          onFailure: (cause) => {
            opening.abandon()
            const pause = pauseAfter(handle, cause, pinged)
            if (pause === undefined) return Effect.failCause(cause)
            return andThen(restore(Effect.sleep(pause)), Effect.suspend(attempt))
          },
          onSuccess: (stream) => endWith(scope, stream)
        })
      }
      return attempt()
    })
  )
