/** The base of a pool: in Effect 3 a pool is an `effect/Pool`, and an effect that borrows; in Effect 4 it is neither. */
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Pool from "effect/Pool"
import type * as Scope from "effect/Scope"

/** The interface of Effect's own pool. */
export type PoolLike<A, E> = Pool.Pool<A, E>

/** What a pool is besides an effect, for Effect's `Unify`. */
export type UnifyIgnore = Effect.EffectUnifyIgnore

export abstract class PoolBase<A, E> extends Effectable.Class<A, E, Scope.Scope> {
  readonly [Pool.PoolTypeId] = { _A: (value: any) => value, _E: (value: never) => value }

  abstract readonly get: Effect.Effect<A, E, Scope.Scope>

  /** Effect calls this method when it runs the pool as an effect. */
  commit(): Effect.Effect<A, E, Scope.Scope> {
    return this.get
  }
}
