/**
 * The format of frames: the length as a variable-length integer (RFC 9000, section 16), then the bytes; and the assembly of
 * messages that arrive in pieces. Plain code, since every byte passes through it.
 */

// -----------------------------------------------------------------------------
// Results
// -----------------------------------------------------------------------------

/** A message, or its announced length, is above the limit. Sizes are in bytes. */
export interface Oversized {
  readonly _tag: "Oversized"
  readonly operation: "read" | "write"
  readonly size: number
  readonly limit: number
}

/** The bytes ended within a message. `size` is undefined if they ended within its length. */
export interface Truncated {
  readonly _tag: "Truncated"
  readonly size: number | undefined
  readonly received: number
}

/** A message does not begin with a correlation id. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly size: number
  readonly detail: string
}

export type FrameProblem = Oversized | Truncated | Malformed

export interface Frame {
  readonly _tag: "Frame"
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface Identified {
  readonly _tag: "Identified"
  readonly id: number
  /** A view of the payload. */
  readonly message: Uint8Array
}

// -----------------------------------------------------------------------------
// Variable-length integers
// -----------------------------------------------------------------------------

/** The maximum bytes of an integer. */
const longest = 8

/** The bytes of an integer, from its first byte. */
const sizeByFirst = (first: number): number => 1 << (first >>> 6)

const sizeOf = (n: number): number => n < 0x40 ? 1 : n < 0x4000 ? 2 : n < 0x4000_0000 ? 4 : 8

/** Writes an integer in as few bytes as possible; returns the offset after it. */
const put = (bytes: Uint8Array, at: number, n: number): number => {
  if (n < 0x40) {
    bytes[at] = n
    return at + 1
  }
  // the lengths and ids of small messages, without the arithmetic of the others
  if (n < 0x4000) {
    bytes[at] = 0x40 | (n >>> 8)
    bytes[at + 1] = n
    return at + 2
  }
  const size = sizeOf(n)
  // `>>>` uses the low 32 bits only, and shifts by the remainder of 32
  const high = Math.floor(n / 0x1_0000_0000)
  for (let i = 0; i < size; i++) {
    const shift = 8 * (size - 1 - i)
    bytes[at + i] = (shift < 32 ? n : high) >>> shift
  }
  bytes[at]! |= Math.log2(size) << 6
  return at + size
}

/** An integer above 2^53 is rounded, once, and stays above 2^53. */
const get = (bytes: Uint8Array, at: number, size: number): number => {
  let low = bytes[at]! & 0x3f
  if (size === 1) return low
  if (size === 2) return low << 8 | bytes[at + 1]!
  let high = 0
  for (let i = 1; i < size; i++) {
    if (i === 4) {
      high = low
      low = 0
    }
    low = low * 0x100 + bytes[at + i]!
  }
  return high * 0x1_0000_0000 + low
}

export { get as getInteger, sizeByFirst as integerSizeByFirst }

// -----------------------------------------------------------------------------
// Writing
// -----------------------------------------------------------------------------

const checkId = (id: number): void => {
  if (Number.isSafeInteger(id) && id >= 0) return
  throw new RangeError(`id must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, but was ${String(id)}`)
}

/** The bytes of a message with its id, if any: the length that precedes it. */
export const payloadSize = (message: Uint8Array, id: number | undefined): number =>
  (id === undefined ? 0 : sizeOf(id)) + message.byteLength

/** The bytes of a frame whose message, with its id, has `payload` bytes. */
export const frameSize = (payload: number): number => sizeOf(payload) + payload

/** Writes the frame of a message; returns the offset after it. */
export const putFrame = (bytes: Uint8Array, at: number, message: Uint8Array, id: number | undefined): number => {
  let end = put(bytes, at, payloadSize(message, id))
  if (id !== undefined) end = put(bytes, end, id)
  bytes.set(message, end)
  return end + message.byteLength
}

/** The frame of a message of at most `max` bytes. The id, if any, is the beginning of the message and counts. */
export const encode = (message: Uint8Array, max: number, id: number | undefined): Frame | Oversized => {
  if (id !== undefined) checkId(id)
  const size = payloadSize(message, id)
  if (size > max) return { _tag: "Oversized", operation: "write", size, limit: max }
  const bytes = new Uint8Array(frameSize(size))
  putFrame(bytes, 0, message, id)
  return { _tag: "Frame", bytes }
}

