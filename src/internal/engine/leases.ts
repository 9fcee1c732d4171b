/** Leases, and a pool's records of the leases that are out. */
import { type AnyFiber, logAnnotationsOf, nameOf, spanOf, withFiber } from "#effect/fiber"
import { format, inspectSymbol } from "#effect/inspect"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { LeakRecord, type StandingNow } from "../core/pool/item.js"
import type { Details } from "../observe/poolLog.js"
import type * as Contract from "./contract.js"
import type { PoolParts } from "./parts.js"
import type { PoolItem } from "./records.js"
import type { PoolTimer } from "./timer.js"

/** The record of a lease that is out, for leak reports and for the histogram. */
export class LeaseRecord extends LeakRecord {
  /** The known facts about the borrower. */
  readonly borrower: Details
  readonly lentAt: bigint

  constructor(borrower: Details, lentAt: bigint) {
    super()
    this.borrower = borrower
    this.lentAt = lentAt
  }
}

/** Records leases, if leak reports or histograms are on. */
export interface LeaseWatch {
  /** Whether the pool keeps records. */
  readonly isOn: boolean
  /** The stack of the call of `use`, if leak reports are on. */
  readonly callSite: () => string | undefined
  /** Lends an item with a record of its lease. */
  readonly record: <B, E2, R>(
    stack: string | undefined,
    lend: (record: LeaseRecord | undefined) => Effect.Effect<B, E2, R>
  ) => Effect.Effect<B, E2, R>
  readonly returned: (record: LeaseRecord | undefined) => void
}

const unwatched: LeaseWatch = {
  isOn: false,
  callSite: () => undefined,
  record: (_, lend) => lend(undefined),
  returned: () => undefined
}

/** Spans from the outermost to the innermost. */
const pathOf = (fiber: AnyFiber): ReadonlyArray<string> => {
  const path: Array<string> = []
  let span = spanOf(fiber)
  while (Option.isSome(span)) {
    path.unshift(span.value._tag === "Span" ? span.value.name : span.value.spanId)
    span = span.value._tag === "Span" ? span.value.parent : Option.none()
  }
  return path
}

const describeBorrower = (fiber: AnyFiber, stack: string | undefined): Details => {
  const path = pathOf(fiber)
  const annotations = logAnnotationsOf(fiber)
  return {
    // not `fiber`: loggers use that key for the logging fiber
    borrower: nameOf(fiber),
    ...(path.length === 0 ? {} : { spans: path.join(" > ") }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(stack === undefined ? {} : { stack })
  }
}

export const leaseWatch = <A, E, V>(
  { log, machine, time }: PoolParts<A, E, V>,
  timer: PoolTimer,
  isTimed: boolean
): LeaseWatch => {
  const findsLeaks = machine.policy.leakThreshold !== Infinity
  if (!findsLeaks && !isTimed) return unwatched
  return {
    isOn: true,
    callSite: () => findsLeaks ? new Error("borrowed here").stack : undefined,
    record: (stack, lend) =>
      withFiber((fiber) => {
        const record = new LeaseRecord(findsLeaks ? describeBorrower(fiber, stack) : {}, timer.start())
        if (findsLeaks) machine.track(record, time.read())
        return lend(record)
      }),
    returned: (record) => {
      if (record === undefined) return
      timer.used(record.lentAt)
      if (findsLeaks) machine.untrack(record, time.read())
      if (record.reported) log.leakReturned(Math.round(time.read().monotonic - record.since), record.borrower)
    }
  }
}

/** Gets back the item of a lease. */
interface Lender<V> {
  giveBack(item: PoolItem<any>, view: V, exit: Exit.Exit<unknown, unknown>, record: LeaseRecord | undefined): void
}

export class Lease<V> implements Contract.Lease<V>, Contract.SyncLease<V> {
  readonly value: V
  private readonly pool: string
  private readonly record: LeaseRecord | undefined
  private readonly lender: Lender<V>
  private item: PoolItem<any> | undefined

  constructor(pool: string, item: PoolItem<any>, value: V, record: LeaseRecord | undefined, lender: Lender<V>) {
    this.pool = pool
    this.item = item
    this.value = value
    this.record = record
    this.lender = lender
  }

  get standing(): StandingNow | undefined {
    return this.item?.standing
  }

  giveBack(exit: Exit.Exit<unknown, unknown>): void {
    const { item } = this
    if (item === undefined) return
    this.item = undefined
    this.lender.giveBack(item, this.value, exit, this.record)
  }

  release(exit: Exit.Exit<unknown, unknown> = Exit.void): Effect.Effect<void> {
    return Effect.sync(() => this.giveBack(exit))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.giveBack(Exit.void)
    return Promise.resolve()
  }

  toJSON(): unknown {
    return { _id: "Lease", pool: this.pool, released: this.item === undefined }
  }

  toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}
