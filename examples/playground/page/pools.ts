/** The pools that the page shows. */
import { Data, Effect, Encoding } from "effect"
import { RequestPool, SessionPool, StreamPool, WebTransport } from "effect-pools"
import type { Servers } from "../playground.js"

/** Callbacks for each session: opened, pinged and closed. */
export interface Watcher<Tile> {
  /** `server`: its name. */
  readonly opened: (native: WebTransport.NativeWebTransport, server: string) => Tile
  readonly pinged: (native: WebTransport.NativeWebTransport) => void
  readonly closing: (tile: Tile) => void
}

/** The names of the servers, by native session: a session does not know its endpoint. */
const noteNames = (servers: Servers["all"]) =>
  Effect.map(WebTransport.WebTransportConstructor, (constructor) => {
    const names = new WeakMap<WebTransport.NativeWebTransport, string>()
    const noting: typeof constructor = {
      ...constructor,
      construct: (url, ...others) => {
        const native = constructor.construct(url, ...others)
        names.set(native, servers.find((server) => server.url === url)?.name ?? "")
        return native
      }
    }
    return { names, noting }
  })

export const makePools = <Tile>({ all, hash }: Servers, watcher: Watcher<Tile>) =>
  Effect.gen(function*() {
    const value = yield* Encoding.decodeHex(hash)
    const { names, noting } = yield* noteNames(all)
    const sessions = yield* SessionPool.make({
      name: "sessions",
      endpoints: all.map(({ url }) => ({ url })),
      // shorter than the defaults, for those who watch
      consecutiveFailures: 2,
      baseEjectionTime: "5 seconds",
      maxEjectionTime: "20 seconds",
      failbackAfter: "3 seconds",
      maxSize: 6,
      connect: { serverCertificateHashes: [{ value }] },
      // Chromium counts failed connects for five minutes: the more failures, the longer it delays the next connect
      createBackoff: { initial: "250 millis", max: "4 seconds" },
      // over HTTP/3 the transport itself detects a server that hangs, or is gone, after 30 seconds
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
      // runs in the scope of the session
      onOpen: (session) =>
        Effect.acquireRelease(
          Effect.sync(() => watcher.opened(session.native, names.get(session.native) ?? "")),
          (tile) => Effect.sync(() => watcher.closing(tile))
        )
    }).pipe(Effect.provideService(WebTransport.WebTransportConstructor, noting))
    const streams = yield* StreamPool.make({
      name: "streams",
      sessionPool: sessions,
      maxStreamsPerSession: 8,
      // the session pool has its own backoff
      createBackoff: { initial: "1 millis", max: "100 millis" },
      acquireTimeout: "2 seconds",
      idleTimeToLive: "5 seconds"
    })
    const requests = yield* RequestPool.make({ name: "requests", streamPool: streams })
    return { sessions, streams, requests }
  })

export type Pools = Effect.Effect.Success<ReturnType<typeof makePools>>

class WrongAnswer extends Data.TaggedError("WrongAnswer")<{}> {
  override readonly message = "the answer is another request's"
}

/** The server sends back the bytes that it gets. */
export const checkAnswer = (message: Uint8Array) => (answer: Uint8Array) =>
  Effect.suspend(() => {
    if (answer.length === message.length && answer.every((byte, i) => byte === message[i])) return Effect.void
    const error = new WrongAnswer()
    // this is a bug, not one of the failures that the page shows
    reportError(error)
    return error
  })

/** Sends the message and reads it back. */
export const echo = (message: Uint8Array) => (stream: WebTransport.BidirectionalStream) =>
  stream.write(message).pipe(
    Effect.zipRight(stream.readExactly(message.length)),
    Effect.flatMap(checkAnswer(message))
  )
