/** The commands and announcements of a pool's machine: plain data, so that a run can be printed. */
import type {
  Check,
  Item,
  LeakRecord,
  Permit,
  PermitPurpose,
  Reason,
  Refusal,
  Release,
  ShellData,
  Waiter
} from "./item.js"

/** Only in pools with a gate. */
export type GateCommand =
  /** The pool wants to create an item. Call `granted`; not at once. */
  | { readonly _tag: "AskPermit"; readonly permit: Permit; readonly purpose: PermitPurpose }
  /** The pool no longer wants the permit that it asked for. */
  | { readonly _tag: "WithdrawPermit"; readonly permit: Permit }
  /** The pool does not need the permit any more: its item does not count, or is not created. */
  | { readonly _tag: "ReturnPermit"; readonly permit: Permit }
  /** The creation has ended, in whatever way. */
  | { readonly _tag: "CreationOver"; readonly permit: Permit }

export type Command<A, F, S extends ShellData = any> =
  | GateCommand
  /** The shell must not call back at once. */
  | { readonly _tag: "Create"; readonly item: Item<A, S> }
  /** Interrupt the creation. `gone` ends it if the pool closes; otherwise nothing waits for it. */
  | { readonly _tag: "CancelCreation"; readonly item: Item<A, S> }
  | { readonly _tag: "Check"; readonly check: Check<A, S> }
  | { readonly _tag: "CancelCheck"; readonly check: Check<A, S> }
  /** The item needs no ping: it has shown signs of life since it last proved good. */
  | { readonly _tag: "Heard"; readonly item: Item<A, S> }
  /** The check reached its time limit; the pool closes the item. */
  | { readonly _tag: "CheckTimedOut"; readonly check: Check<A, S> }
  /** The hook that decides on a returned item took longer than `checkTimeout`. Release the item. */
  | { readonly _tag: "ReleaseTimedOut"; readonly release: Release<A, S> }
  | { readonly _tag: "Destroy"; readonly item: Item<A, S>; readonly reason: Reason }
  /** The item takes no new borrower; it may still be lent. */
  | { readonly _tag: "Leaving"; readonly item: Item<A, S> }
  /** The item's finalizers took longer than `closeTimeout`; its place is free. */
  | { readonly _tag: "LeaveBehind"; readonly item: Item<A, S> }
  | { readonly _tag: "Wake"; readonly waiter: Waiter<A, F, S> }
  /** Call `tick` at that time of the monotonic clock. A later command replaces an earlier one. */
  | { readonly _tag: "WakeAt"; readonly at: number }
  /** Nothing is due. Call `disarm` when the fibers that run now are done: a new borrow may make something due. */
  | { readonly _tag: "Rest" }
  /** `minSize` items are live; or, with a refusal, a creation failed before that. */
  | { readonly _tag: "Reached"; readonly refusal: Refusal<F> | undefined }
  /** A creation failed. The next attempt comes after `delay` milliseconds at the earliest. */
  | { readonly _tag: "Backoff"; readonly refusal: Refusal<F>; readonly delay: number }
  /** A creation succeeded after others had failed. */
  | { readonly _tag: "Recovered" }
  /** An item died young and unused, the first in a row. The next creation waits `delay` milliseconds. */
  | { readonly _tag: "Paused"; readonly delay: number }
  /** The oldest waiter has waited for `exhaustedThreshold`. Announced once, until the queue is empty. */
  | { readonly _tag: "Exhausted"; readonly waited: number }
  /** The lease has been out for `leakThreshold`. */
  | { readonly _tag: "Overdue"; readonly record: LeakRecord }
  /** The pool has drained for `exhaustedThreshold`. Announced once. */
  | { readonly _tag: "DrainsSlowly"; readonly waited: number }
  /** The pool drains or closes, its queue is empty and no item is lent; or the pool is closed. */
  | { readonly _tag: "Drained" }
  /** No borrower has or waits for an item. */
  | { readonly _tag: "Unused" }
  /** A transition is over: figures may have changed. Only while the pool is observed. */
  | { readonly _tag: "Changed" }
  /** Every item is closed. */
  | { readonly _tag: "Closed" }

/** Performs the commands of the machine. */
export interface Shell<A, F, S extends ShellData = any> {
  perform(command: Command<A, F, S>): void
}
