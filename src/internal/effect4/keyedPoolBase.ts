/** The base of a pool by key: in Effect 3 it is an `effect/KeyedPool`; Effect 4 has no such pool. */
import type * as Effect from "effect/Effect"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import type * as Scope from "effect/Scope"

/** What Effect 3's own pool by key has. */
export interface KeyedPoolLike<in K, in out A, out E> extends Pipeable {
  readonly get: (key: K) => Effect.Effect<A, E, Scope.Scope>
  readonly invalidate: (item: A) => Effect.Effect<void>
}

export abstract class KeyedPoolBase {
  pipe() {
    return pipeArguments(this, arguments)
  }
}
