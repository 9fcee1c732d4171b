/**
 * Snapshots of the figures of recycling pools. `PoolStats` has the same exports.
 *
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as internal from "./internal/observe/prettyStats.js"

/**
 * Objects that a recycling pool dropped since the start, by reason:
 *
 * - `full`: came back when the pool had no place for it
 * - `unfit`: `reset` or `validate` returned `false`; or a buffer whose memory had been transferred away
 * - `failed`: `reset` or `validate` threw
 * - `invalidated`: its borrower called the lease's `discard` (since 0.2.0)
 * - `idle`: unused for too long, pruned or cleared
 * - `closed`: the pool closed, or had closed before the object came back
 *
 * @since 0.1.0
 * @category models
 */
export interface Discarded {
  readonly full: number
  readonly unfit: number
  readonly failed: number
  readonly invalidated: number
  readonly idle: number
  readonly closed: number
}

/**
 * Misuse by borrowers of a recycling pool since the start, all refused without effect:
 *
 * - `foreign`: released an object that is not of this pool
 * - `notOut`: released an object that was not lent, or that `use`, `get` or a lease was to release
 * - `stale`: used, released or discarded a lease that had been released or discarded
 *
 * The pool logs a warning for the first misuse in its life, with the stack of the call.
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
 * The figures of a recycling pool at one moment. Reading them is O(1) and changes nothing. Objects created ahead
 * (`minSize`) count as `created`, never as acquisitions.
 *
 * Every created object is idle, in use or discarded: `created = size + inUse + ` all of `discarded`.
 *
 * @since 0.1.0
 * @category models
 */
export class RecyclingPoolStats extends Data.Class<{
  /** The pool's name. */
  readonly pool: string
  /** Idle objects. */
  readonly size: number
  /** Lent objects. If a borrower drops an object instead of returning it, it counts forever. */
  readonly inUse: number
  /** `minSize`: how many idle objects to keep. */
  readonly min: number
  /** `maxSize`: the maximum number of idle objects to keep. */
  readonly max: number
  /** Objects created since the start. */
  readonly created: number
  /** Times that the pool lent an object since the start. */
  readonly acquisitions: number
  /** The acquisitions that got an existing object. */
  readonly reused: number
  /** Times that a borrower returned an object, whether the pool kept it or not. */
  readonly returned: number
  /** Objects dropped since the start, by reason. */
  readonly discarded: Discarded
  /** Misuse by borrowers since the start. */
  readonly refused: Refused
  /** Times that `factory` threw, or returned a value that cannot be pooled. */
  readonly failures: number
  /** The maximum number of objects that were in use at once. */
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
   * The same as `size`, under the name that waiting pools use.
   *
   * @since 0.1.0
   */
  get idle(): number {
    return this.size
  }

  /**
   * The same as `reused`, under the name that waiting pools use.
   *
   * @since 0.1.0
   */
  get reuses(): number {
    return this.reused
  }

  /**
   * The acquisitions for which the pool created an object.
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
   * All tiers together, and the buffers that were too large for any tier: these count as acquisitions, as created, and
   * as discarded (`full`) when they come back.
   */
  readonly all: RecyclingPoolStats
  /** Each tier, in the order of size. */
  readonly tiers: ReadonlyArray<TierStats>
  /** Requests above the largest tier, which got an unpooled buffer. */
  readonly oversize: number
  /** Bytes of all idle buffers. */
  readonly bytes: number
  /** `maxBytes`: the maximum bytes of idle buffers. */
  readonly maxBytes: number
}> {
  /**
   * For all requests, including the oversize ones: reused / acquisitions, from 0 to 1; 0 before the first acquisition.
   *
   * @since 0.1.0
   */
  get reuseRatio(): number {
    return this.all.reuseRatio
  }

  /**
   * All requests, including the oversize ones.
   *
   * @since 0.1.0
   */
  get totalAcquisitions(): number {
    return this.all.totalAcquisitions
  }

  /**
   * Requests for which the pool created a buffer, including the oversize ones.
   *
   * @since 0.1.0
   */
  get misses(): number {
    return this.all.misses
  }

  /**
   * The figures and the ratios, as plain data: those of all tiers together, and a summary of each tier that was ever
   * used. See `tiers` for the rest.
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
   * A table with a line for each tier: see {@link pretty}.
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
