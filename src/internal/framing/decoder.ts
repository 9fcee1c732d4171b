/** Assembles messages from chunks of bytes of any origin. */
import type { Decoded } from "#effect/channel"
import { InspectableClass } from "#effect/inspect"
import { fail, type Result, succeed } from "#effect/result"
import * as Option from "effect/Option"
import type { FramingError } from "../../FramingError.js"
import { type FrameProblem, MessageAssembler } from "../core/bytes/frameCodec.js"
import { framingError } from "../transport/failure.js"
import { maxMessageSize, type Options } from "./encoding.js"

const none = succeed(Option.none<Uint8Array<ArrayBuffer>>())

const missing = { _tag: "Missing" } as const

const failure = (problem: FrameProblem) => ({ _tag: "Failure", error: framingError(problem) }) as const

const nothing = new Uint8Array(0)

export class Decoder extends InspectableClass {
  private readonly max: number
  private readonly assembler = new MessageAssembler()
  /** Unused chunks. The decoder takes them by index, since removing from the front is quadratic. */
  private chunks: Array<Uint8Array> = []
  private head = 0
  private waiting = 0
  private isEnded = false

  constructor(max: number) {
    super()
    this.max = max
  }

  push(chunk: Uint8Array): void {
    if (this.isEnded) throw new Error("push after end: this decoder takes no more bytes")
    if (chunk.byteLength === 0) return
    this.chunks.push(chunk)
    this.waiting += chunk.byteLength
  }

  end(): void {
    this.isEnded = true
  }

  next(): Result<Option.Option<Uint8Array<ArrayBuffer>>, FramingError> {
    const next = this.decoded()
    switch (next._tag) {
      case "Value":
        return succeed(Option.some(next.value))
      case "Failure":
        return fail(next.error)
      case "Missing":
        return none
    }
  }

  /** What `next` is made of. */
  decoded(): Decoded<Uint8Array<ArrayBuffer>, FramingError> {
    const { assembler, max } = this
    while (!assembler.isDecided(max)) {
      const chunk = this.chunks[this.head]
      if (chunk === undefined) {
        this.chunks = []
        this.head = 0
        return this.isEnded && !assembler.isEmpty ? failure(assembler.truncated()) : missing
      }
      const used = assembler.feed(chunk, max)
      this.waiting -= used
      if (used < chunk.byteLength) this.chunks[this.head] = chunk.subarray(used)
      else this.dropFirst()
    }
    return assembler.isWhole
      ? { _tag: "Value", value: assembler.take() }
      : failure(assembler.oversized(max))
  }

  private dropFirst(): void {
    this.chunks[this.head++] = nothing
    if (this.head < 1024 || 2 * this.head < this.chunks.length) return
    this.chunks = this.chunks.slice(this.head)
    this.head = 0
  }

  get retained(): number {
    return this.waiting + this.assembler.retained
  }

  /** Shows none of the bytes. */
  toJSON(): object {
    return { _id: "Decoder", maxMessageSize: this.max, retained: this.retained }
  }
}

export const makeDecoder = (options?: Options): Decoder => new Decoder(maxMessageSize(options))
