/** Bytes as text. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

/** `undefined` for what is not hexadecimal. */
export const decodeHex = (text: string): Uint8Array | undefined => Either.getOrUndefined(Encoding.decodeHex(text))
