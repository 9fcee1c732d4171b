/** What an HTTP/2 server tells about a whole session: the answer to the CONNECT, GOAWAY, DRAIN, and the end. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as WebTransport from "effect-pools/WebTransport"
import type { ServerHttp2Stream } from "node:http2"
import { inspect } from "node:util"
import { construct } from "../../../src/internal/platform/fails/construct.js"
import { load } from "../../../src/internal/platform/fails/load.js"
import {
  closeCapsule,
  type ConnectServer,
  connectServer,
  drainCapsule,
  frames,
  framesServer,
  wrongCapsules
} from "../../support/connectServer.js"
import { client } from "../../support/implementation.js"
import { withLogs } from "../../support/logs.js"
import { echo, failure, soon, until } from "../../support/streamPools.js"
import { expect, it } from "../../support/vitest.js"

const options = ({ hash }: ConnectServer): WebTransport.ConnectOptions => ({
  serverCertificateHashes: [{ value: hash }],
  // no test waits for this limit
  connectTimeout: "1 hour"
})

const connect = (server: ConnectServer, others: WebTransport.ConnectOptions = {}) =>
  WebTransport.connect(server.url, { ...options(server), ...others })

/** A session whose streams echo. */
const accept = (stream: ServerHttp2Stream) => {
  stream.respond({ ":status": 200 })
  stream.pipe(stream)
}

/** Sessions whose server runs `what` on each CONNECT's stream, on command. */
const toldTo = (what: (stream: ServerHttp2Stream) => void) =>
  Effect.map(
    Effect.sync(() => new Array<ServerHttp2Stream>()),
    (streams) => ({
      streams,
      server: connectServer((stream) => {
        streams.push(stream)
        accept(stream)
      }),
      tell: Effect.sync(() => streams.forEach(what))
    })
  )

const goaway = (stream: ServerHttp2Stream) => stream.session!.goaway(0)
const drain = (stream: ServerHttp2Stream) => void stream.write(drainCapsule)

const run = <A, E>(effect: Effect.Effect<A, E, WebTransport.WebTransportConstructor>) =>
  soon(Effect.provide(effect, client))

const live = (title: string, body: () => Effect.Effect<unknown, unknown, WebTransport.WebTransportConstructor>) =>
  it.live(title, () => withLogs(() => run(body())))

// --- The end of the CONNECT's stream

live("a session whose CONNECT ends by FIN is closed, with code 0 and no words", () =>
  Effect.gen(function*() {
    const { server, streams, tell } = yield* toldTo((stream) => void stream.end())
    const session = yield* connect(yield* server)
    const stream = yield* session.createBidirectionalStream()
    expect(yield* echo(stream, "one")).toBe("one")
    const reading = yield* Effect.fork(Effect.exit(stream.read))
    yield* tell
    expect(yield* session.closed).toEqual({ closeCode: 0, reason: "" })
    expect(yield* session.isOpen).toBe(false)
    expect(failure(yield* Fiber.join(reading)).reason).toBe("SessionClosed")
    expect(failure(yield* Effect.exit(session.createBidirectionalStream())).reason).toBe("SessionClosed")
    // the session ends on this side as well, while its scope is open
    yield* until(Effect.sync(() => streams[0]!.closed), Boolean)
  }).pipe(Effect.scoped))

live("a session whose CONNECT is reset is closed, with the code of the reset", () =>
  Effect.gen(function*() {
    for (const code of [2, 8]) {
      const session = yield* connect(yield* framesServer([frames.ok, frames.reset(code)]))
      expect((yield* session.closed).closeCode).toBe(code)
    }
  }).pipe(Effect.scoped))

live("a pool counts such a session as lost, and lends another one", () =>
  Effect.gen(function*() {
    const { server, streams, tell } = yield* toldTo((stream) => void stream.end())
    const there = yield* server
    const pool = yield* SessionPool.make({ url: there.url, connect: options(there) })
    yield* pool.use((session) => Effect.andThen(tell, session.closed))
    expect(yield* pool.use((session) => session.isOpen)).toBe(true)
    expect((yield* pool.stats).destroyed.lost).toBe(1)
    expect(streams.length).toBe(2)
  }).pipe(Effect.scoped))

live("a session that ends with its answer is none", () =>
  Effect.gen(function*() {
    const server = yield* connectServer((stream) => stream.respond({ ":status": 200 }, { endStream: true }))
    const { message, reason } = failure(yield* Effect.exit(connect(server)))
    expect([reason, message]).toEqual(["Connect", expect.stringContaining("ended the session before it was ready")])
  }).pipe(Effect.scoped))

