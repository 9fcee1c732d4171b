/** What a waiting pool keeps of an item, of those who wait for one, and of the checks and leases in between. */
import type { HeapNode } from "../indexedHeap.js"
import type { Linked, LinkedList } from "../linkedList.js"

/** Milliseconds of two clocks that never go back. What is waited for is measured by the first, what ages by the second. */
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

/**
 * - `Creating`: no value yet
 * - `Outdated`: the pool was renewed while it was created; it is closed without being lent
 * - `Idle`: nobody has it
 * - `InUse`: lent, and open to further borrowers up to its concurrency
 * - `Checking`: not lent to anybody new until it has proved good; one that nobody waits for keeps its place among the idle
 * - `Leaving`: takes no new borrower, closes when the last one gives it back; or, renewed, when its replacement is made
 * - `Closing`: its finalizers run
 * - `Gone`
 */
export type ItemState = "Creating" | "Outdated" | "Idle" | "InUse" | "Checking" | "Leaving" | "Closing" | "Gone"

export class Item<A> implements Linked<Item<A>> {
  state: ItemState = "Creating"
  value: A = undefined as A
  /** Which attempt made it. */
  attempt = 0
  startedAt = 0
  /** How many borrowers may share it. */
  capacity = 1
  /** The same, but 1 while one borrower has it exclusively. */
  concurrency = 1
  /** How it is lent. A pool that has it exclusively lends it on, so it is pinged meanwhile like a shared one. */
  sharing: Sharing = "shared"
  borrowers = 0
  uses = 0
  /** By the wall clock, as the next two. */
  createdAt = 0
  idleSince = 0
  /** When it last proved good: made, passed a check, or came back from a borrower who succeeded, and was kept. */
  provenAt = 0
  /** Numbers the proofs of all items. */
  provenTurn = 0
  /** Whether its last borrower did not succeed, and it has not proved good since. */
  isDoubtful = false
  /** Whether it has passed a check, or come back and been kept. */
  hasServed = false
  check: Check<A> | undefined = undefined
  /** Its places in the heaps, where the options ask for them. */
  lifetime: Due<A> | undefined = undefined
  ping: Due<A> | undefined = undefined
  proof: Due<A> | undefined = undefined
  /** Whether it takes one of the `maxSize` places. */
  counted = true
  /** Whether it gave its place up because it is retired, though somebody still has it. */
  overlaps = false
  /** Why it is to be closed, once it is not open to borrowers. */
  reason: Reason = "closed"
  /** When creating or closing it has taken too long, or a replaced one is closed under its borrowers. */
  deadline = Infinity
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Item<A> | undefined = undefined
  next: Item<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
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

/** An item that has to prove good: to be lent, or because nobody has heard of it for long. */
export class Check<A> implements Linked<Check<A>> {
  readonly item: Item<A>
  readonly hook: "validate" | "ping"
  /** Whether a borrower waits for it; it may have begun without one. */
  awaited: boolean
  /** The last borrower who asked before it began. */
  readonly ticket: number
  /** By the wall clock. */
  readonly startedAt: number
  /** When nobody relies on it any more. */
  readonly slowAt: number
  readonly deadline: number
  isSlow = false
  /** What the shell keeps for it. */
  handle: unknown = undefined
  previous: Check<A> | undefined = undefined
  next: Check<A> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(
    item: Item<A>,
    hook: "validate" | "ping",
    awaited: boolean,
    ticket: number,
    now: Time,
    slowAfter: number,
    timeout: number
  ) {
    this.item = item
    this.hook = hook
    this.awaited = awaited
    this.ticket = ticket
    this.startedAt = now.wall
    this.slowAt = now.monotonic + slowAfter
    this.deadline = now.monotonic + timeout
  }
}

/** An item that came back, while a hook decides what becomes of it. */
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
  /** Set once the machine has said that it is out for too long. */
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

/** What borrowers wait for in the end: one that gives an item back, an item that is made, or one that is checked. */
export type Awaited = "queue" | "creation" | "check"

export class Waiter<A, F> implements Linked<Waiter<A, F>> {
  /** What it was given; it has left the queue once one of these two is set. */
  item: Item<A> | undefined = undefined
  refusal: Refusal<F> | undefined = undefined
  /** Numbers those who have ever waited. */
  ticket = 0
  since = 0
  deadline = Infinity
  sharing: Sharing = "shared"
  /** The shell's: wakes the borrower, and says who it is. */
  resume: (() => void) | undefined = undefined
  note: unknown = undefined
  previous: Waiter<A, F> | undefined = undefined
  next: Waiter<A, F> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export const isLive = (item: Item<unknown>): boolean =>
  item.state === "Idle" || item.state === "InUse" || item.state === "Checking" || item.state === "Leaving"