// -----------------------------------------------------------------------------
// Correlation ids
// -----------------------------------------------------------------------------

export const withId = (id: number, message: Uint8Array): Uint8Array<ArrayBuffer> => {
  checkId(id)
  const payload = new Uint8Array(sizeOf(id) + message.byteLength)
  payload.set(message, put(payload, 0, id))
  return payload
}

export const splitId = (payload: Uint8Array): Identified | Malformed => {
  const length = payload.byteLength
  const malformed = (detail: string): Malformed => ({ _tag: "Malformed", size: length, detail })
  if (length === 0) return malformed("the message is empty, and should begin with a correlation id")
  const size = sizeByFirst(payload[0]!)
  if (size > length) {
    return malformed(`the message has ${length} bytes, but its correlation id needs ${size}`)
  }
  const id = get(payload, 0, size)
  return Number.isSafeInteger(id)
    ? { _tag: "Identified", id, message: payload.subarray(size) }
    : malformed("the message begins with a correlation id above 2^53 - 1")
}

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

/**
 * A message that arrives in pieces gets a buffer of at most `growth` times the bytes that came, and `spare` more. So small
 * messages need no second buffer, nor do 64 KiB, of which transports deliver 16 KiB at a time.
 */
const growth = 4
const spare = 4096

const nothing = new Uint8Array(0)

/**
 * Assembles messages, one after the other.
 *
 * The announced length is not trusted: see `growth`. A byte is copied 4/3 times on average, however small the pieces. At the
 * end the buffer has the size of the message.
 */
export class MessageAssembler {
  private readonly prefix = new Uint8Array(longest)
  private prefixSize = 0
  private body: Uint8Array<ArrayBuffer> = nothing
  private filled = 0
  /** The announced length of the message; -1 before that. */
  private length = -1

  get isEmpty(): boolean {
    return this.prefixSize === 0
  }

  get isWhole(): boolean {
    return this.filled === this.length
  }

  isOversized(max: number): boolean {
    return this.length > max
  }

  /** Whether the message takes no more bytes: it is complete or oversized. */
  isDecided(max: number): boolean {
    return this.filled === this.length || this.length > max
  }

  /** The memory in use, in bytes. */
  get retained(): number {
    return this.body.byteLength
  }

  /** The bytes of this message that have arrived, its length included. */
  get size(): number {
    return this.prefixSize + this.filled
  }

  /** Takes the bytes of this message from the chunk; returns how many. It leaves bytes only if the message is decided. */
  feed(chunk: Uint8Array, max: number): number {
    let at = 0
    while (this.length < 0) {
      if (at === chunk.byteLength) return at
      this.prefix[this.prefixSize++] = chunk[at++]!
      const size = sizeByFirst(this.prefix[0]!)
      if (this.prefixSize === size) this.length = get(this.prefix, 0, size)
    }
    if (this.length > max) return at
    const part = Math.min(chunk.byteLength - at, this.length - this.filled)
    this.reserve(this.filled + part)
    this.body.set(at === 0 && part === chunk.byteLength ? chunk : chunk.subarray(at, at + part), this.filled)
    this.filled += part
    return at + part
  }

  private reserve(size: number): void {
    if (size <= this.body.byteLength) return
    const larger = new Uint8Array(Math.min(this.length, growth * size + spare))
    larger.set(this.body.subarray(0, this.filled))
    this.body = larger
  }

  /** Returns the message. Call it only when the message is complete. */
  take(): Uint8Array<ArrayBuffer> {
    const message = this.length === 0 ? new Uint8Array(0) : this.body
    this.clear()
    return message
  }

  /** Returns the bytes as they arrived, for a reader of bytes. */
  spill(): Array<Uint8Array> {
    const bytes = [this.prefix.slice(0, this.prefixSize)]
    if (this.filled > 0) bytes.push(this.body.subarray(0, this.filled))
    this.clear()
    return bytes
  }

  private clear(): void {
    this.prefixSize = 0
    this.body = nothing
    this.filled = 0
    this.length = -1
  }

  oversized(max: number): Oversized {
    return { _tag: "Oversized", operation: "read", size: this.length, limit: max }
  }

  /** The problem of this message if no more bytes follow. */
  truncated(): Truncated {
    return { _tag: "Truncated", size: this.length < 0 ? undefined : this.length, received: this.filled }
  }
}
