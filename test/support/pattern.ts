/** Bytes `offset` to `offset + length` of the sequence that `/source/<n>` sends; it repeats after 16 MiB only. */
export const pattern = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) {
    const at = offset + index
    bytes[index] = (at ^ (at >>> 8) * 31 ^ (at >>> 16) * 17) & 0xff
  }
  return bytes
}
