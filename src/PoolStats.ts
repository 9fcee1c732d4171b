/**
 * A snapshot of a waiting pool's figures.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Items closed since the start, by reason:
 *
 * - `lost`: died by themselves
 * - `invalidated`: the user said so
 * - `retired`: too old, too used, draining
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
   * The same as `acquisitions`; recycling pools count theirs as created and reused.
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
   * The same as text.
   *
   * @since 0.1.0
   */
  override toString(): string {
    return JSON.stringify(this.toJSON())
  }
}
