/** Messages in chunks of bytes of any size. Plain code, since every byte passes through it. */
import { type FrameProblem, frameSize, MessageAssembler } from "./frameCodec.js"

/** The next message. `Missing`: more bytes must come or, after the end, that was the last message. */
export type NextMessage =
  | { readonly _tag: "Message"; readonly message: Uint8Array<ArrayBuffer> }
  | { readonly _tag: "Missing" }
  | FrameProblem

const missing: NextMessage = { _tag: "Missing" }

const nothing = new Uint8Array(0)

/** Creates messages on demand, so that a chunk full of tiny messages costs nothing at once. */
export class MessageQueue {
  private readonly max: number
  private readonly assembler = new MessageAssembler()
  /** Unused chunks. They are taken by index, since removing from the front is quadratic. */
  private chunks: Array<Uint8Array> = []
  private head = 0
  private waiting = 0
  /** After `cut`: the messages that had come whole. */
  private whole: Array<Uint8Array<ArrayBuffer>> = []
  private isCut = false
  isEnded = false

  /** `max`: the maximum bytes of a message. */
  constructor(max: number) {
    this.max = max
  }

  /** Adds bytes, which must not change before they are used. */
  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    if (this.isCut) {
      if (this.isAwaiting) this.assembler.feed(chunk, this.max)
      return
    }
    this.chunks.push(chunk)
    this.waiting += chunk.byteLength
  }

  /** No more bytes come. */
  end(): void {
    this.isEnded = true
  }

  /** Takes no more messages than those of which bytes have come. */
  cut(): void {
    const whole: Array<Uint8Array<ArrayBuffer>> = []
    for (let next = this.next(); next._tag === "Message"; next = this.next()) whole.push(next.message)
    for (const message of whole) this.waiting += frameSize(message.byteLength)
    this.whole = whole
    this.isCut = true
  }

  /** After `cut`: whether bytes of the last message are to come. */
  get isAwaiting(): boolean {
    return this.isCut && !this.isEnded && !this.assembler.isEmpty && !this.assembler.isDecided(this.max)
  }

  /** The memory in use, in bytes: unused chunks, and the buffer of the incomplete message. */
  get retained(): number {
    return this.waiting + this.assembler.retained
  }

  /** The bytes that are in no taken message. */
  get size(): number {
    return this.waiting + this.assembler.size
  }

  /** Takes the next message. After a problem, every call returns the same problem. */
  next(): NextMessage {
    const { assembler, max } = this
    const whole = this.whole.shift()
    if (whole !== undefined) {
      this.waiting -= frameSize(whole.byteLength)
      return { _tag: "Message", message: whole }
    }
    while (!assembler.isDecided(max)) {
      const chunk = this.chunks[this.head]
      if (chunk === undefined) {
        this.chunks = []
        this.head = 0
        return this.isEnded && !this.isCut && !assembler.isEmpty ? assembler.truncated() : missing
      }
      const used = assembler.feed(chunk, max)
      this.waiting -= used
      if (used < chunk.byteLength) this.chunks[this.head] = chunk.subarray(used)
      else this.dropFirst()
    }
    return assembler.isWhole ? { _tag: "Message", message: assembler.take() } : assembler.oversized(max)
  }

  private dropFirst(): void {
    this.chunks[this.head++] = nothing
    if (this.head < 1024 || 2 * this.head < this.chunks.length) return
    this.chunks = this.chunks.slice(this.head)
    this.head = 0
  }
}
