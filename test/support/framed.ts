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
 * | `after <ms> …` | the request, after `ms`; the answers to other requests do not wait for it |
 * | `each <n> <ms> …` | n messages like `many`, each `ms` after the one before; other answers do not wait for them |
 * | `hold …` | the request, when the command `heldAnswers` comes: the last one first |
 * | `size <n> …` | n bytes of `pattern` |
 * | `peak …` | how many requests of this stream were unanswered at once, at most, as a text |
 * | `chunks …` | in how many chunks this stream's requests have arrived, as a text |
 * | `pause …` | the request; then the stream is not read until the command `readOn` |
 * | `wrongId …` | the request under two other ids, then under its own |
 * | `unknownId …` | the request under an id that is no request's, and nothing else |
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
 * With `?ids=1` requests begin with a correlation id, and answers with the same one. With `?batch=1` the answers to the
 * requests of one chunk leave in one write, with `?batch=reverse` the last one first.
 */
import { setTimeout as delay } from "node:timers/promises"
import type { Behaviour, Target } from "./behaviour.js"
import { pattern } from "./pattern.js"

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

/** What a path's streams do when a command comes. */
class Later {
  private readonly byPath = new Map<string, Array<() => Promise<void>>>()

  add({ path }: Target, act: () => Promise<void>): void {
    this.byPath.set(path, [...this.byPath.get(path) ?? [], act])
  }

  /** Returns how many succeeded. */
  async run(path: string, order: (all: Array<() => Promise<void>>) => void = () => {}): Promise<number> {
    const acts = this.byPath.get(path) ?? []
    this.byPath.delete(path)
    order(acts)
    const outcomes = await Promise.allSettled(acts.map((act) => act()))
    return outcomes.filter(({ status }) => status === "fulfilled").length
  }
}

const secondAnswers = new Later()
/** For `hold`. */
export const heldAnswers = new Later()
const pauses = new Later()

export const sendSecondAnswers = (path: string): Promise<number> => secondAnswers.run(path)
export const sendHeldAnswers = (path: string): Promise<number> => heldAnswers.run(path, (all) => all.reverse())
export const readOn = (path: string): Promise<number> => pauses.run(path)

const count = ({ path }: Target, request: string) => {
  let requests = requestsByPath.get(path)
  if (requests === undefined) requestsByPath.set(path, requests = new Map())
  requests.set(request, (requests.get(request) ?? 0) + 1)
}

/** The commands whose answers do not come at once, or never. */
const unanswered = new Set(["after", "each", "hold", "silence"])

export const framed: Behaviour = async (reader, writer, target) => {
  const hasIds = target.number("ids", 0) === 1
  const batch = target.text("batch", "0")
  const pending: Array<Promise<void>> = []
  /** The answers to the requests of this chunk, if they leave together. */
  let batched: Array<Uint8Array> | undefined
  let chunks = 0
  let open = 0
  let peak = 0
  let paused: Promise<void> | undefined

  const send = async (bytes: Uint8Array): Promise<void> => {
    if (batched === undefined) await writer.write(bytes)
    else batched.push(bytes)
  }

  const sendBatch = async (): Promise<void> => {
    const frames = batched ?? []
    batched = undefined
    if (batch === "reverse") frames.reverse()
    if (frames.length > 0) await writer.write(new Uint8Array(Buffer.concat(frames)))
  }

  const later = (answer: Promise<void>): void => {
    pending.push(answer.catch(() => {}).finally(() => open--))
  }

  const answer = async (payload: Buffer): Promise<"goOn" | "ended"> => {
    const id = hasIds ? parseInteger(payload) : undefined
    const request = payload.subarray(id?.size ?? 0).toString()
    count(target, request)
    const [verb, ...words] = request.split(" ")
    const [argument] = words
    const frame = (answer: string | Uint8Array, withId = id?.value) => {
      const message = Buffer.concat([withId === undefined ? Buffer.alloc(0) : integer(withId), Buffer.from(answer)])
      return new Uint8Array(Buffer.concat([integer(message.length), message]))
    }
    peak = Math.max(peak, ++open)
    if (!unanswered.has(verb!)) open--
    switch (verb) {
      case "many":
      case "manyFin":
      case "manyReset":
        for (let i = 0; i < Number(argument); i++) await send(frame(`${i} ${request}`))
        if (verb === "many") return "goOn"
        await sendBatch()
        if (verb === "manyFin") await writer.close()
        else await writer.abort({ code: 42 })
        return "ended"
      case "twice":
        await send(frame(request))
        if (Number(argument) === 0) await send(frame(request))
        else pending.push(delay(Number(argument)).then(() => writer.write(frame(request))).catch(() => {}))
        return "goOn"
      case "ask":
        await send(frame(request))
        secondAnswers.add(target, () => writer.write(frame(request)))
        return "goOn"
      case "after":
        later(delay(Number(argument)).then(() => writer.write(frame(request))))
        return "goOn"
      case "each":
        later((async () => {
          for (let i = 0; i < Number(argument); i++) {
            await delay(Number(words[1]))
            await writer.write(frame(`${i} ${request}`))
          }
        })())
        return "goOn"
      case "hold":
        heldAnswers.add(target, () => writer.write(frame(request)).finally(() => open--))
        return "goOn"
      case "size":
        await send(frame(pattern(0, Number(argument))))
        return "goOn"
      case "peak":
      case "chunks":
        await send(frame(String(verb === "peak" ? peak : chunks)))
        return "goOn"
      case "pause":
        paused = new Promise((resolve) => pauses.add(target, async () => resolve()))
        await send(frame(request))
        return "goOn"
      case "wrongId":
        for (const other of [1, 2]) await send(frame("not yours", id!.value + other))
        await send(frame(request))
        return "goOn"
      case "unknownId":
        await send(frame(request, 0x3fff_ffff - id!.value))
        return "goOn"
      case "noId":
        await send(integer(0))
        return "goOn"
      case "partial":
        await send(new Uint8Array(Buffer.concat([frame(request), frame("another message").subarray(0, 5)])))
        return "goOn"
      case "truncated":
        await send(frame("cut off").subarray(0, 5))
        await sendBatch()
        await writer.close()
        return "ended"
      case "oversized":
        await send(Uint8Array.of(0xc0, 0, 1, 0, 0, 0, 0, 0))
        return "goOn"
      case "raw":
      case "rawReset":
        await sendBatch()
        for (const word of words) await writer.write(new Uint8Array(Buffer.from(word, "hex")))
        if (verb === "raw") await writer.close()
        else await writer.abort({ code: 42 })
        return "ended"
      case "fin":
        await sendBatch()
        await writer.close()
        return "ended"
      case "reset":
        await sendBatch()
        await writer.abort({ code: 42 })
        return "ended"
      case "silence":
        return "goOn"
      default:
        await send(frame(request))
        return "goOn"
    }
  }

  let rest = Buffer.alloc(0)
  let isEnded = false
  for (;;) {
    await paused
    paused = undefined
    const next = await reader.read()
    if (next.done) break
    chunks++
    if (batch !== "0") batched = []
    rest = Buffer.concat([rest, next.value])
    for (;;) {
      const length = parseInteger(rest)
      if (isEnded || length === undefined || rest.length < length.size + length.value) break
      const payload = rest.subarray(length.size, length.size + length.value)
      rest = rest.subarray(length.size + length.value)
      isEnded = await answer(payload) === "ended"
    }
    await sendBatch()
  }
  await Promise.all(pending)
  if (!isEnded) await writer.close()
}
