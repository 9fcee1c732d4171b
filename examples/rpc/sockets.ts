/** A server of WebTransport streams, as a server of sockets. */
import { Socket, SocketServer } from "@effect/platform"
import { Effect, Layer, Queue } from "effect"
import { nativeStreams, serve, type ServedStream } from "../support/serve.js"

/** The streams that clients open on the sessions of a path, as sockets of one server. */
export const streamsAsSockets = (path: string) =>
  Layer.effect(
    SocketServer.SocketServer,
    Effect.gen(function*() {
      const streams = yield* Queue.unbounded<ServedStream>()
      const onSession = nativeStreams((stream) => void streams.unsafeOffer(stream))
      yield* Effect.promise(() => serve({ [path]: onSession })).pipe(Effect.forkDaemon)
      return SocketServer.SocketServer.of({
        address: { _tag: "TcpAddress", hostname: "127.0.0.1", port: 0 },
        run: (handler) =>
          Queue.take(streams).pipe(
            Effect.flatMap((stream) => Socket.fromTransformStream(Effect.succeed(stream))),
            // if a client leaves in the middle of an answer, the server continues
            Effect.flatMap((socket) => Effect.forkDaemon(Effect.exit(handler(socket)))),
            Effect.forever
          )
      })
    })
  )
