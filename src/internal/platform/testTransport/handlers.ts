/** The server's default handlers of streams. */
import { andThen } from "#effect/effect"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { WebTransportError } from "../../../WebTransportError.js"
import type { ServerReceiveStream, ServerStream } from "./contract.js"

export const readAll = (stream: ServerReceiveStream): Effect.Effect<void, WebTransportError> =>
  Effect.asVoid(Effect.repeat(stream.read, { while: Option.isSome }))

export const echo = (stream: ServerStream): Effect.Effect<void, WebTransportError> =>
  Effect.flatMap(
    stream.read,
    Option.match({
      onNone: () => stream.finish,
      onSome: (bytes) => andThen(stream.write(bytes), Effect.suspend(() => echo(stream)))
    })
  )

/** The stream, for `serve` of `Framing`. */
export const served = (stream: ServerStream) => ({
  // the link in memory takes what is not read, without limit
  holdsBack: false,
  read: stream.read,
  write: stream.write,
  finish: stream.finish,
  reset: andThen(stream.reset, stream.stopSending),
  // the server in memory does not drain
  onLastCall: () => () => {},
  // a read is always pending, and fails
  onBroken: () => () => {}
})
