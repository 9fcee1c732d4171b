/** The types of handlers; checked with the types, never run. */
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Framing from "effect-pools/Framing"
import type { FramingError } from "effect-pools/FramingError"
import type * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Stream from "effect/Stream"

declare const stream: WebTransport.BidirectionalStream

class Name extends Context.Tag("effect-pools/test/Name")<Name, string>() {}

type Serving<R> = Effect.Effect<void, FramingError | WebTransportError, R>

// one answer, or a stream of answers
export const one: Serving<never> = Framing.serve(stream, (request) => Effect.succeed(request))
export const many: Serving<never> = Framing.serve(stream, (request) => Stream.make(request, request))
export const either: Serving<never> = Framing.serve(
  stream,
  (request) => request.length > 1 ? Stream.make(request) : Effect.succeed(request)
)

// services come from the fiber that serves; the scope is the request's
export const scoped: Serving<Name> = Framing.serve(
  stream,
  (request) => Effect.andThen(Effect.addFinalizer(() => Effect.void), Effect.as(Name, request))
)
export const scopedStream: Serving<never> = Framing.serve(
  stream,
  (request) => Stream.unwrap(Effect.as(Effect.addFinalizer(() => Effect.void), Stream.make(request)))
)

// an error has to become a message
type IsHandler<F> = F extends Parameters<typeof Framing.serve<never>>[1] ? true : false
export const succeeding: IsHandler<() => Effect.Effect<Uint8Array>> = true
export const failing: IsHandler<() => Effect.Effect<Uint8Array, string>> = false
export const failingStream: IsHandler<() => Stream.Stream<Uint8Array, string>> = false
