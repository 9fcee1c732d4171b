/**
 * The server's side of requests: messages with a variable-length integer before them, written here a second time, so that
 * the tests do not check the library against itself.
 *
 * A request is a text. Its first word is the command:
 *
 * | request | answer |
 * |---|---|
 * | `many <n> …` | n messages, `0 <request>` to `n-1 <request>` |
 * | `manyFin <n> …` | the same, then FIN |
 * | `manyReset <n> …` | the same, then a reset |
 * | `twice <ms> …` | the request, and again after `ms` (0: right behind) |
 * | `ask …` | the request; the command `secondAnswers` sends it again |
 * | `wrongId …` | the request under two other ids, then under its own |
 * | `noId …` | an empty message, where an id should be |
 * | `partial …` | the request, and the beginning of another message |
 * | `truncated …` | the beginning of a message, then FIN |
 * | `oversized …` | the length of a message of 1 TiB |
 * | `raw <hex> …` | these bytes as they are, in pieces, then FIN |
 * | `rawReset <hex> …` | the same, then a reset |
 * | `fin …` | FIN |
 * | `reset …` | a reset |
 * | `silence …` | nothing, ever |
 * | anything else | the request |
 *
 * With `?ids=1` requests begin with a correlation id, and answers with the same one.
 */
import { setTimeout as delay } from "node:timers/promises"
import type { Behaviour, Target } from "./behaviour.js"

const sizeOf = (n: number) => n < 0x40 ? 1 : n < 0x4000 ? 2 : 4

const integer = (n: number): Uint8Array => {
  const bytes = new Uint8Array(sizeOf(n))
  const view = new DataView(bytes.buffer)
  if (bytes.length === 1) view.setUint8(0, n)
  else if (bytes.length === 2) view.setUint16(0, 0x4000 | n)
  else view.setUint32(0, (0x8000_0000 | n) >>> 0)
  return bytes
}

/** Parses an integer; undefined if it is incomplete. */
const parseInteger = (bytes: Buffer): { readonly value: number; readonly size: number } | undefined => {
  if (bytes.length === 0) return undefined
  const size = 1 << (bytes[0]! >>> 6)
  if (bytes.length < size) return undefined
  if (size === 1) return { value: bytes[0]!, size }
  if (size === 2) return { value: bytes.readUInt16BE(0) & 0x3fff, size }
  if (size === 4) return { value: bytes.readUInt32BE(0) & 0x3fff_ffff, size }
  throw new Error("no test sends so large a message")
}

/** How often each request came, by the path of its session. */
export const requestsByPath = new Map<string, Map<string, number>>()

const secondAnswersByPath = new Map<string, Array<() => Promise<void>>>()

export const sendSecondAnswers = async (path: string): Promise<number> => {
  const sends = secondAnswersByPath.get(path) ?? []
  secondAnswersByPath.delete(path)
  const outcomes = await Promise.allSettled(sends.map((send) => send()))
  return outcomes.filter(({ status }) => status === "fulfilled").length
}

const count = ({ path }: Target, request: string) => {
  let requests = requestsByPath.get(path)
  if (requests === undefined) requestsByPath.set(path, requests = new Map())
  requests.set(request, (requests.get(request) ?? 0) + 1)
}

export const framed: Behaviour = async (reader, writer, target) => {
  const hasIds = target.number("ids", 0) === 1
  const pending: Array<Promise<void>> = []

  const answer = async (payload: Buffer): Promise<"goOn" | "ended"> => {
    const id = hasIds ? parseInteger(payload) : undefined
    const request = payload.subarray(id?.size ?? 0).toString()
    count(target, request)
    const [verb, ...words] = request.split(" ")
    const [argument] = words
    const frame = (text: string, withId = id?.value) => {
      const message = Buffer.concat([withId === undefined ? Buffer.alloc(0) : integer(withId), Buffer.from(text)])
      return new Uint8Array(Buffer.concat([integer(message.length), message]))
    }
    switch (verb) {
      case "many":
      case "manyFin":
      case "manyReset":
        for (let i = 0; i < Number(argument); i++) await writer.write(frame(`${i} ${request}`))
        if (verb === "many") return "goOn"
        if (verb === "manyFin") await writer.close()
        else await writer.abort({ code: 42 })
        return "ended"
      case "twice":
        await writer.write(frame(request))
        if (Number(argument) === 0) await writer.write(frame(request))
        else pending.push(delay(Number(argument)).then(() => writer.write(frame(request))).catch(() => {}))
        return "goOn"
      case "ask": {
        await writer.write(frame(request))
        const sends = secondAnswersByPath.get(target.path) ?? []
        secondAnswersByPath.set(target.path, [...sends, () => writer.write(frame(request))])
        return "goOn"
      }
      case "wrongId":
        for (const other of [1, 2]) await writer.write(frame("not yours", id!.value + other))
        await writer.write(frame(request))
        return "goOn"
      case "noId":
        await writer.write(integer(0))
        return "goOn"
      case "partial":
        await writer.write(new Uint8Array(Buffer.concat([frame(request), frame("another message").subarray(0, 5)])))
        return "goOn"
      case "truncated":
        await writer.write(frame("cut off").subarray(0, 5))
        await writer.close()
        return "ended"
      case "oversized":
        await writer.write(Uint8Array.of(0xc0, 0, 1, 0, 0, 0, 0, 0))
        return "goOn"
      case "raw":
      case "rawReset":
        for (const word of words) await writer.write(new Uint8Array(Buffer.from(word, "hex")))
        if (verb === "raw") await writer.close()
        else await writer.abort({ code: 42 })
        return "ended"
      case "fin":
        await writer.close()
        return "ended"
      case "reset":
        await writer.abort({ code: 42 })
        return "ended"
      case "silence":
        return "goOn"
      default:
        await writer.write(frame(request))
        return "goOn"
    }
  }

  let rest = Buffer.alloc(0)
  let isEnded = false
  for (;;) {
    const next = await reader.read()
    if (next.done) break
    rest = Buffer.concat([rest, next.value])
    for (;;) {
      const length = parseInteger(rest)
      if (isEnded || length === undefined || rest.length < length.size + length.value) break
      const payload = rest.subarray(length.size, length.size + length.value)
      rest = rest.subarray(length.size + length.value)
      isEnded = await answer(payload) === "ended"
    }
  }
  await Promise.all(pending)
  if (!isEnded) await writer.close()
}
