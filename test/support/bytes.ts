/** Helpers of tests for bytes, in Node and in browsers. */
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

/** Compares arrays that are so large that an assertion would take long. */
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at])

export const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Either.getOrThrow(Encoding.decodeHex(hex)))

/** The hash of all chunks together, in hex. */
export const sha256 = (chunks: Iterable<Uint8Array>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", concat(chunks))),
    (digest) => Encoding.encodeHex(new Uint8Array(digest))
  )
