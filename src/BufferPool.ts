/**
 * A pool of byte buffers of one size. A borrower never waits: an empty pool makes a new buffer, a full one drops the buffer
 * that comes back.
 *
 * **When it pays.** A new `Uint8Array` of 4 KiB takes 740 ns, one from the pool 61, or 18 where nothing is zeroed; of 1 MiB
 * 165,000, 21,000 and 2,000, and a hundredth of a second of garbage collection for every hundred of them (Node 20, every
 * page touched; `npm run bench -- memory`). Below 1 KiB little is gained over `Buffer.allocUnsafe`.
 *
 * **What is zeroed.** The pool zeroes a buffer when it comes back, so that the next borrower does not read what was
 * written before. It zeroes as much as may have been written to: up to the largest view that a lease gave out, all of it
 * once `lease.buffer` was read, nothing where neither was. From some 4 KiB on zeroing costs more than all else: ask for
 * views of what you need, or set `zero` to `"never"` where borrowers may see each other's bytes.
 *
 * **Which memory.** Every buffer is a `Uint8Array` over an `ArrayBuffer` of its own, which is neither resizable nor
 * shared. One whose memory was transferred away (a BYOB read, `postMessage`) is dropped when it comes back;
 * `lease.replace` takes in the memory that came instead.
 *
 * **Gotchas**
 *
 * - The pool sees what it hands out, not what is made of it: bytes written through `view.buffer`, beyond the view, stay.
 * - Zeroing does not help against I/O that goes on after its interruption. Interrupting a fiber does not end a promise of
 *   `node:fs`, nor a write that a transport has begun: such a read writes into a buffer that another borrower has by then,
 *   such a write sends what that borrower writes. So let the borrower wait for the end of the I/O
 *   (`Effect.uninterruptible`), or call the lease's `discard` when it is interrupted. A BYOB read needs neither: it has
 *   taken the memory with it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import type { BufferPool } from "effect-pools"
 * import type { FileHandle } from "node:fs/promises"
 *
 * // the borrower waits for the end of the read, also when it is interrupted
 * export const waiting = (pool: BufferPool.Service, file: FileHandle) =>
 *   pool.use((bytes) => Effect.uninterruptible(Effect.tryPromise(() => file.read(bytes))))
 *
 * // the borrower is gone at once, and the pool has one buffer less
 * export const discarding = (pool: BufferPool.Service, file: FileHandle) =>
 *   pool.use((bytes, lease) =>
 *     Effect.tryPromise(() => file.read(bytes)).pipe(
 *       Effect.onInterrupt(() => Effect.sync(() => lease.discard()))
 *     )
 *   )
 * ```
 *
 * @since 0.1.0
 */
/// <reference lib="esnext.disposable" preserve="true" />
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/recycling/bufferPool.js"
import type { RecyclingPoolStats } from "./PoolStats.js"

/**
 * The pool, with three APIs: effects (`use`, `useSync`, `get`), disposable leases for plain code (`lease`), and unsafe calls
 * for hot loops (`unsafeAcquire`, `unsafeRelease`).
 *
 * The rules are those of `ObjectPool.Service`: last in, first out; misuse is refused and counted; a closed pool still lends,
 * and keeps nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Inspectable {
  /** The name given to it, for metrics, messages and stats. */
  readonly name: string
  /** In bytes. */
  readonly bufferSize: number
  /**
   * Borrows a buffer for one effect: the whole of it, or a view of the first `length` bytes. It goes back when the effect
   * succeeds, fails or is interrupted, unless the effect has called `lease.discard`.
   */
  readonly use: <B, E, R>(
    f: (bytes: Uint8Array<ArrayBuffer>, lease: Lease) => Effect.Effect<B, E, R>,
    options?: BorrowOptions | undefined
  ) => Effect.Effect<B, E, R>
  /** Borrows a buffer for one function. What it throws is a defect. */
  readonly useSync: <B>(
    f: (bytes: Uint8Array<ArrayBuffer>, lease: Lease) => B,
    options?: BorrowOptions | undefined
  ) => Effect.Effect<B>
  /** Borrows a whole buffer until the scope closes. To be able to discard it, take `use` or `lease`. */
  readonly get: Effect.Effect<Uint8Array<ArrayBuffer>, never, Scope.Scope>
  /** Borrows a buffer for a caller without effects: `using lease = pool.lease()`. */
  lease(options?: BorrowOptions | undefined): Lease
  /** Borrows a whole buffer. The caller must call `unsafeRelease` on every path. */
  unsafeAcquire(): Uint8Array<ArrayBuffer>
  /**
   * Gives back what `unsafeAcquire` lent: the buffer itself, no view of it. Returns `false`, and does nothing, if it is not
   * of this pool or not out. Only the first `written` bytes are zeroed, all by default.
   */
  unsafeRelease(bytes: Uint8Array, written?: number | undefined): boolean
  /**
   * Drops the buffers that have been idle for that long, down to `minBuffers`. Returns how many. Defaults to
   * `idleTimeToLive`; `0` drops all.
   */
  readonly prune: (maxIdle?: Duration.DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle buffer, and makes `minBuffers` new ones. Returns how many were dropped. */
  readonly clear: Effect.Effect<number>
  /** How many buffers are idle. */
  readonly size: Effect.Effect<number>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<RecyclingPoolStats>
  /** The same figures, for plain code. */
  unsafeStats(): RecyclingPoolStats
}

