import type { Reason } from "./item.js"

/** The figures of a pool that only grow. */
export class Counters {
  acquisitions = 0
  reuses = 0
  created = 0
  failures = 0
  timeouts = 0
  rejections = 0
  /** Borrowers that were interrupted while they waited. */
  abandoned = 0
  /** The maximum number of items in use at a time. */
  peak = 0
  readonly destroyed: Record<Reason, number> = {
    lost: 0,
    invalidated: 0,
    retired: 0,
    discarded: 0,
    idle: 0,
    excess: 0,
    closed: 0
  }
}
