/** Code that the compiler has to accept; checked with the types, never run. */
import type * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import type * as KeyedPool from "effect-pools/KeyedPool"
import type { PoolError } from "effect-pools/PoolError"
import * as EffectKeyedPool from "effect/KeyedPool"

declare const pool: KeyedPool.KeyedPool<string, number, "Down">

declare const expect: <A>(value: A) => void

// a function written for Effect's KeyedPool accepts it
const forAnyPool = <K, A, E>(pool: EffectKeyedPool.KeyedPool<K, A, E>, key: K): Effect.Effect<A, E, Scope.Scope> =>
  EffectKeyedPool.get(pool, key)
expect<Effect.Effect<number, "Down" | PoolError, Scope.Scope>>(forAnyPool(pool, "a"))
