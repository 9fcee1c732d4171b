/** Messages that wait for their consumer, in little more memory than their bytes. Plain code, since every byte passes through it. */
import { FrameBatch } from "./frameBatch.js"
import { frameSize } from "./frameCodec.js"
import { MessageQueue } from "./messageQueue.js"

/** Smaller messages share a buffer: V8 takes 200 bytes for an array of one byte. */
const largeSize = 1024

/** The bytes of a shared buffer, which is kept until its last message is taken. */
const sharedSize = 16 * 1024

export class MessageBuffer {
  private readonly waiting: Array<Uint8Array | FrameBatch> = []
  /** The small messages of the buffer that is taken now. */
  private readonly small = new MessageQueue(largeSize)

  get isEmpty(): boolean {
    return this.waiting.length === 0 && this.small.size === 0
  }

  push(message: Uint8Array): void {
    const size = message.byteLength
    if (size >= largeSize) this.waiting.push(message)
    else this.shared(size).add(message, undefined)
  }

  /** A buffer with room for a small message, behind all others. */
  private shared(size: number): FrameBatch {
    const last = this.waiting.at(-1)
    if (last instanceof FrameBatch && last.size + frameSize(size) <= sharedSize) return last
    const batch = new FrameBatch()
    this.waiting.push(batch)
    return batch
  }

  /** Takes the oldest message, in its own buffer. */
  take(): Uint8Array | undefined {
    const next = this.small.next()
    if (next._tag === "Message") return next.message
    const first = this.waiting.shift()
    if (!(first instanceof FrameBatch)) return first
    this.small.push(first.take())
    return this.take()
  }
}
