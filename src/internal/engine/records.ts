/** The machine's records, with what the pool keeps on them. */
import type { CloseableScope } from "#effect/effect"
import type { AnyFiber, Resume, RunningFiber } from "#effect/fiber"
import type { Finalizer } from "#effect/scope"
import type * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import type { Check, Item, Release, ShellData, Waiter } from "../core/pool/item.js"

/** Lends an item to a scope: the borrower's result, and the finalizer that returns the item. */
export interface ScopeLoan {
  readonly exit: Exit.Exit<any>
  readonly finalizer: Finalizer
}

/** What the pool keeps on a live item. */
export interface ItemHandle {
  readonly scope: CloseableScope
  readonly watchers: ReadonlyArray<RunningFiber<unknown, unknown>>
  /** The failure that closes the item, if any. */
  cause: Cause.Cause<unknown> | undefined
  /** Made once for each item, if the pool lends its items as they are. */
  loan: ScopeLoan | undefined
}

export interface PoolData extends ShellData {
  readonly item: ItemHandle
  readonly hook: AnyFiber
  readonly borrower: AnyFiber
  readonly resume: Resume
}

export type PoolItem<A> = Item<A, PoolData>

export type PoolCheck<A> = Check<A, PoolData>

export type PoolRelease<A> = Release<A, PoolData>

export type QueuedBorrower<A, E> = Waiter<A, Cause.Cause<E>, PoolData>
