/** Bytes as text. */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"

/** `undefined` for what is not hexadecimal. */
export const decodeHex = (text: string): Uint8Array | undefined => Result.getOrUndefined(Hex.decode(text))
