/**
 * A pool of byte buffers of one size. A borrower never waits: an empty pool creates a new buffer, a full one drops a
 * returned buffer.
 *
 * **When it pays.** A new `Uint8Array` of 4 KiB takes 740 ns, one from the pool 61, or 18 without zeroing. For 1 MiB it
 * is 165,000, 21,000 and 2,000, and a hundredth of a second of garbage collection for every hundred new ones (Node 20,
 * every page touched; `npm run bench -- memory`). Below 1 KiB the pool gains little over `Buffer.allocUnsafe`.
 *
 * **Zeroing.** The pool zeroes a buffer when it comes back, so that the next borrower does not read earlier bytes. It
 * zeroes as much as the borrower could write: up to the largest view that the lease returned, the whole buffer if the
 * borrower read `lease.buffer`, nothing if neither. From some 4 KiB on zeroing costs more than all else: ask for views
 * of the length that you need, or set `zero` to `"never"` if borrowers may see each other's bytes.
 *
 * **Memory.** Every buffer is a `Uint8Array` over its own `ArrayBuffer`, which is neither resizable nor shared. If its
 * memory was transferred away (a BYOB read, `postMessage`), the pool drops the buffer when it comes back;
 * `lease.replace` adopts the memory that came instead.
 *
 * **Gotchas**
 *
 * - The pool tracks the views that it returns, not what a borrower derives from them: bytes written through
 *   `view.buffer`, beyond the view, are not zeroed.
 * - Zeroing does not help against I/O that continues after its interruption. Interrupting a fiber does not end a
 *   promise of `node:fs`, nor a write that a transport has begun: such a read writes into a buffer that another
 *   borrower has by then, such a write sends the bytes that this borrower writes. So let the borrower wait for the I/O
 *   to end (`Effect.uninterruptible`), or call the lease's `discard` when it is interrupted. A BYOB read needs neither:
 *   it has taken the memory with it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import type { BufferPool } from "effect-pools"
 * import type { FileHandle } from "node:fs/promises"
 *
 * // the borrower waits for the read to end, even if it is interrupted
 * export const waiting = (pool: BufferPool.Service, file: FileHandle) =>
 *   pool.use((bytes) => Effect.uninterruptible(Effect.tryPromise(() => file.read(bytes))))
 *
 * // the borrower returns at once, and the pool loses the buffer
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
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import type * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
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
  /** The name from the options, for metrics, messages and stats. */
  readonly name: string
  /** The size of each buffer, in bytes. */
  readonly bufferSize: number
  /**
   * Borrows a buffer for one effect: the whole buffer, or a view of the first `length` bytes. It goes back when the
   * effect succeeds, fails or is interrupted, unless the effect has called `lease.discard`.
   */
  readonly use: <B, E, R>(
    f: (bytes: Uint8Array<ArrayBuffer>, lease: Lease) => Effect.Effect<B, E, R>,
    options?: BorrowOptions | undefined
  ) => Effect.Effect<B, E, R>
  /** Borrows a buffer for one function. An exception of the function is a defect. */
  readonly useSync: <B>(
    f: (bytes: Uint8Array<ArrayBuffer>, lease: Lease) => B,
    options?: BorrowOptions | undefined
  ) => Effect.Effect<B>
  /** Borrows a whole buffer until the scope closes. If you may have to discard it, use `use` or `lease`. */
  readonly get: Effect.Effect<Uint8Array<ArrayBuffer>, never, Scope.Scope>
  /** Borrows a buffer for a caller without effects: `using lease = pool.lease()`. */
  lease(options?: BorrowOptions | undefined): Lease
  /** Borrows a whole buffer. The caller must call `unsafeRelease` on every path. */
  unsafeAcquire(): Uint8Array<ArrayBuffer>
  /**
   * Returns a buffer from `unsafeAcquire` to the pool: the buffer itself, not a view of it. Returns `false`, and does
   * nothing, if the buffer is not of this pool or not lent. Zeroes only the first `written` bytes, all by default.
   */
  unsafeRelease(bytes: Uint8Array, written?: number | undefined): boolean
  /**
   * Drops the buffers that have been idle for this long, down to `minBuffers`. Returns how many. Defaults to
   * `idleTimeToLive`; `0` drops all idle buffers, down to `minBuffers`.
   */
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle buffer, and creates `minBuffers` new ones. Returns how many were dropped. */
  readonly clear: Effect.Effect<number>
  /** How many buffers are idle. */
  readonly size: Effect.Effect<number>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<RecyclingPoolStats>
  /** The same figures, for plain code. */
  unsafeStats(): RecyclingPoolStats
}

