import { once } from "node:events"
import { connect, createServer, type ServerHttp2Stream } from "node:http2"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "vitest"
import { skipCloseBeforeDestroy } from "../../src/internal/platform/fails/closeOrder.js"

/** A request whose server reads nothing, so that its bytes wait in the client, and the server's end of it. */
const waiting = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const stream = client.request({ ":method": "POST" })
  const [peer] = await once(server, "stream") as [ServerHttp2Stream]
  peer.pause()
  peer.on("error", () => {})
  peer.respond()
  await once(stream, "response")
  stream.write(new Uint8Array(1 << 20))
  stream.end()
  return {
    stream,
    peer,
    close: () => {
      client.destroy()
      server.close()
    }
  }
}

describe("the HTTP/2 stream of a session that both sides close", () => {
  it("is reset, though it has bytes to send: Node would write empty frames for it, once it may send again", async () => {
    const { close, peer, stream } = await waiting()
    skipCloseBeforeDestroy(stream)
    const reset = once(peer, "aborted")
    stream.close(0)
    stream.destroy()
    await reset
    assert.strictEqual(peer.rstCode, 0)
    close()
  })

  it("is closed as ever otherwise", async () => {
    const { close, peer, stream } = await waiting()
    skipCloseBeforeDestroy(stream)
    const reset = once(peer, "close")
    stream.close(8)
    await reset
    assert.strictEqual(peer.rstCode, 8)
    close()
    const other = await waiting()
    skipCloseBeforeDestroy(other.stream)
    const finished = once(other.stream, "close")
    other.peer.resume()
    await once(other.stream, "finish")
    other.stream.close()
    await finished
    assert.isTrue(other.stream.writableFinished)
    other.close()
  })
})
