/** The pools that the page shows. */
import { Data, Effect, Encoding } from "effect"
import { SessionPool, StreamPool, type WebTransport } from "effect-pools"
import type { Server } from "../playground.js"

/** Told of each session when it is opened, pinged and closed. */
export interface Watcher<Tile> {
  readonly opened: (native: WebTransport.NativeWebTransport) => Tile
  readonly pinged: (native: WebTransport.NativeWebTransport) => void
  readonly closing: (tile: Tile) => void
}

export const makePools = <Tile>(server: Server, watcher: Watcher<Tile>) =>
  Effect.gen(function*() {
    const value = yield* Encoding.decodeHex(server.hash)
    const sessions = yield* SessionPool.make({
      name: "sessions",
      url: server.url,
      connect: { serverCertificateHashes: [{ value }] },
      // Chromium remembers failed connects for five minutes, and delays the next one the longer the more there were
      createBackoff: { initial: "250 millis", max: "4 seconds" },
      // over HTTP/3 the transport itself notices a server that hangs, or is gone, after 30 seconds
      keepAlive: {
        interval: "1 second",
        ping: (session) =>
          Effect.suspend(() => {
            watcher.pinged(session.native)
            return SessionPool.pingStream()(session)
          })
      },
      checkTimeout: "1 second",
      idleTimeToLive: "10 seconds",
      // in the scope of the session
      onOpen: (session) =>
        Effect.acquireRelease(
          Effect.sync(() => watcher.opened(session.native)),
          (tile) => Effect.sync(() => watcher.closing(tile))
        )
    })
    const streams = yield* StreamPool.make({
      name: "streams",
      sessionPool: sessions,
      maxStreamsPerSession: 8,
      // the sessions have theirs
      createBackoff: { initial: "1 millis", max: "100 millis" },
      acquireTimeout: "2 seconds",
      idleTimeToLive: "5 seconds"
    })
    return { sessions, streams }
  })

export type Pools = Effect.Effect.Success<ReturnType<typeof makePools>>

class WrongAnswer extends Data.TaggedError("WrongAnswer")<{}> {
  override readonly message = "the answer is another request's"
}

/** The message there and back. */
export const echo = (message: Uint8Array) => (stream: WebTransport.BidirectionalStream) =>
  Effect.gen(function*() {
    yield* stream.write(message)
    const answer = yield* stream.readExactly(message.length)
    if (answer.every((byte, i) => byte === message[i])) return
    const error = new WrongAnswer()
    // it must not pass for one of the failures that are to be seen here
    reportError(error)
    return yield* error
  })
