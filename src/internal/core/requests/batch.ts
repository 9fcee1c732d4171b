import { frameSize, payloadSize, putFrame } from "../bytes/frameCodec.js"
import type { SharedRequest } from "./sharedStream.js"

/** A request with the bytes to send. */
export interface Sendable extends SharedRequest {
  readonly message: Uint8Array
}

/** The maximum bytes of an id: see `maxIds`. */
export const maxIdSize = 4

/** The maximum bytes of a frame, beyond those of its message. */
export const frameOverhead = 8 + maxIdSize

/** The frames of the requests, one behind the other, in one buffer: the only copy of their messages. */
export const encodeBatch = (requests: ReadonlyArray<Sendable>, hasIds: boolean): Uint8Array<ArrayBuffer> => {
  let size = 0
  for (const { id, message } of requests) size += frameSize(payloadSize(message, hasIds ? id : undefined))
  const bytes = new Uint8Array(size)
  let at = 0
  for (const { id, message } of requests) at = putFrame(bytes, at, message, hasIds ? id : undefined)
  return bytes
}
