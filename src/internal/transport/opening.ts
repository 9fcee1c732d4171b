/** The opening of a stream, until the stream comes or is refused. */
import { findError } from "#effect/cause"
import { andThen, callback } from "#effect/effect"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { WebTransportError } from "../../WebTransportError.js"
import { ByteStream } from "./byteStream.js"
import { isStreamLimit } from "./failure.js"
import type { NativeWebTransport, StreamOptions } from "./shape.js"
import type { StreamHost } from "./streamHost.js"

export type Kind = "Bidirectional" | "Unidirectional"

/** The session, as its openings see it. */
export interface OpeningSession {
  readonly native: NativeWebTransport
  readonly openings: Set<Opening>
  /** Whether the most recently granted stream was a ping's, which may explain a refusal. */
  isPingLatest: boolean
  /** The open streams of pings. */
  readonly pings: { readonly size: number }
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

  /** For an opening that takes too long: calls `then` when it settles, with or without a stream. */
  whenLate(then: (stream: ByteStream | undefined) => void): void {
    const settled = () => then(this.stream)
    if (this.outcome === undefined) this.resume = settled
    else queueMicrotask(settled)
  }

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
    this.settle(Effect.fail(error))
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
    this.settle(Effect.succeed(stream))
  }

  private readonly onFailure = (cause: unknown): void => {
    // A dying session refuses its streams first and tells its own end later, in the same task.
    queueMicrotask(() => this.fail(openFailure(this.handle, cause)))
  }

  private settle(outcome: Effect.Effect<ByteStream, WebTransportError>): void {
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

/** Milliseconds between attempts to open a stream while a ping has one, and for some 1.3 s after that. */
const firstPause = 10
const pingedPause = 80
const lastPause = 640

/**
 * The next pause, if the handle should ask for a stream again: a ping of the session's pool may have used the refused
 * stream, and a ping should not cost a borrower its stream.
 */
const nextPause = (
  { core, isPing }: OpeningHandle,
  cause: Cause.Cause<WebTransportError>,
  pause: number
): number | undefined => {
  if (isPing || !core.isPingLatest) return undefined
  if (!Option.exists(findError(cause), ({ reason }) => reason === "StreamLimit")) return undefined
  if (core.pings.size > 0) return Math.min(pause * 2, pingedPause)
  if (pause <= lastPause) return pause * 2
  core.isPingLatest = false
  return undefined
}

/** Opens a stream, which ends with the scope. */
export const openStream = (
  handle: OpeningHandle,
  kind: Kind,
  options: StreamOptions | undefined
): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const attempt = (pause: number): Effect.Effect<ByteStream, WebTransportError> => {
        const { refusal } = handle
        if (refusal !== undefined) return Effect.fail(refusal)
        const opening = new Opening(handle, kind, options)
        return Effect.matchCauseEffect(restore(opening.settled), {
          onFailure: (cause) => {
            opening.abandon()
            const next = nextPause(handle, cause, pause)
            if (next === undefined) return Effect.failCause(cause)
            return andThen(restore(Effect.sleep(pause)), Effect.suspend(() => attempt(next)))
          },
          onSuccess: (stream) => endWith(scope, stream)
        })
      }
      return attempt(firstPause)
    })
  )
