/** The handle to a session of a server. */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import { type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { RefusalLog } from "../../observe/refusalLog.js"
import type { ByteStream } from "../../transport/byteStream.js"
import type { LastCall } from "../../transport/lastCall.js"
import { SessionHandle } from "../../transport/session.js"
import type { SessionCore } from "../../transport/sessionCore.js"
import { Fibers } from "./fibers.js"
import { type ConnectRequest, pathOf } from "./listener.js"

/** What a session of a server may do, and who is told of the rest. */
export interface StreamLimits {
  readonly maxStreams: number
  readonly lastCall: LastCall
  readonly refusals: RefusalLog
  readonly runtime: PoolRuntime
}

export class ServedSession extends SessionHandle {
  private readonly request: ConnectRequest
  private readonly limits: StreamLimits

  constructor(core: SessionCore, request: ConnectRequest, limits: StreamLimits) {
    super(core)
    core.lastCall = limits.lastCall
    this.request = request
    this.limits = limits
  }

  override isExcess(): boolean {
    const { lastCall, maxStreams, refusals, runtime } = this.limits
    if (lastCall.isOver) return true
    if (this.core.streams.size <= maxStreams) return false
    refusals.tooManyStreams(runtime, maxStreams, { path: pathOf(this.request) })
    return true
  }

  get path(): string {
    return this.request.path
  }

  get headers(): Readonly<Record<string, string>> {
    return this.request.headers
  }

  serveStreams<E, R>(
    handler: (stream: ByteStream) => Effect.Effect<unknown, E, R>
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(poolRuntime, (runtime) => {
        const path = pathOf(this.request)
        const fibers = new Fibers(runtime, (why) => this.limits.refusals.framing(runtime, "stream", why, { path }))
        const ended = makeDeferred<void>()
        const accept = () =>
          fibers.run(
            Effect.matchEffect(this.acceptBidirectionalStream, {
              onFailure: () => Effect.sync(() => complete(ended, Exit.void)),
              onSuccess: (stream) => {
                accept()
                return handler(stream) as Effect.Effect<unknown, E, Scope.Scope>
              }
            }),
            "stream"
          )
        accept()
        const forget = this.limits.lastCall.on(() =>
          // the last one accepts, only to reset
          fibers.whenAtMost(1, () => {
            fibers.interrupt()
            complete(ended, Exit.void)
          })
        )
        const all = andThen(Deferred.await(ended), Effect.suspend(() => fibers.empty))
        return Effect.flatMap(Effect.exit(restore(all)), (exit) => {
          forget()
          fibers.interrupt()
          return andThen(fibers.empty, exit)
        })
      })
    )
  }
}
