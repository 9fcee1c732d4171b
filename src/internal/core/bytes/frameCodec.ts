/** What a frame looks like, and what is kept of one that is not whole yet. Plain code: every byte passes here. */
import * as Either from "effect/Either"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Api from "../../../Framing.js"
import { FramingError } from "../../../FramingError.js"
import { isBytes, notBytes } from "../kinds.js"

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

export const defaultMaxMessageSize = 1024 * 1024

/** What every engine can put into one array. */
const largest = 0xffff_ffff

export const maxMessageSize = (options: Api.Options | undefined): number => {
  const max = options?.maxMessageSize
  if (max === undefined) return defaultMaxMessageSize
  if (Number.isInteger(max) && max >= 1 && max <= largest) return max
  throw new RangeError(`maxMessageSize must be a whole number of bytes from 1 to ${largest}, but was ${String(max)}`)
}

const checkId = (id: number): void => {
  if (Number.isSafeInteger(id) && id >= 0) return
  throw new RangeError(`id must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, but was ${String(id)}`)
}

// -----------------------------------------------------------------------------
// Variable-length integers, RFC 9000 section 16
// -----------------------------------------------------------------------------

/** The longest there is. */
const longest = 8

/** How many bytes there are in all, by the first one. */
const sizeByFirst = (first: number): number => 1 << (first >>> 6)

const sizeOf = (n: number): number => n < 0x40 ? 1 : n < 0x4000 ? 2 : n < 0x4000_0000 ? 4 : 8

/** In as few bytes as will do; returns where it ends. */
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

/** Above 2^53 it is rounded, and still above. */
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

const oversized = (operation: "read" | "write", size: number, limit: number) =>
  new FramingError({ reason: "Oversized", operation, size, limit })

export const encode = (
  message: Uint8Array,
  options: Api.EncodeOptions | undefined
): Either.Either<Uint8Array<ArrayBuffer>, FramingError> => {
  if (!isBytes(message)) throw notBytes("a message", message)
  const max = maxMessageSize(options)
  const id = options?.id
  if (id !== undefined) checkId(id)
  const size = (id === undefined ? 0 : sizeOf(id)) + message.byteLength
  if (size > max) return Either.left(oversized("write", size, max))
  const frame = new Uint8Array(sizeOf(size) + size)
  let at = put(frame, 0, size)
  if (id !== undefined) at = put(frame, at, id)
  frame.set(message, at)
  return Either.right(frame)
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

const malformed = (size: number, detail: string) =>
  Either.left(new FramingError({ reason: "Malformed", operation: "read", size, detail }))

export const splitId = (payload: Uint8Array): Either.Either<Api.Identified, FramingError> => {
  const length = payload.byteLength
  if (length === 0) return malformed(length, "the message is empty, and should begin with a correlation id")
  const size = sizeByFirst(payload[0]!)
  if (size > length) {
    return malformed(length, `the message has ${length} bytes, and its correlation id alone should have ${size}`)
  }
  const id = get(payload, 0, size)
  if (!Number.isSafeInteger(id)) return malformed(length, "the message begins with a correlation id above 2^53 - 1")
  return Either.right({ id, message: payload.subarray(size) })
}

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

/** A buffer begins with this many bytes, unless its message is smaller: pieces of a small one need no second. */
const firstCapacity = 4096

const nothing = new Uint8Array(0)

/**
 * One message in the making, and after it the next.
 *
 * The announced length is never believed: the buffer is at most twice as large as what came, or `firstCapacity`. As it
 * doubles, a byte is copied twice on average, however small the pieces; it ends with the message's own size.
 */
export class Assembly {
  private readonly prefix = new Uint8Array(longest)
  private prefixSize = 0
  private body: Uint8Array<ArrayBuffer> = nothing
  private filled = 0
  /** Of the message, as announced; -1 before that. */
  private length = -1

  get isEmpty(): boolean {
    return this.prefixSize === 0
  }

  get isWhole(): boolean {
    return this.filled === this.length
  }

  isRefused(max: number): boolean {
    return this.length > max
  }

  /** Whether it takes no more bytes: whole, or refused. */
  isDecided(max: number): boolean {
    return this.filled === this.length || this.length > max
  }

  /** Bytes of memory. */
  get retained(): number {
    return this.body.byteLength
  }

  /** Takes what belongs to this message; returns how many bytes that were. All of them, unless it is decided then. */
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

  /** Only of one that is whole. */
  take(): Uint8Array<ArrayBuffer> {
    const message = this.length === 0 ? new Uint8Array(0) : this.body
    this.clear()
    return message
  }

  /** The bytes as they came, for whoever reads no messages. */
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

  oversized(max: number): FramingError {
    return oversized("read", this.length, max)
  }

  truncated(): FramingError {
    return new FramingError({
      reason: "Truncated",
      operation: "read",
      size: this.length < 0 ? undefined : this.length,
      received: this.filled
    })
  }
}

const none = Either.right(Option.none<Uint8Array<ArrayBuffer>>())

export class Decoder extends Inspectable.Class implements Api.Decoder {
  private readonly max: number
  private readonly assembly = new Assembly()
  /** Those that came and were not asked for; they are taken by index, since taking off the front is quadratic. */
  private chunks: Array<Uint8Array> = []
  private head = 0
  private waiting = 0
  private isEnded = false

  constructor(max: number) {
    super()
    this.max = max
  }

  push(chunk: Uint8Array): void {
    if (this.isEnded) throw new Error("push after end: this decoder has been told that nothing more comes")
    if (chunk.byteLength === 0) return
    this.chunks.push(chunk)
    this.waiting += chunk.byteLength
  }

  end(): void {
    this.isEnded = true
  }

  next(): Either.Either<Option.Option<Uint8Array<ArrayBuffer>>, FramingError> {
    const { assembly, max } = this
    while (!assembly.isDecided(max)) {
      const chunk = this.chunks[this.head]
      if (chunk === undefined) {
        this.chunks = []
        this.head = 0
        return this.isEnded && !assembly.isEmpty ? Either.left(assembly.truncated()) : none
      }
      const used = assembly.feed(chunk, max)
      this.waiting -= used
      if (used < chunk.byteLength) this.chunks[this.head] = chunk.subarray(used)
      else this.done()
    }
    return assembly.isWhole ? Either.right(Option.some(assembly.take())) : Either.left(assembly.oversized(max))
  }

  private done(): void {
    this.chunks[this.head++] = nothing
    if (this.head < 1024 || 2 * this.head < this.chunks.length) return
    this.chunks = this.chunks.slice(this.head)
    this.head = 0
  }

  get retained(): number {
    return this.waiting + this.assembly.retained
  }

  /** Nothing of what is in it. */
  toJSON(): object {
    return { _id: "Decoder", maxMessageSize: this.max, retained: this.retained }
  }
}
