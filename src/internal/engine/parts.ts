/** The fields that the parts of a pool share. */
import type { PoolRuntime } from "#effect/poolRuntime"
import type * as Cause from "effect/Cause"
import type * as Scope from "effect/Scope"
import type { PoolClock } from "../core/clock.js"
import type { PoolMachine } from "../core/pool/poolMachine.js"
import type { PoolLog } from "../observe/poolLog.js"
import type { PoolAdapter, Whole } from "./contract.js"
import type { PoolData } from "./records.js"

export interface PoolParts<A, E, V> {
  readonly name: string
  readonly machine: PoolMachine<A, Cause.Cause<E>, PoolData>
  readonly time: PoolClock
  readonly runtime: PoolRuntime
  readonly log: PoolLog
  readonly adapter: PoolAdapter<A, E, Scope.Scope, V>
  /** In a pool that is part of another. */
  readonly whole: Whole<A> | undefined
}
