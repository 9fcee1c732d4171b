/** Frames that leave together, in one buffer. */
import { frameSize, payloadSize, putFrame } from "./frameCodec.js"

const firstCapacity = 1024

export class FrameBatch {
  private bytes = new Uint8Array(0)
  /** The bytes of all frames. */
  size = 0

  /** Copies a message into the batch, with its id, if any. */
  add(message: Uint8Array, id: number | undefined): void {
    this.reserve(this.size + frameSize(payloadSize(message, id)))
    this.size = putFrame(this.bytes, this.size, message, id)
  }

  private reserve(size: number): void {
    const capacity = this.bytes.byteLength
    if (size <= capacity) return
    const larger = new Uint8Array(Math.max(size, 2 * capacity, firstCapacity))
    larger.set(this.bytes.subarray(0, this.size))
    this.bytes = larger
  }

  /** Takes the frames. Nothing changes the bytes any more. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.bytes.subarray(0, this.size)
    this.bytes = new Uint8Array(0)
    this.size = 0
    return taken
  }
}
