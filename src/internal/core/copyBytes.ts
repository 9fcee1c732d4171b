/** Copies of written bytes, for a platform that continues to use them. */

/** Up to this size V8 keeps the bytes of an array in its own heap, where they are cheap. */
const tiny = 64

const small = 4096

/** A few times `small`: a copy that is still being sent keeps the whole buffer alive. */
const size = 16 * 1024

let shared = new ArrayBuffer(0)
let used = 0

/** Not `slice`, which does not copy a `Buffer`. Small copies share a buffer, since a buffer for each is expensive. */
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
