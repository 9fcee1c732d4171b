/** The compared pools, and their items. */
import { MemPool } from "@thi.ng/malloc"
import reusify from "reusify"
import * as BufferPool from "../../src/BufferPool.js"
import * as ObjectPool from "../../src/ObjectPool.js"
import * as TieredBufferPool from "../../src/TieredBufferPool.js"
import type { Run } from "../harness/measure.js"
import { type Item, makeItem, open } from "../pools/peers.js"

/** The size of the object pools. */
export const size = 10

export const objectPool = (): Promise<ObjectPool.Service<Item>> =>
  open(ObjectPool.make({ factory: makeItem, minSize: size }))

export const bufferPool = (bufferSize: number, zero: BufferPool.Zero): Promise<BufferPool.Service> =>
  open(BufferPool.make({ bufferSize, minBuffers: live + 1, maxBuffers: 2 * live, zero }))

export const tieredBufferPool = (zero: BufferPool.Zero): Promise<TieredBufferPool.Service> =>
  open(TieredBufferPool.make({ maxBuffersPerTier: 2 * live, maxBytes: 1024 * 1024 * 1024, zero }))

export const reusifyPool = () => {
  // this pool links its objects by a field of the object
  class Linked implements Item {
    id = 0
    next: Linked | null = null
  }
  return reusify(Linked)
}

export const memPool = (bytes: number) => new MemPool({ size: bytes })

/** How many items are out at once, if that matters. */
export const live = 64

/** Returns the oldest item each time. */
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

/** The return of an item that is not pooled: nothing. */
export const drop = (): void => undefined

/** Touches every page of a buffer. */
export const touch = (bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1
}

/** An item that is expensive to create: a typed array, a map and an array. */
export interface Heavy {
  readonly numbers: Float64Array
  readonly index: Map<string, number>
  readonly list: Array<number>
}

export const makeHeavy = (): Heavy => ({ numbers: new Float64Array(512), index: new Map(), list: [] })

export const useHeavy = (heavy: Heavy): void => {
  heavy.numbers[0]!++
}
