/** The pause between failed attempts. Times are milliseconds. */
export interface Backoff {
  readonly initial: number
  readonly factor: number
  readonly max: number
  readonly jitter: number
}

/** The delay after a failure, without jitter. `last`: the one before; `undefined` after the first failure in a row. */
export const nextDelay = ({ factor, initial, max }: Backoff, last: number | undefined): number =>
  Math.min(max, last === undefined ? initial : last * factor)

/** Varies a delay, so that not all attempts come at once. At least 1 ms. `chance`: a random number in [0, 1). */
export const jittered = (delay: number, { jitter }: Backoff, chance: number): number =>
  Math.max(1, delay * (1 + jitter * (2 * chance - 1)))