// --- GOAWAY before there is a session

const rejections: ReadonlyArray<readonly [string, Effect.Effect<ConnectServer, never, any>]> = [
  ["before the CONNECT", connectServer(() => {}, (session) => session.goaway(0))],
  ["instead of an answer", connectServer(goaway)],
  ["that rejects the CONNECT", framesServer([frames.goaway(0, 0)])],
  ["that announces itself first", framesServer([frames.goaway(0x7fff_ffff, 0), frames.goaway(0, 0)])],
  ["with an error", framesServer([frames.goaway(0, 11)])]
]

for (const [when, makeServer] of rejections) {
  live(`a GOAWAY ${when} fails the connect at once`, () =>
    Effect.gen(function*() {
      const { message, reason } = failure(yield* Effect.exit(connect(yield* makeServer)))
      expect([reason, message]).toEqual(["Connect", expect.stringContaining("GOAWAY")])
    }).pipe(Effect.scoped))
}

live(
  "a GOAWAY that only announces the last one leaves the answer to the server: the session comes, and drains",
  () =>
    Effect.gen(function*() {
      const session = yield* connect(yield* framesServer([frames.goaway(0x7fff_ffff, 0), frames.ok]))
      yield* session.draining
      expect(yield* session.isOpen).toBe(true)
    }).pipe(Effect.scoped)
)

// --- Draining

for (const [what, how] of [["GOAWAY", goaway], ["DRAIN", drain]] as const) {
  live(`${what} drains a session: its streams go on, and it ends as ever`, () =>
    Effect.gen(function*() {
      const { server, streams, tell } = yield* toldTo(how)
      const session = yield* connect(yield* server)
      const stream = yield* session.createBidirectionalStream()
      expect(yield* echo(stream, "before")).toBe("before")
      yield* tell
      yield* session.draining
      expect(yield* session.isOpen).toBe(true)
      expect(yield* echo(stream, "after")).toBe("after")
      const reading = yield* Effect.fork(Effect.exit(stream.read))
      streams[0]!.write(closeCapsule(7, "bye"))
      expect(yield* session.closed).toEqual({ closeCode: 7, reason: "bye" })
      expect(failure(yield* Fiber.join(reading)).message).toContain("bye")
    }).pipe(Effect.scoped))

  live(
    `${what} has a pool of streams open another session, while borrowers keep what they have`,
    () =>
      Effect.gen(function*() {
        const { server, streams, tell } = yield* toldTo(how)
        const there = yield* server
        const sessionPool = yield* SessionPool.make({ url: there.url, connect: options(there), maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 4 })
        yield* pool.use((kept) =>
          Effect.gen(function*() {
            expect(yield* echo(kept, "one")).toBe("one")
            yield* tell
            // until the client knows
            yield* Effect.repeat(pool.use((stream) => echo(stream, "two")), { until: () => streams.length === 2 })
            expect(yield* echo(kept, "three")).toBe("three")
          })
        )
        expect(yield* pool.use((stream) => echo(stream, "four"))).toBe("four")
        expect(streams.length).toBe(2)
        yield* until(sessionPool.stats, ({ destroyed }) => destroyed.retired === 1)
      }).pipe(Effect.scoped)
  )
}

// --- The answer

live("the status of a refusal is in its error, so that 401 is not 503", () =>
  Effect.gen(function*() {
    for (const [status, advice] of [[401, "headers"], [503, "later"], [302, "log"]] as const) {
      for (const endStream of [true, false]) {
        const server = yield* connectServer((stream) => stream.respond({ ":status": status }, { endStream }))
        const error = failure(yield* Effect.exit(connect(server)))
        expect(error).toMatchObject({ reason: "Connect", status })
        expect(error.message).toContain(`the server answered ${status}; `)
        expect(error.message).toContain(advice)
        expect(JSON.parse(JSON.stringify(error)).status).toBe(status)
      }
    }
  }).pipe(Effect.scoped))

live("headers go with the CONNECT, and those of its answer come back", () =>
  Effect.gen(function*() {
    let runs = 0
    const server = yield* connectServer((stream, { authorization, "x-tag": tag }) => {
      stream.respond({ ":status": 200, "X-Was": [authorization, tag].join(","), "x-list": ["a", "b"] })
    })
    const token = Effect.sync(() => ({ Authorization: `Bearer ${++runs}` }))
    for (const expected of ["Bearer 1,", "Bearer 2,"]) {
      const session = yield* connect(server, { headers: token })
      expect(session.responseHeaders).toMatchObject({ "x-was": expected, "x-list": "a, b" })
    }
    const pairs = new Headers([["authorization", "Basic"], ["X-Tag", "a"]])
    pairs.append("x-tag", "b")
    const others = yield* connect(server, { headers: pairs })
    expect(others.responseHeaders!["x-was"]).toBe("Basic,a, b")
    const repeated = yield* connect(server, { headers: [["x-tag", "a"], ["x-tag", "b"]] })
    expect(repeated.responseHeaders!["x-was"]).toBe(",a, b")
  }).pipe(Effect.scoped))

