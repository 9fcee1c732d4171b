/** The records of a waiting pool: items, waiters, checks, returned items, watched leases. */
import type { Time } from "../clock.js"
import type { HeapNode } from "../indexedHeap.js"
import type { Linked, LinkedList } from "../linkedList.js"

/** Why an item was closed. */
export type Reason = "lost" | "invalidated" | "retired" | "discarded" | "idle" | "excess" | "closed"

/** Whether a borrower shares the item, up to the item's concurrency, or is its only borrower. */
export type Sharing = "shared" | "exclusive"

/**
 * The result of a borrow: `proven` (the borrower succeeded), `kept` (the borrower did not succeed, the pool keeps the
 * item), or `discarded` (the item is unfit).
 */
export type Verdict = "proven" | "kept" | "discarded"

export type CheckResult = "passed" | "failed"

/** Whether a borrower waits for a check. A borrower may begin to wait for a background check. */
export type CheckPurpose = "borrower" | "background"

/**
 * - `Untried`: has not passed a check and has not served a borrower
 * - `Trusted`: has passed a check or served a borrower
 * - `Doubtful`: the last borrower did not succeed, and the item has not proved good since
 */
export type Trust = "Untried" | "Trusted" | "Doubtful"

/**
 * How an item counts against `maxSize`.
 * - `Held`: it occupies a place
 * - `Freeing`: it occupies a place until it is closed
 * - `Overlapping`: it is retired and still lent, and has given up its place
 * - `None`: it occupies no place
 */
export type Place = "Held" | "Freeing" | "Overlapping" | "None"

/**
 * - `Creating`: has no value yet
 * - `Outdated`: the pool was renewed during its creation; it closes without being lent
 * - `Idle`: no borrower has it
 * - `InUse`: lent; takes more borrowers, up to its concurrency
 * - `Checking`: takes no new borrower until it has proved good; in a background check it keeps its place in the idle list
 * - `Leaving`: takes no new borrower; closes when the last borrower returns it, or, retired while idle, when its
 *   replacement is live
 * - `Closing`: its finalizers run
 * - `Gone`
 */
export type ItemState = "Creating" | "Outdated" | "Idle" | "InUse" | "Checking" | "Leaving" | "Closing" | "Gone"

/** The types of what the shell keeps on the machine's records. The machine does not look at it. */
export interface ShellData {
  /** On a live item. */
  readonly item: unknown
  /** On an item that is created, on a check, and on a returned item: the hook that runs. */
  readonly hook: unknown
  /** On a waiter. */
  readonly borrower: unknown
  /** On a waiter whose borrower is suspended. */
  readonly resume: unknown
}

export class Item<A, S extends ShellData = any> implements Linked<Item<A, S>> {
  state: ItemState = "Creating"
  value: A = undefined as A
  /** The number of the attempt that creates the item, and when it began. */
  attempt = 0
  startedAt = 0
  /** How many borrowers may share the item. */
  capacity = 1
  /** How the item is lent. An exclusive borrower is a pool that lends the item on, so pings continue as for a shared item. */
  sharing: Sharing = "shared"
  borrowers = 0
  uses = 0
  /** Wall clock, like `idleSince` and `provenAt`. */
  createdAt = 0
  idleSince = 0
  /** When the item last proved good: it was created, passed a check, or its borrower succeeded. */
  provenAt = 0
  /** When the item last showed a sign of life, which only puts off its ping. Wall clock. */
  heardAt = 0
  /** A number that orders the proofs of all items. */
  provenTurn = 0
  trust: Trust = "Untried"
  check: Check<A, S> | undefined = undefined
  /** The item's nodes in the heaps, if the options need them. */
  lifetime: Due<A> | undefined = undefined
  ping: Due<A> | undefined = undefined
  proof: Due<A> | undefined = undefined
  place: Place = "None"
  /** In a pool with a gate: until the item no longer counts. */
  permit: Permit | undefined = undefined
  /** Tells, in the step that lends the item, whether the item may be lent; `undefined` if it always may. */
  standing: StandingNow | undefined = undefined
  /** Why a leaving item closes. */
  reason: Reason = "closed"
  /** The deadline of the creation or the closing; of an overlapping item, when the pool closes it under its borrower. */
  deadline = Infinity
  handle: S["item"] | undefined = undefined
  running: S["hook"] | undefined = undefined
  previous: Item<A, S> | undefined = undefined
  next: Item<A, S> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  /** How many borrowers may have the item at the same time now. */
  get concurrency(): number {
    return this.sharing === "exclusive" ? 1 : this.capacity
  }

  /** When the item was last known to be alive. Wall clock. */
  get aliveAt(): number {
    return Math.max(this.provenAt, this.heardAt)
  }
}

