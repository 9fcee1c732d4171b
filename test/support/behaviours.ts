import { createHash } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import type { Behaviour, Reader, Target } from "./behaviour.js"
import { framed } from "./framed.js"
import { oneWay } from "./oneWay.js"
import { pattern } from "./pattern.js"

/** The answer to a CONNECT: a status, now, later or never. */
export const admit = async (target: Target): Promise<number> => {
  switch (target.name) {
    case "never":
      return new Promise<never>(() => {})
    case "refuse":
      return target.number("status", 405)
    case "slow":
      await delay(target.number("ms", 2000))
      return 200
    default:
      return target.name === "served" || Object.hasOwn(behaviours, target.name) ? 200 : 404
  }
}

export const forEachChunk = async (
  reader: Reader,
  f: (chunk: Uint8Array) => void | Promise<void>
): Promise<void> => {
  for (;;) {
    const next = await reader.read()
    if (next.done) return
    await f(next.value)
  }
}

const drain = (reader: Reader): Promise<void> => forEachChunk(reader, () => {})

const firstChunk = async (reader: Reader): Promise<Uint8Array | undefined> => {
  for (;;) {
    const next = await reader.read()
    if (next.done) return undefined
    if (next.value.byteLength > 0) return next.value
  }
}

const echo: Behaviour = async (reader, writer, target) => {
  const ms = target.number("ms", 0)
  await forEachChunk(reader, async (chunk) => {
    if (ms > 0) await delay(ms)
    await writer.write(chunk)
  })
  await writer.close()
}

const picky: Behaviour = async (reader, writer) => {
  await forEachChunk(reader, async (chunk) => {
    if (chunk[0] !== 45) await writer.write(chunk)
  })
  await writer.close()
}

const silent: Behaviour = drain

/** Holds its peer back, over HTTP/3, by not reading. */
const deaf: Behaviour = () => new Promise(() => {})

const fin: Behaviour = async (reader, writer) => {
  await Promise.all([writer.close(), drain(reader)])
}

// After its own reset the library delivers no more bytes of the other direction: there is nothing to drain.
const reset: Behaviour = async (reader, writer, target) => {
  await firstChunk(reader)
  await writer.abort({ code: target.number("code", 42) })
}

const stop: Behaviour = async (reader, _writer, target) => {
  await firstChunk(reader)
  await reader.cancel({ code: target.number("code", 42) })
}

const unsolicited: Behaviour = async (reader, writer, target) => {
  const unasked = new TextEncoder().encode(target.text("text", "unsolicited"))
  if (target.text("when", "accept") === "accept") {
    await writer.write(unasked)
    return echo(reader, writer, target)
  }
  const chunk = await firstChunk(reader)
  if (chunk !== undefined) {
    await writer.write(chunk)
    await delay(target.number("afterMs", 0))
    await writer.write(unasked)
  }
  return echo(reader, writer, target)
}

const twice: Behaviour = async (reader, writer, target) => {
  const ms = target.number("ms", 0)
  const seconds: Array<Promise<void>> = []
  await forEachChunk(reader, async (chunk) => {
    await writer.write(chunk)
    if (ms === 0) return writer.write(chunk)
    const second = delay(ms).then(() => writer.write(chunk))
    second.catch(() => {})
    seconds.push(second)
  })
  await Promise.all(seconds)
  await writer.close()
}

const sink: Behaviour = async (reader, writer) => {
  const hash = createHash("sha256")
  let bytes = 0
  await forEachChunk(reader, (chunk) => {
    bytes += chunk.byteLength
    hash.update(chunk)
  })
  await writer.write(new TextEncoder().encode(JSON.stringify({ bytes, sha256: hash.digest("hex") })))
  await writer.close()
}

const source: Behaviour = async (reader, writer, target) => {
  const size = Number(target.argument ?? 0)
  const chunk = 64 * 1024
  const send = async () => {
    for (let offset = 0; offset < size; offset += chunk) {
      await writer.write(pattern(offset, Math.min(chunk, size - offset)))
    }
    await writer.close()
  }
  await Promise.all([send(), drain(reader)])
}

/** The server's behaviour on each bidirectional stream of a session, by the first segment of the path. */
export const behaviours: Readonly<Record<string, Behaviour>> = {
  echo,
  close: silent,
  picky,
  silent,
  deaf,
  fin,
  reset,
  stop,
  unsolicited,
  twice,
  slow: echo,
  sink,
  source,
  framed,
  oneway: oneWay
}
