/** Helpers of tests for bytes, in Node and in browsers. */
import * as Effect from "#test/Effect"

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
  Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16))

/** The hash of all chunks together, in hex. */
export const sha256 = (chunks: Iterable<Uint8Array>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", concat(chunks))),
    (digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )
