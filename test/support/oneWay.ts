/**
 * Messages without an answer, each alone on its stream: four bytes with its number, four with its size, then bytes of
 * `pattern`, beginning at its number.
 */
import type { Behaviour } from "./behaviour.js"
import { pattern } from "./pattern.js"
import type { Arrival } from "./protocol.js"

const header = 8

/** `size`: the whole message in bytes, at least 8. */
export const messageOf = (number: number, size: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, number)
  view.setUint32(4, size)
  bytes.set(pattern(number, size - header), header)
  return bytes
}

const judge = (chunks: ReadonlyArray<Uint8Array>, isFinished: boolean): Arrival => {
  const all = Buffer.concat(chunks)
  if (all.length < header) return { message: undefined, isWhole: false, isFinished, bytes: all.length }
  const message = all.readUint32BE(0)
  const isWhole = all.length === all.readUint32BE(4) && all.equals(messageOf(message, all.length))
  return { message, isWhole, isFinished, bytes: all.length }
}

const arrivals = new Map<string, Array<Arrival>>()

/** The arrivals since the last call. */
export const takeArrivals = (path: string): ReadonlyArray<Arrival> => {
  const taken = arrivals.get(path) ?? []
  arrivals.delete(path)
  return taken
}

export const oneWay: Behaviour = async (reader, _writer, target) => {
  const chunks: Array<Uint8Array> = []
  const end = (isFinished: boolean) => {
    const all = arrivals.get(target.path) ?? []
    arrivals.set(target.path, all)
    all.push(judge(chunks, isFinished))
  }
  try {
    for (;;) {
      const next = await reader.read()
      if (next.done) return end(true)
      chunks.push(next.value)
    }
  } catch (cause) {
    end(false)
    throw cause
  }
}
