/** A ping of a session over a stream of its own. */
import { isInterruptedOnly } from "#effect/cause"
import { andThen, type CloseableScope, forkDetach, provideScope, timeoutFail } from "#effect/effect"
import { getOrThrowWith } from "#effect/result"
import { withoutParentSpan } from "#effect/tracing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { FramingError } from "../../FramingError.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { encode } from "../framing/encoding.js"
import * as Framing from "../framing/messages.js"
import { viewCore } from "../transport/session.js"

const noAnswer = () =>
  new WebTransportError({
    reason: "Read",
    detail: "the peer finished the stream without an answer to the ping",
    advice: "let the server answer framed messages, or set another keepAlive.ping"
  })

/** How long a session that has other streams may take to grant the ping a stream. */
const grantedWithin = "1 second"
/** How long the stream of an answered or abandoned ping may take to end. */
const endedWithin = "5 seconds"

const noStream = () =>
  new WebTransportError({ reason: "StreamLimit", detail: `the session granted no stream within ${grantedWithin}` })

/**
 * Ends a ping's stream so that its credit comes back. Over HTTP/2, the stream has to be cancelled before the peer finishes it
 * (fails-components 1.6.8). Over HTTP/3, it has to be read to its end (@moq/web-transport 0.1.4 returns the credit of a
 * cancelled stream only with garbage collection).
 */
const endPing = (
  session: WebTransport.Session,
  stream: WebTransport.BidirectionalStream,
  scope: CloseableScope,
  exit: Exit.Exit<unknown, { readonly reason: string }>
): Effect.Effect<void> => {
  const close = Scope.close(scope, exit)
  const isOver = Exit.isFailure(exit) && !isInterruptedOnly(exit.cause)
  if (isOver || session.reliability === "reliable-only") return close
  return andThen(stream.closeWrite, Effect.repeat(stream.read, { while: Option.isSome })).pipe(
    Effect.timeoutOption(endedWithin),
    Effect.exit,
    andThen(Scope.close(scope, Exit.void)),
    Effect.interruptible,
    withoutParentSpan,
    forkDetach
  )
}

export const pingStream = (options?: { readonly message?: Uint8Array | undefined }) => {
  const message = options?.message ?? new TextEncoder().encode("ping")
  getOrThrowWith(encode(message), (error) => error)
  return (session: WebTransport.Session): Effect.Effect<void, WebTransportError | FramingError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const opening = session.createBidirectionalStream().pipe(
          provideScope(scope),
          timeoutFail({ duration: grantedWithin, onTimeout: noStream }),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        const stream = yield* restore(opening)
        const asked = andThen(Framing.write(stream, message), Framing.read(stream))
        const exit = yield* Effect.exit(restore(Effect.filterOrFail(asked, Option.isSome, noAnswer)))
        yield* endPing(session, stream, scope, exit)
        yield* exit
      })
    ).pipe(
      Effect.catchIf(
        // without another open stream, the peer grants no stream at all, and the ping fails
        (error) => error.reason === "StreamLimit" && viewCore(session).hasOpen,
        () => Effect.void
      )
    )
}
