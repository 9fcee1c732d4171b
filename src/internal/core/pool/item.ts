/** What a waiting pool keeps of an item, of a borrower that waits, and of the checks and leases in between. */
import type { HeapNode } from "../indexedHeap.js"
import type { Linked, LinkedList } from "../linkedList.js"

/** Milliseconds of two clocks that never go back. Waiting is measured by the first, age by the second. */
export interface Time {
  /** Does not leap. */
  readonly monotonic: number
  /** Goes on while the machine is suspended. */
  readonly wall: number
}

/** Why an item was closed. */
export type Reason = "lost" | "invalidated" | "retired" | "discarded" | "idle" | "excess" | "closed"

/** Whether a borrower shares its item with others, up to the item's concurrency, or is its only borrower. */
export type Sharing = "shared" | "exclusive"

/**
 * What is known of an item that comes back: `proven` by a borrower that succeeded, `kept` though its borrower did not
 * succeed, or `discarded` as unfit.
 */
export type Verdict = "proven" | "kept" | "discarded"

export type CheckResult = "passed" | "failed"

/** Whether a borrower waits for a check. A background check may get one. */
export type CheckPurpose = "borrower" | "background"

/**
 * - `Untried`: has neither passed a check nor served a borrower
 * - `Trusted`: has done one of them
 * - `Doubtful`: its last borrower did not succeed, and it has not proved good since
 */
export type Trust = "Untried" | "Trusted" | "Doubtful"

/**
 * How an item counts against `maxSize`.
 * - `Held`: it has a place
 * - `Freeing`: it has one until it is closed
 * - `Overlapping`: it gave its place up, since it is retired, and is still lent
 * - `None`
 */
export type Place = "Held" | "Freeing" | "Overlapping" | "None"

/**
 * - `Creating`: has no value yet
 * - `Outdated`: the pool was renewed while the item was created; it is closed without being lent
 * - `Idle`: no borrower has it
 * - `InUse`: lent, and open to further borrowers up to its concurrency
 * - `Checking`: open to no new borrower until it has proved good; in a background check it keeps its place among the idle
 * - `Leaving`: open to no new borrower; closes when the last borrower returns it, or, renewed while idle, when its
 *   replacement is made
 * - `Closing`: its finalizers run
 * - `Gone`
 */
export type ItemState = "Creating" | "Outdated" | "Idle" | "InUse" | "Checking" | "Leaving" | "Closing" | "Gone"

export class Item<A> implements Linked<Item<A>> {
  state: ItemState = "Creating"
  value: A = undefined as A
  /** Which attempt made it, and when that began. */
  attempt = 0
  startedAt = 0
  /** How many borrowers may share it. */
  capacity = 1
  /** How it is lent. A pool that borrows it exclusively lends it on, so it is pinged meanwhile like a shared one. */
  sharing: Sharing = "shared"
  borrowers = 0
  uses = 0
  /** By the wall clock, as the next two. */
  createdAt = 0
  idleSince = 0
  /** When it last proved good: made, passed a check, or was kept after a borrower that succeeded. */
  provenAt = 0
  /** Numbers the proofs of all items. */
  provenTurn = 0
  trust: Trust = "Untried"
  check: Check<A> | undefined = undefined
  /** Its places in the heaps, where the options ask for them. */
  lifetime: Due<A> | undefined = undefined
  ping: Due<A> | undefined = undefined
  proof: Due<A> | undefined = undefined
  place: Place = "None"
  /** Why it is to be closed, once it is not open to borrowers. */
  reason: Reason = "closed"
  /** When its creation or its closing has taken too long, or, replaced while lent, when it is closed all the same. */
  deadline = Infinity
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Item<A> | undefined = undefined
  next: Item<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  /** How many borrowers may have it now. */
  get concurrency(): number {
    return this.sharing === "exclusive" ? 1 : this.capacity
  }
}

/** The place of an item in a heap. */
export class Due<A> implements HeapNode {
  key: number
  heapIndex = -1
  heapTurn = 0
  readonly item: Item<A>

  constructor(item: Item<A>, key: number) {
    this.item = item
    this.key = key
  }
}

/** An item has to prove good: before it is lent, or since it has not been heard of for long. */
export class Check<A> implements Linked<Check<A>> {
  readonly item: Item<A>
  readonly hook: "validate" | "ping"
  purpose: CheckPurpose
  /** The last borrower that had queued before the check began. */
  readonly ticket: number
  /** By the wall clock. */
  readonly startedAt: number
  /** When no borrower relies on it any more. */
  readonly slowAt: number
  readonly deadline: number
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Check<A> | undefined = undefined
  next: Check<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(
    item: Item<A>,
    hook: "validate" | "ping",
    purpose: CheckPurpose,
    ticket: number,
    now: Time,
    slowAfter: number,
    timeout: number
  ) {
    this.item = item
    this.hook = hook
    this.purpose = purpose
    this.ticket = ticket
    this.startedAt = now.wall
    this.slowAt = now.monotonic + slowAfter
    this.deadline = now.monotonic + timeout
  }
}

/** A returned item, while a hook decides what becomes of it. */
export class Release<A> implements Linked<Release<A>> {
  readonly item: Item<A>
  deadline = Infinity
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Release<A> | undefined = undefined
  next: Release<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(item: Item<A>) {
    this.item = item
  }
}

/** A lease that is watched, since it may never come back. */
export class Loan implements Linked<Loan> {
  since = 0
  /** Set once the machine has reported that it is out for too long. */
  reported = false
  previous: Loan | undefined = undefined
  next: Loan | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export type Refusal<F> =
  | { readonly _tag: "CreateFailed"; readonly failure: F }
  | { readonly _tag: "CreateTimeout" }
  | { readonly _tag: "AcquireTimeout"; readonly awaited: Awaited }
  | { readonly _tag: "PoolClosed" }

/** What borrowers wait for in the end: a borrower that returns its item, an item that is created, or one that is checked. */
export type Awaited = "queue" | "creation" | "check"

export class Waiter<A, F> implements Linked<Waiter<A, F>> {
  /** What it got. It has left the queue once one of these two is set. */
  item: Item<A> | undefined = undefined
  refusal: Refusal<F> | undefined = undefined
  /** Numbers all waiters there ever were. */
  ticket = 0
  since = 0
  deadline = Infinity
  sharing: Sharing = "shared"
  /** The shell's: wakes the borrower, and tells who it is. */
  resume: (() => void) | undefined = undefined
  note: unknown = undefined
  previous: Waiter<A, F> | undefined = undefined
  next: Waiter<A, F> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export const isLive = (item: Item<unknown>): boolean =>
  item.state === "Idle" || item.state === "InUse" || item.state === "Checking" || item.state === "Leaving"