/**
 * How much of a buffer to borrow.
 *
 * @since 0.1.0
 * @category options
 */
export interface BorrowOptions {
  /** In bytes, from 0 to `bufferSize`; anything else is a defect. Default: `bufferSize`. */
  readonly length?: number | undefined
}

/**
 * A borrowed buffer. Its borrower must release or discard it. After that, do not use its views and its buffer: the
 * lease throws if you ask for them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease extends Inspectable, Disposable {
  /** The requested length, in bytes. */
  readonly length: number
  /** The whole buffer, `length` bytes or more. Once you have read this property, release zeroes the whole buffer. */
  readonly buffer: Uint8Array<ArrayBuffer>
  /**
   * Returns a view of the first bytes of the buffer, `this.length` by default. Release zeroes up to the largest view.
   */
  view(length?: number | undefined): Uint8Array<ArrayBuffer>
  /**
   * Makes the memory under this view the buffer of the lease, and returns the whole buffer. Use it for the memory that
   * comes back from a BYOB read, which has transferred the buffer's own memory away. Release zeroes all of it.
   *
   * Throws if the memory is shared, resizable, of another size, or part of a pool already.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { BufferPool } from "effect-pools"
   *
   * // counts the bytes
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
  /**
   * Returns the buffer to the pool. Returns `false`, and does nothing, if the lease has been released or discarded
   * before.
   */
  release(): boolean
  /**
   * Ends the lease and removes the buffer from the pool for good: the pool never lends it again, and counts it as
   * `discarded.invalidated`. Use it for a buffer into which something may still write, such as a read that continues
   * after its interruption. Returns `false`, and does nothing, if the lease has been released or discarded before.
   *
   * @since 0.2.0
   */
  discard(): boolean
  /** Returns the buffer to the pool, unless the lease has been released or discarded before. */
  [Symbol.dispose](): void
}

/**
 * When the pool zeroes written bytes: when the buffer comes back, or never.
 *
 * @since 0.1.0
 * @category options
 */
export type Zero = "onRelease" | "never"

/**
 * Options of {@link make}. Only `bufferSize` is required.
 *
 * If options make no sense, `make` dies with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** For metrics, messages and stats. Default: `"BufferPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /** Bytes of each buffer, from 1 to 4,294,967,295. */
  readonly bufferSize: number
  /** How many idle buffers to create when the pool is made, and to keep when buffers age or are pruned. Default: 0. */
  readonly minBuffers?: number | undefined
  /** The maximum number of idle buffers to keep. Lent buffers have no limit. Default: 64. */
  readonly maxBuffers?: number | undefined
  /** Whether the pool zeroes buffers. Default: `"onRelease"`. */
  readonly zero?: Zero | undefined
  /** Drops buffers that were idle for this long, down to `minBuffers`. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
}

/**
 * The buffers of an application that needs only one size. For another size, declare your own tag with {@link Tag}, or
 * see `TieredBufferPool`.
 *
 * @since 0.1.0
 * @category tags
 */
export class BufferPool extends ContextTag("effect-pools/BufferPool")<BufferPool, Service>() {}

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string> extends ContextTagClass<Self, Id, Service> {
  /** The pool as a layer. Bind it to a constant: each call is a new pool. */
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
  const tag = ContextTag(id)<Self, Service>()
  return Object.assign(tag, {
    layer: (options: Options) => scoped(tag, make({ ...options, name: options.name ?? id }))
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
 *   // a view of 1 KiB: the pool zeroes no more than that
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
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<BufferPool> => scoped(BufferPool, make(options))
