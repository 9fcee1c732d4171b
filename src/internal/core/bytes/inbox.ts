/**
 * The unread bytes of a stream. A reader takes bytes as they arrived, or a number of bytes, or a message; each read begins
 * where the one before it ended. Plain code, since every byte passes through it.
 */
import { type FrameProblem, MessageAssembler } from "./frameCodec.js"

export const twoReads = () => new Error("Two concurrent reads on one stream: read in one fiber, or one after the other")

export class Inbox {
  /** The latest chunk. While the inbox holds a chunk, the stream asks its transport for no more. */
  private chunk: Uint8Array | undefined = undefined
  /** Chunks that an unfinished `gather` has put aside; they come before `chunk`. */
  private kept: Array<Uint8Array> = []
  keptSize = 0
  /** Bytes that an unfinished `assemble` has taken; they come first. Created with the first message. */
  private assembler: MessageAssembler | undefined = undefined

  /** Whether the stream may ask for the next chunk. */
  get hasRoom(): boolean {
    return this.chunk === undefined
  }

  get isEmpty(): boolean {
    return this.chunk === undefined && this.keptSize === 0 && this.assembler?.isEmpty !== false
  }

  /** Adds a chunk that is not empty. Call it only if there is room. */
  put(chunk: Uint8Array): void {
    this.chunk = chunk
  }

  // --- bytes

  /** Whether there are bytes to take. */
  get hasBytes(): boolean {
    this.spill()
    return this.chunk !== undefined || this.keptSize > 0
  }

  /** Takes the oldest bytes, as many as arrived together. */
  take(): Uint8Array {
    const kept = this.kept.shift()
    if (kept !== undefined) {
      this.keptSize -= kept.byteLength
      return kept
    }
    const { chunk } = this
    if (chunk === undefined) throw twoReads()
    this.chunk = undefined
    return chunk
  }

  /** Whether there are `size` bytes for `cut`. If not, puts the chunk aside, to make room for the next chunk. */
  gather(size: number): boolean {
    this.spill()
    if (this.chunk !== undefined && this.held < size) {
      this.kept.push(this.chunk)
      this.keptSize += this.chunk.byteLength
      this.chunk = undefined
    }
    return this.held >= size
  }

  private get held(): number {
    return this.keptSize + (this.chunk?.byteLength ?? 0)
  }

  /** Takes the oldest `size` bytes. */
  cut(size: number): Uint8Array {
    if (this.held < size) throw twoReads()
    if (this.keptSize === 0 && this.chunk?.byteLength === size) return this.take()
    const bytes = new Uint8Array(size)
    let at = 0
    let used = 0
    // removing chunk by chunk from the front would be quadratic
    for (const chunk of this.kept) {
      if (chunk.byteLength > size - at) break
      bytes.set(chunk, at)
      at += chunk.byteLength
      used++
    }
    this.kept.splice(0, used)
    this.keptSize -= at
    if (at === size) return bytes
    const last = this.kept[0] ?? this.chunk!
    const part = size - at
    bytes.set(last.subarray(0, part), at)
    if (this.kept.length > 0) {
      this.kept[0] = last.subarray(part)
      this.keptSize -= part
    } else this.chunk = part === last.byteLength ? undefined : last.subarray(part)
    return bytes
  }

  /** Returns the bytes of an unfinished message to readers of bytes. */
  private spill(): void {
    if (this.assembler === undefined || this.assembler.isEmpty) return
    for (const bytes of this.assembler.spill().reverse()) {
      this.kept.unshift(bytes)
      this.keptSize += bytes.byteLength
    }
  }

  // --- messages

  /** Takes bytes of a message of at most `max` bytes. Returns its state; `undefined`: it needs more bytes. */
  assemble(max: number): "Whole" | "Oversized" | undefined {
    const assembler = this.assembler ??= new MessageAssembler()
    if (this.keptSize > 0) this.assembleKept(assembler, max)
    // not a loop: the next chunk comes later
    if (this.chunk !== undefined && !assembler.isDecided(max)) {
      const used = assembler.feed(this.chunk, max)
      this.chunk = used === this.chunk.byteLength ? undefined : this.chunk.subarray(used)
    }
    if (assembler.isOversized(max)) return "Oversized"
    return assembler.isWhole ? "Whole" : undefined
  }

  private assembleKept(assembler: MessageAssembler, max: number): void {
    let whole = 0
    for (const chunk of this.kept) {
      if (assembler.isDecided(max)) break
      const used = assembler.feed(chunk, max)
      this.keptSize -= used
      if (used < chunk.byteLength) this.kept[whole] = chunk.subarray(used)
      else whole++
    }
    this.kept.splice(0, whole)
  }

  /** Takes the message, after `assemble` returned `Whole`. */
  takeMessage(): Uint8Array {
    if (this.assembler?.isWhole !== true) throw twoReads()
    return this.assembler.take()
  }

  /** The problem, after `assemble` returned `Oversized`. */
  oversized(max: number): FrameProblem {
    return this.assembler!.oversized(max)
  }

  /** The problem of an unfinished message if no more bytes follow; `undefined` if no message has begun. */
  truncated(): FrameProblem | undefined {
    return this.assembler!.isEmpty ? undefined : this.assembler!.truncated()
  }
}