/** Whether the item of a permit may be lent: always, to no new borrower, or not at all. */
export type Standing = "Valid" | "Lost" | "Expired"

/** `instant`: what the wall clock of the pool shows in this step, as far as the pool has looked at it. */
export type StandingNow = (instant?: number) => Standing

/** Whether a borrower waits for the item of a permit, or `minSize` or `minIdle` lacks it. */
export type PermitPurpose = "borrower" | "spare"

/**
 * The permission to have one item, in a pool whose creations pass a gate. The pool asks for it before the creation, and
 * returns it when the item no longer counts. The pool calls the methods within its transitions: they must not call back.
 */
export abstract class Permit implements Linked<Permit> {
  item: Item<any> | undefined = undefined
  hasExpired = false
  /** Tells at once, before the signals of the permit do. */
  standing: StandingNow | undefined = undefined
  previous: Permit | undefined = undefined
  next: Permit | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  /** The item is idle: the gate may evict it. */
  abstract idle(): void
  /** The item was retired while idle: the gate may evict it before any other. */
  abstract spent(): void
  /** The item is neither idle nor spent any more. Idempotent. */
  abstract busy(): void
  /** The item takes no new borrower. */
  abstract leaving(): void
  /** The item is being closed. */
  abstract closing(): void
}

/** Decides when a pool may create an item, in addition to the rules of the pool: a limit that several pools share. */
export interface Gate {
  makePermit(): Permit
  /** A number for a borrower that begins to wait: it orders the waiters of all pools. */
  arrive(): number
  /** Who waits for the permits that were asked for: the arrival of the first of them. */
  waits(arrival: number): void
  /**
   * Whether another pool gets the place of an item that is or becomes free. `arrival`: of the first waiter of this pool;
   * `undefined` without waiters.
   */
  claims(arrival: number | undefined): boolean
  /** So many items are lent more, or fewer. */
  lent(change: 1 | -1): void
  /** Whether the pool may ask for permits that no borrower waits for. */
  readonly hasSpare: boolean
}

/** An item's node in a heap. */
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

/** A check under way: before the item is lent, or because it has been silent for long. */
export class Check<A, S extends ShellData = any> implements Linked<Check<A, S>> {
  readonly item: Item<A, S>
  readonly hook: "validate" | "ping"
  purpose: CheckPurpose
  /** The ticket of the last borrower that had queued when the check began. */
  readonly ticket: number
  /** Wall clock. */
  readonly startedAt: number
  /** When borrowers stop relying on the check. */
  readonly slowAt: number
  readonly deadline: number
  running: S["hook"] | undefined = undefined
  previous: Check<A, S> | undefined = undefined
  next: Check<A, S> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(
    item: Item<A, S>,
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

/** A returned item while a hook decides on it. */
export class Release<A, S extends ShellData = any> implements Linked<Release<A, S>> {
  readonly item: Item<A, S>
  deadline = Infinity
  running: S["hook"] | undefined = undefined
  previous: Release<A, S> | undefined = undefined
  next: Release<A, S> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(item: Item<A, S>) {
    this.item = item
  }
}

/** A watched lease: the borrower may never return the item. */
export class LeakRecord implements Linked<LeakRecord> {
  since = 0
  /** Set when the machine has reported the lease as overdue. */
  reported = false
  previous: LeakRecord | undefined = undefined
  next: LeakRecord | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export type Refusal<F> =
  | { readonly _tag: "CreateFailed"; readonly failure: F }
  | { readonly _tag: "CreateTimeout" }
  | { readonly _tag: "AcquireTimeout"; readonly awaited: Awaited }
  | { readonly _tag: "PoolClosed" }

/** What the waiters wait for: an item that is returned, created, or checked; or a permit to create one. */
export type Awaited = "queue" | "creation" | "check" | "permit"

export class Waiter<A, F, S extends ShellData = any> implements Linked<Waiter<A, F, S>> {
  /** The result: an item or a refusal. The waiter leaves the queue when one of the two is set. */
  item: Item<A, S> | undefined = undefined
  refusal: Refusal<F> | undefined = undefined
  /** A number that orders all waiters of the pool. */
  ticket = 0
  /** The order of the waiters of all pools with the same gate. */
  arrival = 0
  since = 0
  deadline = Infinity
  sharing: Sharing = "shared"
  borrower: S["borrower"] | undefined = undefined
  /** Set by the shell, which resumes the borrower when the machine wakes it. */
  resume: S["resume"] | undefined = undefined
  previous: Waiter<A, F, S> | undefined = undefined
  next: Waiter<A, F, S> | undefined = undefined
  list: LinkedList<any> | undefined = undefined
}

export const isLive = (item: Item<unknown>): boolean =>
  item.state === "Idle" || item.state === "InUse" || item.state === "Checking" || item.state === "Leaving"