it.live("headers are in no error, log, span or text of a session", () =>
  withLogs((logs) =>
    run(
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const see = (value: unknown) => seen.push(String(value), JSON.stringify(value), inspect(value, { depth: 9 }))
        let status = 200
        const server = yield* connectServer((stream) => stream.respond({ ":status": status, "set-cookie": "s3cr3t" }))
        const headers = { authorization: "s3cr3t" }
        const session = yield* connect(server, { headers })
        expect(session.responseHeaders!["set-cookie"]).toBe("s3cr3t")
        see(session)
        status = 401
        const pool = yield* SessionPool.make({ url: server.url, connect: { ...options(server), headers } })
        see(failure(yield* Effect.exit(pool.use(() => Effect.void))))
        see(failure(yield* Effect.exit(connect(server, { headers }))))
        const broken = { authorization: "s3cr3t\n" }
        see(failure(yield* Effect.exit(connect(server, { headers: broken }))))
        const wrong = { authorization: { s3cr3t: "s3cr3t" } as unknown as string }
        see(failure(yield* Effect.exit(connect(server, { headers: wrong }))))
        expect(logs.length).toBeGreaterThan(0)
        logs.forEach(see)
        expect(seen.join("\n")).toContain("authorization")
        expect(seen.join("\n")).not.toContain("s3cr3t")
      }).pipe(Effect.scoped)
    )
  ))

live("headers that a request for a session cannot have fail the connect by name", () =>
  Effect.gen(function*() {
    const server = yield* connectServer(accept)
    for (const [name, words] of [[":path", "a name"], ["a b", "a name"], ["Connection", "is not allowed"]] as const) {
      const { message, reason } = failure(yield* Effect.exit(connect(server, { headers: { [name]: "x" } })))
      expect([reason, message]).toEqual(["Connect", expect.stringContaining(words)])
      expect(message).toContain(JSON.stringify(name.toLowerCase()))
    }
  }).pipe(Effect.scoped))

live("a session that falls back from HTTP/3 to HTTP/2 is watched, too", () =>
  Effect.gen(function*() {
    const { server, tell } = yield* toldTo((stream) => void stream.end())
    const { hash, url } = yield* server
    const { module } = yield* Effect.promise(load)
    // the library's own option, in place of the native package; fails as it does when its time limit is over
    const createUnreliableClient = (parent: { readonly quicconnectedProm: { reject(cause: unknown): void } }) => ({
      closeClient: () => {},
      createTransport: () => queueMicrotask(() => parent.quicconnectedProm.reject(new Error("no HTTP/3")))
    })
    const options: WebTransport.NativeOptions = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] }
    Object.assign(options, { createUnreliableClient })
    const session = yield* WebTransport.fromNative(construct(module, "http3-or-http2", url, options, 60_000))
    expect(session.responseHeaders).toBeDefined()
    yield* tell
    expect(yield* session.closed).toEqual({ closeCode: 0, reason: "" })
  }).pipe(Effect.scoped))

live("a client of another shape refuses headers, and goes without the rest", () =>
  Effect.sync(() => {
    let closed = 0
    class Other {
      readonly ready = Promise.resolve()
      readonly closed = Promise.resolve()
      close() {
        closed++
      }
    }
    const module = { WebTransport: Other as any, quicheLoaded: Promise.resolve() }
    expect(construct(module, "http2", "https://a/", {}, 1000)).toBeInstanceOf(Other)
    expect(() => construct(module, "http2", "https://a/", { headers: [["a", "b"]] }, 1000)).toThrow("takes no headers")
    expect(closed).toBe(1)
  }))

for (const [what, capsule] of Object.entries({ ...wrongCapsules, dataTo: wrongCapsules.dataTo("client") })) {
  live(`a wrong capsule (${what}) ends its session`, () =>
    Effect.scoped(Effect.gen(function*() {
      const peer = yield* toldTo((stream) => void stream.write(capsule))
      const session = yield* connect(yield* peer.server)
      yield* peer.tell
      yield* Effect.exit(session.closed)
    })))
}
