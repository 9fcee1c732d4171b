import type { Backoff } from "../backoff.js"
import type { Refusal } from "./item.js"

/** How many items a pool has. */
export interface Sizes {
  readonly minSize: number
  readonly maxSize: number
  /** Idle items that the pool keeps ready, in addition to the lent items. */
  readonly minIdle: number
}

/** The rules of a pool. Times are milliseconds; `Infinity` means never. */
export interface Policy<F = unknown> {
  readonly order: "lifo" | "fifo"
  /** The assumed concurrency of an item, until the first item is created. */
  readonly expectedConcurrency: number
  readonly acquireTimeout: number
  readonly maxWaiters: number
  /** How long creations must fail before borrowers fail. */
  readonly rideOut: (refusal: Refusal<F>) => number
  readonly createConcurrency: number
  readonly createTimeout: number
  readonly checkTimeout: number
  readonly closeTimeout: number
  /** An item that has not proved good for this long is checked before it is lent. */
  readonly validateAfterIdle: number
  /** An item that has not proved good for this long is pinged. */
  readonly pingInterval: number
  readonly idleTimeToLive: number
  readonly maxLifetime: number
  readonly maxUses: number
  /** Whether a retired item that is still lent gives up its place, so that the pool creates its replacement at once. */
  readonly overlap: boolean
  readonly retireGrace: number
  readonly shutdownGrace: number
  readonly exhaustedThreshold: number
  readonly leakThreshold: number
  /** After failed creations. */
  readonly backoff: Backoff
}

/** The options of a machine: its policy and its initial sizes. */
export interface MachineOptions<F = unknown> extends Policy<F>, Sizes {}
