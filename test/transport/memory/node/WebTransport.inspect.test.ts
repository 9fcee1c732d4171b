import * as Effect from "#test/Effect"
import * as Framing from "effect-pools/Framing"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import * as WebTransport from "effect-pools/WebTransport"
import { inspect } from "node:util"
import { bytes } from "../../../support/streams.js"
import { describe, expect, it } from "../../../support/vitest.js"

const url = "https://test/path?token=secret"

/** The value, in every form in which a log may show it. */
const shown = (value: unknown): string =>
  [JSON.stringify(value), String(value), inspect(value, { depth: Infinity })].join("\n")

describe("what is shown of sessions and streams", () => {
  it.scoped("is their state, never the query of a URL or what was sent", () =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect(url)
      const stream = yield* session.createBidirectionalStream()
      const sessionPool = yield* SessionPool.make({ url })
      const borrowed = yield* sessionPool.get
      const pool = yield* StreamPool.make({ session })
      const view = yield* pool.get
      for (const one of [stream, view]) {
        yield* one.write(bytes("payload"))
        yield* one.readExactly(1)
      }
      const decoder = Framing.makeDecoder()
      decoder.push(bytes("payload"))

      for (const one of [session, borrowed, session.datagrams, stream, view, decoder]) {
        expect(shown(one)).not.toMatch(/token|secret|112|payload/)
      }
      expect(JSON.parse(JSON.stringify({ session, stream, view, decoder }))).toEqual({
        session: { _id: "Session", with: "test/path", state: "Open", streams: 2 },
        stream: { _id: "Stream", receiving: "Open", sending: "Open", bytesReceived: 7 },
        view: { _id: "Stream", receiving: "Open", sending: "Open", bytesReceived: 7 },
        decoder: { _id: "Decoder", maxMessageSize: 1_048_576, retained: 7 }
      })
    }).pipe(Effect.provide(TestWebTransport.layer())))

  it.scoped("is nothing of what others do with a stream that was given back", () =>
    Effect.gen(function*() {
      const session = yield* WebTransport.connect(url)
      const pool = yield* StreamPool.make({ session })
      const view = yield* pool.use(Effect.succeed)
      expect(JSON.parse(JSON.stringify(view))).toEqual({ _id: "Stream", released: true })
    }).pipe(Effect.provide(TestWebTransport.layer())))
})
