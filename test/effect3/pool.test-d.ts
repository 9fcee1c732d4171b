/** Code that the compiler has to accept; checked with the types, never run. */
import type * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import type { PoolError } from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import type * as SessionPool from "effect-pools/SessionPool"
import type * as WebTransport from "effect-pools/WebTransport"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Pool from "effect/Pool"

declare const pool: ResourcePool.ResourcePool<string, "Down">
declare const sessions: SessionPool.Service

declare const expect: <A>(value: A) => void

// a function written for Effect's Pool accepts it
const forAnyPool = <A, E>(pool: Pool.Pool<A, E>): Effect.Effect<A, E, Scope.Scope> => Pool.get(pool)
expect<Effect.Effect<string, "Down" | PoolError, Scope.Scope>>(forAnyPool(pool))
expect<Effect.Effect<WebTransport.Session, WebTransportError | PoolError, Scope.Scope>>(forAnyPool(sessions))
expect<Effect.Effect<string, "Down" | PoolError, Scope.Scope>>(pool)
expect<Effect.Effect<number, "Down" | PoolError>>(pool.pipe(ResourcePool.useSync((item: string) => item.length)))
