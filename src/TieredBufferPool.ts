/**
 * Byte buffers of several sizes. A request gets a buffer of the smallest size that fits. A request above the largest
 * size gets a buffer of exactly its length, which the pool counts and never keeps.
 *
 * Zeroing and memory work as in `BufferPool`: the pool zeroes the bytes that the borrower could write, which is up to
 * the requested length after `use`, `get` or `lease.view()`.
 *
 * **Gotchas**
 *
 * As in `BufferPool`, I/O that continues after its interruption uses a buffer that another borrower has by then. Wait
 * for the I/O to end, or discard the lease:
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import type { TieredBufferPool } from "effect-pools"
 * import type { FileHandle } from "node:fs/promises"
 *
 * export const read = (pool: TieredBufferPool.Service, file: FileHandle, length: number) =>
 *   pool.use(length, (bytes, lease) =>
 *     Effect.tryPromise(() => file.read(bytes)).pipe(
 *       Effect.onInterrupt(() => Effect.sync(() => lease.discard()))
 *     )
 *   )
 * ```
 *
 * @since 0.1.0
 */
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import type * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as BufferPool from "./BufferPool.js"
import * as internal from "./internal/recycling/tieredBufferPool.js"
import type { TieredBufferPoolStats } from "./PoolStats.js"

/**
 * The pool, with three APIs: effects (`use`, `useSync`, `get`), disposable leases for plain code (`lease`), and unsafe
 * calls for hot loops (`unsafeAcquire`, `unsafeRelease`). A length is a whole number of bytes from 0; anything else is
 * a defect.
 *
 * The rules are those of `ObjectPool.Service`: last in, first out; misuse is refused and counted; a closed pool still
 * lends, and keeps nothing.
 *
 * **Gotchas**
 *
 * `maxBytes` is first come, first served: idle buffers of a size that is no longer requested keep their share until
 * they age. If the sizes in use change, set `idleTimeToLive`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Inspectable {
  /** The name from the options, for metrics, messages and stats. */
  readonly name: string
  /** The tiers: bytes of their buffers, ascending. */
  readonly sizes: ReadonlyArray<number>
  /**
   * Borrows a buffer for one effect, which gets a view of the requested length; `lease.buffer` is the whole buffer. It
   * goes back when the effect succeeds, fails or is interrupted, unless the effect has called `lease.discard`.
   */
  readonly use: <B, E, R>(
    length: number,
    f: (bytes: Uint8Array<ArrayBuffer>, lease: BufferPool.Lease) => Effect.Effect<B, E, R>
  ) => Effect.Effect<B, E, R>
  /**
   * Borrows a buffer for one function, which gets a view of the requested length. An exception of the function is a
   * defect.
   */
  readonly useSync: <B>(
    length: number,
    f: (bytes: Uint8Array<ArrayBuffer>, lease: BufferPool.Lease) => B
  ) => Effect.Effect<B>
  /**
   * Borrows a view of the requested length until the scope closes. If you may have to discard the buffer, use `use` or
   * `lease`.
   */
  readonly get: (length: number) => Effect.Effect<Uint8Array<ArrayBuffer>, never, Scope.Scope>
  /** Borrows a buffer for a caller without effects: `using lease = pool.lease(length)`. */
  lease(length: number): BufferPool.Lease
  /** Borrows a whole buffer of `length` bytes or more. The caller must call `unsafeRelease` on every path. */
  unsafeAcquire(length: number): Uint8Array<ArrayBuffer>
  /**
   * Returns a buffer from `unsafeAcquire` to the pool: the buffer itself, not a view of it. Returns `false`, and does
   * nothing, if the buffer is not of this pool or not lent. Zeroes only the first `written` bytes, all by default.
   */
  unsafeRelease(bytes: Uint8Array, written?: number | undefined): boolean
  /**
   * Drops the buffers that have been idle for this long. Returns how many. Defaults to `idleTimeToLive`; `0` drops all
   * idle buffers.
   */
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle buffer. Returns how many. */
  readonly clear: Effect.Effect<number>
  /** How many buffers are idle, in all tiers. */
  readonly size: Effect.Effect<number>
  /** The figures of each tier, and of all, at this moment. */
  readonly stats: Effect.Effect<TieredBufferPoolStats>
  /** The same figures, for plain code. */
  unsafeStats(): TieredBufferPoolStats
}

/**
 * Options of {@link make}. None is required.
 *
 * If options make no sense, `make` dies with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** For metrics, messages and stats. Default: `"TieredBufferPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /**
   * The tiers: bytes of their buffers, from 1 to 4,294,967,295, ascending and without duplicates. Default: 256 B, 1, 4,
   * 16, 64 and 256 KiB, and 1 MiB.
   */
  readonly sizes?: ReadonlyArray<number> | undefined
  /** The maximum number of idle buffers to keep of each size. Lent buffers have no limit. Default: 64. */
  readonly maxBuffersPerTier?: number | undefined
  /**
   * The maximum bytes of idle buffers, over all sizes: at least the largest of `sizes`. Default: 32 MiB, or that size
   * if it is larger.
   */
  readonly maxBytes?: number | undefined
  /** Whether the pool zeroes buffers. Default: `"onRelease"`. */
  readonly zero?: BufferPool.Zero | undefined
  /** Drops buffers that were idle for this long. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
}

/**
 * The buffers of an application. For a second pool, declare your own tag with {@link Tag}.
 *
 * @since 0.1.0
 * @category tags
 */
export class TieredBufferPool extends ContextTag("effect-pools/TieredBufferPool")<TieredBufferPool, Service>() {}

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string> extends ContextTagClass<Self, Id, Service> {
  /** The pool as a layer. Bind it to a constant: each call is a new pool. */
  readonly layer: (options?: Options | undefined) => Layer.Layer<Self>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { TieredBufferPool } from "effect-pools"
 *
 * export class Frames extends TieredBufferPool.Tag("app/Frames")<Frames>() {}
 *
 * export const FramesLive = Frames.layer({ sizes: [1500, 9000], zero: "never" })
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self>(): TagClass<Self, Id> => {
  const tag = ContextTag(id)<Self, Service>()
  return Object.assign(tag, {
    layer: (options?: Options | undefined) => scoped(tag, make({ ...options, name: options?.name ?? id }))
  })
}

/**
 * Makes a pool that lives as long as the scope.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { TieredBufferPool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* TieredBufferPool.make({ maxBytes: 8 * 1024 * 1024, idleTimeToLive: "1 minute" })
 *
 *   yield* pool.use(3000, (bytes, lease) => Effect.log(bytes.length, lease.buffer.length)) // 3000 4096
 *
 *   const { misses, reuseRatio, tiers } = yield* pool.stats
 *   yield* Effect.log(misses, reuseRatio, tiers.map(({ bufferSize, stats }) => [bufferSize, stats.size]))
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: Options | undefined) => Effect.Effect<Service, never, Scope.Scope> = internal.make

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
export const layer = (options?: Options | undefined): Layer.Layer<TieredBufferPool> =>
  scoped(TieredBufferPool, make(options))
