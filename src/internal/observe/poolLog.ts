/** The log lines of a waiting pool. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { describeFailure } from "./describeFailure.js"
import { showMillis } from "./poolTexts.js"

/** The event of a log line, for filters and alerts. */
export type LogEvent =
  | "Backoff"
  | "Recovered"
  | "Exhausted"
  | "Leak"
  | "LeakReturned"
  | "ForcedClose"
  | "FinalizerFailure"
  | "HookFailure"
  | "EarlyDeath"
  | "Draining"
  | "Suspect"
  | "Misuse"
  | "EndpointFailing"
  | "EndpointEjected"
  | "EndpointBack"
  | "EndpointList"
  | "PermitLost"
  | "RedisFailing"
  | "RedisBack"
  | "RedisEmpty"
  | "LimitsDiffer"
  | "Refused"

export type Details = Readonly<Record<string, unknown>>

const attempts = (count: number): string => count === 1 ? "1 failed attempt" : `${count} failed attempts`

/** A log line with its origin, for filters and alerts. */
export const annotated = (
  line: Effect.Effect<void>,
  origin: { readonly module: string; readonly pool?: string },
  event: LogEvent,
  details: Details = {}
): Effect.Effect<void> => Effect.annotateLogs(line, { package: "effect-pools", ...origin, event, ...details })

/** Every line is annotated with `package`, `module`, `pool` and `event`. */
export class PoolLog {
  private readonly origin: { readonly module: string; readonly pool: string }
  private readonly run: (effect: Effect.Effect<void>) => void

  /** `run` runs an effect on a fiber of the pool. */
  constructor(module: string, pool: string, run: (effect: Effect.Effect<void>) => void) {
    this.origin = { module, pool }
    this.run = run
  }

  warn(message: string, event: LogEvent, details: Details): void {
    this.write(Effect.logWarning(message), event, details)
  }

  inform(message: string, event: LogEvent, details: Details): void {
    this.write(Effect.logInfo(message), event, details)
  }

  /** `below`: the name of the pool below, if it has warned of its outage. */
  backoff(failure: unknown, delay: number, below: string | undefined): void {
    const why = describeFailure(failure)
    const message = `creating an item failed; the pool retries one creation at a time, after a backoff: ${why}`
    const line = below === undefined ? Effect.logWarning(message) : Effect.logDebug(`${message} (as ${below} warned)`)
    this.write(line, "Backoff", { delay: Math.round(delay) })
  }

  /** `isTold`: whether a warning told of the outage. */
  recovered(lasted: number, failures: number, isTold: boolean): void {
    const message = `creating an item succeeded again, after ${showMillis(lasted)} and ${attempts(failures)}`
    this.write((isTold ? Effect.logInfo : Effect.logDebug)(message), "Recovered", { lasted, failures })
  }

  earlyDeath(delay: number): void {
    this.warn(
      `an item was lost soon after its creation, before a borrower had returned it after success; the next creation waits ${
        showMillis(delay)
      }. ` +
        "Does the server close new connections, or does `lost` complete too early?",
      "EarlyDeath",
      { delay: Math.round(delay) }
    )
  }

  /** `borrowers`: the known borrowers. */
  drainsSlowly(waited: number, leases: number, waiters: number, borrowers: ReadonlyArray<Details>): void {
    this.warn(
      `drain has waited for ${showMillis(waited)}: ${leases} lease(s) still out, ${waiters} borrower(s) waiting. ` +
        `A borrower that waits for the drain of its own pool waits forever${
          borrowers.length === 0 ? "; set leakThreshold to learn who the borrowers are" : ""
        }`,
      "Draining",
      { waited: Math.round(waited), leases, waiters, ...(borrowers.length === 0 ? {} : { borrowers }) }
    )
  }

