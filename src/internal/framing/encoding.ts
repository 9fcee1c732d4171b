/** Frames and correlation ids of the public API: what the codec gives as results, its problems as errors. */
import { fail, type Result, succeed } from "#effect/result"
import type { FramingError } from "../../FramingError.js"
import * as frameCodec from "../core/bytes/frameCodec.js"
import { isBytes, largestArray, notBytes } from "../core/kinds.js"
import { framingError } from "../transport/failure.js"

const defaultMaxMessageSize = 1024 * 1024

export interface Options {
  readonly maxMessageSize?: number | undefined
}

export interface EncodeOptions extends Options {
  readonly id?: number | undefined
}

export const maxMessageSize = (options: Options | undefined): number => {
  const max = options?.maxMessageSize
  if (max === undefined) return defaultMaxMessageSize
  if (Number.isInteger(max) && max >= 1 && max <= largestArray) return max
  throw new RangeError(
    `maxMessageSize must be a whole number of bytes from 1 to ${largestArray}, but was ${String(max)}`
  )
}

export const frameOf = (
  message: Uint8Array,
  options: EncodeOptions | undefined
): frameCodec.Frame | frameCodec.Oversized => {
  if (!isBytes(message)) throw notBytes("a message", message)
  return frameCodec.encode(message, maxMessageSize(options), options?.id)
}

export const encode = (
  message: Uint8Array,
  options?: EncodeOptions
): Result<Uint8Array<ArrayBuffer>, FramingError> => {
  const frame = frameOf(message, options)
  return frame._tag === "Frame" ? succeed(frame.bytes) : fail(framingError(frame))
}

export const withId = frameCodec.withId

export const splitId = (
  payload: Uint8Array
): Result<{ readonly id: number; readonly message: Uint8Array }, FramingError> => {
  const split = frameCodec.splitId(payload)
  return split._tag === "Identified"
    ? succeed({ id: split.id, message: split.message })
    : fail(framingError(split))
}
