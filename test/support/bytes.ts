/** What tests do with bytes, in Node and in browsers. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

export const concat = (chunks: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = [...chunks]
  const whole = new Uint8Array(all.reduce((size, chunk) => size + chunk.byteLength, 0))
  let at = 0
  for (const chunk of all) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

/** For what is so large that comparing it in detail takes long. */
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at])

export const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Either.getOrThrow(Encoding.decodeHex(hex)))

/** In hex, of all of them together. */
export const sha256 = (chunks: Iterable<Uint8Array>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", concat(chunks))),
    (digest) => Encoding.encodeHex(new Uint8Array(digest))
  )