  /** `why`: the cause, if known. */
  exhausted(
    waited: number,
    figures: { readonly inUse: number; readonly size: number; readonly maxSize: number; readonly waiters: number },
    creating: number,
    why: string | undefined
  ): void {
    const { inUse, maxSize, size, waiters } = figures
    const causes = "Too few items, borrowers that hold items for long (a peer that does not answer, and no time " +
      "limit), or a borrower that holds one item while it waits for another"
    this.warn(
      `a borrower has waited ${
        showMillis(waited)
      } for an item: ${inUse} of ${size} items in use, maxSize ${maxSize}, ` +
        `${creating} being created, ${waiters} borrower(s) waiting. ${why ?? causes}`,
      "Exhausted",
      { waited: Math.round(waited), ...figures }
    )
  }

  leak(out: number, borrower: Details): void {
    const message = `a borrower has held an item for ${showMillis(out)}; does it ever return the item?`
    this.warn(message, "Leak", { out, ...borrower })
  }

  leakReturned(out: number, borrower: Details): void {
    const message = `the borrower returned the item after all, after ${showMillis(out)}`
    this.write(Effect.logInfo(message), "LeakReturned", { out, ...borrower })
  }

  /** A failure is an answer to the pool; a defect is a bug in the hook. */
  hookFailed(hook: string, cause: Cause.Cause<unknown>, isDefect: boolean): void {
    const message = `${hook} ${isDefect ? "died" : "failed"}; the pool closes the item`
    const line = isDefect ? Effect.logWarning(message, cause) : Effect.logDebug(message, cause)
    this.write(line, "HookFailure", { hook })
  }

  hookTookTooLong(hook: string, checkTimeout: number): void {
    const message = `${hook} took longer than checkTimeout (${showMillis(checkTimeout)}); the pool closes the item`
    this.warn(message, "HookFailure", { hook, checkTimeout })
  }

  rideOutFailed(cause: Cause.Cause<unknown>): void {
    this.write(Effect.logWarning("rideOut failed; 0 is used instead", cause), "HookFailure", { hook: "rideOut" })
  }

  /** Of the hooks of a permit that only tell. `instead`: what the pool relies on. */
  permitHookFailed(hook: string, cause: Cause.Cause<unknown>, instead: string): void {
    const message = `${hook} failed; the pool goes on without it, and logs no other failure of it: ${instead}`
    this.write(Effect.logWarning(message, cause), "HookFailure", { hook })
  }

  permitLost(): void {
    this.inform("a permit was lost; its item takes no new borrower", "PermitLost", {})
  }

  /** For the fiber that gives the permit back. */
  permitNotReturned(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return this.annotated(Effect.logWarning("giving a permit back failed", cause), "FinalizerFailure", {})
  }

  /** For the fiber that closes the item. */
  finalizerFailed(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return this.annotated(Effect.logWarning("a finalizer of an item failed", cause), "FinalizerFailure", {})
  }

  leftBehind(closeTimeout: number): void {
    this.warn(
      `closing an item took longer than closeTimeout (${showMillis(closeTimeout)}); the pool no longer waits for it, ` +
        "and its place is free",
      "FinalizerFailure",
      { closeTimeout }
    )
  }

  forcedByRetireGrace(retireGrace: number): void {
    const message = `closed a replaced item that was still lent after retireGrace (${showMillis(retireGrace)})`
    this.warn(message, "ForcedClose", { retireGrace })
  }

  forcedByPermit(): void {
    this.warn("closed an item that was still lent, since its permit ran out", "ForcedClose", {})
  }

  forcedByShutdown(items: number): void {
    this.warn(`closed ${items} item(s) that were still lent after shutdownGrace`, "ForcedClose", { items })
  }

  private write(line: Effect.Effect<void>, event: LogEvent, details: Details): void {
    this.run(this.annotated(line, event, details))
  }

  private annotated(line: Effect.Effect<void>, event: LogEvent, details: Details): Effect.Effect<void> {
    return annotated(line, this.origin, event, details)
  }
}
