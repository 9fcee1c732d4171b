/** Handles the streams and datagrams that the peer of a pooled session sends. */
import { isInterruptedOnly } from "#effect/cause"
import { catchCause, provideScope, tapCause } from "#effect/effect"
import { sizeOf } from "#effect/queue"
import { withoutParentSpan } from "#effect/tracing"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import { annotated } from "../observe/poolLog.js"
import { hookFailed } from "../observe/poolTexts.js"
import { viewCore } from "../transport/session.js"
import type { SessionPoolOptions, Unwanted } from "./contract.js"

/** The maximum number of datagrams that wait for `onDatagram`, per session. */
const datagramBuffer = 64

const warn = (what: string, pool: string) => (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  isInterruptedOnly(cause)
    ? Effect.void
    : annotated(Effect.logWarning(hookFailed(what), cause), { module: "SessionPool", pool }, "HookFailure")

interface IncomingLoops<R> {
  /** What came without a handler, or faster than it. */
  readonly unwanted: () => Unwanted
  /** Starts the loops of a session, which end with it, or with the scope. */
  readonly start: (session: WebTransport.Session) => Effect.Effect<void, never, R | Scope.Scope>
}

/** `pool`: the name of the pool. */
export const makeIncomingLoops = <E, R>(
  pool: string,
  { onDatagram, onIncoming }: Pick<SessionPoolOptions<E, R>, "onDatagram" | "onIncoming">
): IncomingLoops<R> => {
  const unwanted = { streams: 0, datagrams: 0 }

  /** Accepts streams until the session is gone, and handles each on its own fiber. */
  const streams = <A extends WebTransport.BidirectionalStream | WebTransport.ReceiveStream>(
    session: WebTransport.Session,
    accept: Effect.Effect<A, WebTransportError, Scope.Scope>
  ): Effect.Effect<never, WebTransportError, R | Scope.Scope> =>
    Effect.forever(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const stream = yield* restore(provideScope(accept, scope)).pipe(
            Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
          )
          if (onIncoming === undefined) {
            unwanted.streams++
            yield* stream.reset(0)
            return yield* Scope.close(scope, Exit.void)
          }
          yield* restore(Effect.suspend(() => onIncoming(stream, session))).pipe(
            provideScope(scope),
            tapCause(warn("onIncoming", pool)),
            Effect.onExit((exit) => Scope.close(scope, exit)),
            Effect.exit,
            Effect.interruptible,
            Effect.forkScoped
          )
        })
      )
    )

  const datagrams = (
    session: WebTransport.Session
  ): Effect.Effect<never, WebTransportError, R | Scope.Scope> => {
    const receive = Effect.tap(
      session.datagrams.receive,
      (datagram) => Effect.sync(() => viewCore(session).received(datagram.byteLength))
    )
    if (onDatagram === undefined) {
      return Effect.forever(Effect.tap(receive, () => Effect.sync(() => unwanted.datagrams++)))
    }
    return Effect.gen(function*() {
      const queue = yield* Queue.sliding<Uint8Array>(datagramBuffer)
      yield* Queue.take(queue).pipe(
        Effect.flatMap((datagram) =>
          catchCause(Effect.suspend(() => onDatagram(datagram, session)), warn("onDatagram", pool))
        ),
        Effect.forever,
        Effect.forkScoped
      )
      return yield* Effect.forever(
        Effect.flatMap(receive, (datagram) => {
          if (sizeOf(queue) >= datagramBuffer) unwanted.datagrams++
          return Queue.offer(queue, datagram)
        })
      )
    })
  }

  return {
    unwanted: () => ({ ...unwanted }),
    start: (session) =>
      Effect.forEach(
        [
          streams(session, session.acceptBidirectionalStream),
          streams(session, session.acceptUnidirectionalStream),
          datagrams(session)
        ],
        // a loop fails, and so ends, when the session is gone
        (loop) => Effect.forkScoped(withoutParentSpan(Effect.exit(loop))),
        { discard: true }
      )
  }
}
