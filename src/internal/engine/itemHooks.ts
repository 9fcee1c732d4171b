/** Runs the user's hooks, and keeps the shell's record of a live item. */
import { hasDies, isInterruptedOnly } from "#effect/cause"
import { attempt } from "#effect/effect"
import { interruptFiber } from "#effect/fiber"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Options from "../../ResourcePoolOptions.js"
import type { Time } from "../core/clock.js"
import type { PoolLog } from "../observe/poolLog.js"
import type { ItemHandle, PoolItem } from "./records.js"

/** Notes the failure that closes the item. */
export const blame = (item: PoolItem<any>, cause: Cause.Cause<unknown>): void => {
  if (item.handle !== undefined) item.handle.cause = cause
}

/** Takes the handle of a closing item, and ends its watchers. */
export const takeHandle = (item: PoolItem<any>): ItemHandle => {
  const handle = item.handle!
  item.handle = undefined
  for (const watcher of handle.watchers) interruptFiber(watcher)
  return handle
}

/** Calls a hook. If it throws, the effect dies. */
export const runHook = <B, E2, R>(hook: () => Effect.Effect<B, E2, R>): Effect.Effect<B, E2, R> =>
  attempt(hook, undefined)

/** Logs the failure of a hook, which nothing else shows, and notes it as the reason why the item closes. */
export const explain = (log: PoolLog, hook: string, item: PoolItem<any>, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit) || isInterruptedOnly(exit.cause)) return
  blame(item, exit.cause)
  log.hookFailed(hook, exit.cause, hasDies(exit.cause))
}

/** Hooks receive it often and read it seldom, so it makes its durations on access. */
class ItemInfo implements Options.ItemInfo {
  readonly uses: number
  private readonly ageMillis: number
  private readonly idleMillis: number

  constructor(age: number, idle: number, uses: number) {
    this.ageMillis = age
    this.idleMillis = idle
    this.uses = uses
  }

  get age(): Duration.Duration {
    return Duration.millis(this.ageMillis)
  }

  get idle(): Duration.Duration {
    return Duration.millis(this.idleMillis)
  }
}

export const infoOf = ({ createdAt, provenAt, uses }: PoolItem<any>, { wall }: Time): Options.ItemInfo =>
  new ItemInfo(wall - createdAt, wall - provenAt, uses)
