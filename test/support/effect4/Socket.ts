import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"

export * from "effect/socket/Socket"

/** How a socket of Effect 3 is used. */
export interface Runner {
  readonly run: <A, E = never, R = never>(
    handler: (chunk: Uint8Array) => Effect.Effect<A, E, R> | void,
    options?: { readonly onOpen?: Effect.Effect<void> }
  ) => Effect.Effect<void, Socket.SocketError | E, R>
  readonly writer: Effect.Effect<
    (chunk: Uint8Array | string | Socket.CloseEvent) => Effect.Effect<void, Socket.SocketError>,
    never,
    Scope.Scope
  >
}

const isCleanEnd = ({ reason }: Socket.SocketError): boolean =>
  reason._tag === "SocketCloseError" && reason.code === 1000

/** Effect 4 reads where Effect 3 runs a handler. */
export const runner = (socket: Socket.Socket): Runner => ({
  run: <A, E, R>(
    handler: (chunk: Uint8Array) => Effect.Effect<A, E, R> | void,
    { onOpen = Effect.void }: { readonly onOpen?: Effect.Effect<void> } = {}
  ) =>
    Effect.gen(function*() {
      const pull = yield* Socket.readerBytes(socket)
      yield* onOpen
      const handlers = yield* FiberSet.make<A, E>()
      const handle = yield* FiberSet.runtime(handlers)<R>()
      const reading = Effect.forever(
        Effect.map(pull, (chunks) => {
          for (const chunk of chunks) {
            const handling = handler(chunk)
            if (Effect.isEffect(handling)) handle(handling)
          }
        })
      ).pipe(
        Effect.catch((error) => isCleanEnd(error) ? FiberSet.awaitEmpty(handlers) : Effect.fail(error))
      )
      yield* Effect.raceFirst(reading, FiberSet.join(handlers))
    }).pipe(Effect.scoped),
  writer: Effect.map(socket.writer, ({ write }) => write)
})

/** In Effect 4 a socket that has ended in peace is an error, which becomes the end of the stream again. */
export const toTheEnd = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.catchIf(stream, (error) => Socket.isSocketError(error) && isCleanEnd(error), () => Stream.empty)

export interface Failure {
  readonly reason: "Open" | "Read" | "Write" | "Close"
  readonly cause?: unknown
  readonly code?: number
  readonly closeReason?: string | undefined
}

export const failureOf = ({ reason }: Socket.SocketError): Failure => ({
  reason: reason._tag.slice("Socket".length, -"Error".length) as Failure["reason"],
  // no spread has it
  cause: reason.cause,
  ...(reason._tag === "SocketCloseError" ? { code: reason.code, closeReason: reason.closeReason } : {})
})
