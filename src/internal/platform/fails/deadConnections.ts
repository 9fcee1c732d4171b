/** Ends connections of HTTP/2 whose end Node does not see, or sees wrongly. */
import { has, type PushedStream } from "./internals.js"

interface Handle {
  getpeername?(into: object): number
}

interface Socket {
  readonly bytesRead?: number | undefined
  readonly _handle?: Handle | null | undefined
  destroy(error: Error): void
}

/** A connection of `node:http2`. Its `socket` stands before the real one, without `destroy`; `once` returns the real one. */
export interface MortalConnection {
  readonly socket?: { once(event: "close", listener: () => void): unknown } | undefined
}

const lookEvery = 1_000

/** The usual idle timeout of QUIC, in looks. Both ends ping each second, so that bytes come from a peer that lives. */
const looksInSilence = 30

/** A connection that was reset has no peer. Without this internal of Node it is only found by its silence. */
const isReset = ({ _handle: handle }: Socket): boolean =>
  typeof handle?.getpeername === "function" && handle.getpeername({}) !== 0

/**
 * Ends the connection when its peer has reset it, or was silent for 30 seconds. Node (20, 24) does not tell all resets: it
 * reads nothing while it writes, ignores that the write of a control frame failed, and the write after it never ends. Nor does
 * it tell that a peer has vanished.
 */
export const endWhenDead = (connection: MortalConnection): void => {
  const found = connection.socket?.once("close", () => clearInterval(looking))
  if (!has(found, "destroy")) return
  const socket = found as Socket
  let bytes = socket.bytesRead
  let silent = 0
  const looking = setInterval(() => {
    silent = socket.bytesRead === bytes ? silent + 1 : 0
    bytes = socket.bytesRead
    if (isReset(socket)) socket.destroy(new Error("the peer has reset the connection"))
    else if (silent === looksInSilence) socket.destroy(new Error("nothing came on the connection for 30 seconds"))
  }, lookEvery)
  looking.unref()
}

const { versions } = globalThis.process ?? {}
/** Other runtimes may read into one buffer again and again. */
const isNode = versions !== undefined && !("bun" in versions) && !("deno" in versions)

/**
 * Ends the stream at data that it has had before. If a write fails at once while Node (20) hands on what it has read, it
 * hands on the same bytes again, from an earlier place on: an answer could have wrong bytes in its middle. All data of a read
 * is in one buffer, in order. (`Http2Session::OnStreamAfterWrite`, which runs within `ConsumeHTTP2Data` then.)
 */
export const endAtRepeat = (stream: PushedStream): void => {
  if (!isNode || !has(stream, "push", "destroy")) return
  const push = stream.push!.bind(stream)
  let buffer: ArrayBufferLike | undefined
  let end = 0
  stream.push = (chunk) => {
    if (chunk === null) return push(chunk)
    if (chunk.buffer === buffer && chunk.byteOffset < end) {
      stream.destroy!(new Error("Node gave bytes of the session twice"))
      return false
    }
    buffer = chunk.buffer
    end = chunk.byteOffset + chunk.byteLength
    return push(chunk)
  }
}