/**
 * How much of a buffer is wanted.
 *
 * @since 0.1.0
 * @category options
 */
export interface BorrowOptions {
  /** In bytes, from 0 to `bufferSize`; anything else is a defect. Default: `bufferSize`. */
  readonly length?: number | undefined
}

/**
 * A borrowed buffer and the duty to give it back, or to discard it. After that, do not use its views and its buffer: asking
 * the lease for them throws.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease extends Inspectable, Disposable {
  /** How many bytes were asked for. */
  readonly length: number
  /** The whole buffer, `length` bytes or more. Having read this, the lease zeroes all of it on release. */
  readonly buffer: Uint8Array<ArrayBuffer>
  /** The first bytes of the buffer, `this.length` by default. The lease zeroes up to the largest view on release. */
  view(length?: number | undefined): Uint8Array<ArrayBuffer>
  /**
   * Makes the memory under this view the buffer of the lease, and returns all of it. For the memory that comes back from a
   * BYOB read, which has transferred the buffer's own memory away. All of it is zeroed on release.
   *
   * Throws if the memory is shared, resizable, of another size, or of a pool already.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { BufferPool } from "effect-pools"
   *
   * // how many bytes there are
   * export const count = (pool: BufferPool.Service, reader: ReadableStreamBYOBReader) =>
   *   pool.use((_, lease) =>
   *     Effect.promise(async () => {
   *       let sum = 0
   *       for (;;) {
   *         const { done, value } = await reader.read(lease.buffer)
   *         if (value !== undefined) lease.replace(value)
   *         if (done) return sum
   *         sum += value.byteLength
   *       }
   *     })
   *   )
   * ```
   */
  replace(view: ArrayBufferView): Uint8Array<ArrayBuffer>
  /** Gives the buffer back. Returns `false`, and does nothing, if the lease has been released or discarded before. */
  release(): boolean
  /**
   * Ends the lease and takes the buffer from the pool for good: the pool never lends it again, and counts it as
   * `discarded.invalidated`. For a buffer into which something may still write, such as a read that goes on after its
   * interruption. Returns `false`, and does nothing, if the lease has been released or discarded before.
   *
   * @since 0.2.0
   */
  discard(): boolean
  /** Gives the buffer back, unless the lease has been released or discarded before. */
  [Symbol.dispose](): void
}

/**
 * When what was written is zeroed: when the buffer comes back, or never.
 *
 * @since 0.1.0
 * @category options
 */
export type Zero = "onRelease" | "never"

/**
 * How to make a pool. Only `bufferSize` is required.
 *
 * Options that make no sense are refused when the pool is made, with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** For metrics, messages and stats. Default: `"BufferPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /** Bytes of each buffer, from 1 to 4,294,967,295. */
  readonly bufferSize: number
  /** How many idle buffers to make when the pool is made, and to leave when buffers age or are pruned. Default: 0. */
  readonly minBuffers?: number | undefined
  /** The most idle buffers to keep. How many are lent has no limit. Default: 64. */
  readonly maxBuffers?: number | undefined
  /** Whether buffers are zeroed. Default: `"onRelease"`. */
  readonly zero?: Zero | undefined
  /** Buffers that are idle for that long are dropped, down to `minBuffers`. Default: never. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/**
 * The buffers of an application that needs only one size. For another size declare a tag of your own with {@link Tag}, or
 * see `TieredBufferPool`.
 *
 * @since 0.1.0
 * @category tags
 */
export class BufferPool extends Context.Tag("effect-pools/BufferPool")<BufferPool, Service>() {}

/**
 * A tag of your own, and the layer that goes with it.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string> extends Context.TagClass<Self, Id, Service> {
  /** The pool as a layer. Bind it to a constant: each call is a pool of its own. */
  readonly layer: (options: Options) => Layer.Layer<Self>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { BufferPool } from "effect-pools"
 *
 * export class Pages extends BufferPool.Tag("app/Pages")<Pages>() {}
 *
 * export const PagesLive = Pages.layer({ bufferSize: 4096, maxBuffers: 256 })
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self>(): TagClass<Self, Id> => {
  const tag = Context.Tag(id)<Self, Service>()
  return Object.assign(tag, {
    layer: (options: Options) => Layer.scoped(tag, make({ ...options, name: options.name ?? id }))
  })
}

/**
 * Makes a pool that lives as long as the scope.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { BufferPool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* BufferPool.make({ bufferSize: 65536, maxBuffers: 32 })
 *   const text = new TextEncoder()
 *
 *   // a view of 1 KiB: no more than that has to be zeroed
 *   yield* pool.use((bytes) => Effect.log(text.encodeInto("hello", bytes).written), { length: 1024 })
 *
 *   // in plain code
 *   const checksum = (word: string) => {
 *     using lease = pool.lease({ length: 1024 })
 *     const bytes = lease.view()
 *     const { written } = text.encodeInto(word, bytes)
 *     return bytes.subarray(0, written).reduce((sum, byte) => sum + byte, 0)
 *   }
 *   yield* Effect.log(checksum("hello"))
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options: Options) => Effect.Effect<Service, never, Scope.Scope> = internal.make

/**
 * The pool of the default tag as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a pool of its own, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<BufferPool> => Layer.scoped(BufferPool, make(options))
