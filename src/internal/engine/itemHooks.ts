/** How hooks of the user's are run, and what the pool keeps of an item meanwhile. */
import { hasDies, isInterruptedOnly } from "#effect/cause"
import { attempt, type CloseableScope } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Item, Time } from "../core/pool/item.js"
import type { PoolLog } from "../observe/poolLog.js"
import type * as Contract from "./contract.js"

/** What the shell keeps for a live item. */
export interface ItemHandle {
  readonly scope: CloseableScope
  readonly watchers: ReadonlyArray<RunningFiber<unknown, unknown>>
  /** Why the item is closed, where something failed. */
  cause: Cause.Cause<unknown> | undefined
}

/** The item is closed because of this. */
export const blame = (item: Item<any>, cause: Cause.Cause<unknown>): void => {
  const handle = item.handle as ItemHandle | undefined
  if (handle !== undefined) handle.cause = cause
}

/** Takes the handle of an item that is closed. */
export const takeHandle = (item: Item<any>): ItemHandle => {
  const handle = item.handle as ItemHandle
  item.handle = undefined
  for (const watcher of handle.watchers) interruptFiber(watcher)
  return handle
}

/** What a hook that throws does to an effect. */
export const runHook = <B, E2, R>(hook: () => Effect.Effect<B, E2, R>): Effect.Effect<B, E2, R> =>
  attempt(hook, undefined)

/** Logs what a hook failed with, which nothing else shows, and keeps it as the reason why the item is closed. */
export const explain = (log: PoolLog, hook: string, item: Item<any>, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit) || isInterruptedOnly(exit.cause)) return
  blame(item, exit.cause)
  log.hookFailed(hook, exit.cause, hasDies(exit.cause))
}

/** Hooks get it often and seldom look at it: the durations are made when they are read. */
class ItemInfo implements Contract.ItemInfo {
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

export const infoOf = ({ createdAt, provenAt, uses }: Item<any>, { wall }: Time): Contract.ItemInfo =>
  new ItemInfo(wall - createdAt, wall - provenAt, uses)
