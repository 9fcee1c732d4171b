/** Texts that the logs and the errors of a waiting pool share. */
import * as Duration from "effect/Duration"
import type { RefusalReason } from "../core/recycling/freeList.js"
import { describeFailure } from "./describeFailure.js"

/** Formats milliseconds. */
export const showMillis = (millis: number): string =>
  millis > 0 && millis < 1
    ? "less than 1ms"
    : millis === 0
    ? "0ms"
    : Duration.format(Duration.millis(Math.round(millis)))

/** What the borrowers of a pool wait for now. */
export interface Wait {
  /** `undefined`: the figures of the pool tell. */
  readonly detail: string | undefined
  readonly cause?: unknown
}

export const stillCreating = "An item is still being created: is the resource reachable?"

export const stillOpening = "A stream is still being opened: is the peer reachable, and does it grant streams?"

export const creatingTookTooLong = (createTimeout: number): string =>
  `creating an item took longer than createTimeout (${showMillis(createTimeout)})`

export const lastCreationFailed = (failure: unknown): string => `The last creation failed: ${describeFailure(failure)}`

export const lastAttemptFailed = (failure: unknown): string => `The attempt before failed: ${describeFailure(failure)}`

/** `hooks`: the names of the hooks that check items. */
export const stillChecking = (checkTimeout: number, hooks: ReadonlyArray<string>): string =>
  `Items were still being checked (checkTimeout is ${showMillis(checkTimeout)}): does the resource answer ` +
  `${hooks.join(" and ")}? Keep checkTimeout well below acquireTimeout.`

/** What the borrowers of a `KeyedPool` wait for that have no item to wait for. */
export const noPlace = (maxTotal: number, createConcurrency: number): string =>
  maxTotal === Infinity
    ? `createConcurrency (${createConcurrency}) items of other keys were being created: is every resource reachable?`
    : `No place came free: maxTotal is ${maxTotal}, and createConcurrency ${createConcurrency}, over all keys. Borrow ` +
      "for a shorter time, or raise the limit."

/** What the borrowers of a pool with the option `permit` wait for that have no item to wait for. */
export const noPermit = "No permit came: other processes hold all of them, or the source of the option `permit` does " +
  "not answer. Borrow for a shorter time, or raise the limit of the fleet."

/** What borrowers wait for while a Redis that knows of no permits lets those of earlier times end. */
export const redisIsEmpty = (quiet: number): string =>
  `No permit came: Redis has just started, or lost its memory; it grants none for another ${showMillis(quiet)}.`

export const redisFails = (failure: { readonly message: string }): string => `No permit came: ${failure.message}`

export const limitReached = (limit: number): string =>
  `No permit came: all ${limit} of the fleet are held. Borrow for a shorter time, or raise the limit of the fleet.`

export const tooManyKeys = (maxKeys: number): string => `maxKeys ${maxKeys}; borrowers have or wait for items of all`

export const queueIsFull = (maxWaiters: number): string =>
  `maxWaiters ${maxWaiters}; borrowers whose item is being created or checked do not count`

/** The figures in a `PoolError`. */
interface Figures {
  readonly reason: "AcquireTimeout" | "CreateTimeout" | "QueueFull" | "PoolClosed" | "TooManyKeys"
  readonly pool: string
  readonly waited: Duration.Duration
  readonly size: number
  readonly maxSize: number
  readonly inUse: number
  readonly creating: number
  readonly waiters: number
  readonly detail?: string | undefined
}

const advice = ({ creating, inUse }: Figures): string =>
  inUse === 0 && creating > 0
    ? stillCreating
    : "Borrow for a shorter time, or raise maxSize or the time limit; or find the borrower that never returns its item " +
      "(leakThreshold), or that holds one item while it waits for another."

const stateOf = ({ creating, inUse, maxSize, size, waiters }: Figures): string =>
  `${inUse} of ${size} items in use, maxSize ${maxSize}, ${creating} being created, ` +
  `${waiters} more borrower(s) waiting`

/** Describes what a pool that is built on this one waits for. */
export const describeWait = (figures: Figures): string =>
  `Pool "${figures.pool}" has no item: ${stateOf(figures)}. ${figures.detail ?? advice(figures)}`

/** Describes the event, the state of the pool, and the remedy. */
export const describePoolError = (error: Figures): string => {
  const { detail, inUse, size, waited } = error
  const pool = `Pool "${error.pool}"`
  const state = stateOf(error)
  switch (error.reason) {
    case "AcquireTimeout":
      return `${pool} had no item within ${Duration.format(waited)}: ${state}. ${detail ?? advice(error)}`
    case "CreateTimeout":
      return `${pool} has no item: ${detail}. ${state}. Is the resource reachable?`
    case "QueueFull":
      return `${pool} has a full queue (${detail}): ${state}. Send less at once, or raise the pool's size or maxWaiters.`
    case "TooManyKeys":
      return `${pool} takes no other key (${detail}): ${inUse} of ${size} items in use. Borrow for fewer keys at a ` +
        "time, or raise maxKeys."
    case "PoolClosed":
      return `${pool} is closed to borrowers: ${state}. ` +
        (detail ?? "Borrow within the lifetime of the layer or scope that made the pool.")
  }
}

/** `unanswered`: how many borrowers in a row got no answer. */
export const suspectSession = (unanswered: number): string =>
  `${unanswered} answers in a row never came on a session; the pool replaces the session`

export const hookFailed = (hook: string): string => `${hook} failed`

const misuses: Record<RefusalReason, string> = {
  foreign: "a borrower released an object that is not of this pool",
  notOut:
    "a borrower released an object that `unsafeAcquire` had not lent: a second release, or an object that `use`, `get` " +
    "or a lease is to return",
  stale: "a borrower used, released or discarded a lease that had ended"
}

/** The first misuse of a recycling pool. */
export const misused = (reason: RefusalReason): string =>
  `${misuses[reason]}. The call did nothing; from now on such calls are only counted`

export const drained = "It was drained, and takes no new borrowers."
