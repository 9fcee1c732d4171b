/** The base of a pool: in Effect 3 a pool is an `effect/Pool`, and an effect that borrows; in Effect 4 it is neither. */
import type * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import type * as Scope from "effect/Scope"

/** What a pool shares with Effect's own pool, which is plain data in Effect 4. */
export interface PoolLike<in out A, out E> {
  readonly get: Effect.Effect<A, E, Scope.Scope>
  readonly invalidate: (item: A) => Effect.Effect<void>
}

/** What a pool is not, for Effect's `Unify`: it is no effect. */
export interface UnifyIgnore {}

export abstract class PoolBase<A, E> {
  abstract readonly get: Effect.Effect<A, E, Scope.Scope>

  abstract toJSON(): unknown

  toString(): string {
    return Formatter.format(this.toJSON())
  }
}
