import * as Socket from "@effect/platform/Socket"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

export * from "@effect/platform/Socket"

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

export const runner = (socket: Socket.Socket): Runner => socket

/** In Effect 4 a socket that has ended in peace is an error. */
export const toTheEnd = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> => stream

export interface Failure {
  readonly reason: "Open" | "Read" | "Write" | "Close"
  readonly cause?: unknown
  readonly code?: number
  readonly closeReason?: string | undefined
}

export const failureOf = (error: Socket.SocketError): Failure => error as Failure
