import {
  type FrameProblem,
  getInteger,
  integerSizeByFirst,
  type Malformed,
  MessageAssembler,
  type Oversized,
  splitId,
  type Truncated
} from "../bytes/frameCodec.js"

const nothing = new Uint8Array(0)

/** Finds the answers in the chunks of a stream. An answer that came in one chunk is copied once, and only if it is wanted. */
export class AnswerReader {
  private readonly hasIds: boolean
  private readonly max: number
  private readonly assembler = new MessageAssembler()
  private chunk: Uint8Array = nothing
  private at = 0
  /** Where the bytes of the answer are. */
  private source: Uint8Array = nothing
  /** Whether no other answer is in these bytes. */
  private isOwn = false
  private start = 0
  private end = 0
  /** The id of the answer; `undefined` without ids. */
  id: number | undefined = undefined

  /** `max`: the maximum bytes of an answer, with its id. */
  constructor(hasIds: boolean, max: number) {
    this.hasIds = hasIds
    this.max = max
  }

  /** Adds a chunk. Call it only after `next` has returned `Missing`. */
  push(chunk: Uint8Array): void {
    this.chunk = chunk
    this.at = 0
  }

  /** Goes to the next answer. `Missing`: more bytes have to come. */
  next(): "Answer" | "Missing" | FrameProblem {
    const { assembler, at, chunk, max } = this
    if (at === chunk.byteLength) return this.exhausted()
    if (assembler.isEmpty) {
      const start = at + integerSizeByFirst(chunk[at]!)
      if (start <= chunk.byteLength) {
        const size = getInteger(chunk, at, start - at)
        if (size <= max && start + size <= chunk.byteLength) {
          this.at = start + size
          return this.found(chunk, start, this.at, false)
        }
      }
    }
    this.at += assembler.feed(at === 0 ? chunk : chunk.subarray(at), max)
    if (assembler.isOversized(max)) return this.oversized()
    if (!assembler.isWhole) return this.exhausted()
    const message = assembler.take()
    return this.found(message, 0, message.byteLength, true)
  }

  /** The chunk is not kept, since it may be much larger than what is missing. */
  private exhausted(): "Missing" {
    this.chunk = nothing
    this.source = nothing
    this.at = 0
    return "Missing"
  }

  private oversized(): Oversized {
    return this.assembler.oversized(this.max)
  }

  private found(source: Uint8Array, start: number, end: number, isOwn: boolean): "Answer" | Malformed {
    this.source = source
    this.isOwn = isOwn
    this.start = start
    this.end = end
    if (!this.hasIds) return "Answer"
    const from = start === end ? end + 1 : start + integerSizeByFirst(source[start]!)
    this.id = from > end ? undefined : getInteger(source, start, from - start)
    if (!Number.isSafeInteger(this.id)) return splitId(source.subarray(start, end)) as Malformed
    this.start = from
    return "Answer"
  }

  /** The bytes of the answer, without its id. */
  get size(): number {
    return this.end - this.start
  }

  /** The answer, in its own buffer. */
  take(): Uint8Array {
    const { end, isOwn, source, start } = this
    if (isOwn) return start === 0 ? source : source.subarray(start, end)
    // not `source.slice`, which does not copy a `Buffer`; a new array and a view to set it from cost more
    return Uint8Array.prototype.slice.call(source, start, end)
  }

  /** The problem if no more bytes follow; `undefined` if no answer has begun. */
  truncated(): Truncated | undefined {
    return this.assembler.isEmpty ? undefined : this.assembler.truncated()
  }
}
