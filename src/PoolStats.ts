/**
 * Snapshots of a pool's figures: `PoolStats` of a waiting pool, `RecyclingPoolStats` and `TieredBufferPoolStats` of
 * recycling ones.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as internal from "./internal/prettyStats.js"

/**
 * Items closed since the start, by reason:
 *
 * - `lost`: died by themselves
 * - `invalidated`: the user said so
 * - `retired`: too old, too used, draining; a stream or a session whose answers never came
 * - `discarded`: came back unfit
 * - `idle`: unused for too long, pruned or cleared
 * - `excess`: over `maxSize` after a `resize`
 * - `closed`: the pool closed
 *
 * @since 0.1.0
 * @category models
 */
export interface Destroyed {
  readonly lost: number
  readonly invalidated: number
  readonly retired: number
  readonly discarded: number
  readonly idle: number
  readonly excess: number
  readonly closed: number
}

/**
 * The figures of a waiting pool at one moment. Reading them is O(1) and changes nothing. Items made ahead
 * (`minSize`) are counted as `created`, never as acquisitions.
 *
 * @since 0.1.0
 * @category models
 */
export class PoolStats extends Data.Class<{
  /** The pool's name. */
  readonly pool: string
  /** Live items, idle and in use. */
  readonly size: number
  /** Live items that nobody has. */
  readonly idle: number
  /** Live items that somebody has. */
  readonly inUse: number
  /** Leases out. More than `inUse` where items are shared. */
  readonly leases: number
  /** Items being made. */
  readonly creating: number
  /** Items whose finalizers run. */
  readonly closing: number
  /** Borrowers in the queue. */
  readonly waiters: number
  /** `minSize` as it stands. */
  readonly min: number
  /** `maxSize` as it stands. */
  readonly max: number
  /** Items made since the start. */
  readonly created: number
  /** Items closed since the start, by reason. */
  readonly destroyed: Destroyed
  /** Times that an item was lent since the start. */
  readonly acquisitions: number
  /** Those among the acquisitions that got an item which had been lent before. */
  readonly reuses: number
  /** Borrowers that met `acquireTimeout`. */
  readonly timeouts: number
  /** Borrowers that met `maxWaiters`. */
  readonly rejections: number
  /** Creations that failed. */
  readonly failures: number
  /** Items whose finalizers failed, died or took longer than `closeTimeout`. */
  readonly finalizerFailures: number
  /** The most items that were in use at once. */
  readonly peak: number
}> {
  /**
   * `reuses` / `acquisitions`, from 0 to 1; 0 before the first acquisition.
   *
   * @since 0.1.0
   */
  get reuseRatio(): number {
    return this.acquisitions === 0 ? 0 : this.reuses / this.acquisitions
  }

  /**
   * The same as `acquisitions`, under the name that all pools have for it.
   *
   * @since 0.1.0
   */
  get totalAcquisitions(): number {
    return this.acquisitions
  }

  /**
   * The figures and the ratios, as plain data.
   *
   * @since 0.1.0
   */
  toJSON(): unknown {
    return { _id: "PoolStats", ...this, reuseRatio: this.reuseRatio, totalAcquisitions: this.totalAcquisitions }
  }

  /**
   * The same as text, in one line.
   *
   * @since 0.1.0
   */
  override toString(): string {
    return JSON.stringify(this.toJSON())
  }

  /**
   * What Node shows of it.
   *
   * @since 0.1.0
   */
  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/**
 * Objects that a recycling pool let go of since the start, by reason:
 *
 * - `full`: came back when there was no place for it
 * - `unfit`: `validate` said so; or a buffer whose memory had been transferred away
 * - `failed`: `reset` or `validate` threw
 * - `idle`: unused for too long, pruned or cleared
 * - `closed`: the pool closed, or had closed before it came back
 *
 * @since 0.1.0
 * @category models
 */
export interface Discarded {
  readonly full: number
  readonly unfit: number
  readonly failed: number
  readonly idle: number
  readonly closed: number
}

/**
 * What borrowers of a recycling pool did wrong since the start, and nothing came of it:
 *
 * - `foreign`: gave the pool an object that is not of this pool
 * - `notOut`: released an object that nobody had, or that `use`, `get` or a lease was to give back
 * - `stale`: used or released a lease that had been released
 *
 * The first of them in the life of a pool is also a warning in the log, with the stack of the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refused {
  readonly foreign: number
  readonly notOut: number
  readonly stale: number
}

/**
 * The figures of a recycling pool at one moment. Reading them is O(1) and changes nothing. Objects made ahead
 * (`minSize`) are counted as `created`, never as acquisitions.
 *
 * What was created is idle, in use or discarded: `created = size + inUse + ` all of `discarded`.
 *
 * @since 0.1.0
 * @category models
 */
export class RecyclingPoolStats extends Data.Class<{
  /** The pool's name. */
  readonly pool: string
  /** Objects that the pool has and nobody uses. */
  readonly size: number
  /** Objects lent. One that its borrower dropped instead of giving it back counts for ever. */
  readonly inUse: number
  /** `minSize`: how many idle ones to keep. */
  readonly min: number
  /** `maxSize`: the most idle ones to keep. */
  readonly max: number
  /** Objects made since the start. */
  readonly created: number
  /** Times that an object was lent since the start. */
  readonly acquisitions: number
  /** Those among the acquisitions that got an object which was there already. */
  readonly reused: number
  /** Times that an object came back, kept or not. */
  readonly returned: number
  /** Objects let go of since the start, by reason. */
  readonly discarded: Discarded
  /** What borrowers did wrong since the start. */
  readonly refused: Refused
  /** Times that `factory` threw, or returned what cannot be pooled. */
  readonly failures: number
  /** The most objects that were in use at once. */
  readonly peak: number
}> {
  /**
   * `reused` / `acquisitions`, from 0 to 1; 0 before the first acquisition.
   *
   * @since 0.1.0
   */
  get reuseRatio(): number {
    return this.acquisitions === 0 ? 0 : this.reused / this.acquisitions
  }

  /**
   * The same as `acquisitions`, under the name that all pools have for it.
   *
   * @since 0.1.0
   */
  get totalAcquisitions(): number {
    return this.acquisitions
  }

  /**
   * The same as `size`, under the name that waiting pools have for it.
   *
   * @since 0.1.0
   */
  get idle(): number {
    return this.size
  }

  /**
   * The same as `reused`, under the name that waiting pools have for it.
   *
   * @since 0.1.0
   */
  get reuses(): number {
    return this.reused
  }

  /**
   * Those among the acquisitions for which an object had to be made.
   *
   * @since 0.1.0
   */
  get misses(): number {
    return this.acquisitions - this.reused
  }

  /**
   * The figures and the ratios, as plain data.
   *
   * @since 0.1.0
   */
  toJSON(): unknown {
    const { misses, reuseRatio, totalAcquisitions } = this
    return { _id: "RecyclingPoolStats", ...this, misses, reuseRatio, totalAcquisitions }
  }

  /**
   * The same as text, in one line.
   *
   * @since 0.1.0
   */
  override toString(): string {
    return JSON.stringify(this.toJSON())
  }

  /**
   * What Node shows of it.
   *
   * @since 0.1.0
   */
  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/**
 * The figures of a `TieredBufferPool` at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export class TieredBufferPoolStats extends Data.Class<{
  /** The pool's name. */
  readonly pool: string
  /**
   * All tiers together, and the buffers that were too large for any: those count as acquisitions, as created, and as
   * discarded (`full`) when they come back.
   */
  readonly all: RecyclingPoolStats
  /** Each tier, in the order of its size. */
  readonly tiers: ReadonlyArray<TierStats>
  /** Requests above the largest tier, which got a buffer of their own. */
  readonly oversize: number
  /** Bytes of all idle buffers. */
  readonly bytes: number
  /** `maxBytes`: the most bytes that idle buffers may have. */
  readonly maxBytes: number
}> {
  /**
   * Of all requests, the oversize ones included: reused / acquisitions, from 0 to 1; 0 before the first acquisition.
   *
   * @since 0.1.0
   */
  get reuseRatio(): number {
    return this.all.reuseRatio
  }

  /**
   * All requests, the oversize ones included.
   *
   * @since 0.1.0
   */
  get totalAcquisitions(): number {
    return this.all.totalAcquisitions
  }

  /**
   * Requests for which a buffer had to be made, the oversize ones included.
   *
   * @since 0.1.0
   */
  get misses(): number {
    return this.all.misses
  }

  /**
   * The figures and the ratios, as plain data: of all together, and in short of each tier that was ever used. The rest is
   * in `tiers`.
   *
   * @since 0.1.0
   */
  toJSON(): unknown {
    const { all, bytes, maxBytes, oversize, pool, tiers } = this
    return {
      _id: "TieredBufferPoolStats",
      pool,
      all: all.toJSON(),
      tiers: tiers.filter(({ stats }) => stats.created > 0).map(({ bufferSize, stats }) => ({
        bufferSize,
        size: stats.size,
        inUse: stats.inUse,
        acquisitions: stats.acquisitions,
        reuseRatio: stats.reuseRatio
      })),
      oversize,
      bytes,
      maxBytes
    }
  }

  /**
   * The same as text, in one line.
   *
   * @since 0.1.0
   */
  override toString(): string {
    return JSON.stringify(this.toJSON())
  }

  /**
   * A table, a line to each tier: see {@link pretty}.
   *
   * @since 0.1.0
   */
  [NodeInspectSymbol](): unknown {
    return internal.pretty(this)
  }
}

/**
 * The figures of one tier.
 *
 * @since 0.1.0
 * @category models
 */
export interface TierStats {
  /** In bytes. */
  readonly bufferSize: number
  readonly stats: RecyclingPoolStats
}

/**
 * Snapshots as a table for logs and terminals, a line to a pool; a `TieredBufferPool` has one more for each tier,
 * and one for what was larger. Waiting and recycling pools have different figures: given both kinds, there are two tables. `reused` is `reuseRatio`,
 * `discarded` and `refused` count all reasons together. Those of a `CollectionPool` are five: give it
 * `...Object.values(stats)`. Plain text without colour, whose columns are aligned.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { ObjectPool, PoolStats, ResourcePool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const workers = yield* ResourcePool.make({ name: "workers", acquire: Effect.succeed("worker") })
 *   const boxes = yield* ObjectPool.make({ name: "boxes", factory: () => ({ content: "" }) })
 *   yield* workers.use(Console.log)
 *   yield* Console.log(PoolStats.pretty(yield* workers.stats, yield* boxes.stats))
 *   // pool     size  idle  in use  creating  waiters  max  peak  acquisitions  reused  timeouts  …
 *   // workers     1     1       0         0        0   10     1             1    0.0%         0  …
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category formatting
 */
export const pretty: (...stats: ReadonlyArray<PoolStats | RecyclingPoolStats | TieredBufferPoolStats>) => string =
  internal.pretty
