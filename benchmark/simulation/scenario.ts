/** What a scenario of the simulation is. */
import type { Backend, Replica } from "./backend.js"
import type { FleetPool } from "./fleetPool.js"
import type { PoolOptions } from "./policy.js"

/** What a scenario works with. */
export interface Stage {
  readonly backend: Backend
  readonly replicas: ReadonlyArray<Replica>
  readonly pools: ReadonlyArray<FleetPool>
  /** Seconds since the start. */
  readonly at: (seconds: number, run: () => void) => void
}

/** Times are seconds. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly words: string
  /** The trouble. */
  readonly from: number
  readonly until: number
  readonly end: number
  /** How many times as many borrowers come in the trouble. */
  readonly load: number
  /** Of all variants. */
  readonly options: PoolOptions
  readonly variants: ReadonlyArray<Variant>
  readonly play: (stage: Stage) => void
}

export interface Variant {
  readonly name: string
  readonly options: PoolOptions
  readonly address: "balancer" | "endpoints"
}

export interface Scale {
  readonly pools: number
  readonly seed: number
}
