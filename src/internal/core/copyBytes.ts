/** Copies of what is written, for a platform that goes on using it. */

/** Up to here an engine keeps the bytes of an array in its own heap, where they cost next to nothing (V8). */
const tiny = 64

const small = 4096

/** A few times `small`: one that is still being sent keeps all of it. */
const size = 16 * 1024

let shared = new ArrayBuffer(0)
let used = 0

/** Not `slice`, which copies nothing of a Buffer. A small copy shares its buffer with others: one of its own is dear. */
export const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const length = bytes.byteLength
  if (length <= tiny || length > small) return new Uint8Array(bytes)
  if (used + length > shared.byteLength) {
    shared = new ArrayBuffer(size)
    used = 0
  }
  const copy = new Uint8Array(shared, used, length)
  copy.set(bytes)
  used += length
  return copy
}
