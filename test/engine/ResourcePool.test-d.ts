/** Code that the compiler has to accept or refuse; checked with the types, never run. */
import type * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import type { PoolError } from "effect-pools/PoolError"
import type * as RedisPermits from "effect-pools/RedisPermits"
import * as ResourcePool from "effect-pools/ResourcePool"
import type * as WebTransport from "effect-pools/WebTransport"

declare const pool: ResourcePool.ResourcePool<string, "Down">
declare const other: ResourcePool.ResourcePool<number, "Late">
declare const which: boolean

declare const expect: <A>(value: A) => void

// a union of pools can be used like a pool
const either = Effect.map(Effect.void, () => which ? pool : other)
expect<Effect.Effect<ResourcePool.ResourcePool<string, "Down"> | ResourcePool.ResourcePool<number, "Late">>>(either)

// the errors and requirements of the body are added to the pool's
expect<Effect.Effect<number, "Down" | "Mine" | PoolError, Scope.Scope>>(
  pool.use((item) => which ? Effect.as(Effect.scope, item.length) : Effect.fail("Mine" as const))
)
expect<Effect.Effect<number, "Down" | PoolError>>(ResourcePool.useSync((item: string) => item.length)(pool))
expect<Effect.Effect<void>>(ResourcePool.invalidate(pool, "item"))

// the maker has to provide the requirements of acquire and of the hooks, except the scope
declare const acquire: Effect.Effect<string, "Down", Scope.Scope | WebTransport.WebTransportConstructor>
expect<
  Effect.Effect<ResourcePool.ResourcePool<string, "Down">, never, Scope.Scope | WebTransport.WebTransportConstructor>
>(ResourcePool.make({ acquire, lost: (item) => Effect.succeed(item.length) }))

// the hooks know the item
const connection = Effect.acquireRelease(Effect.succeed({ id: 1 }), (item) => Effect.log(item.id))
expect<Effect.Effect<ResourcePool.ResourcePool<{ id: number }>, never, Scope.Scope>>(
  ResourcePool.make({
    acquire: connection,
    concurrency: (item) => item.id,
    lost: (item) => Effect.succeed(item.id),
    validate: (item, { uses }) => Effect.succeed(item.id > uses),
    keepAlive: { interval: "1 minute", ping: (item) => Effect.succeed(item.id) },
    onRelease: (item) => Effect.succeed(item.id > 0 ? "keep" : "discard")
  })
)

// the error of the permit is one of the pool, whatever errors `acquire` has
declare const permits: RedisPermits.Service
declare class Refused {
  readonly _tag: "Refused"
}
declare const refusing: Effect.Effect<string, Refused>
const withPermit = ResourcePool.make({
  acquire: refusing,
  permit: permits.permit,
  rideOut: (cause) => expect<Cause.Cause<Refused | RedisPermits.RedisPermitsError | PoolError>>(cause) ?? 0
})
expect<
  Effect.Effect<
    ResourcePool.ResourcePool<string, Refused | RedisPermits.RedisPermitsError>,
    never,
    Scope.Scope
  >
>(withPermit)
class Pooled extends ResourcePool.Tag("Pooled")<Pooled, string, Refused | RedisPermits.RedisPermitsError>() {}
expect(Pooled.layer({ acquire: refusing, permit: permits.permit }))

// @ts-expect-error a number is not an item of this pool
expect(ResourcePool.invalidate(pool, 1))
// @ts-expect-error acquire is required
expect(ResourcePool.make({ maxSize: 1 }))
