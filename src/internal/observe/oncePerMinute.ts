/** What may happen a thousand times a second gets one log line a minute for each reason, the first one at once. */
import { nanosOf } from "#effect/clock"
import type * as Clock from "effect/Clock"

/** For so many nanoseconds a reason is not told again. */
const quiet = 60_000_000_000n

interface Told {
  readonly at: bigint
  /** How many came since, without a line. */
  since: number
}

export class OncePerMinute {
  private readonly told = new Map<string, Told>()

  /**
   * The figures of the line that is due, if one is: `since` tells how many came since the last one. No timer tells of the
   * rest: the next line does.
   */
  due(clock: Clock.Clock, reason: string): { readonly since?: number } | undefined {
    const at = nanosOf(clock)
    const last = this.told.get(reason)
    if (last !== undefined && at - last.at < quiet) {
      last.since++
      return undefined
    }
    this.told.set(reason, { at, since: 0 })
    return last === undefined ? {} : { since: last.since }
  }
}
