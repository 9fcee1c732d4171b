/** The handle to a session of a server. */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import { poolRuntime } from "#effect/poolRuntime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { ByteStream } from "../../transport/byteStream.js"
import type { LastCall } from "../../transport/lastCall.js"
import { SessionHandle } from "../../transport/session.js"
import type { SessionCore } from "../../transport/sessionCore.js"
import { Fibers } from "./fibers.js"
import type { ConnectRequest } from "./listener.js"

export class ServedSession extends SessionHandle {
  private readonly request: ConnectRequest
  private readonly maxStreams: number
  private readonly lastCall: LastCall

  constructor(core: SessionCore, request: ConnectRequest, maxStreams: number, lastCall: LastCall) {
    super(core)
    core.lastCall = lastCall
    this.request = request
    this.maxStreams = maxStreams
    this.lastCall = lastCall
  }

  override get maxOpen(): number {
    return this.lastCall.isOver ? 0 : this.maxStreams
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
        const fibers = new Fibers(runtime)
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
        const forget = this.lastCall.on(() =>
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
