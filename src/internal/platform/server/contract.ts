/** The server, typed for this room. `NodeWebTransportServer` documents it. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as WebTransport from "../../../WebTransport.js"

export interface ServerSession extends WebTransport.Session {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly serveStreams: <E, R>(
    handler: (stream: WebTransport.BidirectionalStream) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
}

export interface ServerService {
  readonly address: { readonly host: string; readonly port: number }
  readonly certificateHash: Uint8Array<ArrayBuffer>
  readonly sessions: Stream.Stream<ServerSession, never, Scope.Scope>
  readonly serve: <E, R>(
    handler: (session: ServerSession) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  readonly drain: Effect.Effect<void>
}
