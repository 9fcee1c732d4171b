/** Assembles messages from chunks of bytes of any origin. */
import type { Decoded } from "#effect/channel"
import { InspectableClass } from "#effect/inspect"
import { fail, type Result, succeed } from "#effect/result"
import * as Option from "effect/Option"
import type { FramingError } from "../../FramingError.js"
import { MessageQueue } from "../core/bytes/messageQueue.js"
import { framingError } from "../transport/failure.js"
import { maxMessageSize, type Options } from "./encoding.js"

const none = succeed(Option.none<Uint8Array<ArrayBuffer>>())

export class Decoder extends InspectableClass {
  private readonly max: number
  private readonly queue: MessageQueue

  constructor(max: number) {
    super()
    this.max = max
    this.queue = new MessageQueue(max)
  }

  push(chunk: Uint8Array): void {
    if (this.queue.isEnded) throw new Error("push after end: this decoder takes no more bytes")
    this.queue.push(chunk)
  }

  end(): void {
    this.queue.end()
  }

  next(): Result<Option.Option<Uint8Array<ArrayBuffer>>, FramingError> {
    const next = this.queue.next()
    switch (next._tag) {
      case "Message":
        return succeed(Option.some(next.message))
      case "Missing":
        return none
      default:
        return fail(framingError(next))
    }
  }

  /** `next`, for a stream. */
  decoded(): Decoded<Uint8Array<ArrayBuffer>, FramingError> {
    const next = this.queue.next()
    switch (next._tag) {
      case "Message":
        return { _tag: "Value", value: next.message }
      case "Missing":
        return next
      default:
        return { _tag: "Failure", error: framingError(next) }
    }
  }

  get retained(): number {
    return this.queue.retained
  }

  /** Shows none of the bytes. */
  toJSON(): object {
    return { _id: "Decoder", maxMessageSize: this.max, retained: this.retained }
  }
}

export const makeDecoder = (options?: Options): Decoder => new Decoder(maxMessageSize(options))
