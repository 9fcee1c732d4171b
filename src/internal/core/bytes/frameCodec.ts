/**
 * What a frame looks like: its length as a variable-length integer (RFC 9000, section 16), then its bytes. And the parts of a
 * message that has not arrived in full. Plain code: every byte passes here.
 */

// -----------------------------------------------------------------------------
// Results
// -----------------------------------------------------------------------------

/** A message, or the length that announces it, is above the limit. Sizes are bytes. */
export interface Oversized {
  readonly _tag: "Oversized"
  readonly operation: "read" | "write"
  readonly size: number
  readonly limit: number
}

/** The bytes ended within a message. `size` is undefined where they ended within its length. */
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

/** The most bytes that an integer takes. */
const longest = 8

/** How many bytes an integer takes, by its first byte. */
const sizeByFirst = (first: number): number => 1 << (first >>> 6)

const sizeOf = (n: number): number => n < 0x40 ? 1 : n < 0x4000 ? 2 : n < 0x4000_0000 ? 4 : 8

/** Writes an integer in as few bytes as possible; returns where it ends. */
const put = (bytes: Uint8Array, at: number, n: number): number => {
  const size = sizeOf(n)
  // `>>>` sees the low 32 bits only
  const high = Math.floor(n / 0x1_0000_0000)
  for (let i = 0; i < size; i++) {
    const shift = 8 * (size - 1 - i)
    bytes[at + i] = shift >= 32 ? high >>> (shift - 32) : n >>> shift
  }
  bytes[at]! |= Math.log2(size) << 6
  return at + size
}

/** Above 2^53 the integer is rounded, and is still above. */
const get = (bytes: Uint8Array, at: number, size: number): number => {
  let high = 0
  let low = bytes[at]! & 0x3f
  for (let i = 1; i < size; i++) {
    if (i === 4) {
      high = low
      low = 0
    }
    low = low * 0x100 + bytes[at + i]!
  }
  return high * 0x1_0000_0000 + low
}

// -----------------------------------------------------------------------------
// Writing
// -----------------------------------------------------------------------------

const checkId = (id: number): void => {
  if (Number.isSafeInteger(id) && id >= 0) return
  throw new RangeError(`id must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, but was ${String(id)}`)
}

/** The frame of a message of `max` bytes at most; the id, if any, begins the message and counts. */
export const encode = (message: Uint8Array, max: number, id: number | undefined): Frame | Oversized => {
  if (id !== undefined) checkId(id)
  const size = (id === undefined ? 0 : sizeOf(id)) + message.byteLength
  if (size > max) return { _tag: "Oversized", operation: "write", size, limit: max }
  const bytes = new Uint8Array(sizeOf(size) + size)
  let at = put(bytes, 0, size)
  if (id !== undefined) at = put(bytes, at, id)
  bytes.set(message, at)
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
    return malformed(`the message has ${length} bytes, and its correlation id alone should have ${size}`)
  }
  const id = get(payload, 0, size)
  return Number.isSafeInteger(id)
    ? { _tag: "Identified", id, message: payload.subarray(size) }
    : malformed("the message begins with a correlation id above 2^53 - 1")
}

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

/** The first buffer of a message that arrives in pieces, in bytes: a small message needs no second one. */
const firstCapacity = 4096

const nothing = new Uint8Array(0)

/**
 * Puts one message together, and after it the next.
 *
 * The announced length is never believed: the buffer is at most twice as large as what arrived, or `firstCapacity`. As it
 * doubles, a byte is copied twice on average, however small the pieces; it ends with the message's own size.
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

  /** Whether the message takes no more bytes: it is whole, or oversized. */
  isDecided(max: number): boolean {
    return this.filled === this.length || this.length > max
  }

  /** Bytes of memory. */
  get retained(): number {
    return this.body.byteLength
  }

  /** Takes the bytes that belong to this message; returns how many. Takes all of them, unless the message is decided then. */
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
    if (part > 0) {
      this.reserve(this.filled + part)
      this.body.set(at === 0 && part === chunk.byteLength ? chunk : chunk.subarray(at, at + part), this.filled)
      this.filled += part
    }
    return at + part
  }

  private reserve(size: number): void {
    const capacity = this.body.byteLength
    if (size <= capacity) return
    const larger = new Uint8Array(Math.min(this.length, Math.max(size, 2 * capacity, firstCapacity)))
    larger.set(this.body.subarray(0, this.filled))
    this.body = larger
  }

  /** The message; only when it is whole. */
  take(): Uint8Array<ArrayBuffer> {
    const message = this.length === 0 ? new Uint8Array(0) : this.body
    this.clear()
    return message
  }

  /** Gives the bytes back as they arrived, for a reader of bytes. */
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

  /** What is wrong where no more bytes follow. */
  truncated(): Truncated {
    return { _tag: "Truncated", size: this.length < 0 ? undefined : this.length, received: this.filled }
  }
}
