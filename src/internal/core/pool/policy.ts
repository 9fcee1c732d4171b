import type { Refusal } from "./item.js"

/** How many items a pool has. */
export interface Sizes {
  readonly minSize: number
  readonly maxSize: number
  /** Idle items that the pool keeps ready beside those that are lent. */
  readonly minIdle: number
}

/** The rules of a pool. Times are milliseconds; `Infinity` means never. */
export interface Policy<F = unknown> {
  readonly order: "lifo" | "fifo"
  /** How many borrowers a new item is expected to serve, until the first item is made. */
  readonly expectedConcurrency: number
  readonly acquireTimeout: number
  readonly maxWaiters: number
  /** How long creations must have failed before borrowers fail with them. */
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
  /** Whether a retired item that is still lent gives its place up, so that its replacement is made at once. */
  readonly overlap: boolean
  readonly retireGrace: number
  readonly shutdownGrace: number
  readonly exhaustedThreshold: number
  readonly leakThreshold: number
  readonly backoff: {
    readonly initial: number
    readonly factor: number
    readonly max: number
    readonly jitter: number
  }
}

/** What a pool starts with. */
export interface MachineOptions<F = unknown> extends Policy<F>, Sizes {}
