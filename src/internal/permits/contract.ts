import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RedisPermitsError } from "../../RedisPermitsError.js"
import type { Permit } from "../../ResourcePoolOptions.js"
import type { PermitPurpose } from "../core/pool/item.js"

export interface PermitsStats {
  readonly held: number
  readonly waiting: number
  readonly wanted: number
  readonly limit: number
  readonly commands: number
  readonly failures: number
}

export interface PermitsService {
  readonly permit: (purpose: PermitPurpose, pool?: object) => Effect.Effect<Permit, RedisPermitsError, Scope.Scope>
  readonly stats: Effect.Effect<PermitsStats>
}
