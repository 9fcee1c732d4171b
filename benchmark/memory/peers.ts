/** The pools that are compared, and what is borrowed from them. */
import { MemPool } from "@thi.ng/malloc"
import reusify from "reusify"
import * as BufferPool from "../../src/BufferPool.js"
import * as ObjectPool from "../../src/ObjectPool.js"
import * as TieredBufferPool from "../../src/TieredBufferPool.js"
import type { Run } from "../harness/measure.js"
import { type Item, makeItem, open } from "../pools/peers.js"

/** Of the object pools. */
export const size = 10

export const objectPool = (): Promise<ObjectPool.Service<Item>> =>
  open(ObjectPool.make({ factory: makeItem, minSize: size }))

export const bufferPool = (bufferSize: number, zero: BufferPool.Zero): Promise<BufferPool.Service> =>
  open(BufferPool.make({ bufferSize, minBuffers: live + 1, maxBuffers: 2 * live, zero }))

export const tieredBufferPool = (zero: BufferPool.Zero): Promise<TieredBufferPool.Service> =>
  open(TieredBufferPool.make({ maxBuffersPerTier: 2 * live, maxBytes: 1024 * 1024 * 1024, zero }))

export const reusifyPool = () => {
  // it links its objects by a field of theirs
  class Linked implements Item {
    id = 0
    next: Linked | null = null
  }
  return reusify(Linked)
}

export const memPool = (bytes: number) => new MemPool({ size: bytes })

/** How many are out at once, where it matters. */
export const live = 64

/** Always the oldest of those that are out is given back. */
export const ring = <A>(take: () => A, use: (a: A) => void, give: (a: A) => void): Run => {
  const out = Array.from({ length: live }, take)
  let oldest = 0
  return (operations) => {
    for (let i = 0; i < operations; i++) {
      const next = take()
      use(next)
      give(out[oldest]!)
      out[oldest] = next
      oldest = (oldest + 1) % live
    }
  }
}

/** What is not pooled is given back to nobody. */
export const drop = (): void => undefined

/** Every page of it. */
export const touch = (bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1
}

/** What takes its time to make: a typed array, a map and an array. */
export interface Heavy {
  readonly numbers: Float64Array
  readonly index: Map<string, number>
  readonly list: Array<number>
}

export const makeHeavy = (): Heavy => ({ numbers: new Float64Array(512), index: new Map(), list: [] })

export const useHeavy = (heavy: Heavy): void => {
  heavy.numbers[0]!++
}
